//! A server that has what a world says, and takes nothing.

use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{Response, StatusCode};
use axum::routing::get;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;

/// The word of a world for a list that nobody gets: who asks for it is interrupted, as by Ctrl-C.
const INTERRUPT: &str = "interrupt";

/// A server that answers lists with what the world has, and everything else with 404; so it does lists that are `false`.
#[derive(Clone)]
pub(super) struct Canned {
    address: String,
    world: Arc<Mutex<Value>>,
    /// The process that asks.
    asker: watch::Sender<Option<u32>>,
}

impl Canned {
    /// Starts to listen; the future serves until it is dropped.
    pub(super) async fn start() -> (Self, impl Future<Output = std::io::Result<()>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = format!("http://{}", listener.local_addr().expect("it is bound"));
        let canned = Self { address, world: Arc::default(), asker: watch::Sender::default() };
        // Of single objects it says that they are not there, as the API does: a bare 404 is that of another generation.
        let missing = json!({"detail": {"error": "NotFound", "message": "there is no such object"}}).to_string();
        let router = Router::new().route("/v2/sandboxes/{route}", get(list)).with_state(canned.clone());
        let router = router.fallback(move || async move { (StatusCode::NOT_FOUND, missing) });
        (canned, async move { axum::serve(listener, router).await })
    }

    /// Returns where it is, without the path of the API.
    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// Has this world from now on.
    pub(super) fn show(&self, world: Value) {
        *self.world.lock().unwrap_or_else(PoisonError::into_inner) = world;
    }

    /// Is asked by this process from now on.
    pub(super) fn expect(&self, asker: u32) {
        self.asker.send_replace(Some(asker));
    }

    fn has(&self, key: &str) -> Value {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)[key].clone()
    }

    /// Interrupts whoever asks.
    async fn interrupt(&self) {
        let mut asker = self.asker.subscribe();
        let asker = asker.wait_for(Option::is_some).await.expect("the sender is here").expect("it is some");
        let status = Command::new("kill").args(["-INT", &asker.to_string()]).status();
        assert!(status.expect("there is a `kill`").success());
    }
}

async fn list(State(canned): State<Canned>, Path(route): Path<String>) -> Response<Body> {
    let key = if route == "boxes" { "sandboxes" } else { route.as_str() };
    let (status, body) = match (key, canned.has(key)) {
        (_, word) if word == INTERRUPT => {
            canned.interrupt().await;
            std::future::pending().await
        }
        ("usage", Value::Null) | (_, Value::Bool(false)) => (StatusCode::NOT_FOUND, String::new()),
        ("usage", usage) => (StatusCode::OK, usage.to_string()),
        (_, Value::Null) => (StatusCode::OK, json!({key: []}).to_string()),
        (_, objects) => (StatusCode::OK, json!({key: objects}).to_string()),
    };
    Response::builder().status(status).body(body.into()).expect("the parts are good")
}
