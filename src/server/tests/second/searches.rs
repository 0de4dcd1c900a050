//! Searches of a sandbox's files: what is read of a request, and what becomes of the answer. How files are gone through is
//! the runtime's, and tested there.

use serde_json::{Value, json};

use super::{refused, server, write};
use crate::server::runtime::fake::FakeRuntime;
use crate::server::tests::harness::{Reply, Server};

async fn search(server: &Server, sandbox: &Value, operation: &str, body: Value) -> Reply {
    server.root("POST", &format!("/dp/{}/{operation}", sandbox["id"].as_str().expect("a text")), body).await
}

#[tokio::test(start_paused = true)]
async fn files_are_found_by_their_paths_and_lines_by_what_they_hold() {
    let server = server(&FakeRuntime::new()).await;
    let sandbox = server.ok("POST", "/boxes", json!({"name": "b"})).await;
    for (path, content) in
        [("/app/a.py", "one\ntwo (x)\n"), ("/app/src/b.py", "two (y)\n"), ("/app/c.txt", "two (z)\n")]
    {
        write(&server, &sandbox, path, content).await;
    }
    server.ok("POST", "/boxes/b/stop", json!({})).await;
    let found = search(&server, &sandbox, "glob", json!({"pattern": "*.py", "path": "/app"})).await;
    let file = json!({"path": "/app/a.py", "is_dir": false, "size_bytes": 12, "modified_at": "1970-01-01T00:00:00Z"});
    assert_eq!(found.body, json!({"matches": [file], "truncated": false}), "a search wakes the sandbox");
    let found = search(&server, &sandbox, "glob", json!({"pattern": "**/*.py", "path": "/app", "limit": 1})).await;
    assert_eq!(found.body, json!({"matches": [file], "truncated": true}));
    let line = |path: &str, line: u64, text: &str| json!({"path": path, "line": line, "text": text});
    let found = search(&server, &sandbox, "grep", json!({"pattern": "two (", "path": "/app", "glob": "*.py"})).await;
    let expected = [line("/app/a.py", 2, "two (x)"), line("/app/src/b.py", 1, "two (y)")];
    assert_eq!(found.body, json!({"matches": expected, "truncated": false}), "a mere name is meant at any depth");
    let body = json!({"pattern": "two", "path": "/app", "glob": "src/*", "limit": 100_000_000});
    let found = search(&server, &sandbox, "grep", body).await;
    assert_eq!(found.body["matches"], json!([line("/app/src/b.py", 1, "two (y)")]));
}

#[tokio::test(start_paused = true)]
async fn what_is_no_search_is_refused() {
    let server = server(&FakeRuntime::new()).await;
    let sandbox = server.ok("POST", "/boxes", json!({"name": "b"})).await;
    for (operation, body) in [
        ("glob", json!({})),
        ("glob", json!({"pattern": "*"})),
        ("glob", json!({"pattern": "/", "path": "/"})),
        ("glob", json!({"pattern": "a".repeat(5000), "path": "/"})),
        ("glob", json!({"pattern": "*", "path": ""})),
        ("glob", json!({"pattern": "*", "path": "/a\u{0}b"})),
        ("glob", json!({"pattern": "*", "path": "/", "limit": 0})),
        ("grep", json!({"pattern": "", "path": "/"})),
        ("grep", json!({"pattern": "x", "path": "/", "glob": 1})),
    ] {
        assert_eq!(search(&server, &sandbox, operation, body.clone()).await.status, 422, "{operation} {body}");
    }
    let unknown = server.root("POST", "/dp/gone/glob", json!({"pattern": "*", "path": "/"})).await;
    assert_eq!(refused(&unknown), (404, "NotFound"));
}
