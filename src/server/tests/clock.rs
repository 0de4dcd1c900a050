//! A clock of the machine that is set while the server runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use super::harness::Server;
use crate::server::runtime::fake::FakeRuntime;
use crate::server::{Clock, Options, PausedClock};
use crate::types::Timestamp;

/// A clock that somebody sets, by seconds from where it began.
struct SetClock {
    clock: PausedClock,
    set_by: Arc<AtomicI64>,
}

impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        let (now, by) = (self.clock.now(), self.set_by.load(Ordering::Relaxed));
        let ahead = u64::try_from(by + DAY).expect("never set back by more than a day");
        now.saturating_add(Duration::from_secs(ahead))
    }
}

/// How far back it can be set, in seconds.
const DAY: i64 = 24 * 60 * 60;

async fn server(runtime: &FakeRuntime) -> (Server, Arc<AtomicI64>) {
    let clock = PausedClock::starting_at("2026-03-23T12:00:00Z".parse().expect("a time"));
    let set_by = Arc::new(AtomicI64::new(0));
    let clock = SetClock { clock, set_by: Arc::clone(&set_by) };
    let options = Options::new().clock(Arc::new(clock)).runtime(Arc::new(runtime.clone()));
    let server = Server::open(&options).await;
    server.ok("POST", "/templates", json!({"name": "t", "image": "x"})).await;
    (server, set_by)
}

#[tokio::test(start_paused = true)]
async fn set_ahead_it_ends_what_is_over_without_anybody_asking() {
    let runtime = FakeRuntime::new();
    let (server, set_by) = server(&runtime).await;
    server.ok("POST", "/boxes", json!({"name": "brief", "template_name": "t", "ttl_seconds": 3600})).await;
    server.ok("POST", "/boxes", json!({"name": "long", "template_name": "t", "ttl_seconds": 36000})).await;
    set_by.store(7200, Ordering::Relaxed);
    tokio::time::sleep(Duration::from_secs(61)).await;
    assert_eq!(runtime.running().len(), 1, "within a minute");
    assert_eq!(server.call("GET", "/boxes/brief", Value::Null).await.status, 404);
    server.ok("GET", "/boxes/long", Value::Null).await;
}

#[tokio::test(start_paused = true)]
async fn set_back_it_ends_nothing_and_the_server_goes_on() {
    let runtime = FakeRuntime::new();
    let (server, set_by) = server(&runtime).await;
    server.ok("POST", "/pools", json!({"name": "p", "template_name": "t", "replicas": 2})).await;
    let before = server.ok("POST", "/boxes", json!({"name": "s", "template_name": "t", "idle_ttl_seconds": 600})).await;
    tokio::time::sleep(Duration::from_mins(1)).await;
    set_by.store(-7200, Ordering::Relaxed);
    let drawn = server.ok("POST", "/boxes", json!({"template_name": "t"})).await;
    assert_eq!(drawn["status"], "ready");
    // Used, it lives from then on; its deadline follows the clock.
    let path = format!("/dp/{}/execute", before["id"].as_str().expect("a text"));
    assert_eq!(server.root("POST", &path, json!({"command": "out hi"})).await.body["stdout"], "hi");
    let expires = server.ok("GET", "/boxes/s", Value::Null).await["expires_at"].clone();
    assert_eq!(expires, "2026-03-24T10:11:00Z");
    tokio::time::sleep(Duration::from_secs(601)).await;
    assert_eq!(server.call("GET", "/boxes/s", Value::Null).await.status, 404);
    assert_eq!(runtime.running().len(), 3, "the pool is full, and what was drawn stays");
}
