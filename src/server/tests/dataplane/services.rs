use axum::Router;
use axum::extract::Request;
use axum::routing::any;
use http::HeaderMap;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio_util::sync::CancellationToken;

use super::sandbox;
use crate::server::listen;
use crate::server::runtime::fake::FakeRuntime;
use crate::server::tests::harness::{Reply, Server};

const HEADER: &str = "X-Langsmith-Sandbox-Service-Token";

/// Lets a port answer with what it was asked, as far as the test looks at it.
fn serve(runtime: &FakeRuntime) {
    let describe = |request: Request| async move {
        let text =
            |headers: &HeaderMap, name: &str| headers.get(name).map(|value| value.to_str().expect("a text").to_owned());
        let headers = request.headers();
        let body = json!({
            "path": request.uri().to_string(),
            "host": text(headers, "host"),
            "cookie": text(headers, "cookie"),
            "prefix": text(headers, "x-forwarded-prefix"),
            "secrets": [text(headers, HEADER), text(headers, "x-api-key"), text(headers, "connection")],
        });
        ([("location", "/next")], body.to_string())
    };
    let router = Router::new().fallback(any(describe));
    runtime.serve_port(80, move |stream| listen::serve(stream, router.clone(), CancellationToken::new()));
}

/// Asks for a service URL; returns the path of the service and the token.
async fn service_url(server: &Server) -> (String, String, Value) {
    let made = server.ok("POST", "/boxes/s/service-url", json!({"port": 80, "expires_in_seconds": 60})).await;
    let text = |field: &str| made[field].as_str().expect("a text").to_owned();
    let path = text("service_url").strip_prefix("http://localhost").expect("on this server").to_owned();
    (path, text("token"), made)
}

async fn get(server: &Server, path: &str, headers: &[(&str, &str)]) -> Reply {
    server.send("GET", path, headers, Value::Null).await
}

#[tokio::test(start_paused = true)]
async fn a_request_is_passed_on_without_our_credentials() {
    let (server, runtime, _) = sandbox().await;
    serve(&runtime);
    let (path, token, made) = service_url(&server).await;
    assert_eq!(made["expires_at"], "2026-03-24T12:01:00Z");
    let headers = [(HEADER, token.as_str()), ("x-api-key", "key"), ("cookie", "a=b"), ("connection", "x-api-key")];
    let reply = get(&server, &format!("{path}a%20b?c=d"), &headers).await;
    let prefix = path.trim_end_matches('/');
    let expected = json!({
        "path": "/a%20b?c=d", "host": "localhost:80", "cookie": "a=b", "prefix": prefix, "secrets": [null, null, null],
    });
    assert_eq!(serde_json::from_str::<Value>(&reply.text).expect("JSON"), expected);
    assert_eq!(reply.headers["location"], format!("{prefix}/next"));
}

#[tokio::test(start_paused = true)]
async fn a_browser_gets_a_cookie() {
    let (server, runtime, _) = sandbox().await;
    serve(&runtime);
    let (path, token, made) = service_url(&server).await;
    let sign_in = made["browser_url"].as_str().and_then(|url| url.strip_prefix("http://localhost")).expect("ours");
    let reply = get(&server, sign_in, &[]).await;
    assert_eq!((reply.status.as_u16(), reply.headers["location"].to_str().ok()), (302, Some(path.as_str())));
    let cookie = reply.headers["set-cookie"].to_str().expect("a text");
    assert_eq!(cookie, format!("sbx-service-token={token}; Path={path}; Max-Age=60; HttpOnly; SameSite=Lax"));
    let reply = get(&server, &path, &[("cookie", &format!("x=y; sbx-service-token={token}"))]).await;
    assert_eq!((reply.status.as_u16(), reply.body["cookie"].as_str()), (200, Some("x=y")));
}

#[tokio::test(start_paused = true)]
async fn only_a_token_of_the_service_opens_it() {
    let (server, runtime, _) = sandbox().await;
    serve(&runtime);
    let (path, token, _) = service_url(&server).await;
    let other = path.replace("--80", "--81");
    for (path, headers) in [(&path, &[][..]), (&path, &[(HEADER, "x")]), (&other, &[(HEADER, token.as_str())])] {
        assert_eq!(get(&server, path, headers).await.status, 401, "{path} {headers:?}");
    }
    assert_eq!(get(&server, &format!("{path}_svc/auth?token=x"), &[]).await.status, 401);
    server.root("POST", "/_sbx/clock", json!({"advance_seconds": 61})).await;
    assert_eq!(get(&server, &path, &[(HEADER, &token)]).await.status, 401);
}

#[tokio::test(start_paused = true)]
async fn a_port_without_a_service_is_a_bad_gateway() {
    let (server, runtime, _) = sandbox().await;
    runtime.close_port(80);
    let (path, token, _) = service_url(&server).await;
    let reply = get(&server, &path, &[(HEADER, &token)]).await;
    assert_eq!((reply.status.as_u16(), &reply.body["detail"]["error"]), (502, &json!("ConnectionError")));
}

#[tokio::test(start_paused = true)]
async fn an_upgrade_is_passed_on() {
    let (server, runtime, _) = sandbox().await;
    runtime.serve_port(80, switch);
    let (path, token, _) = service_url(&server).await;
    let mut connection = server.connect();
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\n{HEADER}: {token}\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n"
    );
    connection.write_all(request.as_bytes()).await.expect("is taken");
    let head = read_head(&mut connection).await;
    assert!(head.starts_with("HTTP/1.1 101 ") && head.to_lowercase().contains("upgrade: echo"), "{head}");
    connection.write_all(b"hello").await.expect("is taken");
    let mut answer = [0; 5];
    connection.read_exact(&mut answer).await.expect("comes back");
    assert_eq!(&answer, b"hello");
}

/// Agrees to an upgrade, and then says what it hears.
async fn switch(mut stream: DuplexStream) {
    let head = read_head(&mut stream).await.to_lowercase();
    assert!(head.contains("connection: upgrade") && head.contains("upgrade: echo"), "{head}");
    let answer = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n";
    stream.write_all(answer.as_bytes()).await.expect("is taken");
    let (mut read, mut write) = tokio::io::split(stream);
    let _ = tokio::io::copy(&mut read, &mut write).await;
}

async fn read_head(stream: &mut DuplexStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.expect("there is more"));
    }
    String::from_utf8(head).expect("a text")
}
