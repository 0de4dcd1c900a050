//! The sandboxes that run in this process, by id.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::{App, Error};
use crate::server::runtime::Instance;
use crate::types::SandboxId;

/// The handles of the sandboxes that run, and which ones are wanted.
pub(crate) struct Instances {
    known: Mutex<Known>,
    changes: watch::Sender<()>,
}

#[derive(Default)]
struct Known {
    running: HashMap<SandboxId, Arc<dyn Instance>>,
    /// Ready sandboxes that somebody needs and that do not run: they were started by an earlier run of the server.
    wanted: HashSet<SandboxId>,
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
        self.known().running.remove(id)
    }

    /// Records that a sandbox will not run.
    pub(super) fn give_up(&self, id: &SandboxId) {
        self.known().wanted.remove(id);
        self.changes.send_replace(());
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
        self.known().wanted.iter().cloned().collect()
    }

    fn want(&self, id: &SandboxId) {
        self.known().wanted.insert(id.clone());
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl App {
    /// Returns the handle of a sandbox, which is woken if it is stopped, and started again if it ended with an earlier
    /// run of the server.
    pub(crate) async fn instance(&self, id: &SandboxId) -> Result<Arc<dyn Instance>, Error> {
        let mut changes = self.0.instances.changes.subscribe();
        loop {
            self.awake(id).await?;
            changes.borrow_and_update();
            if let Some(instance) = self.0.instances.of(id) {
                return Ok(instance);
            }
            self.0.instances.want(id);
            self.0.signals.work.notify_one();
            changes.changed().await.expect("this server holds the sender");
        }
    }
}
