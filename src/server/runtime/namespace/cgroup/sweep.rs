//! Removing what a killed server left of its control groups.
//!
//! Each server writes down where it makes groups: the next one may run in another group than the killed one did. Where
//! that was deleted with the rest of its data, the names of groups say enough to whoever comes across them.

use std::fs;
use std::io;
use std::path::Path;
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::groups::Groups;
use super::owner::{Owner, PREFIX};
use super::tree::Tree;

/// How often, and how long, to wait for a killed process to be gone.
const TRIES: u32 = 100;
const PAUSE: Duration = Duration::from_millis(10);

/// Writes down where groups are made.
pub(super) fn record(groups: &Groups, file: &Path) -> io::Result<()> {
    let lines: Vec<_> = groups.folders().map(|folder| format!("{}\n", folder.display())).collect();
    fs::write(file, lines.concat())
}

/// Removes the groups that are written down, with the processes in them.
pub(super) fn recorded(file: &Path, tree: &dyn Tree) -> io::Result<()> {
    let text = match fs::read_to_string(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        text => text?,
    };
    for parent in text.lines().map(Path::new).filter(|path| is_ours(path)) {
        let mut folders = tree.children(parent).unwrap_or_default();
        folders.push(parent.to_owned());
        for folder in folders {
            if let Err(error) = end(&folder, tree) {
                tracing::warn!(group = %folder.display(), %error, "a control group of a killed server stays behind");
            }
        }
    }
    fs::remove_file(file)
}

/// Removes the groups in these folders whose server or trial has ended without removing them, if nobody is in them.
pub(super) fn abandoned<'a>(folders: impl Iterator<Item = &'a Path>, finder: Owner, tree: &dyn Tree) {
    for folder in folders {
        for group in tree.children(folder).unwrap_or_default() {
            let name = group.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if finder.has_outlived(&name) {
                // Only empty ones go; others are tried again by who comes next.
                for sandbox in tree.children(&group).unwrap_or_default() {
                    let _ = tree.remove(&sandbox);
                }
                let _ = tree.remove(&group);
            }
        }
    }
}

fn is_ours(path: &Path) -> bool {
    path.is_absolute() && path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(PREFIX))
}

/// Kills who is in a group and removes it.
fn end(folder: &Path, tree: &dyn Tree) -> io::Result<()> {
    for _ in 0..TRIES {
        match tree.remove(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {}
            result => return result,
        }
        let processes = tree.read(&folder.join("cgroup.procs"))?;
        let pids = processes.lines().filter_map(|line| line.parse().ok().and_then(Pid::from_raw));
        for pid in pids {
            let _ = kill_process(pid, Signal::KILL);
        }
        thread::sleep(PAUSE);
    }
    tree.remove(folder)
}
