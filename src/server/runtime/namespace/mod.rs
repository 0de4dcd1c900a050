//! The runtime that makes sandboxes of Linux namespaces.
//!
//! A sandbox is a process tree in namespaces of its own, with an agent as its first process: this same program, started
//! again ([`agent`]). The server talks to it over one socket ([`protocol`]), and does nothing inside by itself. As root
//! a sandbox's users are a range of numbers that nobody else has; as an ordinary user they are that user. In no case is
//! root of a sandbox root of the machine.
//!
//! It is as safe as the kernel is: for code that one would run in a container, not for tenants who want to break out.

pub(super) mod agent;
mod capture;
mod disk;
mod frame;
mod host;
mod launch;
mod link;
mod process;
mod protocol;
mod sandbox;
mod session;
mod spawner;
mod sys;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::sync::OnceCell;

use self::disk::Disks;
use self::host::Host;
use self::spawner::Spawner;
use super::{
    BuildImage, Built, Instance, LaunchError, LaunchErrorKind, LaunchSpec, Runtime, SnapshotFiles, Unavailable,
};
use crate::server::egress::{Egress, Proxy};
use crate::server::images::{Fallback, ImageOptions, Images};
use crate::types::{ByteSize, Cpu, SandboxId};

/// A runtime that makes sandboxes of Linux namespaces.
#[derive(Debug)]
pub(super) struct NamespaceRuntime {
    disks: Disks,
    spawner: Spawner,
    images: Images,
    /// How sandboxes get out, if they do.
    proxy: Option<Proxy>,
    notice: String,
    /// Made at the first use, when the folder is known to be this process's.
    host: OnceCell<Host>,
}

/// What is not enforced.
const UNLIMITED: &str =
    "sandboxes get as much cpu, memory, processes and disk as the machine has: limits are not enforced";

impl NamespaceRuntime {
    /// Makes a runtime with its files under `data`, which runs `program` as the agent, and sees whether that works.
    pub(super) async fn open(
        data: &Path,
        program: PathBuf,
        images: ImageOptions,
        egress: &Egress,
    ) -> Result<Self, Unavailable> {
        let runtime = Self::new(data.to_owned(), program.clone(), images, egress)?;
        let trial = data.join(format!("trial-{}", std::process::id()));
        let host = ImageOptions::new().fallback(Fallback::Host);
        let result = Self::new(trial.clone(), program, host, &Egress::None)?.try_out().await;
        std::fs::remove_dir_all(trial).map_err(Unavailable::Setup)?;
        result.map_err(|error| Unavailable::Setup(io::Error::other(error)))?;
        Ok(runtime)
    }

    fn new(data: PathBuf, program: PathBuf, images: ImageOptions, egress: &Egress) -> Result<Self, Unavailable> {
        let disks = Disks::open(data).map_err(Unavailable::Setup)?;
        let spawner = Spawner::new(program).map_err(Unavailable::Setup)?;
        let images = Images::open(disks.images(), images).map_err(Unavailable::Images)?;
        let notice = format!("{}; {}; {UNLIMITED}", images.notice(), egress.notice());
        Ok(Self { disks, spawner, images, proxy: Proxy::of(egress), notice, host: OnceCell::new() })
    }

    /// Starts a sandbox and ends it.
    async fn try_out(&self) -> Result<(), LaunchError> {
        let spec = LaunchSpec {
            image: "host".to_owned(),
            cpu: "1".parse::<Cpu>().expect("a quantity"),
            memory: "64Mi".parse::<ByteSize>().expect("a quantity"),
            storage: None,
            mounts: Vec::new(),
            files: None,
            workdir: None,
        };
        let sandbox = self.launch_sandbox(&SandboxId::new("trial"), &spec).await?;
        sandbox.destroy().await;
        Ok(())
    }

    /// Keeps what a sandbox has changed as one more layer above those that it was made from.
    async fn keep_disk(&self, id: &SandboxId, below: Option<&SnapshotFiles>) -> Result<Built, LaunchError> {
        let refuse = |message: &str| LaunchError::new(LaunchErrorKind::SandboxConfig, message);
        let mut files = below
            .cloned()
            .ok_or_else(|| refuse("its snapshot was built by a server that runs nothing, and is to be built again"))?;
        let Some((upper, users)) = self.disks.changes_of(id) else { return Err(refuse("it has no disk")) };
        let layer = self.images.keep(move |archive| capture::write(&upper, users, archive)).await?;
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
            // The processes ended with the server that started them.
            note_sweep(self.disks.sweep(ids));
            Vec::new()
        })
    }

    fn discard<'a>(&'a self, id: &'a SandboxId) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            note_removal(id, self.disks.remove(id));
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
}

/// Clears away what sandboxes that are not among `ids` left under `data`, where no runtime is open.
pub(super) fn sweep(data: &Path, ids: &[SandboxId]) {
    note_sweep(Disks::open(data.to_owned()).and_then(|disks| disks.sweep(ids)));
}

/// Clears away what a sandbox left under `data`, where no runtime is open.
pub(super) fn discard(data: &Path, id: &SandboxId) {
    note_removal(id, Disks::open(data.to_owned()).and_then(|disks| disks.remove(id)));
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
