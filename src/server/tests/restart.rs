//! What a server finds when it opens the data of an earlier one.

use std::sync::Arc;

use serde_json::{Value, json};

use super::harness::{Server, call};
use crate::server::Options;
use crate::server::runtime::fake::{Call, FakeRuntime};
use crate::types::VolumeId;

#[tokio::test]
async fn starts_are_taken_up_and_replicas_made_anew() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let runtime = FakeRuntime::new();
    let options = || Options::new().data_dir(dir.path()).runtime(Arc::new(runtime.clone()));
    let server = Server::open(&options()).await;
    server.ok("POST", "/templates", json!({"name": "t", "image": "x"})).await;
    server.ok("POST", "/boxes", json!({"name": "ready", "template_name": "t"})).await;
    server.ok("POST", "/pools", json!({"name": "p", "template_name": "t", "replicas": 1})).await;
    runtime.hold_starts(true);
    let other = json!({"name": "u", "image": "x"});
    server.ok("POST", "/templates", other).await;
    let eager = json!({"name": "starting", "template_name": "u", "wait_for_ready": false});
    server.ok("POST", "/boxes", eager).await;
    assert_eq!(runtime.running().len(), 2);
    server.app.close().await;
    assert!(runtime.running().is_empty(), "processes end with the server");

    runtime.hold_starts(false);
    let before = runtime.calls().len();
    let server = Server::open(&options()).await;
    while server.ok("GET", "/boxes/starting", Value::Null).await["status"] != "ready" {}
    while runtime.running().len() < 2 {
        tokio::task::yield_now().await;
    }
    assert_eq!(server.ok("GET", "/boxes/ready", Value::Null).await["status"], "ready");
    let calls = runtime.calls().split_off(before);
    assert!(matches!(&calls[0], Call::Recover(ids) if ids.len() == 3), "{calls:?}");
    let n_launches = calls.iter().filter(|call| matches!(call, Call::Launch(_))).count();
    assert_eq!(n_launches, 2, "the one that was starting and a new replica, but not the ready one: {calls:?}");
    server.app.close().await;
}

#[tokio::test]
async fn what_still_runs_is_kept() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let runtime = FakeRuntime::new();
    runtime.keep_running();
    let options = || Options::new().data_dir(dir.path()).runtime(Arc::new(runtime.clone()));
    let server = Server::open(&options()).await;
    server.ok("POST", "/templates", json!({"name": "t", "image": "x"})).await;
    server.ok("POST", "/pools", json!({"name": "p", "template_name": "t", "replicas": 1})).await;
    let warm = runtime.running();
    server.app.close().await;
    let server = Server::open(&options()).await;
    let drawn = server.ok("POST", "/boxes", json!({"template_name": "t"})).await;
    assert!(warm.iter().any(|id| id.as_str() == drawn["id"]), "the replica of before is drawn");
    server.app.close().await;
}

#[tokio::test]
async fn an_embedded_server_leaves_pools_alone() {
    let runtime = FakeRuntime::new();
    let server = super::harness::embedded(Options::new().runtime(Arc::new(runtime.clone()))).await;
    let bodies = [
        ("/templates", json!({"name": "t", "image": "x"})),
        ("/pools", json!({"name": "p", "template_name": "t", "replicas": 5})),
    ];
    for (path, body) in bodies {
        let reply = call(server.router(), "POST", &format!("/v2/sandboxes{path}"), &[], body).await;
        assert_eq!(reply.status, 201, "{reply:?}");
    }
    server.close().await;
    assert_eq!(runtime.calls(), [Call::Recover(vec![])]);
}

/// Copies the data of a server that is still open: what a killed process leaves on disk.
fn as_after_a_kill(from: &std::path::Path) -> tempfile::TempDir {
    let to = tempfile::tempdir().expect("a temporary folder");
    for file in ["state.db", "state.db-wal"] {
        std::fs::copy(from.join(file), to.path().join(file)).expect("is there");
    }
    to
}

#[tokio::test]
async fn an_acknowledged_write_survives_a_kill() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let server = Server::open(&Options::new().data_dir(dir.path())).await;
    for n in 0..20 {
        let made = server.ok("POST", "/volumes", json!({"name": format!("v{n}"), "size": "1Gi"})).await;
        let copy = as_after_a_kill(dir.path());
        let revived = Server::open(&Options::new().data_dir(copy.path())).await;
        assert_eq!(revived.ok("GET", &format!("/volumes/v{n}"), Value::Null).await, made);
    }
}

#[tokio::test(start_paused = true)]
async fn a_kill_leaves_nothing_half_done() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let runtime = FakeRuntime::new();
    let server = Server::open(&Options::new().data_dir(dir.path()).runtime(Arc::new(runtime.clone()))).await;
    server.ok("POST", "/templates", json!({"name": "t", "image": "x"})).await;
    let brief = json!({"name": "brief", "template_name": "t", "ttl_seconds": 60});
    server.ok("POST", "/boxes", brief).await;
    server.ok("POST", "/boxes", json!({"name": "deleted", "template_name": "t"})).await;
    runtime.hold_starts(true);
    server.ok("POST", "/boxes", json!({"name": "begun", "template_name": "t", "wait_for_ready": false})).await;
    server.ok("DELETE", "/boxes/deleted", Value::Null).await;
    let copy = as_after_a_kill(dir.path());

    let runtime = FakeRuntime::new();
    let options = Options::new().data_dir(copy.path()).runtime(Arc::new(runtime.clone()));
    let later = crate::server::PausedClock::starting_at("2100-01-01T00:00:00Z".parse().expect("a time"));
    let revived = Server::open(&options.clock(Arc::new(later))).await;
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    assert_eq!(revived.call("GET", "/boxes/brief", Value::Null).await.status, 404, "its time ran out meanwhile");
    assert_eq!(revived.call("GET", "/boxes/deleted", Value::Null).await.status, 404);
    assert_eq!(revived.ok("GET", "/boxes/begun", Value::Null).await["status"], "ready", "the start went on");
    let n_discarded = runtime.calls().iter().filter(|call| matches!(call, Call::Discard(_))).count();
    assert!(n_discarded >= 1, "what was left is cleared away: {:?}", runtime.calls());
}

#[tokio::test]
async fn a_deleted_volume_is_cleared_away_by_the_next_server() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let server = Server::open(&Options::new().data_dir(dir.path())).await;
    let [kept, deleted] = ["kept", "deleted"].map(|name| json!({"name": name, "size": "1Gi"}));
    server.ok("POST", "/volumes", kept).await;
    let deleted = server.ok("POST", "/volumes", deleted).await;
    // As a kill between the deletion and the clearing away leaves it.
    server.app.abandon();
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    let id = VolumeId::new(deleted["id"].as_str().expect("a text"));
    server.ok("DELETE", "/volumes/deleted", Value::Null).await;
    let copy = as_after_a_kill(dir.path());

    let runtime = FakeRuntime::new();
    let options = Options::new().data_dir(copy.path()).runtime(Arc::new(runtime.clone()));
    let revived = Server::open(&options).await;
    while !runtime.calls().contains(&Call::DiscardVolume(id.clone())) {
        tokio::task::yield_now().await;
    }
    revived.app.close().await;
    let runtime = FakeRuntime::new();
    let options = Options::new().data_dir(copy.path()).runtime(Arc::new(runtime.clone()));
    Server::open(&options).await.app.close().await;
    assert_eq!(runtime.calls(), [Call::Recover(vec![])], "once, and none but the deleted one");
}
