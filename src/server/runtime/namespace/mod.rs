//! The runtime that makes sandboxes of Linux namespaces.
//!
//! A sandbox is a process tree in namespaces of its own, with an agent as its first process: this same program, started
//! again ([`agent`]). The server talks to it over one socket ([`protocol`]), and does nothing inside by itself. As root
//! a sandbox's users are a range of numbers that nobody else has; as an ordinary user they are that user. In no case is
//! root of a sandbox root of the machine.
//!
//! It is as safe as the kernel is: for code that one would run in a container, not for tenants who want to break out.

pub(super) mod agent;
mod capped;
mod capture;
mod cgroup;
mod changes;
mod disk;
mod frame;
mod host;
mod launch;
pub(super) mod limits;
mod link;
mod process;
mod protocol;
mod reaper;
mod sandbox;
mod session;
mod spawner;
mod sys;
pub(super) mod trial;

use std::io;
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::future::BoxFuture;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::sync::OnceCell;

use self::cgroup::Groups;
use self::changes::Opened;
use self::disk::Disks;
use self::host::Host;
use self::limits::Limits;
use self::protocol::Users;
use self::reaper::Reaper;
use self::spawner::Spawner;
use self::trial::try_out;
use super::{
    BuildImage, Built, Instance, LaunchError, LaunchErrorKind, LaunchSpec, Runtime, SnapshotFiles, Unavailable,
};
use crate::server::egress::{Egress, Proxy};
use crate::server::images::{ImageOptions, Images};
use crate::types::{SandboxId, VolumeId};

/// A runtime that makes sandboxes of Linux namespaces.
#[derive(Debug)]
pub(super) struct NamespaceRuntime {
    disks: Disks,
    spawner: Spawner,
    reaper: Reaper,
    images: Images,
    /// How sandboxes get out, if they do.
    proxy: Option<Proxy>,
    notice: String,
    limits: Limits,
    /// Made at the first use, when the folder is known to be this process's.
    host: OnceCell<Host>,
    groups: OnceCell<Arc<Groups>>,
    opened: Opened,
}

impl NamespaceRuntime {
    /// Makes a runtime with its files under `data`, which runs `program` as the agent, and sees whether that works.
    pub(super) async fn open(
        data: &Path,
        program: PathBuf,
        images: ImageOptions,
        egress: &Egress,
    ) -> Result<Self, Unavailable> {
        let disks = Disks::open(data.to_owned()).map_err(Unavailable::Setup)?;
        let limits = try_out(disks.root(), &program).await?;
        let runtime = Self::new(disks, program, images, egress, limits)?;
        open_more_files();
        Ok(runtime)
    }

    fn new(
        disks: Disks,
        program: PathBuf,
        images: ImageOptions,
        egress: &Egress,
        limits: Limits,
    ) -> Result<Self, Unavailable> {
        let reaper = Reaper::new().map_err(Unavailable::Setup)?;
        let spawner = Spawner::new(program, reaper.clone()).map_err(Unavailable::Setup)?;
        let images = Images::open(disks.images(), images).map_err(Unavailable::Images)?;
        let mut notice = format!("{}; {}", images.notice(), egress.notice());
        if let Some(missing) = limits.notice() {
            notice = format!("{notice}; {missing}");
        }
        let (proxy, host, groups) = (Proxy::of(egress), OnceCell::new(), OnceCell::new());
        Ok(Self { disks, spawner, reaper, images, proxy, notice, limits, host, groups, opened: Opened::default() })
    }

    /// Returns the control groups for sandboxes, of which some or all may be missing.
    ///
    /// They are opened once only, since that ends what is in those that are there.
    async fn groups(&self) -> io::Result<&Arc<Groups>> {
        let open = async || {
            let root = self.disks.root().to_owned();
            Ok(Arc::new(blocking(move || cgroup::open(&root)).await?))
        };
        self.groups.get_or_try_init(open).await
    }

    /// Keeps what a sandbox has changed as one more layer above those that it was made from.
    async fn keep_disk(&self, id: &SandboxId, below: Option<&SnapshotFiles>) -> Result<Built, LaunchError> {
        let refuse = |message: &str| LaunchError::new(LaunchErrorKind::SandboxConfig, message);
        let mut files = below
            .cloned()
            .ok_or_else(|| refuse("its snapshot was built by a server that runs nothing, and is to be built again"))?;
        let _turn = self.opened.turn(id).await;
        let Some(place) = self.disks.place_of(id) else { return Err(refuse("it has no disk")) };
        let folder = self.open_changes(id, &place).await;
        let folder = folder.map_err(|error| refuse(&format!("its disk cannot be read: {error}")))?;
        let layer = match place.users {
            users @ Users::Range(_) => {
                self.images.keep(move |archive| capture::write(folder.as_fd(), users, archive)).await?
            }
            Users::Own => {
                let archiver = self.start_archiver(&folder).await;
                let archiver = archiver.map_err(|error| refuse(&format!("its disk cannot be read: {error}")))?;
                self.images.keep(move |archive| archiver.copy(archive)).await?
            }
        };
        // Overlayfs takes no layer twice: one that comes again shows nothing that those above it do not hide.
        files.layers.retain(|name| *name != layer);
        files.layers.push(layer);
        let used_bytes = self.images.used(&files).await;
        Ok(Built { files: Some(files), used_bytes, ..Built::default() })
    }

    async fn host(&self) -> io::Result<&Host> {
        self.host.get_or_try_init(async || Host::make(self.disks.host_image())).await
    }
}

impl Runtime for NamespaceRuntime {
    fn name(&self) -> &'static str {
        "namespace"
    }

    fn notice(&self) -> Option<&str> {
        Some(&self.notice)
    }

    fn prepare<'a>(&'a self, image: &'a str) -> BoxFuture<'a, Result<(), LaunchError>> {
        Box::pin(async move {
            self.images.resolve(image).await?;
            Ok(())
        })
    }

    fn launch<'a>(
        &'a self,
        id: &'a SandboxId,
        spec: &'a LaunchSpec,
    ) -> BoxFuture<'a, Result<Arc<dyn Instance>, LaunchError>> {
        Box::pin(async move {
            let sandbox = self.launch_sandbox(id, spec).await?;
            Ok(Arc::new(sandbox) as Arc<dyn Instance>)
        })
    }

    fn recover<'a>(&'a self, ids: &'a [SandboxId]) -> BoxFuture<'a, Vec<(SandboxId, Arc<dyn Instance>)>> {
        Box::pin(async move {
            // The processes ended with the server that started them, and their mounts with them: files are left, and
            // control groups.
            note_sweep(self.groups().await.map(|_| ()));
            let (disks, ids) = (self.disks.clone(), ids.to_vec());
            note_sweep(blocking(move || disks.sweep(&ids)).await);
            Vec::new()
        })
    }

    fn discard<'a>(&'a self, id: &'a SandboxId) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            // A start that was given up may still be on its way to its end.
            self.reaper.idle().await;
            let (disks, of) = (self.disks.clone(), id.clone());
            note_removal(id, blocking(move || disks.remove(&of)).await);
        })
    }

    fn build<'a>(&'a self, image: &'a BuildImage) -> BoxFuture<'a, Result<Built, LaunchError>> {
        Box::pin(async move { Ok(self.images.build(image).await?) })
    }

    fn capture<'a>(
        &'a self,
        id: &'a SandboxId,
        below: &'a Option<SnapshotFiles>,
    ) -> BoxFuture<'a, Result<Built, LaunchError>> {
        Box::pin(self.keep_disk(id, below.as_ref()))
    }

    fn free<'a>(&'a self, unused: &'a SnapshotFiles, used: &'a [SnapshotFiles]) -> BoxFuture<'a, ()> {
        Box::pin(self.images.free(unused, used))
    }

    fn discard_volume<'a>(&'a self, id: &'a VolumeId) -> BoxFuture<'a, io::Result<()>> {
        let (disks, id) = (self.disks.clone(), id.clone());
        Box::pin(blocking(move || disks.remove_volume(&id)))
    }
}

/// Lets this process have as many files open as it ever may: a sandbox takes two, each of its commands three, and 1024
/// is what systems begin with. Sandboxes get a limit of their own.
fn open_more_files() {
    let maximum = getrlimit(Resource::Nofile).maximum;
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        tracing::warn!(%error, "no more files can be open than by default");
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(io::Error::other(error)))
}

/// Clears away what sandboxes that are not among `ids` left under `data`, where no runtime is open.
pub(super) fn sweep(data: &Path, ids: &[SandboxId]) {
    note_sweep(Disks::open(data.to_owned()).and_then(|disks| {
        cgroup::sweep(disks.root())?;
        disks.sweep(ids)
    }));
}

/// Clears away what a sandbox left under `data`, where no runtime is open.
pub(super) fn discard(data: &Path, id: &SandboxId) {
    note_removal(id, Disks::open(data.to_owned()).and_then(|disks| disks.remove(id)));
}

/// Removes the files of a volume under `data`, where no runtime is open.
pub(super) fn discard_volume(data: &Path, id: &VolumeId) -> io::Result<()> {
    Disks::open(data.to_owned())?.remove_volume(id)
}

fn note_sweep(result: io::Result<()>) {
    if let Err(error) = result {
        tracing::warn!(error = &error as &dyn std::error::Error, "what earlier sandboxes left stays behind");
    }
}

fn note_removal(id: &SandboxId, result: io::Result<()>) {
    if let Err(error) = result {
        tracing::warn!(sandbox.id = %id, %error, "the disk of a sandbox stays behind");
    }
}
