//! What programs read fits the schemas that the program prints. Plans do so in `cases`, in all their variety.

use std::collections::BTreeSet;

use serde_json::Value;

use super::environment::{Environment, Run};
use super::server::Server;
use crate::cases::schema;
use crate::json_schema::violations;

const WORKSPACE: &str = "\
{apiVersion: sbx/v1, kind: Template, metadata: {name: plain}, spec: {image: x}}
---
{apiVersion: sbx/v1, kind: Pool, metadata: {name: warm}, spec: {template_name: plain, replicas: 1}}
---
{apiVersion: sbx/v1, kind: Template, metadata: {name: tools}, spec: {image: x}}
";

/// Returns the types of a run's lines, with the phases of steps, all of which fit.
fn events_of(run: &Run) -> BTreeSet<String> {
    let schema = schema("events");
    let line = |line: &str| {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {run}"));
        let wrong = violations(&line, &schema);
        assert!(wrong.is_empty(), "{line:#}\n{wrong:#?}");
        let word = if line["type"] == "step" { &line["phase"] } else { &line["type"] };
        word.as_str().expect("it is a word").to_owned()
    };
    run.stdout.lines().map(line).collect()
}

#[test]
fn every_line_of_an_apply_fits() {
    let environment = Environment::new();
    environment.write("w.yaml", WORKSPACE);
    let server = Server::start(&environment, &[]);
    let url = server.url();
    let apply = |more: &[&str]| {
        let arguments = [&["apply", "-f", "w.yaml", "--yes", "-o", "json", "--endpoint", &url], more].concat();
        events_of(&environment.sbx(&arguments))
    };
    server.fault(
        r#"{"operation": "create_template", "status": 400, "body": {"detail": {"error": "X", "message": "no"}}}"#,
    );
    let mut seen = apply(&["--parallelism", "1"]);
    server.fault(r#"{"operation": "create_pool", "status": 429, "headers": {"retry-after": "1"}}"#);
    seen.extend(apply(&[]));
    environment.write("w.yaml", &WORKSPACE.replace("image: x", "image: y"));
    // Longer than the apply may take, and not longer than what runs may take after that.
    server.delay("create_template", 2000);
    seen.extend(apply(&["--timeout", "1s"]));
    let all = ["begin", "done", "failed", "not_started", "outcome", "plan", "skipped", "started", "throttled"];
    assert_eq!(seen, BTreeSet::from(all.map(str::to_owned)), "each sort of line was there");
}

#[test]
fn drift_fits() {
    let environment = Environment::new();
    environment.write("w.yaml", WORKSPACE);
    let apply = |more: &[&str]| {
        let run = environment.sbx(&[&["apply", "-f", "w.yaml", "--local", "--yes", "-q"], more].concat());
        assert_eq!(run.code, Some(0), "{run}");
    };
    let drift = |more: &[&str]| {
        let run = environment.sbx(&[&["drift", "--local", "-q", "-o", "json"], more].concat());
        let found: Value = serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("{error}: {run}"));
        let wrong = violations(&found, &schema("drift"));
        assert!(wrong.is_empty(), "{found:#}\n{wrong:#?}");
        found
    };
    apply(&[]);
    assert_eq!(drift(&[])["is_in_sync"], true);
    environment.write("w.yaml", &WORKSPACE.replace("replicas: 1", "replicas: 2"));
    apply(&["--inventory", "none"]);
    let run = environment.sbx(&["delete", "template/tools", "--local", "--yes", "-q", "--inventory", "none"]);
    assert_eq!(run.code, Some(0), "{run}");
    environment.write("w.yaml", &WORKSPACE.replace("image: x", "image: y"));
    let found = drift(&["-f", "w.yaml"]);
    let events: Vec<_> = found["drifted"].as_array().into_iter().flatten().map(|found| &found["event"]).collect();
    assert_eq!(events, ["deleted", "changed"]);
    assert!(found["ahead"].as_array().is_some_and(|ahead| !ahead.is_empty()), "{found:#}");
}

#[test]
fn an_inventory_fits() {
    let environment = Environment::new();
    environment.write("w.yaml", WORKSPACE);
    let run = environment.sbx(&["apply", "-f", "w.yaml", "--local", "--yes", "--serial", "3", "--inventory", "i.json"]);
    assert_eq!(run.code, Some(0), "{run}");
    let found: Value = serde_json::from_str(&environment.read("i.json")).expect("it is JSON");
    assert_eq!(violations(&found, &schema("inventory")), [""; 0]);
}
