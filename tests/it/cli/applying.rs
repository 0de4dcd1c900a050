//! Plan, apply, change, destroy: the main job, on the server that is built in.

use super::environment::Environment;

const WORKSPACE: &str = "\
apiVersion: sbx/v1
kind: Volume
metadata: {name: data}
spec: {size: 10Gi}
---
apiVersion: sbx/v1
kind: Template
metadata: {name: python}
spec:
  image: python:3.12
  volume_mounts: [{volume_name: data, mount_path: /data}]
---
apiVersion: sbx/v1
kind: Template
metadata: {name: plain}
spec: {image: python:3.12}
---
apiVersion: sbx/v1
kind: Pool
metadata: {name: warm}
spec: {template_name: plain, replicas: 2}
";

const SANDBOX: &str = "
---
apiVersion: sbx/v1
kind: Sandbox
metadata: {name: box}
spec: {template_name: python}
";

#[test]
fn a_first_apply_and_a_second() {
    let environment = Environment::new();
    environment.write("w.yaml", WORKSPACE);
    // One at a time, so that the lines come in one order.
    let arguments = ["apply", "-f", "w.yaml", "--local", "--yes", "--parallelism", "1"];
    insta::assert_snapshot!(environment.sbx(&arguments), @r"
    $ sbx apply -f w.yaml --local --yes --parallelism 1
    --- stdout
    + create volume/data
        size: 10Gi

    + create template/plain
        image:            python:3.12
        resources.cpu:    500m
        resources.memory: 512Mi

    + create template/python
        image:            python:3.12
        resources.cpu:    500m
        resources.memory: 512Mi
        volume_mounts:    /data (data)
        after volume/data

    + create pool/warm
        template_name: plain
        replicas:      2
        after template/plain

    Plan: 4 to create.
    Done: 4 created.
    --- stderr
    Local server, data in .sbx/local. Note: templates run on this machine's own files: no image is pulled, and what limits hold depends on this machine.
    created volume/data (<duration>)
    created template/plain (<duration>)
    created template/python (<duration>)
    created pool/warm (<duration>)
    --- exit code 0
    ");
    insta::assert_snapshot!(environment.sbx(&arguments), @r"
    $ sbx apply -f w.yaml --local --yes --parallelism 1
    --- stdout
    No changes. Nothing to do: 4 objects are as declared.
    --- stderr
    Local server, data in .sbx/local. Note: templates run on this machine's own files: no image is pulled, and what limits hold depends on this machine.
    --- exit code 0
    ");
    insta::assert_snapshot!(environment.sbx(&["plan", "-f", "w.yaml", "--local", "--show-unchanged"]), @r"
    $ sbx plan -f w.yaml --local --show-unchanged
    --- stdout
    = keep volume/data
    = keep template/plain
    = keep template/python
    = keep pool/warm

    No changes. Nothing to do: 4 objects are as declared.
    --- stderr
    Local server, data in .sbx/local. Note: templates run on this machine's own files: no image is pulled, and what limits hold depends on this machine.
    --- exit code 0
    ");
    assert_eq!(environment.read(".sbx/.gitignore"), "local/\ninventory/*.journal\ninventory/*.lock\ninventory/*.new\n");
}

#[test]
fn changes_of_each_sort() {
    let environment = Environment::applied(WORKSPACE);
    let changed = WORKSPACE
        .replace("10Gi", "20Gi")
        .replace("plain}\nspec: {image: python:3.12}", "plain}\nspec: {image: python:3.13}")
        .replace("{name: python}", "{name: snake}\nlifecycle: {renamed_from: python}");
    environment.write("w.yaml", &changed);
    insta::assert_snapshot!(environment.sbx(&["plan", "-f", "w.yaml", "--local", "--exit-code"]), @r"
    $ sbx plan -f w.yaml --local --exit-code
    --- stdout
    ~ update volume/data
        size: 10Gi -> 20Gi

    -/+ replace template/plain
        image: python:3.12 -> python:3.13
        image cannot change in place
        `plain--sbx-b21f3b14` is built beside it, then swapped
        steps, in this order:
          1. create template/plain--sbx-b21f3b14
          2. put plain--sbx-b21f3b14 in the place of template/plain, after pool/warm--sbx-1bbfdd4c
          3. verify that pool/warm--sbx-1bbfdd4c followed it to its name; if not, undo step 2
          4. delete template/plain--sbx-ad03a9d0, after pool/warm--sbx-a21c1807 is gone

    > rename template/python to snake

    -/+ replace pool/warm
        template_name: plain (made anew)
        template `plain` is replaced
        `warm--sbx-1bbfdd4c` is built beside it, then swapped; the API tells only that one replica is ready
        steps, in this order:
          1. create pool/warm--sbx-1bbfdd4c, after template/plain--sbx-b21f3b14
          2. put warm--sbx-1bbfdd4c in the place of pool/warm, after template/plain has its name
          3. delete pool/warm--sbx-a21c1807

    sandboxes: 2 now, 4 at the peak, 2 after
    CPU: 1000m now, 2000m at the peak, 1000m after
    memory: 1Gi now, 2Gi at the peak, 1Gi after
    Plan: 1 to update, 1 to rename, 2 to replace.
    --- stderr
    Local server, data in .sbx/local. Note: templates run on this machine's own files: no image is pulled, and what limits hold depends on this machine.
    --- exit code 2
    ");
    let run = environment.sbx(&["apply", "-f", "w.yaml", "--local", "--yes", "--parallelism", "1"]);
    insta::assert_snapshot!(run.stderr, @r"
    Local server, data in .sbx/local. Note: templates run on this machine's own files: no image is pulled, and what limits hold depends on this machine.
    created template/plain--sbx-b21f3b14 (<duration>)
    created pool/warm--sbx-1bbfdd4c (<duration>)
    put plain--sbx-b21f3b14 in the place of template/plain (<duration>)
    verified template/plain (<duration>)
    put warm--sbx-1bbfdd4c in the place of pool/warm (<duration>)
    deleted pool/warm--sbx-a21c1807 (<duration>)
    updated volume/data (<duration>)
    renamed template/python to snake (<duration>)
    deleted template/plain--sbx-ad03a9d0 (<duration>)
    ");
    assert_eq!(run.code, Some(0), "{run}");
    let again = environment.sbx(&["plan", "-f", "w.yaml", "--local", "--exit-code"]);
    insta::assert_snapshot!(again, @r"
    $ sbx plan -f w.yaml --local --exit-code
    --- stdout
    = keep template/snake
        the rename from `python` is done
        help: take `renamed_from` out of the manifest

    No changes. Nothing to do: 4 objects are as declared.
    --- stderr
    Local server, data in .sbx/local. Note: templates run on this machine's own files: no image is pulled, and what limits hold depends on this machine.
    --- exit code 0
    ");
}

#[test]
fn what_is_blocked_is_told_and_the_rest_is_done() {
    let environment = Environment::applied(&format!("{WORKSPACE}{SANDBOX}"));
    let changed = WORKSPACE
        .replace("10Gi", "5Gi")
        .replace("image: python:3.12\n", "image: python:3.13\n")
        .replace("replicas: 2", "replicas: 3");
    let lost = "---\n{apiVersion: sbx/v1, kind: Sandbox, metadata: {name: lost}, spec: {template_name: nothing}}\n";
    environment.write("w.yaml", &format!("{changed}{lost}"));
    insta::assert_snapshot!(environment.sbx(&["plan", "-f", "w.yaml", "--local"]), @r"
    $ sbx plan -f w.yaml --local
    --- stdout
    ~ update pool/warm
        replicas: 2 -> 3

    ! blocked volume/data
        size: 10Gi -> 5Gi
        size cannot shrink from 10Gi to 5Gi
        help: declare at least the live size, or make a new object and move the data
        at w.yaml:4:14

    ! blocked template/python
        image: python:3.12 -> python:3.13
        image cannot change in place
        it needs volume/data, which is blocked
        help: see to what blocks volume/data first
        at w.yaml:8:18

    ! blocked sandbox/lost
        template `nothing` is neither declared nor live
        help: declare the template `nothing`, or create it first
        at w.yaml:23:83

    1 owned object is declared no longer and stays; `--prune` removes what is not declared
    Plan: 1 to update, 3 blocked, 1 unchanged.
    --- stderr
    Local server, data in .sbx/local. Note: templates run on this machine's own files: no image is pulled, and what limits hold depends on this machine.
    --- exit code 1
    ");
    let run = environment.sbx(&["apply", "-f", "w.yaml", "--local", "--yes"]);
    insta::assert_snapshot!(format!("{}\n{:?}", run.stdout.split("Plan:").nth(1).unwrap_or_default(), run.code), @r"
     1 to update, 3 blocked, 1 unchanged.
    Done: 1 updated.
    Not done: 3 blocked.
      blocked volume/data: size cannot shrink from 10Gi to 5Gi
      blocked template/python: it needs volume/data, which is blocked
      blocked sandbox/lost: template `nothing` is neither declared nor live

    Some(3)
    ");
}

#[test]
fn an_abort_of_rollouts_changes_nothing_that_is_declared() {
    let environment = Environment::applied(WORKSPACE);
    environment.write("w.yaml", &WORKSPACE.replace("image: python:3.12", "image: python:3.13"));
    let abort = environment.sbx(&["apply", "-f", "w.yaml", "--local", "--yes", "--abort-rollouts"]);
    assert_eq!(abort.code, Some(0), "{abort}");
    assert!(!abort.stderr.contains("created") && !abort.stderr.contains("deleted"), "{abort}");
    let plan = environment.sbx(&["plan", "-f", "w.yaml", "--local", "--exit-code"]);
    assert_eq!(plan.code, Some(2), "the change is still to be made: {plan}");
}

#[test]
fn a_protected_object_refuses_the_whole_plan() {
    let protected =
        WORKSPACE.replace("{name: plain}", "{name: plain}\nlifecycle: {prevent_destroy: true, replace: recreate}");
    let environment = Environment::applied(&protected);
    let changed = protected.replace("image: python:3.12", "image: python:3.13").replace("10Gi", "20Gi");
    environment.write("w.yaml", &changed);
    let run = environment.sbx(&["apply", "-f", "w.yaml", "--local", "--yes"]);
    insta::assert_snapshot!(format!("{}\n{:?}", run.stderr, run.code), @r"
    Local server, data in .sbx/local. Note: templates run on this machine's own files: no image is pulled, and what limits hold depends on this machine.
    error: the plan is refused, and nothing was changed

    Some(1)
    ");
    assert_eq!(run.stdout.matches("! refused: template/plain is protected").count(), 1, "{run}");
    let run = environment.sbx(&["plan", "-f", "w.yaml", "--local"]);
    assert_eq!(run.code, Some(1), "{run}");
    assert_eq!(run.to_string().matches("this plan would destroy it").count(), 1, "it is said once: {run}");
}

#[test]
fn a_destroy_takes_what_is_declared_and_keeps_data() {
    let environment = Environment::applied(&format!("{WORKSPACE}{SANDBOX}"));
    let other = "{apiVersion: sbx/v1, kind: Volume, metadata: {name: mine}, spec: {size: 1Gi}}";
    environment.write("other.yaml", other);
    let run = environment.sbx(&["apply", "-f", "other.yaml", "--local", "--yes", "--inventory", "other.json"]);
    assert_eq!(run.code, Some(0), "{run}");
    let destroy = ["destroy", "-f", "w.yaml", "--local", "--yes", "--parallelism", "1"];
    let refused = environment.sbx(&destroy);
    assert_eq!(refused.code, Some(1), "two of five are many: {refused}");
    assert!(refused.stdout.contains("then add `--allow-destroy 2`"), "{refused}");
    insta::assert_snapshot!(environment.sbx(&[&destroy[..], &["--allow-destroy", "2"]].concat()), @r"
    $ sbx destroy -f w.yaml --local --yes --parallelism 1 --allow-destroy 2
    --- stdout
    = keep volume/data
        it is kept: `on_remove` is `retain`, the default for what holds data
        help: set `lifecycle.on_remove: delete` to delete it, with what it holds

    - delete template/plain
        after pool/warm is gone

    - delete pool/warm

    = keep sandbox/box
        it is kept: `on_remove` is `retain`, the default for what holds data
        help: set `lifecycle.on_remove: delete` to delete it, with what it holds

    ! blocked template/python
        held by sandbox/box, no TTL
        help: delete what holds it, or wait until it is gone, and run this again
        at w.yaml:8:18

    Plan: 2 to delete, 1 blocked, 2 kept.
    Done: 2 deleted.
    Not done: 1 blocked.
      blocked template/python: held by sandbox/box, no TTL
    --- stderr
    Local server, data in .sbx/local. Note: templates run on this machine's own files: no image is pulled, and what limits hold depends on this machine.
    deleted pool/warm (<duration>)
    deleted template/plain (<duration>)
    --- exit code 3
    ");
    let left = environment.sbx(&["get", "all", "--local", "-o", "name"]);
    assert_eq!(left.stdout, "volume/data\nvolume/mine\ntemplate/python\nsandbox/box\n");
}

#[test]
fn programs_read_json() {
    let environment = Environment::new();
    environment.write("w.yaml", "{apiVersion: sbx/v1, kind: Volume, metadata: {name: data}, spec: {size: 1Gi}}");
    let run = environment.sbx(&["apply", "-f", "w.yaml", "--local", "--yes", "-o", "json", "--quiet"]);
    let lines: Vec<serde_json::Value> =
        run.stdout.lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect();
    let types: Vec<_> = lines.iter().map(|line| line["type"].as_str().unwrap_or_default()).collect();
    assert_eq!(types, ["plan", "begin", "step", "step", "outcome"], "{run}");
    assert!(lines.iter().all(|line| line["format_version"] == 1), "{run}");
    assert_eq!(lines[4]["steps"]["done"], 1, "{run}");
    assert_eq!((run.stderr.as_str(), run.code), ("", Some(0)));
}

#[test]
fn init_gives_something_that_applies() {
    let environment = Environment::new();
    insta::assert_snapshot!(environment.sbx(&["init"]), @r"
    $ sbx init
    --- stdout
    wrote manifests/volumes.yaml
    wrote manifests/templates.yaml
    wrote manifests/pools.yaml
    wrote manifests/sandboxes.yaml
    wrote manifests/.schema.json
    wrote sbx.yaml
    wrote .sbx/project.schema.json
    --- stderr
    hint: `sbx apply dev` makes it so, on the server built into sbx
    --- exit code 0
    ");
    environment.write("manifests/volumes.yaml", "mine");
    insta::assert_snapshot!(environment.sbx(&["init"]), @r"
    $ sbx init
    --- stdout
    kept  manifests/volumes.yaml, which was there
    kept  manifests/templates.yaml, which was there
    kept  manifests/pools.yaml, which was there
    kept  manifests/sandboxes.yaml, which was there
    kept  manifests/.schema.json, which was there
    kept  sbx.yaml, which was there
    --- stderr
    hint: `sbx apply -f manifests --local` makes it so, on the server built into sbx
    --- exit code 0
    ");
    assert_eq!(environment.read("manifests/volumes.yaml"), "mine");

    let run = environment.sbx(&["init", "other/place"]);
    assert_eq!(run.code, Some(0), "{run}");
    let run = environment.sbx(&["apply", "-f", "other/place", "--local", "--yes"]);
    assert_eq!(run.code, Some(0), "{run}");
}
