//! `run` and `exec`: a command elsewhere, as if it ran here.

mod stage;

use std::io::{Read as _, Write as _};
use std::process::Stdio;

use self::stage::Stage;
use super::environment::{Environment, Run};
use super::server::signal;

fn environment(stage: &Stage) -> Environment {
    let mut environment = Environment::new();
    environment.set("SBX_ENDPOINT", &stage.url());
    environment
}

/// Returns what a command wrote and how it ended.
fn parts(run: &Run) -> (&str, &str, Option<i32>) {
    (&run.stdout, &run.stderr, run.code)
}

#[test]
fn a_command_runs_in_a_sandbox_that_is_thrown_away() {
    let stage = Stage::start();
    let environment = environment(&stage);
    let run = environment.sbx(&["run", "python", "--", "sh", "-c", "echo \"a  $0\"; echo oh >&2; exit 3", "it's"]);
    assert_eq!(parts(&run), ("a  it's\n", "oh\n", Some(3)), "{run}");
    let calls = stage.calls();
    assert!(calls[0].starts_with("POST /v2/sandboxes/boxes run-"), "{calls:?}");
    assert!(calls[1].starts_with("GET /dp/run-") && calls[1].ends_with("/execute/ws"), "{calls:?}");
    assert!(calls[2].starts_with("DELETE /v2/sandboxes/boxes/run-"), "{calls:?}");
    assert_eq!(calls.len(), 3, "{calls:?}");
}

#[test]
fn a_sandbox_that_is_there_stays() {
    let stage = Stage::start();
    let run = environment(&stage).sbx(&["exec", "box", "-e", "A=b c", "--", "sh", "-c", "printf %s \"$A\""]);
    assert_eq!(parts(&run), ("b c", "", Some(0)), "{run}");
    assert_eq!(stage.calls(), ["GET /v2/sandboxes/boxes/box", "GET /dp/box/execute/ws"]);
}

#[test]
fn input_is_passed_on_to_its_end() {
    let stage = Stage::start();
    // No more than a pipe holds: the test writes all of it before it reads anything.
    let text = "é\n".repeat(10_000);
    let run = environment(&stage).sbx_with_input(&["exec", "box", "--", "cat"], &text);
    assert!(run.stdout == text && run.code == Some(0), "{} bytes, {:?}", run.stdout.len(), run.code);
}

#[test]
fn an_interrupt_deletes_the_sandbox() {
    let stage = Stage::start();
    let environment = environment(&stage);
    let mut command = environment.command();
    command.args(["run", "python", "--", "sh", "-c", "echo up; exec sleep 60"]);
    let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the program can be started");
    let mut up = [0; 3];
    process.stdout.as_mut().expect("it is piped").read_exact(&mut up).expect("the command writes");
    signal(&process, "INT");
    assert_eq!(process.wait().expect("it can be waited for").code(), Some(130));
    let calls = stage.calls();
    assert!(calls.iter().any(|call| call.starts_with("DELETE /v2/sandboxes/boxes/run-")), "{calls:?}");
}

#[test]
fn input_that_is_no_text_is_refused() {
    let stage = Stage::start();
    let environment = environment(&stage);
    let mut command = environment.command();
    command.args(["exec", "box", "--", "cat"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = command.spawn().expect("the program can be started");
    process.stdin.take().expect("it is piped").write_all(&[0xff, b'x']).expect("the program reads");
    let output = process.wait_with_output().expect("it ends");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(1) && errors.contains("`sbx cp` copies any file"), "{errors}");
}

#[test]
fn a_sandbox_that_is_not_there() {
    let stage = Stage::start();
    let run = environment(&stage).sbx(&["exec", "gone", "--", "true"]);
    assert!(run.code == Some(1) && run.stderr.contains("sandbox `gone` not found"), "{run}");
}
