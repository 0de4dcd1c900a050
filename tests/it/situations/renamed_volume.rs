//! A volume gets a better name, and its data must not stay behind.

use super::stage::Stage;

/// Returns a volume, with this lifecycle, two templates that mount it, and a pool that does not.
fn manifests(volume: &str, lifecycle: &str) -> String {
    format!(
        "\
apiVersion: sbx/v1
kind: Volume
metadata: {{name: {volume}}}
spec: {{size: 1Gi}}
{lifecycle}
---
apiVersion: sbx/v1
kind: Template
metadata: {{name: trainer}}
spec:
  image: trainer:1
  volume_mounts: [{{volume_name: {volume}, mount_path: /data}}]
---
apiVersion: sbx/v1
kind: Template
metadata: {{name: python}}
spec: {{image: python}}
---
apiVersion: sbx/v1
kind: Pool
metadata: {{name: warm}}
spec: {{template_name: python, replicas: 1}}
"
    )
}

fn mounted(stage: &Stage) -> String {
    stage.live()["template/trainer"]["spec"]["volume_mounts"].to_string()
}

#[test]
fn a_renamed_volume_keeps_its_data_and_its_templates() {
    let stage = Stage::start();
    stage.declare(&manifests("datasets", "")).applied();
    let before = stage.ids();

    // A new name alone could be a new volume: what is meant is asked for, and nothing moves to an empty one.
    stage.declare(&manifests("corpus", ""));
    insta::assert_snapshot!(stage.sbx(&["apply", "prod", "--yes"]), @r"
    $ sbx apply prod --yes
    --- stdout
    ! blocked volume/corpus
        it is new, and `datasets` is declared no longer: is this a rename?
        help: if it is a rename, add `renamed_from: datasets` below `lifecycle`, else `renamed_from: none`
        at manifests/all.yaml:3:18

    ! blocked template/trainer
        volume_mounts: /data (datasets) -> /data (corpus)
        volume_mounts cannot change in place
        it needs volume/corpus, which is blocked
        help: see to what blocks volume/corpus first
        at manifests/all.yaml:9:18

    1 owned object is declared no longer and stays; `--prune` removes what is not declared
    Plan: 2 blocked, 2 unchanged.
    Nothing was changed.
    Not done: 2 blocked.
      blocked volume/corpus: it is new, and `datasets` is declared no longer: is this a rename?
      blocked template/trainer: it needs volume/corpus, which is blocked
    --- exit code 3
    ");
    assert_eq!(stage.ids(), before);

    // A slip of the pen is no answer.
    stage.declare(&manifests("corpus", "lifecycle: {renamed_from: dataset}"));
    insta::assert_snapshot!(stage.sbx(&["plan", "prod"]), @r"
    $ sbx plan prod
    --- stdout
    ! blocked volume/corpus
        it is new, `dataset` of its `renamed_from` is not live, and `datasets` is declared no longer: is this a rename?
        help: if it is a rename, write `renamed_from: datasets` below `lifecycle`, else `renamed_from: none`
        at manifests/all.yaml:3:18

    ! blocked template/trainer
        volume_mounts: /data (datasets) -> /data (corpus)
        volume_mounts cannot change in place
        it needs volume/corpus, which is blocked
        help: see to what blocks volume/corpus first
        at manifests/all.yaml:9:18

    1 owned object is declared no longer and stays; `--prune` removes what is not declared
    Plan: 2 blocked, 2 unchanged.
    --- exit code 1
    ");

    stage.declare(&manifests("corpus", "lifecycle: {renamed_from: datasets}"));
    insta::assert_snapshot!(stage.done(&["apply", "prod", "--yes"]), @r"
    $ sbx apply prod --yes
    --- stdout
    > rename volume/datasets to corpus

    Plan: 1 to rename, 3 unchanged.
    Done: 1 renamed.
    --- stderr
    renamed volume/datasets to corpus (<duration>)
    --- exit code 0
    ");
    let after = stage.ids();
    assert_eq!(after["volume/corpus"], before["volume/datasets"], "it is the same volume");
    assert_eq!(after["template/trainer"], before["template/trainer"], "its template followed, and was not made again");
    assert_eq!(after.len(), before.len());
    assert!(mounted(&stage).contains("corpus"), "{}", mounted(&stage));

    // The line has served its purpose; with it or without it there is nothing to do.
    insta::assert_snapshot!(stage.done(&["plan", "prod", "--exit-code"]), @r"
    $ sbx plan prod --exit-code
    --- stdout
    = keep volume/corpus
        the rename from `datasets` is done
        help: take `renamed_from` out of the manifest

    No changes. Nothing to do: 4 objects are as declared.
    --- exit code 0
    ");
    stage.declare(&manifests("corpus", ""));
    insta::assert_snapshot!(stage.done(&["plan", "prod", "--exit-code"]), @r"
    $ sbx plan prod --exit-code
    --- stdout
    No changes. Nothing to do: 4 objects are as declared.
    --- exit code 0
    ");
    stage.applied();
    assert_eq!(stage.ids(), after);
}

#[test]
fn a_volume_that_is_said_to_be_new_is_made_and_the_old_one_stays() {
    let stage = Stage::start();
    stage.declare(&manifests("datasets", "")).applied();
    let before = stage.ids();
    stage.declare(&manifests("archive", "lifecycle: {renamed_from: none}"));
    insta::assert_snapshot!(stage.done(&["apply", "prod", "--yes", "--prune", "--parallelism", "1"]), @r"
    $ sbx apply prod --yes --prune --parallelism 1
    --- stdout
    + create volume/archive
        size: 1Gi

    -/+ replace template/trainer
        volume_mounts: /data (datasets) -> /data (archive)
        volume_mounts cannot change in place
        `trainer--sbx-2dfc4b46` is built beside it, then swapped
        steps, in this order:
          1. create template/trainer--sbx-2dfc4b46, after volume/archive
          2. put trainer--sbx-2dfc4b46 in the place of template/trainer, after volume/archive
          3. delete template/trainer--sbx-53fec5af

    = keep volume/datasets
        it is declared no longer; it is kept, and not managed any more

    Plan: 1 to create, 1 to replace, 3 unchanged.
    Done: 1 created, 1 replaced.
    --- stderr
    created volume/archive (<duration>)
    created template/trainer--sbx-2dfc4b46 (<duration>)
    put trainer--sbx-2dfc4b46 in the place of template/trainer (<duration>)
    deleted template/trainer--sbx-53fec5af (<duration>)
    --- exit code 0
    ");
    let after = stage.ids();
    assert_eq!(after["volume/datasets"], before["volume/datasets"], "the data stays");
    assert_ne!(after["volume/archive"], before["volume/datasets"]);
    assert!(mounted(&stage).contains("archive"), "{}", mounted(&stage));
    stage.is_settled();
}
