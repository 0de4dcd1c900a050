use std::time::Duration;

use serde_json::{Value, json};

use super::server::{Play, Server, Step};
use crate::client::{Chunk, Kind, Offsets, OutputStream, Resource, RunOptions};

/// What is sent for a command with the options that nobody set.
fn execute(command: &str) -> Value {
    json!({
        "type": "execute", "command": command, "timeout_seconds": 60, "shell": "/bin/bash",
        "idle_timeout_seconds": 300, "kill_on_disconnect": false, "ttl_seconds": 600,
    })
}

fn started() -> Step {
    Step::Send(json!({"type": "started", "command_id": "c1", "pid": 7}))
}

fn stdout(data: &str, offset: u64) -> Step {
    Step::Send(json!({"type": "stdout", "data": data, "offset": offset}))
}

fn exit(code: i32) -> Step {
    Step::Send(json!({"type": "exit", "exit_code": code}))
}

fn reconnect(stdout: u64, stderr: u64) -> Step {
    let message = json!({"type": "reconnect", "command_id": "c1", "stdout_offset": stdout, "stderr_offset": stderr});
    Step::Expect(message)
}

fn options() -> RunOptions {
    RunOptions::default()
}

#[tokio::test]
async fn a_command_runs_to_its_end() {
    let server = Server::start(vec![Play::Socket(vec![
        Step::Expect(execute("echo hi")),
        started(),
        stdout("h", 0),
        Step::Send(json!({"type": "news", "of": "a later version"})),
        Step::Send(json!({"type": "stderr", "data": "oh\n", "offset": 0})),
        stdout("i\n", 1),
        exit(3),
        Step::Close(1000),
    ])])
    .await;
    let output = server.sandbox().run("echo hi", options()).await.expect("it ends");
    assert_eq!((output.stdout.as_str(), output.stderr.as_str(), output.exit_code), ("hi\n", "oh\n", 3));
    assert!(!output.is_success());
    assert_eq!(server.done().await, ["GET /dp/1/execute/ws key=key-1234"]);
}

#[tokio::test]
async fn every_option_is_sent_as_the_wire_has_it() {
    let server = Server::start(vec![Play::Socket(vec![
        Step::Expect(json!({
            "type": "execute", "command": "x", "timeout_seconds": 0, "shell": "/bin/sh",
            "idle_timeout_seconds": -1, "kill_on_disconnect": true, "ttl_seconds": -1,
            "env": {"A": "b"}, "cwd": "/tmp", "pty": true, "command_id": "mine",
        })),
        started(),
        exit(0),
    ])])
    .await;
    let options = options()
        .timeout(None)
        .shell("/bin/sh")
        .idle_timeout(None)
        .kill_on_disconnect(true)
        .ttl(None)
        .env("A", "b")
        .cwd("/tmp")
        .pty(true)
        .command_id("mine");
    server.sandbox().run("x", options).await.expect("it ends");
    server.done().await;
}

#[tokio::test]
async fn a_handle_streams_and_steers() {
    let server = Server::start(vec![Play::Socket(vec![
        Step::Expect(execute("cat")),
        started(),
        Step::Expect(json!({"type": "input", "data": "hé"})),
        stdout("hé", 0),
        Step::Expect(json!({"type": "kill"})),
        exit(137),
        Step::Hold,
    ])])
    .await;
    let mut handle = server.sandbox().start("cat", options()).await.expect("it starts");
    assert_eq!((handle.command_id(), handle.pid(), handle.exit_code()), ("c1", Some(7), None));
    handle.send_input("hé").await.expect("it is connected");
    let chunk = handle.next().await.expect("no error");
    let expected = Chunk { stream: OutputStream::Stdout, data: "hé".to_owned(), offset: 0 };
    assert_eq!((chunk, handle.offsets()), (Some(expected), Offsets { stdout: 3, stderr: 0 }));
    handle.kill().await;
    assert_eq!(handle.next().await.expect("no error"), None);
    assert_eq!((handle.exit_code(), handle.next().await.expect("no error")), (Some(137), None));
    handle.send_input("too late").await.expect("it is dropped without a word");
    drop(handle);
    server.done().await;
}

#[tokio::test(start_paused = true)]
async fn a_lost_connection_is_made_again_where_the_output_stopped() {
    for end in [vec![], vec![Step::Close(1001)], vec![Step::Close(1012)], vec![Step::Close(1000)]] {
        let mut first = vec![Step::Expect(execute("x")), started(), stdout("ab", 0)];
        first.extend(end);
        let server = Server::start(vec![
            Play::Socket(first),
            Play::Answer("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n"),
            Play::Socket(vec![reconnect(2, 0), started(), stdout("c", 2), exit(0)]),
        ])
        .await;
        let output = server.sandbox().run("x", options()).await.expect("it is found again");
        assert_eq!((output.stdout.as_str(), output.exit_code), ("abc", 0));
        let heads = server.done().await;
        assert!(heads[2].ends_with("key=key-1234"), "{heads:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_sixth_loss_in_succession_is_one_too_many() {
    let mut plays = vec![Play::Socket(vec![Step::Expect(execute("x")), started()])];
    plays.extend((0..5).map(|_| Play::Socket(vec![reconnect(0, 0)])));
    let server = Server::start(plays).await;
    let begun = tokio::time::Instant::now();
    let error = server.sandbox().run("x", options()).await.expect_err("it is given up");
    assert_eq!((error.kind(), error.is_ambiguous()), (Kind::Connection, true), "{error}");
    assert!(error.message().starts_with("lost the connection 6 times in succession"), "{error}");
    // The clock is paused: what passed is what was slept, 0.5, 1, 2, 4 and 8 s.
    assert!(begun.elapsed() >= Duration::from_millis(15_500), "{:?}", begun.elapsed());
    server.done().await;
}

#[tokio::test]
async fn a_reload_counts_as_a_loss() {
    let reload = || Step::Close(1001);
    let mut plays = vec![Play::Socket(vec![Step::Expect(execute("x")), started(), reload()])];
    plays.extend((0..5).map(|_| Play::Socket(vec![reconnect(0, 0), reload()])));
    let server = Server::start(plays).await;
    let error = server.sandbox().run("x", options()).await.expect_err("it is given up");
    assert!(error.message().starts_with("lost the connection 6 times in succession"), "{error}");
    server.done().await;
}

#[tokio::test(start_paused = true)]
async fn output_makes_good_for_losses() {
    let mut plays = vec![Play::Socket(vec![Step::Expect(execute("x")), started()])];
    for end in 1..=3 {
        plays.extend((0..4).map(|_| Play::Socket(vec![reconnect(end - 1, 0)])));
        plays.push(Play::Socket(vec![reconnect(end - 1, 0), stdout("a", end - 1)]));
    }
    plays.push(Play::Socket(vec![reconnect(3, 0), exit(0)]));
    let server = Server::start(plays).await;
    let output = server.sandbox().run("x", options()).await.expect("no six in succession");
    assert_eq!(output.stdout, "aaa");
    server.done().await;
}

#[tokio::test(start_paused = true)]
async fn a_command_that_is_not_found_again_is_given_up() {
    let gone = Step::Send(json!({"type": "error", "error_type": "CommandNotFound", "error": "gone"}));
    let server = Server::start(vec![
        Play::Socket(vec![Step::Expect(execute("x")), started(), stdout("ab", 0)]),
        Play::Socket(vec![reconnect(2, 0), gone]),
    ])
    .await;
    let error = server.sandbox().run("x", options()).await.expect_err("nobody knows it");
    let found = (error.kind(), error.operation(), error.error_type());
    assert_eq!(found, (Kind::Operation, Some("reconnect"), Some("CommandNotFound")), "{error}");
    server.done().await;
}

#[tokio::test(start_paused = true)]
async fn a_gap_shows_in_the_offset_and_is_not_asked_for_again() {
    let server = Server::start(vec![
        Play::Socket(vec![Step::Expect(execute("x")), started(), stdout("é", 0), stdout("z", 100)]),
        Play::Socket(vec![reconnect(101, 0), exit(0)]),
    ])
    .await;
    let mut handle = server.sandbox().start("x", options()).await.expect("it starts");
    let mut offsets = Vec::new();
    while let Some(chunk) = handle.next().await.expect("it is found again") {
        offsets.push((chunk.offset, handle.offsets().stdout));
    }
    assert_eq!(offsets, [(0, 2), (100, 101)], "offsets are bytes");
    server.done().await;
}

#[tokio::test(start_paused = true)]
async fn headers_of_the_call_go_with_every_connection() {
    let server = Server::start(vec![
        Play::Socket(vec![Step::Expect(execute("x")), started()]),
        Play::Socket(vec![reconnect(0, 0), exit(0)]),
    ])
    .await;
    let headers = [("x-trace", "1"), ("X-Api-Key", "another")];
    let headers = headers.map(|(name, value)| (name.parse().expect("a name"), value.parse().expect("a value")));
    let sandbox = server.sandbox();
    let client = sandbox.client().with_headers(&http::HeaderMap::from_iter(headers));
    let sandbox = crate::client::Sandbox::new(&client, sandbox.into_wire());
    sandbox.run("x", options()).await.expect("it ends");
    assert_eq!(server.done().await, ["GET /dp/1/execute/ws trace=1 key=another"; 2]);
}

#[tokio::test]
async fn a_command_that_was_killed_is_not_looked_for() {
    let server = Server::start(vec![Play::Socket(vec![
        Step::Expect(execute("x")),
        started(),
        Step::Expect(json!({"type": "kill"})),
    ])])
    .await;
    let mut handle = server.sandbox().start("x", options()).await.expect("it starts");
    handle.kill().await;
    let error = handle.next().await.expect_err("the connection is cut");
    assert_eq!(error.kind(), Kind::Connection, "{error}");
    assert_eq!(handle.next().await.expect_err("it said so").kind(), Kind::Operation);
    server.done().await;
}

#[tokio::test]
async fn errors_have_types() {
    let cases = [
        (
            json!({"type": "error", "error_type": "CommandTimeout", "error": "too slow"}),
            Kind::CommandTimeout,
            "command",
        ),
        (json!({"type": "error"}), Kind::Operation, "command"),
        (json!({"type": "exit", "exit_code": 0}), Kind::Operation, "command"),
    ];
    for (message, kind, operation) in cases {
        let server = Server::start(vec![Play::Socket(vec![Step::Expect(execute("x")), Step::Send(message)])]).await;
        let error = server.sandbox().run("x", options()).await.expect_err("it fails");
        assert_eq!((error.kind(), error.operation()), (kind, Some(operation)), "{error}");
        server.done().await;
    }
}

#[tokio::test]
async fn reconnecting_to_a_command_that_is_gone() {
    for (error_type, message) in [
        (
            "CommandNotFound",
            "cannot reconnect to a command in sandbox `box`: there is no command `c1` [CommandNotFound]",
        ),
        (
            "SessionExpired",
            "cannot reconnect to a command in sandbox `box`: command `c1` ended too long ago [SessionExpired]",
        ),
    ] {
        let error = Step::Send(json!({"type": "error", "error_type": error_type, "error": "gone"}));
        let server = Server::start(vec![Play::Socket(vec![reconnect(5, 1), error])]).await;
        let handle = server.sandbox().reconnect("c1", Offsets { stdout: 5, stderr: 1 }).await.expect("it connects");
        assert_eq!(handle.pid(), None);
        let error = handle.result().await.expect_err("it is gone");
        assert_eq!(
            (error.kind(), error.operation(), error.to_string().as_str()),
            (Kind::Operation, Some("reconnect"), message)
        );
        server.done().await;
    }
}

#[tokio::test]
async fn without_websockets_a_command_goes_over_http() {
    let body = r#"{"stdout":"hi","exit_code":2}"#;
    let answer = Box::leak(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_boxed_str());
    let none = || Play::Answer("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n");
    let server = Server::start(vec![none(), Play::Answer(answer)]).await;
    let output = server.sandbox().run("echo", options().cwd("/tmp")).await.expect("it runs");
    assert_eq!((output.stdout.as_str(), output.stderr.as_str(), output.exit_code), ("hi", "", 2));
    let heads = server.done().await;
    assert!(heads[1].starts_with("POST /dp/1/execute HTTP/1.1\r\n"), "{heads:?}");
    let sent: Value = serde_json::from_str(heads[1].split("\r\n\r\n").nth(1).expect("a body")).expect("JSON");
    assert_eq!(sent, json!({"command": "echo", "timeout": 60, "shell": "/bin/bash", "cwd": "/tmp"}));

    // What plain HTTP cannot do is refused, not left out.
    let server = Server::start(vec![none()]).await;
    let error = server.sandbox().run("echo", options().pty(true)).await.expect_err("no WebSocket");
    assert_eq!((error.kind(), error.is_ambiguous()), (Kind::Connection, false), "{error}");
    server.done().await;
}

#[tokio::test]
async fn a_command_that_may_have_started_is_not_started_again() {
    let server = Server::start(vec![Play::Socket(vec![Step::Expect(execute("x"))])]).await;
    let error = server.sandbox().run("x", options()).await.expect_err("the connection is cut");
    assert_eq!((error.kind(), error.is_ambiguous()), (Kind::Connection, true), "{error}");
    assert_eq!(server.done().await.len(), 1);

    // Nor over plain HTTP, where a lost answer is all that is known.
    let server = Server::start(vec![
        Play::Answer("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"),
        Play::Answer("HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n"),
    ])
    .await;
    let error = server.sandbox().run("x", options()).await.expect_err("the answer is lost");
    assert_eq!((error.status().map(|it| it.as_u16()), error.is_ambiguous()), (Some(502), true), "{error}");
    assert_eq!(server.done().await.len(), 2);
}

#[tokio::test]
async fn a_sandbox_that_is_not_ready_is_not_asked() {
    let server = Server::start(vec![]).await;
    let sandbox = server.sandbox_of(json!({"name": "box", "status": "provisioning", "dataplane_url": "http://x"}));
    assert_eq!(sandbox.run("x", options()).await.expect_err("not ready").kind(), Kind::NotReady);
    for url in [json!(null), json!("")] {
        let sandbox = server.sandbox_of(json!({"name": "box", "status": "ready", "dataplane_url": url}));
        let error = sandbox.start("x", options()).await.expect_err("no URL");
        assert_eq!((error.kind(), error.attempts()), (Kind::NoDataPlane, 0));
    }
}

#[tokio::test]
async fn an_upgrade_that_is_refused_is_explained() {
    let cases = [
        (
            "400 Bad Request",
            r#"{"detail":{"error":"NotReady","message":"wait"}}"#,
            Kind::NotReady,
            Some(Resource::Sandbox),
        ),
        ("401 Unauthorized", "", Kind::Authentication, None),
        ("403 Forbidden", "", Kind::Operation, Some(Resource::Sandbox)),
    ];
    for (status, body, kind, resource) in cases {
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        let server = Server::start(vec![Play::Answer(Box::leak(answer.into_boxed_str()))]).await;
        let error = server.sandbox().run("x", options()).await.expect_err("refused");
        assert_eq!((error.kind(), error.resource()), (kind, resource), "{error}");
        server.done().await;
    }
}

#[tokio::test]
async fn a_dropped_handle_hangs_up() {
    let server = Server::start(vec![
        Play::Socket(vec![Step::Expect(execute("x")), started(), Step::Hold]),
        Play::Socket(vec![Step::Expect(execute("x")), started(), Step::Hold]),
    ])
    .await;
    let sandbox = server.sandbox();
    drop(sandbox.start("x", options()).await.expect("it starts"));
    let run = sandbox.run("x", options());
    tokio::time::timeout(Duration::from_millis(100), run).await.expect_err("it does not end");
    server.done().await;
}
