//! `sbx serve`, `--local` beside it, and processes that end at the wrong moment.

use std::process::Stdio;
use std::thread;

use super::environment::Environment;
use super::server::{Server, signal};

const VOLUME: &str = "{apiVersion: sbx/v1, kind: Volume, metadata: {name: data}, spec: {size: 1Gi}}";

/// Two objects of which the second needs the first.
const CHAIN: &str = "\
{apiVersion: sbx/v1, kind: Template, metadata: {name: plain}, spec: {image: x}}
---
{apiVersion: sbx/v1, kind: Pool, metadata: {name: warm}, spec: {template_name: plain, replicas: 1}}
";

#[test]
fn local_commands_use_the_server_that_runs() {
    let environment = Environment::new();
    environment.write("v.yaml", VOLUME);
    let server = Server::start(&environment, &[]);
    insta::assert_snapshot!(environment.sbx(&["apply", "-f", "v.yaml", "--local", "--yes"]), @r"
    $ sbx apply -f v.yaml --local --yes
    --- stdout
    + create volume/data
        size: 1Gi

    Plan: 1 to create.
    Done: 1 created.
    --- stderr
    Local server, running at http://127.0.0.1:<port>.
    created volume/data (<duration>)
    --- exit code 0
    ");
    let run = environment.sbx(&["get", "all", "-o", "name", "--endpoint", &server.url()]);
    assert_eq!(run.stdout, "volume/data\n", "{run}");
    assert_eq!(server.end("TERM"), Some(0));
    let run = environment.sbx(&["get", "all", "-o", "name", "--local", "-q"]);
    assert_eq!(run.stdout, "volume/data\n", "{run}");
}

#[test]
fn what_was_acknowledged_survives_a_kill() {
    let environment = Environment::new();
    environment.write("w.yaml", CHAIN);
    let server = Server::start(&environment, &[]);
    let run = environment.sbx(&["apply", "-f", "w.yaml", "--yes", "--endpoint", &server.url()]);
    assert_eq!(run.code, Some(0), "{run}");
    assert_eq!(server.end("KILL"), None);
    let server = Server::start(&environment, &[]);
    let run = environment.sbx(&["plan", "-f", "w.yaml", "--exit-code", "--endpoint", &server.url()]);
    assert_eq!(run.code, Some(0), "{run}");
}

#[test]
fn local_commands_at_the_same_time_take_turns() {
    let environment = Environment::new();
    for n in 0..4 {
        environment.write(format!("v{n}.yaml"), &VOLUME.replace("name: data", &format!("name: data-{n}")));
    }
    thread::scope(|scope| {
        let run = |n: usize| {
            let (file, inventory) = (format!("v{n}.yaml"), format!("v{n}.json"));
            environment.sbx(&["apply", "-f", &file, "--local", "--yes", "--inventory", &inventory])
        };
        let runs: Vec<_> = (0..4).map(|n| scope.spawn(move || run(n))).collect();
        for run in runs {
            let run = run.join().expect("the test's thread ends");
            assert_eq!(run.code, Some(0), "{run}");
        }
    });
    let run = environment.sbx(&["get", "volumes", "--local", "-o", "name", "-q"]);
    assert_eq!(run.stdout, "volume/data-0\nvolume/data-1\nvolume/data-2\nvolume/data-3\n");
}

#[test]
fn a_failure_stops_only_what_depends_on_it() {
    let environment = Environment::new();
    environment.write("w.yaml", &format!("{CHAIN}---\n{VOLUME}\n"));
    let server = Server::start(&environment, &[]);
    server.fault(r#"{"operation": "create_template", "status": 400, "body": {"detail": {"error": "X", "message": "no \u001b[31mway"}}}"#);
    let arguments = ["apply", "-f", "w.yaml", "--yes", "--parallelism", "1", "--endpoint", &server.url()];
    let run = environment.sbx(&arguments);
    insta::assert_snapshot!(format!("{}\n{}", run.stdout.split("Plan:").nth(1).unwrap_or_default(), run.stderr), @r"
     3 to create.
    Done: 1 created.
    Not done: 1 failed, 1 skipped.
      failed  create template/plain: cannot create template `plain`: no \u{1b}[31mway
      skipped create pool/warm: could not create template/plain

    failed to create template/plain (<duration>): cannot create template `plain`: no \u{1b}[31mway
    did not create pool/warm: could not create template/plain
    created volume/data (<duration>)
    hint: mend the cause and run the same again: it goes on from here
    ");
    assert_eq!(run.code, Some(1), "{run}");
    let run = environment.sbx(&arguments);
    assert_eq!(run.code, Some(0), "the rule struck once, and a second run goes on from there: {run}");
}

#[test]
fn a_killed_apply_is_finished_by_the_next() {
    let environment = Environment::new();
    environment.write("w.yaml", CHAIN);
    let server = Server::start(&environment, &[]);
    server.fault(r#"{"operation": "create_template", "delay_ms": 500}"#);
    let mut command = environment.command();
    command.args(["apply", "-f", "w.yaml", "--yes", "-o", "json", "--endpoint", &server.url()]);
    let mut process = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it can be started");
    wait_for_line(&mut process, "\"started\"");
    signal(&process, "KILL");
    assert_eq!(process.wait().expect("it ends").code(), None);
    let run = environment.sbx(&["apply", "-f", "w.yaml", "--yes", "--endpoint", &server.url()]);
    assert_eq!(run.code, Some(0), "{run}");
    let run = environment.sbx(&["get", "all", "-o", "name", "--endpoint", &server.url()]);
    assert_eq!(run.stdout, "template/plain\npool/warm\n");
}

#[test]
fn an_interrupt_lets_what_runs_finish() {
    let environment = Environment::new();
    environment.write("w.yaml", CHAIN);
    let server = Server::start(&environment, &[]);
    server.delay("create_template", 2000);
    let mut command = environment.command();
    command.args(["apply", "-f", "w.yaml", "--yes", "-o", "json", "--endpoint", &server.url()]);
    let mut process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it can be started");
    wait_for_line(&mut process, "\"started\"");
    signal(&process, "INT");
    let output = process.wait_with_output().expect("its output can be read");
    let stderr = String::from_utf8_lossy(&output.stderr);
    insta::assert_snapshot!(format!("{stderr}{:?}", output.status.code()), @r"
    Stopping: 1 still running. Interrupt again to stop now.
    hint: run the same again: it goes on from here
    Some(130)
    ");
    let run = environment.sbx(&["get", "all", "-o", "name", "--endpoint", &server.url()]);
    assert_eq!(run.stdout, "template/plain\n", "the first was done, the second not begun");
    let run = environment.sbx(&["apply", "-f", "w.yaml", "--yes", "--endpoint", &server.url()]);
    assert_eq!(run.code, Some(0), "{run}");
}

#[test]
fn a_second_interrupt_stops_at_once() {
    let environment = Environment::new();
    environment.write("w.yaml", CHAIN);
    let server = Server::start(&environment, &[]);
    // Longer than any test may take: only the interrupt ends it.
    server.delay("create_template", 600_000);
    let mut command = environment.command();
    command.args(["apply", "-f", "w.yaml", "--yes", "-o", "json", "--endpoint", &server.url()]);
    let mut process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it can be started");
    wait_for_line(&mut process, "\"started\"");
    let mut stderr = std::io::BufReader::new(process.stderr.take().expect("it is piped"));
    signal(&process, "INT");
    let mut said = String::new();
    std::io::BufRead::read_line(&mut stderr, &mut said).expect("it says that it stops");
    signal(&process, "TERM");
    assert_eq!(process.wait().expect("it ends").code(), Some(130));
    std::io::Read::read_to_string(&mut stderr, &mut said).expect("it is UTF-8");
    insta::assert_snapshot!(said, @r"
    Stopping: 1 still running. Interrupt again to stop now.
    Stopped. What was running may or may not have been done.
    hint: run the same again: it goes on from here
    ");
}

/// Between its two renames the name is nobody's: however often somebody says stop, the second one is waited for.
#[test]
fn no_interrupt_splits_a_swap() {
    let environment = Environment::new();
    let server = Server::start(&environment, &[]);
    let apply = ["apply", "-f", "w.yaml", "--yes", "-o", "json", "--endpoint", &server.url()];
    environment.write("w.yaml", CHAIN);
    assert_eq!(environment.sbx(&apply).code, Some(0));
    environment.write("w.yaml", &CHAIN.replace("image: x", "image: y"));
    server.fault(r#"{"operation": "update_template", "skip": 1, "count": 1, "delay_ms": 5000}"#);
    let mut command = environment.command();
    let mut process = command.args(apply).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    while server.request("GET", "/v2/sandboxes/templates/plain", "").starts_with("HTTP/1.1 200") {
        assert_eq!(process.try_wait().unwrap(), None, "it goes on");
        std::thread::yield_now();
    }
    let mut stderr = std::io::BufReader::new(process.stderr.take().expect("it is piped"));
    let mut said = String::new();
    for name in ["INT", "TERM", "INT"] {
        signal(&process, name);
        std::io::BufRead::read_line(&mut stderr, &mut said).expect("it answers");
    }
    let output = process.wait_with_output().expect("it ends");
    std::io::Read::read_to_string(&mut stderr, &mut said).expect("it is UTF-8");
    insta::assert_snapshot!(format!("{said}{:?}", output.status.code()), @r"
    Stopping: 1 still running. Interrupt again to stop now.
    Stopped. What was running may or may not have been done.
    Calls that belong together are let end, within <duration> from when it was to stop.
    hint: run the same again: it goes on from here
    Some(130)
    ");
    let stdout = String::from_utf8_lossy(&output.stdout);
    let last = stdout.lines().last().expect("it says how it ended");
    assert!(last.contains("\"type\":\"outcome\"") && last.contains("\"is_interrupted\":true"), "{last}");
    let names = environment.sbx(&["get", "templates", "-o", "name", "--endpoint", &server.url()]);
    assert_eq!(names.stdout.lines().next(), Some("template/plain"), "{names}");
}

#[test]
fn serve_refuses_what_it_cannot_do() {
    let environment = Environment::new();
    let server = Server::start(&environment, &["--data-dir", "data"]);
    insta::assert_snapshot!(environment.sbx(&["serve", "--listen", "0.0.0.0:0", "--data-dir", "other", "-q"]), @r"
    $ sbx serve --listen 0.0.0.0:0 --data-dir other -q
    --- stderr
    error: the local server did not start
    caused by: `0.0.0.0:0` can be reached from other machines: listening there takes an API key
    hint: pass --api-key-file FILE, or listen on 127.0.0.1
    --- exit code 1
    ");
    let taken = server.url().replace("http://", "");
    insta::assert_snapshot!(environment.sbx(&["serve", "--listen", &taken, "--data-dir", "other", "-q"]), @r"
    $ sbx serve --listen 127.0.0.1:<port> --data-dir other -q
    --- stderr
    error: the local server did not start
    caused by: cannot listen on `127.0.0.1:<port>`
    caused by: Address already in use (os error 98)
    hint: pass --listen 127.0.0.1:<port> to take any free port
    --- exit code 1
    ");
    let run = environment.sbx(&["serve", "--listen", "127.0.0.1:0", "--data-dir", "data", "-q"]);
    let named = run.stderr.contains(&format!("serves it at {}", server.url()));
    assert!(named && run.code == Some(1), "{run}");
}

/// Reads the process's output until a line has this text in it.
fn wait_for_line(process: &mut std::process::Child, text: &str) {
    let output = process.stdout.as_mut().expect("it is piped");
    let mut line = Vec::new();
    // Byte by byte, so that nothing is taken that somebody else is to read.
    loop {
        let mut byte = [0];
        std::io::Read::read_exact(output, &mut byte).expect("it goes on until it has said so");
        line.push(byte[0]);
        if byte[0] == b'\n' {
            if String::from_utf8_lossy(&line).contains(text) {
                return;
            }
            line.clear();
        }
    }
}
