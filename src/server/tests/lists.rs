//! Lists, names and ids, renames, and deleting many.

use serde_json::{Value, json};

use super::harness::Server;

async fn names(server: &Server, path: &str, key: &str) -> (Vec<String>, Value) {
    let page = server.ok("GET", path, Value::Null).await;
    let items = page[key].as_array().expect("a list");
    (items.iter().map(|item| item["name"].as_str().expect("a text").to_owned()).collect(), page["offset"].clone())
}

#[tokio::test(start_paused = true)]
async fn pages() {
    let server = Server::new().await;
    for n in 0..60 {
        server.ok("POST", "/volumes", json!({"name": format!("v{n:02}"), "size": "1Gi"})).await;
        tokio::time::advance(std::time::Duration::from_millis(1)).await;
    }
    let newest = |range: std::ops::Range<u32>| range.map(|n| format!("v{:02}", 59 - n)).collect::<Vec<_>>();
    assert_eq!(names(&server, "/volumes", "volumes").await, (newest(0..50), json!(50)), "50 unless asked");
    assert_eq!(names(&server, "/volumes?offset=50", "volumes").await, (newest(50..60), json!(0)));
    assert_eq!(names(&server, "/volumes?limit=7&offset=7", "volumes").await, (newest(7..14), json!(14)));
    assert_eq!(names(&server, "/volumes?limit=10&offset=50", "volumes").await, (newest(50..60), json!(0)));
    assert_eq!(names(&server, "/volumes?limit=500", "volumes").await.0.len(), 60);
    assert_eq!(names(&server, "/volumes?offset=99999999999", "volumes").await, (vec![], json!(0)));
    assert_eq!(names(&server, "/volumes?name_contains=v3&limit=2&unknown=1", "volumes").await.0, ["v39", "v38"]);
    let ascending = "/volumes?sort_by=name&sort_direction=asc&limit=2";
    assert_eq!(names(&server, ascending, "volumes").await.0, ["v00", "v01"]);
    assert_eq!(names(&server, "/volumes?name_contains=%25", "volumes").await.0.len(), 0, "no wildcard");
}

#[tokio::test(start_paused = true)]
async fn filters_and_order() {
    let server = Server::new().await;
    for (name, image) in [("b", "1"), ("a", "2"), ("c", "1")] {
        server.ok("POST", "/templates", json!({"name": name, "image": image})).await;
        tokio::time::advance(std::time::Duration::from_millis(1)).await;
    }
    let stuck = json!({"operation": "create_sandbox", "stuck_provisioning": true});
    server.root("POST", "/_sbx/faults", stuck).await;
    for (name, template) in [("z", "a"), ("y", "b"), ("x", "a")] {
        let body = json!({"name": name, "template_name": template, "wait_for_ready": false});
        server.ok("POST", "/boxes", body).await;
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    }
    let cases = [
        ("/templates", "templates", vec!["c", "a", "b"]),
        ("/templates?sort_by=name", "templates", vec!["c", "b", "a"]),
        ("/templates?sort_by=image&sort_direction=asc&name_contains=a", "templates", vec!["a"]),
        ("/templates?sort_by=created_at&sort_direction=asc", "templates", vec!["b", "a", "c"]),
        ("/boxes", "sandboxes", vec!["x", "y", "z"]),
        ("/boxes?template_name=a", "sandboxes", vec!["x", "z"]),
        ("/boxes?template_name=nothing", "sandboxes", vec![]),
        ("/boxes?status=provisioning", "sandboxes", vec!["z"]),
        ("/boxes?status=ready&template_name=a", "sandboxes", vec!["x"]),
        ("/boxes?status=failed", "sandboxes", vec![]),
        ("/boxes?sort_by=status&sort_direction=asc&limit=1", "sandboxes", vec!["z"]),
        ("/boxes?sort_by=template_name&sort_direction=desc&limit=1", "sandboxes", vec!["y"]),
        ("/boxes?sort_by=name&sort_direction=asc&offset=1", "sandboxes", vec!["y", "z"]),
    ];
    for (path, key, expected) in cases {
        assert_eq!(names(&server, path, key).await.0, expected, "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn renames_and_updates_that_change_nothing() {
    let server = Server::new().await;
    server.ok("POST", "/volumes", json!({"name": "v", "size": "1Gi"})).await;
    server.ok("POST", "/templates", json!({"name": "t", "image": "x"})).await;
    server.ok("POST", "/pools", json!({"name": "p", "template_name": "t", "replicas": 1})).await;
    server.ok("POST", "/boxes", json!({"name": "s", "template_name": "t"})).await;
    tokio::time::advance(std::time::Duration::from_secs(5)).await;
    let cases = [
        ("/volumes/v", vec![json!({"size": "1Gi"}), json!({"name": "v", "unknown": 1})]),
        ("/templates/t", vec![json!({"name": "t", "image": "other"})]),
        ("/pools/p", vec![json!({"replicas": 1}), json!({"name": "p", "template_name": "other"})]),
        ("/boxes/s", vec![json!({"name": "s", "template_name": "other"}), json!({"ttl_seconds": null})]),
    ];
    for (path, bodies) in cases {
        let before = server.ok("GET", path, Value::Null).await;
        for body in bodies.into_iter().chain([json!({}), json!({"name": null})]) {
            assert_eq!(server.ok("PATCH", path, body.clone()).await, before, "{path} {body}");
        }
    }
    let renamed = server.ok("PATCH", "/templates/t", json!({"name": "u"})).await;
    assert_eq!(renamed["updated_at"], "2026-03-24T12:00:05Z");
    assert_eq!(server.ok("GET", "/pools/p", Value::Null).await["template_name"], "u", "references follow a rename");
    assert_eq!(server.ok("GET", "/boxes/s", Value::Null).await["template_name"], "u");
    assert_eq!(server.call("GET", "/templates/t", Value::Null).await.status, 404);
    server.ok("POST", "/templates", json!({"name": "t", "image": "the name is free"})).await;
    let same_size = server.ok("PATCH", "/volumes/v", json!({"size": "1024Mi"})).await;
    assert_eq!(same_size["size"], "1024Mi", "the text as given");
}

#[tokio::test(start_paused = true)]
async fn awkward_names() {
    let server = Server::new().await;
    let template = server.ok("POST", "/templates", json!({"name": "batch-delete", "image": "x"})).await;
    server.ok("POST", "/boxes", json!({"name": "batch-delete", "template_name": "batch-delete"})).await;
    for path in
        ["/templates/batch-delete", "/boxes/batch-delete", "/boxes/%62atch%2Ddelete", "/boxes/batch-delete/status"]
    {
        server.ok("GET", path, Value::Null).await;
    }
    server.ok("PATCH", "/boxes/batch-delete", json!({"ttl_seconds": 60})).await;
    server.ok("DELETE", "/boxes/batch-delete", Value::Null).await;
    let reply = server.call("GET", "/volumes/a%2Fb%20c%3F", Value::Null).await;
    assert_eq!(reply.body["detail"]["message"], "Volume 'a/b c?' not found");
    // An id that happens to be a valid name: what has the name comes first, the object of the id is not harmed.
    let id = loop {
        let made = server.ok("POST", "/volumes", json!({"name": "v", "size": "1Gi"})).await;
        let id = made["id"].as_str().expect("a text").to_owned();
        if id.starts_with(|first: char| first.is_ascii_lowercase()) {
            break id;
        }
        server.ok("DELETE", "/volumes/v", Value::Null).await;
    };
    server.ok("POST", "/volumes", json!({"name": id, "size": "2Gi"})).await;
    assert_eq!(server.ok("GET", &format!("/volumes/{id}"), Value::Null).await["size"], "2Gi");
    let by_id = format!("/templates/{}", template["id"].as_str().expect("a text"));
    assert_eq!(server.ok("DELETE", &by_id, Value::Null).await, Value::Null);
}

#[tokio::test(start_paused = true)]
async fn many_at_once() {
    let server = Server::new().await;
    for name in ["a", "b", "c"] {
        server.ok("POST", "/templates", json!({"name": name, "image": "x"})).await;
    }
    server.ok("POST", "/boxes", json!({"name": "s", "template_name": "b"})).await;
    let outcome = server.ok("POST", "/templates/batch-delete", json!({"names": ["a", "b", "gone", "a"]})).await;
    let in_use = "Template 'b' is in use by sandboxes: s. Delete the dependent resources first.";
    let expected = json!({"deleted": ["a"], "skipped": [
        {"name": "b", "reason": in_use},
        {"name": "gone", "reason": "Template 'gone' not found"},
        {"name": "a", "reason": "Template 'a' not found"},
    ]});
    assert_eq!(outcome, expected);
    let outcome = server.ok("POST", "/boxes/batch-delete", json!({"names": ["s", "gone"]})).await;
    let skipped = json!([{"name": "gone", "reason": "Sandbox 'gone' not found"}]);
    assert_eq!(outcome, json!({"deleted": ["s"], "skipped": skipped}));
}

#[tokio::test(start_paused = true)]
async fn a_body_has_a_largest_size() {
    let server = Server::new().await;
    let body = json!({"name": "t", "image": "x", "proxy_config": "x".repeat(1 << 20)});
    let reply = server.call("POST", "/templates", body).await;
    assert_eq!((reply.status.as_u16(), &reply.body["detail"]["error"]), (413, &json!("PayloadTooLarge")));
}
