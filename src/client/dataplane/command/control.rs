//! Steering a command.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::wire::SharedWriter;
use crate::wire::CommandRequest;

/// What can steer a command while its handle is read elsewhere. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct CommandControl {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    /// The connection, while there is one.
    writer: Mutex<Option<SharedWriter>>,
    killed: AtomicBool,
}

impl CommandControl {
    /// Kills the command's process group. It does nothing while there is no connection.
    ///
    /// The handle then reads what is left of the output, and does not connect again if the connection is lost.
    pub async fn kill(&self) {
        if let Some(writer) = self.writer() {
            self.shared.killed.store(true, Ordering::Relaxed);
            // What cannot be sent shows when the handle is read.
            let _ = writer.send(&CommandRequest::Kill).await;
        }
    }

    /// Writes to the command's standard input. Waits while the command takes none, so the handle should be read
    /// meanwhile. Input for a command that has ended is dropped without a word.
    ///
    /// # Errors
    ///
    /// An I/O error when the connection is lost; what was sent may not have arrived then.
    pub async fn send_input(&self, data: impl Into<String>) -> io::Result<()> {
        self.send(&CommandRequest::Input { data: data.into() }).await
    }

    /// Closes the command's standard input. Servers of the first generation other than ours pass over it.
    ///
    /// # Errors
    ///
    /// Those of [`CommandControl::send_input`].
    pub async fn close_input(&self) -> io::Result<()> {
        self.send(&CommandRequest::CloseInput).await
    }

    /// Tells the command's pseudo-terminal its size, in characters. The API has no such message: servers other than ours pass over it.
    ///
    /// # Errors
    ///
    /// Those of [`CommandControl::send_input`].
    pub async fn resize(&self, rows: u16, columns: u16) -> io::Result<()> {
        self.send(&CommandRequest::Resize { rows, columns }).await
    }

    async fn send(&self, message: &CommandRequest) -> io::Result<()> {
        match self.writer() {
            Some(writer) => writer.send(message).await.map_err(io::Error::other),
            None => Ok(()),
        }
    }

    pub(super) fn connect(&self, writer: SharedWriter) {
        *self.lock() = Some(writer);
    }

    pub(super) fn disconnect(&self) {
        *self.lock() = None;
    }

    pub(super) fn writer(&self) -> Option<SharedWriter> {
        self.lock().clone()
    }

    pub(super) fn was_killed(&self) -> bool {
        self.shared.killed.load(Ordering::Relaxed)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<SharedWriter>> {
        self.shared.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
