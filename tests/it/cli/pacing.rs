//! An apply that the server slows down, and one that runs out of time.

use super::environment::Environment;
use super::server::Server;

const CHAIN: &str = "\
{apiVersion: sbx/v1, kind: Template, metadata: {name: plain}, spec: {image: x}}
---
{apiVersion: sbx/v1, kind: Pool, metadata: {name: warm}, spec: {template_name: plain, replicas: 1}}
";

#[test]
fn a_server_that_has_enough_is_waited_for_and_named() {
    let environment = Environment::new();
    environment.write("w.yaml", CHAIN);
    let server = Server::start(&environment, &[]);
    let busy = r#"{"operation": "create_template", "status": 429, "headers": {"retry-after": "1"}}"#;
    server.fault(busy);
    let run = environment.sbx(&["apply", "-f", "w.yaml", "--yes", "--endpoint", &server.url()]);
    insta::assert_snapshot!(sorted(run.stderr.lines().map(str::to_owned)), @r"
    The server takes as many requests as before.
    The server takes no more requests for <duration>; after that, at most 1 at once.
    created pool/warm (<duration>)
    created template/plain (<duration>)
    ");
    assert_eq!(run.code, Some(0), "{run}");

    environment.write("w.yaml", &CHAIN.replace("plain", "other").replace("warm", "hot"));
    server.fault(busy);
    let run = environment.sbx(&["apply", "-f", "w.yaml", "--yes", "-o", "json", "--endpoint", &server.url()]);
    let types = run.stdout.lines().map(|line| {
        let line: serde_json::Value = serde_json::from_str(line).expect("each line is JSON");
        let phase = line["phase"].as_str().map(|phase| format!(" {phase}"));
        format!("{}{}", line["type"].as_str().expect("each line has a type"), phase.unwrap_or_default())
    });
    insta::assert_snapshot!(sorted(types), @r"
    begin
    outcome
    plan
    step done
    step done
    step started
    step started
    throttled
    throttled
    ");
}

#[test]
fn what_is_not_begun_when_time_is_up_is_left() {
    let environment = Environment::new();
    environment.write("w.yaml", CHAIN);
    let server = Server::start(&environment, &[]);
    // Longer than the apply may take, and not longer than what runs may take after that.
    server.delay("create_template", 6000);
    let arguments = ["apply", "-f", "w.yaml", "--yes", "--timeout", "3s", "--endpoint", &server.url()];
    insta::assert_snapshot!(environment.sbx(&arguments), @r"
    $ sbx apply -f w.yaml --yes --timeout <duration> --endpoint http://127.0.0.1:<port>
    --- stdout
    + create template/plain
        image:            x
        resources.cpu:    500m
        resources.memory: 512Mi

    + create pool/warm
        template_name: plain
        replicas:      1
        after template/plain

    Plan: 2 to create.
    Done: 1 created.
    Not done: 1 not begun.
      not begun: create pool/warm
    --- stderr
    Time is up: nothing more starts. 1 still running, for <duration> at most.
    created template/plain (<duration>)
    hint: its time was up: run the same again, which goes on from here; a longer `--timeout` gives it more at once
    --- exit code 3
    ");
    let run = environment.sbx(&["apply", "-f", "w.yaml", "--yes", "--endpoint", &server.url()]);
    assert_eq!(run.code, Some(0), "{run}");
    let run = environment.sbx(&["apply", "-f", "w.yaml", "--yes", "--timeout", "soon", "--endpoint", &server.url()]);
    assert_eq!(run.code, Some(64), "{run}");
}

/// The pace and the steps are told by two voices: which is first, where both have something to say, is chance.
fn sorted(lines: impl Iterator<Item = String>) -> String {
    let mut lines: Vec<_> = lines.collect();
    lines.sort();
    lines.join("\n")
}
