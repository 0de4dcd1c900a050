//! The runtimes that depend on the machine.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use super::Runtime;
use crate::server::egress::Egress;
use crate::server::images::{ImageError, ImageOptions};
use crate::types::{SandboxId, VolumeId};

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
    /// What was said of images makes no sense.
    #[error("images cannot be set up")]
    Images(#[source] ImageError),
}

/// How the runtime of namespaces is set up.
#[derive(Debug, Clone)]
pub struct NamespaceOptions {
    pub(super) data: PathBuf,
    agent: Option<PathBuf>,
    pub(super) images: ImageOptions,
    egress: Egress,
}

impl NamespaceOptions {
    /// Returns the defaults: the present program as the agent, images as [`ImageOptions`] has them, and no way out.
    ///
    /// `data` is a folder for images, volumes and the disks of sandboxes, which belongs to the server alone that has the
    /// runtime.
    pub fn new(data: impl Into<PathBuf>) -> Self {
        Self { data: data.into(), agent: None, images: ImageOptions::new(), egress: Egress::None }
    }

    /// Sets another program as the agent: one that calls [`run_agent`].
    #[must_use]
    pub fn agent(mut self, program: impl Into<PathBuf>) -> Self {
        self.agent = Some(program.into());
        self
    }

    /// Sets where images come from.
    #[must_use]
    pub fn images(mut self, images: ImageOptions) -> Self {
        self.images = images;
        self
    }

    /// Sets what sandboxes reach of the world outside; nothing by default.
    #[must_use]
    pub fn egress(mut self, egress: Egress) -> Self {
        self.egress = egress;
        self
    }
}

/// Returns the runtime that makes sandboxes of Linux namespaces, having tried it out.
///
/// # Errors
///
/// [`Unavailable`] when this machine has no namespaces for this user, or `options` do not hold.
#[cfg(target_os = "linux")]
pub async fn namespace(options: NamespaceOptions) -> Result<Arc<dyn Runtime>, Unavailable> {
    // By this path the kernel finds the program even after its file was replaced.
    let agent = options.agent.unwrap_or_else(|| PathBuf::from("/proc/self/exe"));
    Ok(Arc::new(super::namespace::NamespaceRuntime::open(&options.data, agent, options.images, &options.egress).await?))
}

/// Returns that there is no such runtime here.
///
/// # Errors
///
/// [`Unavailable::Platform`] always.
#[cfg(not(target_os = "linux"))]
#[expect(clippy::unused_async, reason = "as where there is one")]
pub async fn namespace(_options: NamespaceOptions) -> Result<Arc<dyn Runtime>, Unavailable> {
    Err(Unavailable::Platform)
}

/// Whether the operating system has namespaces at all.
pub(super) const HAS_NAMESPACES: bool = cfg!(target_os = "linux");

/// Clears away what sandboxes that are not among `ids` left in the folder of a runtime that is not set up.
pub(super) fn sweep(data: &Path, ids: &[SandboxId]) {
    #[cfg(target_os = "linux")]
    super::namespace::sweep(data, ids);
    #[cfg(not(target_os = "linux"))]
    let _ = (data, ids);
}

/// Clears away what a sandbox left in the folder of a runtime that is not set up.
pub(super) fn discard(data: &Path, id: &SandboxId) {
    #[cfg(target_os = "linux")]
    super::namespace::discard(data, id);
    #[cfg(not(target_os = "linux"))]
    let _ = (data, id);
}

/// Removes what is in a volume in the folder of a runtime that is not set up.
pub(super) fn discard_volume(data: &Path, id: &VolumeId) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    return super::namespace::discard_volume(data, id);
    #[cfg(not(target_os = "linux"))]
    {
        let _ = (data, id);
        Ok(())
    }
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
