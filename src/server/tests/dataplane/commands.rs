use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::DuplexStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use super::sandbox;
use crate::server::tests::harness::Server;

/// A conversation about one command.
struct Talk(WebSocketStream<DuplexStream>);

impl Talk {
    async fn begin(server: &Server, path: &str, first: Value) -> Self {
        let mut talk = Self(server.websocket(&format!("{path}/execute/ws")).await);
        talk.say(first).await;
        talk
    }

    async fn say(&mut self, message: Value) {
        self.0.send(Message::text(message.to_string())).await.expect("is taken");
    }

    /// Returns the next message, or the close code as a number; null when the connection ends without one.
    async fn hear(&mut self) -> Value {
        loop {
            match self.0.next().await {
                Some(Ok(Message::Text(text))) => return serde_json::from_str(&text).expect("JSON"),
                Some(Ok(Message::Close(frame))) => {
                    return frame.map_or(json!(1005), |frame| json!(u16::from(frame.code)));
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Value::Null,
            }
        }
    }

    /// Returns all messages to the end.
    async fn all(&mut self) -> Vec<Value> {
        let mut all = Vec::new();
        loop {
            let message = self.hear().await;
            let is_last = !message.is_object();
            all.push(message);
            if is_last {
                return all;
            }
        }
    }
}

fn execute(script: &str) -> Value {
    json!({
        "type": "execute", "command": script, "timeout_seconds": 60, "shell": "/bin/bash",
        "idle_timeout_seconds": 300, "kill_on_disconnect": false, "ttl_seconds": 600, "command_id": "c",
    })
}

fn reconnect(stdout_offset: u64) -> Value {
    json!({"type": "reconnect", "command_id": "c", "stdout_offset": stdout_offset, "stderr_offset": 0})
}

fn failed(kind: &str, message: &Value) {
    assert_eq!((&message["type"], &message["error_type"]), (&json!("error"), &json!(kind)), "{message}");
}

#[tokio::test(start_paused = true)]
async fn a_command_is_answered_whole() {
    let (server, _, path) = sandbox().await;
    let place = format!("{path}/execute");
    let run = |body: Value| server.root("POST", &place, body);
    let reply = run(json!({"command": "out a\nerr b\nexit 3"})).await;
    assert_eq!(reply.body, json!({"stdout": "a", "stderr": "b", "exit_code": 3}));
    let reply = run(json!({"command": "cat", "timeout": 5})).await;
    assert_eq!((reply.status.as_u16(), &reply.body["detail"]["error"]), (408, &json!("CommandTimeout")));
    assert_eq!(run(json!({"command": "x", "env": {"a": 1}})).await.status, 422);
    assert_eq!(run(json!({})).await.status, 422);
    let forever = run(json!({"command": "out a\nsleep 100000\nout b", "timeout": 0, "cwd": "", "env": null})).await;
    assert_eq!(forever.body["stdout"], "ab");
}

#[tokio::test(start_paused = true)]
async fn a_command_is_streamed() {
    let (server, _, path) = sandbox().await;
    let mut talk = Talk::begin(&server, &path, execute("out a\nsleep 10\nerr é\nsleep 10\nout b\nexit 3")).await;
    let expected = [
        json!({"type": "started", "command_id": "c", "pid": 2}),
        json!({"type": "stdout", "data": "a", "offset": 0}),
        json!({"type": "stderr", "data": "é", "offset": 0}),
        json!({"type": "stdout", "data": "b", "offset": 1}),
        json!({"type": "exit", "exit_code": 3}),
        json!(1000),
    ];
    assert_eq!(talk.all().await, expected);
    let mut again = Talk::begin(&server, &path, reconnect(1)).await;
    // It is said on coming back, too, as the second generation has it.
    assert_eq!(again.all().await, [&expected[..1], &expected[2..]].concat());
}

#[tokio::test(start_paused = true)]
async fn input_reaches_the_command_and_what_is_not_known_is_passed_over() {
    let (server, _, path) = sandbox().await;
    let mut talk = Talk::begin(&server, &path, execute("size\ncat")).await;
    assert_eq!(talk.hear().await["type"], "started");
    talk.say(json!({"type": "later", "version": 2})).await;
    talk.say(json!({"type": "resize", "rows": 24, "columns": 80})).await;
    assert_eq!(talk.hear().await["data"], "24x80");
    talk.say(json!({"type": "input", "data": "hé"})).await;
    assert_eq!(talk.hear().await["data"], "hé");
    talk.say(json!({"type": "close_input"})).await;
    assert_eq!(talk.all().await, [json!({"type": "exit", "exit_code": 0}), json!(1000)]);
}

#[tokio::test(start_paused = true)]
async fn a_kill_works_although_the_client_has_gone_and_input_waits() {
    let (server, _, path) = sandbox().await;
    let mut talk = Talk::begin(&server, &path, execute("out a\nsleep 100000000")).await;
    assert_eq!(talk.hear().await["type"], "started");
    for _ in 0..20 {
        talk.say(json!({"type": "input", "data": "x".repeat(1000)})).await;
    }
    talk.say(json!({"type": "kill"})).await;
    drop(talk);
    let mut again = Talk::begin(&server, &path, reconnect(1)).await;
    let started = json!({"type": "started", "command_id": "c", "pid": 2});
    assert_eq!(again.all().await, [started, json!({"type": "exit", "exit_code": 137}), json!(1000)]);
}

#[tokio::test(start_paused = true)]
async fn input_can_be_closed_from_the_start_and_an_id_is_taken_up() {
    let (server, _, path) = sandbox().await;
    let mut closed = execute("cat\nout done\nsleep 1000");
    closed["close_stdin"] = json!(true);
    let mut talk = Talk::begin(&server, &path, closed.clone()).await;
    assert_eq!(talk.hear().await["type"], "started");
    assert_eq!(talk.hear().await["data"], "done");
    let mut same = Talk::begin(&server, &path, closed).await;
    assert_eq!(same.hear().await, json!({"type": "started", "command_id": "c", "pid": 2}));
    assert_eq!(same.hear().await["data"], "done", "one command, heard from its beginning");
    same.say(json!({"type": "kill"})).await;
    assert_eq!(talk.all().await, [json!({"type": "exit", "exit_code": 137}), json!(1000)]);
}

#[tokio::test(start_paused = true)]
async fn limits_and_strangers_are_told_apart() {
    let (server, _, path) = sandbox().await;
    let mut timed = execute("cat");
    timed["timeout_seconds"] = json!(5);
    timed["ttl_seconds"] = json!(10);
    let mut talk = Talk::begin(&server, &path, timed).await;
    assert_eq!(talk.hear().await["type"], "started");
    failed("CommandTimeout", &talk.hear().await);
    assert_eq!(talk.hear().await, 1000);
    tokio::time::sleep(std::time::Duration::from_secs(11)).await;
    failed("SessionExpired", &Talk::begin(&server, &path, reconnect(0)).await.hear().await);
    let unknown = json!({"type": "reconnect", "command_id": "d", "stdout_offset": 0, "stderr_offset": 0});
    failed("CommandNotFound", &Talk::begin(&server, &path, unknown).await.hear().await);
    for first in [json!({"type": "kill"}), json!({"type": "execute"}), json!([])] {
        failed("InvalidMessage", &Talk::begin(&server, &path, first).await.hear().await);
    }
}

#[tokio::test(start_paused = true)]
async fn the_command_ends_with_its_sandbox() {
    let (server, _, path) = sandbox().await;
    let mut talk = Talk::begin(&server, &path, execute("cat")).await;
    assert_eq!(talk.hear().await["type"], "started");
    server.ok("DELETE", "/boxes/s", Value::Null).await;
    failed("CommandError", &talk.hear().await);
    let reply = server.root("POST", &format!("{path}/execute"), json!({"command": "cat"})).await;
    assert_eq!((reply.status.as_u16(), &reply.body["detail"]["error"]), (404, &json!("NotFound")));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_ends_says_that_it_may_come_back() {
    let (server, _, path) = sandbox().await;
    let mut talk = Talk::begin(&server, &path, execute("cat")).await;
    assert_eq!(talk.hear().await["type"], "started");
    let ((), heard) = tokio::join!(server.app.close(), talk.all());
    assert_eq!(heard, [json!(1012)]);
}

#[tokio::test(start_paused = true)]
async fn commands_and_starts_are_counted() {
    let (server, _, path) = sandbox().await;
    let mut talk = Talk::begin(&server, &path, execute("cat")).await;
    assert_eq!(talk.hear().await["type"], "started");
    server.root("POST", &format!("{path}/execute"), json!({"command": "exit 1"})).await;
    server.root("POST", &format!("{path}/execute"), json!({"command": "cat", "timeout": 1})).await;
    let text = server.root("GET", "/metrics", Value::Null).await.text;
    for line in [
        "sbx_commands_total{end=\"exited\"} 1",
        "sbx_commands_total{end=\"timed_out\"} 1",
        "sbx_commands_running 1",
        "sbx_sandbox_start_seconds_count{result=\"ready\"} 1",
        "sbx_sandbox_ready_seconds_count{path=\"cold\"} 1",
        "sbx_command_start_seconds_count 3",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn fault_rules_reload_and_cut() {
    let (server, _, path) = sandbox().await;
    let rule = |rule: Value| server.root("POST", "/_sbx/faults", rule);
    rule(json!({"operation": "execute_ws", "cut_after_bytes": 1, "close_code": 1001})).await;
    let mut talk = Talk::begin(&server, &path, execute("out a\nsleep 10\nout b\ncat")).await;
    let heard = talk.all().await;
    assert_eq!((heard.len(), &heard[1]["data"], &heard[2]), (3, &json!("a"), &json!(1001)));
    rule(json!({"operation": "execute_ws", "cut_after_bytes": 1})).await;
    let mut talk = Talk::begin(&server, &path, reconnect(1)).await;
    let heard = talk.all().await;
    assert_eq!((&heard[0]["type"], &heard[1]["data"], &heard[2]), (&json!("started"), &json!("b"), &Value::Null));
}
