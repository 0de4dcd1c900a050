use std::sync::Arc;

use serde_json::{Value, json};

use super::harness::Server;
use crate::server::Options;
use crate::server::options::Limits;
use crate::server::runtime::fake::FakeRuntime;

async fn metrics(server: &Server) -> String {
    server.root("GET", "/metrics", Value::Null).await.text
}

fn has(text: &str, lines: &[&str]) -> bool {
    lines.iter().all(|line| text.lines().any(|found| found == *line))
}

#[tokio::test(start_paused = true)]
async fn pools_show_what_they_hold_and_whether_they_had_it() {
    let runtime = FakeRuntime::new();
    let server = Server::with(Arc::new(runtime.clone()), Limits::default()).await;
    runtime.hold_starts(true);
    server.ok("POST", "/templates", json!({"name": "t", "image": "x"})).await;
    for (name, replicas) in [("a", 1), ("b", 2)] {
        let pool = json!({"name": name, "template_name": "t", "replicas": replicas, "wait_for_ready": false});
        server.ok("POST", "/pools", pool).await;
    }
    // Nobody waits for it, so that it is a miss of both pools and no time.
    server.ok("POST", "/boxes", json!({"template_name": "t", "wait_for_ready": false})).await;
    let lines = [
        "sbx_pool_claims_total{pool=\"a\",result=\"miss\"} 1",
        "sbx_pool_claims_total{pool=\"b\",result=\"miss\"} 1",
        "sbx_pool_replicas{pool=\"a\",status=\"ready\"} 0",
        "sbx_pool_replicas_desired{pool=\"b\"} 2",
        "sbx_sandboxes{status=\"provisioning\"} 1",
    ];
    let text = metrics(&server).await;
    assert!(has(&text, &lines), "{text}");
    assert!(!text.contains("sbx_sandbox_ready_seconds_count"), "{text}");

    runtime.hold_starts(false);
    let lines = [
        "sbx_pool_refill_seconds_count 3",
        "sbx_pool_replicas{pool=\"a\",status=\"ready\"} 1",
        "sbx_pool_replicas{pool=\"b\",status=\"ready\"} 2",
    ];
    let mut text = String::new();
    for _ in 0..100 {
        text = metrics(&server).await;
        if has(&text, &lines) {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("not filled: {text}");
}

#[tokio::test]
async fn a_sandbox_that_is_needed_after_a_restart_is_a_way_of_its_own() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let options = || Options::new().data_dir(dir.path()).runtime(Arc::new(FakeRuntime::new()));
    let server = Server::open(&options()).await;
    server.ok("POST", "/templates", json!({"name": "t", "image": "x"})).await;
    let made = server.ok("POST", "/boxes", json!({"name": "s", "template_name": "t"})).await;
    assert!(has(&metrics(&server).await, &["sbx_sandbox_ready_seconds_count{path=\"cold\"} 1"]));
    server.app.close().await;

    let server = Server::open(&options()).await;
    let path = format!("/dp/{}/execute", made["id"].as_str().expect("a text"));
    for _ in 0..2 {
        let reply = server.root("POST", &path, json!({"command": "exit 0"})).await;
        assert_eq!(reply.body["exit_code"], 0, "{reply:?}");
    }
    let text = metrics(&server).await;
    let lines = ["sbx_sandbox_ready_seconds_count{path=\"restart\"} 1", "sbx_command_start_seconds_count 2"];
    assert!(has(&text, &lines), "only the first call had to wait: {text}");
    assert!(!text.contains("{path=\"cold\"}"), "{text}");
    server.app.close().await;
}
