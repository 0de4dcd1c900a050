//! What sandboxes have changed, for whoever keeps it.
//!
//! A disk of a limited size is mounted in its sandbox's namespaces alone, and only once: as long as the sandbox runs, its
//! changes are read through a folder that was opened when it started, and otherwise through a mount for that one time.
//! Starts wait for whoever reads, so that neither finds the disk in use.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, PipeReader, Write};
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::io::Interest;
use tokio::sync::OwnedMutexGuard;

use super::NamespaceRuntime;
use super::disk::Place;
use super::frame::{self, Incoming, Outgoing};
use super::launch::{receive, sockets};
use super::protocol::{DiskToShow, Order, Report, VERSION};
use super::reaper::Stage;
use crate::types::SandboxId;

/// The opened folders of sandboxes that run. Cloning it is cheap.
#[derive(Debug, Clone, Default)]
pub(super) struct Opened(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    folders: HashMap<SandboxId, Arc<OwnedFd>>,
    turns: HashMap<SandboxId, Weak<tokio::sync::Mutex<()>>>,
}

/// The folder of one life of a sandbox, which keeps its disk in use until this is dropped.
#[derive(Debug)]
pub(super) struct Folder {
    of: SandboxId,
    open: Arc<OwnedFd>,
    known: Opened,
}

impl Opened {
    /// Keeps the folder of a sandbox that has started.
    pub(super) fn keep(&self, id: SandboxId, folder: OwnedFd) -> Folder {
        let folder = Arc::new(folder);
        self.lock().folders.insert(id.clone(), Arc::clone(&folder));
        Folder { of: id, open: folder, known: self.clone() }
    }

    /// Lets go of what an earlier life of a sandbox has open.
    pub(super) fn close(&self, id: &SandboxId) {
        self.lock().folders.remove(id);
    }

    /// Waits until nobody else starts a sandbox or reads what it changed.
    pub(super) async fn turn(&self, id: &SandboxId) -> OwnedMutexGuard<()> {
        let turn = {
            let mut state = self.lock();
            state.turns.retain(|_, turn| turn.strong_count() > 0);
            let known = state.turns.get(id).and_then(Weak::upgrade);
            known.unwrap_or_else(|| {
                let turn = Arc::default();
                state.turns.insert(id.clone(), Arc::downgrade(&turn));
                turn
            })
        };
        turn.lock_owned().await
    }

    fn folder(&self, id: &SandboxId) -> Option<Arc<OwnedFd>> {
        self.lock().folders.get(id).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let mut state = self.known.lock();
        // A later life has another.
        if state.folders.get(&self.of).is_some_and(|folder| Arc::ptr_eq(folder, &self.open)) {
            state.folders.remove(&self.of);
        }
    }
}

impl NamespaceRuntime {
    /// Opens the folder with what a sandbox has changed.
    pub(super) async fn open_changes(&self, id: &SandboxId, place: &Place) -> io::Result<Arc<OwnedFd>> {
        let Some(disk) = &place.capped else { return Ok(Arc::new(File::open(&place.upper)?.into())) };
        match self.opened.folder(id) {
            Some(folder) => Ok(folder),
            None => Ok(Arc::new(self.show_disk(disk.clone()).await?)),
        }
    }

    /// Has a process mount a disk that nobody uses, and takes the folder from it; the mount goes with that.
    async fn show_disk(&self, disk: PathBuf) -> io::Result<OwnedFd> {
        let (socket, theirs) = sockets()?;
        let _stage = self.spawner.spawn(theirs).await?;
        let order = Order::ShowDisk(DiskToShow { version: VERSION, scratch: self.disks.mount_point(), disk });
        let mut frame = Outgoing::new(&order, Vec::new())?;
        while !socket.async_io(Interest::WRITABLE, |fd| frame.send_some(fd.as_fd())).await? {}
        match receive(&socket, &mut Incoming::default()).await? {
            (Report::Shown, fds) => fds.into_iter().next().ok_or_else(|| io::ErrorKind::InvalidData.into()),
            (report, _) => Err(failure(report)),
        }
    }

    /// Has a process archive a folder in which files may be shut to this one.
    pub(super) async fn start_archiver(&self, folder: &OwnedFd) -> io::Result<Archiver> {
        let (socket, theirs) = sockets()?;
        let stage = self.spawner.spawn(theirs).await?;
        let (archive, to) = io::pipe()?;
        let mut frame = Outgoing::new(&Order::Archive { version: VERSION }, vec![folder.try_clone()?, to.into()])?;
        while !socket.async_io(Interest::WRITABLE, |fd| frame.send_some(fd.as_fd())).await? {}
        let socket = socket.into_inner();
        rustix::io::ioctl_fionbio(&socket, false)?;
        Ok(Archiver { socket, archive, _stage: stage })
    }
}

/// A process that archives a folder. It ends when this is dropped, as nobody takes the rest.
#[derive(Debug)]
pub(super) struct Archiver {
    socket: OwnedFd,
    archive: PipeReader,
    _stage: Stage,
}

impl Archiver {
    /// Copies the archive, here and now.
    pub(super) fn copy(mut self, to: &mut dyn Write) -> io::Result<()> {
        io::copy(&mut self.archive, to)?;
        match frame::receive(&self.socket, &mut Incoming::default())? {
            (Report::Archived, _) => Ok(()),
            (report, _) => Err(failure(report)),
        }
    }
}

/// Returns what a report comes to that is not the one that was waited for.
fn failure(report: Report) -> io::Error {
    let Report::Failed { step, cause } = report else { return io::ErrorKind::InvalidData.into() };
    let cause = io::Error::from(cause);
    io::Error::new(cause.kind(), format!("cannot {step}: {cause}"))
}
