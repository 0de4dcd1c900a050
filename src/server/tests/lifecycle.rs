//! Waiting, failing, expiring: sandboxes and pools over a runtime that is told what to do.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::harness::Server;
use crate::server::options::Limits;
use crate::server::runtime::fake::{Call, FakeRuntime};
use crate::server::runtime::{LaunchError, LaunchErrorKind};
use crate::types::SandboxId;

async fn server(runtime: &FakeRuntime) -> Server {
    let server = Server::with(Arc::new(runtime.clone()), Limits::default()).await;
    server.ok("POST", "/templates", json!({"name": "t", "image": "x"})).await;
    server
}

/// Lets everything happen that is due within `time`.
async fn pass(time: Duration) {
    tokio::time::sleep(time).await;
}

fn error(kind: LaunchErrorKind) -> LaunchError {
    LaunchError::new(kind, format!("told to: {kind}"))
}

#[tokio::test(start_paused = true)]
async fn a_create_waits_until_it_is_ready() {
    let runtime = FakeRuntime::new();
    let server = server(&runtime).await;
    runtime.set_start_delay(Duration::from_secs(20));
    let made = server.ok("POST", "/boxes", json!({"name": "s", "template_name": "t"})).await;
    assert_eq!((&made["status"], &made["updated_at"]), (&json!("ready"), &json!("2026-03-24T12:00:20Z")));
    let eager = json!({"name": "e", "template_name": "t", "wait_for_ready": false});
    assert_eq!(server.ok("POST", "/boxes", eager).await["status"], "provisioning");
    let reply = server.call("POST", "/boxes/e/service-url", json!({"port": 1})).await;
    assert_eq!((reply.status.as_u16(), &reply.body["detail"]["error"]), (400, &json!("NotReady")));
    pass(Duration::from_secs(21)).await;
    assert_eq!(server.ok("GET", "/boxes/e/status", Value::Null).await["status"], "ready");
}

#[tokio::test(start_paused = true)]
async fn one_that_is_not_ready_in_time_is_taken_back() {
    let runtime = FakeRuntime::new();
    let server = server(&runtime).await;
    runtime.set_start_delay(Duration::from_secs(31));
    let reply = server.call("POST", "/boxes", json!({"name": "s", "template_name": "t"})).await;
    assert_eq!(reply.status, 408);
    assert_eq!(reply.body, json!({"detail": "Timeout waiting for sandbox to be ready"}));
    assert_eq!(server.call("GET", "/boxes/s", Value::Null).await.status, 404);
    let pool = json!({"name": "p", "template_name": "t", "replicas": 3, "timeout": 30});
    let reply = server.call("POST", "/pools", pool).await;
    let text = "Pool 'p' did not reach 1 ready replica(s) within 30 seconds";
    assert_eq!(reply.status, 504);
    assert_eq!(reply.body, json!({"detail": {"error": "Timeout", "message": text}}));
    assert_eq!(server.call("GET", "/pools/p", Value::Null).await.status, 404);
    pass(Duration::from_mins(2)).await;
    assert!(runtime.running().is_empty(), "what was being started is cleared away");
}

#[tokio::test(start_paused = true)]
async fn a_pool_that_can_never_be_filled_says_so_at_once() {
    let runtime = FakeRuntime::new();
    let server = server(&runtime).await;
    let pool = json!({"name": "p", "template_name": "t", "replicas": 2, "timeout": 600});
    runtime.fail_image("x", error(LaunchErrorKind::ImagePull), Some(2));
    let began = tokio::time::Instant::now();
    let reply = server.call("POST", "/pools", pool.clone()).await;
    assert_eq!(reply.status, 422);
    assert_eq!(reply.body, json!({"detail": {"error": "ImagePull", "message": "told to: ImagePull"}}));
    assert_eq!(began.elapsed(), Duration::ZERO);
    assert_eq!(server.call("GET", "/pools/p", Value::Null).await.status, 404);
    pass(Duration::from_mins(2)).await;
    // Room may come while somebody waits for it.
    runtime.fail_image("x", error(LaunchErrorKind::Unschedulable), Some(2));
    assert_eq!(server.ok("POST", "/pools", pool).await["name"], "p");
}

#[tokio::test(start_paused = true)]
async fn failures_have_their_types() {
    let runtime = FakeRuntime::new();
    let server = server(&runtime).await;
    let cases = [
        (LaunchErrorKind::ImagePull, 422),
        (LaunchErrorKind::CrashLoop, 422),
        (LaunchErrorKind::SandboxConfig, 422),
        (LaunchErrorKind::Unschedulable, 503),
    ];
    for (kind, status) in cases {
        runtime.fail_image("x", error(kind), None);
        let reply = server.call("POST", "/boxes", json!({"name": "s", "template_name": "t"})).await;
        assert_eq!(reply.status, status);
        let expected = json!({"error": kind.as_str(), "message": format!("told to: {kind}")});
        assert_eq!(reply.body["detail"], expected);
        assert_eq!(server.call("GET", "/boxes/s", Value::Null).await.status, 404, "cleaned up");
    }
    let unwatched = json!({"name": "s", "template_name": "t", "wait_for_ready": false});
    server.ok("POST", "/boxes", unwatched).await;
    pass(Duration::from_secs(1)).await;
    let expected = json!({"status": "failed", "status_message": "told to: Unschedulable"});
    assert_eq!(server.ok("GET", "/boxes/s/status", Value::Null).await, expected);
    assert_eq!(server.call("DELETE", "/templates/t", Value::Null).await.status, 409, "a failed one blocks, too");
    server.ok("DELETE", "/boxes/s", Value::Null).await;
}

#[tokio::test(start_paused = true)]
async fn deleting_cancels_a_start() {
    let runtime = FakeRuntime::new();
    let server = server(&runtime).await;
    runtime.set_start_delay(Duration::from_secs(20));
    let made = server.ok("POST", "/boxes", json!({"name": "s", "template_name": "t", "wait_for_ready": false})).await;
    pass(Duration::from_secs(1)).await;
    server.ok("DELETE", "/boxes/s", Value::Null).await;
    pass(Duration::from_mins(1)).await;
    let id = SandboxId::new(made["id"].as_str().expect("a text"));
    let expected = [Call::Recover(vec![]), Call::Prepare("x".to_owned()), Call::Launch(id.clone()), Call::Discard(id)];
    assert_eq!(runtime.calls(), expected);
    assert!(runtime.running().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_create_whose_sandbox_is_deleted_meanwhile() {
    let runtime = FakeRuntime::new();
    let server = server(&runtime).await;
    runtime.set_start_delay(Duration::from_secs(20));
    let create = server.call("POST", "/boxes", json!({"name": "s", "template_name": "t"}));
    let delete = async {
        pass(Duration::from_secs(1)).await;
        server.ok("DELETE", "/boxes/s", Value::Null).await;
    };
    let (reply, ()) = tokio::join!(create, delete);
    assert_eq!(reply.status, 404);
}

#[tokio::test(start_paused = true)]
async fn times_to_live() {
    let runtime = FakeRuntime::new();
    let server = server(&runtime).await;
    let make = |name: &str, ttl: u64, idle: u64| json!({"name": name, "template_name": "t", "ttl_seconds": ttl, "idle_ttl_seconds": idle});
    let forever = server.ok("POST", "/boxes", make("forever", 0, 0)).await;
    assert_eq!((&forever["expires_at"], &forever["ttl_seconds"]), (&Value::Null, &json!(0)));
    let both = server.ok("POST", "/boxes", make("both", 600, 120)).await;
    assert_eq!(both["expires_at"], "2026-03-24T12:02:00Z", "the earlier of the two");
    server.ok("POST", "/boxes", make("old", 300, 0)).await;
    server.ok("PATCH", "/boxes/both", json!({"idle_ttl_seconds": 0})).await;
    pass(Duration::from_secs(301)).await;
    assert_eq!(runtime.running().len(), 2, "reaped without anybody asking");
    assert_eq!(server.call("GET", "/boxes/old", Value::Null).await.status, 404);
    server.root("POST", "/_sbx/clock", json!({"advance_seconds": 300})).await;
    let boxes = server.ok("GET", "/boxes", Value::Null).await;
    assert_eq!(boxes["sandboxes"].as_array().map(Vec::len), Some(1), "no read sees one whose time is up");
    server.ok("POST", "/boxes", make("both", 0, 0)).await;
}

#[tokio::test(start_paused = true)]
async fn pools_are_filled_drawn_from_and_drained() {
    let runtime = FakeRuntime::new();
    let server = server(&runtime).await;
    runtime.set_start_delay(Duration::from_secs(2));
    server.ok("POST", "/pools", json!({"name": "p", "template_name": "t", "replicas": 20})).await;
    assert!((1..20).contains(&runtime.running().len()), "one replica is enough to answer");
    pass(Duration::from_secs(10)).await;
    assert_eq!(runtime.running().len(), 20);
    let launched: Vec<_> = runtime
        .calls()
        .iter()
        .filter_map(|call| if let Call::Launch(id) = call { Some(id.clone()) } else { None })
        .collect();
    let drawn = server.ok("POST", "/boxes", json!({"name": "s", "template_name": "t", "ttl_seconds": 60})).await;
    let id = SandboxId::new(drawn["id"].as_str().expect("a text"));
    assert!(launched[..8].contains(&id), "one of the oldest");
    assert_eq!(drawn["created_at"], drawn["updated_at"], "its life begins with the claim");
    pass(Duration::from_secs(5)).await;
    assert_eq!(runtime.running().len(), 21, "filled up again");
    server.ok("PATCH", "/pools/p", json!({"replicas": 3})).await;
    pass(Duration::from_secs(1)).await;
    assert_eq!(runtime.running().len(), 4);
    server.ok("PATCH", "/pools/p", json!({"replicas": 0})).await;
    pass(Duration::from_secs(1)).await;
    assert_eq!(runtime.running().into_iter().collect::<Vec<_>>(), [id]);
    let usage = server.ok("GET", "/usage", Value::Null).await;
    assert_eq!((&usage["sandbox_direct_count"], &usage["sandbox_pool_replicas_count"]), (&json!(1), &json!(0)));
    server.ok("DELETE", "/pools/p", Value::Null).await;
    server.ok("GET", "/boxes/s", Value::Null).await;
}

#[tokio::test(start_paused = true)]
async fn a_failing_pool_tries_again_ever_more_slowly() {
    let runtime = FakeRuntime::new();
    let server = server(&runtime).await;
    runtime.fail_image("x", error(LaunchErrorKind::Unschedulable), Some(4));
    let started = tokio::time::Instant::now();
    server.ok("POST", "/pools", json!({"name": "p", "template_name": "t", "replicas": 1})).await;
    assert_eq!(started.elapsed().as_secs(), 1 + 2 + 4 + 8);
}

#[tokio::test(start_paused = true)]
async fn one_that_ends_by_itself_is_started_again_when_it_is_used() {
    let runtime = FakeRuntime::new();
    let server = server(&runtime).await;
    let made = server.ok("POST", "/boxes", json!({"name": "s", "template_name": "t"})).await;
    let id = runtime.running().into_iter().next().expect("one runs");
    let path = format!("/dp/{}", made["id"].as_str().expect("a text"));
    let run = async || {
        let reply = server.root("POST", &format!("{path}/execute"), json!({"command": "out hello"})).await;
        assert_eq!(reply.body["stdout"], "hello", "{reply:?}");
    };
    run().await;
    assert!(runtime.end(&id, "out of memory"));
    pass(Duration::from_secs(1)).await;
    let message = "out of memory; it is started again on its disk when it is used";
    let expected = json!({"status": "ready", "status_message": message});
    assert_eq!(server.ok("GET", "/boxes/s/status", Value::Null).await, expected);
    assert!(runtime.running().is_empty(), "not before");
    run().await;
    let expected = json!({"status": "ready", "status_message": null});
    assert_eq!(server.ok("GET", "/boxes/s/status", Value::Null).await, expected);
    assert!(runtime.end(&id, "out of memory"));
    // Before anybody has noticed.
    run().await;
    let launches = runtime.calls().iter().filter(|call| matches!(call, Call::Launch(_))).count();
    assert_eq!(launches, 3);
    assert!(!runtime.calls().contains(&Call::Destroy(id)), "its disk stays");
}

#[tokio::test(start_paused = true)]
async fn one_that_does_not_start_again_keeps_its_disk_and_is_tried_again() {
    let runtime = FakeRuntime::new();
    let server = server(&runtime).await;
    let made = server.ok("POST", "/boxes", json!({"name": "s", "template_name": "t"})).await;
    let id = runtime.running().into_iter().next().expect("one runs");
    runtime.fail_image("x", error(LaunchErrorKind::Unschedulable), Some(1));
    assert!(runtime.end(&id, "out of memory"));
    let path = format!("/dp/{}/execute", made["id"].as_str().expect("a text"));
    let run = || server.root("POST", &path, json!({"command": "out hello"}));
    runtime.set_start_delay(Duration::from_secs(1));
    let (one, other) = tokio::join!(run(), run());
    for reply in [one, other] {
        assert_eq!((reply.status.as_u16(), &reply.body["detail"]["error"]), (503, &json!("Unschedulable")));
    }
    let expected = json!({"status": "ready", "status_message": "told to: Unschedulable"});
    assert_eq!(server.ok("GET", "/boxes/s/status", Value::Null).await, expected);
    assert_eq!(run().await.body["stdout"], "hello");
    assert_eq!(server.ok("GET", "/boxes/s/status", Value::Null).await["status_message"], Value::Null);
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_ends_by_itself_is_replaced() {
    let runtime = FakeRuntime::new();
    let server = server(&runtime).await;
    server.ok("POST", "/pools", json!({"name": "p", "template_name": "t", "replicas": 1})).await;
    let replica = runtime.running().into_iter().next().expect("one is warm");
    assert!(runtime.end(&replica, "out of memory"));
    pass(Duration::from_secs(1)).await;
    assert_eq!(runtime.running().len(), 1, "replaced");
    assert!(!runtime.running().contains(&replica));
    assert!(runtime.calls().contains(&Call::Discard(replica)), "its disk is gone");
}

#[tokio::test(start_paused = true)]
async fn a_start_that_never_ends_has_failed() {
    let runtime = FakeRuntime::new();
    let server = server(&runtime).await;
    runtime.hold_starts(true);
    server.ok("POST", "/boxes", json!({"name": "s", "template_name": "t", "wait_for_ready": false})).await;
    pass(Duration::from_secs(601)).await;
    let expected = json!({"status": "failed", "status_message": "not started within 600 seconds"});
    assert_eq!(server.ok("GET", "/boxes/s/status", Value::Null).await, expected);
}

#[tokio::test(start_paused = true)]
async fn of_two_creates_at_once_one_wins() {
    let runtime = FakeRuntime::new();
    let server = server(&runtime).await;
    runtime.set_start_delay(Duration::from_secs(5));
    let create = || server.call("POST", "/boxes", json!({"name": "s", "template_name": "t"}));
    let (left, right) = tokio::join!(create(), create());
    let mut statuses = [left.status.as_u16(), right.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409]);
    assert_eq!(runtime.running().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_create_that_is_given_up_ends_all_the_same() {
    let runtime = FakeRuntime::new();
    let server = server(&runtime).await;
    runtime.set_start_delay(Duration::from_secs(20));
    let create = |name: &str, timeout: u64| {
        let body = json!({"name": name, "template_name": "t", "timeout": timeout});
        let call = server.call("POST", "/boxes", body);
        async { assert!(tokio::time::timeout(Duration::from_secs(1), call).await.is_err(), "the caller hangs up") }
    };
    create("patient", 30).await;
    create("hasty", 10).await;
    pass(Duration::from_mins(1)).await;
    assert_eq!(server.ok("GET", "/boxes/patient", Value::Null).await["status"], "ready");
    assert_eq!(server.call("GET", "/boxes/hasty", Value::Null).await.status, 404, "taken back");
    assert_eq!(runtime.running().len(), 1);
}
