//! Links to services and files, and commands by server-sent events.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

use super::{pass, refused, server, write};
use crate::server::runtime::fake::FakeRuntime;
use crate::server::tests::harness::{Reply, Server};

const TOKEN: &str = "x-langsmith-sandbox-service-token";

/// Opens a service with a token.
async fn open(server: &Server, url: &Value) -> u16 {
    let path = url["service_url"].as_str().and_then(|url| url.strip_prefix("http://localhost")).expect("ours");
    let token = url["token"].as_str().expect("a text");
    server.send("GET", path, &[(TOKEN, token)], Value::Null).await.status.as_u16()
}

#[tokio::test(start_paused = true)]
async fn tokens_of_services_are_listed_and_taken_back() {
    let runtime = FakeRuntime::new();
    // What listens there would answer no HTTP: being refused a connection tells that the token was good.
    runtime.close_port(80);
    runtime.close_port(81);
    let server = server(&runtime).await;
    server.ok("POST", "/boxes", json!({"name": "b"})).await;
    let first = server.ok("POST", "/boxes/b/service-url", json!({"port": 80, "expires_in_seconds": 60})).await;
    let other = server.ok("POST", "/boxes/b/service-url", json!({"port": 81})).await;
    assert_eq!((open(&server, &first).await, open(&server, &other).await), (502, 502));
    let grant = |port: u16, minute: &str| {
        json!({"port": port, "access": "token", "created_at": "2026-03-24T12:00:00Z", "created_by": "local",
            "expires_at": format!("2026-03-24T12:{minute}:00Z")})
    };
    let listed = server.ok("GET", "/boxes/b/service-urls", Value::Null).await;
    assert_eq!(listed, json!({"items": [grant(80, "01"), grant(81, "10")], "next_cursor": null}));
    assert_eq!(server.call("DELETE", "/boxes/b/service-urls?port=80", Value::Null).await.status, 204);
    assert_eq!((open(&server, &first).await, open(&server, &other).await), (401, 502));
    pass(Duration::from_secs(1)).await;
    let again = server.ok("POST", "/boxes/b/service-url", json!({"port": 80})).await;
    assert_eq!((open(&server, &first).await, open(&server, &again).await), (401, 502), "the old one stays out");
    server.ok("DELETE", "/boxes/b/service-urls", Value::Null).await;
    assert_eq!((open(&server, &again).await, open(&server, &other).await), (401, 401));
    assert_eq!(server.call("DELETE", "/boxes/b/service-urls?port=x", Value::Null).await.status, 400);
}

#[tokio::test(start_paused = true)]
async fn who_logs_in_is_written_down_and_no_token_gets_in_beside() {
    let runtime = FakeRuntime::new();
    runtime.close_port(80);
    let server = server(&runtime).await;
    server.ok("POST", "/boxes", json!({"name": "b", "idle_ttl_seconds": 0})).await;
    let token = server.ok("POST", "/boxes/b/service-url", json!({"port": 80})).await;
    let sites = json!(["https://example.com"]);
    let body = json!({"port": 80, "access": "workspace", "embed_origins": sites});
    let login = server.ok("POST", "/boxes/b/service-url", body).await;
    assert_eq!(
        (&login["token"], &login["expires_at"], &login["access"]),
        (&json!(""), &json!(""), &json!("workspace"))
    );
    assert_eq!((&login["embed_origins"], &login["browser_url"]), (&sites, &token["service_url"]));
    assert_eq!(open(&server, &token).await, 401, "what was a token's is not any more");
    let listed = server.ok("GET", "/boxes/b/service-urls", Value::Null).await;
    let grant = json!({"port": 80, "access": "workspace", "created_at": "2026-03-24T12:00:00Z", "created_by": "local",
        "embed_origins": sites});
    assert_eq!(listed["items"], json!([grant]));
    // It has no end, and leaves other ports alone.
    pass(Duration::from_hours(48)).await;
    let refusal = server.call("POST", "/boxes/b/service-url", json!({"port": 80})).await;
    assert_eq!(refused(&refusal), (409, "Conflict"));
    server.ok("POST", "/boxes/b/service-url", json!({"port": 81})).await;
    server.ok("POST", "/boxes/b/service-url", json!({"port": 80, "access": "restricted"})).await;
    let token = server.ok("POST", "/boxes/b/service-url", json!({"port": 80, "access": "off"})).await;
    assert_eq!(open(&server, &token).await, 502, "the token is good, and nobody listens");
    server.ok("POST", "/boxes/b/service-url", json!({"port": 80, "access": "restricted"})).await;
    server.ok("DELETE", "/boxes/b/service-urls?port=80", Value::Null).await;
    server.ok("POST", "/boxes/b/service-url", json!({"port": 80})).await;
    for body in [
        json!({"port": 80, "access": "token"}),
        json!({"port": 80, "access": 1}),
        json!({"port": 80, "embed_origins": ["a", "b", "c", "d", "e", "f"]}),
        json!({"port": 80, "embed_origins": "a"}),
    ] {
        assert_eq!(server.call("POST", "/boxes/b/service-url", body.clone()).await.status, 422, "{body}");
    }
}

async fn follow(server: &Server, link: &Value) -> Reply {
    let path = link["download_url"].as_str().and_then(|url| url.strip_prefix("http://localhost")).expect("ours");
    server.root("GET", path, Value::Null).await
}

#[tokio::test(start_paused = true)]
async fn a_link_leads_to_one_file_and_wakes_the_sandbox() {
    let server = server(&FakeRuntime::new()).await;
    let sandbox = server.ok("POST", "/boxes", json!({"name": "b"})).await;
    write(&server, &sandbox, "/x.html", "<p>").await;
    let body = json!({"path": "/x.html", "expires_in_seconds": 60, "content_type": "text/html",
        "content_disposition": "inline", "csp_sandbox": true, "csp_sandbox_flags": ["allow-scripts"]});
    let link = server.ok("POST", "/boxes/b/download-url", body).await;
    assert_eq!(link["expires_at"], "2026-03-24T12:01:00Z");
    server.ok("POST", "/boxes/b/stop", json!({})).await;
    let reply = follow(&server, &link).await;
    assert_eq!((reply.status.as_u16(), reply.text.as_str()), (200, "<p>"));
    for (name, value) in [
        ("content-type", "text/html"),
        ("content-disposition", "inline"),
        ("content-security-policy", "sandbox allow-scripts"),
        ("x-content-type-options", "nosniff"),
    ] {
        assert_eq!(reply.headers.get(name).and_then(|value| value.to_str().ok()), Some(value), "{name}");
    }
    assert_eq!(server.ok("GET", "/boxes/b/status", Value::Null).await["status"], "ready");
    pass(Duration::from_mins(1)).await;
    assert_eq!(follow(&server, &link).await.status, 401);
    let lasting = server.ok("POST", "/boxes/b/download-url", json!({"path": "x.html"})).await;
    assert_eq!(lasting["expires_at"], Value::Null);
    assert_eq!(follow(&server, &lasting).await.status, 404, "relative paths begin at home");
    for body in [
        json!({}),
        json!({"path": ""}),
        json!({"path": "/x", "expires_in_seconds": 0}),
        json!({"path": "/x", "content_disposition": "odd"}),
        json!({"path": "/x", "content_type": "a\nb"}),
        json!({"path": "/x", "csp_sandbox_flags": ["allow-scripts; script-src *"]}),
    ] {
        assert_eq!(server.call("POST", "/boxes/b/download-url", body.clone()).await.status, 422, "{body}");
    }
    let unknown = server.call("POST", "/boxes/gone/download-url", json!({"path": "/x"})).await;
    assert_eq!(refused(&unknown), (404, "NotFound"));
}

/// Takes server-sent events apart; the data of output is decoded.
fn events(reply: &Reply) -> Vec<(String, Value)> {
    let event = |text: &str| {
        let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        let mut data: Value = serde_json::from_str(field("data:")?).expect("JSON");
        if let Some(text) = data["data"].as_str() {
            let bytes = BASE64.decode(text).expect("base64");
            data["data"] = String::from_utf8_lossy(&bytes).into_owned().into();
        }
        Some((field("event:")?.to_owned(), data))
    };
    reply.text.split("\n\n").filter_map(event).collect()
}

#[tokio::test(start_paused = true)]
async fn a_command_by_server_sent_events() {
    let server = server(&FakeRuntime::new()).await;
    let sandbox = server.ok("POST", "/boxes", json!({"name": "b", "env_vars": {"A": "x"}})).await;
    let path = format!("/dp/{}/execute/stream", sandbox["id"].as_str().expect("a text"));
    let start = json!({"command": "env A\nsleep 10\nerr é\ncat\nexit 3", "command_id": "c"});
    let reply = server.root("POST", &format!("{path}/start"), start).await;
    let event = |name: &str, data: Value| (name.to_owned(), data);
    let expected = [
        event("started", json!({"command_id": "c", "pid": 2})),
        event("stdout", json!({"data": "x", "offset": 0})),
        event("stderr", json!({"data": "é", "offset": 0})),
        event("stream_end", json!({"stream": "stdout", "offset": 1})),
        event("stream_end", json!({"stream": "stderr", "offset": 2})),
        event("exit", json!({"exit_code": 3})),
    ];
    assert_eq!(events(&reply), expected, "there is no input: `cat` ends at once");
    assert_eq!(reply.headers["content-type"], "text/event-stream");
    let resume = json!({"command_id": "c", "stdout_offset": 1, "stderr_offset": 0});
    let reply = server.root("POST", &format!("{path}/resume"), resume).await;
    assert_eq!(events(&reply), [&expected[..1], &expected[2..]].concat());
    let unknown = server.root("POST", &format!("{path}/resume"), json!({"command_id": "d"})).await;
    assert_eq!(refused(&unknown), (404, "CommandNotFound"));
    let timed = json!({"command": "sleep 100000", "timeout_seconds": 5});
    let reply = server.root("POST", &format!("{path}/start"), timed).await;
    let last = events(&reply).pop().expect("there are some");
    assert_eq!((last.0.as_str(), &last.1["error_type"]), ("error", &json!("CommandTimeout")));
}
