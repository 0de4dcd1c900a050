//! What a refusal of one call means for all the others.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, join_all};
use http::{Request, Response};
use tokio::time::{Instant, sleep};

use super::mock::{Mock, answer};
use crate::client::{Client, Config, Limits, Transport, TransportError};
use crate::types::Timestamp;

/// How long the server takes for a call.
const LATENCY: Duration = Duration::from_millis(100);

/// A server that takes so many calls in a second and refuses the rest, and notes when each came.
struct Busy {
    per_second: usize,
    started: Instant,
    arrivals: Mutex<Vec<Instant>>,
}

impl Busy {
    fn new(per_second: usize) -> Arc<Self> {
        Arc::new(Self { per_second, started: Instant::now(), arrivals: Mutex::default() })
    }

    fn client(self: &Arc<Self>) -> Client {
        Client::with_transport(Config::new("http://server/v2/sandboxes"), self.clone()).expect("a good configuration")
    }

    /// Notes a call; returns whether it is one too many in this second.
    fn is_too_many(&self) -> bool {
        let mut arrivals = self.arrivals.lock().expect("no panic while locked");
        arrivals.push(Instant::now());
        let second = |at: &Instant| at.duration_since(self.started).as_secs();
        let this = second(&Instant::now());
        arrivals.iter().filter(|at| second(at) == this).count() > self.per_second
    }
}

impl Transport for Busy {
    fn send(&self, _: Request<Bytes>, _: Limits) -> BoxFuture<'_, Result<Response<Bytes>, TransportError>> {
        let is_too_many = self.is_too_many();
        async move {
            sleep(LATENCY).await;
            let response = Response::builder().status(if is_too_many { 429 } else { 200 });
            Ok(response.header("retry-after", "1").body(Bytes::from_static(b"{}")).expect("a plain response"))
        }
        .boxed()
    }
}

#[tokio::test(start_paused = true)]
async fn fifty_workers_get_through_a_server_that_takes_ten_calls_a_second() {
    let server = Busy::new(10);
    let client = server.client();
    let worker = || async {
        for _ in 0..4 {
            client.usage().await.expect("whoever waits for its turn gets it");
        }
    };
    join_all((0..50).map(|_| worker())).await;
    let pace = *client.pace().borrow();
    let n_sent = server.arrivals.lock().expect("no panic while locked").len();
    assert!(pace.n_refused >= 40, "the first fifty calls come at once: {pace:?}");
    assert_eq!(n_sent, 200 + usize::try_from(pace.n_refused).expect("it is small"));
    assert!(pace.n_refused < 150, "the calls slow down instead of running into the limit: {pace:?}");
}

#[tokio::test(start_paused = true)]
async fn no_call_is_sent_before_the_time_that_another_was_told() {
    let noon: Timestamp = "2026-03-24T12:00:00Z".parse().expect("a time");
    for (text, asked) in [("7", 7), ("Tue, 24 Mar 2026 12:00:09 GMT", 9)] {
        let server = Mock::new([
            ("GET /usage", answer(429, "").header("retry-after", text)),
            ("*", answer(200, "{}")),
            ("*", answer(200, "{}")),
        ]);
        let config = Config::new("http://server/v2/sandboxes").wall_clock(move || noon);
        let client = server.client_with(config);
        let view = client.with_timeout(Duration::from_secs(1));
        let started = Instant::now();
        let other = async {
            sleep(Duration::from_millis(10)).await;
            view.get_pool("p").await.expect("it is answered");
            started.elapsed()
        };
        let (usage, other_took) = tokio::join!(client.usage(), other);
        usage.expect("the second attempt is answered");
        assert!(other_took >= Duration::from_secs(asked), "{other_took:?} although it said `{text}`");
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_waits_at_the_server_does_not_keep_others_waiting() {
    let server = Mock::new([
        ("GET /usage", answer(429, "").header("retry-after", "0")),
        ("*", answer(200, "{}").after(Duration::from_secs(9))),
        ("*", answer(200, "{}").after(Duration::from_secs(9))),
    ]);
    let client = server.client();
    let started = Instant::now();
    let (first, second) = tokio::join!(client.usage(), client.usage());
    first.and(second).expect("both are answered");
    assert_eq!(client.pace().borrow().n_refused, 1);
    assert!(started.elapsed() < Duration::from_secs(15), "the second waits for its turn, not for an answer");
}

#[tokio::test(start_paused = true)]
async fn a_client_without_retries_is_not_slowed_down() {
    let server = Mock::new([("GET /usage", answer(429, "").header("retry-after", "30")), ("*", answer(200, "{}"))]);
    let client = server.client_with(Config::new("http://server/v2/sandboxes").max_retries(0));
    let started = Instant::now();
    client.usage().await.expect_err("one attempt");
    client.usage().await.expect("the second call is another one");
    assert_eq!((started.elapsed(), client.pace().borrow().limit), (Duration::ZERO, None));
}
