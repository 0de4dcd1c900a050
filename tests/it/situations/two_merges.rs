//! Two pull requests are merged within a minute, and their two pipelines apply at once.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};

use super::stage::Stage;
use crate::cli::server::signal;

const FIRST: &str = "\
apiVersion: sbx/v1
kind: Template
metadata: {name: python}
spec: {image: python:3.12}
";
/// What the second merge adds to the first.
const SECOND: &str = "\
---
apiVersion: sbx/v1
kind: Pool
metadata: {name: warm}
spec: {template_name: python, replicas: 2}
";
/// The second pipeline's checkout, with the same record as the first.
const CHECKOUT: &str = "targets: {prod: {manifests: [manifests], inventory: ../state/prod.json}}\n";

fn start(stage: &Stage, folder: &str, serial: &str) -> Child {
    let mut command = stage.environment.command();
    command.current_dir(stage.environment.work().join(folder)).env("USER", "ci").env("HOSTNAME", "runner");
    command.args(["apply", "prod", "--yes", "--serial", serial]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().expect("the program can be started")
}

#[test]
fn two_merges_within_a_minute_are_applied_one_after_the_other() {
    let stage = Stage::start();
    stage.declare(FIRST);
    stage.environment.write("second/sbx.yaml", CHECKOUT);
    stage.environment.write("second/manifests/all.yaml", &format!("{FIRST}{SECOND}"));

    // The first is stopped in the middle for as long as the second needs to find it there.
    stage.server.delay("create_template", 2_000);
    let mut first = start(&stage, "", "41");
    while !stage.environment.work().join("state/prod.lock").exists() {
        assert_eq!(first.try_wait().expect("it is ours"), None, "it holds the lock until it is done");
        std::thread::yield_now();
    }
    signal(&first, "STOP");
    let mut second = start(&stage, "second", "42");
    let mut said = String::new();
    let mut lines = BufReader::new(second.stderr.take().expect("it is piped"));
    lines.read_line(&mut said).expect("it is text");
    signal(&first, "CONT");
    let said = said.replace(&first.id().to_string(), "<pid>");
    insta::assert_snapshot!(said.trim_end(), @"Waiting for the lock of ci@runner (`sbx apply`, process <pid>) until <time>, unless that is renewed.");

    let first = first.wait_with_output().expect("it ends");
    assert_eq!(first.status.code(), Some(0), "{first:?}");
    let second = second.wait_with_output().expect("it ends");
    assert_eq!(second.status.code(), Some(0), "{second:?}");
    // The second saw what the first had made, and made the rest.
    insta::assert_snapshot!(String::from_utf8_lossy(&second.stdout), @r"
    + create pool/warm
        template_name: python
        replicas:      2

    Plan: 1 to create, 1 unchanged.
    Done: 1 created.
    ");
    let names: Vec<_> = stage.ids().into_keys().collect();
    assert_eq!(names, ["pool/warm", "template/python"]);
    assert_eq!(stage.owned(), stage.ids());
    assert_eq!(stage.inventory()["serial"], 42);

    // Somebody runs the first pipeline again. It would take the second merge back.
    let before = stage.inventory();
    insta::assert_snapshot!(stage.sbx(&["apply", "prod", "--prune", "--yes", "--serial", "41"]), @r"
    $ sbx apply prod --prune --yes --serial 41
    --- stderr
    error: run 41 comes too late: run 42 was here before
    hint: leave it at that, since a later run has been here; or number this run higher
    --- exit code 1
    ");
    assert_eq!(stage.inventory(), before);
    assert_eq!(stage.environment.sbx_in("second", &["plan", "prod", "--exit-code"]).code, Some(0));
    let history = stage.done(&["history", "--in", "prod", "-o", "json"]).stdout;
    let history: serde_json::Value = serde_json::from_str(&history).expect("it is JSON");
    let serials: Vec<_> = history["runs"].as_array().unwrap().iter().map(|run| run["serial"].as_u64()).collect();
    assert_eq!(serials, [Some(42), Some(41)]);
}
