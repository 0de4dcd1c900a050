//! Ctrl-C and the system's polite request to stop.

use std::io;

use crate::failure::Failure;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Who says stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// Ctrl-C.
    Interrupt,
    /// The system, or another program.
    Terminate,
}

/// Waits for interrupts. From its making on, neither signal ends the process by itself.
pub(crate) struct Interrupts {
    interrupt: Signal,
    terminate: Signal,
}

impl Interrupts {
    /// Starts listening.
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// Waits for the next one. Cancel-safe: one that comes meanwhile is not lost.
    pub(crate) async fn next(&mut self) -> Stop {
        tokio::select! {
            _ = self.interrupt.recv() => Stop::Interrupt,
            _ = self.terminate.recv() => Stop::Terminate,
        }
    }
}

/// Runs something that changes nothing, until it is done or somebody says stop.
///
/// # Errors
///
/// [`Failure::Interrupted`], and whatever `work` fails with.
pub(crate) async fn or_stop<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let mut interrupts = Interrupts::new().map_err(|source| Failure::Runtime { source })?;
    tokio::select! {
        result = work => result,
        _ = interrupts.next() => Err(Failure::Interrupted),
    }
}
