//! Whatever is asked in whatever order, the workspace stays sound.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::harness::Server;
use crate::server::options::Limits;
use crate::server::runtime::fake::FakeRuntime;
use crate::server::runtime::{LaunchError, LaunchErrorKind};

const SANDBOXES: u64 = 6;
const VOLUMES: u64 = 3;
const STORAGE_GI: u64 = 8;

#[derive(Debug, Clone)]
enum Step {
    Call(&'static str, String, Value),
    Pass(u64),
}

/// Few names, so that steps meet.
fn name() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["a", "b", "c"])
}

fn kind() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["volumes", "templates", "pools", "boxes"])
}

fn step() -> impl Strategy<Value = Step> {
    let call = |method, path: String, body| Step::Call(method, path, body);
    let ttl = prop::option::of(prop::sample::select(vec![0, 60, 600]));
    prop_oneof![
        2 => (name(), 1..5_u32).prop_map(move |(name, size)| {
            call("POST", "/volumes".to_owned(), json!({"name": name, "size": format!("{size}Gi")}))
        }),
        3 => (name(), prop::option::of(name()), any::<bool>()).prop_map(move |(name, volume, fails)| {
            let mounts = volume.map(|volume| json!([{"volume_name": volume, "mount_path": "/data"}]));
            let image = if fails { "bad" } else { "good" };
            call("POST", "/templates".to_owned(), json!({"name": name, "image": image, "volume_mounts": mounts}))
        }),
        2 => (name(), name(), 1..4_u32).prop_map(move |(name, template, replicas)| {
            let body = json!({"name": name, "template_name": template, "replicas": replicas, "timeout": 10});
            call("POST", "/pools".to_owned(), body)
        }),
        4 => (name(), name(), any::<bool>(), ttl).prop_map(move |(name, template, wait, ttl)| {
            let body = json!({"name": name, "template_name": template, "wait_for_ready": wait, "ttl_seconds": ttl});
            call("POST", "/boxes".to_owned(), body)
        }),
        3 => (kind(), name(), name()).prop_map(move |(kind, name, new)| {
            call("PATCH", format!("/{kind}/{name}"), json!({"name": new}))
        }),
        1 => (name(), 0..4_u32).prop_map(move |(name, replicas)| {
            call("PATCH", format!("/pools/{name}"), json!({"replicas": replicas}))
        }),
        1 => (name(), 1..5_u32).prop_map(move |(name, size)| {
            call("PATCH", format!("/volumes/{name}"), json!({"size": format!("{size}Gi")}))
        }),
        4 => (kind(), name()).prop_map(move |(kind, name)| call("DELETE", format!("/{kind}/{name}"), Value::Null)),
        1 => (0..120_u64).prop_map(Step::Pass),
    ]
}

async fn list(server: &Server, kind: &str, key: &str) -> Vec<Value> {
    server.ok("GET", &format!("/{kind}?limit=500"), Value::Null).await[key].as_array().expect("a list").clone()
}

fn names(objects: &[Value]) -> HashSet<&str> {
    objects.iter().map(|object| object["name"].as_str().expect("a text")).collect()
}

async fn check(server: &Server) {
    let volumes = list(server, "volumes", "volumes").await;
    let templates = list(server, "templates", "templates").await;
    let pools = list(server, "pools", "pools").await;
    let boxes = list(server, "boxes", "sandboxes").await;
    for objects in [&volumes, &templates, &pools, &boxes] {
        assert_eq!(names(objects).len(), objects.len(), "names are unique");
    }
    for object in pools.iter().chain(&boxes) {
        assert!(names(&templates).contains(object["template_name"].as_str().expect("a text")), "{object}");
    }
    for mount in templates.iter().flat_map(|template| template["volume_mounts"].as_array().expect("a list")) {
        assert!(names(&volumes).contains(mount["volume_name"].as_str().expect("a text")), "{mount}");
    }
    let usage = server.ok("GET", "/usage", Value::Null).await;
    let replicas: u64 = pools.iter().map(|pool| pool["replicas"].as_u64().expect("a number")).sum();
    assert_eq!(usage["sandboxes_used"], boxes.len() as u64 + replicas);
    assert!(usage["sandboxes_used"].as_u64() <= Some(SANDBOXES), "{usage}");
    assert!(usage["volumes_used"].as_u64() <= Some(VOLUMES), "{usage}");
    assert!(usage["storage_used_bytes"].as_u64() <= Some(STORAGE_GI << 30), "{usage}");
}

async fn run(steps: Vec<Step>) {
    let runtime = FakeRuntime::new();
    runtime.set_start_delay(Duration::from_secs(1));
    runtime.fail_image("bad", LaunchError::new(LaunchErrorKind::CrashLoop, "told to"), None);
    let limits =
        Limits { sandboxes: SANDBOXES, volumes: VOLUMES, storage_bytes: STORAGE_GI << 30, ..Limits::default() };
    let server = Server::with(Arc::new(runtime.clone()), limits).await;
    for step in steps {
        match step {
            Step::Call(method, path, body) => {
                let reply = server.call(method, &path, body).await;
                assert!(matches!(reply.status.as_u16(), 200..=204 | 400 | 404 | 409 | 422 | 429 | 504), "{reply:?}");
            }
            Step::Pass(seconds) => tokio::time::sleep(Duration::from_secs(seconds)).await,
        }
        check(&server).await;
    }
    tokio::time::sleep(Duration::from_mins(5)).await;
    let boxes = list(&server, "boxes", "sandboxes").await;
    let n_ready = boxes.iter().filter(|sandbox| sandbox["status"] == "ready").count();
    let n_failed = boxes.iter().filter(|sandbox| sandbox["status"] == "failed").count();
    assert_eq!(n_ready + n_failed, boxes.len(), "nothing stays on its way for ever");
    let mut n_warm = 0;
    for pool in list(&server, "pools", "pools").await {
        let template = server
            .ok("GET", &format!("/templates/{}", pool["template_name"].as_str().expect("a text")), Value::Null)
            .await;
        n_warm += if template["image"] == "good" { pool["replicas"].as_u64().expect("a number") } else { 0 };
    }
    assert_eq!(runtime.running().len() as u64, n_ready as u64 + n_warm, "what runs is what is stored");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn hold(steps in prop::collection::vec(step(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .expect("a runtime");
        runtime.block_on(run(steps));
    }
}
