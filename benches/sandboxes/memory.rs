//! What processes take, as the kernel counts it.

use std::fmt;
use std::fs;

/// What an idle sandbox takes, in KiB of PSS: what processes share is counted in parts.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Memory {
    /// The sandbox's own processes, and those that keep it.
    pub(crate) own_kib: u64,
    /// What a server or a daemon that is there once for all takes.
    pub(crate) once_kib: u64,
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mb = |kib: u64| f64::from(u32::try_from(kib).unwrap_or(u32::MAX)) * 1024.0 / 1e6;
        write!(f, "{:>8.2} MB", mb(self.own_kib))?;
        if self.once_kib > 0 {
            write!(f, ", and {:.0} MB once", mb(self.once_kib))?;
        }
        Ok(())
    }
}

/// Returns the PSS of a process, in KiB; 0 for one that is gone.
pub(crate) fn pss_kib(process: u32) -> u64 {
    field(&format!("/proc/{process}/smaps_rollup"), "Pss:")
}

/// Returns the most that a process has taken so far, in MB.
pub(crate) fn peak_mb(process: u32) -> u64 {
    field(&format!("/proc/{process}/status"), "VmHWM:") * 1024 / 1_000_000
}

fn field(path: &str, name: &str) -> u64 {
    let text = fs::read_to_string(path).unwrap_or_default();
    let value = text.lines().find_map(|line| line.strip_prefix(name));
    value.and_then(|value| value.trim().trim_end_matches("kB").trim().parse().ok()).unwrap_or(0)
}

/// Returns the processes whose parent is `process`.
pub(crate) fn children(process: u32) -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let numbers = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    numbers.filter(|&child| parent(child) == Some(process)).collect()
}

/// Returns the parent of a process.
pub(crate) fn parent(process: u32) -> Option<u32> {
    let text = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name before it is in parentheses, and may hold anything.
    text.rsplit(") ").next()?.split(' ').nth(1)?.parse().ok()
}

/// Returns the name of a process's program.
pub(crate) fn name(process: u32) -> String {
    fs::read_to_string(format!("/proc/{process}/comm")).unwrap_or_default().trim().to_owned()
}
