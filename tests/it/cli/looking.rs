//! `sbx get`, `describe`, `delete`: live objects by kind and name.

use super::environment::{Environment, Run};

const WORKSPACE: &str = "\
{apiVersion: sbx/v1, kind: Volume, metadata: {name: data}, spec: {size: 10Gi}}
---
apiVersion: sbx/v1
kind: Template
metadata: {name: python}
spec:
  image: python:3.12
  volume_mounts: [{volume_name: data, mount_path: /data}]
---
{apiVersion: sbx/v1, kind: Sandbox, metadata: {name: box}, spec: {template_name: python, ttl_seconds: 7200}}
";

#[test]
fn get_lists_one_kind_or_all() {
    let environment = Environment::applied(WORKSPACE);
    insta::assert_snapshot!(environment.sbx(&["get", "all", "--local", "--quiet"]), @r"
    $ sbx get all --local --quiet
    --- stdout
    NAME          SIZE   AGE
    volume/data   10Gi   <duration>

    NAME              IMAGE         CPU    MEMORY   STORAGE   MOUNTS         AGE
    template/python   python:3.12   500m   512Mi    -         /data (data)   <duration>

    NAME          TEMPLATE   TTL    IDLE-TTL   STATUS   AGE
    sandbox/box   python     7200   -          ready    <duration>
    --- exit code 0
    ");
    let long = environment.sbx(&["get", "sandboxes", "--local", "-q"]);
    // It has become older meanwhile.
    let without_age = |run: &Run| run.stdout.trim_end().rsplit_once(' ').map(|(rest, _)| rest.to_owned());
    for word in ["sandbox", "sb", "BOX"] {
        let run = environment.sbx(&["get", word, "--local", "-q"]);
        assert_eq!(without_age(&run), without_age(&long), "{word}");
    }
    insta::assert_snapshot!(environment.sbx(&["get", "pools", "--local"]), @r"
    $ sbx get pools --local
    --- stderr
    Local server, data in .sbx/local. Note: templates run on this machine's own files: no image is pulled, and what limits hold depends on this machine.
    There are no pools.
    --- exit code 0
    ");
    insta::assert_snapshot!(environment.sbx(&["get", "volume", "data", "gone", "--local", "-q"]), @r"
    $ sbx get volume data gone --local -q
    --- stdout
    NAME          SIZE   AGE
    volume/data   10Gi   <duration>
    --- stderr
    error: not found: volume/gone
    hint: `sbx get all` lists what is live
    --- exit code 1
    ");
    insta::assert_snapshot!(environment.sbx(&["get", "volumse", "--local", "-q"]), @r"
    $ sbx get volumse --local -q
    --- stderr
    error: there is no kind `volumse`
    hint: did you mean `volume`?
    --- exit code 64
    ");
}

#[test]
fn what_get_prints_as_yaml_is_what_is_live() {
    let environment = Environment::applied(WORKSPACE);
    let run = environment.sbx(&["get", "all", "--local", "-o", "yaml", "-q"]);
    insta::assert_snapshot!(run, @r"
    $ sbx get all --local -o yaml -q
    --- stdout
    apiVersion: sbx/v1
    kind: Volume
    metadata:
      name: data
    spec:
      size: 10Gi
    ---
    apiVersion: sbx/v1
    kind: Template
    metadata:
      name: python
    spec:
      image: python:3.12
      resources:
        cpu: 500m
        memory: 512Mi
      volume_mounts:
      - mount_path: /data
        volume_name: data
    ---
    apiVersion: sbx/v1
    kind: Sandbox
    metadata:
      name: box
    spec:
      template_name: python
      ttl_seconds: 7200
    --- exit code 0
    ");
    environment.write("live.yaml", &run.stdout);
    let run = environment.sbx(&["plan", "-f", "live.yaml", "--local", "--exit-code", "-q"]);
    assert_eq!(run.code, Some(0), "{run}");
}

#[test]
fn describe_tells_who_uses_it() {
    let environment = Environment::applied(WORKSPACE);
    insta::assert_snapshot!(environment.sbx(&["describe", "volume/data", "sb/box", "--local", "-q"]), @r"
    $ sbx describe volume/data sb/box --local -q
    --- stdout
    Name:    data
    Kind:    Volume
    Id:      <uuid>
    Created: <time> (<duration> ago)
    Managed: yes, declared in w.yaml
    Used by: template/python
    Spec:
      size: 10Gi

    Name:    box
    Kind:    Sandbox
    Id:      <uuid>
    Status:  ready
    Created: <time> (<duration> ago)
    Expires: <time> (in 1h)
    Managed: yes, declared in w.yaml
    Used by: nothing
    Spec:
      template_name: python
      ttl_seconds:   7200
    --- exit code 0
    ");
    insta::assert_snapshot!(environment.sbx(&["describe", "pool", "gone", "--local", "-q"]), @r"
    $ sbx describe pool gone --local -q
    --- stderr
    error: not found: pool/gone
    hint: `sbx get all` lists what is live
    --- exit code 1
    ");
}

#[test]
fn delete_says_who_is_in_the_way() {
    let environment = Environment::applied(WORKSPACE);
    insta::assert_snapshot!(environment.sbx(&["delete", "volume/data", "--local", "--yes", "-q"]), @r"
    $ sbx delete volume/data --local --yes -q
    --- stdout
    ! blocked volume/data
        held by template/python
        help: delete what holds it, or wait until it is gone, and run this again

    Plan: 1 blocked.
    Nothing was changed.
    Not done: 1 blocked.
      blocked volume/data: held by template/python
    --- exit code 3
    ");
    let all = ["delete", "volume/data", "template/python", "box/box", "--local", "--yes", "--parallelism", "1", "-q"];
    insta::assert_snapshot!(environment.sbx(&all), @r"
    $ sbx delete volume/data template/python box/box --local --yes --parallelism 1 -q
    --- stdout
    - delete volume/data
        after template/python is gone

    - delete template/python
        after sandbox/box is gone

    - delete sandbox/box

    Plan: 3 to delete.
    Done: 3 deleted.
    --- exit code 0
    ");
    insta::assert_snapshot!(environment.sbx(&["delete", "volume", "data", "--local", "--yes", "-q"]), @r"
    $ sbx delete volume data --local --yes -q
    --- stderr
    error: not found: volume/data
    hint: `sbx get all` lists what is live
    --- exit code 1
    ");
}
