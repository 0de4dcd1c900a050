//! The port to whatever runs sandboxes.
//!
//! Everything that is the same for all runtimes lives above it, in `app`: lifecycle, pools and claims, command sessions
//! and their buffers, times to live. A runtime makes a sandbox from an image, and gives a handle through which commands
//! run in it. Start with [`Runtime`].

mod build;
mod choice;
pub mod fake;
mod glob;
mod instance;
pub mod machine;
#[cfg(target_os = "linux")]
mod namespace;
mod none;
pub(in crate::server) mod overlay;
mod search;
mod when_needed;

pub use build::{BuildImage, BuildRegistry, Built, ImageConfig, SnapshotFiles};
pub use choice::{NamespaceOptions, Unavailable, namespace, run_agent};
pub use glob::{Glob, GlobError, Place};
pub use instance::{Control, DialError, ExecError, ExecSpec, FileContent, FileError, Frame, Instance, Session, Stream};
pub use none::NoRuntime;
pub use search::{Entry, EntrySearch, Found, Line, LineSearch, SearchScope};
pub use when_needed::WhenNeeded;

use std::fmt;
use std::future::ready;
use std::io;
use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::types::{ByteSize, Cpu, SandboxId, VolumeId};

/// What runs sandboxes.
///
/// Methods return boxed futures so that the server holds one `dyn Runtime`, chosen when it starts.
pub trait Runtime: Send + Sync + 'static {
    /// Returns a word for logs and messages, such as `none`.
    fn name(&self) -> &'static str;

    /// Returns what to tell whoever starts the server, such as what this runtime leaves out.
    fn notice(&self) -> Option<&str> {
        None
    }

    /// Returns whether commands, files and ports work in its sandboxes; finds it out first where that is not known.
    fn has_data_plane(&self) -> BoxFuture<'_, bool> {
        Box::pin(ready(true))
    }

    /// Fetches and unpacks an image, so that a launch finds it.
    fn prepare<'a>(&'a self, image: &'a str) -> BoxFuture<'a, Result<(), LaunchError>>;

    /// Starts a sandbox. When the future is dropped, nothing of the sandbox stays behind.
    fn launch<'a>(
        &'a self,
        id: &'a SandboxId,
        spec: &'a LaunchSpec,
    ) -> BoxFuture<'a, Result<Arc<dyn Instance>, LaunchError>>;

    /// Finds again what earlier runs of the server left: the handles of those among `ids` that still run. What is left
    /// of sandboxes that are not in `ids` is cleared away; the disks of those that are stay.
    fn recover<'a>(&'a self, ids: &'a [SandboxId]) -> BoxFuture<'a, Vec<(SandboxId, Arc<dyn Instance>)>>;

    /// Clears away what a sandbox without a running instance left, such as its disk.
    fn discard<'a>(&'a self, id: &'a SandboxId) -> BoxFuture<'a, ()>;

    /// Fetches an image for a snapshot, which keeps it from then on. Doing it again does no harm.
    ///
    /// A runtime that fetches nothing takes the reference as a label, whose digest stands for that of the image
    /// (contract S15 of the second generation).
    fn build<'a>(&'a self, image: &'a BuildImage) -> BoxFuture<'a, Result<Built, LaunchError>> {
        Box::pin(ready(Ok(Built { digest: Some(build::digest_of(&image.reference)), ..Built::default() })))
    }

    /// Keeps what a sandbox has on its disk as the files of a snapshot, above those that it was made from. It may run
    /// meanwhile.
    fn capture<'a>(
        &'a self,
        _id: &'a SandboxId,
        below: &'a Option<SnapshotFiles>,
    ) -> BoxFuture<'a, Result<Built, LaunchError>> {
        Box::pin(ready(Ok(Built { files: below.clone(), ..Built::default() })))
    }

    /// Gives the room of layers back that were built for snapshots: those of `unused` that are not among `used`.
    fn free<'a>(&'a self, _unused: &'a SnapshotFiles, _used: &'a [SnapshotFiles]) -> BoxFuture<'a, ()> {
        Box::pin(ready(()))
    }

    /// Removes what is in a volume that no sandbox sees any more.
    fn discard_volume<'a>(&'a self, id: &'a VolumeId) -> BoxFuture<'a, io::Result<()>>;
}

/// What a sandbox is made from.
#[derive(Debug, Clone)]
pub struct LaunchSpec {
    /// The image reference, as the template has it.
    pub image: String,
    /// How much CPU it gets.
    pub cpu: Cpu,
    /// How much memory it gets.
    pub memory: ByteSize,
    /// How much ephemeral disk it gets; the runtime's own choice when `None`.
    pub storage: Option<ByteSize>,
    /// Which volumes it sees, and where.
    pub mounts: Vec<Mount>,
    /// The files of the snapshot that it is made from; `None` has the image fetched.
    pub files: Option<SnapshotFiles>,
    /// Where its commands start; as the image says when `None`.
    pub workdir: Option<String>,
    /// Whom its commands run as, in any form of a Dockerfile's `USER`; whom the image says when `None`.
    pub user: Option<String>,
}

/// A volume at an absolute path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// The volume.
    pub volume: VolumeId,
    /// The absolute, normalised path.
    pub path: String,
    /// Whether it can only be read there.
    pub read_only: bool,
}

/// Why a sandbox could not be started.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct LaunchError {
    /// What sort of failure it is, which decides the API's error type.
    pub kind: LaunchErrorKind,
    /// The text for people; it ends up in `status_message`.
    pub message: String,
}

/// The sorts of failure that the API tells apart (contract section 2.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LaunchErrorKind {
    /// The image cannot be found or fetched.
    ImagePull,
    /// It started and ended at once.
    CrashLoop,
    /// Its configuration cannot be carried out.
    SandboxConfig,
    /// There is no room for it now.
    Unschedulable,
}

impl LaunchError {
    /// Makes an error.
    pub fn new(kind: LaunchErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }
}

impl LaunchErrorKind {
    /// Returns the API's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ImagePull => "ImagePull",
            Self::CrashLoop => "CrashLoop",
            Self::SandboxConfig => "SandboxConfig",
            Self::Unschedulable => "Unschedulable",
        }
    }
}

impl fmt::Display for LaunchErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
