//! Registries, and paging by cursor.

use serde_json::{Value, json};

use super::harness::Server;
use crate::server::options::Options;

const PASSWORD: &str = "planted-5ecret";

fn body(name: &str) -> Value {
    json!({"name": name, "url": "registry.example.com/team", "username": "u", "password": PASSWORD})
}

#[tokio::test(start_paused = true)]
async fn a_registry_from_its_creation_to_its_end() {
    let server = Server::new().await;
    let made = server.call("POST", "/registries", body("r")).await;
    assert_eq!(made.status, 201);
    let expected = json!({
        "id": made.body["id"], "name": "r", "url": "registry.example.com/team", "auth_type": "DOCKER_CONFIG",
        "provider": "DOCKER_REGISTRY", "repository_search_mode": "NONE",
        "created_at": "2026-03-24T12:00:00Z", "created_by": "local",
        "updated_at": "2026-03-24T12:00:00Z", "updated_by": "local",
    });
    assert_eq!(made.body, expected);
    assert_eq!(server.ok("GET", "/registries/r", Value::Null).await, expected);
    assert_eq!(server.ok("PATCH", "/registries/r", json!({})).await, expected);
    tokio::time::advance(std::time::Duration::from_secs(1)).await;
    let renamed = server.ok("PATCH", "/registries/r", json!({"name": "s"})).await;
    assert_eq!((&renamed["id"], &renamed["updated_at"]), (&made.body["id"], &json!("2026-03-24T12:00:01Z")));
    let rotated = json!({"url": "ghcr.io", "username": "u", "password": "another"});
    assert_eq!(server.ok("PATCH", "/registries/s", rotated).await["provider"], "GHCR");
    let role = json!({"auth_type": "AWS_ROLE", "aws_role_arn": "arn:aws:iam::1:role/r"});
    let role = server.ok("PATCH", "/registries/s", role).await;
    assert_eq!((&role["auth_type"], &role["aws_role_arn"]), (&json!("AWS_ROLE"), &json!("arn:aws:iam::1:role/r")));
    assert_eq!(server.ok("GET", "/usage", Value::Null).await["registries_count"], 1);
    assert_eq!(server.call("DELETE", "/registries/s", Value::Null).await.status, 204);
    assert_eq!(server.call("GET", "/registries/s", Value::Null).await.status, 404);
}

#[tokio::test(start_paused = true)]
async fn refusals() {
    let server = Server::new().await;
    server.ok("POST", "/registries", body("r")).await;
    server.ok("POST", "/registries", body("s")).await;
    let cases = [
        ("POST", "/registries", body("r"), 409, "Registry 'r' already exists"),
        ("PATCH", "/registries/r", json!({"name": "s"}), 409, "Registry name 's' is already in use"),
        ("PATCH", "/registries/gone", json!({}), 404, "Registry 'gone' not found"),
        ("DELETE", "/registries/gone", Value::Null, 404, "Registry 'gone' not found"),
    ];
    for (method, path, body, status, message) in cases {
        let reply = server.call(method, path, body).await;
        assert_eq!((reply.status.as_u16(), &reply.body["detail"]["message"]), (status, &json!(message)));
    }
    let invalid = [
        ("POST", "/registries", json!({}), vec!["name", "url"]),
        ("POST", "/registries", json!({"name": "R", "url": " "}), vec!["name", "url"]),
        ("POST", "/registries", json!({"name": "t", "url": "a", "auth_type": "AWS_ROLE"}), vec!["aws_role_arn"]),
        ("POST", "/registries", json!({"name": "t", "url": "a", "auth_type": "NONE"}), vec!["auth_type"]),
        ("PATCH", "/registries/r", json!({"password": "p"}), vec!["url"]),
        ("PATCH", "/registries/r", json!({"url": "a", "password": "p"}), vec!["username"]),
        ("PATCH", "/registries/r", json!({"url": "a", "username": "u"}), vec!["password"]),
    ];
    for (method, path, body, fields) in invalid {
        let reply = server.call(method, path, body.clone()).await;
        let items = reply.body["detail"].as_array().expect("a list");
        let found: Vec<_> = items.iter().map(|item| item["loc"][1].as_str().unwrap_or_default()).collect();
        assert_eq!((reply.status.as_u16(), found), (422, fields), "{body}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_password_goes_in_and_never_comes_out() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let server = Server::open(&Options::new().data_dir(dir.path())).await;
    let mut answers = Vec::new();
    for (method, path, body) in [
        ("POST", "/registries", body("r")),
        ("POST", "/registries", body("r")),
        ("GET", "/registries", Value::Null),
        ("GET", "/registries/r", Value::Null),
        ("PATCH", "/registries/r", json!({"url": "ghcr.io", "username": "u", "password": PASSWORD})),
        ("PATCH", "/registries/r", json!({"name": 1, "password": PASSWORD})),
    ] {
        answers.push(server.call(method, path, body).await.text);
    }
    for path in ["/_sbx/coverage", "/metrics"] {
        answers.push(server.root("GET", path, Value::Null).await.text);
    }
    assert!(answers.iter().all(|answer| !answer.is_empty() && !answer.contains(PASSWORD)), "{answers:#?}");
    server.app.close().await;
    let again = Server::open(&Options::new().data_dir(dir.path())).await;
    assert_eq!(again.ok("GET", "/registries/r", Value::Null).await["url"], "ghcr.io");
}

#[tokio::test(start_paused = true)]
async fn pages_by_cursor_miss_nothing_while_objects_come_and_go() {
    let server = Server::new().await;
    for n in 0..45 {
        server.ok("POST", "/registries", body(&format!("r{n:02}"))).await;
        // Three of each moment: the order among them is that of their ids.
        if n % 3 == 2 {
            tokio::time::advance(std::time::Duration::from_millis(1)).await;
        }
    }
    let all = server.ok("GET", "/registries?limit=500", Value::Null).await;
    let names = |page: &Value| -> Vec<String> {
        let items = page["items"].as_array().expect("a list");
        items.iter().map(|item| item["name"].as_str().expect("a text").to_owned()).collect()
    };
    let expected = names(&all);
    assert_eq!((&all["items"], &all["next_cursor"]), (&all["registries"], &Value::Null));
    let (mut found, mut cursor) = (Vec::new(), String::new());
    for _ in 0..10 {
        let page = server.ok("GET", &format!("/registries?page_size=7&cursor={cursor}"), Value::Null).await;
        found.extend(names(&page));
        let Some(next) = page["next_cursor"].as_str() else { break };
        next.clone_into(&mut cursor);
        // What was read already goes, and something new comes before it: neither moves what follows.
        let last = found.last().expect("a page has objects");
        server.ok("DELETE", &format!("/registries/{last}"), Value::Null).await;
        tokio::time::advance(std::time::Duration::from_millis(1)).await;
        server.ok("POST", "/registries", body(&format!("new-{}", found.len()))).await;
    }
    assert_eq!(found, expected);
    let both = server.ok("GET", &format!("/registries?limit=3&offset=1&cursor={cursor}"), Value::Null).await;
    assert!(both["items"].as_array().is_some_and(|items| items.len() < 20), "the cursor wins: {both}");
    for query in ["page_size=101", "page_size=0", "cursor=x", "page_size=x"] {
        assert_eq!(server.call("GET", &format!("/registries?{query}"), Value::Null).await.status, 422, "{query}");
    }
    let default = server.ok("GET", "/registries?cursor=", Value::Null).await;
    assert_eq!(names(&default).len(), 20);
}
