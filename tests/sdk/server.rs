//! The server that an SDK talks to: that of the library, with quotas that a test can reach.

use std::path::Path;

use sbx::server::{self, Handle, Limits, Options};
use sbx::types::Secret;
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// The only key that the server takes.
pub(crate) const API_KEY: &str = "the-key-of-the-suites";

/// Quotas that the suites know by heart: 40 sandboxes, 20 volumes, 100 cores, 100Gi of memory and 1Ti of storage.
fn limits() -> Limits {
    Limits {
        sandboxes: 40,
        volumes: 20,
        cpu_millicores: 100_000,
        memory_bytes: 100 << 30,
        storage_bytes: 1 << 40,
        ..Limits::default()
    }
}

/// A server on a free port, with its data in a folder of its own. It ends when it is dropped.
pub(crate) struct Server {
    runtime: Runtime,
    handle: Option<Handle>,
    url: String,
    folder: TempDir,
}

impl Server {
    pub(crate) fn start() -> Result<Self, String> {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let runtime = Runtime::new().map_err(|error| error.to_string())?;
        let options =
            Options::new().data_dir(folder.path().join("data")).api_key(Secret::new(API_KEY)).limits(limits());
        let handle = runtime.block_on(server::start(options)).map_err(|error| error.to_string())?;
        Ok(Self { runtime, url: handle.url().to_owned(), handle: Some(handle), folder })
    }

    /// Returns what `LANGSMITH_ENDPOINT` has to be.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Returns a folder where programs that talk to it may leave what they like.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(handle) = self.handle.take() {
            self.runtime.block_on(handle.shutdown());
        }
    }
}
