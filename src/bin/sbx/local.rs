//! The server that is built in, called in the process: no socket, no key, no network.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use sbx::client::{Client, Config, Limits, Transport, TransportError};
use sbx::server::runtime::{NoRuntime, Runtime as _};
use sbx::server::{self, DroppedConnection, Embedded, Options};
use sbx::wire::route;
use tower::ServiceExt as _;

use crate::failure::Failure;

/// The host in the URLs of requests, which never leave the process.
const HOST: &str = "http://localhost";

/// Opens the local server on its data, waiting a while for another process that has it.
///
/// # Errors
///
/// [`Failure::Server`] when the data cannot be had.
pub(crate) async fn open(data_dir: &Path) -> Result<Embedded, Failure> {
    server::embed(Options::new().data_dir(data_dir)).await.map_err(|source| Failure::Server { source })
}

/// Returns a client that calls the server in the process.
pub(crate) fn client(embedded: &Embedded) -> Client {
    let config = Config::new(format!("{HOST}{}", route::PREFIXES[0]));
    let transport = Arc::new(InProcess { router: embedded.router() });
    Client::with_transport(config, transport).expect("the configuration is a constant")
}

/// Returns what is not real about it.
pub(crate) fn notice() -> &'static str {
    NoRuntime.notice().unwrap_or_default()
}

/// A transport that calls a router.
struct InProcess {
    router: Router,
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
}

async fn within<T>(limit: Duration, work: impl Future<Output = T>) -> Result<T, TransportError> {
    tokio::time::timeout(limit, work).await.map_err(|_| TransportError::Timeout)
}
