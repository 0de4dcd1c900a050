//! Making sandboxes from snapshots, and setting them up anew.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::{execute, pass, refused, run, server, snapshot};
use crate::server::options::Limits;
use crate::server::runtime::fake::FakeRuntime;
use crate::server::runtime::{ImageConfig, LaunchError, LaunchErrorKind};
use crate::server::tests::harness::Server;

#[tokio::test(start_paused = true)]
async fn what_is_made_with_nothing_said() {
    let server = server(&FakeRuntime::new()).await;
    let made = server.call("POST", "/boxes", json!({"name": "b"})).await;
    assert_eq!(made.status, 201);
    let id = made.body["id"].as_str().expect("a text");
    let expected = json!({
        "id": id, "name": "b", "status": "ready", "status_message": null,
        "snapshot_id": "00000000-0000-4000-8000-000000000001", "dataplane_url": format!("http://localhost/dp/{id}"),
        "vcpus": 1, "cpu_millicores": 500, "mem_bytes": 2_u64 << 30, "fs_capacity_bytes": 4_u64 << 30,
        "idle_ttl_seconds": 600, "delete_after_stop_seconds": 1_209_600, "stopped_at": null, "labels": {},
        "mount_config": null, "proxy_config": null, "preserve_memory_on_stop": false, "persistent": true,
        "created_at": "2026-03-24T12:00:00Z", "created_by": "local",
        "updated_at": "2026-03-24T12:00:00Z", "updated_by": "local",
    });
    assert_eq!(made.body, expected);
    assert_eq!(server.ok("GET", "/boxes/b", Value::Null).await, expected);
    assert_eq!(server.ok("GET", &format!("/boxes/{id}"), Value::Null).await, expected);
    assert_eq!(server.ok("PATCH", "/boxes/b", json!({})).await, expected);
    let status = json!({"status": "ready", "status_message": null});
    assert_eq!(server.ok("GET", "/boxes/b/status", Value::Null).await, status);
    assert_eq!(server.ok("GET", "/usage", Value::Null).await["memory_used_bytes"], 2_u64 << 30);
    server.ok("DELETE", "/boxes/b", Value::Null).await;
    assert_eq!(server.call("GET", "/boxes/b", Value::Null).await.status, 404);
}

#[tokio::test(start_paused = true)]
async fn a_sandbox_keeps_its_generation_and_its_name_is_taken_in_both() {
    let server = server(&FakeRuntime::new()).await;
    server.ok("POST", "/templates", json!({"name": "t", "image": "x"})).await;
    server.ok("POST", "/boxes", json!({"name": "first", "template_name": "t"})).await;
    pass(Duration::from_secs(1)).await;
    server.ok("POST", "/boxes", json!({"name": "second"})).await;
    for body in [json!({"name": "first"}), json!({"name": "second", "template_name": "t"})] {
        assert_eq!(refused(&server.call("POST", "/boxes", body).await), (409, "Conflict"));
    }
    let list = server.ok("GET", "/boxes", Value::Null).await;
    assert_eq!(list["sandboxes"], list["items"]);
    let kinds: Vec<_> = list["items"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|item| (item["name"].as_str(), item.get("template_name").is_some(), item.get("snapshot_id").is_some()))
        .collect();
    assert_eq!(kinds, [(Some("second"), false, true), (Some("first"), true, false)]);
    for (operation, verb) in [("stop", "stopped"), ("start", "started")] {
        let reply = server.call("POST", &format!("/boxes/first/{operation}"), json!({})).await;
        let message = format!("Sandbox 'first' is ready and cannot be {verb}.");
        assert_eq!((refused(&reply), &reply.body["detail"]["message"]), ((400, "InvalidRequest"), &json!(message)));
    }
    let deleted = server.ok("POST", "/boxes/batch-delete", json!({"names": ["first", "second"]})).await;
    assert_eq!(deleted, json!({"deleted": ["first", "second"], "skipped": []}));
}

#[tokio::test(start_paused = true)]
async fn references_to_snapshots() {
    let server = server(&FakeRuntime::new()).await;
    let made = snapshot(&server, "team/s", "i").await;
    let id = made["id"].as_str().expect("a text");
    for (field, reference) in [
        ("snapshot", "team/s"),
        ("snapshot", "team/s:latest"),
        ("snapshot", id),
        ("snapshot_id", id),
        ("snapshot_name", "team/s"),
    ] {
        assert_eq!(server.ok("POST", "/boxes", json!({field: reference})).await["snapshot_id"], id, "{reference}");
    }
    let unknown = server.call("POST", "/boxes", json!({"snapshot": "gone"})).await;
    assert_eq!(refused(&unknown), (400, "SnapshotNotFound"));
    let both = json!({"snapshot": "team/s", "snapshot_id": id});
    assert_eq!(server.call("POST", "/boxes", both).await.status, 422);
}

#[tokio::test(start_paused = true)]
async fn environments_have_layers() {
    let runtime = FakeRuntime::new();
    let env = |pairs: &[(&str, &str)]| pairs.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect();
    let config = ImageConfig {
        env: env(&[("A", "image"), ("B", "image")]),
        workdir: Some("/image".to_owned()),
        user: Some("image".to_owned()),
        ..ImageConfig::default()
    };
    runtime.configure_image("i", config);
    let server = server(&runtime).await;
    snapshot(&server, "s", "i").await;
    let body = json!({
        "name": "b", "snapshot": "s",
        "run_config": {"user": "box", "env_vars": {"B": "box", "C": "box", "D": "box"}},
        "proxy_config": {"rules": [
            {"name": "on", "env_vars": {"C": "rule", "D": "rule"}},
            {"name": "off", "enabled": false, "env_vars": {"A": "off"}},
        ]},
        "env_vars": {"D": "env"},
    });
    let sandbox = server.ok("POST", "/boxes", body).await;
    let show = "env A\nout  \nenv B\nout  \nenv C\nout  \nenv D\nout  \ncwd\nout  \nuser";
    assert_eq!(run(&server, &sandbox, show).await, "image box rule env /image box");
    assert_eq!(sandbox.get("env_vars"), None, "never told");
    let change = json!({"run_config": {"work_dir": "/new", "env_vars": {"A": "new"}}});
    let changed = server.ok("PATCH", "/boxes/b", change).await;
    let expected = json!({"user": "box", "work_dir": "/new",
        "env_vars": {"A": "new", "B": "box", "C": "box", "D": "box"}});
    assert_eq!(changed["run_config"], expected, "what is not named stays");
    let own = json!({"command": show, "env": {"A": "own"}, "cwd": "sub"});
    assert_eq!(execute(&server, &sandbox, own).await.body["stdout"], "own box rule env /new/sub box");
}

#[tokio::test(start_paused = true)]
async fn creation_that_fails() {
    let runtime = FakeRuntime::new();
    let server = server(&runtime).await;
    snapshot(&server, "s", "i").await;
    for (kind, expected) in
        [(LaunchErrorKind::CrashLoop, (500, "CrashLoop")), (LaunchErrorKind::Unschedulable, (503, "Unschedulable"))]
    {
        runtime.fail_image("i", LaunchError::new(kind, "told to"), Some(1));
        let reply = server.call("POST", "/boxes", json!({"name": "b", "snapshot": "s"})).await;
        assert_eq!(refused(&reply), expected);
        assert_eq!(server.call("GET", "/boxes/b", Value::Null).await.status, 404, "cleaned up");
    }
    runtime.set_start_delay(Duration::from_secs(31));
    let reply = server.call("POST", "/boxes", json!({"name": "b", "snapshot": "s"})).await;
    assert_eq!(refused(&reply), (504, "Timeout"));
    assert_eq!(server.call("GET", "/boxes/b", Value::Null).await.status, 404);
    runtime.set_start_delay(Duration::ZERO);
    pass(Duration::from_mins(1)).await;
    runtime.fail_image("i", LaunchError::new(LaunchErrorKind::CrashLoop, "told to"), Some(1));
    server.ok("POST", "/boxes", json!({"name": "b", "snapshot": "s", "wait_for_ready": false})).await;
    pass(Duration::from_secs(1)).await;
    let failed = server.ok("GET", "/boxes/b", Value::Null).await;
    assert_eq!((&failed["status"], &failed["status_message"]), (&json!("failed"), &json!("told to")));
    let needed = execute(&server, &failed, json!({"command": "true"})).await;
    assert_eq!(refused(&needed), (400, "NotReady"));
    assert_eq!(server.call("POST", "/boxes/b/start", json!({})).await.status, 202);
    pass(Duration::from_secs(1)).await;
    let started = server.ok("GET", "/boxes/b", Value::Null).await;
    assert_eq!((&started["status"], &started["status_message"]), (&json!("ready"), &Value::Null));
}

#[tokio::test(start_paused = true)]
async fn bodies_are_checked() {
    let server = server(&FakeRuntime::new()).await;
    server.ok("POST", "/boxes", json!({"name": "b"})).await;
    let gib = |n: u64| json!(n << 30);
    let cases = [
        ("POST", json!({"vcpus": 0}), 422, "vcpus"),
        ("POST", json!({"vcpus": 17}), 422, "cpu_millicores"),
        ("POST", json!({"vcpus": 1, "mem_bytes": gib(7)}), 422, "mem_bytes"),
        ("POST", json!({"mem_bytes": gib(65)}), 422, "mem_bytes"),
        ("POST", json!({"fs_capacity_bytes": gib(3)}), 422, "fs_capacity_bytes"),
        ("POST", json!({"idle_ttl_seconds": 61}), 422, "idle_ttl_seconds"),
        ("POST", json!({"delete_after_stop_seconds": -60}), 422, "delete_after_stop_seconds"),
        ("POST", json!({"persistent": false, "preserve_memory_on_stop": true}), 422, "preserve_memory_on_stop"),
        ("POST", json!({"access_delegation": {"mode": "EXPLICIT", "permissions": []}}), 422, "access_delegation"),
        ("POST", json!({"access_delegation": {"mode": "ALL", "permissions": ["a"]}}), 422, "access_delegation"),
        ("POST", json!({"volumes": [{"volume": "v", "mount_path": "rel"}]}), 422, "volumes"),
        ("POST", json!({"labels": {"com.langchain.a": "b"}}), 422, "labels"),
        ("PATCH", json!({"fs_capacity_bytes": gib(3)}), 422, "fs_capacity_bytes"),
        ("PATCH", json!({"mem_bytes": gib(65)}), 422, "mem_bytes"),
    ];
    for (method, body, status, field) in cases {
        let path = if method == "POST" { "/boxes" } else { "/boxes/b" };
        let reply = server.call(method, path, body.clone()).await;
        let found = &reply.body["detail"][0]["loc"][1];
        assert_eq!((reply.status.as_u16(), found), (status, &json!(field)), "{body}: {reply:?}");
    }
    let refusals = [
        (json!({"restore_memory": true}), (400, "InvalidRequest")),
        (json!({"volumes": [{"volume": "v", "mount_path": "/v"}]}), (400, "VolumeNotFound")),
        (json!({"tag_value_ids": ["x"]}), (501, "NotImplemented")),
    ];
    for (body, expected) in refusals {
        assert_eq!(refused(&server.call("POST", "/boxes", body.clone()).await), expected, "{body}");
    }
    server.ok("POST", "/boxes", json!({"restore_memory": false, "tag_value_ids": []})).await;
    let reply = server.call("GET", "/boxes?tag_value_id=x", Value::Null).await;
    assert_eq!(refused(&reply), (501, "NotImplemented"));
}

#[tokio::test(start_paused = true)]
async fn a_size_changes_and_counts_against_the_quota() {
    let limits = Limits { cpu_millicores: 3000, ..Limits::default() };
    let server = Server::with(Arc::new(FakeRuntime::new()), limits).await;
    server.ok("POST", "/boxes", json!({"name": "b", "vcpus": 1})).await;
    let grown = json!({"vcpus": 2, "mem_bytes": 1_u64 << 30, "fs_capacity_bytes": 8_u64 << 30});
    let grown = server.ok("PATCH", "/boxes/b", grown).await;
    let size = (&grown["cpu_millicores"], &grown["mem_bytes"], &grown["fs_capacity_bytes"]);
    assert_eq!(size, (&json!(2000), &json!(1_u64 << 30), &json!(8_u64 << 30)));
    let reply = server.call("PATCH", "/boxes/b", json!({"cpu_millicores": 3001})).await;
    assert_eq!(reply.status, 429, "{reply:?}");
    assert_eq!(server.call("POST", "/boxes", json!({"cpu_millicores": 1001})).await.status, 429);
    server.ok("POST", "/boxes", json!({"cpu_millicores": 1000})).await;
    server.ok("PATCH", "/boxes/b", json!({"cpu_millicores": 500})).await;
}

#[tokio::test(start_paused = true)]
async fn volumes_are_attached_and_not_deleted_meanwhile() {
    let server = server(&FakeRuntime::new()).await;
    let volume = server.ok("POST", "/volumes", json!({"name": "v", "size": "1Gi"})).await;
    let body = json!({"name": "b", "volumes": [{"volume": "v", "mount_path": "/v", "read_only": true}]});
    server.ok("POST", "/boxes", body).await;
    server.ok("PATCH", "/volumes/v", json!({"name": "w"})).await;
    let attached = json!([{"volume_id": volume["id"], "volume_name": "w", "mount_path": "/v", "read_only": true}]);
    assert_eq!(server.ok("GET", "/boxes/b", Value::Null).await["volumes"], attached);
    let reply = server.call("DELETE", "/volumes/w", Value::Null).await;
    assert_eq!(refused(&reply), (409, "Conflict"));
    server.ok("DELETE", "/boxes/b", Value::Null).await;
    server.ok("DELETE", "/volumes/w", Value::Null).await;
}

#[tokio::test(start_paused = true)]
async fn lists_are_filtered_and_sorted() {
    let server = server(&FakeRuntime::new()).await;
    for (name, body) in [
        ("a", json!({"labels": {"team": "x"}, "idle_ttl_seconds": 120})),
        ("b", json!({"labels": {"team": "y"}, "idle_ttl_seconds": 60, "delete_after_stop_seconds": 60})),
        ("c", json!({"idle_ttl_seconds": 0})),
    ] {
        let mut body = body;
        body["name"] = json!(name);
        server.ok("POST", "/boxes", body).await;
        pass(Duration::from_secs(1)).await;
    }
    server.ok("POST", "/boxes/c/stop", json!({})).await;
    let cases = [
        ("label=team", vec!["b", "a"]),
        ("label=team%3Dx", vec!["a"]),
        ("status=stopped", vec!["c"]),
        ("status=ready&created_by=me", vec!["b", "a"]),
        ("sort_by=idle_ttl_seconds&sort_order=asc", vec!["c", "b", "a"]),
        ("sort_by=delete_after_stop_seconds&sort_order=asc&page_size=1", vec!["b"]),
        ("sort_by=stopped_at&sort_order=desc", vec!["c"]),
    ];
    for (query, expected) in cases {
        let list = server.ok("GET", &format!("/boxes?{query}"), Value::Null).await;
        let names: Vec<_> = list["items"].as_array().expect("a list").iter().map(|item| &item["name"]).collect();
        assert_eq!(names[..expected.len()], expected, "{query}");
        assert!(query.contains("sort_by") || names.len() == expected.len(), "{query}");
    }
    // What was never stopped has no time in the column: pages pass over it all the same.
    for order in ["asc", "desc"] {
        let (mut found, mut cursor) = (Vec::new(), String::new());
        for _ in 0..4 {
            let path = format!("/boxes?sort_by=stopped_at&sort_order={order}&page_size=1&cursor={cursor}");
            let page = server.ok("GET", &path, Value::Null).await;
            found.push(page["items"][0]["name"].as_str().expect("a text").to_owned());
            let Some(next) = page["next_cursor"].as_str() else { break };
            next.clone_into(&mut cursor);
        }
        found.sort();
        assert_eq!(found, ["a", "b", "c"], "{order}");
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_costs_anything_in_a_time_that_can_be_asked_for() {
    let server = server(&FakeRuntime::new()).await;
    let costs = async |query: &str| server.call("GET", &format!("/usage/costs{query}"), Value::Null).await;
    let month = "?start_time=2026-01-01T00:00:00Z&end_time=2026-02-01T00:00:00Z";
    let page = costs(&format!("{month}&granularity=day&include_totals=true&cursor=")).await;
    assert_eq!((page.status.as_u16(), page.body), (200, json!({"items": [], "next_cursor": null})));
    for query in [
        "",
        "?start_time=2026-01-01T00:00:00Z",
        "?start_time=soon&end_time=2026-02-01T00:00:00Z",
        "?start_time=2026-01-01T00:00:00Z&end_time=2026-01-01T00:00:00Z",
        "?start_time=2026-01-01T00:00:00Z&end_time=2026-02-01T00:00:01Z",
        &format!("{month}&cursor=abc"),
    ] {
        assert_eq!(costs(query).await.status, 422, "{query}");
    }
}
