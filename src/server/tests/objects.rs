//! Each kind from its creation to its end.

use serde_json::{Value, json};

use super::harness::{Server, embedded};
use crate::server::Options;

fn timeless(mut value: Value) -> Value {
    let object = value.as_object_mut().expect("an object");
    assert!(object.remove("id").is_some_and(|id| id.as_str().is_some_and(|id| id.len() == 36)));
    assert_eq!(object.remove("created_at"), Some(json!("2026-03-24T12:00:00Z")));
    assert_eq!(object.remove("updated_at"), Some(json!("2026-03-24T12:00:00Z")));
    value
}

#[tokio::test(start_paused = true)]
async fn volume() {
    let server = Server::new().await;
    let made = server.ok("POST", "/volumes", json!({"name": "v", "size": "1024Mi", "wait_for_ready": true})).await;
    assert_eq!(timeless(made.clone()), json!({"name": "v", "size": "1024Mi", "storage_class": "standard"}));
    assert_eq!(server.ok("GET", "/volumes/v", Value::Null).await, made);
    let by_id = format!("/volumes/{}", made["id"].as_str().expect("a text"));
    assert_eq!(server.ok("GET", &by_id, Value::Null).await, made);
    let grown = server.ok("PATCH", "/volumes/v", json!({"name": "w", "size": "2Gi"})).await;
    assert_eq!((&grown["name"], &grown["size"], &grown["id"]), (&json!("w"), &json!("2Gi"), &made["id"]));
    let reply = server.call("DELETE", "/volumes/w", Value::Null).await;
    assert_eq!((reply.status.as_u16(), reply.text.as_str()), (204, ""));
    assert_eq!(server.ok("GET", "/volumes", Value::Null).await, json!({"volumes": [], "offset": 0}));
}

#[tokio::test(start_paused = true)]
async fn template() {
    let server = Server::new().await;
    server.ok("POST", "/volumes", json!({"name": "v", "size": "1Gi"})).await;
    let plain = server.ok("POST", "/templates", json!({"name": "plain", "image": "python:3.12"})).await;
    let resources = json!({"cpu": "500m", "memory": "512Mi", "storage": null});
    assert_eq!(
        timeless(plain),
        json!({"name": "plain", "image": "python:3.12", "resources": resources, "volume_mounts": []})
    );
    let body = json!({
        "name": "full", "image": "x", "resources": {"cpu": "2", "memory": "1Gi", "storage": "3Gi"},
        "volume_mounts": [{"volume_name": "v", "mount_path": "/data"}],
        "proxy_config": {"rules": [1, null]}, "registry_id": null, "id": "ignored",
    });
    let mut expected = body.clone();
    expected.as_object_mut().expect("an object").remove("id");
    assert_eq!(timeless(server.ok("POST", "/templates", body).await), expected);
    server.ok("PATCH", "/volumes/v", json!({"name": "renamed"})).await;
    let full = server.ok("GET", "/templates/full", Value::Null).await;
    assert_eq!(full["volume_mounts"], json!([{"volume_name": "renamed", "mount_path": "/data"}]));
}

#[tokio::test(start_paused = true)]
async fn sandbox_and_pool() {
    let server = Server::new().await;
    server.ok("POST", "/templates", json!({"name": "t", "image": "x"})).await;
    let cold = server.ok("POST", "/boxes", json!({"template_name": "t", "name": "cold", "ttl_seconds": 120})).await;
    let url = format!("http://localhost/dp/{}", cold["id"].as_str().expect("a text"));
    let expected = json!({
        "name": "cold", "template_name": "t", "dataplane_url": url, "status": "ready", "status_message": null,
        "ttl_seconds": 120, "idle_ttl_seconds": null, "expires_at": "2026-03-24T12:02:00Z",
    });
    assert_eq!(timeless(cold), expected);
    let pool = server.ok("POST", "/pools", json!({"name": "p", "template_name": "t", "replicas": 2})).await;
    assert_eq!(timeless(pool), json!({"name": "p", "template_name": "t", "replicas": 2}));
    let warm = server.ok("POST", "/boxes", json!({"template_name": "t", "wait_for_ready": false})).await;
    assert_eq!(warm["status"], json!("ready"), "drawn from the pool");
    assert!(warm["name"].as_str().is_some_and(|name| name.starts_with("sandbox-") && name.len() == 16));
    let boxes = server.ok("GET", "/boxes", Value::Null).await;
    assert_eq!(boxes["sandboxes"].as_array().map(Vec::len), Some(2), "replicas are not listed");
    assert_eq!(
        server.ok("GET", "/boxes/cold/status", Value::Null).await,
        json!({"status": "ready", "status_message": null})
    );
    server.ok("DELETE", "/pools/p", Value::Null).await;
    server.ok("GET", &format!("/boxes/{}", warm["name"].as_str().expect("a text")), Value::Null).await;
}

#[tokio::test]
async fn data_outlives_the_server() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let options = || Options::new().data_dir(dir.path());
    let server = embedded(options()).await;
    let make = json!({"name": "v", "size": "1Gi"});
    let made = super::harness::call(server.router(), "POST", "/api/v2/sandboxes/volumes", &[], make).await;
    server.close().await;
    let server = embedded(options()).await;
    let found = super::harness::call(server.router(), "GET", "/v2/sandboxes/volumes/v", &[], Value::Null).await;
    assert_eq!(found.body, made.body);
    server.close().await;
}
