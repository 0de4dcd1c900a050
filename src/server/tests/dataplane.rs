//! The data plane over the fake runtime, through connections in memory.

mod commands;
mod files;
mod services;
mod tunnels;

use std::sync::Arc;

use serde_json::json;

use super::harness::Server;
use crate::server::options::Limits;
use crate::server::runtime::fake::FakeRuntime;

/// Makes a server with the sandbox `s`; returns the sandbox's path.
async fn sandbox() -> (Server, FakeRuntime, String) {
    let runtime = FakeRuntime::new();
    let server = Server::with(Arc::new(runtime.clone()), Limits::default()).await;
    server.ok("POST", "/templates", json!({"name": "t", "image": "x"})).await;
    let made = server.ok("POST", "/boxes", json!({"name": "s", "template_name": "t"})).await;
    (server, runtime, format!("/dp/{}", made["id"].as_str().expect("a text")))
}
