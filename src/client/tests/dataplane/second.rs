//! Commands in sandboxes of the second generation.

use std::time::Duration;

use serde_json::{Value, json};

use super::server::{Play, Server, Step};
use crate::client::{Client, Config, Kind, Offsets, RunOptions, SandboxV2, SocketTimeouts};
use crate::wire::{self, RunConfig};

fn execute(command: &str) -> Value {
    json!({
        "type": "execute", "command": command, "timeout_seconds": 60, "shell": "/bin/bash",
        "idle_timeout_seconds": 300, "kill_on_disconnect": false, "ttl_seconds": 600, "command_id": "c1",
    })
}

fn run_to_its_end(command: &str) -> Value {
    let mut message = execute(command);
    message["close_stdin"] = true.into();
    message
}

fn started() -> Step {
    Step::Send(json!({"type": "started", "command_id": "c1", "pid": 7}))
}

fn stdout(data: &str) -> Step {
    Step::Send(json!({"type": "stdout", "data": data, "offset": 0}))
}

fn exit() -> Step {
    Step::Send(json!({"type": "exit", "exit_code": 0}))
}

fn refuse(head: &str) -> Play {
    Play::Answer(Box::leak(format!("HTTP/1.1 {head}\r\ncontent-length: 0\r\n\r\n").into_boxed_str()))
}

fn options() -> RunOptions {
    RunOptions::default().command_id("c1")
}

fn sandbox(server: &Server, status: &str) -> SandboxV2 {
    let object: wire::SandboxV2 =
        serde_json::from_value(json!({"name": "box", "status": status, "dataplane_url": server.url()})).expect("one");
    let client = Client::new(Config::new(server.url())).expect("a good configuration");
    SandboxV2::new(&client, object)
}

#[tokio::test(start_paused = true)]
async fn a_command_that_was_not_seen_to_start_is_asked_for_again_under_its_id() {
    let server = Server::start(vec![
        Play::Socket(vec![Step::Expect(run_to_its_end("x"))]),
        Play::Socket(vec![Step::Expect(run_to_its_end("x")), Step::Close(1000)]),
        Play::Socket(vec![Step::Expect(run_to_its_end("x")), started(), stdout("once"), exit()]),
    ])
    .await;
    let output = sandbox(&server, "ready").run("x", options()).await.expect("it is taken up");
    assert_eq!((output.stdout.as_str(), output.exit_code), ("once", 0));
    assert_eq!(server.done().await.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_command_that_is_never_seen_to_start_is_given_up() {
    let server = Server::start((0..6).map(|_| Play::Socket(vec![Step::Expect(run_to_its_end("x"))])).collect()).await;
    let error = sandbox(&server, "ready").run("x", options()).await.expect_err("it is lost six times");
    assert_eq!((error.kind(), error.is_ambiguous()), (Kind::Connection, true), "{error}");
    assert_eq!(server.done().await.len(), 6);
}

#[tokio::test(start_paused = true)]
async fn a_sandbox_that_sleeps_is_waited_for_within_the_budget() {
    let mut plays = vec![refuse("429 Too Many Requests\r\nretry-after: 20"), refuse("500 Internal Server Error")];
    plays.extend((0..4).map(|_| refuse("503 Service Unavailable")));
    plays.push(Play::Socket(vec![Step::Expect(run_to_its_end("x")), started(), exit()]));
    let server = Server::start(plays).await;
    let begun = tokio::time::Instant::now();
    sandbox(&server, "stopped").run("x", options()).await.expect("it wakes up");
    assert!(begun.elapsed() >= Duration::from_secs(20), "the clock is paused: {:?}", begun.elapsed());
    assert_eq!(server.done().await.len(), 7, "more than the retries of a call");

    let refusals = (0..4).map(|_| refuse("503 Service Unavailable\r\nretry-after: 50"));
    let server = Server::start(refusals.take(3).collect()).await;
    let error = sandbox(&server, "stopped").run("x", options()).await.expect_err("the third answer comes after 100 s");
    assert_eq!((error.kind(), error.is_ambiguous()), (Kind::Connection, false), "{error}");
    assert_eq!((error.attempts(), error.retry_after()), (3, Some(Duration::from_secs(50))));
    assert_eq!(server.done().await.len(), 3);
}

#[tokio::test]
async fn a_command_does_not_go_over_plain_http() {
    let server = Server::start(vec![refuse("404 Not Found")]).await;
    let error = sandbox(&server, "ready").run("x", options()).await.expect_err("no WebSocket");
    assert_eq!(error.kind(), Kind::Connection, "{error}");
    assert_eq!(server.done().await.len(), 1);
}

#[tokio::test]
async fn input_stays_open_for_whoever_may_write_it() {
    let mut with_config = execute("cat");
    with_config["run_config"] = json!({"user": "me"});
    let server = Server::start(vec![
        Play::Socket(vec![Step::Expect(with_config), started(), Step::Expect(json!({"type": "close_stdin"})), exit()]),
        Play::Socket(vec![
            Step::Expect(json!({
                "type": "execute", "command": "top", "timeout_seconds": 60, "shell": "/bin/bash",
                "idle_timeout_seconds": 300, "kill_on_disconnect": false, "ttl_seconds": 600, "command_id": "c1",
                "pty": true,
            })),
            started(),
            exit(),
        ]),
    ])
    .await;
    let sandbox = sandbox(&server, "ready");
    let run_config = RunConfig { user: Some("me".to_owned()), ..RunConfig::default() };
    let mut handle = sandbox.start("cat", options().run_config(run_config)).await.expect("it starts");
    handle.control().close_input().await.expect("it is connected");
    assert_eq!(handle.next().await.expect("no error"), None);
    sandbox.run("top", options().pty(true)).await.expect("it ends");
    server.done().await;
}

#[tokio::test]
async fn a_reconnect_is_answered_with_the_process() {
    let reconnect = json!({"type": "reconnect", "command_id": "c1", "stdout_offset": 0, "stderr_offset": 0});
    let server = Server::start(vec![Play::Socket(vec![Step::Expect(reconnect), started(), stdout("a"), exit()])]).await;
    let mut handle = sandbox(&server, "ready").reconnect("c1", Offsets::default()).await.expect("it connects");
    assert_eq!(handle.pid(), None);
    handle.next().await.expect("no error");
    assert_eq!(handle.pid(), Some(7));
    server.done().await;
}

#[tokio::test]
async fn without_an_id_of_the_callers_the_client_makes_one_up() {
    let server = Server::start(vec![Play::Socket(vec![Step::Note, started(), exit()])]).await;
    sandbox(&server, "ready").run("x", RunOptions::default()).await.expect("it ends");
    let heads = server.done().await;
    let sent: Value = serde_json::from_str(heads[0].split_once('\n').expect("a message").1).expect("JSON");
    let id = sent["command_id"].as_str().expect("an id");
    assert!(id.len() == 32 && id.as_bytes()[12] == b'7', "{id}");
}

#[tokio::test]
async fn a_sandbox_without_a_url_is_not_asked() {
    let object: wire::SandboxV2 = serde_json::from_value(json!({"name": "box", "status": "ready"})).expect("one");
    let client = Client::new(Config::new("http://127.0.0.1:1")).expect("a good configuration");
    let error = SandboxV2::new(&client, object).run("x", options()).await.expect_err("no URL");
    assert_eq!((error.kind(), error.attempts()), (Kind::NoDataPlane, 0));
}

#[tokio::test(start_paused = true)]
async fn the_time_limits_of_websockets_are_those_of_the_configuration() {
    let of = |server: &Server, timeouts: SocketTimeouts| {
        let object = json!({"name": "box", "status": "ready", "dataplane_url": server.url()});
        let config = Config::new(server.url()).max_retries(1).socket_timeouts(timeouts);
        let client = Client::new(config).expect("a good configuration");
        SandboxV2::new(&client, serde_json::from_value(object).expect("one"))
    };
    // Without a budget the number of attempts is limited.
    let server = Server::start(vec![refuse("503 Busy"), refuse("503 Busy")]).await;
    let unlimited = SocketTimeouts::default().connect_budget(None);
    let error = of(&server, unlimited).start("x", options()).await.expect_err("it is not there");
    assert_eq!((error.kind(), error.attempts()), (Kind::Connection, 2));
    server.done().await;
    // With one of nothing, there is one attempt.
    let server = Server::start(vec![refuse("503 Busy")]).await;
    let none = SocketTimeouts::default().connect_budget(Some(Duration::from_millis(1)));
    let error = of(&server, none).start("x", options()).await.expect_err("it is not there");
    assert_eq!((error.kind(), error.attempts()), (Kind::Connection, 1));
    server.done().await;
}
