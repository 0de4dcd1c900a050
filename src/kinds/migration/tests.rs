use std::fmt::Write as _;

use super::*;
use crate::kinds::{self, Object, object_to_manifest};
use crate::manifest::{Diagnostics, Input, Limits, load};

fn decoded(text: &str) -> (Vec<Object>, Diagnostics) {
    let input = Input::Text { name: "test.yaml".to_owned(), text: text.to_owned() };
    let (documents, mut out) = load(&[input], &Limits::default());
    let objects = kinds::decode(&documents, &mut out);
    (objects, out)
}

#[track_caller]
fn migrated(text: &str) -> Migration {
    let (objects, out) = decoded(text);
    assert!(!out.has_errors(), "{out:?}");
    let migration = to_snapshots(&objects.iter().collect::<Vec<_>>());
    assert_eq!(migration.moved.len(), objects.len());
    assert_good(&migration);
    migration
}

/// Asserts that the new manifests are read as what they were written as.
#[track_caller]
fn assert_good(migration: &Migration) {
    for object in migration.moved.iter().filter_map(|moved| moved.to.as_ref()) {
        let text = object_to_manifest(object).to_string();
        let (read, out) = decoded(&text);
        assert!(out.is_empty(), "{text}: {out:?}");
        assert_eq!((&read[0].key, &read[0].spec), (&object.key, &object.spec), "{text}");
        assert_eq!((&read[0].labels, &read[0].annotations), (&object.labels, &object.annotations), "{text}");
        assert_eq!(read[0].lifecycle, object.lifecycle, "{text}");
    }
}

/// Shows what became of an object: its manifest without what all have, and its notes.
fn shown(moved: &Moved) -> String {
    let mut out = moved.to.as_ref().map_or_else(
        || format!("{} -> nothing", moved.from),
        |to| {
            let mut manifest = object_to_manifest(to);
            let fields = manifest.as_object_mut().unwrap();
            for field in ["apiVersion", "kind"] {
                fields.remove(field);
            }
            format!("{} -> {}\n{}", moved.from, to.key.kind.recorded_as(), serde_yaml::to_string(&manifest).unwrap())
        },
    );
    for Note { weight, at, text, examples } in &moved.notes {
        write!(out, "\n{} [{at}] {text}", weight.word()).unwrap();
        for Example { when, fields } in examples {
            write!(out, "\n  {when}: {fields}").unwrap();
        }
    }
    out
}

/// Shows what became of the first object.
#[track_caller]
fn first(text: &str) -> String {
    shown(&migrated(text).moved[0])
}

const TEMPLATE: &str = "
apiVersion: sbx/v1
kind: Template
metadata: {name: python}
spec: {image: 'python:3.12', resources: {cpu: '2', memory: 4Gi, storage: 10Gi}}
---
";

const SANDBOX: &str =
    "{apiVersion: sbx/v1, kind: Sandbox, metadata: {name: box}, spec: {template_name: python}}\n---\n";

const MOUNTED: &str = "
apiVersion: sbx/v1
kind: Template
metadata: {name: python}
spec: {image: a, volume_mounts: [{volume_name: data, mount_path: /data}, {volume_name: gone, mount_path: /gone}]}
---
{apiVersion: sbx/v1, kind: Volume, metadata: {name: data}, spec: {size: 20Gi}}
---
";

/// A sandbox on a template that fits.
fn sandbox(spec: &str) -> String {
    let text = format!(
        "{{apiVersion: sbx/v1, kind: Sandbox, metadata: {{name: box}}, spec: {{template_name: python{spec}}}}}\n---{TEMPLATE}"
    );
    first(&text)
}

#[test]
fn a_template_becomes_a_snapshot_and_its_size_goes_to_its_sandboxes() {
    let migration = migrated(&format!("{TEMPLATE}{SANDBOX}"));
    insta::assert_snapshot!(shown(&migration.moved[0]), @r"
    template/python -> Snapshot.v2
    metadata:
      name: python
    spec:
      docker_image: python:3.12
      fs_capacity_bytes: 10Gi

    decided [] template/python had cpu 2 and memory 4Gi, which stand in sandbox/box now
    ");
    insta::assert_snapshot!(shown(&migration.moved[1]), @r"
    sandbox/box -> Sandbox.v2
    metadata:
      name: box
    spec:
      delete_after_stop_seconds: 0
      mem_bytes: 4Gi
      snapshot: python
      vcpus: '2'

    decided [spec.vcpus] template/python had cpu 2 and memory 4Gi
    decided [spec.delete_after_stop_seconds] idleness did not delete it, and does not now. Servers stop what is idle, after 10 minutes unless `idle_ttl_seconds` says otherwise, and start it when it is used again
    ");
}

#[test]
fn a_size_that_nobody_has_is_told() {
    insta::assert_snapshot!(first("{apiVersion: sbx/v1, kind: Template, metadata: {name: t}, spec: {image: a}}"), @r"
    template/t -> Snapshot.v2
    metadata:
      name: t
    spec:
      docker_image: a
      fs_capacity_bytes: 8Gi

    to do [] template/t had cpu 500m and memory 512Mi, which a snapshot has not: whoever makes a sandbox now asks for them, as vcpus 1 and mem_bytes 2Gi
    to do [spec.fs_capacity_bytes] template/t left its disk to the server; a snapshot has to say, and 8Gi is a guess
    ");
}

#[test]
fn what_does_not_fit_is_made_to_fit() {
    let text = format!("{SANDBOX}{}", TEMPLATE.replace("'2', memory: 4Gi", "500m, memory: 512Mi"));
    insta::assert_snapshot!(first(&text), @r"
    sandbox/box -> Sandbox.v2
    metadata:
      name: box
    spec:
      delete_after_stop_seconds: 0
      mem_bytes: 2Gi
      snapshot: python
      vcpus: '1'

    decided [spec.vcpus] template/python had cpu 500m and memory 512Mi: servers do not always have parts of a vCPU, so cpu 500m is 1 of them; memory is at least 2Gi for each vCPU, so 512Mi is 2Gi now
    decided [spec.delete_after_stop_seconds] idleness did not delete it, and does not now. Servers stop what is idle, after 10 minutes unless `idle_ttl_seconds` says otherwise, and start it when it is used again
    ");
    let text = format!("{SANDBOX}{}", TEMPLATE.replace("4Gi", "100Gi"));
    assert!(first(&text).contains("lost [spec.vcpus] "), "{}", first(&text));
}

#[test]
fn a_pool_becomes_nothing_with_the_numbers_that_it_had() {
    let pool = |replicas: &str| {
        let pool =
            "{apiVersion: sbx/v1, kind: Pool, metadata: {name: warm}, spec: {template_name: python, replicas: N}}";
        first(&format!("{}\n---{TEMPLATE}", pool.replace('N', replicas)))
    };
    insta::assert_snapshot!(pool("3"), @r"
    pool/warm -> nothing
    lost [] pool/warm kept 3 sandboxes of template/python warm, each with cpu 2 and memory 4Gi. Nothing is kept warm any more: a sandbox is made from the snapshot `python` when it is wanted
    ");
    insta::assert_snapshot!(pool("{min: 0, max: 5}"), @r"
    pool/warm -> nothing
    lost [] pool/warm kept 0 to 5 sandboxes of template/python warm, each with cpu 2 and memory 4Gi. Nothing is kept warm any more: a sandbox is made from the snapshot `python` when it is wanted
    ");
    insta::assert_snapshot!(pool("1"), @r"
    pool/warm -> nothing
    lost [] pool/warm kept 1 sandbox of template/python warm, each with cpu 2 and memory 4Gi. Nothing is kept warm any more: a sandbox is made from the snapshot `python` when it is wanted
    ");
    insta::assert_snapshot!(pool("0"), @r"
    pool/warm -> nothing
    lost [] pool/warm was paused, and kept no sandbox of template/python warm. Nothing is kept warm any more: a sandbox is made from the snapshot `python` when it is wanted
    ");
}

#[test]
fn a_volume_becomes_nothing_and_its_sandboxes_get_an_example() {
    let migration = migrated(&format!("{MOUNTED}{SANDBOX}"));
    insta::assert_snapshot!(shown(&migration.moved[0]), @r"
    template/python -> Snapshot.v2
    metadata:
      name: python
    spec:
      docker_image: a
      fs_capacity_bytes: 8Gi

    decided [] template/python had cpu 500m and memory 512Mi, which stand in sandbox/box now
    to do [spec.fs_capacity_bytes] template/python left its disk to the server; a snapshot has to say, and 8Gi is a guess
    ");
    insta::assert_snapshot!(shown(&migration.moved[1]), @r"
    volume/data -> nothing
    lost [] volume/data of 20Gi was mounted at /data by template/python (sandbox/box). No manifest makes volumes any more: a sandbox mounts a bucket, or a volume that was made elsewhere. What is on this one stays there until somebody moves it
    ");
    insta::assert_snapshot!(shown(&migration.moved[2]), @r#"
    sandbox/box -> Sandbox.v2
    metadata:
      name: box
    spec:
      delete_after_stop_seconds: 0
      mem_bytes: 2Gi
      snapshot: python
      vcpus: '1'

    decided [spec.vcpus] template/python had cpu 500m and memory 512Mi: servers do not always have parts of a vCPU, so cpu 500m is 1 of them; memory is at least 2Gi for each vCPU, so 512Mi is 2Gi now
    to do [spec.mount_config] sandbox/box mounted volume/data at /data and volume/gone at /gone. Where the data is going to be is not known here: say it with one of these
      where the data is in buckets: {"mount_config":{"auth":{"aws":{"access_key_id":{"env":"AWS_ACCESS_KEY_ID"},"secret_access_key":{"env":"AWS_SECRET_ACCESS_KEY"}}},"mounts":[{"id":"data","mount_path":"/data","s3":{"bucket":"BUCKET","endpoint_url":"https://s3.REGION.amazonaws.com","region":"REGION"},"type":"s3"},{"id":"gone","mount_path":"/gone","s3":{"bucket":"BUCKET","endpoint_url":"https://s3.REGION.amazonaws.com","region":"REGION"},"type":"s3"}]}}
      where the workspace has the beta of volumes, and somebody made them, here data of 20Gi: {"volumes":[{"mount_path":"/data","volume":"data"},{"mount_path":"/gone","volume":"gone"}]}
    decided [spec.delete_after_stop_seconds] idleness did not delete it, and does not now. Servers stop what is idle, after 10 minutes unless `idle_ttl_seconds` says otherwise, and start it when it is used again
    "#);
    let without_sandboxes = migrated(MOUNTED);
    insta::assert_snapshot!(shown(&without_sandboxes.moved[0]), @r"
    template/python -> Snapshot.v2
    metadata:
      name: python
    spec:
      docker_image: a
      fs_capacity_bytes: 8Gi

    to do [] template/python had cpu 500m and memory 512Mi, which a snapshot has not: whoever makes a sandbox now asks for them, as vcpus 1 and mem_bytes 2Gi
    lost [] template/python mounted volume/data at /data and volume/gone at /gone: whoever makes a sandbox now asks for what it mounts
    to do [spec.fs_capacity_bytes] template/python left its disk to the server; a snapshot has to say, and 8Gi is a guess
    ");
    insta::assert_snapshot!(shown(&without_sandboxes.moved[1]), @r"
    volume/data -> nothing
    lost [] volume/data of 20Gi was mounted at /data by template/python. No manifest makes volumes any more: a sandbox mounts a bucket, or a volume that was made elsewhere. What is on this one stays there until somebody moves it
    ");
    let unused = "{apiVersion: sbx/v1, kind: Volume, metadata: {name: data}, spec: {size: 20Gi}}";
    assert!(first(unused).contains("was not mounted"), "{}", first(unused));
}

#[test]
fn what_idleness_deleted_it_stops_and_a_minute_later_it_is_deleted() {
    insta::assert_snapshot!(sandbox(", idle_ttl_seconds: 3600"), @r"
    sandbox/box -> Sandbox.v2
    metadata:
      name: box
    spec:
      delete_after_stop_seconds: 60
      idle_ttl_seconds: 3600
      mem_bytes: 4Gi
      snapshot: python
      vcpus: '2'

    decided [spec.vcpus] template/python had cpu 2 and memory 4Gi
    decided [spec.idle_ttl_seconds] sandbox/box was deleted after 3600 s without use. Now that stops it, and `delete_after_stop_seconds` deletes it with its disk: 60 is the least, and 0 keeps it, stopped, until it is used again
    ");
    insta::assert_snapshot!(sandbox(", idle_ttl_seconds: 0"), @r"
    sandbox/box -> Sandbox.v2
    metadata:
      name: box
    spec:
      delete_after_stop_seconds: 0
      idle_ttl_seconds: 0
      mem_bytes: 4Gi
      snapshot: python
      vcpus: '2'

    decided [spec.vcpus] template/python had cpu 2 and memory 4Gi
    decided [spec.idle_ttl_seconds] `idle_ttl_seconds: 0` meant that idleness never deletes it. Now it means that idleness never stops it, and `delete_after_stop_seconds: 0` keeps it when somebody does
    ");
    insta::assert_snapshot!(sandbox(", ttl_seconds: 86400"), @r"
    sandbox/box -> Sandbox.v2
    metadata:
      name: box
    spec:
      delete_after_stop_seconds: 0
      mem_bytes: 4Gi
      snapshot: python
      vcpus: '2'

    decided [spec.vcpus] template/python had cpu 2 and memory 4Gi
    decided [spec.delete_after_stop_seconds] idleness did not delete it, and does not now. Servers stop what is idle, after 10 minutes unless `idle_ttl_seconds` says otherwise, and start it when it is used again
    lost [spec.ttl_seconds] sandbox/box had `ttl_seconds: 86400`; nothing deletes a sandbox at a certain age any more
    ");
    assert_eq!(sandbox(", ttl_seconds: 0"), sandbox(""), "no limit is lost");
}

#[test]
fn a_sandbox_of_a_template_that_is_not_declared() {
    insta::assert_snapshot!(first(SANDBOX), @r"
    sandbox/box -> Sandbox.v2
    metadata:
      name: box
    spec:
      delete_after_stop_seconds: 0
      snapshot: python

    to do [spec.snapshot] sandbox/box was made from template/python, which is not declared here: its cpu, its memory and its mounts are not known, and the snapshot has to come from elsewhere
    decided [spec.delete_after_stop_seconds] idleness did not delete it, and does not now. Servers stop what is idle, after 10 minutes unless `idle_ttl_seconds` says otherwise, and start it when it is used again
    ");
}

#[test]
fn metadata_and_lifecycle_are_carried_over_as_far_as_they_go() {
    insta::assert_snapshot!(first("
apiVersion: sbx/v1
kind: Template
metadata: {name: python, labels: {team: research}, annotations: {note: 'a: b'}}
spec: {image: a, resources: {storage: 4Gi}}
lifecycle: {prevent_destroy: true, renamed_from: old, replace: recreate, on_remove: retain, timeout: 2m}
"), @r"
    template/python -> Snapshot.v2
    lifecycle:
      on_remove: retain
      prevent_destroy: true
    metadata:
      annotations:
        note: 'a: b'
      labels:
        team: research
      name: python
    spec:
      docker_image: a
      fs_capacity_bytes: 4Gi

    to do [] template/python had cpu 500m and memory 512Mi, which a snapshot has not: whoever makes a sandbox now asks for them, as vcpus 1 and mem_bytes 2Gi
    lost [lifecycle.renamed_from] `renamed_from: old`: a snapshot is not renamed, it is published under another name
    lost [lifecycle.replace] `replace`: a snapshot that changes is published anew beside the old one, whatever is said
    decided [lifecycle.timeout] `timeout: 120s` was for a template, which is there at once; a snapshot has to be built, and gets the default
    ");
    insta::assert_snapshot!(first("
apiVersion: sbx/v1
kind: Sandbox
metadata: {name: box, labels: {team: research}}
spec: {template_name: python, idle_ttl_seconds: 60}
lifecycle: {prevent_destroy: true, renamed_from: old, on_remove: delete, on_template_change: replace, on_expiry: recreate, timeout: 2m}
"), @r"
    sandbox/box -> Sandbox.v2
    lifecycle:
      on_expiry: recreate
      on_remove: delete
      on_snapshot_change: replace
      prevent_destroy: true
      renamed_from: old
      timeout: 120
    metadata:
      labels:
        team: research
      name: box
    spec:
      delete_after_stop_seconds: 60
      idle_ttl_seconds: 60
      snapshot: python

    to do [spec.snapshot] sandbox/box was made from template/python, which is not declared here: its cpu, its memory and its mounts are not known, and the snapshot has to come from elsewhere
    decided [spec.idle_ttl_seconds] sandbox/box was deleted after 60 s without use. Now that stops it, and `delete_after_stop_seconds` deletes it with its disk: 60 is the least, and 0 keeps it, stopped, until it is used again
    ");
}

#[test]
fn what_moved_already_stays_and_takes_the_place_of_what_did_not() {
    let text = "
{apiVersion: sbx/v1, kind: Template, metadata: {name: python}, spec: {image: a}}
---
{apiVersion: sbx/v1, kind: Sandbox, metadata: {name: box}, spec: {template_name: python}}
---
{apiVersion: sbx/v2, kind: Snapshot, metadata: {name: 'python:latest'}, spec: {docker_image: b, fs_capacity_bytes: 1Gi}}
---
{apiVersion: sbx/v2, kind: Sandbox, metadata: {name: box}, spec: {snapshot: python}}
---
{apiVersion: sbx/v2, kind: Registry, metadata: {name: r}, spec: {url: a, username: b, password: {env: C}}}
";
    let migration = migrated(text);
    let shown: Vec<_> = migration.moved.iter().map(shown).collect();
    insta::assert_snapshot!(shown.join("\n\n"), @r"
    template/python -> nothing
    decided [] template/python is left out: snapshot/python, which is declared too, has taken its place

    sandbox/box -> nothing
    decided [] sandbox/box is left out: one of sbx/v2, which is declared too, has taken its place

    snapshot/python -> Snapshot.v2
    metadata:
      name: python
    spec:
      docker_image: b
      fs_capacity_bytes: 1Gi

    decided [] snapshot/python is of sbx/v2 already, and stays as it is

    sandbox/box -> Sandbox.v2
    metadata:
      name: box
    spec:
      snapshot: python

    decided [] sandbox/box is of sbx/v2 already, and stays as it is

    registry/r -> Registry.v2
    metadata:
      name: r
    spec:
      password:
        env: C
      url: a
      username: b

    decided [] registry/r is of sbx/v2 already, and stays as it is
    ");
    // Another tag is another snapshot.
    let other = migrated(&text.replace("python:latest", "python:3"));
    assert!(other.moved[0].to.is_some());
}

#[test]
fn what_is_left_to_do_names_what_holds_data() {
    let sandboxes: Vec<_> = (0..6).map(|n| SANDBOX.replace("{name: box}", &format!("{{name: box-{n}}}"))).collect();
    let migration = migrated(&format!("{MOUNTED}{}", sandboxes.concat()));
    insta::assert_snapshot!(migration.steps.join("\n"), @r"
    what is on volume/data stays there: copy it out through an old sandbox that mounts it, `sbx cp NAME:PATH FOLDER`, and into what the new ones mount
    on a server with both generations a new sandbox waits for its name: apply the rest first, copy out what the disk of sandbox/box-0, sandbox/box-1, sandbox/box-2, sandbox/box-3 and 2 more holds, delete it, apply again
    ");
    assert_eq!(migrated(TEMPLATE).steps, [""; 0]);
}
