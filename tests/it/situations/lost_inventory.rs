//! The inventory is lost: a runner's disk was wiped, or somebody cleaned up. And it is another workspace's.

use std::fs;

use super::stage::Stage;
use crate::cli::environment::Environment;
use crate::cli::server::Server;

const KEPT: &str = "\
{apiVersion: sbx/v1, kind: Volume, metadata: {name: data}, spec: {size: 1Gi}}
---
{apiVersion: sbx/v1, kind: Template, metadata: {name: python}, spec: {image: python}}
---
{apiVersion: sbx/v1, kind: Pool, metadata: {name: warm}, spec: {template_name: python, replicas: 2}}
";

const OLD: &str = "\
---
{apiVersion: sbx/v1, kind: Template, metadata: {name: old}, spec: {image: old}}
";

#[test]
fn a_lost_inventory_is_made_again_and_then_all_is_as_before() {
    let stage = Stage::start();
    stage.declare(&[KEPT, OLD].concat()).applied();
    let (live, owned) = (stage.ids(), stage.owned());
    fs::remove_file(stage.environment.work().join("state/prod.json")).expect("it is there");

    // Nothing is pruned by a record that is not there, and it is said once why.
    stage.declare(KEPT);
    insta::assert_snapshot!(stage.done(&["plan", "prod", "--prune"]), @r"
    $ sbx plan prod --prune
    --- stdout
    = adopt volume/data
    = adopt template/python
    = adopt pool/warm

    1 live object is not managed; `sbx get --unmanaged` lists them
    No changes. 3 objects to adopt, which sends nothing.
    --- stderr
    No inventory yet at <work>/state/prod.json: of what is live nothing can be pruned, and drift cannot be told from a change. If it was lost, `sbx adopt` makes it again.
    --- exit code 0
    ");
    stage.declare(&[KEPT, OLD].concat());
    insta::assert_snapshot!(stage.done(&["adopt", "prod"]), @r"
    $ sbx adopt prod
    --- stdout
    = volume/data
    = template/old
    = template/python
    = pool/warm

    Adopted 4 objects.
    --- exit code 0
    ");
    assert_eq!(stage.owned(), owned);
    assert_eq!(stage.ids(), live, "nothing was touched");
    stage.is_settled();

    // Drift is told from a change again, and what is declared no longer goes.
    stage.call("PATCH", "pools/warm", r#"{"name": "warm", "replicas": 5}"#);
    stage.declare(KEPT);
    assert_eq!(stage.sbx(&["drift", "prod", "--exit-code"]).code, Some(4));
    insta::assert_snapshot!(stage.done(&["apply", "prod", "--prune", "--yes", "--parallelism", "1"]), @r"
    $ sbx apply prod --prune --yes --parallelism 1
    --- stdout
    ~ update pool/warm
        replicas: 5 -> 2 (changed behind the manifests)

    - delete template/old

    Plan: 1 to update, 1 to delete, 2 unchanged.
    Done: 1 updated, 1 deleted.
    --- stderr
    updated pool/warm (<duration>)
    deleted template/old (<duration>)
    --- exit code 0
    ");
    assert!(!stage.ids().contains_key("template/old"));
    stage.is_settled();
}

#[test]
fn an_apply_without_the_inventory_makes_it_again_of_what_is_declared() {
    let stage = Stage::start();
    stage.declare(&[KEPT, OLD].concat()).applied();
    let live = stage.ids();
    fs::remove_file(stage.environment.work().join("state/prod.json")).expect("it is there");
    stage.declare(KEPT);
    insta::assert_snapshot!(stage.done(&["apply", "prod", "--prune", "--yes"]), @r"
    $ sbx apply prod --prune --yes
    --- stdout
    = adopt volume/data
    = adopt template/python
    = adopt pool/warm

    1 live object is not managed; `sbx get --unmanaged` lists them
    No changes. 3 objects to adopt, which sends nothing.
    Recorded: 3 adopted.
    --- stderr
    No inventory yet at <work>/state/prod.json: of what is live nothing can be pruned, and drift cannot be told from a change. If it was lost, `sbx adopt` makes it again.
    --- exit code 0
    ");
    assert_eq!(stage.ids(), live);
    assert_eq!(stage.done(&["get", "--unmanaged", "-o", "name"]).stdout, "template/old\n", "and it is not hidden");
    // The note is for the first time only.
    let again = stage.done(&["apply", "prod", "--prune", "--yes"]);
    assert!(!again.stderr.contains("No inventory"), "{again}");
}

const SNAPSHOTS: &str = "\
{apiVersion: sbx/v2, kind: Snapshot, metadata: {name: python}, spec: {docker_image: python, fs_capacity_bytes: 1Gi}}
---
apiVersion: sbx/v2
kind: Sandbox
metadata: {name: box}
spec:
  snapshot: python
  idle_ttl_seconds: 600
  proxy_config: {rules: [{name: api, match_hosts: [api.example.com], headers: [{name: X-Key, value: {env: API_KEY}}]}]}
";

const OLD_SNAPSHOT: &str = "\
---
{apiVersion: sbx/v2, kind: Snapshot, metadata: {name: old}, spec: {docker_image: old, fs_capacity_bytes: 1Gi}}
";

/// What labels say is worth a record: also what is declared no longer goes, and what a program made is let be.
#[test]
fn what_says_whose_it_is_needs_no_record() {
    let mut stage = Stage::start_named();
    stage.environment.set("API_KEY", "a key");
    stage.declare(&[SNAPSHOTS, OLD_SNAPSHOT].concat()).applied();
    let owned = stage.owned();
    stage.call("POST", "boxes", r#"{"name": "program", "snapshot": "python"}"#);
    fs::remove_file(stage.environment.work().join("state/prod.json")).expect("it is there");

    stage.declare(&SNAPSHOTS.replace("600", "1200"));
    insta::assert_snapshot!(stage.done(&["apply", "prod", "--prune", "--yes", "--parallelism", "1"]), @r"
    $ sbx apply prod --prune --yes --parallelism 1
    --- stdout
    = keep snapshot/python
        it was on no record; its labels say that it is this project's

    ~ update sandbox/box
        idle_ttl_seconds: 600 -> 1200
        it was on no record; its labels say that it is this project's

    - delete snapshot/old

    1 live object is not managed; `sbx get --unmanaged` lists them
    Plan: 1 to update, 1 to delete, 1 unchanged.
    Done: 1 updated, 1 deleted.
    --- stderr
    No inventory yet at <work>/state/prod.json: of what is live nothing can be pruned, and drift cannot be told from a change. If it was lost, `sbx adopt` makes it again. 3 objects are known by their labels.
    updated sandbox/box (<duration>)
    deleted snapshot/old (<duration>)
    --- exit code 0
    ");
    let ids = stage.ids();
    assert!(!ids.contains_key("snapshot.v2/old") && ids.contains_key("sandbox.v2/program"), "{ids:?}");
    stage.is_settled();
    for (name, id) in stage.owned() {
        assert_eq!(owned.get(&name), Some(&id), "{name} is what it was");
    }
    assert_eq!(stage.done(&["get", "--unmanaged", "-o", "name"]).stdout, "sandbox/program\n");
}

#[test]
fn the_inventory_of_another_workspace_is_refused() {
    let environment = Environment::new();
    let servers = ["one", "two"].map(|data| Server::start(&environment, &["--data-dir", data]));
    environment.write("w.yaml", KEPT);
    let sbx = |server: &Server, arguments: &[&str]| {
        environment.sbx(&[arguments, &["--inventory", "state.json", "--endpoint", &server.url()]].concat())
    };
    let [one, two] = &servers;
    assert_eq!(sbx(one, &["apply", "-f", "w.yaml", "--yes"]).code, Some(0));
    let written = environment.read("state.json");
    for arguments in [
        &["plan", "-f", "w.yaml"][..],
        &["apply", "-f", "w.yaml", "--prune", "--yes"],
        &["adopt", "-f", "w.yaml"],
        &["drift", "-f", "w.yaml"],
        &["destroy", "--yes"],
    ] {
        let run = sbx(two, arguments);
        assert_eq!(run.code, Some(1), "{run}");
        assert!(run.stderr.contains("this looks like another workspace") && run.stdout.is_empty(), "{run}");
    }
    insta::assert_snapshot!(sbx(two, &["destroy", "--yes"]).stderr, @r"
    error: this looks like another workspace than the one that state.json is of
    caused by: the inventory was recorded for http://127.0.0.1:<port>/v2/sandboxes, and this is http://127.0.0.1:<port>/v2/sandboxes
    hint: is this the right endpoint, with the right key? --inventory URL names another record
    hint: pass --accept-workspace if the workspace moved here, with all that is in it
    ");
    assert_eq!(environment.read("state.json"), written, "it is not overwritten");
    let live = environment.sbx(&["get", "all", "-o", "name", "--endpoint", &two.url()]);
    assert_eq!(live.stdout, "", "nothing was done");
}
