//! The server that is built in, called in the process: no socket, no key, no network.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::{StreamExt as _, TryStreamExt as _};
use http::Uri;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use sbx::client::{BoxConnection, Client, Config, Content, Limits, Transport, TransportError};
use sbx::server::images::{Fallback, HostPaths, ImageOptions};
use sbx::server::runtime::{NamespaceOptions, WhenNeeded};
use sbx::server::{self, DroppedConnection, Embedded, Options};
use sbx::wire::route;
use tokio::task::JoinSet;
use tower::ServiceExt as _;

use crate::failure::Failure;
use crate::project;

/// The host in the URLs of requests, which never leave the process.
const HOST: &str = "http://localhost";

/// How much a connection in the process holds.
const PIPE: usize = 256 * 1024;

/// Opens the local server on its data, waiting a while for another process that has it.
///
/// Its sandboxes run on this machine's own files, and need no network. Nothing is started for them before one has to run,
/// and they end with this process.
///
/// # Errors
///
/// [`Failure::Server`] when the data cannot be had.
pub(crate) async fn open(data_dir: &Path) -> Result<Embedded, Failure> {
    let images = ImageOptions::new().fallback(Fallback::Host).host_paths(HostPaths::Anywhere);
    let runtime = WhenNeeded::new(NamespaceOptions::new(project::sandbox_data(data_dir)).images(images));
    let options = Options::new().data_dir(data_dir).runtime(Arc::new(runtime));
    server::embed(options).await.map_err(|source| Failure::Server { source })
}

/// Returns a client that calls the server in the process.
pub(crate) fn client(embedded: &Embedded) -> Client {
    let config = Config::new(format!("{HOST}{}", route::PREFIXES[0]));
    let transport = Arc::new(InProcess { router: embedded.router(), connections: Mutex::default() });
    Client::with_transport(config, transport).expect("the configuration is a constant")
}

/// A transport that calls a router.
struct InProcess {
    router: Router,
    /// What serves the connections that were asked for.
    connections: Mutex<JoinSet<()>>,
}

impl Transport for InProcess {
    fn send(
        &self,
        request: http::Request<Bytes>,
        limits: Limits,
    ) -> BoxFuture<'_, Result<http::Response<Bytes>, TransportError>> {
        let answer = self.router.clone().oneshot(request.map(Body::from));
        Box::pin(async move {
            let answer = within(limits.timeout, answer).await?;
            let answer = answer.unwrap_or_else(|never| match never {});
            if answer.extensions().get::<DroppedConnection>().is_some() {
                return Err(TransportError::Dropped { source: "the server dropped the connection".into() });
            }
            let (head, body) = answer.into_parts();
            let body = within(limits.timeout, to_bytes(body, usize::MAX)).await?;
            let body = body.map_err(|error| TransportError::Dropped { source: Box::new(error) })?;
            Ok(http::Response::from_parts(head, body))
        })
    }

    fn transfer(
        &self,
        request: http::Request<Content>,
    ) -> BoxFuture<'_, Result<http::Response<Content>, TransportError>> {
        let answer = self.router.clone().oneshot(request.map(Body::from_stream));
        Box::pin(async move {
            let answer = answer.await.unwrap_or_else(|never| match never {});
            Ok(answer.map(|body| body.into_data_stream().map_err(std::io::Error::other).boxed()))
        })
    }

    fn connect<'a>(&'a self, _: &'a Uri, _: Limits) -> BoxFuture<'a, Result<BoxConnection, TransportError>> {
        let (ours, theirs) = tokio::io::duplex(PIPE);
        let service = TowerToHyperService::new(self.router.clone());
        let connection = http1::Builder::new().serve_connection(TokioIo::new(theirs), service).with_upgrades();
        let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        // Those that have ended are let go of here: there are never many.
        while connections.try_join_next().is_some() {}
        connections.spawn(async move {
            // Its other end is in this process, and notices.
            let _ = connection.await;
        });
        Box::pin(async { Ok(Box::new(ours) as BoxConnection) })
    }
}

async fn within<T>(limit: Duration, work: impl Future<Output = T>) -> Result<T, TransportError> {
    tokio::time::timeout(limit, work).await.map_err(|_| TransportError::Timeout)
}

#[cfg(test)]
mod tests {
    use sbx::client::{CreateSandboxOptions, CreateTemplateOptions, RunOptions};
    use sbx::server::runtime::fake::FakeRuntime;
    use sbx::types::Name;

    use super::*;

    #[tokio::test]
    async fn commands_and_files_need_no_socket() {
        let options = Options::new().runtime(Arc::new(FakeRuntime::new()));
        let embedded = server::embed(options).await.expect("it opens");
        let client = client(&embedded);
        let template = Name::parse("python").expect("a name");
        client.create_template(&template, "python", CreateTemplateOptions::default()).await.expect("it is made");
        let sandbox = client.create_sandbox("python", CreateSandboxOptions::default()).await.expect("it is made");

        let output = sandbox.run("out hi\nexit 2", RunOptions::default()).await.expect("it runs");
        assert_eq!((output.stdout.as_str(), output.exit_code), ("hi", 2));
        sandbox.write_from("/a", std::io::Cursor::new("content")).await.expect("it is written");
        let mut copy = Vec::new();
        sandbox.read_to("/a", &mut copy).await.expect("it is there");
        assert_eq!(copy, b"content");
        drop((sandbox, client));
        embedded.close().await;
    }
}
