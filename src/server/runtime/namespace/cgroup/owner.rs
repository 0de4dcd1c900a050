//! Who made a group, as its name says: `sbx-WHAT-NAMESPACE-PROCESS`.
//!
//! A server that was killed takes nothing along, and its data, where it wrote down what it made, may be gone before
//! another one starts. A name can be judged by anybody who finds it. The number of a process says nothing outside of its
//! process namespace: groups of two containers may lie side by side, whose processes do not see each other.

use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};

/// What the name of each group of ours begins with: no other is ever removed.
pub(super) const PREFIX: &str = "sbx-";

/// How many trials this process has begun: a program may embed several servers.
static TRIALS: AtomicU32 = AtomicU32::new(0);

/// A process, as all who can see the same groups tell it from others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) namespace: u64,
    pub(super) process: u32,
}

impl Owner {
    /// Returns this process.
    pub(super) fn this() -> io::Result<Self> {
        Ok(Self { namespace: fs::metadata("/proc/self/ns/pid")?.ino(), process: std::process::id() })
    }

    /// Returns the name of the groups for the sandboxes under `data`, which no other folder's have.
    pub(super) fn name_for(self, data: &Path) -> String {
        let mut hasher = DefaultHasher::new();
        data.hash(&mut hasher);
        self.name(&format!("{:016x}", hasher.finish()))
    }

    /// Returns a name for the groups of a trial.
    pub(super) fn name_for_trial(self) -> String {
        self.name(&format!("trial{}", TRIALS.fetch_add(1, Ordering::Relaxed)))
    }

    fn name(self, what: &str) -> String {
        format!("{PREFIX}{what}-{}-{}", self.namespace, self.process)
    }

    /// Returns whose a group is; `None` when the name does not say.
    fn of(name: &str) -> Option<Self> {
        let mut parts = name.strip_prefix(PREFIX)?.splitn(3, '-').skip(1);
        Some(Self { namespace: parts.next()?.parse().ok()?, process: parts.next()?.parse().ok()? })
    }

    /// Returns whether a group is that of a process which this one would see, and does not.
    pub(super) fn has_outlived(self, name: &str) -> bool {
        Self::of(name).is_some_and(|owner| owner.namespace == self.namespace && has_ended(owner.process))
    }
}

fn has_ended(process: u32) -> bool {
    let pid = i32::try_from(process).ok().and_then(Pid::from_raw);
    // Any other refusal is one to let us near a process that is there.
    pid.is_none_or(|pid| test_kill_process(pid) == Err(Errno::SRCH))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A number that no process has: the kernel gives out four millions at most (proc(5), `pid_max`).
    const NOBODY: u32 = 2_000_000_000;

    #[test]
    fn a_name_says_whose_it_is() {
        let owner = Owner { namespace: 4_026_531_836, process: 77 };
        let names = [owner.name_for(Path::new("/a")), owner.name_for(Path::new("/b")), owner.name_for_trial()];
        for name in &names {
            assert_eq!(Owner::of(name), Some(owner), "{name}");
        }
        assert_ne!(names[0], names[1]);
        for name in ["sbx-server", "sbx-", "sbx-a-1", "sbx-a-1-x", "sbx-a-1-2-3", "other-a-1-2"] {
            assert_eq!(Owner::of(name), None, "{name}");
        }
    }

    #[test]
    fn who_is_there_or_out_of_sight_is_not_outlived() {
        let this = Owner::this().expect("it is known");
        let name = |owner: Owner| owner.name_for(Path::new("/a"));
        assert!(this.has_outlived(&name(Owner { process: NOBODY, ..this })));
        assert!(!this.has_outlived(&name(this)));
        // The first process is somebody else's, for an ordinary user.
        assert!(!this.has_outlived(&name(Owner { process: 1, ..this })));
        assert!(!this.has_outlived(&name(Owner { process: NOBODY, namespace: this.namespace + 1 })));
        assert!(!this.has_outlived("sbx-server"));
    }
}
