use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::command::{Attachment, End, Event};
use super::log::Stream;
use super::{CommandError, NewCommand};
use crate::server::options::Limits;
use crate::server::runtime::fake::{Call, FakeRuntime};
use crate::server::runtime::{Control, ExecSpec};
use crate::server::tests::harness::Server;
use crate::types::SandboxId;

async fn sandbox() -> (Server, FakeRuntime, SandboxId) {
    let runtime = FakeRuntime::new();
    let server = Server::with(Arc::new(runtime.clone()), Limits::default()).await;
    server.ok("POST", "/templates", json!({"name": "t", "image": "x"})).await;
    let body = json!({"name": "s", "template_name": "t", "idle_ttl_seconds": 600});
    let made = server.ok("POST", "/boxes", body).await;
    let id = SandboxId::new(made["id"].as_str().expect("a text"));
    (server, runtime, id)
}

fn command(script: &str) -> NewCommand {
    NewCommand {
        exec: ExecSpec { argv: vec![script.to_owned()], ..ExecSpec::default() },
        id: Some("c".to_owned()),
        timeout: None,
        idle_timeout: None,
        kill_on_disconnect: false,
        keep_for: Some(Duration::from_mins(10)),
    }
}

/// Reads to the end: the output as text by stream, and the end.
async fn all(mut attachment: Attachment) -> (String, String, End) {
    let (mut out, mut err) = (String::new(), String::new());
    loop {
        match attachment.next().await.expect("an end comes last") {
            Event::Output(piece) if piece.stream == Stream::Stdout => out.push_str(&piece.data),
            Event::Output(piece) => err.push_str(&piece.data),
            Event::Ended(end) => {
                assert_eq!(attachment.next().await, None);
                return (out, err, end);
            }
        }
    }
}

fn texts(out: &str, err: &str, end: End) -> (String, String, End) {
    (out.to_owned(), err.to_owned(), end)
}

#[tokio::test(start_paused = true)]
async fn output_and_code() {
    let (server, _, id) = sandbox().await;
    let attached = server.app.run_command(&id, command("out a\nerr b\nout c\nexit 3")).await.expect("starts");
    assert_eq!((attached.id(), attached.pid()), ("c", Some(2)));
    assert_eq!(all(attached).await, texts("ac", "b", End::Exited(3)));
}

#[tokio::test(start_paused = true)]
async fn input_and_kill() {
    let (server, _, id) = sandbox().await;
    let mut attached = server.app.run_command(&id, command("cat")).await.expect("starts");
    attached.controls().tell(Control::Input("hé".into())).await;
    assert!(matches!(attached.next().await, Some(Event::Output(piece)) if piece.data == "hé"));
    attached.controls().kill();
    assert_eq!(all(attached).await, texts("", "", End::Exited(137)));
}

#[tokio::test(start_paused = true)]
async fn attaching_again_misses_nothing() {
    let (server, runtime, id) = sandbox().await;
    let first = server.app.run_command(&id, command("out abc\nerr de\nsleep 1000\nout fg")).await.expect("starts");
    drop(first);
    let second = server.app.attach(&id, "c", 1, 2).await.expect("is known");
    let again = server.app.run_command(&id, command("other")).await.expect("the id is taken: attaches");
    assert_eq!(all(second).await, texts("bcfg", "", End::Exited(0)));
    assert_eq!(all(again).await, texts("abcfg", "de", End::Exited(0)));
    let n_commands = runtime.calls().iter().filter(|call| matches!(call, Call::Exec(..))).count();
    assert_eq!(n_commands, 1);
}

#[tokio::test(start_paused = true)]
async fn a_finished_command_is_kept_for_a_while() {
    let (server, _, id) = sandbox().await;
    let new = NewCommand { keep_for: Some(Duration::from_mins(1)), ..command("out a") };
    all(server.app.run_command(&id, new).await.expect("starts")).await;
    tokio::time::sleep(Duration::from_secs(59)).await;
    let late = server.app.attach(&id, "c", 0, 0).await.expect("is kept");
    assert_eq!(all(late).await, texts("a", "", End::Exited(0)));
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(matches!(server.app.attach(&id, "c", 0, 0).await, Err(CommandError::Expired { .. })));
    assert!(matches!(server.app.attach(&id, "d", 0, 0).await, Err(CommandError::NotFound { .. })));
}

#[tokio::test(start_paused = true)]
async fn limits_end_a_command() {
    let (server, _, id) = sandbox().await;
    let timed = NewCommand { timeout: Some(Duration::from_secs(5)), ..command("out a\ncat") };
    let attached = server.app.run_command(&id, timed).await.expect("starts");
    assert_eq!(all(attached).await, texts("a", "", End::TimedOut));

    let named = |id: &str, new: NewCommand| NewCommand { id: Some(id.to_owned()), ..new };
    let idle = NewCommand { idle_timeout: Some(Duration::from_secs(30)), ..command("cat") };
    drop(server.app.run_command(&id, named("idle", idle)).await.expect("starts"));
    tokio::time::sleep(Duration::from_secs(20)).await;
    drop(server.app.attach(&id, "idle", 0, 0).await.expect("runs"));
    tokio::time::sleep(Duration::from_secs(20)).await;
    let mut attached = server.app.attach(&id, "idle", 0, 0).await.expect("is known");
    let next = tokio::time::timeout(Duration::ZERO, attached.next()).await;
    assert!(next.is_err(), "it still runs, as the clock began anew: {next:?}");
    drop(attached);
    tokio::time::sleep(Duration::from_secs(31)).await;
    let attached = server.app.attach(&id, "idle", 0, 0).await.expect("is kept");
    assert_eq!(all(attached).await.2, End::Exited(137));

    let fragile = NewCommand { kill_on_disconnect: true, ..command("cat") };
    let attached = server.app.run_command(&id, named("fragile", fragile)).await.expect("starts");
    tokio::time::sleep(Duration::from_secs(1)).await;
    drop(attached);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let attached = server.app.attach(&id, "fragile", 0, 0).await.expect("is kept");
    assert_eq!(all(attached).await.2, End::Exited(137));
}

#[tokio::test(start_paused = true)]
async fn who_reads_slowly_misses_nothing_and_who_does_not_read_holds_nobody_up() {
    let (server, _, id) = sandbox().await;
    let flood = vec![format!("out {}", "x".repeat(100_000)); 50].join("\n");
    let mut slow = server.app.run_command(&id, command(&flood)).await.expect("starts");
    let idle = server.app.attach(&id, "c", 0, 0).await.expect("runs");
    let mut n_bytes = 0;
    while let Some(Event::Output(piece)) = slow.next().await {
        assert_eq!(piece.offset, n_bytes);
        n_bytes += piece.data.len() as u64;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(n_bytes, 5_000_000);
    drop(idle);
}

#[tokio::test(start_paused = true)]
async fn commands_end_with_their_sandbox() {
    let (server, _, id) = sandbox().await;
    let attached = server.app.run_command(&id, command("cat")).await.expect("starts");
    server.ok("DELETE", "/boxes/s", Value::Null).await;
    assert_eq!(all(attached).await.2, End::Lost);
    assert!(matches!(server.app.run_command(&id, command("cat")).await, Err(CommandError::Sandbox(_))));
}

#[tokio::test(start_paused = true)]
async fn output_is_activity() {
    let (server, _, id) = sandbox().await;
    let chatty = "sleep 300000\nout a\nsleep 300000\nout b\nsleep 300000\nout c";
    let attached = server.app.run_command(&id, command(chatty)).await.expect("starts");
    tokio::time::sleep(Duration::from_mins(16)).await;
    server.ok("GET", "/boxes/s", Value::Null).await;
    drop(attached);
    tokio::time::sleep(Duration::from_mins(10)).await;
    assert_eq!(server.call("GET", "/boxes/s", Value::Null).await.status, 404);
}

#[tokio::test(start_paused = true)]
async fn a_command_is_followed_although_nobody_waited_for_its_start() {
    let (server, runtime, id) = sandbox().await;
    runtime.hold_commands(true);
    let fragile = NewCommand { kill_on_disconnect: true, ..command("cat") };
    let asked = server.app.run_command(&id, fragile);
    assert!(tokio::time::timeout(Duration::from_secs(1), asked).await.is_err(), "whoever asked hangs up");
    runtime.hold_commands(false);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let attached = server.app.attach(&id, "c", 0, 0).await.expect("is known");
    assert_eq!(all(attached).await.2, End::Exited(137), "it started, and ends with who asked for it");
}
