//! A server for a test, and calls to it.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use http::{HeaderMap, Request, StatusCode};
use serde_json::Value;
use tokio::io::DuplexStream;
use tokio_tungstenite::{WebSocketStream, client_async};
use tower::ServiceExt;

use crate::server::Embedded;
use crate::server::app::App;
use crate::server::clock::PausedClock;
use crate::server::embed::{self, embed};
use crate::server::open::open;
use crate::server::options::{Limits, Options};
use crate::server::router::{self, Access};
use crate::server::runtime::{NoRuntime, Runtime};

/// A server with its pools filled, on a clock that moves with the test's.
pub(in crate::server) struct Server {
    pub(in crate::server) app: App,
    router: Router,
}

/// An answer.
#[derive(Debug)]
pub(in crate::server) struct Reply {
    pub(in crate::server) status: StatusCode,
    pub(in crate::server) headers: HeaderMap,
    pub(in crate::server) dropped: bool,
    /// Whether the body ended before its end.
    pub(in crate::server) is_cut: bool,
    pub(in crate::server) text: String,
    /// Null when it is no JSON.
    pub(in crate::server) body: Value,
}

impl Server {
    pub(in crate::server) async fn new() -> Self {
        Self::with(Arc::new(NoRuntime), Limits::default()).await
    }

    pub(in crate::server) async fn with(runtime: Arc<dyn Runtime>, limits: Limits) -> Self {
        let clock = PausedClock::starting_at("2026-03-24T12:00:00Z".parse().expect("a time"));
        Self::open(&Options::new().clock(Arc::new(clock)).limits(limits).runtime(runtime)).await
    }

    /// Opens the data of the options the way a server with a socket does.
    pub(in crate::server) async fn open(options: &Options) -> Self {
        let app = open(options, true).await.expect("opens").app;
        let access = Access { api_key: None, check_host: false, admin: true };
        Self { router: router::build(app.clone(), access), app }
    }

    pub(in crate::server) async fn call(&self, method: &str, path: &str, body: Value) -> Reply {
        call(self.router.clone(), method, &format!("/v2/sandboxes{path}"), &[], body).await
    }

    /// Opens a connection that can change over to another protocol.
    pub(in crate::server) fn connect(&self) -> DuplexStream {
        embed::connect(&self.app, self.router.clone())
    }

    /// Opens a WebSocket.
    pub(in crate::server) async fn websocket(&self, path: &str) -> WebSocketStream<DuplexStream> {
        let url = format!("ws://localhost{path}");
        client_async(url, self.connect()).await.expect("is accepted").0
    }

    pub(in crate::server) async fn root(&self, method: &str, path: &str, body: Value) -> Reply {
        self.send(method, path, &[], body).await
    }

    /// Calls with headers.
    pub(in crate::server) async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Value,
    ) -> Reply {
        call(self.router.clone(), method, path, headers, body).await
    }

    /// Calls and expects success.
    pub(in crate::server) async fn ok(&self, method: &str, path: &str, body: Value) -> Value {
        let reply = self.call(method, path, body).await;
        assert!(reply.status.is_success(), "{method} {path}: {reply:?}");
        reply.body
    }
}

/// Opens an embedded server with the defaults.
pub(in crate::server) async fn embedded(options: Options) -> Embedded {
    embed(options).await.expect("opens")
}

/// Sends one request to a router.
pub(in crate::server) async fn call(
    router: Router,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: Value,
) -> Reply {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let body = match body {
        Value::Null => Body::empty(),
        // A text is a raw body, for tests of what is no JSON.
        Value::String(raw) => Body::from(raw),
        json => Body::from(json.to_string()),
    };
    let response = router.oneshot(request.body(body).expect("a request")).await.expect("routers do not fail");
    let dropped = response.extensions().get::<crate::server::DroppedConnection>().is_some();
    let (parts, body) = response.into_parts();
    let whole = to_bytes(body, usize::MAX).await;
    let is_cut = whole.is_err();
    let bytes = whole.unwrap_or_default();
    Reply {
        status: parts.status,
        headers: parts.headers,
        dropped,
        is_cut,
        body: serde_json::from_slice(&bytes).unwrap_or_default(),
        text: String::from_utf8_lossy(&bytes).into_owned(),
    }
}
