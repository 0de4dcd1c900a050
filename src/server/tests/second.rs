//! The second generation of the API: snapshots, and sandboxes that are made from them.

mod boxes;
mod links;
mod lives;
mod searches;
mod secrets;
mod snapshots;

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::harness::{Reply, Server};
use crate::server::options::Limits;
use crate::server::runtime::fake::FakeRuntime;

async fn server(runtime: &FakeRuntime) -> Server {
    Server::with(Arc::new(runtime.clone()), Limits::default()).await
}

/// Lets everything happen that is due within `time`.
async fn pass(time: Duration) {
    tokio::time::sleep(time).await;
}

/// Builds a snapshot of an image and waits for it.
async fn snapshot(server: &Server, name: &str, image: &str) -> Value {
    let body = json!({"name": name, "docker_image": image, "fs_capacity_bytes": 4_u64 << 30});
    let id = server.ok("POST", "/snapshots", body).await["id"].as_str().expect("a text").to_owned();
    pass(Duration::from_secs(1)).await;
    server.ok("GET", &format!("/snapshots/{id}"), Value::Null).await
}

/// Runs a script in a sandbox of the fake runtime and returns what it writes.
async fn run(server: &Server, sandbox: &Value, script: &str) -> String {
    let reply = execute(server, sandbox, json!({"command": script})).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.body["stdout"].as_str().expect("a text").to_owned()
}

async fn execute(server: &Server, sandbox: &Value, body: Value) -> Reply {
    server.root("POST", &format!("/dp/{}/execute", sandbox["id"].as_str().expect("a text")), body).await
}

/// Writes a file into a sandbox.
async fn write(server: &Server, sandbox: &Value, path: &str, content: &str) {
    let id = sandbox["id"].as_str().expect("a text");
    let body = format!("--b\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\n{content}\r\n--b--\r\n");
    let headers = [("content-type", "multipart/form-data; boundary=b")];
    let reply = server.send("POST", &format!("/dp/{id}/upload?path={path}"), &headers, Value::String(body)).await;
    assert_eq!(reply.status, 200, "{reply:?}");
}

/// Reads a file of a sandbox; `None` when it is not there.
async fn read(server: &Server, sandbox: &Value, path: &str) -> Option<String> {
    let id = sandbox["id"].as_str().expect("a text");
    let reply = server.root("GET", &format!("/dp/{id}/download?path={path}"), Value::Null).await;
    (reply.status == 200).then_some(reply.text)
}

fn refused(reply: &Reply) -> (u16, &str) {
    (reply.status.as_u16(), reply.body["detail"]["error"].as_str().unwrap_or_default())
}
