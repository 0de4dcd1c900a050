//! Waiting, guards, handles and service URLs.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method};
use serde_json::json;
use tokio::time::Instant;

use super::mock::{Mock, Reply, answer, dropped, refusal};
use super::name;
use crate::client::{
    Client, Config, CreateSandboxOptions, Deadline, Kind, ServiceOptions, UpdateSandboxOptions, WaitOptions,
};
use crate::types::{Secret, Timestamp};

const STATUS: &str = "GET /boxes/s/status";
const NOON: &str = "2026-03-24T12:00:00Z";

fn sandbox() -> Reply {
    answer(201, r#"{"name":"s","template_name":"t"}"#)
}

fn status(status: &str) -> Reply {
    answer(200, json!({ "status": status }).to_string())
}

#[tokio::test(start_paused = true)]
async fn waiting_ends_when_the_sandbox_is_ready() {
    let server = Mock::new([
        (STATUS, status("provisioning")),
        (STATUS, status("a-status-of-later")),
        (STATUS, status("ready")),
        ("GET /boxes/s", sandbox()),
    ]);
    let started = Instant::now();
    server.client().wait_for_sandbox("s", WaitOptions::default()).await.expect("it becomes ready");
    assert_eq!(started.elapsed(), Duration::from_secs(2));
}

#[tokio::test(start_paused = true)]
async fn waiting_ends_when_the_sandbox_has_failed() {
    let body = r#"{"status":"failed","status_message":"no such image"}"#;
    let server = Mock::new([(STATUS, answer(200, body)), (STATUS, status("failed"))]);
    let client = server.client();
    let error = client.wait_for_sandbox("s", WaitOptions::default()).await.expect_err("it failed");
    assert_eq!((error.kind(), error.error_type()), (Kind::Creation, None));
    assert_eq!(error.to_string(), "cannot wait for sandbox `s`: no such image");
    let error = client.wait_for_sandbox("s", WaitOptions::default()).await.expect_err("it failed");
    assert_eq!(error.message(), "the sandbox could not be provisioned");
}

#[tokio::test(start_paused = true)]
async fn waiting_ends_when_its_time_is_over() {
    let server = Mock::new([
        (STATUS, status("provisioning")),
        (STATUS, status("provisioning")),
        (STATUS, status("provisioning")),
        (STATUS, status("provisioning")),
    ]);
    let client = server.client();
    let options = WaitOptions::default().timeout(Duration::from_millis(2500)).poll_interval(Duration::from_secs(2));
    let started = Instant::now();
    let error = client.wait_for_sandbox("s", options).await.expect_err("it is never ready");
    assert_eq!(started.elapsed(), Duration::from_millis(2500), "the last sleep is cut to what is left");
    assert_eq!(error.kind(), Kind::Timeout);
    assert_eq!(
        error.to_string(),
        "cannot wait for sandbox `s`: it is not ready after 2.5s (last status: provisioning)"
    );
    let options = WaitOptions::default().timeout(Duration::ZERO);
    client.wait_for_sandbox("s", options).await.expect_err("the status is read once all the same");
}

#[tokio::test(start_paused = true)]
async fn waiting_ends_with_the_deadline_of_the_scope() {
    let server = Mock::new([(STATUS, status("provisioning"))]);
    let client = server.client().with_deadline(Deadline::after(Duration::from_millis(300)));
    let started = Instant::now();
    let error = client.wait_for_sandbox("s", WaitOptions::default()).await.expect_err("the deadline comes first");
    assert_eq!((error.kind(), started.elapsed()), (Kind::DeadlineExceeded, Duration::from_millis(300)));
}

#[tokio::test(start_paused = true)]
async fn waiting_for_nothing_is_an_error() {
    let server = Mock::new([(STATUS, refusal(404, "NotFound", "Sandbox 's' not found"))]);
    let error = server.client().wait_for_sandbox("s", WaitOptions::default()).await.expect_err("404");
    assert!(error.is_not_found());
}

async fn guard(client: &Client) -> crate::client::SandboxGuard {
    let options = CreateSandboxOptions::default().name(name("s")).wait_for_ready(false);
    client.sandbox("t", options).await.expect("201")
}

#[tokio::test(start_paused = true)]
async fn the_deadline_of_a_creation_does_not_bind_the_sandbox() {
    let server =
        Mock::new([("POST /boxes", sandbox()), ("GET /boxes/s", sandbox()), ("DELETE /boxes/s", answer(204, ""))]);
    let mut guard = guard(&server.client().with_deadline(Deadline::after(Duration::from_secs(1)))).await;
    tokio::time::advance(Duration::from_mins(1)).await;
    guard.refresh().await.expect("200");
    guard.close().await.expect("204");
}

#[tokio::test(start_paused = true)]
async fn a_guard_deletes_when_closed() {
    let server = Mock::new([("POST /boxes", sandbox()), ("DELETE /boxes/s", answer(204, ""))]);
    let guard = guard(&server.client()).await;
    assert_eq!(server.body(0)["wait_for_ready"], true, "a guarded sandbox is always waited for");
    guard.close().await.expect("204");
}

#[tokio::test(start_paused = true)]
async fn closing_a_guard_of_a_sandbox_that_is_gone_is_no_error() {
    let gone = refusal(404, "NotFound", "Sandbox 's' not found");
    let server = Mock::new([("POST /boxes", sandbox()), ("DELETE /boxes/s", gone)]);
    guard(&server.client()).await.close().await.expect("there is nothing to do");
    let server = Mock::new([("POST /boxes", sandbox()), ("DELETE /boxes/s", answer(500, ""))]);
    let error = guard(&server.client()).await.close().await.expect_err("500");
    assert_eq!(error.kind(), Kind::Api);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_guard_is_cleaned_up_by_the_time_the_client_is_closed() {
    let server = Mock::new([
        ("POST /boxes", sandbox()),
        ("DELETE /boxes/s", answer(503, "")),
        ("DELETE /boxes/s", answer(204, "")),
    ]);
    let client = server.client();
    drop(guard(&client).await);
    client.close().await;
    server.is_done();
}

#[tokio::test(start_paused = true)]
async fn a_guard_dropped_on_another_thread_is_cleaned_up() {
    let server = Mock::new([("POST /boxes", sandbox()), ("DELETE /boxes/s", answer(204, ""))]);
    let client = server.client();
    let guard = guard(&client).await;
    std::thread::spawn(move || drop(guard)).join().expect("dropping does not panic without a runtime");
    client.close().await;
    server.is_done();
}

#[tokio::test(start_paused = true)]
async fn a_guard_knows_the_new_name_of_its_sandbox() {
    let server = Mock::new([
        ("POST /boxes", sandbox()),
        ("PATCH /boxes/s", answer(200, r#"{"name":"r"}"#)),
        ("DELETE /boxes/r", answer(204, "")),
    ]);
    let mut guard = guard(&server.client()).await;
    guard.update(UpdateSandboxOptions::default().new_name(name("r"))).await.expect("200");
    guard.close().await.expect("204");
}

#[tokio::test(start_paused = true)]
async fn a_kept_sandbox_stays() {
    let server = Mock::new([("POST /boxes", sandbox()), ("GET /boxes/s", sandbox())]);
    let client = server.client();
    let mut sandbox = guard(&client).await.keep();
    client.close().await;
    sandbox.refresh().await.expect("200");
}

/// A clock that tests move, starting at noon.
fn clock() -> (Arc<AtomicI64>, impl Fn() -> Timestamp + Send + Sync + 'static) {
    let seconds = Arc::new(AtomicI64::new(0));
    let shared = seconds.clone();
    let noon: Timestamp = NOON.parse().expect("a plain UTC time");
    let now = move || {
        let seconds = u64::try_from(shared.load(Ordering::Relaxed)).expect("time moves on");
        noon.saturating_add(Duration::from_secs(seconds))
    };
    (seconds, now)
}

fn url(token: &str, expires_at: &str) -> Reply {
    let url = json!({
        "browser_url": format!("http://x.svc/_svc/auth?token={token}"),
        "service_url": "http://x.svc/",
        "token": token,
        "expires_at": expires_at,
    });
    answer(200, url.to_string())
}

#[tokio::test]
async fn a_service_url_is_replaced_before_it_expires() {
    const MAKE: &str = "POST /boxes/s/service-url";
    let server = Mock::new([(MAKE, url("one", "2026-03-24T12:10:00Z")), (MAKE, url("two", "2026-03-24T12:20:00"))]);
    let (time, now) = clock();
    let config = Config::new("http://server/v2/sandboxes").wall_clock(now);
    let service = server.client_with(config).service("s", 3000, ServiceOptions::default()).await.expect("200");
    assert_eq!(server.body(0), json!({"port": 3000, "expires_in_seconds": 600}));

    time.store(569, Ordering::Relaxed);
    assert_eq!(service.token().await.expect("it is good for 31 s").expose(), "one");
    time.store(570, Ordering::Relaxed);
    let other = service.clone();
    assert_eq!(service.token().await.expect("200").expose(), "two");
    assert_eq!(other.browser_url().await.expect("clones share it"), "http://x.svc/_svc/auth?token=two");
    assert_eq!(service.expires_at().await.expect("it is good").to_string(), "2026-03-24T12:20:00Z");
    time.store(3600, Ordering::Relaxed);
    assert_eq!(service.current().token, "two", "looking at what is known makes no request");
    assert_eq!(server.body(1), server.body(0));
}

#[tokio::test]
async fn requests_to_a_service_carry_its_token_and_not_the_key() {
    let server = Mock::new([
        ("POST /boxes/s/service-url", url("token", "2026-03-24T12:10:00Z")),
        ("GET http://x.svc/a/b?c=d", answer(500, "its own business")),
        ("POST http://x.svc/", answer(201, "")),
        ("PUT http://x.svc/a", answer(200, "")),
        ("PATCH http://x.svc/a", answer(200, "")),
        ("DELETE http://x.svc/a", answer(200, "")),
        ("OPTIONS http://x.svc/a", answer(200, "")),
        ("GET http://x.svc/a?q=1", dropped()),
    ]);
    let (_, now) = clock();
    let config = Config::new("http://server/v2/sandboxes").api_key(Secret::new("key")).wall_clock(now);
    let service = server.client_with(config).service("s", 80, ServiceOptions::default()).await.expect("200");
    let response = service.get("a/b?c=d").await.expect("any answer is an answer");
    assert_eq!((response.status().as_u16(), response.body().as_ref()), (500, b"its own business".as_slice()));
    service.post("/", "body").await.expect("201");
    service.put("/a", "body").await.expect("200");
    service.patch("/a", "body").await.expect("200");
    service.delete("/a").await.expect("200");
    let mine = HeaderMap::from_iter([
        ("X-LangSmith-Sandbox-Service-Token".parse().expect("a name"), HeaderValue::from_static("mine")),
        ("x-mine".parse().expect("a name"), HeaderValue::from_static("1")),
    ]);
    service.request(Method::OPTIONS, "/a", mine, Bytes::new()).await.expect("200");
    let error = service.get("/a?q=1").await.expect_err("nothing is retried");
    assert_eq!((error.kind(), error.attempts(), error.path()), (Kind::Transport, 1, "/a"));
    let error = service.get("/a b").await.expect_err("a path is taken as it is");
    assert_eq!((error.kind(), error.field()), (Kind::InvalidArgument, Some("path")));

    for n in 1..=6 {
        let request = server.request(n);
        assert_eq!(request.headers()["x-langsmith-sandbox-service-token"], "token");
        assert!(!request.headers().contains_key("x-api-key"), "{request:?}");
        assert_eq!(server.timeout(n), Duration::from_secs(5));
    }
    assert_eq!(server.request(2).body().as_ref(), b"body");
    assert_eq!(server.request(6).headers()["x-mine"], "1");
}

#[tokio::test]
async fn arguments_of_a_service_are_checked() {
    let server = Mock::new([]);
    let client = server.client();
    let within = |seconds| ServiceOptions::default().expires_in(Duration::from_secs(seconds));
    for (port, options, field) in
        [(0, within(600), "port"), (80, within(0), "expires_in"), (80, within(86_401), "expires_in")]
    {
        let error = client.service("s", port, options).await.expect_err("no request is made");
        assert_eq!((error.kind(), error.field()), (Kind::InvalidArgument, Some(field)));
    }
}
