//! What becomes of sandboxes of the second generation: stopped, started, woken, deleted.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::{pass, read, refused, run, server, write};
use crate::server::Options;
use crate::server::runtime::fake::{Call, FakeRuntime};
use crate::server::tests::harness::Server;
use crate::types::SandboxId;

async fn status(server: &Server, name: &str) -> Value {
    server.ok("GET", &format!("/boxes/{name}/status"), Value::Null).await["status"].clone()
}

#[tokio::test(start_paused = true)]
async fn stopped_and_started_again_on_its_disk() {
    let runtime = FakeRuntime::new();
    let server = server(&runtime).await;
    let sandbox = server.ok("POST", "/boxes", json!({"name": "b"})).await;
    write(&server, &sandbox, "/x", "kept").await;
    pass(Duration::from_secs(10)).await;
    let stopped = server.call("POST", "/boxes/b/stop", json!({})).await;
    assert_eq!((stopped.status.as_u16(), stopped.text.as_str()), (204, ""));
    let shown = server.ok("GET", "/boxes/b", Value::Null).await;
    assert_eq!((&shown["status"], &shown["stopped_at"]), (&json!("stopped"), &json!("2026-03-24T12:00:10Z")));
    assert_eq!(shown["dataplane_url"], sandbox["dataplane_url"]);
    pass(Duration::from_secs(1)).await;
    assert!(runtime.running().is_empty());
    let again = server.call("POST", "/boxes/b/stop", json!({})).await;
    assert_eq!(refused(&again), (400, "InvalidRequest"));
    runtime.set_start_delay(Duration::from_secs(5));
    let started = server.call("POST", "/boxes/b/start", json!({})).await;
    assert_eq!((started.status.as_u16(), &started.body["status"]), (202, &json!("provisioning")));
    for operation in ["start", "stop"] {
        let reply = server.call("POST", &format!("/boxes/b/{operation}"), json!({})).await;
        assert_eq!(refused(&reply), (400, "InvalidRequest"), "{operation} of one that starts");
    }
    pass(Duration::from_secs(6)).await;
    let ready = server.ok("GET", "/boxes/b", Value::Null).await;
    assert_eq!((&ready["status"], &ready["stopped_at"]), (&json!("ready"), &Value::Null));
    assert_eq!(refused(&server.call("POST", "/boxes/b/start", json!({})).await), (400, "InvalidRequest"));
    assert_eq!(read(&server, &sandbox, "/x").await.as_deref(), Some("kept"));
    let id = SandboxId::new(sandbox["id"].as_str().expect("a text"));
    let lives: Vec<_> = runtime.calls().into_iter().filter(|call| !matches!(call, Call::Exec(..))).collect();
    let expected = [Call::Recover(vec![]), Call::Launch(id.clone()), Call::Halt(id.clone()), Call::Launch(id)];
    assert_eq!(lives, expected);
}

#[tokio::test(start_paused = true)]
async fn started_at_once_after_it_was_stopped() {
    let runtime = FakeRuntime::new();
    let server = server(&runtime).await;
    server.ok("POST", "/boxes", json!({"name": "b"})).await;
    for _ in 0..3 {
        server.ok("POST", "/boxes/b/stop", json!({})).await;
        server.ok("POST", "/boxes/b/start", json!({})).await;
        while status(&server, "b").await != "ready" {
            tokio::task::yield_now().await;
        }
    }
    let lives: Vec<_> = runtime
        .calls()
        .iter()
        .filter_map(|call| match call {
            Call::Launch(_) => Some("launch"),
            Call::Halt(_) => Some("halt"),
            _ => None,
        })
        .collect();
    assert_eq!(lives, ["launch", "halt", "launch", "halt", "launch", "halt", "launch"], "never twice at a time");
}

#[tokio::test(start_paused = true)]
async fn idleness_stops_it_and_a_while_later_it_is_deleted() {
    let runtime = FakeRuntime::new();
    let server = server(&runtime).await;
    let body = json!({"name": "b", "idle_ttl_seconds": 120, "delete_after_stop_seconds": 300});
    let sandbox = server.ok("POST", "/boxes", body).await;
    pass(Duration::from_secs(100)).await;
    run(&server, &sandbox, "out x").await;
    pass(Duration::from_secs(100)).await;
    assert_eq!(status(&server, "b").await, "ready", "it was used");
    pass(Duration::from_secs(21)).await;
    let stopped = server.ok("GET", "/boxes/b", Value::Null).await;
    assert_eq!((&stopped["status"], &stopped["stopped_at"]), (&json!("stopped"), &json!("2026-03-24T12:03:40Z")));
    assert!(runtime.running().is_empty(), "stopped without anybody asking");
    pass(Duration::from_secs(298)).await;
    assert_eq!(status(&server, "b").await, "stopped");
    pass(Duration::from_secs(2)).await;
    assert_eq!(server.call("GET", "/boxes/b", Value::Null).await.status, 404);
}

#[tokio::test(start_paused = true)]
async fn never_is_never() {
    let server = server(&FakeRuntime::new()).await;
    let body = json!({"name": "b", "idle_ttl_seconds": 0, "delete_after_stop_seconds": 0});
    server.ok("POST", "/boxes", body).await;
    pass(Duration::from_hours(24 * 30)).await;
    assert_eq!(status(&server, "b").await, "ready");
    server.ok("POST", "/boxes/b/stop", json!({})).await;
    pass(Duration::from_hours(24 * 30)).await;
    assert_eq!(status(&server, "b").await, "stopped");
    let hurried = server.ok("PATCH", "/boxes/b", json!({"delete_after_stop_seconds": 60})).await;
    assert_eq!(hurried["delete_after_stop_seconds"], 60);
    assert_eq!(server.call("GET", "/boxes/b", Value::Null).await.status, 404, "it was stopped for long enough");
}

#[tokio::test(start_paused = true)]
async fn whatever_its_data_plane_is_asked_wakes_it() {
    let runtime = FakeRuntime::new();
    let server = server(&runtime).await;
    let sandbox = server.ok("POST", "/boxes", json!({"name": "b"})).await;
    write(&server, &sandbox, "/x", "kept").await;
    runtime.set_start_delay(Duration::from_secs(5));
    let stop = async || {
        server.ok("POST", "/boxes/b/stop", json!({})).await;
        pass(Duration::from_secs(1)).await;
        assert_eq!(status(&server, "b").await, "stopped");
    };
    stop().await;
    assert_eq!(run(&server, &sandbox, "out awake").await, "awake");
    stop().await;
    assert_eq!(read(&server, &sandbox, "/x").await.as_deref(), Some("kept"));
    stop().await;
    write(&server, &sandbox, "/y", "new").await;
    stop().await;
    let url = server.ok("POST", "/boxes/b/service-url", json!({"port": 80})).await;
    assert_eq!(status(&server, "b").await, "stopped", "to ask for a URL is no use of it");
    runtime.close_port(80);
    let path = url["service_url"].as_str().and_then(|url| url.strip_prefix("http://localhost")).expect("ours");
    let token = url["token"].as_str().expect("a text");
    server.send("GET", path, &[("x-langsmith-sandbox-service-token", token)], Value::Null).await;
    assert_eq!(status(&server, "b").await, "ready");
    stop().await;
    runtime.hold_starts(true);
    let reply = super::execute(&server, &sandbox, json!({"command": "out x"})).await;
    assert_eq!(refused(&reply), (503, "ServiceUnavailable"), "not for ever");
}

#[tokio::test(start_paused = true)]
async fn commands_end_with_a_stop() {
    let runtime = FakeRuntime::new();
    let server = server(&runtime).await;
    let sandbox = server.ok("POST", "/boxes", json!({"name": "b"})).await;
    let id = sandbox["id"].as_str().expect("a text");
    let path = format!("/dp/{id}/execute");
    let running = server.root("POST", &path, json!({"command": "sleep 100000", "timeout": 0}));
    let stop = async {
        pass(Duration::from_secs(1)).await;
        server.ok("POST", "/boxes/b/stop", json!({})).await;
    };
    let (reply, ()) = tokio::join!(running, stop);
    assert_eq!(refused(&reply), (400, "CommandError"));
}

#[tokio::test(start_paused = true)]
async fn one_that_is_not_persistent_begins_anew() {
    let runtime = FakeRuntime::new();
    let server = server(&runtime).await;
    let sandbox = server.ok("POST", "/boxes", json!({"name": "b", "persistent": false})).await;
    write(&server, &sandbox, "/x", "lost").await;
    server.ok("POST", "/boxes/b/stop", json!({})).await;
    pass(Duration::from_secs(1)).await;
    assert_eq!(read(&server, &sandbox, "/x").await, None);
    assert_eq!(status(&server, "b").await, "ready");
}

#[tokio::test(start_paused = true)]
async fn deleted_in_every_state() {
    let runtime = FakeRuntime::new();
    let server = server(&runtime).await;
    runtime.set_start_delay(Duration::from_secs(5));
    for name in ["ready", "stopped", "stopping", "starting"] {
        server.ok("POST", "/boxes", json!({"name": name})).await;
    }
    server.ok("POST", "/boxes/stopped/stop", json!({})).await;
    server.ok("POST", "/boxes/starting/stop", json!({})).await;
    pass(Duration::from_secs(1)).await;
    server.ok("POST", "/boxes/starting/start", json!({})).await;
    pass(Duration::from_secs(1)).await;
    server.ok("POST", "/boxes/stopping/stop", json!({})).await;
    for name in ["ready", "stopped", "stopping", "starting"] {
        server.ok("DELETE", &format!("/boxes/{name}"), Value::Null).await;
    }
    pass(Duration::from_secs(10)).await;
    assert!(runtime.running().is_empty());
    let n_cleared = runtime.calls().iter().filter(|call| matches!(call, Call::Destroy(_) | Call::Discard(_))).count();
    assert_eq!(n_cleared, 4, "{:?}", runtime.calls());
}

#[tokio::test(start_paused = true)]
async fn states_outlive_the_server() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let runtime = FakeRuntime::new();
    let options = |time: &str| {
        let clock = crate::server::PausedClock::starting_at(time.parse().expect("a time"));
        Options::new().data_dir(dir.path()).runtime(Arc::new(runtime.clone())).clock(Arc::new(clock))
    };
    let server = Server::open(&options("2026-03-24T12:00:00Z")).await;
    for (name, idle) in [("ready", 0), ("idle", 120), ("stopped", 0), ("old", 120)] {
        let delete = if name == "old" { 60 } else { 0 };
        let body = json!({"name": name, "idle_ttl_seconds": idle, "delete_after_stop_seconds": delete});
        server.ok("POST", "/boxes", body).await;
    }
    server.ok("POST", "/boxes/stopped/stop", json!({})).await;
    server.ok("POST", "/snapshots", json!({"name": "s", "docker_image": "i", "fs_capacity_bytes": 1})).await;
    server.app.close().await;

    let server = Server::open(&options("2026-03-24T13:00:00Z")).await;
    pass(Duration::from_secs(1)).await;
    for (name, expected) in [("ready", "ready"), ("idle", "stopped"), ("stopped", "stopped")] {
        assert_eq!(status(&server, name).await, expected, "{name}");
    }
    let idle = server.ok("GET", "/boxes/idle", Value::Null).await;
    assert_eq!(idle["stopped_at"], "2026-03-24T12:02:00Z", "when its time was up, and not when the server came back");
    assert_eq!(server.call("GET", "/boxes/old", Value::Null).await.status, 404, "stopped and deleted meanwhile");
    assert_eq!(server.ok("GET", "/snapshots/s", Value::Null).await["status"], "ready", "built, or built anew");
}
