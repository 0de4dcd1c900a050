//! A process that the kernel made our child behind the standard library's back: the first one of a sandbox.

use std::io;
use std::os::fd::{AsFd as _, OwnedFd};

use rustix::process::{Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, pidfd_open, pidfd_send_signal, waitid};
use tokio::io::unix::AsyncFd;

use super::sys;

/// A child process; it is killed when this is dropped.
#[derive(Debug)]
pub(super) struct Process {
    pidfd: AsyncFd<OwnedFd>,
}

impl Process {
    /// Takes a child by its id. Nobody else waits for it, so that the id is still its own.
    pub(super) fn child(pid: i32) -> io::Result<Self> {
        let pid = Pid::from_raw(pid).ok_or(io::ErrorKind::InvalidData)?;
        let pidfd = pidfd_open(pid, PidfdFlags::empty())?;
        Ok(Self { pidfd: sys::watch(pidfd)? })
    }

    /// Kills it, and with it all others of its sandbox.
    pub(super) fn kill(&self) {
        let _ = pidfd_send_signal(self.pidfd.as_fd(), Signal::KILL);
    }

    /// Waits until it has ended, and all others of its sandbox. Cancel-safe, and can be done again.
    pub(super) async fn ended(&self) {
        // It stays readable from then on. Neither call fails but for somebody else having waited for it.
        let _ = self.pidfd.readable().await;
        let _ = waitid(WaitId::PidFd(self.pidfd.as_fd()), WaitIdOptions::EXITED | WaitIdOptions::NOHANG);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        // A process 1 that is killed takes the others with it before it can be waited for. That does not take long,
        // and without it the process would stay as a zombie.
        let _ = waitid(WaitId::PidFd(self.pidfd.as_fd()), WaitIdOptions::EXITED);
    }
}
