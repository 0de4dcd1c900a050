//! The sandboxes that run in this process, by id.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{oneshot, watch};
use tokio::time::Instant;

use super::{App, Error};
use crate::server::metrics::Path;
use crate::server::runtime::{Instance, LaunchError};
use crate::types::SandboxId;

/// The handles of the sandboxes that run, and which ones are wanted.
pub(crate) struct Instances {
    known: Mutex<Known>,
    changes: watch::Sender<()>,
}

#[derive(Default)]
struct Known {
    running: HashMap<SandboxId, Arc<dyn Instance>>,
    /// Ready sandboxes that somebody needs and that do not run: they were started by an earlier run of the server, or
    /// ended by themselves. With those who wait, to be told if it cannot be.
    wanted: HashMap<SandboxId, Vec<oneshot::Sender<LaunchError>>>,
}

impl Default for Instances {
    fn default() -> Self {
        Self { known: Mutex::default(), changes: watch::Sender::new(()) }
    }
}

impl Instances {
    /// Keeps a handle.
    pub(super) fn put(&self, id: SandboxId, instance: Arc<dyn Instance>) {
        let mut known = self.known();
        known.wanted.remove(&id);
        known.running.insert(id, instance);
        drop(known);
        self.changes.send_replace(());
    }

    /// Returns the handle of a sandbox, if it runs.
    pub(super) fn of(&self, id: &SandboxId) -> Option<Arc<dyn Instance>> {
        self.known().running.get(id).cloned()
    }

    /// Gives the handle of a sandbox away, if it runs.
    pub(super) fn take(&self, id: &SandboxId) -> Option<Arc<dyn Instance>> {
        let instance = self.known().running.remove(id);
        self.changes.send_replace(());
        instance
    }

    /// Gives all handles away.
    pub(super) fn take_all(&self) -> Vec<Arc<dyn Instance>> {
        self.known().running.drain().map(|(_, instance)| instance).collect()
    }

    /// Tells those who need a sandbox why it does not run.
    pub(super) fn refuse(&self, id: &SandboxId, error: &LaunchError) {
        for waiting in self.known().wanted.remove(id).into_iter().flatten() {
            // Who waited may have given up.
            let _ = waiting.send(error.clone());
        }
    }

    /// Records that a sandbox will not run: those who need it look at it again.
    pub(super) fn give_up(&self, id: &SandboxId) {
        self.known().wanted.remove(id);
    }

    /// Tells those who wait for a sandbox that something about one has changed.
    pub(super) fn changed(&self) {
        self.changes.send_replace(());
    }

    /// Returns what tells of changes.
    pub(super) fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    /// Returns the sandboxes that do not run and that somebody needs.
    pub(super) fn wanted(&self) -> Vec<SandboxId> {
        self.known().wanted.keys().cloned().collect()
    }

    /// Records that somebody needs a sandbox; what is returned yields an error if it cannot be had, and closes when it
    /// is to be looked at again.
    fn want(&self, id: &SandboxId) -> oneshot::Receiver<LaunchError> {
        let (waiting, told) = oneshot::channel();
        let mut known = self.known();
        if !known.running.contains_key(id) {
            known.wanted.entry(id.clone()).or_default().push(waiting);
        }
        told
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl App {
    /// Returns the handle of a sandbox, which is woken if it is stopped, and started again if its processes have ended.
    pub(crate) async fn instance(&self, id: &SandboxId) -> Result<Arc<dyn Instance>, Error> {
        let mut changes = self.0.instances.changes.subscribe();
        let begun = Instant::now();
        let mut is_restarted = false;
        loop {
            changes.borrow_and_update();
            self.awake(id).await?;
            match self.0.instances.of(id) {
                Some(instance) if !instance.has_ended() => {
                    if is_restarted {
                        self.metrics().time_ready(Path::Restart, begun.elapsed());
                    }
                    return Ok(instance);
                }
                // The supervisor is about to notice, and takes its handle away.
                Some(_) => changes.changed().await.expect("this server holds the sender"),
                None => {
                    is_restarted = true;
                    let told = self.0.instances.want(id);
                    self.0.signals.work.notify_one();
                    if let Ok(error) = told.await {
                        return Err(Error::Launch(error));
                    }
                }
            }
        }
    }
}
