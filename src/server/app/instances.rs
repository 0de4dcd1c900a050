//! The sandboxes that run in this process, by id.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::server::runtime::Instance;
use crate::types::SandboxId;

/// The handles of the sandboxes that run.
#[derive(Default)]
pub(crate) struct Instances(Mutex<HashMap<SandboxId, Arc<dyn Instance>>>);

impl Instances {
    /// Keeps a handle.
    pub(crate) fn put(&self, id: SandboxId, instance: Arc<dyn Instance>) {
        self.lock().insert(id, instance);
    }

    /// Returns the handle of a sandbox, if it runs.
    pub(crate) fn of(&self, id: &SandboxId) -> Option<Arc<dyn Instance>> {
        self.lock().get(id).cloned()
    }

    /// Gives the handle of a sandbox away, if it runs.
    pub(crate) fn take(&self, id: &SandboxId) -> Option<Arc<dyn Instance>> {
        self.lock().remove(id)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SandboxId, Arc<dyn Instance>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
