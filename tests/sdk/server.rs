//! The server that an SDK talks to: that of the library, with quotas that a test can reach.

use std::path::Path;
use std::sync::Arc;

use sbx::server::runtime::fake::FakeRuntime;
use sbx::server::runtime::{NoRuntime, Runtime as Sandboxes};
use sbx::server::{self, Handle, Limits, Options};
use sbx::types::Secret;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, DuplexStream};
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
        Self::with(Arc::new(NoRuntime))
    }

    /// Starts one whose sandboxes have a data plane: that of the fake runtime, with an HTTP service on port 8080.
    pub(crate) fn with_fake_sandboxes() -> Result<Self, String> {
        let sandboxes = FakeRuntime::new();
        sandboxes.serve_port(8080, answer_http);
        Self::with(Arc::new(sandboxes))
    }

    fn with(sandboxes: Arc<dyn Sandboxes>) -> Result<Self, String> {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let data = folder.path().join("data");
        let runtime = Runtime::new().map_err(|error| error.to_string())?;
        let handle = runtime.block_on(async {
            let options = Options::new().data_dir(data).api_key(Secret::new(API_KEY)).limits(limits());
            server::start(options.runtime(sandboxes)).await.map_err(|error| error.to_string())
        })?;
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

/// Answers one HTTP request with its first line.
async fn answer_http(stream: DuplexStream) {
    let mut stream = BufReader::new(stream);
    let (mut request, mut n_body) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.is_err() || line.trim().is_empty() {
            break;
        }
        let line = line.trim();
        if let Some(length) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            n_body = length.trim().parse().unwrap_or(0);
        }
        if request.is_empty() {
            line.clone_into(&mut request);
        }
    }
    let mut body = vec![0; n_body];
    let read = stream.read_exact(&mut body).await;
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{request}", request.len());
    if read.is_ok() {
        // Who has gone needs no answer.
        let _ = stream.write_all(answer.as_bytes()).await;
    }
}
