//! `sbx observe`, and plans against what it saved.

use serde_json::Value;

use super::environment::Environment;
use crate::cases::schema;
use crate::json_schema::violations;

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

const LIVE: &str = "\
{apiVersion: sbx/v1, kind: Volume, metadata: {name: data}, spec: {size: 10Gi}}
---
{apiVersion: sbx/v1, kind: Template, metadata: {name: python}, spec: {image: 'python:3.12'}}
";

#[test]
fn a_plan_against_what_was_saved_is_the_plan() {
    let environment = Environment::new();
    environment.write("w.yaml", LIVE);
    let run = environment.sbx(&["apply", "-f", "w.yaml", "--local", "--yes", "-q"]);
    assert_eq!(run.code, Some(0), "{run}");
    let run = environment.sbx(&["observe", "--local", "-q", "-o", "live.json"]);
    assert_eq!((run.code, run.stdout.as_str()), (Some(0), ""), "{run}");

    environment.write("w.yaml", &LIVE.replace("10Gi", "20Gi").replace("3.12", "3.13"));
    let with_server = environment.sbx(&["plan", "-f", "w.yaml", "--local", "-q", "--exit-code"]);

    // Somewhere else, where no server, no key and no inventory are.
    let elsewhere = Environment::new();
    elsewhere.write("w.yaml", &environment.read("w.yaml")).write("live.json", &environment.read("live.json"));
    let run = elsewhere.sbx(&["plan", "-f", "w.yaml", "--against", "live.json", "--exit-code"]);
    assert_eq!((&run.stdout, run.code), (&with_server.stdout, Some(2)), "{run}");
    insta::assert_snapshot!(run, @r"
    $ sbx plan -f w.yaml --against live.json --exit-code
    --- stdout
    ~ update volume/data
        size: 10Gi -> 20Gi

    -/+ replace template/python
        image: python:3.12 -> python:3.13
        image cannot change in place
        `python--sbx-467062b4` is built beside it, then swapped
        steps, in this order:
          1. create template/python--sbx-467062b4
          2. put python--sbx-467062b4 in the place of template/python
          3. delete template/python--sbx-118469f0

    Plan: 1 to update, 1 to replace.
    --- stderr
    Against live.json: local as it was at <time>, <duration> ago.
    --- exit code 2
    ");

    let run = elsewhere.sbx(&["plan", "-f", "w.yaml", "--against", "live.json", "-q", "-o", "json"]);
    let (plan, saved) = (json(&run.stdout), json(&elsewhere.read("live.json")));
    assert_eq!(plan["against"]["observed_at"], saved["observed_at"], "{run}");
    assert!(plan["against"]["age_seconds"].is_u64(), "{run}");
    assert_eq!(violations(&plan, &schema("plan")), Vec::<String>::new());

    // A comment is read on its own, some time later.
    let run = elsewhere.sbx(&["plan", "-f", "w.yaml", "--against", "live.json", "-q", "-o", "markdown=-"]);
    assert!(
        run.stdout.starts_with("<!-- sbx:plan -->\n### `sbx plan`: `local`\n\nThe live state is as it was saved at 2"),
        "{run}"
    );
}

#[test]
fn only_what_was_saved_can_be_planned_against() {
    let environment = Environment::new();
    environment.write("w.yaml", LIVE).write("other.json", "{}");
    insta::assert_snapshot!(environment.sbx(&["plan", "-f", "w.yaml", "--against", "other.json"]), @r"
    $ sbx plan -f w.yaml --against other.json
    --- stderr
    error: cannot plan against `other.json`
    caused by: this is no live state that was saved
    hint: `sbx observe -o FILE` saves the live state
    --- exit code 1
    ");
    insta::assert_snapshot!(environment.sbx(&["plan", "-f", "w.yaml", "--against", "gone.json"]), @r"
    $ sbx plan -f w.yaml --against gone.json
    --- stderr
    error: cannot read `gone.json`
    caused by: No such file or directory (os error 2)
    --- exit code 1
    ");
    let run = environment.sbx(&["plan", "-f", "w.yaml", "--against", "other.json", "--local"]);
    assert_eq!(run.code, Some(64), "{run}");
}

#[test]
fn what_no_inventory_has_is_listed() {
    let environment = Environment::new();
    environment.write("ours.yaml", LIVE).write("theirs.yaml", &LIVE.replace("name: data", "name: byhand"));
    let by_hand = ["apply", "-f", "theirs.yaml", "--local", "--inventory", "none", "--yes", "-q"];
    assert_eq!(environment.sbx(&by_hand).code, Some(0));
    let run = environment.sbx(&["apply", "-f", "ours.yaml", "--local", "--yes", "-q"]);
    assert_eq!(run.code, Some(0), "{run}");
    insta::assert_snapshot!(environment.sbx(&["get", "--unmanaged", "--local", "-q", "-o", "name"]), @r"
    $ sbx get --unmanaged --local -q -o name
    --- stdout
    volume/byhand
    --- exit code 0
    ");
    insta::assert_snapshot!(environment.sbx(&["get", "pools", "--unmanaged", "--local"]), @r"
    $ sbx get pools --unmanaged --local
    --- stderr
    Local server, data in .sbx/local. Note: templates run on this machine's own files: no image is pulled, and what limits hold depends on this machine.
    There are no unmanaged pools.
    --- exit code 0
    ");
    insta::assert_snapshot!(environment.sbx(&["get", "--unmanaged", "--local", "--inventory", "none", "-q"]), @r"
    $ sbx get --unmanaged --local --inventory none -q
    --- stderr
    error: there is no inventory that says what is managed
    hint: leave `--inventory none` away, or name the inventory
    --- exit code 64
    ");
}
