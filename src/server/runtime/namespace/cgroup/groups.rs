//! Making control groups for sandboxes, and taking them away again.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::io::Errno;

use super::plan::{Controller, Hierarchy, LEAF, Missing, Plan, Version};
use super::tree::Tree;

const PROCESSES: &str = "cgroup.procs";
const DELEGATED: &str = "cgroup.subtree_control";

/// How often a group is tried to be removed whose last process is on its way out, and how long after the first time;
/// the pause doubles, to 2.5 seconds together.
const TRIES: u32 = 9;
const FIRST_PAUSE: Duration = Duration::from_millis(5);

/// What a sandbox may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct Amounts {
    pub(in super::super) memory_bytes: u64,
    pub(in super::super) millicores: u64,
    pub(in super::super) processes: u64,
}

/// The groups of one server. Those that are empty go when this is dropped.
#[derive(Debug)]
pub(in super::super) struct Groups {
    tree: Arc<dyn Tree>,
    /// One in each hierarchy, with the groups of sandboxes in it.
    parents: Vec<Parent>,
    /// Those that the kernel did not let go of in time.
    leftovers: Mutex<HashSet<PathBuf>>,
}

#[derive(Debug)]
struct Parent {
    version: Version,
    folder: PathBuf,
    controllers: Vec<Controller>,
}

/// The groups of one sandbox, one in each hierarchy. They go when this is dropped, if they are empty by then.
#[derive(Debug)]
pub(in super::super) struct Group {
    groups: Arc<Groups>,
    folders: Vec<PathBuf>,
}

impl Groups {
    /// Makes the groups that the sandboxes' own will be in; tells too what there will be none for.
    pub(super) fn open(plan: Plan, name: &str, tree: Arc<dyn Tree>) -> (Self, Vec<(Controller, Missing)>) {
        let (mut parents, mut missing) = (Vec::new(), plan.missing);
        for hierarchy in plan.hierarchies {
            let version = hierarchy.version;
            let (found, refused) = Parent::make(&hierarchy, name, &*tree);
            parents.extend(found);
            missing.extend(refused.into_iter().map(|(controller, error)| (controller, refusal(version, &error))));
        }
        (Self { tree, parents, leftovers: Mutex::default() }, missing)
    }

    /// Returns the folders that sandboxes' groups are made in.
    pub(super) fn folders(&self) -> impl Iterator<Item = &Path> {
        self.parents.iter().map(|parent| &*parent.folder)
    }

    /// Returns the folders that those are in, where other servers' may be too.
    pub(super) fn places(&self) -> impl Iterator<Item = &Path> {
        self.folders().filter_map(Path::parent)
    }

    /// Returns whether there are groups with this controller, and of which version.
    pub(in super::super) fn version_of(&self, controller: Controller) -> Option<Version> {
        self.parents.iter().find(|parent| parent.controllers.contains(&controller)).map(|parent| parent.version)
    }

    /// Makes the groups of a sandbox, with nobody in them.
    pub(in super::super) fn make(self: &Arc<Self>, name: &str, amounts: Amounts) -> io::Result<Group> {
        let mut group = Group { groups: Arc::clone(self), folders: Vec::new() };
        for parent in &self.parents {
            let folder = parent.folder.join(name);
            match self.tree.make(&folder) {
                // One of an earlier life of the sandbox, that the kernel has not let go of.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                // Whoever tidies up takes an empty group for one that nobody wants, that of an idle server too.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    parent.make_again(&*self.tree)?;
                    self.tree.make(&folder)?;
                }
                result => result?,
            }
            self.leftovers().remove(&folder);
            group.folders.push(folder.clone());
            for &controller in &parent.controllers {
                limit(&*self.tree, &folder, (parent.version, controller), amounts)?;
            }
        }
        Ok(group)
    }

    /// Tries once to remove groups; returns those that are still in use.
    fn remove(&self, folders: Vec<PathBuf>) -> Vec<PathBuf> {
        let in_use = |folder: &PathBuf| match self.tree.remove(folder) {
            Ok(()) => false,
            Err(error) => error.kind() != io::ErrorKind::NotFound,
        };
        folders.into_iter().filter(in_use).collect()
    }

    /// Takes groups that are to be tried again later, and does so with those of before.
    fn leave(&self, folders: Vec<PathBuf>) {
        let before = std::mem::take(&mut *self.leftovers());
        let still = self.remove(before.into_iter().collect());
        self.leftovers().extend(still.into_iter().chain(folders));
    }

    fn leftovers(&self) -> MutexGuard<'_, HashSet<PathBuf>> {
        self.leftovers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Groups {
    fn drop(&mut self) {
        self.leave(Vec::new());
        for folder in self.folders() {
            // One that is in use still is swept by who comes next.
            let _ = self.tree.remove(folder);
        }
    }
}

impl Group {
    /// Returns the files in which a process enters itself.
    pub(in super::super) fn entrances(&self) -> Vec<PathBuf> {
        self.folders.iter().map(|folder| folder.join(PROCESSES)).collect()
    }

    /// Removes the groups, whose processes have ended: the kernel takes its time to notice.
    pub(in super::super) async fn remove(&self) {
        let mut pause = FIRST_PAUSE;
        let mut folders = self.groups.remove(self.folders.clone());
        for _ in 1..TRIES {
            if folders.is_empty() {
                return;
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
            folders = self.groups.remove(folders);
        }
        self.groups.leave(folders);
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let folders = self.groups.remove(std::mem::take(&mut self.folders));
        if !folders.is_empty() {
            self.groups.leave(folders);
        }
    }
}

impl Parent {
    /// Makes a group for sandboxes in a hierarchy; tells too which controllers it does not have.
    fn make(hierarchy: &Hierarchy, name: &str, tree: &dyn Tree) -> (Option<Self>, Vec<(Controller, io::Error)>) {
        let version = hierarchy.version;
        let failed = |error: &io::Error| hierarchy.controllers.iter().map(|&it| (it, again(error))).collect();
        let (above, mut missing) = match version {
            Version::One => (hierarchy.own.clone(), Vec::new()),
            Version::Two => match delegate(hierarchy, tree) {
                Ok(delegated) => delegated,
                Err(error) => return (None, failed(&error)),
            },
        };
        let mut controllers = hierarchy.controllers.clone();
        controllers.retain(|it| missing.iter().all(|(missing, _)| missing != it));
        if controllers.is_empty() {
            return (None, missing);
        }
        let folder = above.join(name);
        match tree.make(&folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return (None, failed(&error)),
            _ => {}
        }
        if version == Version::Two {
            controllers.retain(|&it| match enable(tree, &folder, it) {
                Ok(()) => true,
                Err(error) => {
                    missing.push((it, error));
                    false
                }
            });
        }
        (Some(Self { version, folder, controllers }), missing)
    }

    /// Makes the group that was there before.
    fn make_again(&self, tree: &dyn Tree) -> io::Result<()> {
        match tree.make(&self.folder) {
            // Another sandbox that starts was faster.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            result => result?,
        }
        match self.version {
            Version::One => Ok(()),
            Version::Two => self.controllers.iter().try_for_each(|&it| enable(tree, &self.folder, it)),
        }
    }
}

/// Finds the group of version 2 below which groups are limited, and lets them be.
///
/// Only groups without processes have such groups below them, but for the topmost one of the machine. Where this process
/// is alone in its group, as in a unit of systemd that is delegated to it, it moves into a leaf. Where others are there
/// too, as in a login session, the next group above without processes does, if it is given to us, and if what is passed
/// over limits nothing: nobody's limit is evaded.
fn delegate(hierarchy: &Hierarchy, tree: &dyn Tree) -> io::Result<(PathBuf, Vec<(Controller, io::Error)>)> {
    let Hierarchy { own, top, controllers, .. } = hierarchy;
    let processes = tree.read(&own.join(PROCESSES))?;
    if processes.trim() == std::process::id().to_string() {
        let leaf = own.join(LEAF);
        match tree.make(&leaf) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => tree.write(&leaf.join(PROCESSES), "0")?,
        }
    }
    let mut above = own.clone();
    loop {
        let results: Vec<_> = controllers.iter().map(|&it| (it, enable(tree, &above, it))).collect();
        let is_busy = |(_, result): &(_, io::Result<()>)| result.as_ref().is_err_and(is_busy);
        if !results.iter().all(is_busy) {
            return Ok((above, results.into_iter().filter_map(|(it, result)| Some((it, result.err()?))).collect()));
        }
        if above == *top || !is_unlimited(tree, &above) || !above.pop() {
            return Err(Errno::BUSY.into());
        }
    }
}

fn enable(tree: &dyn Tree, folder: &Path, controller: Controller) -> io::Result<()> {
    tree.write(&folder.join(DELEGATED), &format!("+{}", controller.as_str()))
}

fn is_unlimited(tree: &dyn Tree, folder: &Path) -> bool {
    ["memory.max", "cpu.max", "pids.max"].iter().all(|name| match tree.read(&folder.join(name)) {
        Ok(text) => text.starts_with("max"),
        // It has no such controller.
        Err(_) => true,
    })
}

fn is_busy(error: &io::Error) -> bool {
    Errno::from_io_error(error) == Some(Errno::BUSY)
}

fn again(error: &io::Error) -> io::Error {
    error.raw_os_error().map_or_else(|| io::Error::other(error.to_string()), io::Error::from_raw_os_error)
}

fn refusal(version: Version, error: &io::Error) -> Missing {
    if version == Version::Two && is_busy(error) {
        return Missing::Shared;
    }
    Missing::Refused { version, reason: error.to_string() }
}

/// How often the kernel gives CPU out anew. Its own choice is 100 ms, which is how long whoever has used his share up may
/// have to wait; the agent shares with its commands.
const PERIOD_US: u64 = 20_000;

/// The least that it gives out at once, and the longest period.
const LEAST_QUOTA_US: u64 = 1_000;
const LONGEST_PERIOD_US: u64 = 1_000_000;

/// Returns how much CPU time there is in how much time, both in microseconds.
fn quota(millicores: u64) -> (u64, u64) {
    let millicores = millicores.max(1);
    let quota = PERIOD_US.saturating_mul(millicores) / 1000;
    if quota >= LEAST_QUOTA_US {
        return (quota, PERIOD_US);
    }
    (LEAST_QUOTA_US, (LEAST_QUOTA_US * 1000 / millicores).min(LONGEST_PERIOD_US))
}

fn limit(
    tree: &dyn Tree,
    folder: &Path,
    (version, controller): (Version, Controller),
    amounts: Amounts,
) -> io::Result<()> {
    let set = |name: &str, value: String| tree.write(&folder.join(name), &value);
    // A kernel that does not count swap has no file for it.
    let set_if_there = |name: &str, value: String| match tree.read(&folder.join(name)) {
        Ok(_) => set(name, value),
        Err(_) => Ok(()),
    };
    let bytes = amounts.memory_bytes.to_string();
    let (quota, period) = quota(amounts.millicores);
    match (controller, version) {
        (Controller::Memory, Version::One) => {
            set("memory.limit_in_bytes", bytes.clone())?;
            // Memory and swap together.
            set_if_there("memory.memsw.limit_in_bytes", bytes)
        }
        (Controller::Memory, Version::Two) => {
            set("memory.max", bytes)?;
            set_if_there("memory.swap.max", "0".to_owned())
        }
        (Controller::Cpu, Version::One) => {
            set("cpu.cfs_period_us", period.to_string())?;
            set("cpu.cfs_quota_us", quota.to_string())
        }
        (Controller::Cpu, Version::Two) => set("cpu.max", format!("{quota} {period}")),
        (Controller::Pids, _) => set("pids.max", amounts.processes.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::quota;

    #[test]
    fn the_share_of_cpu_is_right_however_small() {
        for millicores in [1, 2, 49, 50, 51, 500, 1000, 16_000] {
            let (quota, period) = quota(millicores);
            let share = quota * 1000 / period;
            assert!(share.abs_diff(millicores) <= millicores / 20, "{millicores}: {quota} of {period}");
            assert!((1_000..=1_000_000).contains(&period) && quota >= 1_000, "{millicores}: {quota} of {period}");
        }
    }
}
