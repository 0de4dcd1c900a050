//! Pools of sandboxes that really run.

use serde_json::{Value, json};

use crate::served::{Ran, Served, becomes, call};

fn served() -> (tempfile::TempDir, Served) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let server = Served::start(&folder.path().join("data"));
    server.template("t", &json!([]));
    (folder, server)
}

/// Reads one of the server's numbers; 0 for a pool that there never was.
fn metric(server: &Served, name: &str) -> u64 {
    let text = call(&server.host, "GET", "/metrics", &Value::Null).expect("it answers").bytes;
    let text = String::from_utf8(text).expect("it is text");
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
    value.unwrap_or(0)
}

fn hits(server: &Served) -> u64 {
    metric(server, "sbx_pool_claims_total{pool=\"p\",result=\"hit\"}")
}

fn misses(server: &Served) -> u64 {
    metric(server, "sbx_pool_claims_total{pool=\"p\",result=\"miss\"}")
}

fn warm(server: &Served) -> u64 {
    metric(server, "sbx_pool_replicas{pool=\"p\",status=\"ready\"}")
}

#[test]
fn a_replica_is_ready_before_it_counts_and_another_takes_its_place() {
    engine!();
    let (_folder, server) = served();
    server.ok("POST", "/pools", &json!({"name": "p", "template_name": "t", "replicas": 3, "timeout": 120}));
    becomes("three that are warm", &3, || warm(&server));
    assert_eq!(metric(&server, "sbx_pool_replicas_desired{pool=\"p\"}"), 3);
    assert_eq!(server.agents().len(), 3, "what counts runs");
    let warmed = server.entries("sandboxes");
    let ids: Vec<_> = (0..6).map(|n| server.sandbox(&format!("s{n}"), "t")).collect();
    assert_eq!(hits(&server) + misses(&server), 6);
    assert!(hits(&server) >= 3, "as many as were warm");
    assert!(warmed.iter().all(|id| ids.contains(id)), "all that were warm are drawn, oldest first");
    for id in &ids {
        assert_eq!(server.sh(id, "echo works"), Ran { code: 0, stdout: "works\n".to_owned() });
    }
    becomes("a full pool", &3, || warm(&server));
    becomes("all of them", &9, || server.agents().len());
    server.stop();
}

#[test]
fn an_empty_pool_is_a_miss_and_a_paused_one_is_none() {
    engine!();
    let (_folder, server) = served();
    // One that nothing can be warm in yet when it is asked.
    let mut drawn = 0;
    while misses(&server) == 0 {
        drawn += 1;
        assert!(drawn < 100, "it is always filled before it can be asked");
        let pool = json!({"name": "p", "template_name": "t", "replicas": 1, "wait_for_ready": false});
        server.ok("POST", "/pools", &pool);
        server.sandbox(&format!("s{drawn}"), "t");
        server.ok("DELETE", "/pools/p", &Value::Null);
    }
    server.ok("POST", "/pools", &json!({"name": "p", "template_name": "t", "replicas": 2, "timeout": 120}));
    server.ok("PATCH", "/pools/p", &json!({"replicas": 0}));
    becomes("no replica", &0, || warm(&server));
    becomes("what was drawn, and no more", &drawn, || server.agents().len());
    let (hits_before, misses_before) = (hits(&server), misses(&server));
    server.sandbox("cold", "t");
    assert_eq!((hits(&server), misses(&server)), (hits_before, misses_before));
    server.ok("PATCH", "/pools/p", &json!({"replicas": 2}));
    becomes("a full pool again", &2, || warm(&server));
    server.stop();
}

#[test]
fn a_pool_that_is_deleted_or_made_smaller_while_it_starts_leaves_nothing() {
    engine!();
    let (_folder, server) = served();
    for round in 0..5 {
        let pool = json!({"name": "p", "template_name": "t", "replicas": 20, "wait_for_ready": false});
        server.ok("POST", "/pools", &pool);
        // From before the first one is there to when some are.
        becomes("some of them", &true, || server.agents().len() >= 2 * round);
        server.ok("PATCH", "/pools/p", &json!({"replicas": 3}));
        becomes("a small pool", &(3, 3, 3), || {
            (server.entries("sandboxes").len(), server.children().len(), warm(&server))
        });
        server.ok("PATCH", "/pools/p", &json!({"replicas": 20}));
        becomes("some of them", &true, || server.agents().len() >= 3 + round);
        server.ok("DELETE", "/pools/p", &Value::Null);
        becomes("nothing", &(0, 0), || (server.entries("sandboxes").len(), server.children().len()));
    }
    server.stop();
}
