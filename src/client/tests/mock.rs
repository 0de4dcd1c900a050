//! A transport that answers from a script.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::{Request, Response};
use serde_json::Value;

use crate::client::{Client, Config, Limits, Transport, TransportError};
use crate::types::Secret;

/// In place of a request line.
const ANY: &str = "*";

/// What the server does with a request.
pub(super) struct Reply {
    outcome: Result<Response<Bytes>, TransportError>,
    delay: Duration,
}

/// Answers with a status and a body.
pub(super) fn answer(status: u16, body: impl Into<Bytes>) -> Reply {
    let response = Response::builder().status(status).body(body.into()).expect("a plain response");
    Reply { outcome: Ok(response), delay: Duration::ZERO }
}

/// Answers with a status and an error of shape A.
pub(super) fn refusal(status: u16, error: &str, message: &str) -> Reply {
    answer(status, serde_json::json!({"detail": {"error": error, "message": message}}).to_string())
}

/// The connection is lost after the request was sent.
pub(super) fn dropped() -> Reply {
    fault(TransportError::Dropped { source: std::io::Error::other("reset by peer").into() })
}

/// There is nobody to connect to.
pub(super) fn refused() -> Reply {
    fault(TransportError::Connect { source: std::io::Error::other("connection refused").into() })
}

/// The request fails in some other way.
pub(super) fn fault(error: TransportError) -> Reply {
    Reply { outcome: Err(error), delay: Duration::ZERO }
}

impl Reply {
    pub(super) fn header(mut self, name: &'static str, value: &str) -> Self {
        let response = self.outcome.as_mut().expect("only an answer has headers");
        response.headers_mut().insert(name, value.parse().expect("a printable value"));
        self
    }

    /// The answer takes a while, and comes too late if that is longer than the client waits.
    pub(super) fn after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }
}

/// A server that expects exactly the requests of its script, in order, and panics at any other and at the end of the
/// test if requests are missing.
pub(super) struct Mock {
    script: Mutex<VecDeque<(&'static str, Reply)>>,
    seen: Mutex<Vec<(Request<Bytes>, Limits)>>,
}

impl Mock {
    /// Returns a server that expects requests such as `GET /volumes/data`.
    pub(super) fn new<const N: usize>(script: [(&'static str, Reply); N]) -> Arc<Self> {
        Arc::new(Self { script: Mutex::new(script.into()), seen: Mutex::default() })
    }

    /// Asserts that every request of the script has been made.
    pub(super) fn is_done(&self) {
        let script = self.script.lock().expect("no panic while locked");
        let missing: Vec<_> = script.iter().map(|(line, _)| *line).collect();
        assert!(missing.is_empty(), "expected and not sent: {missing:?}");
    }

    /// Expects one more request.
    pub(super) fn expect(&self, line: &'static str, reply: Reply) {
        self.script.lock().expect("no panic while locked").push_back((line, reply));
    }

    /// Expects one more request, whatever it is.
    pub(super) fn expect_any(&self, reply: Reply) {
        self.expect(ANY, reply);
    }

    /// Returns a client of the server, with a key.
    pub(super) fn client(self: &Arc<Self>) -> Client {
        self.client_with(Config::new("http://server/v2/sandboxes").api_key(Secret::new("key-1234")))
    }

    pub(super) fn client_with(self: &Arc<Self>, config: Config) -> Client {
        Client::with_transport(config, self.clone()).expect("a good configuration")
    }

    pub(super) fn request(&self, n: usize) -> Request<Bytes> {
        self.seen.lock().expect("no panic while locked")[n].0.clone()
    }

    /// Returns the body of the request number `n`.
    pub(super) fn body(&self, n: usize) -> Value {
        serde_json::from_slice(self.request(n).body()).expect("a JSON body")
    }

    pub(super) fn timeout(&self, n: usize) -> Duration {
        self.seen.lock().expect("no panic while locked")[n].1.timeout
    }
}

impl Transport for Mock {
    fn send(&self, request: Request<Bytes>, limits: Limits) -> BoxFuture<'_, Result<Response<Bytes>, TransportError>> {
        let line = format!("{} {}", request.method(), request.uri());
        let line = line.replace("http://server/v2/sandboxes", "");
        let step = self.script.lock().expect("no panic while locked").pop_front();
        let Some((expected, reply)) = step else { panic!("nothing more is expected, but there came `{line}`") };
        assert!(expected == ANY || line == expected, "expected `{expected}`, but there came `{line}`");
        self.seen.lock().expect("no panic while locked").push((request, limits));
        async move {
            if reply.delay > limits.timeout {
                tokio::time::sleep(limits.timeout).await;
                return Err(TransportError::Timeout);
            }
            tokio::time::sleep(reply.delay).await;
            reply.outcome
        }
        .boxed()
    }
}

impl Drop for Mock {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.is_done();
        }
    }
}
