//! Answers as the official Python SDK's own tests record them (`python/tests/unit_tests/sandbox`): what they have of the
//! service, and our server may word in another way.

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::server::{Play, Server, Step};
use crate::client::{Kind, Offsets, Resource, RunOptions};
use crate::wire;

fn answer(status: &str, content_type: &str, body: &[u8]) -> Play {
    let body = std::str::from_utf8(body).expect("these bodies are text");
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\ncontent-type: {content_type}\r\ncontent-length: {length}");
    Play::Answer(Box::leak(format!("{head}\r\nconnection: close\r\n\r\n{body}").into_boxed_str()))
}

/// A WebSocket on which these come, whatever was asked first; and then it is closed.
fn frames(frames: impl IntoIterator<Item = Value>) -> Play {
    Play::Socket(std::iter::once(Step::Note).chain(frames.into_iter().map(Step::Send)).collect())
}

fn started() -> Value {
    json!({"type": "started", "command_id": "cmd-123", "pid": 42})
}

fn read<T: DeserializeOwned>(body: Value) -> T {
    serde_json::from_value(body).expect("the SDK reads it, too")
}

/// `test_ws_execute.py`, the handle's flow.
#[tokio::test]
async fn frames_of_a_command() {
    let server = Server::start(vec![frames([
        started(),
        json!({"type": "stdout", "data": "hello ", "offset": 0}),
        json!({"type": "stdout", "data": "world\n", "offset": 6}),
        json!({"type": "stderr", "data": "😀", "offset": 0}),
        json!({"type": "exit", "exit_code": 1}),
    ])])
    .await;
    let mut handle = server.sandbox().start("x", RunOptions::default()).await.expect("it starts");
    assert_eq!((handle.command_id(), handle.pid()), ("cmd-123", Some(42)));
    let mut pieces = Vec::new();
    while let Some(chunk) = handle.next().await.expect("no error") {
        pieces.push(chunk.data);
    }
    assert_eq!(pieces, ["hello ", "world\n", "😀"]);
    assert_eq!((handle.offsets(), handle.exit_code()), (Offsets { stdout: 12, stderr: 4 }, Some(1)));
    server.done().await;
}

/// `test_ws_execute.py`, the end of a stream without a word about the command.
#[tokio::test(start_paused = true)]
async fn frames_after_a_connection_was_lost() {
    let server = Server::start(vec![
        frames([started(), json!({"type": "stdout", "data": "part1", "offset": 0})]),
        // Older servers say nothing about the command that was found again.
        Play::Socket(vec![
            Step::Expect(json!({"type": "reconnect", "command_id": "cmd-123", "stdout_offset": 5, "stderr_offset": 0})),
            Step::Send(json!({"type": "stdout", "data": "part2", "offset": 5})),
            Step::Send(json!({"type": "exit", "exit_code": 0})),
        ]),
    ])
    .await;
    let output = server.sandbox().run("x", RunOptions::default()).await.expect("it is found again");
    assert_eq!((output.stdout.as_str(), output.exit_code), ("part1part2", 0));
    server.done().await;
}

/// `test_ws_execute.py`, errors of a stream.
#[tokio::test]
async fn frames_of_errors() {
    for (frame, kind, error_type) in [
        (
            json!({"type": "error", "error": "timed out", "error_type": "CommandTimeout"}),
            Kind::CommandTimeout,
            Some("CommandTimeout"),
        ),
        (
            json!({"type": "error", "error": "something broke", "error_type": "Unknown"}),
            Kind::Operation,
            Some("Unknown"),
        ),
        (json!({"type": "error", "error": "oops"}), Kind::Operation, Some("CommandError")),
    ] {
        let server = Server::start(vec![frames([started(), frame.clone()])]).await;
        let error = server.sandbox().run("x", RunOptions::default()).await.expect_err("it is one");
        assert_eq!((error.kind(), error.error_type()), (kind, error_type), "{frame}");
        assert!(
            kind != Kind::Operation || error.message().contains(frame["error"].as_str().expect("a text")),
            "{error}"
        );
        server.done().await;
    }
}

/// `test_sandbox.py`: what is uploaded and downloaded. The error of a file has no `detail` around it.
#[tokio::test]
async fn answers_about_files() {
    let written = json!({"path": "/app/test.txt", "written": 11}).to_string();
    let missing = json!({"error": "NotFound", "message": "file not found"}).to_string();
    let server = Server::start(vec![
        answer("200 OK", "application/json", written.as_bytes()),
        answer("200 OK", "application/octet-stream", &[0, 1, 2, 3]),
        answer("404 Not Found", "application/json", missing.as_bytes()),
    ])
    .await;
    let sandbox = server.sandbox();
    sandbox.write("/app/test.txt", "hello world").await.expect("it is written");
    assert_eq!(sandbox.read("/app/data.bin").await.expect("it is there"), vec![0, 1, 2, 3]);
    let error = sandbox.read("/app/nonexistent.txt").await.expect_err("it is not there");
    assert_eq!((error.kind(), error.resource()), (Kind::NotFound, Some(Resource::File)), "{error}");
    let heads = server.done().await;
    assert!(heads[0].starts_with("POST /dp/1/upload?path=%2Fapp%2Ftest.txt HTTP/1.1\r\n"), "{heads:?}");
}

/// `test_models.py`: objects with all there is of them, and with as little as the SDK takes.
#[test]
fn objects_of_both_generations() {
    let template: wire::Template = read(json!({"name": "t", "image": "python:3.12"}));
    assert_eq!((template.name.as_str(), template.volume_mounts.len()), ("t", 0));
    let template: wire::Template = read(json!({
        "id": "550e8400-e29b-41d4-a716-446655440001", "name": "t", "image": "node:20",
        "resources": {"cpu": "2", "memory": "4Gi", "storage": "10Gi"},
        "volume_mounts": [{"volume_name": "data-volume", "mount_path": "/data"}],
        "created_at": "2025-01-01T00:00:00Z", "updated_at": "2025-01-02T00:00:00Z",
    }));
    assert_eq!(template.volume_mounts[0].mount_path, "/data");
    let volume: wire::Volume = read(json!({"name": "v", "size": "5Gi"}));
    assert_eq!((volume.name.as_str(), volume.id), ("v", None));
    let pool: wire::Pool = read(json!({"name": "p", "template_name": "t", "replicas": 0}));
    assert_eq!(pool.replicas, 0);

    let snapshot: wire::Snapshot = read(json!({
        "id": "550e8400-e29b-41d4-a716-446655440099", "name": "my-python-env", "status": "ready",
        "fs_capacity_bytes": 4_294_967_296_u64, "docker_image": "python:3.12-slim", "image_digest": "sha256:abc123",
        "source_sandbox_id": null, "status_message": null, "fs_used_bytes": 1_073_741_824, "created_by": "user@example.com",
        "registry_id": "reg-123", "created_at": "2025-06-01T00:00:00Z", "updated_at": "2025-06-01T00:05:00Z",
    }));
    assert_eq!(snapshot.image_digest.as_deref(), Some("sha256:abc123"));
    let captured: wire::Snapshot = read(json!({
        "id": "snap-2", "name": "captured", "status": "ready", "fs_capacity_bytes": 4_294_967_296_u64,
        "source_sandbox_id": "box-abc",
    }));
    assert_eq!((captured.docker_image, captured.image_digest), (None, None));
    let building: wire::Snapshot =
        read(json!({"id": "snap-1", "name": "test", "status": "building", "fs_capacity_bytes": 1_073_741_824}));
    assert_eq!(building.status, wire::SnapshotStatus::Building);
    let service: wire::ServiceUrl = read(json!({
        "browser_url": "http://abc123--3000.svc.example.com/_svc/auth?token=jwt", "token": "jwt-token-value",
        "service_url": "http://abc123--3000.svc.example.com/", "expires_at": "2026-04-01T12:10:00Z",
    }));
    assert_eq!(service.expires_at.to_string(), "2026-04-01T12:10:00Z");
}
