//! A team's folder is deleted, its objects are pruned, and then it turns out that the team was still there.

use std::fs;

use super::stage::Stage;

const SHARED: &str = "\
apiVersion: sbx/v1
kind: Template
metadata: {name: python}
spec: {image: 'python:3.12-slim'}
";

/// Returns what a team has: data, a template that mounts it, and two pools.
fn team(name: &str) -> String {
    format!(
        "\
apiVersion: sbx/v1
kind: Volume
metadata: {{name: {name}-index, labels: {{team: {name}}}}}
spec: {{size: 1Gi}}
---
apiVersion: sbx/v1
kind: Template
metadata: {{name: {name}, labels: {{team: {name}}}}}
spec:
  image: {name}:1
  volume_mounts: [{{volume_name: {name}-index, mount_path: /data}}]
---
apiVersion: sbx/v1
kind: Pool
metadata: {{name: {name}-hot, labels: {{team: {name}}}}}
spec: {{template_name: python, replicas: 1}}
---
apiVersion: sbx/v1
kind: Pool
metadata: {{name: {name}-warm, labels: {{team: {name}}}}}
spec: {{template_name: python, replicas: 1}}
"
    )
}

/// Starts with two teams, applied and committed.
fn two_teams() -> Stage {
    let stage = Stage::start();
    stage.environment.write("manifests/shared.yaml", SHARED);
    for name in ["ads", "search"] {
        stage.environment.write(format!("manifests/{name}/all.yaml"), &team(name));
    }
    stage.applied();
    stage.git(&["init", "--quiet"]);
    stage.git(&["add", "manifests", "sbx.yaml"]);
    stage.git(&["commit", "--quiet", "--message", "Two teams"]);
    stage
}

fn delete_search(stage: &Stage) {
    fs::remove_dir_all(stage.environment.work().join("manifests/search")).expect("it is there");
}

/// Returns what the inventory says of an object's standing; `None` where it is simply owned.
fn standing(stage: &Stage, name: &str) -> Option<String> {
    let inventory = stage.inventory();
    let entries = inventory["entries"].as_array().expect("it is a list");
    let entry = entries.iter().find(|entry| entry["name"] == name).unwrap_or_else(|| panic!("{inventory}"));
    entry["standing"].as_str().map(ToOwned::to_owned)
}

#[test]
fn a_deleted_folder_is_pruned_and_a_revert_takes_up_what_was_kept() {
    let stage = two_teams();
    let before = stage.ids();
    delete_search(&stage);
    stage.git(&["commit", "--quiet", "--all", "--message", "Search is no more"]);

    insta::assert_snapshot!(stage.sbx(&["plan", "prod"]), @r"
    $ sbx plan prod
    --- stdout
    4 owned objects are declared no longer and stay; `--prune` removes what is not declared
    No changes. Nothing to do: 5 objects are as declared.
    --- exit code 0
    ");
    insta::assert_snapshot!(stage.sbx(&["apply", "prod", "--prune", "--yes"]), @r"
    $ sbx apply prod --prune --yes
    --- stdout
    = keep volume/search-index
        it is declared no longer; it is kept, and not managed any more

    - delete template/search
    - delete pool/search-hot
    - delete pool/search-warm

    ! refused: this plan destroys 3 objects of the 9 that are owned
        help: look at what is destroyed, then add `--allow-destroy 3`

    Plan: 3 to delete, 6 unchanged.
    --- stderr
    error: the plan is refused, and nothing was changed
    --- exit code 1
    ");
    let too_few = stage.sbx(&["apply", "prod", "--prune", "--yes", "--allow-destroy", "2"]);
    assert_eq!(too_few.code, Some(1), "{too_few}");
    assert_eq!(stage.ids(), before, "a plan that is refused does nothing");

    insta::assert_snapshot!(
        stage.done(&["apply", "prod", "--prune", "--yes", "--allow-destroy", "3", "--parallelism", "1"]), @r"
        $ sbx apply prod --prune --yes --allow-destroy 3 --parallelism 1
        --- stdout
        = keep volume/search-index
            it is declared no longer; it is kept, and not managed any more

        - delete template/search
        - delete pool/search-hot
        - delete pool/search-warm

        Plan: 3 to delete, 6 unchanged.
        Done: 3 deleted.
        --- stderr
        deleted template/search (<duration>)
        deleted pool/search-hot (<duration>)
        deleted pool/search-warm (<duration>)
        --- exit code 0
        "
    );
    let mut left = before.clone();
    left.retain(|name, _| name == "volume/search-index" || !name.contains("search"));
    assert_eq!(stage.ids(), left, "the data and the other team's objects are the ones that they were");
    assert_eq!(standing(&stage, "search-index").as_deref(), Some("released"));
    assert_eq!(stage.done(&["get", "--unmanaged", "-o", "name"]).stdout, "volume/search-index\n");
    stage.done(&["plan", "prod", "--prune", "--exit-code"]);

    stage.git(&["revert", "--no-edit", "HEAD"]);
    insta::assert_snapshot!(stage.done(&["apply", "prod", "--prune", "--yes", "--parallelism", "1"]), @r"
    $ sbx apply prod --prune --yes --parallelism 1
    --- stdout
    = keep volume/search-index
        it had been released, and is taken up again

    + create template/search
        image:            search:1
        resources.cpu:    500m
        resources.memory: 512Mi
        volume_mounts:    /data (search-index)

    + create pool/search-hot
        template_name: python
        replicas:      1

    + create pool/search-warm
        template_name: python
        replicas:      1

    Plan: 3 to create, 6 unchanged.
    Done: 3 created.
    --- stderr
    created template/search (<duration>)
    created pool/search-hot (<duration>)
    created pool/search-warm (<duration>)
    --- exit code 0
    ");
    assert_eq!(standing(&stage, "search-index"), None, "it is owned again");
    assert_eq!(stage.ids()["volume/search-index"], before["volume/search-index"], "with the data that it had");
    assert_eq!(stage.ids().keys().collect::<Vec<_>>(), before.keys().collect::<Vec<_>>());
    stage.is_settled();
}

#[test]
fn a_job_for_one_team_prunes_nothing_of_another() {
    let stage = two_teams();
    let before = stage.ids();
    delete_search(&stage);
    for part in [&["-f", "manifests/ads"][..], &["-f", "manifests", "-l", "team=ads"]] {
        let run = stage.done(&[&["apply", "--inventory", "state/prod.json", "--prune", "--yes"], part].concat());
        assert!(run.stdout.contains("No changes."), "{run}");
    }
    assert_eq!(stage.ids(), before);

    // The team's own job, which goes by its label, may take away what is the team's.
    let own = ["apply", "prod", "-l", "team=search", "--prune", "--yes"];
    let refused = stage.sbx(&own);
    assert_eq!(refused.code, Some(1), "{refused}");
    assert!(refused.stdout.contains("--allow-destroy 3"), "{refused}");
    stage.done(&[&own[..], &["--allow-destroy", "3"]].concat());
    let ads = |name: &str| !name.contains("search");
    let (live, before): (Vec<_>, Vec<_>) = (stage.ids().into_iter().collect(), before.into_iter().collect());
    let of_others = |list: Vec<(String, String)>| list.into_iter().filter(|(name, _)| ads(name)).collect::<Vec<_>>();
    assert_eq!(of_others(live), of_others(before));
    stage.done(&["plan", "prod", "--prune", "--exit-code"]);
}
