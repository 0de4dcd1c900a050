//! Control groups: how the kernel holds sandboxes to what they may use of memory, CPU and processes.
//!
//! [`plan`] finds out where groups can be made, as a function of what the kernel says; [`groups`] makes them, below the
//! server's own group, and [`sweep`] removes what a killed server left. An agent enters its groups before it does
//! anything else, so that all that the sandbox does is counted, and nothing is moved while somebody waits for it.

mod groups;
mod plan;
mod sweep;
#[cfg(test)]
mod tests;
mod tree;

use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

pub(super) use self::groups::{Amounts, Group, Groups};
use self::plan::Plan;
pub(super) use self::plan::{Controller, Missing, Version};
use self::tree::Kernel;

/// What the names of groups for trials begin with, before the number of the process and that of the trial.
const TRIAL: &str = "sbx-trial-";

/// How many trials this process has begun: a program may embed several servers.
static TRIALS: AtomicU32 = AtomicU32::new(0);

/// Makes the groups for the sandboxes under `data`, which is this process's, having removed what was left of others.
pub(super) fn open(data: &Path) -> io::Result<Groups> {
    sweep(data)?;
    let (groups, _) = Groups::open(read()?, &name(data), Arc::new(Kernel));
    if let Err(error) = sweep::record(&groups, &record(data)) {
        tracing::warn!(%error, "control groups stay behind if this server is killed");
    }
    Ok(groups)
}

/// Makes groups to try out what can be enforced, and tells what cannot.
pub(super) fn try_out() -> io::Result<(Groups, Vec<(Controller, Missing)>)> {
    let plan = read()?;
    let folders: Vec<_> = plan.hierarchies.iter().map(|hierarchy| hierarchy.own.clone()).collect();
    sweep::trials(folders.into_iter(), TRIAL, &Kernel);
    let name = format!("{TRIAL}{}-{}", std::process::id(), TRIALS.fetch_add(1, Ordering::Relaxed));
    Ok(Groups::open(plan, &name, Arc::new(Kernel)))
}

/// Removes the groups that a killed server left whose data this was.
pub(super) fn sweep(data: &Path) -> io::Result<()> {
    sweep::recorded(&record(data), &Kernel)
}

fn read() -> io::Result<Plan> {
    let (mounts, own) = (fs::read_to_string("/proc/self/mountinfo")?, fs::read_to_string("/proc/self/cgroup")?);
    Ok(plan::plan(&mounts, &own, |folder| fs::read_to_string(folder.join("cgroup.controllers")).ok()))
}

fn record(data: &Path) -> PathBuf {
    data.join("groups")
}

/// Returns a name that no other folder's sandboxes have.
fn name(data: &Path) -> String {
    let mut hasher = DefaultHasher::new();
    data.hash(&mut hasher);
    format!("{}{:016x}", groups::PREFIX, hasher.finish())
}
