//! The runtime that makes sandboxes of Linux namespaces.
//!
//! A sandbox is a process tree in namespaces of its own, with an agent as its first process: this same program, started
//! again ([`agent`]). The server talks to it over one socket ([`protocol`]), and does nothing inside by itself. As root
//! a sandbox's users are a range of numbers that nobody else has; as an ordinary user they are that user. In no case is
//! root of a sandbox root of the machine.
//!
//! It is as safe as the kernel is: for code that one would run in a container, not for tenants who want to break out.

pub(super) mod agent;
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
use std::path::PathBuf;
use std::sync::Arc;

use futures_util::future::BoxFuture;

use self::disk::Disks;
use self::host::Host;
use self::spawner::Spawner;
use super::{Instance, LaunchError, LaunchErrorKind, LaunchSpec, Runtime};
use crate::types::SandboxId;

/// A runtime that makes sandboxes of Linux namespaces.
#[derive(Debug)]
pub(super) struct NamespaceRuntime {
    disks: Disks,
    host: Host,
    spawner: Spawner,
}

impl NamespaceRuntime {
    /// Makes a runtime with its files under `data`, which runs `program` as the agent.
    pub(super) fn open(data: PathBuf, program: PathBuf) -> io::Result<Self> {
        let disks = Disks::open(data)?;
        let host = Host::make(disks.images().join(host::REFERENCE))?;
        Ok(Self { disks, host, spawner: Spawner::new(program)? })
    }
}

impl Runtime for NamespaceRuntime {
    fn name(&self) -> &'static str {
        "namespace"
    }

    fn prepare<'a>(&'a self, image: &'a str) -> BoxFuture<'a, Result<(), LaunchError>> {
        Box::pin(async move {
            if image == host::REFERENCE {
                return Ok(());
            }
            let message = format!("`{image}` cannot be had: this server knows the image `host` only");
            Err(LaunchError::new(LaunchErrorKind::ImagePull, message))
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
            if let Err(error) = self.disks.sweep(ids) {
                tracing::warn!(error = &error as &dyn std::error::Error, "what earlier sandboxes left stays behind");
            }
            Vec::new()
        })
    }

    fn discard<'a>(&'a self, id: &'a SandboxId) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            if let Err(error) = self.disks.remove(id) {
                tracing::warn!(sandbox.id = %id, %error, "the disk of a sandbox stays behind");
            }
        })
    }
}
