//! Starting commands, and telling how they ended.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, WaitOptions, WaitStatus};
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, openpt, unlockpt};

use super::super::protocol::Exec;
use super::super::sys;
use super::account::Account;
use super::files;

/// Where commands start, and as whom, unless they say otherwise.
#[derive(Debug)]
pub(super) struct Home {
    pub(super) workdir: PathBuf,
    pub(super) account: Account,
    /// Whether there are other users than root.
    pub(super) has_users: bool,
}

/// What makes the kernel prefer commands when memory runs out, the sandbox's or the machine's: to this process, and to
/// whatever else there is. It counts as if they used half of the memory more (proc(5)); what they start inherits it.
const EXPENDABLE: &str = "500";

/// The commands that run.
#[derive(Debug)]
pub(super) struct Commands {
    home: Home,
    /// The request that started each.
    by_pid: HashMap<Pid, u64>,
}

/// A command that was started.
#[derive(Debug)]
pub(super) struct Started {
    pub(super) pid: u32,
    /// The other side of its terminal, if it has one.
    pub(super) terminal: Option<OwnedFd>,
}

impl Commands {
    pub(super) fn new(home: Home) -> Self {
        Self { home, by_pid: HashMap::new() }
    }

    /// Returns whose files are that are made on behalf of the sandbox's user.
    pub(super) fn owner(&self) -> files::Owner {
        (self.home.account.user, self.home.account.group)
    }

    /// Starts a command on the three descriptors that came with the request, or on a terminal.
    pub(super) fn start(&mut self, id: u64, mut exec: Exec, fds: Vec<OwnedFd>) -> io::Result<Started> {
        let asked = exec.user.as_deref().filter(|_| self.home.has_users);
        let found = asked.map(Account::find).transpose()?;
        let account = found.as_ref().unwrap_or(&self.home.account);
        exec.env.entry("USER".to_owned()).or_insert_with(|| account.name.clone());
        let Some((program, arguments)) = exec.argv.split_first() else {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a command without a program"));
        };
        let cwd = self.home.workdir.join(exec.cwd.as_deref().unwrap_or(Path::new("")));
        if !fs::metadata(&cwd)?.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        let mut command = Command::new(program);
        command.args(arguments).env_clear().envs(&exec.env).current_dir(cwd);
        let (streams, terminal) = if exec.pty {
            let (terminal, other_side) = open_terminal()?;
            account.own(&terminal)?;
            ([terminal.try_clone()?, terminal.try_clone()?, terminal], Some(other_side))
        } else {
            let streams = <[OwnedFd; 3]>::try_from(fds);
            (streams.map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "a command without streams"))?, None)
        };
        let [input, output, errors] = streams.map(Stdio::from);
        command.stdin(input).stdout(output).stderr(errors);
        sys::in_its_own_session(&mut command, exec.pty, account.identity());
        let pid = command.spawn()?.id();
        // No more than a wish: who has given rights up for others is not open to it.
        let _ = fs::write(format!("/proc/{pid}/oom_score_adj"), EXPENDABLE);
        let key = i32::try_from(pid).ok().and_then(Pid::from_raw).expect("a process id is positive");
        self.by_pid.insert(key, id);
        Ok(Started { pid, terminal })
    }

    /// Kills the process group of a command that runs.
    pub(super) fn kill(&self, id: u64) {
        // It was not waited for yet, so that its number is still its own.
        if let Some((&pid, _)) = self.by_pid.iter().find(|&(_, &of)| of == id) {
            let _ = rustix::process::kill_process_group(pid, Signal::KILL);
        }
    }

    /// Takes the processes that ended, orphans included, until one of them is a command; returns its request and its
    /// exit code.
    pub(super) fn reap(&mut self) -> Option<(u64, i32)> {
        while let Ok(Some((pid, status))) = rustix::process::wait(WaitOptions::NOHANG) {
            if let Some(id) = self.by_pid.remove(&pid) {
                return Some((id, exit_code(status)));
            }
        }
        None
    }
}

fn exit_code(status: WaitStatus) -> i32 {
    status.exit_status().unwrap_or_else(|| 128 + status.terminating_signal().unwrap_or_default())
}

/// Opens a terminal; returns the side of the command and the other one.
fn open_terminal() -> io::Result<(OwnedFd, OwnedFd)> {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let other_side = openpt(flags)?;
    unlockpt(&other_side)?;
    Ok((ioctl_tiocgptpeer(&other_side, flags)?, other_side))
}
