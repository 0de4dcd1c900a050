//! A process that the kernel made our child behind the standard library's back: the first one of a sandbox.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use rustix::process::{Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, pidfd_open, pidfd_send_signal, waitid};
use tokio::io::unix::AsyncFd;

use super::reaper::Reaper;
use super::sys;

/// A child process; it is killed when this is dropped.
#[derive(Debug)]
pub(super) struct Process {
    pidfd: Arc<AsyncFd<OwnedFd>>,
    reaper: Reaper,
}

impl Process {
    /// Takes a child by its id. Nobody else waits for it, so that the id is still its own.
    pub(super) fn child(pid: i32, reaper: Reaper) -> io::Result<Self> {
        let pid = Pid::from_raw(pid).ok_or(io::ErrorKind::InvalidData)?;
        let pidfd = pidfd_open(pid, PidfdFlags::empty())?;
        Ok(Self { pidfd: Arc::new(sys::watch(pidfd)?), reaper })
    }

    /// Kills it, and with it all others of its sandbox.
    pub(super) fn kill(&self) {
        let _ = pidfd_send_signal(self.pidfd.as_fd(), Signal::KILL);
    }

    /// Kills it and waits for its end, here and now.
    pub(super) fn end(&self) {
        self.kill();
        wait(&*self.pidfd);
    }

    /// Waits until it has ended, and all others of its sandbox. Cancel-safe, and can be done again.
    pub(super) async fn ended(&self) {
        // It stays readable from then on. Neither call fails but for somebody else having waited for it.
        let _ = self.pidfd.readable().await;
        let _ = waitid(WaitId::PidFd(self.pidfd.as_fd()), WaitIdOptions::EXITED | WaitIdOptions::NOHANG);
    }

    /// Returns whether it has ended.
    pub(super) fn has_ended(&self) -> bool {
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        // It fails for one that was waited for already.
        !matches!(waitid(WaitId::PidFd(self.pidfd.as_fd()), look), Ok(None))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        // A process 1 takes the others with it before it can be waited for, and until then it would stay as a zombie.
        self.reaper.process(&self.pidfd);
    }
}

/// Waits for the end of a child, here and now.
pub(super) fn wait(pidfd: &impl AsFd) {
    // It fails when somebody has waited already.
    let _ = waitid(WaitId::PidFd(pidfd.as_fd()), WaitIdOptions::EXITED);
}
