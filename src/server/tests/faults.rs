//! Fault rules, the key, the host, and the pages around the API.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::harness::{Server, call, embedded};
use crate::server::runtime::fake::{Call, FakeRuntime};
use crate::server::{Error, Options, start};
use crate::types::Secret;

async fn rule(server: &Server, rule: Value) {
    let reply = server.root("POST", "/_sbx/faults", rule).await;
    assert_eq!(reply.status, 201, "{reply:?}");
}

fn volume(name: &str) -> Value {
    json!({"name": name, "size": "1Gi"})
}

#[tokio::test(start_paused = true)]
async fn a_status_comes_as_often_as_told() {
    let server = Server::new().await;
    let body = json!({"detail": "busy"});
    rule(
        &server,
        json!({"operation": "create_volume", "count": 2, "skip": 1, "status": 503, "body": body,
            "headers": {"Retry-After": "7"}}),
    )
    .await;
    let mut statuses = Vec::new();
    for n in 0..4 {
        let reply = server.call("POST", "/volumes", volume(&format!("v{n}"))).await;
        if reply.status == 503 {
            assert_eq!((&reply.body, &reply.headers["retry-after"]), (&body, &"7".parse().expect("a value")));
        }
        statuses.push(reply.status.as_u16());
    }
    assert_eq!(statuses, [201, 503, 503, 201]);
    let volumes = server.ok("GET", "/volumes", Value::Null).await;
    assert_eq!(volumes["volumes"].as_array().map(Vec::len), Some(2));
    let rules = server.root("GET", "/_sbx/faults", Value::Null).await.body;
    assert_eq!((&rules["rules"][0]["seen"], &rules["rules"][0]["struck"]), (&json!(4), &json!(2)));
    server.root("DELETE", "/_sbx/faults", Value::Null).await;
    assert_eq!(server.root("GET", "/_sbx/faults", Value::Null).await.body, json!({"rules": []}));
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_lost_after_or_before_the_effect() {
    let server = Server::new().await;
    rule(&server, json!({"operation": "POST /volumes", "lose_answer": true})).await;
    rule(&server, json!({"operation": "POST /volumes", "drop_before": true})).await;
    assert!(server.call("POST", "/volumes", volume("after")).await.dropped);
    assert!(server.call("POST", "/volumes", volume("before")).await.dropped);
    assert_eq!(server.call("GET", "/volumes/after", Value::Null).await.status, 200);
    assert_eq!(server.call("GET", "/volumes/before", Value::Null).await.status, 404);
}

#[tokio::test(start_paused = true)]
async fn delays_quotas_and_what_never_becomes_ready() {
    let server = Server::new().await;
    server.ok("POST", "/templates", json!({"name": "t", "image": "x"})).await;
    let started = tokio::time::Instant::now();
    rule(&server, json!({"operation": "*", "delay_ms": 1500})).await;
    server.ok("GET", "/volumes", Value::Null).await;
    assert_eq!(started.elapsed().as_millis(), 1500);
    rule(&server, json!({"operation": "create_pool", "quota": "sandbox_count"})).await;
    let pool = json!({"name": "p", "template_name": "t", "replicas": 1, "timeout": 10});
    assert_eq!(server.call("POST", "/pools", pool.clone()).await.status, 429);
    rule(&server, json!({"operation": "*", "count": null, "stuck_provisioning": true})).await;
    assert_eq!(server.call("POST", "/pools", pool).await.status, 504);
    assert_eq!(server.call("POST", "/volumes", volume("v")).await.status, 504);
    assert_eq!(server.call("GET", "/volumes/v", Value::Null).await.status, 404);
    let stuck = json!({"name": "s", "template_name": "t"});
    assert_eq!(server.call("POST", "/boxes", stuck).await.status, 408);
    let stuck = json!({"name": "s", "template_name": "t", "wait_for_ready": false});
    server.ok("POST", "/boxes", stuck).await;
    tokio::time::sleep(std::time::Duration::from_mins(10)).await;
    assert_eq!(server.ok("GET", "/boxes/s/status", Value::Null).await["status"], "provisioning");
}

#[tokio::test(start_paused = true)]
async fn probability_is_repeatable() {
    let mut runs = Vec::new();
    for _ in 0..2 {
        let server = Server::new().await;
        let half = json!({"operation": "list_volumes", "count": null, "probability": 0.5, "seed": 7, "status": 500});
        rule(&server, half).await;
        let mut run = Vec::new();
        for _ in 0..32 {
            run.push(server.call("GET", "/volumes", Value::Null).await.status.as_u16());
        }
        assert!(run.contains(&200) && run.contains(&500));
        runs.push(run);
    }
    assert_eq!(runs[0], runs[1]);
}

#[tokio::test(start_paused = true)]
async fn bad_rules_are_refused() {
    let server = Server::new().await;
    let cases = [
        json!({"operation": "make_coffee", "status": 500}),
        json!({"operation": "*", "status": 99}),
        json!({"operation": "*", "probability": 2.0}),
        json!({"operation": "*", "headers": {"a b": "c"}}),
        json!({"operation": "*", "unknown": 1}),
        json!({}),
    ];
    for case in cases {
        let reply = server.root("POST", "/_sbx/faults", case.clone()).await;
        assert_eq!((reply.status.as_u16(), &reply.body["detail"]["error"]), (422, &json!("InvalidRule")), "{case}");
    }
}

#[tokio::test(start_paused = true)]
async fn reset_and_the_pages() {
    let server = Server::new().await;
    server.ok("POST", "/volumes", volume("v")).await;
    server.ok("POST", "/templates", json!({"name": "t", "image": "x"})).await;
    server.ok("POST", "/pools", json!({"name": "p", "template_name": "t", "replicas": 2})).await;
    server.ok("POST", "/boxes", json!({"name": "s", "template_name": "t"})).await;
    server.call("GET", "/volumes/gone", Value::Null).await;
    let metrics = server.root("GET", "/metrics", Value::Null).await.text;
    for line in [
        "sbx_requests_total{operation=\"create_volume\",status=\"201\"} 1",
        "sbx_requests_total{operation=\"get_volume\",status=\"404\"} 1",
        "sbx_pool_claims_total{pool=\"p\",result=\"hit\"} 1",
        "sbx_sandbox_ready_seconds_count{path=\"pool\"} 1",
        "sbx_sandboxes{status=\"ready\"} 1",
        "sbx_pool_replicas_desired{pool=\"p\"} 2",
    ] {
        assert!(metrics.lines().any(|found| found == line), "{line} in {metrics}");
    }
    let coverage = server.root("GET", "/_sbx/coverage", Value::Null).await.body;
    let served = |id: &str| {
        let operations = coverage["operations"].as_array().expect("a list");
        operations.iter().find(|row| row["operation"] == id).map(|row| row["implemented"].clone())
    };
    assert_eq!((served("create_volume"), served("tunnel")), (Some(json!(true)), Some(json!(true))));
    assert_eq!(server.root("POST", "/_sbx/reset", Value::Null).await.status, 204);
    for (path, key) in
        [("/volumes", "volumes"), ("/templates", "templates"), ("/pools", "pools"), ("/boxes", "sandboxes")]
    {
        assert_eq!(server.ok("GET", path, Value::Null).await[key], json!([]));
    }
}

#[tokio::test(start_paused = true)]
async fn the_data_plane_says_that_it_is_not_there() {
    let server = Server::new().await;
    server.ok("POST", "/templates", json!({"name": "t", "image": "x"})).await;
    let made = server.ok("POST", "/boxes", json!({"name": "s", "template_name": "t"})).await;
    let id = made["id"].as_str().expect("a text");
    let calls = [
        ("POST", "execute"),
        ("GET", "execute/ws"),
        ("POST", "upload?path=a"),
        ("GET", "download?path=a"),
        ("GET", "tunnel"),
    ];
    for (method, path) in calls {
        let reply = server.root(method, &format!("/dp/{id}/{path}"), Value::Null).await;
        assert_eq!((reply.status.as_u16(), &reply.body["detail"]["error"]), (501, &json!("NotImplemented")));
    }
    assert_eq!(server.root("POST", "/dp/gone/execute", Value::Null).await.status, 404);
}

#[tokio::test]
async fn the_key_and_the_host_are_checked() {
    let server = embedded(Options::new().api_key(Secret::new("right"))).await;
    let get = |path: &'static str, headers: &'static [(&'static str, &'static str)]| {
        call(server.router(), "GET", path, headers, Value::Null)
    };
    for path in ["/v2/sandboxes/volumes", "/api/v2/sandboxes/volumes", "/_sbx/coverage", "/metrics", "/dp/x/tunnel"] {
        for headers in [&[][..], &[("x-api-key", "wrong")]] {
            let reply = get(path, headers).await;
            assert_eq!(
                (reply.status.as_u16(), &reply.body["detail"]["error"]),
                (401, &json!("Unauthorized")),
                "{path}"
            );
        }
        assert_ne!(get(path, &[("x-api-key", "right")]).await.status, 401, "{path}");
    }
    let doubled = get("/v2/sandboxes/volumes", &[("x-api-key", "wrong"), ("X-Api-Key", "right")]).await;
    assert_eq!(doubled.status, 200, "the last one counts");
    assert_eq!(get("/healthz", &[]).await.status, 200);
    server.close().await;
}

/// Sends raw bytes to a server and reads until it closes the connection.
async fn raw(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.expect("connects");
    stream.write_all(request.as_bytes()).await.expect("sends");
    let mut answer = Vec::new();
    // A reset instead of an end is an end, too.
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

fn post(path: &str, body: &Value) -> String {
    let body = body.to_string();
    format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[tokio::test]
async fn a_socket_is_really_closed() {
    let server = start(Options::new()).await.expect("starts");
    let address = server.local_addr();
    raw_rule(address, json!({"operation": "create_volume", "lose_answer": true})).await;
    assert_eq!(raw(address, &post("/v2/sandboxes/volumes", &volume("v"))).await, "");
    let get = "GET /v2/sandboxes/volumes/v HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    assert!(raw(address, get).await.starts_with("HTTP/1.1 200"), "the effect is there");
    raw_rule(address, json!({"operation": "get_volume", "cut_after_bytes": 5})).await;
    let cut = raw(address, get).await;
    assert!(cut.starts_with("HTTP/1.1 200") && cut.ends_with("\r\n\r\n{\"id\""), "{cut}");
    let foreign = get.replace("localhost", "example.com");
    assert!(raw(address, &foreign).await.starts_with("HTTP/1.1 421"));
    server.shutdown().await;
    assert!(TcpStream::connect(address).await.is_err(), "nobody listens any more");
}

/// Adds a rule to a server on a socket.
async fn raw_rule(address: SocketAddr, rule: Value) {
    let answer = raw(address, &post("/_sbx/faults", &rule)).await;
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
}

#[tokio::test]
async fn stopping_cuts_no_request() {
    let runtime = FakeRuntime::new();
    let server = start(Options::new().runtime(Arc::new(runtime.clone()))).await.expect("starts");
    let address = server.local_addr();
    raw(address, &post("/v2/sandboxes/templates", &json!({"name": "t", "image": "x"}))).await;
    runtime.hold_starts(true);
    let mut stream = TcpStream::connect(address).await.expect("connects");
    let create = post("/v2/sandboxes/boxes", &json!({"name": "s", "template_name": "t"}));
    stream.write_all(create.as_bytes()).await.expect("sends");
    while !runtime.calls().iter().any(|call| matches!(call, Call::Launch(_))) {
        tokio::task::yield_now().await;
    }
    let read = async {
        // The server is stopping by now, and waits for this request.
        runtime.hold_starts(false);
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("reads to the end");
        answer
    };
    let ((), answer) = tokio::join!(server.shutdown(), read);
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
}

#[tokio::test]
async fn an_idle_connection_does_not_hold_the_server_up() {
    let server = start(Options::new()).await.expect("starts");
    let mut stream = TcpStream::connect(server.local_addr()).await.expect("connects");
    let get = "GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n";
    for _ in 0..2 {
        stream.write_all(get.as_bytes()).await.expect("sends");
        let mut answer = vec![0; 256];
        let n_bytes = stream.read(&mut answer).await.expect("reads");
        assert!(answer[..n_bytes].starts_with(b"HTTP/1.1 200"), "the connection is kept");
    }
    server.shutdown().await;
    assert_eq!(stream.read(&mut [0; 1]).await.ok(), Some(0), "and closed at the end");
}

/// Starts a request on a new connection, whose path is none, and waits until it is answered.
async fn answered_early(address: SocketAddr, length: usize) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.expect("connects");
    let head = format!("POST /nowhere HTTP/1.1\r\nhost: localhost\r\ncontent-length: {length}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.expect("sends");
    stream.readable().await.expect("is answered");
    stream
}

#[tokio::test]
async fn who_is_answered_early_may_finish_its_request() {
    // More than all buffers on the way hold.
    const LENGTH: usize = 32 << 20;
    let server = start(Options::new()).await.expect("starts");
    let mut stream = answered_early(server.local_addr(), LENGTH).await;
    stream.write_all(&vec![b'x'; LENGTH]).await.expect("nobody resets the connection");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("the answer is whole");
    assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
    drop(stream);
    server.shutdown().await;
}

#[tokio::test]
async fn who_is_answered_early_does_not_hold_the_server_up() {
    let server = start(Options::new()).await.expect("starts");
    let mut stream = answered_early(server.local_addr(), 1).await;
    server.shutdown().await;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("the answer is whole");
    assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
}

#[tokio::test]
async fn a_public_address_takes_a_key() {
    let anywhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
    let refused = start(Options::new().listen(anywhere)).await;
    assert!(matches!(refused, Err(Error::KeyRequired { .. })), "{refused:?}");
    let server = start(Options::new().listen(anywhere).api_key(Secret::new("k"))).await.expect("starts");
    let get = "GET /_sbx/coverage HTTP/1.1\r\nhost: example.com\r\nx-api-key: k\r\nconnection: close\r\n\r\n";
    assert!(raw(([127, 0, 0, 1], server.local_addr().port()).into(), get).await.starts_with("HTTP/1.1 404"));
    server.shutdown().await;
}

#[tokio::test]
async fn a_data_folder_has_one_server() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let options = || Options::new().data_dir(dir.path()).lock_wait(std::time::Duration::ZERO);
    let server = start(options()).await.expect("starts");
    let found = crate::server::running(dir.path()).expect("it runs");
    assert_eq!((found.url.as_str(), found.pid), (server.url(), std::process::id()));
    let second = start(options()).await;
    assert!(matches!(&second, Err(Error::DataDirBusy { url: Some(url), .. }) if url == server.url()), "{second:?}");
    server.shutdown().await;
    assert_eq!(crate::server::running(dir.path()), None);
    embedded(options()).await.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_cut_answer_fails_in_the_process_too() {
    let server = Server::new().await;
    rule(&server, json!({"operation": "create_volume", "cut_after_bytes": 3})).await;
    let reply = server.call("POST", "/volumes", volume("v")).await;
    assert_eq!((reply.status.as_u16(), reply.text.as_str(), reply.is_cut), (201, "", true));
    assert_eq!(server.call("GET", "/volumes/v", Value::Null).await.status, 200);
}
