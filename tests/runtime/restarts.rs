//! What comes back, and what does not, after the server or a sandbox was killed.

use std::net::TcpStream;

use rustix::process::{Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_tungstenite::tungstenite::{self, Message};

use crate::served::{Ran, Served, becomes, sh, until};

fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

fn ran(stdout: &str) -> Ran {
    Ran { code: 0, stdout: stdout.to_owned() }
}

/// Says one thing about the commands of a sandbox; returns the first thing that comes back.
fn talk(server: &Served, id: &str, message: &Value) -> Value {
    let stream = TcpStream::connect(&server.host).expect("it listens");
    let url = format!("ws://{}/dp/{id}/execute/ws", server.host);
    let (mut socket, _) = tungstenite::client(url, stream).expect("it takes WebSockets");
    socket.send(Message::text(message.to_string())).expect("it is there");
    loop {
        if let Message::Text(text) = socket.read().expect("it answers") {
            return serde_json::from_str(&text).expect("it is JSON");
        }
    }
}

fn start_command(server: &Served, id: &str, command_id: &str) {
    let started = talk(
        server,
        id,
        &json!({
            "type": "execute", "command": "exec sleep 7777", "timeout_seconds": 600, "shell": "/bin/sh",
            "idle_timeout_seconds": -1, "kill_on_disconnect": false, "ttl_seconds": 600, "command_id": command_id,
        }),
    );
    assert_eq!(started["type"], "started", "{started}");
}

fn is_unknown(server: &Served, id: &str, command_id: &str) {
    let asked = json!({"type": "reconnect", "command_id": command_id, "stdout_offset": 0, "stderr_offset": 0});
    assert_eq!(talk(server, id, &asked)["error_type"], "CommandNotFound");
}

#[test]
fn a_sandbox_comes_back_on_its_disk_when_the_server_was_killed() {
    engine!();
    let folder = folder();
    let data = folder.path().join("data");
    let server = Served::start(&data);
    server.template("t", &json!([]));
    let id = server.sandbox("s", "t");
    assert_eq!(server.sh(&id, "echo kept > file; mkdir -p /deep/er; touch /deep/er/too"), ran(""));
    start_command(&server, &id, "before");
    server.kill();

    let server = Served::start(&data);
    assert_eq!(server.ok("GET", "/boxes/s/status", &Value::Null)["status"], "ready");
    is_unknown(&server, &id, "before");
    assert!(server.agents().is_empty(), "nothing runs before it is needed");
    assert_eq!(server.sh(&id, "cat file; ls /deep/er; pgrep sleep"), Ran { code: 1, ..ran("kept\ntoo\n") });
    start_command(&server, &id, "before");
    server.stop();
}

#[test]
fn a_sandbox_comes_back_on_its_disk_when_it_was_killed() {
    engine!();
    let folder = folder();
    let server = Served::start(&folder.path().join("data"));
    server.template("t", &json!([]));
    let id = server.sandbox("s", "t");
    // What is not enforced on this machine stands there too.
    let fresh = server.ok("GET", "/boxes/s/status", &Value::Null);
    let mut lines = String::new();
    for life in 0..5 {
        lines.extend([life.to_string().as_str(), "\n"]);
        assert_eq!(server.sh(&id, &format!("echo {life} >> file")), ran(""));
        start_command(&server, &id, "before");
        let agents = server.agents();
        assert_eq!(agents.len(), 1, "of one sandbox");
        kill_process(agents[0], Signal::KILL).expect("it is there");
        // Who comes before anybody has noticed is refused, as nobody knows what became of the command, or waits.
        let found = until("a command", || {
            sh(&server.host, &id, "cat file").expect("it answers").map_err(|answer| {
                assert_eq!((answer.status, &answer.body["detail"]["error"]), (400, &json!("NotReady")));
                "it is refused".to_owned()
            })
        });
        assert_eq!(found, ran(&lines));
        is_unknown(&server, &id, "before");
        assert_eq!(server.ok("GET", "/boxes/s/status", &Value::Null), fresh);
    }
    server.ok("DELETE", "/boxes/s", &Value::Null);
    becomes("an empty folder", &Vec::<String>::new(), || server.entries("sandboxes"));
    server.stop();
}

#[test]
fn a_sandbox_that_was_killed_says_so_until_it_is_used() {
    engine!();
    let folder = folder();
    let server = Served::start(&folder.path().join("data"));
    server.template("t", &json!([]));
    let id = server.sandbox("s", "t");
    kill_process(server.agents()[0], Signal::KILL).expect("it is there");
    let message = "the sandbox's first process ended; it is started again on its disk when it is used";
    let expected = json!({"status": "ready", "status_message": message});
    becomes("the message", &expected, || server.ok("GET", "/boxes/s/status", &Value::Null));
    assert_eq!(server.sh(&id, "echo back"), ran("back\n"));
    server.stop();
}

#[test]
fn replicas_are_made_anew_and_claimed_ones_keep_their_disks() {
    engine!();
    let folder = folder();
    let data = folder.path().join("data");
    let server = Served::start(&data);
    server.template("t", &json!([]));
    server.ok("POST", "/pools", &json!({"name": "p", "template_name": "t", "replicas": 2, "timeout": 120}));
    let claimed = server.sandbox("s", "t");
    assert_eq!(server.sh(&claimed, "echo mine > file"), ran(""));
    becomes("three sandboxes", &3, || server.agents().len());
    let before = server.entries("sandboxes");
    server.kill();

    let server = Served::start(&data);
    // Warm again, of new ones; what was claimed waits for its first use.
    becomes("two replicas", &2, || server.agents().len());
    becomes("three disks", &3, || server.entries("sandboxes").len());
    let after = server.entries("sandboxes");
    assert_eq!(before.iter().filter(|id| after.contains(id)).collect::<Vec<_>>(), [&claimed]);
    assert_eq!(server.sh(&claimed, "cat file"), ran("mine\n"));
    let other = server.sandbox("o", "t");
    assert!(after.contains(&other), "it comes from the pool");
    server.stop();
}

#[test]
fn what_a_lost_database_knows_nothing_of_is_cleared_away_but_not_volumes() {
    engine!();
    let folder = folder();
    let data = folder.path().join("data");
    let server = Served::start(&data);
    server.ok("POST", "/volumes", &json!({"name": "v", "size": "1Gi"}));
    server.template("t", &json!([{"volume_name": "v", "mount_path": "/data"}]));
    let id = server.sandbox("s", "t");
    assert_eq!(server.sh(&id, "echo kept > /data/file"), ran(""));
    server.kill();
    for name in ["state.db", "state.db-wal", "state.db-shm"] {
        let _ = std::fs::remove_file(data.join(name));
    }

    let server = Served::start(&data);
    assert!(server.entries("sandboxes").is_empty());
    assert_eq!(server.entries("volumes").len(), 1, "data is never destroyed by implication");
    server.stop();
}

#[test]
fn a_server_that_stops_takes_its_sandboxes_along() {
    engine!();
    let folder = folder();
    let data = folder.path().join("data");
    let server = Served::start(&data);
    server.template("t", &json!([]));
    for n in 0..10 {
        server.sandbox(&format!("s{n}"), "t");
    }
    let agents = server.agents();
    assert_eq!(agents.len(), 10);
    server.stop();
    for agent in agents {
        assert!(rustix::process::test_kill_process(agent).is_err(), "{agent:?} is waited for");
    }
}
