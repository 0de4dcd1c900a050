//! `sbx doctor`: what is wrong, what is left over, and what a probe finds out.

use super::environment::{Environment, Run};

/// What is looked at of the machine, which differs from one to the other.
const MACHINE: &[&str] =
    &["sandboxes", "namespaces", "overlayfs", "idmapping", "seccomp", "memory", "cpu", "processes", "storage"];

/// Leaves out what a run says of the machine, and the blanks that make columns.
fn without_machine(run: &Run) -> String {
    let is_machine = |words: &[&str]| words.get(1).is_some_and(|name| MACHINE.contains(name));
    let text = run.to_string();
    let lines = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let kept = lines.filter(|words| !is_machine(words) && words.first() != Some(&"hint:"));
    kept.fold(String::new(), |text, words| text + &words.join(" ") + "\n")
}

const POOLED: &str = "\
{apiVersion: sbx/v1, kind: Template, metadata: {name: python}, spec: {image: 'python:3.12'}}
---
{apiVersion: sbx/v1, kind: Pool, metadata: {name: warm}, spec: {template_name: python, replicas: 1}}
";

#[test]
fn it_says_how_things_are() {
    let environment = Environment::applied(POOLED);
    insta::assert_snapshot!(without_machine(&environment.sbx(&["doctor", "--local", "-q"])), @r"
    $ sbx doctor --local -q
    --- stdout
    ok endpoint the local server in .sbx/local
    ok server it answers, and has 2 objects
    ok api it speaks the first and the second generation of the Sandbox Server API
    ok capacity sandboxes 1, no limit; volumes 0, no limit; CPU 500m, no limit; memory 512Mi, no limit; storage 0, no limit
    ok inventory <work>/.sbx/local/inventory.json: 2 owned
    note renames nobody has seen yet whether pools follow a template that is renamed
    --- exit code 0
    ");
}

#[test]
fn the_machine_is_looked_at_without_any_server() {
    let environment = Environment::new();
    let run = environment.sbx(&["doctor", "-q", "-o", "json"]);
    assert_eq!(run.code, Some(0), "{run}");
    let found: serde_json::Value = serde_json::from_str(&run.stdout).expect("it is JSON");
    let checks = found["checks"].as_array().expect("there are checks");
    assert!(checks[0]["name"] == "endpoint" && checks[0]["state"] == "note", "{run}");
    let named = |name: &str| checks.iter().find(|check| check["name"] == name);
    let sandboxes = named("sandboxes").unwrap_or_else(|| panic!("{run}"));
    for limit in ["memory", "cpu", "processes", "storage"] {
        // Without sandboxes there is nothing to be limited.
        assert_eq!(named(limit).is_some(), sandboxes["state"] == "ok", "{limit}: {run}");
    }
    let probe = environment.sbx(&["doctor", "-q", "--probe"]);
    assert_eq!(probe.code, Some(64), "{probe}");
}

#[test]
fn a_probe_finds_out_records_it_and_leaves_nothing() {
    let environment = Environment::applied(POOLED);
    // As a probe leaves it that was killed.
    environment.write(
        "old.yaml",
        &POOLED
            .replace("python}", "sbx-probe-1-2}")
            .replace("warm", "sbx-probe-1-2")
            .replace("template_name: python", "template_name: sbx-probe-1-2"),
    );
    let run = environment.sbx(&["apply", "-f", "old.yaml", "--local", "--yes", "--inventory", "none"]);
    assert_eq!(run.code, Some(0), "{run}");
    let told = environment.sbx(&["doctor", "--local", "-q"]);
    assert!(told.stdout.contains("left by a probe: template/sbx-probe-1-2, pool/sbx-probe-1-2"), "{told}");
    assert_eq!(told.code, Some(0), "{told}");

    insta::assert_snapshot!(without_machine(&environment.sbx(&["doctor", "--probe", "--local", "-q"])), @r"
    $ sbx doctor --probe --local -q
    --- stdout
    ok endpoint the local server in .sbx/local
    ok server it answers, and has 4 objects
    ok api it speaks the first and the second generation of the Sandbox Server API
    ok capacity sandboxes 2, no limit; volumes 0, no limit; CPU 1000m, no limit; memory 1Gi, no limit; storage 0, no limit
    ok inventory <work>/.sbx/local/inventory.json: 2 owned
    note probes left by a probe: template/sbx-probe-1-2, pool/sbx-probe-1-2
    ok renames pools follow a template that is renamed, as a probe has just seen
    ok probes 4 objects of probes removed
    --- exit code 0
    ");
    let names = environment.sbx(&["get", "all", "--local", "-q", "-o", "name"]);
    assert_eq!(names.stdout, "template/python\npool/warm\n");
    let known = environment.sbx(&["doctor", "--local", "-o", "json", "-q"]);
    let known: serde_json::Value = serde_json::from_str(&known.stdout).expect("it is JSON");
    let checks = known["checks"].as_array().expect("there are checks");
    let renames = checks.iter().find(|check| check["name"] == "renames").expect("it is looked at");
    assert_eq!(renames["state"], "ok", "{renames}");
    assert!(renames["text"].as_str().is_some_and(|text| text.contains("as seen before")), "{renames}");
    let history = environment.sbx(&["history", "--local", "-q"]);
    assert!(history.stdout.contains("Probed the server."), "{history}");
}

#[test]
fn what_is_wrong_ends_with_1() {
    let environment = Environment::applied(POOLED);
    environment.write(".sbx/local/inventory.json", "{");
    let broken = environment.sbx(&["doctor", "--local", "-q"]);
    assert_eq!(broken.code, Some(1), "{broken}");
    assert!(broken.stdout.contains("bad   inventory"), "{broken}");

    let nobody = std::net::TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    let endpoint = format!("http://{}", nobody.local_addr().expect("it is bound"));
    drop(nobody);
    let unreachable = environment.sbx(&["doctor", "--endpoint", &endpoint, "-q"]);
    assert_eq!(unreachable.code, Some(1), "{unreachable}");
    assert!(unreachable.stdout.contains("bad   server"), "{unreachable}");
}
