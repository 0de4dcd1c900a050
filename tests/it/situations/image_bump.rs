//! A new image for a template that three pools and twelve running sandboxes are made of.

use serde_json::Value as Json;

use super::stage::Stage;

const MANIFESTS: &str = "\
apiVersion: sbx/v1
kind: Template
metadata: {name: python}
spec: {image: python:3.12}
---
apiVersion: sbx/v1
kind: Pool
metadata: {name: small}
spec: {template_name: python, replicas: 1}
---
apiVersion: sbx/v1
kind: Pool
metadata: {name: middle}
spec: {template_name: python, replicas: 2}
---
apiVersion: sbx/v1
kind: Pool
metadata: {name: large}
spec: {template_name: python, replicas: 3}
";
const POOLS: [(&str, u64); 3] = [("small", 1), ("middle", 2), ("large", 3)];
const N_SANDBOXES: usize = 12;

/// Fails if a pool is cold: neither it nor what was or will be it has the replicas that are declared.
fn are_warm(pools: &Json) {
    let pools = pools["pools"].as_array().expect("it is a list");
    for (name, n_replicas) in POOLS {
        let is_it = |pool: &&Json| {
            let live = pool["name"].as_str().unwrap_or_default();
            live == name || live.strip_prefix(name).is_some_and(|rest| rest.starts_with("--sbx-"))
        };
        let warm = pools.iter().filter(is_it).filter_map(|pool| pool["replicas"].as_u64()).max();
        assert!(warm >= Some(n_replicas), "{name}: {pools:?}");
    }
}

/// Fails if who asks a pool by its name finds no replica that is ready: the API tells when the first one is.
fn have_ready_ones(metrics: &str) {
    for (name, _) in POOLS {
        let line = format!("sbx_pool_replicas{{pool=\"{name}\",status=\"ready\"}} ");
        let n_ready = metrics.lines().find_map(|found| found.strip_prefix(&line));
        assert_ne!(n_ready, Some("0"), "{name}:\n{metrics}");
    }
}

/// Applies, and looks at the pools all the while.
fn apply_and_look(stage: &Stage) {
    for operation in ["create_pool", "update_pool", "update_template", "delete_pool"] {
        stage.server.delay(operation, 50);
    }
    let mut apply = stage.spawn(&["apply", "prod", "--yes", "--quiet"]);
    let mut n_amid = 0;
    let status = loop {
        let pools = stage.call("GET", "pools?limit=500", "");
        are_warm(&pools);
        n_amid += usize::from(pools.to_string().contains("--sbx-"));
        have_ready_ones(&stage.server.request("GET", "/metrics", ""));
        if let Some(status) = apply.try_wait().expect("it is ours") {
            break status;
        }
    };
    assert_eq!(status.code(), Some(0));
    assert!(n_amid > 3, "it was looked at {n_amid} times while old and new pools stood side by side");
    stage.server.no_faults();
}

#[test]
fn an_image_is_bumped_below_pools_and_sandboxes() {
    let stage = Stage::start();
    stage.declare(MANIFESTS).applied();
    for index in 0..N_SANDBOXES {
        stage.call("POST", "boxes", &format!(r#"{{"name": "box-{index:02}", "template_name": "python"}}"#));
    }
    let mut before = stage.ids();

    stage.declare(&MANIFESTS.replace("python:3.12", "python:3.13"));
    insta::assert_snapshot!(stage.done(&["plan", "prod"]), @r"
    $ sbx plan prod
    --- stdout
    -/+ replace template/python
        image: python:3.12 -> python:3.13
        image cannot change in place
        `python--sbx-467062b4` is built beside it, then swapped
        the old one stays as `python--sbx-118469f0`, until a later apply: held by sandbox/box-00, no TTL; sandbox/box-01, no TTL; sandbox/box-02, no TTL; sandbox/box-03, no TTL; sandbox/box-04, no TTL; sandbox/box-05, no TTL; sandbox/box-06, no TTL; sandbox/box-07, no TTL; and 4 more
        steps, in this order:
          1. create template/python--sbx-467062b4
          2. put python--sbx-467062b4 in the place of template/python, after pool/large--sbx-594636f0, pool/middle--sbx-0977f544, pool/small--sbx-65e311d8
          3. verify that pool/large--sbx-594636f0, pool/middle--sbx-0977f544, pool/small--sbx-65e311d8 followed it to its name; if not, undo step 2

    -/+ replace pool/large
        template_name: python (made anew)
        template `python` is replaced
        `large--sbx-594636f0` is built beside it, then swapped; the API tells only that one replica is ready
        steps, in this order:
          1. create pool/large--sbx-594636f0, after template/python--sbx-467062b4
          2. put large--sbx-594636f0 in the place of pool/large, after template/python has its name
          3. delete pool/large--sbx-671b9133

    -/+ replace pool/middle
        template_name: python (made anew)
        template `python` is replaced
        `middle--sbx-0977f544` is built beside it, then swapped; the API tells only that one replica is ready
        steps, in this order:
          1. create pool/middle--sbx-0977f544, after template/python--sbx-467062b4
          2. put middle--sbx-0977f544 in the place of pool/middle, after template/python has its name
          3. delete pool/middle--sbx-f38f166f

    -/+ replace pool/small
        template_name: python (made anew)
        template `python` is replaced
        `small--sbx-65e311d8` is built beside it, then swapped; the API tells only that one replica is ready
        steps, in this order:
          1. create pool/small--sbx-65e311d8, after template/python--sbx-467062b4
          2. put small--sbx-65e311d8 in the place of pool/small, after template/python has its name
          3. delete pool/small--sbx-78565a4b

    sandboxes: 18 now, 24 at the peak, 18 after
    CPU: 9000m now, 12000m at the peak, 9000m after
    memory: 9Gi now, 12Gi at the peak, 9Gi after
    12 live objects are not managed; `sbx get --unmanaged` lists them
    Plan: 4 to replace.
    --- exit code 0
    ");
    let metrics = stage.server.request("GET", "/metrics", "");
    assert!(metrics.contains("sbx_pool_replicas{pool=\"large\",status=\"ready\"} 3"), "{metrics}");
    apply_and_look(&stage);

    // Nothing is left to do, and no sandbox was touched: they stay on the old template, until they are gone.
    insta::assert_snapshot!(stage.done(&["plan", "prod", "--exit-code"]), @r"
    $ sbx plan prod --exit-code
    --- stdout
    = keep template/python
        the old one stays as `python--sbx-118469f0`, until a later apply: held by sandbox/box-00, no TTL; sandbox/box-01, no TTL; sandbox/box-02, no TTL; sandbox/box-03, no TTL; sandbox/box-04, no TTL; sandbox/box-05, no TTL; sandbox/box-06, no TTL; sandbox/box-07, no TTL; and 4 more

    12 live objects are not managed; `sbx get --unmanaged` lists them
    No changes. Nothing to do: 4 objects are as declared.
    --- exit code 0
    ");
    stage.is_settled();
    let after = stage.ids();
    before.retain(|name, _| name.starts_with("sandbox/"));
    assert_eq!(before.len(), N_SANDBOXES);
    assert!(before.iter().all(|(name, id)| after.get(name) == Some(id)), "{after:?}");
    insta::assert_snapshot!(stage.done(&["get", "templates"]), @r"
    $ sbx get templates
    --- stdout
    NAME                   IMAGE         CPU    MEMORY   STORAGE   MOUNTS   AGE
    python                 python:3.13   500m   512Mi    -         none     <duration>
    python--sbx-118469f0   python:3.12   500m   512Mi    -         none     <duration>
    --- exit code 0
    ");
    assert_eq!(stage.live()["pool/large"]["spec"]["template_name"], "python");

    // The last sandbox goes at night; the next apply cleans up.
    for name in before.keys() {
        stage.call("DELETE", &name.replace("sandbox/", "boxes/"), "");
    }
    insta::assert_snapshot!(stage.done(&["apply", "prod", "--yes"]), @r"
    $ sbx apply prod --yes
    --- stdout
    - delete template/python--sbx-118469f0
        left by a replacement of template/python

    Plan: 1 to delete, 4 unchanged.
    Done: 1 deleted.
    --- stderr
    deleted template/python--sbx-118469f0 (<duration>)
    --- exit code 0
    ");
    stage.is_settled();
    let names: Vec<_> = stage.ids().into_keys().collect();
    assert_eq!(names, ["pool/large", "pool/middle", "pool/small", "template/python"]);
}
