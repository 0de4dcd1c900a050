//! A runner dies in the middle of an apply, and the commit that it was applying is reverted.

use serde_json::Value as Json;

use super::stage::Stage;

const BEFORE: &str = "\
apiVersion: sbx/v1
kind: Volume
metadata: {name: datasets}
spec: {size: 1Gi}
---
apiVersion: sbx/v1
kind: Template
metadata: {name: python}
spec: {image: python:3.12}
---
apiVersion: sbx/v1
kind: Pool
metadata: {name: warm}
spec: {template_name: python, replicas: 2}
";
/// What the commit adds, beside a new image.
const ADDED: &str = "\
---
apiVersion: sbx/v1
kind: Template
metadata: {name: tools}
spec: {image: alpine:3.20}
---
apiVersion: sbx/v1
kind: Pool
metadata: {name: burst}
spec: {template_name: tools, replicas: 1}
";

/// Starts an apply and kills it, for good, while a call of this operation is on its way.
fn dies_in(stage: &Stage, operation: &str) {
    stage.server.delay(operation, 60_000);
    let mut apply = stage.spawn(&["apply", "prod", "--prune", "--yes"]);
    while n_waiting(stage) == 0 {
        assert_eq!(apply.try_wait().expect("it is ours"), None, "it waits for the server");
        std::thread::yield_now();
    }
    apply.kill().expect("it is ours");
    apply.wait().expect("it is ours");
    stage.server.request("DELETE", "/_sbx/faults", "");
}

/// Returns how many requests the server holds up.
fn n_waiting(stage: &Stage) -> u64 {
    let answer = stage.server.request("GET", "/_sbx/faults", "");
    let (_, body) = answer.split_once("\r\n\r\n").expect("an answer has a body");
    let faults: Json = serde_json::from_str(body).expect("it is JSON");
    faults["rules"][0]["struck"].as_u64().unwrap_or_else(|| panic!("{faults}"))
}

/// A repository whose last commit was being applied when the runner died in this operation.
fn died_in(operation: &str) -> Stage {
    let stage = Stage::start();
    stage.environment.write(".gitignore", "state/\n.sbx/\n");
    stage.git(&["init", "--quiet"]);
    for manifests in [BEFORE, &(BEFORE.replace("3.12", "3.13") + ADDED)] {
        stage.declare(manifests);
        stage.git(&["add", "--all"]);
        stage.git(&["commit", "--quiet", "--message", "change the manifests"]);
        if manifests == BEFORE {
            stage.applied();
        }
    }
    dies_in(&stage, operation);
    stage
}

#[test]
fn a_commit_is_reverted_after_the_runner_died_in_it() {
    for operation in ["create_template", "create_pool", "update_template", "delete_pool"] {
        let stage = died_in(operation);
        stage.git(&["revert", "--no-edit", "HEAD"]);
        let run = stage.done(&["apply", "prod", "--prune", "--yes", "--quiet"]);
        stage.is_settled();
        let names: Vec<_> = stage.ids().into_keys().collect();
        assert_eq!(names, ["pool/warm", "template/python", "volume/datasets"], "{operation}: {run}");
        assert_eq!(stage.owned(), stage.ids(), "{operation}");
        assert_eq!(stage.live()["template/python"]["spec"]["image"], "python:3.12");
    }
}

#[test]
fn the_same_commit_is_run_again_after_the_runner_died_in_it() {
    let stage = died_in("create_pool");
    insta::assert_snapshot!(stage.sbx(&["plan", "prod"]), @r"
    $ sbx plan prod
    --- stdout
    -/+ replace template/python
        image: python:3.12 -> python:3.13
        image cannot change in place
        `python--sbx-467062b4` is there already, and takes its place
        steps, in this order:
          1. put python--sbx-467062b4 in the place of template/python, after pool/warm--sbx-1bbfdd4c
          2. verify that pool/warm--sbx-1bbfdd4c followed it to its name; if not, undo step 1
          3. delete template/python--sbx-118469f0, after pool/warm--sbx-a21c1807 is gone

    + create pool/burst
        template_name: tools
        replicas:      1

    -/+ replace pool/warm
        template_name: python (made anew)
        template `python` is replaced
        `warm--sbx-1bbfdd4c` is built beside it, then swapped; the API tells only that one replica is ready
        steps, in this order:
          1. create pool/warm--sbx-1bbfdd4c
          2. put warm--sbx-1bbfdd4c in the place of pool/warm, after template/python has its name
          3. delete pool/warm--sbx-a21c1807

    sandboxes: 2 now, 5 at the peak, 3 after
    CPU: 1000m now, 2500m at the peak, 1500m after
    memory: 1Gi now, 2560Mi at the peak, 1536Mi after
    Plan: 1 to create, 2 to replace, 2 unchanged.
    --- exit code 0
    ");
    stage.done(&["apply", "prod", "--prune", "--yes", "--quiet"]);
    stage.is_settled();
    let names: Vec<_> = stage.ids().into_keys().collect();
    assert_eq!(names, ["pool/burst", "pool/warm", "template/python", "template/tools", "volume/datasets"]);
    assert_eq!(stage.live()["template/python"]["spec"]["image"], "python:3.13");
}
