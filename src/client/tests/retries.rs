//! What is sent again, for calls that have the same effect twice.

use std::time::Duration;

use super::mock::{Mock, answer, dropped, fault, refused};
use crate::client::{Config, Deadline, Kind, QuotaType, TransportError};

const GET: &str = "GET /usage";

#[tokio::test(start_paused = true)]
async fn reads_are_repeated_after_anything_that_may_pass() {
    let server = Mock::new([
        (GET, refused()),
        (GET, fault(TransportError::ConnectTimeout)),
        (GET, fault(TransportError::PoolTimeout)),
        (GET, answer(200, "{}")),
        (GET, answer(502, "")),
        (GET, answer(503, "")),
        (GET, answer(504, "")),
        (GET, answer(200, "{}")),
        (GET, dropped()),
        (GET, answer(200, "{}").after(Duration::from_mins(1))),
        (GET, answer(429, "")),
        (GET, answer(200, "{}")),
    ]);
    let client = server.client();
    for _ in 0..3 {
        client.usage().await.expect("the fourth attempt is answered");
    }
}

#[tokio::test(start_paused = true)]
async fn what_will_not_pass_is_not_repeated() {
    for status in [301, 304, 400, 401, 403, 404, 408, 409, 418, 422, 500, 501, 505] {
        let server = Mock::new([(GET, answer(status, ""))]);
        let error = server.client().usage().await.expect_err("no success");
        assert_eq!((error.attempts(), error.status().map(|it| it.as_u16())), (1, Some(status)));
    }
}

#[tokio::test(start_paused = true)]
async fn attempts_run_out() {
    let server = Mock::new([(GET, refused()), (GET, refused()), (GET, refused()), (GET, refused())]);
    let error = server.client().usage().await.expect_err("nobody is there");
    assert_eq!((error.kind(), error.attempts()), (Kind::Connection, 4));
    assert_eq!(error.to_string(), "cannot read the usage: the request got no answer in 4 attempts");
    let cause = std::error::Error::source(&error).expect("the cause is kept");
    assert_eq!(cause.to_string(), "no connection to the server");

    let server = Mock::new([(GET, answer(503, ""))]);
    let config = Config::new("http://server/v2/sandboxes").max_retries(0);
    let error = server.client_with(config).usage().await.expect_err("one attempt");
    assert_eq!((error.kind(), error.attempts(), error.is_retryable()), (Kind::Client, 1, true));
}

#[tokio::test(start_paused = true)]
async fn timeouts_and_lost_connections_have_their_kinds() {
    let config = || Config::new("http://server/v2/sandboxes").max_retries(0);
    let cases = [
        (fault(TransportError::Timeout), Kind::TransportTimeout),
        (dropped(), Kind::Transport),
        (refused(), Kind::Connection),
        (fault(TransportError::ConnectTimeout), Kind::Connection),
        (fault(TransportError::PoolTimeout), Kind::Connection),
    ];
    for (reply, kind) in cases {
        let server = Mock::new([(GET, reply)]);
        let error = server.client_with(config()).usage().await.expect_err("no answer");
        assert_eq!(error.kind(), kind);
        assert!(error.is_retryable() && !error.is_ambiguous(), "{kind:?} of a read");
    }
}

#[tokio::test(start_paused = true)]
async fn a_used_up_quota_fails_at_once() {
    let body = r#"{"detail":"Limit of 10 sandbox(es) per organization exceeded. Current usage: 8 sandboxes."}"#;
    let server = Mock::new([(GET, answer(429, body).header("retry-after", "0"))]);
    let error = server.client().usage().await.expect_err("429");
    assert_eq!((error.kind(), error.quota_type()), (Kind::QuotaExceeded, Some(QuotaType::SandboxCount)));
    assert!(!error.is_retryable());
}

#[tokio::test(start_paused = true)]
async fn too_many_requests_are_waited_out() {
    let server = Mock::new([(GET, answer(429, r#"{"detail":"Too many requests"}"#)), (GET, answer(200, "{}"))]);
    server.client().usage().await.expect("the second attempt is answered");

    let busy = || answer(429, r#"{"detail":"Request limit exceeded"}"#).header("retry-after", "3600");
    let server = Mock::new([(GET, busy()), (GET, busy()), (GET, busy()), (GET, busy())]);
    let started = tokio::time::Instant::now();
    let error = server.client().usage().await.expect_err("429 to the end");
    assert_eq!(error.kind(), Kind::RateLimited);
    assert!(error.is_a(Kind::QuotaExceeded) && error.is_retryable());
    assert_eq!(started.elapsed(), Duration::from_mins(3), "three sleeps of one minute, the most a server can ask for");
}

#[tokio::test(start_paused = true)]
async fn a_sleep_that_the_deadline_would_cut_is_not_begun() {
    let server = Mock::new([(GET, answer(429, "").header("retry-after", "30"))]);
    let client = server.client().with_deadline(Deadline::after(Duration::from_secs(20)));
    let error = client.usage().await.expect_err("there is no time");
    assert_eq!((error.kind(), error.attempts()), (Kind::RateLimited, 1));
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_not_as_documented_names_the_place() {
    let server = Mock::new([
        ("GET /pools?limit=500&offset=0", answer(200, r#"{"pools":[{"name":"a"},{"replicas":"many"}]}"#)),
        ("GET /pools/p", answer(200, "<html>")),
        ("GET /pools/p", answer(200, r#"{"name":"p"} and more"#)),
    ]);
    let error = server.client().list_pools().await.expect_err("replicas are a number");
    assert_eq!(error.kind(), Kind::InvalidBody);
    assert_eq!(error.message(), "the answer's `pools[1].replicas` is not what the API documents");
    for _ in 0..2 {
        let error = server.client().get_pool("p").await.expect_err("not JSON");
        assert_eq!(error.message(), "the answer is not what the API documents");
    }
}
