//! `sbx drift`: what somebody changed, told apart from what the manifests ask for.

use super::environment::{Environment, Run};
use super::server::Served;

pub(super) const DECLARED: &str = "\
apiVersion: sbx/v1
kind: Volume
metadata: {name: data}
spec: {size: 1Gi}
---
apiVersion: sbx/v1
kind: Template
metadata: {name: plain}
spec:
  image: python:3.12  # pinned
---
apiVersion: sbx/v1
kind: Template
metadata: {name: tools}
spec:
  image: python:3.12
  resources: {memory: 512Mi}
---
apiVersion: sbx/v1
kind: Pool
metadata:
  name: warm
spec:
  template_name: plain
  replicas: 5
";

/// Brings the live state to these manifests, and writes nothing down.
pub(super) fn meddle(environment: &Environment, manifests: &str) {
    environment.write("elsewhere/w.yaml", manifests);
    let arguments = [
        "apply",
        "-f",
        "elsewhere/w.yaml",
        "--local",
        "--yes",
        "--quiet",
        "--inventory",
        "none",
        "--allow-destroy",
        "9",
    ];
    let run = environment.sbx(&arguments);
    assert_eq!(run.code, Some(0), "{run}");
}

fn drift(environment: &Environment, more: &[&str]) -> Run {
    environment.sbx(&[&["drift", "--local", "--quiet"], more].concat())
}

#[test]
fn each_side_that_moved_has_its_exit_code() {
    let environment = Environment::applied(DECLARED);
    let code = |more: &[&str]| {
        let run = drift(&environment, &[&["--exit-code"], more].concat());
        run.code.unwrap_or_else(|| panic!("{run}"))
    };
    assert_eq!((code(&[]), code(&["-f", "w.yaml"])), (0, 0));
    environment.write("w.yaml", &DECLARED.replace("memory: 512Mi", "memory: 1Gi"));
    assert_eq!((code(&[]), code(&["-f", "w.yaml"])), (0, 2), "only manifests can be ahead");
    meddle(&environment, &DECLARED.replace("replicas: 5", "replicas: 7"));
    assert_eq!((code(&[]), code(&["-f", "w.yaml"])), (4, 6));
    environment.write("w.yaml", DECLARED);
    assert_eq!(code(&["-f", "w.yaml"]), 4);
    assert_eq!(drift(&environment, &["-f", "w.yaml"]).code, Some(0), "without --exit-code it is an answer");
}

#[test]
fn each_object_is_named_for_what_became_of_it() {
    let environment = Environment::applied(DECLARED);
    insta::assert_snapshot!(drift(&environment, &[]), @r"
    $ sbx drift --local --quiet
    --- stdout
    No drift: 4 objects are as they were applied.
    --- exit code 0
    ");
    meddle(&environment, &DECLARED.replace("replicas: 5", "replicas: 7"));
    let run = environment.sbx(&["delete", "template/tools", "--local", "--yes", "--quiet", "--inventory", "none"]);
    assert_eq!(run.code, Some(0), "{run}");
    insta::assert_snapshot!(drift(&environment, &["-f", "w.yaml"]), @r"
    $ sbx drift --local --quiet -f w.yaml
    --- stdout
    - template/tools was deleted
    ~ pool/warm was changed
        replicas: 5 -> 7

    Drift: 2 of 4 objects are not as they were applied.
    --- exit code 0
    ");
    insta::assert_snapshot!(drift(&environment, &["-f", "w.yaml", "-o", "json"]).stdout, @r#"
    {
      "ahead": [],
      "basis": "inventory",
      "drifted": [
        {
          "event": "deleted",
          "fields": [],
          "is_drift": true,
          "kind": "Template",
          "name": "tools"
        },
        {
          "event": "changed",
          "fields": [
            {
              "applied": 5,
              "live": 7,
              "path": "replicas"
            }
          ],
          "is_drift": true,
          "kind": "Pool",
          "name": "warm"
        }
      ],
      "format_version": 1,
      "inventory": {
        "exists": true,
        "location": "<work>/.sbx/local/inventory.json",
        "serial": null
      },
      "is_in_sync": false,
      "objects": 4
    }
    "#);
}

#[test]
fn without_a_record_what_is_declared_is_taken_for_what_was_applied() {
    let environment = Environment::applied(DECLARED);
    meddle(&environment, &DECLARED.replace("replicas: 5", "replicas: 7"));
    let arguments = ["drift", "-f", "w.yaml", "--local", "--inventory", "none", "--exit-code"];
    insta::assert_snapshot!(environment.sbx(&arguments), @r"
    $ sbx drift -f w.yaml --local --inventory none --exit-code
    --- stdout
    ~ pool/warm was changed
        replicas: 5 -> 7

    Drift: 1 of 4 objects is not as it was declared.
    --- stderr
    Local server, data in .sbx/local. Note: templates run on this machine's own files: no image is pulled, and what limits hold depends on this machine.
    No inventory says what was applied last: what is declared is taken for it.
    --- exit code 4
    ");
    insta::assert_snapshot!(environment.sbx(&["drift", "--local", "--inventory", "none"]), @r"
    $ sbx drift --local --inventory none
    --- stderr
    Local server, data in .sbx/local. Note: templates run on this machine's own files: no image is pulled, and what limits hold depends on this machine.
    error: nothing says what was applied: there is no inventory, and no manifests are named
    hint: name the manifests with -f PATH, to take what they declare for it
    --- exit code 64
    ");
}

#[test]
fn drift_in_every_form() {
    let environment = Environment::applied(DECLARED);
    meddle(&environment, &DECLARED.replace("replicas: 5", "replicas: 7"));
    let files = ["-o", "markdown=drift.md", "-o", "json=drift.json", "-o", "patch=drift.patch", "-o", "text=drift.txt"];
    let run = drift(&environment, &[&["-f", "w.yaml", "-o", "github"], &files[..]].concat());
    insta::assert_snapshot!(run.stdout, @r"
    ~ pool/warm was changed
        replicas: 5 -> 7

    Drift: 1 of 4 objects is not as it was applied.
    ::warning file=w.yaml,line=22,col=9,title=drift of pool/warm::was changed%0Areplicas: 5 -> 7
    ");
    assert!(run.stdout.starts_with(&environment.read("drift.txt")), "{run}");
    insta::assert_snapshot!(environment.read("drift.md"), @r"
    <!-- sbx:drift -->
    ### `sbx drift`: `the local server in .sbx/local`

    **Drift: 1 of 4 objects is not as it was applied\.**

    <details><summary><code>~ pool/warm was changed</code></summary>

    ```diff
    - replicas: 5
    + replicas: 7
    ```

    </details>
    ");
    let json: serde_json::Value = serde_json::from_str(&environment.read("drift.json")).expect("it is JSON");
    assert_eq!(json["drifted"][0]["fields"][0]["live"], 7);
    assert!(environment.read("drift.patch").contains("+  replicas: 7\n"));
    let run = environment.sbx(&["plan", "-f", "w.yaml", "--local", "-o", "patch"]);
    assert_eq!(run.code, Some(64), "only drift can be taken into manifests: {run}");
}

#[test]
fn drift_of_a_saved_live_state_needs_no_server() {
    let environment = Environment::applied(DECLARED);
    meddle(&environment, &DECLARED.replace("replicas: 5", "replicas: 7"));
    assert_eq!(environment.sbx(&["observe", "--local", "-q", "-o", "live.json"]).code, Some(0));
    let there = drift(&environment, &["--exit-code"]);

    let elsewhere = Environment::new();
    elsewhere.write("live.json", &environment.read("live.json")).write("w.yaml", DECLARED);
    let run = elsewhere.sbx(&["drift", "--against", "live.json", "-q", "--exit-code"]);
    assert_eq!((&run.stdout, run.code), (&there.stdout, Some(4)), "{run}");
    let run = elsewhere.sbx(&["drift", "-f", "w.yaml", "--against", "live.json", "-o", "json", "-q"]);
    let json: serde_json::Value = serde_json::from_str(&run.stdout).expect("it is JSON");
    assert_eq!(json["inventory"], serde_json::json!({"location": null, "serial": null, "exists": true}), "{run}");
}

#[test]
fn a_sandbox_that_is_gone_before_its_time_was_deleted() {
    let served = Served::applied(
        "{apiVersion: sbx/v1, kind: Template, metadata: {name: plain}, spec: {image: a}}\n---\n\
         {apiVersion: sbx/v1, kind: Sandbox, metadata: {name: box}, spec: {template_name: plain, ttl_seconds: 3600}}\n",
    );
    // The end that is on record is that of the time to live that it has now.
    served.edit("3600", "86400");
    assert_eq!(served.sbx(&["apply", "--yes"]).code, Some(0));
    served.call("DELETE", "boxes/box", "");
    let run = served.sbx(&["drift", "--exit-code"]);
    assert!(run.stdout.contains("- sandbox/box was deleted") && run.code == Some(4), "{run}");
    let plan = served.sbx(&["plan", "--on-drift", "fail"]);
    assert_eq!(plan.code, Some(1), "{plan}");
}

#[test]
fn an_unfinished_rollout_of_ours_is_no_drift() {
    let served = Served::applied(
        "{apiVersion: sbx/v1, kind: Template, metadata: {name: t}, spec: {image: a}}\n---\n\
         {apiVersion: sbx/v1, kind: Pool, metadata: {name: p}, spec: {template_name: t, replicas: 1}}\n",
    );
    served.edit("image: a", "image: b");
    served.server.fault("{\"operation\": \"update_pool\", \"count\": null, \"status\": 400}");
    assert_eq!(served.sbx(&["apply", "--yes"]).code, Some(1));
    let run = served.sbx(&["drift", "--exit-code"]);
    assert!(run.stdout.contains("No drift") && run.code == Some(2), "{run}");
    assert!(served.sbx(&["drift", "-o", "patch"]).stdout.is_empty());
}
