//! A runtime that is set up when something first has to run.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::sync::OnceCell;

use super::choice::{self, NamespaceOptions, Unavailable};
use super::{BuildImage, Built, Instance, LaunchError, LaunchSpec, NoRuntime, Runtime, SnapshotFiles};
use crate::types::{SandboxId, VolumeId};

/// The runtime of namespaces for a program that may need none of it, such as one that lists sandboxes.
///
/// Nothing is tried out and no process is started before a sandbox has to run. Where namespaces turn out not to be had,
/// sandboxes become ready and run no process, as with [`NoRuntime`], and the [notice](Runtime::notice) says why.
pub struct WhenNeeded {
    options: NamespaceOptions,
    /// What is said as long as nothing is known to be wrong.
    notice: String,
    chosen: OnceCell<Chosen>,
}

/// What turned out to be there.
enum Chosen {
    Real(Arc<dyn Runtime>),
    /// Nothing, with the notice that says so.
    Nothing(String),
}

impl fmt::Debug for WhenNeeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WhenNeeded").field("runtime", &self.name()).finish_non_exhaustive()
    }
}

impl WhenNeeded {
    /// Makes the runtime, and touches nothing.
    pub fn new(options: NamespaceOptions) -> Self {
        let notice = format!("{}, and what limits hold depends on this machine", options.images.notice());
        let chosen = if choice::HAS_NAMESPACES { None } else { Some(Chosen::nothing(&Unavailable::Platform)) };
        Self { options, notice, chosen: OnceCell::new_with(chosen) }
    }

    async fn chosen(&self) -> &dyn Runtime {
        let chosen = self.chosen.get_or_init(async || match choice::namespace(self.options.clone()).await {
            Ok(runtime) => Chosen::Real(runtime),
            Err(error) => Chosen::nothing(&error),
        });
        chosen.await.runtime()
    }

    /// Returns the folder that earlier runs may have left something in, as long as no runtime looks after it.
    fn unattended(&self) -> Option<&Path> {
        let folder = self.options.data.as_path();
        (!matches!(self.chosen.get(), Some(Chosen::Real(_))) && folder.is_dir()).then_some(folder)
    }
}

impl Chosen {
    fn nothing(error: &Unavailable) -> Self {
        let mut reason = error.to_string();
        let mut cause = std::error::Error::source(error);
        while let Some(error) = cause {
            reason.push_str(": ");
            reason.push_str(&error.to_string());
            cause = error.source();
        }
        Self::Nothing(format!("{reason}. So sandboxes become ready but run no process: their data plane answers 501"))
    }

    fn runtime(&self) -> &dyn Runtime {
        match self {
            Self::Real(runtime) => &**runtime,
            Self::Nothing(_) => &NoRuntime,
        }
    }
}

impl Runtime for WhenNeeded {
    fn name(&self) -> &'static str {
        self.chosen.get().map_or("namespace", |chosen| chosen.runtime().name())
    }

    fn notice(&self) -> Option<&str> {
        match self.chosen.get() {
            Some(Chosen::Nothing(notice)) => Some(notice),
            _ => Some(&self.notice),
        }
    }

    fn has_data_plane(&self) -> BoxFuture<'_, bool> {
        Box::pin(async { self.chosen().await.has_data_plane().await })
    }

    fn prepare<'a>(&'a self, image: &'a str) -> BoxFuture<'a, Result<(), LaunchError>> {
        Box::pin(async move { self.chosen().await.prepare(image).await })
    }

    fn launch<'a>(
        &'a self,
        id: &'a SandboxId,
        spec: &'a LaunchSpec,
    ) -> BoxFuture<'a, Result<Arc<dyn Instance>, LaunchError>> {
        Box::pin(async move { self.chosen().await.launch(id, spec).await })
    }

    fn recover<'a>(&'a self, ids: &'a [SandboxId]) -> BoxFuture<'a, Vec<(SandboxId, Arc<dyn Instance>)>> {
        // Processes end with the program that has the server: only files can be left.
        if let Some(folder) = self.unattended() {
            choice::sweep(folder, ids);
        }
        Box::pin(async { Vec::new() })
    }

    fn discard<'a>(&'a self, id: &'a SandboxId) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            match (self.chosen.get(), self.unattended()) {
                (Some(Chosen::Real(runtime)), _) => runtime.discard(id).await,
                (_, Some(folder)) => choice::discard(folder, id),
                _ => {}
            }
        })
    }

    fn build<'a>(&'a self, image: &'a BuildImage) -> BoxFuture<'a, Result<Built, LaunchError>> {
        Box::pin(async move { self.chosen().await.build(image).await })
    }

    fn capture<'a>(
        &'a self,
        id: &'a SandboxId,
        below: &'a Option<SnapshotFiles>,
    ) -> BoxFuture<'a, Result<Built, LaunchError>> {
        Box::pin(async move { self.chosen().await.capture(id, below).await })
    }

    fn free<'a>(&'a self, unused: &'a SnapshotFiles, used: &'a [SnapshotFiles]) -> BoxFuture<'a, ()> {
        Box::pin(async move { self.chosen().await.free(unused, used).await })
    }

    fn discard_volume<'a>(&'a self, id: &'a VolumeId) -> BoxFuture<'a, io::Result<()>> {
        Box::pin(async move {
            match (self.chosen.get(), self.unattended()) {
                (Some(Chosen::Real(runtime)), _) => runtime.discard_volume(id).await,
                (_, Some(folder)) => choice::discard_volume(folder, id),
                _ => Ok(()),
            }
        })
    }
}
