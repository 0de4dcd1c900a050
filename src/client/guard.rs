//! A sandbox that does not outlive the code that uses it.

use std::ops::{Deref, DerefMut};

use tokio::runtime::Handle;
use tracing::{debug, warn};

use super::error::Error;
use super::handle::{Sandbox, SandboxObject};
use crate::wire;

/// A sandbox that is deleted when it is closed, or else when it is dropped.
///
/// [`SandboxGuard::close`] deletes it and says whether that worked. Dropping hands the deletion to a task that the
/// client owns; [`Client::close`](super::Client::close) waits for it, and a program that ends before leaves the sandbox
/// behind.
#[derive(Debug)]
#[must_use = "a guard that is dropped deletes its sandbox"]
pub struct SandboxGuard<O: SandboxObject = wire::Sandbox> {
    sandbox: Sandbox<O>,
    /// Whether dropping the guard still has to delete the sandbox.
    armed: bool,
    /// The runtime to clean up on: a guard can be dropped on a thread that has none.
    runtime: Handle,
}

impl<O: SandboxObject> SandboxGuard<O> {
    /// Must be called on a runtime.
    pub(super) fn new(sandbox: Sandbox<O>) -> Self {
        Self { sandbox, armed: true, runtime: Handle::current() }
    }

    /// Deletes the sandbox. One that is gone already, by its time to live say, is no error.
    ///
    /// # Errors
    ///
    /// Those of [`Client::delete_sandbox`](super::Client::delete_sandbox) otherwise; dropping the guard does not try
    /// again then.
    ///
    /// # Cancel safety
    ///
    /// If this future is dropped, the clean-up of a dropped guard takes over.
    pub async fn close(mut self) -> Result<(), Error> {
        let result = clean_up(&self.sandbox).await;
        self.armed = false;
        result
    }

    /// Returns the sandbox, which nobody deletes then.
    pub fn keep(mut self) -> Sandbox<O> {
        self.armed = false;
        self.sandbox.clone()
    }
}

impl<O: SandboxObject> Deref for SandboxGuard<O> {
    type Target = Sandbox<O>;

    fn deref(&self) -> &Sandbox<O> {
        &self.sandbox
    }
}

impl<O: SandboxObject> DerefMut for SandboxGuard<O> {
    fn deref_mut(&mut self) -> &mut Sandbox<O> {
        &mut self.sandbox
    }
}

impl<O: SandboxObject> Drop for SandboxGuard<O> {
    fn drop(&mut self) {
        if !self.armed {
            return;
        }
        let sandbox = self.sandbox.clone();
        let tasks = sandbox.client().link().tasks().clone();
        let task = async move {
            match clean_up(&sandbox).await {
                Ok(()) => debug!(sandbox.name = sandbox.display_name(), "deleted a sandbox whose guard was dropped"),
                Err(error) => {
                    warn!(sandbox.name = sandbox.display_name(), %error, "cannot delete a sandbox whose guard was dropped");
                }
            }
        };
        tasks.spawn_on(task, &self.runtime);
    }
}

async fn clean_up<O: SandboxObject>(sandbox: &Sandbox<O>) -> Result<(), Error> {
    match sandbox.delete().await {
        Err(error) if !error.is_not_found() => Err(error),
        _ => Ok(()),
    }
}
