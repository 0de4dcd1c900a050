//! Control groups: how the kernel holds sandboxes to what they may use of memory, CPU and processes.
//!
//! [`plan`] finds out where groups can be made, as a function of what the kernel says; [`groups`] makes them, below the
//! server's own group, and [`sweep`] removes what a killed server left; [`owner`] is how it is known. An agent enters its groups before it does
//! anything else, so that all that the sandbox does is counted, and nothing is moved while somebody waits for it.

mod groups;
mod owner;
mod plan;
mod sweep;
#[cfg(test)]
mod tests;
mod tree;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(super) use self::groups::{Amounts, Group, Groups};
use self::owner::Owner;
use self::plan::Plan;
pub(super) use self::plan::{Controller, Missing, Version};
use self::tree::Kernel;

/// Makes the groups for the sandboxes under `data`, which is this process's, having removed what was left of others.
pub(super) fn open(data: &Path) -> io::Result<Groups> {
    sweep(data)?;
    let owner = Owner::this()?;
    let (groups, _) = Groups::open(read()?, &owner.name_for(data), Arc::new(Kernel));
    sweep::abandoned(groups.places(), owner, &Kernel);
    if let Err(error) = sweep::record(&groups, &record(data)) {
        tracing::warn!(%error, "control groups stay behind if this server is killed");
    }
    Ok(groups)
}

/// Makes groups to try out what can be enforced, and tells what cannot.
pub(super) fn try_out() -> io::Result<(Groups, Vec<(Controller, Missing)>)> {
    let owner = Owner::this()?;
    let (groups, missing) = Groups::open(read()?, &owner.name_for_trial(), Arc::new(Kernel));
    sweep::abandoned(groups.places(), owner, &Kernel);
    Ok((groups, missing))
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
