//! The runtimes that depend on the machine.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use super::Runtime;

/// Why there are no namespaces to be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Unavailable {
    /// The operating system has none.
    #[error("sandboxes need Linux")]
    Platform,
    /// The folder for the sandboxes' files, or the machine, refuses something.
    #[error("sandboxes cannot be set up")]
    Setup(#[source] io::Error),
}

/// Returns the runtime that makes sandboxes of Linux namespaces.
///
/// `data` is a folder for images, volumes and the disks of sandboxes, which belongs to this runtime alone. `agent` is a
/// program that calls [`run_agent`]; the present program when `None`.
///
/// # Errors
///
/// [`Unavailable`] when this machine has no namespaces for this user.
#[cfg(target_os = "linux")]
pub fn namespace(data: PathBuf, agent: Option<PathBuf>) -> Result<Arc<dyn Runtime>, Unavailable> {
    // By this path the kernel finds the program even after its file was replaced.
    let agent = agent.unwrap_or_else(|| PathBuf::from("/proc/self/exe"));
    let runtime = super::namespace::NamespaceRuntime::open(data, agent).map_err(Unavailable::Setup)?;
    Ok(Arc::new(runtime))
}

/// Returns that there is no such runtime here.
///
/// # Errors
///
/// [`Unavailable::Platform`] always.
#[cfg(not(target_os = "linux"))]
pub fn namespace(_data: PathBuf, _agent: Option<PathBuf>) -> Result<Arc<dyn Runtime>, Unavailable> {
    Err(Unavailable::Platform)
}

/// Becomes the agent of a sandbox, if this process was started as one; returns the code to end with then.
///
/// A program that embeds a server with [`namespace`] calls it first thing in `main`, before it starts any thread.
pub fn run_agent() -> Option<ExitCode> {
    #[cfg(target_os = "linux")]
    return super::namespace::agent::run_if_asked();
    #[cfg(not(target_os = "linux"))]
    None
}
