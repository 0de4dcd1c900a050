//! What the kernel says of itself, and what came of a trial.

use std::error::Error as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::super::namespace::limits::Limits;
use super::super::namespace::trial;

/// All that a verdict depends on.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    /// What a sandbox was held to, or why none could be started.
    pub(super) trial: Result<Limits, String>,
    pub(super) program: PathBuf,
    pub(super) is_root: bool,
    /// Whether this process may do what only root of the machine may, as far as sandboxes go.
    pub(super) has_admin: bool,
    /// How many numbers of users there are in this process's user namespace.
    pub(super) users: u64,
    pub(super) kernel: Option<(u32, u32)>,
    /// `user.max_user_namespaces`
    pub(super) max_user_namespaces: Option<u64>,
    /// `kernel.unprivileged_userns_clone`, which Debian's kernels have.
    pub(super) unprivileged_user_namespaces: Option<u64>,
    /// `kernel.apparmor_restrict_unprivileged_userns`, which Ubuntu's kernels have.
    pub(super) apparmor_restricts: Option<u64>,
    pub(super) has_overlay: bool,
    pub(super) has_seccomp: bool,
}

impl Facts {
    pub(super) async fn gather(folder: &Path, program: &Path) -> Self {
        let trial = trial::try_out(folder, program).await.map_err(|error| {
            let cause = error.source().map(|cause| format!(": {cause}"));
            format!("{error}{}", cause.unwrap_or_default())
        });
        let status = read("/proc/self/status");
        Self {
            trial,
            program: fs::read_link(program).unwrap_or_else(|_| program.to_owned()),
            is_root: rustix::process::geteuid().is_root(),
            has_admin: effective(&status).is_some_and(|set| set & ADMIN != 0),
            users: users(&read("/proc/self/uid_map")),
            kernel: trial::kernel_version(),
            max_user_namespaces: number("/proc/sys/user/max_user_namespaces"),
            unprivileged_user_namespaces: number("/proc/sys/kernel/unprivileged_userns_clone"),
            apparmor_restricts: number("/proc/sys/kernel/apparmor_restrict_unprivileged_userns"),
            has_overlay: read("/proc/filesystems").lines().any(|line| line.ends_with("\toverlay")),
            has_seccomp: read("/proc/sys/kernel/seccomp/actions_avail").split_whitespace().any(|it| it == "errno"),
        }
    }
}

/// `CAP_SYS_ADMIN`, as a set of one.
const ADMIN: u64 = 1 << 21;

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

fn number<T: FromStr>(path: &str) -> Option<T> {
    read(path).trim().parse().ok()
}

fn effective(status: &str) -> Option<u64> {
    let set = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    u64::from_str_radix(set.trim(), 16).ok()
}

/// Adds up the lengths of the ranges in a `uid_map` (`user_namespaces(7)`).
fn users(map: &str) -> u64 {
    map.lines().filter_map(|line| line.split_whitespace().nth(2)?.parse::<u64>().ok()).sum()
}
