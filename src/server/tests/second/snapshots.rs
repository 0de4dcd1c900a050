//! Snapshots: building, tags, references, capturing, deleting.

use std::time::Duration;

use serde_json::{Value, json};

use super::{pass, read, refused, server, snapshot, write};
use crate::server::runtime::fake::{Call, FakeRuntime};
use crate::server::runtime::{ImageConfig, LaunchError, LaunchErrorKind};
use crate::server::tests::harness::Server;

#[tokio::test(start_paused = true)]
async fn a_snapshot_is_built_from_an_image() {
    let runtime = FakeRuntime::new();
    runtime.set_start_delay(Duration::from_secs(5));
    runtime.configure_image(
        "python:3",
        ImageConfig {
            env: [("PATH".to_owned(), "/bin".to_owned()), ("A".to_owned(), "image".to_owned())].into(),
            workdir: Some("/srv".to_owned()),
            user: Some("app".to_owned()),
            labels: [("from".to_owned(), "image".to_owned()), ("both".to_owned(), "image".to_owned())].into(),
        },
    );
    let server = server(&runtime).await;
    let body = json!({"name": "team/python", "docker_image": "python:3", "fs_capacity_bytes": 1 << 30,
        "labels": {"both": "said"}, "description": "d", "run_config": {"user": "me", "env_vars": {"A": "said"}}});
    let made = server.call("POST", "/snapshots", body).await;
    assert_eq!((made.status.as_u16(), &made.body["status"]), (201, &json!("building")));
    assert_eq!((&made.body["tags"], &made.body["image_digest"]), (&json!(["latest"]), &Value::Null));
    let early = json!({"snapshot": "team/python", "wait_for_ready": false});
    assert_eq!(refused(&server.call("POST", "/boxes", early).await), (400, "SnapshotNotReady"));
    pass(Duration::from_secs(6)).await;
    let ready = server.ok("GET", "/snapshots/team%2Fpython:latest", Value::Null).await;
    assert_eq!((&ready["status"], &ready["id"]), (&json!("ready"), &made.body["id"]));
    assert_eq!(ready["labels"], json!({"from": "image", "both": "said"}));
    let run_config = json!({"user": "me", "work_dir": "/srv", "env_vars": {"A": "said", "PATH": "/bin"}});
    assert_eq!(ready["run_config"], run_config);
    assert!(ready["image_digest"].as_str().is_some_and(|digest| digest.starts_with("sha256:")));
    assert_eq!((&ready["fs_used_bytes"], &ready["description"]), (&json!(8), &json!("d")));
}

#[tokio::test(start_paused = true)]
async fn a_build_that_fails_says_why() {
    let runtime = FakeRuntime::new();
    runtime.fail_image("gone", LaunchError::new(LaunchErrorKind::ImagePull, "no such image"), None);
    let server = server(&runtime).await;
    let failed = snapshot(&server, "s", "gone").await;
    assert_eq!((&failed["status"], &failed["status_message"]), (&json!("failed"), &json!("no such image")));
    let reply = server.call("POST", "/boxes", json!({"snapshot_id": failed["id"]})).await;
    assert_eq!(refused(&reply), (400, "SnapshotNotReady"));
}

#[tokio::test(start_paused = true)]
async fn a_registry_lends_its_password_to_a_build_and_to_nothing_else() {
    let runtime = FakeRuntime::new();
    let server = server(&runtime).await;
    let registry = json!({"name": "r", "url": "r.example.com", "username": "u", "password": "p"});
    let registry = server.ok("POST", "/registries", registry).await;
    let body = json!({"name": "s", "docker_image": "a", "fs_capacity_bytes": 1, "registry_id": registry["id"]});
    assert_eq!(server.ok("POST", "/snapshots", body.clone()).await["registry_id"], registry["id"]);
    pass(Duration::from_secs(1)).await;
    assert!(runtime.calls().contains(&Call::Build("a".to_owned(), Some("u".to_owned()))));
    server.ok("DELETE", "/registries/r", Value::Null).await;
    assert_eq!(server.ok("GET", "/snapshots/s", Value::Null).await["status"], "ready", "what is built stays");
    assert_eq!(refused(&server.call("POST", "/snapshots", body).await), (400, "RegistryNotFound"));
}

#[tokio::test(start_paused = true)]
async fn tags_move_and_what_they_leave_is_reached_by_id() {
    let runtime = FakeRuntime::new();
    let server = server(&runtime).await;
    let first = snapshot(&server, "s", "1").await;
    let second = snapshot(&server, "s", "2").await;
    let tagged = json!({"name": "s", "tag": "v1", "docker_image": "3", "fs_capacity_bytes": 1});
    let third = server.ok("POST", "/snapshots", tagged).await;
    pass(Duration::from_secs(1)).await;
    let tags = |latest: &Value| {
        json!({"name": "s", "tags": [
            {"tag": "latest", "snapshot_id": latest["id"]}, {"tag": "v1", "snapshot_id": third["id"]}]})
    };
    assert_eq!(server.ok("GET", "/snapshots-by-name/s", Value::Null).await, tags(&second));
    for (reference, expected, tags) in [
        ("s", &second, json!(["latest"])),
        ("s:latest", &second, json!(["latest"])),
        ("s:v1", &third, json!(["v1"])),
        (first["id"].as_str().expect("a text"), &first, json!([])),
    ] {
        let found = server.ok("GET", &format!("/snapshots/{reference}"), Value::Null).await;
        assert_eq!((&found["id"], &found["tags"]), (&expected["id"], &tags), "{reference}");
    }
    server.ok("DELETE", "/snapshots/s:latest", Value::Null).await;
    let newest = server.ok("GET", "/snapshots/s", Value::Null).await;
    assert_eq!(newest["id"], first["id"], "the newest that has no tag");
    for reference in ["s:latest", "s:v2", "t"] {
        let reply = server.call("GET", &format!("/snapshots/{reference}"), Value::Null).await;
        assert_eq!(refused(&reply), (404, "NotFound"), "{reference}");
    }
    assert_eq!(server.call("GET", "/snapshots-by-name/t", Value::Null).await.status, 404);
    for reference in [&first, &third] {
        let path = format!("/snapshots/{}", reference["id"].as_str().expect("a text"));
        server.ok("DELETE", &path, Value::Null).await;
    }
    let nothing = json!({"name": "s", "tags": []});
    assert_eq!(server.ok("GET", "/snapshots-by-name/s", Value::Null).await, nothing, "published once");
}

#[tokio::test(start_paused = true)]
async fn the_servers_own_snapshot() {
    let server = server(&FakeRuntime::new()).await;
    let system = server.ok("GET", "/snapshots/system%2Fdefault:latest", Value::Null).await;
    assert_eq!((&system["status"], &system["created_by"]), (&json!("ready"), &Value::Null));
    let reply = server.call("DELETE", "/snapshots/system%2Fdefault", Value::Null).await;
    assert_eq!(refused(&reply), (403, "Forbidden"));
    let own = json!({"name": "system/x", "docker_image": "a", "fs_capacity_bytes": 1});
    assert_eq!(refused(&server.call("POST", "/snapshots", own).await), (403, "Forbidden"));
    let made = server.ok("POST", "/boxes", json!({})).await;
    assert_eq!(made["snapshot_id"], system["id"]);
    server.root("POST", "/_sbx/reset", Value::Null).await;
    server.ok("GET", "/snapshots/system%2Fdefault", Value::Null).await;
}

async fn names(server: &Server, query: &str) -> Vec<String> {
    let page = server.ok("GET", &format!("/snapshots?{query}"), Value::Null).await;
    let items = page["items"].as_array().expect("a list");
    items.iter().map(|item| item["name"].as_str().expect("a text").to_owned()).collect()
}

#[tokio::test(start_paused = true)]
async fn lists_are_filtered_and_sorted() {
    let server = server(&FakeRuntime::new()).await;
    server
        .root("POST", "/_sbx/faults", json!({"operation": "create_snapshot", "stuck_provisioning": true, "count": 1}))
        .await;
    pass(Duration::from_secs(1)).await;
    for (name, labels) in [("a", json!({"env": "prod", "x": ""})), ("b/c", json!({"env": "test"})), ("d", json!({}))] {
        let body = json!({"name": name, "docker_image": "i", "fs_capacity_bytes": 1, "labels": labels});
        server.ok("POST", "/snapshots", body).await;
        pass(Duration::from_secs(1)).await;
    }
    let cases = [
        ("", vec!["d", "b/c", "a", "system/default"]),
        ("sort_by=name&sort_order=asc", vec!["a", "b/c", "d", "system/default"]),
        ("sort_by=name&sort_direction=desc", vec!["system/default", "d", "b/c", "a"]),
        ("created_by=me", vec!["d", "b/c", "a"]),
        ("status=building", vec!["a"]),
        ("status=deleting", vec![]),
        ("name_contains=B%2F", vec!["b/c"]),
        ("label=env", vec!["b/c", "a"]),
        ("label=env%3Dprod", vec!["a"]),
        ("label=env&label=x", vec!["a"]),
        ("label=x%3D", vec!["a"]),
        ("label=env%3Dprod&label=env%3Dtest", vec![]),
        ("limit=1&offset=1", vec!["b/c"]),
        ("page_size=2", vec!["d", "b/c"]),
    ];
    for (query, expected) in cases {
        assert_eq!(names(&server, query).await, expected, "{query}");
    }
    for query in ["created_by=you", "status=odd", "sort_by=id", "label=%3Dx"] {
        assert_eq!(server.call("GET", &format!("/snapshots?{query}"), Value::Null).await.status, 422, "{query}");
    }
}

#[tokio::test(start_paused = true)]
async fn bodies_are_checked() {
    let server = server(&FakeRuntime::new()).await;
    let with = |field: &str, value: Value| {
        let mut body = json!({"name": "s", "docker_image": "i", "fs_capacity_bytes": 1});
        body[field] = value;
        body
    };
    let many: serde_json::Map<_, _> = (0..129).map(|n| (n.to_string(), json!(""))).collect();
    let cases = [
        ("name", json!("S")),
        ("name", json!("a//b")),
        ("name", json!("a".repeat(256))),
        ("tag", json!("a:b")),
        ("docker_image", json!("")),
        ("fs_capacity_bytes", json!(0)),
        ("labels", Value::Object(many)),
        ("labels", json!({"com.langchain.x": "y"})),
        ("labels", json!({"k": "v".repeat(4097)})),
        ("labels", json!({"k": 1})),
        ("description", json!("d".repeat(1025))),
        ("run_config", json!({"work_dir": "relative"})),
        ("run_config", json!({"env_vars": {"A": 1}})),
    ];
    for (field, value) in cases {
        let reply = server.call("POST", "/snapshots", with(field, value)).await;
        assert_eq!((reply.status.as_u16(), &reply.body["detail"][0]["loc"][1]), (422, &json!(field)), "{reply:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_sandbox_is_captured_while_it_runs_and_while_it_is_stopped() {
    let runtime = FakeRuntime::new();
    let server = server(&runtime).await;
    snapshot(&server, "base", "i").await;
    let sandbox = server.ok("POST", "/boxes", json!({"name": "b", "snapshot": "base"})).await;
    write(&server, &sandbox, "/data/x", "one").await;
    write(&server, &sandbox, "/tmp/y", "left out").await;
    let made = server.call("POST", "/boxes/b/snapshot", json!({"name": "mine"})).await;
    assert_eq!((made.status.as_u16(), &made.body["source_sandbox_id"]), (201, &sandbox["id"]));
    pass(Duration::from_secs(1)).await;
    server.ok("POST", "/boxes/b/stop", json!({})).await;
    pass(Duration::from_secs(1)).await;
    server.ok("POST", "/boxes/b/snapshot", json!({"name": "mine", "tag": "stopped"})).await;
    pass(Duration::from_secs(1)).await;
    for tag in ["latest", "stopped"] {
        let copy = server.ok("POST", "/boxes", json!({"snapshot": format!("mine:{tag}")})).await;
        assert_eq!(read(&server, &copy, "/data/x").await.as_deref(), Some("one"), "{tag}");
        assert_eq!(read(&server, &copy, "/tmp/y").await, None, "{tag}");
        assert_eq!(read(&server, &copy, "/image").await.as_deref(), Some("i"), "the layers below are there");
    }
    let captured = server.ok("GET", "/snapshots/mine", Value::Null).await;
    assert_eq!((&captured["docker_image"], &captured["memory_snapshot_size_bytes"]), (&Value::Null, &Value::Null));
    assert_eq!(server.ok("GET", "/boxes/b", Value::Null).await["status"], "stopped", "nobody woke it");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_captured() {
    let runtime = FakeRuntime::new();
    let server = server(&runtime).await;
    server.ok("POST", "/templates", json!({"name": "t", "image": "x"})).await;
    server.ok("POST", "/boxes", json!({"name": "first", "template_name": "t"})).await;
    server.ok("POST", "/boxes", json!({"name": "brief", "persistent": false})).await;
    let secret = json!({"name": "secret", "env_vars": {"TOKEN": "t"}});
    server.ok("POST", "/boxes", secret).await;
    runtime.hold_starts(true);
    server.ok("POST", "/boxes", json!({"name": "starting", "wait_for_ready": false})).await;
    let plain = json!({"name": "s"});
    let cases = [
        ("gone", plain.clone(), (404, "NotFound")),
        ("first", plain.clone(), (400, "InvalidRequest")),
        ("brief", plain.clone(), (400, "InvalidRequest")),
        ("starting", plain, (409, "Conflict")),
        ("secret", json!({"name": "s", "include": ["env_vars"]}), (400, "InvalidRequest")),
        ("secret", json!({"name": "s", "include": ["all"]}), (400, "InvalidRequest")),
        ("secret", json!({"name": "s", "docker_image": "x"}), (501, "NotImplemented")),
        ("secret", json!({"name": "s", "checkpoint": "x"}), (501, "NotImplemented")),
        ("secret", json!({"name": "s", "include": ["odd"]}), (422, "")),
    ];
    for (sandbox, body, expected) in cases {
        let reply = server.call("POST", &format!("/boxes/{sandbox}/snapshot"), body).await;
        assert_eq!(refused(&reply), expected, "{sandbox}: {reply:?}");
    }
    let reply = server.call("POST", "/boxes/secret/snapshot", json!({"name": "s", "docker_image": "x"})).await;
    assert!(format!("{reply:?}").contains("Docker does not run in the sandboxes of this server"), "{reply:?}");
}

#[tokio::test(start_paused = true)]
async fn settings_are_carried_for_those_who_leave_them_open() {
    let runtime = FakeRuntime::new();
    let server = server(&runtime).await;
    let original = json!({
        "name": "b", "vcpus": 2, "idle_ttl_seconds": 120, "delete_after_stop_seconds": 0, "env_vars": {"TOKEN": "t"},
        "labels": {"team": "a", "own": "b"}, "run_config": {"work_dir": "/srv"},
        "proxy_config": {"rules": [{"name": "r", "headers": [{"name": "h", "type": "opaque", "value": "5ecret"}]}]},
    });
    server.ok("POST", "/boxes", original).await;
    let body = json!({"name": "mine", "include": ["all"], "labels": {"own": "c"},
        "confirm_allow_snapshot_secret_values": true});
    server.ok("POST", "/boxes/b/snapshot", body).await;
    pass(Duration::from_secs(1)).await;
    let captured = server.ok("GET", "/snapshots/mine", Value::Null).await;
    let words = json!(["mounts", "proxy_config", "env_vars", "resources", "lifecycle", "labels"]);
    assert_eq!((&captured["included"], &captured["labels"]), (&words, &json!({"team": "a", "own": "c"})));
    assert_eq!(captured["proxy_config"]["rules"][0]["headers"][0]["is_set"], true);
    let open = server.ok("POST", "/boxes", json!({"snapshot": "mine", "labels": {"own": "d"}})).await;
    assert_eq!((&open["cpu_millicores"], &open["mem_bytes"]), (&json!(2000), &json!(8_u64 << 30)));
    assert_eq!((&open["idle_ttl_seconds"], &open["delete_after_stop_seconds"]), (&json!(120), &json!(0)));
    assert_eq!(open["labels"], json!({"team": "a", "own": "d"}));
    assert_eq!(open["run_config"], json!({"work_dir": "/srv"}));
    assert_eq!(super::run(&server, &open, "env TOKEN").await, "t");
    let own = server.ok("POST", "/boxes", json!({"snapshot": "mine", "env_vars": {}, "vcpus": 1})).await;
    assert_eq!(own["cpu_millicores"], 1000);
    assert_eq!(super::run(&server, &own, "env TOKEN").await, "");
}

#[tokio::test(start_paused = true)]
async fn deleting_gives_back_what_nobody_else_needs() {
    let runtime = FakeRuntime::new();
    let server = server(&runtime).await;
    let base = snapshot(&server, "base", "i").await;
    server.ok("POST", "/boxes", json!({"name": "b", "snapshot": "base"})).await;
    server.ok("POST", "/boxes/b/snapshot", json!({"name": "mine"})).await;
    pass(Duration::from_secs(1)).await;
    let reply = server.call("DELETE", "/snapshots/base", Value::Null).await;
    let message = "Snapshot 'base' is in use by sandboxes: b. Delete the dependent resources first.";
    assert_eq!((reply.status.as_u16(), &reply.body["detail"]["message"]), (409, &json!(message)));
    server.ok("DELETE", "/boxes/b", Value::Null).await;
    assert_eq!(runtime.layers(), ["layer-1", "layer-2"]);
    server.ok("DELETE", &format!("/snapshots/{}", base["id"].as_str().expect("a text")), Value::Null).await;
    pass(Duration::from_secs(1)).await;
    assert_eq!(runtime.layers(), ["layer-1", "layer-2"], "the capture has the base's layers");
    server.ok("DELETE", "/snapshots/mine", Value::Null).await;
    pass(Duration::from_secs(1)).await;
    assert!(runtime.layers().is_empty());
}

#[tokio::test(start_paused = true)]
async fn one_that_is_deleted_while_it_is_built_leaves_nothing() {
    let runtime = FakeRuntime::new();
    runtime.set_start_delay(Duration::from_secs(10));
    let server = server(&runtime).await;
    let body = json!({"name": "s", "docker_image": "i", "fs_capacity_bytes": 1});
    server.ok("POST", "/snapshots", body).await;
    pass(Duration::from_secs(1)).await;
    server.ok("DELETE", "/snapshots/s", Value::Null).await;
    pass(Duration::from_secs(20)).await;
    assert!(runtime.layers().is_empty());
    assert_eq!(runtime.calls().iter().filter(|call| matches!(call, Call::Build(..))).count(), 1);
}

#[tokio::test(start_paused = true)]
async fn without_a_runtime_an_image_is_a_label() {
    let server = Server::new().await;
    let made = snapshot(&server, "s", "any:thing").await;
    assert_eq!((&made["status"], &made["fs_used_bytes"]), (&json!("ready"), &Value::Null));
    let again = snapshot(&server, "t", "any:thing").await;
    assert_eq!(made["image_digest"], again["image_digest"], "the digest is that of the reference");
    let sandbox = server.ok("POST", "/boxes", json!({"snapshot": "s"})).await;
    assert_eq!(sandbox["status"], "ready");
    let reply = super::execute(&server, &sandbox, json!({"command": "true"})).await;
    assert_eq!(refused(&reply), (501, "NotImplemented"));
}

#[tokio::test(start_paused = true)]
async fn a_seed_makes_what_needs_each_other_in_order() {
    let runtime = FakeRuntime::new();
    runtime.set_start_delay(Duration::from_secs(5));
    let server = server(&runtime).await;
    let seed = json!({
        "registries": [{"name": "r", "url": "ghcr.io"}],
        "templates": [{"name": "t", "image": "x"}],
        "snapshots": [{"name": "s", "docker_image": "i", "fs_capacity_bytes": 1}],
        "boxes": [{"name": "first", "template_name": "t"}, {"name": "second", "snapshot": "s"}],
    });
    let reply = server.root("POST", "/_sbx/seed", seed).await;
    let counts = json!({"volumes": 0, "templates": 1, "pools": 0, "registries": 1, "snapshots": 1, "boxes": 2});
    assert_eq!((reply.status.as_u16(), &reply.body), (201, &counts));
    assert_eq!(server.ok("GET", "/boxes/second", Value::Null).await["status"], "ready");
    server.root("POST", "/_sbx/reset", Value::Null).await;
    pass(Duration::from_secs(1)).await;
    assert_eq!(names(&server, "").await, ["system/default"]);
    assert_eq!(server.call("GET", "/snapshots-by-name/s", Value::Null).await.status, 404, "nothing is remembered");
    assert!(runtime.layers().is_empty() && runtime.running().is_empty());
}
