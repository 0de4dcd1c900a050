//! What is on record is managed: taken in with `adopt`, let go of with `forget`, removed with `destroy`.

use super::environment::Environment;

const DECLARED: &str = "\
{apiVersion: sbx/v1, kind: Volume, metadata: {name: data}, spec: {size: 1Gi}}
---
{apiVersion: sbx/v1, kind: Template, metadata: {name: plain}, spec: {image: a}}
---
{apiVersion: sbx/v1, kind: Pool, metadata: {name: warm}, spec: {template_name: plain, replicas: 5}}
";

fn made_by_hand() -> Environment {
    let environment = Environment::new();
    environment.write("w.yaml", DECLARED);
    let run = environment.sbx(&["apply", "-f", "w.yaml", "--local", "--yes", "--quiet", "--inventory", "none"]);
    assert_eq!(run.code, Some(0), "{run}");
    environment
}

fn code(environment: &Environment, arguments: &[&str]) -> i32 {
    let run = environment.sbx(&[arguments, &["--local", "--quiet"]].concat());
    run.code.unwrap_or_else(|| panic!("{run}"))
}

#[test]
fn what_is_live_as_declared_is_adopted_and_what_differs_only_if_named() {
    let environment = made_by_hand();
    environment.write("w.yaml", &DECLARED.replace("replicas: 5", "replicas: 7"));
    insta::assert_snapshot!(environment.sbx(&["adopt", "-f", "w.yaml", "--local"]), @r"
    $ sbx adopt -f w.yaml --local
    --- stdout
    = volume/data
    = template/plain
    ! pool/warm differs from what is declared

    Adopted 2 objects, 1 left alone.
    --- stderr
    Local server, data in .sbx/local. Note: templates run on this machine's own files: no image is pulled, and what limits hold depends on this machine.
    hint: record what differs as it is with --take-over pool/warm, or --take-over all
    --- exit code 3
    ");
    assert_eq!(code(&environment, &["plan", "-f", "w.yaml"]), 1, "what differs and is not managed is blocked");
    insta::assert_snapshot!(environment.sbx(&["adopt", "-f", "w.yaml", "--take-over", "all", "--local", "--quiet"]), @r"
    $ sbx adopt -f w.yaml --take-over all --local --quiet
    --- stdout
    ~ pool/warm as it is live, which differs from what is declared

    Adopted 1 object, 2 recorded already.
    --- exit code 0
    ");
    // Recorded as it is live: the next plan changes it, and nobody is said to have changed it behind our back.
    assert_eq!(code(&environment, &["drift", "-f", "w.yaml", "--exit-code"]), 2);
    insta::assert_snapshot!(environment.sbx(&["plan", "-f", "w.yaml", "--local", "--quiet"]), @r"
    $ sbx plan -f w.yaml --local --quiet
    --- stdout
    ~ update pool/warm
        replicas: 5 -> 7

    Plan: 1 to update, 2 unchanged.
    --- exit code 0
    ");
    insta::assert_snapshot!(environment.sbx(&["adopt", "-f", "w.yaml", "--local", "--quiet"]).stdout, @"Nothing to adopt, 3 recorded already.");
}

#[test]
fn a_part_can_be_adopted() {
    let environment = made_by_hand();
    insta::assert_snapshot!(environment.sbx(&["adopt", "-f", "w.yaml", "pool/warm", "--local", "-o", "json", "--quiet"]), @r#"
    $ sbx adopt -f w.yaml pool/warm --local -o json --quiet
    --- stdout
    {
      "adopted": [
        {
          "kind": "Pool",
          "name": "warm"
        }
      ],
      "format_version": 1,
      "inventory": "<work>/.sbx/local/inventory.json",
      "left_alone": [],
      "leftovers": [],
      "missing": [],
      "siblings": [],
      "taken_over": []
    }
    --- exit code 0
    "#);
    insta::assert_snapshot!(environment.sbx(&["get", "--unmanaged", "--local", "-o", "name", "--quiet"]).stdout, @r"
    volume/data
    template/plain
    ");
    environment.write("more.yaml", &DECLARED.replace("warm", "hot"));
    insta::assert_snapshot!(environment.sbx(&["adopt", "-f", "more.yaml", "pool/hot", "--local", "--quiet"]), @r"
    $ sbx adopt -f more.yaml pool/hot --local --quiet
    --- stderr
    error: not found: pool/hot
    hint: `sbx get all` lists what is live
    --- exit code 1
    ");
    insta::assert_snapshot!(environment.sbx(&["adopt", "-f", "w.yaml", "--inventory", "none", "--local", "--quiet"]), @r"
    $ sbx adopt -f w.yaml --inventory none --local --quiet
    --- stderr
    error: this works on the inventory, and there is none
    hint: leave `--inventory none` away, or name one with --inventory URL
    --- exit code 64
    ");
}

#[test]
fn what_is_forgotten_stays() {
    let environment = made_by_hand();
    assert_eq!(code(&environment, &["adopt", "-f", "w.yaml"]), 0);
    insta::assert_snapshot!(environment.sbx(&["forget", "pool/warm", "pool/cold", "--local", "--quiet"]), @r"
    $ sbx forget pool/warm pool/cold --local --quiet
    --- stderr
    error: not managed here: pool/cold
    hint: nothing was written; the inventory is <work>/.sbx/local/inventory.json, and --inventory URL names another
    --- exit code 1
    ");
    assert_eq!(code(&environment, &["get", "--unmanaged"]), 0);
    assert_eq!(
        environment.sbx(&["get", "--unmanaged", "-o", "name", "--local", "--quiet"]).stdout,
        "",
        "all or nothing"
    );
    insta::assert_snapshot!(environment.sbx(&["forget", "pool/warm", "--local", "--quiet"]), @r"
    $ sbx forget pool/warm --local --quiet
    --- stdout
    Forgot pool/warm, which stays as it is.
    --- exit code 0
    ");
    assert_eq!(environment.sbx(&["get", "--unmanaged", "-o", "name", "--local", "--quiet"]).stdout, "pool/warm\n");
    insta::assert_snapshot!(environment.sbx(&["history", "--local", "-o", "json"]).stdout.matches("\"summary\"").count(), @"2");
}

#[test]
fn a_destroy_removes_what_is_managed_and_lets_go_of_data() {
    let environment = made_by_hand();
    assert_eq!(code(&environment, &["destroy", "--yes"]), 0, "nothing is managed yet");
    assert_eq!(environment.sbx(&["get", "all", "-o", "name", "--local", "--quiet"]).stdout.lines().count(), 3);
    assert_eq!(code(&environment, &["adopt", "-f", "w.yaml"]), 0);
    environment
        .write("by-hand.yaml", "{apiVersion: sbx/v1, kind: Template, metadata: {name: theirs}, spec: {image: b}}");
    assert_eq!(code(&environment, &["apply", "-f", "by-hand.yaml", "--yes", "--inventory", "none"]), 0);
    environment.write(
        "data.yaml",
        "{apiVersion: sbx/v1, kind: Volume, metadata: {name: cache}, spec: {size: 1Gi}, lifecycle: {on_remove: delete}}",
    );
    assert_eq!(code(&environment, &["apply", "-f", "data.yaml", "--yes"]), 0);
    insta::assert_snapshot!(environment.sbx(&["destroy", "-f", "data.yaml", "--local", "--yes", "--quiet"]), @r"
    $ sbx destroy -f data.yaml --local --yes --quiet
    --- stdout
    - delete volume/cache

    ! refused: this plan destroys 1 object, and with volume/cache data that nothing can make again
        help: look at what is destroyed, then add `--allow-destroy 1`

    Plan: 1 to delete.
    --- stderr
    error: the plan is refused, and nothing was changed
    --- exit code 1
    ");
    let too_few = ["destroy", "-f", "data.yaml", "--yes", "--allow-destroy", "0"];
    assert_eq!(code(&environment, &too_few), 1, "one is more than none");
    let enough = ["destroy", "-f", "data.yaml", "--yes", "--allow-destroy", "1"];
    assert_eq!(code(&environment, &enough), 0);
    let unasked = environment.sbx(&["destroy", "--local", "--quiet"]);
    assert!(unasked.code == Some(1) && unasked.stderr.contains("--yes"), "{unasked}");
    insta::assert_snapshot!(environment.sbx(&["destroy", "--local", "--yes", "--parallelism", "1", "--quiet"]), @r"
    $ sbx destroy --local --yes --parallelism 1 --quiet
    --- stdout
    = keep volume/data
        it is kept: `on_remove` is `retain`, the default for what holds data
        help: set `lifecycle.on_remove: delete` to delete it, with what it holds

    - delete template/plain
        after pool/warm is gone

    - delete pool/warm

    Plan: 2 to delete, 1 kept.
    Done: 2 deleted.
    --- exit code 0
    ");
    let left = environment.sbx(&["get", "all", "-o", "name", "--local", "--quiet"]).stdout;
    assert_eq!(left, "volume/data\ntemplate/theirs\n");
    insta::assert_snapshot!(environment.sbx(&["destroy", "--local", "--yes", "--inventory", "none"]), @r"
    $ sbx destroy --local --yes --inventory none
    --- stderr
    Local server, data in .sbx/local. Note: templates run on this machine's own files: no image is pulled, and what limits hold depends on this machine.
    error: this works on the inventory, and there is none
    hint: leave `--inventory none` away, or name one with --inventory URL
    --- exit code 64
    ");
}

#[test]
fn a_pipeline_prunes_by_an_inventory_that_lasts() {
    let mut environment = Environment::new();
    environment.set("CI", "true").write("w.yaml", DECLARED);
    let server = super::server::Server::start(&environment, &[]);
    let url = server.url();
    let apply =
        |more: &[&str]| environment.sbx(&[&["apply", "-f", "w.yaml", "--yes", "--endpoint", &url], more].concat());
    let refused = apply(&["--prune"]);
    assert_eq!(refused.code, Some(1), "{refused}");
    assert!(refused.stderr.contains("--inventory") && refused.stderr.contains("--no-prune"), "{refused}");
    // What is reviewed is what can be applied.
    let plan = environment.sbx(&["plan", "-f", "w.yaml", "--prune", "--endpoint", &url]);
    assert_eq!((plan.code, &plan.stdout, &plan.stderr), (Some(1), &refused.stdout, &refused.stderr), "{plan}");
    assert_eq!(environment.sbx(&["get", "all", "-o", "name", "--endpoint", &url]).stdout, "", "nothing was done");
    let named = apply(&["--prune", "--inventory", "state/prod.json"]);
    assert_eq!(named.code, Some(0), "{named}");
    assert_eq!(apply(&["--inventory", "state/prod.json"]).code, Some(0));
}

#[test]
fn destroy_without_a_record_says_so() {
    let environment = Environment::new();
    environment.write("w.yaml", "{apiVersion: sbx/v1, kind: Volume, metadata: {name: v}, spec: {size: 1Gi}}\n");
    let applied = environment.sbx(&["apply", "-f", "w.yaml", "--local", "--yes"]);
    assert_eq!(applied.code, Some(0), "{applied}");
    std::fs::remove_file(environment.work().join(".sbx/local/inventory.json")).unwrap();
    let run = environment.sbx(&["destroy", "--local", "--yes"]);
    assert!(run.stderr.contains("No inventory yet at ") && run.stderr.contains("`sbx adopt` makes it again"), "{run}");
    assert!(run.stdout.contains("Nothing to delete."), "{run}");
}
