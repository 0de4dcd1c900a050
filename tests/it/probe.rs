//! A transport that notes every request, and does something else with some of them.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Request, Response};
use sbx::client::{Limits, Transport, TransportError};
use tokio::time::sleep;

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    /// It goes its way.
    Pass,
    /// It takes that long, and then goes its way.
    After(Duration),
    /// It never comes back.
    Hang,
    /// The server is out of order.
    Broken,
    /// The step that sent it panics.
    Panic,
}

pub(crate) struct Probe {
    inner: Arc<dyn Transport>,
    act: Box<dyn Fn(&str) -> Act + Send + Sync>,
    log: Mutex<Vec<String>>,
}

impl Probe {
    /// Makes a transport that asks `act` about each request, such as `DELETE /pools/a`.
    pub(crate) fn new(inner: Arc<dyn Transport>, act: impl Fn(&str) -> Act + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { inner, act: Box::new(act), log: Mutex::default() })
    }

    /// Returns the requests so far, and forgets them.
    pub(crate) fn take_log(&self) -> Vec<String> {
        std::mem::take(&mut *self.log.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Transport for Probe {
    fn send(&self, request: Request<Bytes>, limits: Limits) -> BoxFuture<'_, Result<Response<Bytes>, TransportError>> {
        let path = request.uri().path_and_query().map(http::uri::PathAndQuery::as_str).unwrap_or_default();
        let line = format!("{} {}", request.method(), path.trim_start_matches("/v2/sandboxes"));
        let act = (self.act)(&line);
        self.log.lock().unwrap_or_else(PoisonError::into_inner).push(line.clone());
        Box::pin(async move {
            match act {
                Act::Pass => {}
                Act::After(delay) => sleep(delay).await,
                Act::Hang => std::future::pending().await,
                Act::Broken => {
                    let response = Response::builder().status(500).body(Bytes::new());
                    return Ok(response.expect("a plain response"));
                }
                Act::Panic => panic!("told to panic at {line}"),
            }
            self.inner.send(request, limits).await
        })
    }
}
