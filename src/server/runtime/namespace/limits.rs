//! What a sandbox is held to, and the honest word about the rest.

use std::fmt::Write as _;

use super::cgroup::{Controller, Missing, Version};
use crate::server::runtime::LaunchSpec;

/// How many processes and threads a sandbox may have. The API has no word for it; what needs more than this at once
/// is a fork bomb as a rule.
pub(super) const PROCESSES: u64 = 1024;

/// What of a sandbox's share is limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Resource {
    Memory,
    Cpu,
    Processes,
    Storage,
}

impl Resource {
    pub(in super::super) const ALL: [Self; 4] = [Self::Memory, Self::Cpu, Self::Processes, Self::Storage];

    pub(in super::super) fn as_str(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Cpu => "cpu",
            Self::Processes => "processes",
            Self::Storage => "storage",
        }
    }
}

/// Whether a limit holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) enum Hold {
    /// It does, by this means.
    Enforced(&'static str),
    /// It does not.
    Not {
        reason: String,
        /// What would change that.
        remedy: Option<&'static str>,
    },
}

/// What holds on this machine, for this user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Limits {
    pub(in super::super) memory: Hold,
    pub(in super::super) cpu: Hold,
    pub(in super::super) processes: Hold,
    pub(in super::super) storage: Hold,
}

impl Hold {
    pub(in super::super) fn is_enforced(&self) -> bool {
        matches!(self, Self::Enforced(_))
    }
}

impl Limits {
    /// Judges what was found out in a trial.
    ///
    /// `has_process_limit` says whether the kernel counts the processes of each user namespace for themselves, and
    /// `disk` what came of a disk of a fixed size.
    pub(super) fn judge(
        groups: impl Fn(Controller) -> Result<Version, Missing>,
        (is_root, has_process_limit): (bool, bool),
        disk: Result<(), String>,
    ) -> Self {
        let of = |controller| match groups(controller) {
            Ok(Version::One) => Hold::Enforced("a control group of version 1"),
            Ok(Version::Two) => Hold::Enforced("a control group of version 2"),
            Err(missing) => Hold::Not { remedy: remedy(&missing, is_root), reason: missing.to_string() },
        };
        let processes = match of(Controller::Pids) {
            // Root of a sandbox of root has many users to count for; an ordinary user's sandbox has one.
            Hold::Not { .. } if !is_root && has_process_limit => Hold::Enforced(RESOURCE_LIMIT),
            other => other,
        };
        let storage = match disk {
            Ok(()) => Hold::Enforced("a file system of that size"),
            Err(reason) => Hold::Not { reason, remedy: Some(if is_root { MKFS } else { ROOT }) },
        };
        Self { memory: of(Controller::Memory), cpu: of(Controller::Cpu), processes, storage }
    }

    pub(in super::super) fn of(&self, resource: Resource) -> &Hold {
        match resource {
            Resource::Memory => &self.memory,
            Resource::Cpu => &self.cpu,
            Resource::Processes => &self.processes,
            Resource::Storage => &self.storage,
        }
    }

    /// Returns whether processes are limited by their own, as no group counts them.
    pub(super) fn needs_process_limit(&self) -> bool {
        self.processes == Hold::Enforced(RESOURCE_LIMIT)
    }

    fn missing(&self) -> impl Iterator<Item = Resource> {
        Resource::ALL.into_iter().filter(|&resource| !self.of(resource).is_enforced())
    }

    /// Returns what to tell whoever starts the server; nothing when all limits hold.
    pub(super) fn notice(&self) -> Option<String> {
        let missing: Vec<_> = self.missing().map(Resource::as_str).collect();
        let (last, rest) = missing.split_last()?;
        let list = if rest.is_empty() { (*last).to_owned() } else { format!("{} and {last}", rest.join(", ")) };
        Some(format!("limits of {list} are not enforced here, `sbx doctor` says why"))
    }

    /// Returns what to tell whoever looks at a sandbox: which of the limits that it was declared with do not hold. A disk
    /// stays what it was made as, with a size or not.
    pub(super) fn notice_for(&self, spec: &LaunchSpec, is_capped: bool) -> Option<String> {
        let mut text = String::new();
        let uncapped = (self.storage.is_enforced() && !is_capped).then_some(Resource::Storage);
        for resource in self.missing().chain(uncapped) {
            let declared = match resource {
                Resource::Memory => format!("memory {}", spec.memory),
                Resource::Cpu => format!("cpu {}", spec.cpu),
                Resource::Storage => match &spec.storage {
                    Some(storage) => format!("storage {storage}"),
                    None => continue,
                },
                // Nobody declared it.
                Resource::Processes => continue,
            };
            let _ = write!(text, "{}{declared}", if text.is_empty() { "not enforced on this machine: " } else { ", " });
        }
        (!text.is_empty()).then_some(text)
    }
}

const RESOURCE_LIMIT: &str = "a resource limit";

const ROOT: &str = "run the server as root";
const MKFS: &str = "install e2fsprogs, for `mkfs.ext4`, and see that `/dev/loop-control` is there";
const DELEGATE_TO_USER: &str =
    "start the server with `systemd-run --user --scope -p Delegate=yes sbx serve`, or as root";
const DELEGATE: &str = "start the server with `systemd-run --scope -p Delegate=yes sbx serve`";
const MOUNT: &str = "mount them writable: in a container, give it `--privileged` and `--cgroupns=private`";

/// Returns what would change it.
fn remedy(missing: &Missing, is_root: bool) -> Option<&'static str> {
    match missing {
        Missing::NotMounted => None,
        Missing::NotDelegated | Missing::Shared => Some(if is_root { DELEGATE } else { DELEGATE_TO_USER }),
        Missing::Refused { version: Version::One, .. } if !is_root => Some(ROOT),
        Missing::Refused { .. } if !is_root => Some(DELEGATE_TO_USER),
        Missing::ReadOnly | Missing::OutOfSight | Missing::Refused { .. } => Some(MOUNT),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A machine with groups of one version for all, or a reason against them.
    fn limits(version: Result<Version, &Missing>, is_root: bool, disk: Result<(), String>) -> Limits {
        Limits::judge(|_| version.map_err(Clone::clone), (is_root, true), disk)
    }

    fn spec(storage: Option<&str>) -> LaunchSpec {
        LaunchSpec {
            image: "any".to_owned(),
            cpu: "500m".parse().expect("a quantity"),
            memory: "512Mi".parse().expect("a quantity"),
            storage: storage.map(|storage| storage.parse().expect("a quantity")),
            mounts: Vec::new(),
            files: None,
            workdir: None,
            user: None,
        }
    }

    #[test]
    fn where_all_limits_hold_nothing_is_said() {
        let limits = limits(Ok(Version::Two), true, Ok(()));
        assert_eq!((limits.notice(), limits.notice_for(&spec(Some("1Gi")), true)), (None, None));
        // It was made by a server that could not.
        let said = limits.notice_for(&spec(Some("1Gi")), false);
        assert_eq!(said.as_deref(), Some("not enforced on this machine: storage 1Gi"));
        assert!(!limits.needs_process_limit());
    }

    #[test]
    fn what_does_not_hold_is_said_to_all_who_ask() {
        let refused = Missing::Refused { version: Version::One, reason: "Permission denied".to_owned() };
        let limits = limits(Err(&refused), false, Err("no".to_owned()));
        let notice = "limits of memory, cpu and storage are not enforced here, `sbx doctor` says why";
        assert_eq!(limits.notice().as_deref(), Some(notice));
        let said = limits.notice_for(&spec(Some("1Gi")), false);
        assert_eq!(said.as_deref(), Some("not enforced on this machine: memory 512Mi, cpu 500m, storage 1Gi"));
        // What was not declared is not missed.
        let said = limits.notice_for(&spec(None), false);
        assert_eq!(said.as_deref(), Some("not enforced on this machine: memory 512Mi, cpu 500m"));
        assert!(limits.needs_process_limit(), "a user's processes are counted without groups");
        assert_eq!(limits.memory, Hold::Not { reason: refused.to_string(), remedy: Some(ROOT) });
    }

    #[test]
    fn a_limit_of_roots_processes_would_be_one_for_each_of_many_users() {
        let limits = limits(Err(&Missing::ReadOnly), true, Ok(()));
        let reason = "control groups are mounted read-only".to_owned();
        assert_eq!(limits.processes, Hold::Not { reason, remedy: Some(MOUNT) });
    }

    #[test]
    fn a_user_is_told_how_to_get_groups_of_version_2() {
        for missing in [Missing::NotDelegated, Missing::Shared] {
            let Hold::Not { remedy, .. } = limits(Err(&missing), false, Ok(())).cpu else { panic!("it is missing") };
            assert_eq!(remedy, Some(DELEGATE_TO_USER));
        }
    }
}
