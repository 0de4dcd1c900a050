//! The first day: what was made by hand over a year becomes a folder of manifests.

use std::fmt::Write as _;

use super::stage::Stage;
use crate::cli::environment::Run;

const N_TEMPLATES: usize = 80;

/// A workspace that grew by hand, with a pool on one of its templates.
fn grown() -> Stage {
    let stage = Stage::start();
    for index in 0..N_TEMPLATES {
        let mut body = format!(r#"{{"name": "team-{index:02}", "image": "registry.example.com/team:{index}""#);
        let cpu = if index % 2 == 0 { "500m" } else { "2" };
        write!(body, r#", "resources": {{"cpu": "{cpu}", "memory": "1Gi"}}}}"#).expect("it is a string");
        stage.call("POST", "templates", &body);
    }
    stage.call("POST", "pools", r#"{"name": "warm", "template_name": "team-00", "replicas": 2}"#);
    stage
}

/// Returns what a command prints, without a line for each of the objects, all of which are adopted.
fn but_for_adopted(run: &Run) -> String {
    let text = run.to_string();
    let (adopted, rest): (Vec<_>, Vec<_>) = text.lines().partition(|line| line.starts_with("= adopt "));
    assert_eq!(adopted.len(), N_TEMPLATES + 1, "{run}");
    rest.join("\n")
}

#[test]
fn eighty_templates_made_by_hand_become_a_folder() {
    let stage = grown();
    let before = stage.live();
    let unmanaged = stage.done(&["get", "--unmanaged", "-o", "name"]).stdout;
    assert_eq!(unmanaged.lines().count(), N_TEMPLATES + 1, "{unmanaged}");

    insta::assert_snapshot!(stage.done(&["export", "-o", "manifests"]), @r"
    $ sbx export -o manifests
    --- stdout
    wrote manifests/templates.yaml
    wrote manifests/pools.yaml
    --- stderr
    Exported 81 objects into 2 files.
    hint: `sbx plan -f manifests` compares them with what is live
    --- exit code 0
    ");
    insta::assert_snapshot!(but_for_adopted(&stage.done(&["plan", "prod", "--exit-code"])), @r"
    $ sbx plan prod --exit-code
    --- stdout

    No changes. 81 objects to adopt, which sends nothing.
    --- stderr
    No inventory yet at <work>/state/prod.json: of what is live nothing can be pruned, and drift cannot be told from a change. If it was lost, `sbx adopt` makes it again.
    --- exit code 0
    ");
    stage.done(&["adopt", "prod", "--quiet"]);
    stage.is_settled();
    assert_eq!(stage.live(), before, "nothing was sent");
    assert_eq!(stage.owned(), stage.ids());
    insta::assert_snapshot!(stage.done(&["get", "--unmanaged"]), @r"
    $ sbx get --unmanaged
    --- stderr
    Everything that is live is managed.
    --- exit code 0
    ");

    // The first edit, by hand as ever, but of a file.
    let path = "manifests/templates.yaml";
    let edited =
        stage.environment.read(path).replace("registry.example.com/team:7\n", "registry.example.com/team:7.1\n");
    stage.environment.write(path, &edited);
    insta::assert_snapshot!(stage.sbx(&["apply", "prod", "--yes"]), @r"
    $ sbx apply prod --yes
    --- stdout
    -/+ replace template/team-07
        image: registry.example.com/team:7 -> registry.example.com/team:7.1
        image cannot change in place
        `team-07--sbx-3d7db6fa` is built beside it, then swapped
        steps, in this order:
          1. create template/team-07--sbx-3d7db6fa
          2. put team-07--sbx-3d7db6fa in the place of template/team-07
          3. delete template/team-07--sbx-04b371d1

    Plan: 1 to replace, 80 unchanged.
    Done: 1 replaced.
    --- stderr
    created template/team-07--sbx-3d7db6fa (<duration>)
    put team-07--sbx-3d7db6fa in the place of template/team-07 (<duration>)
    deleted template/team-07--sbx-04b371d1 (<duration>)
    --- exit code 0
    ");
    stage.is_settled();
    let (mut before, mut after) = (before, stage.live());
    let (old, new) = (before.remove("template/team-07").unwrap(), after.remove("template/team-07").unwrap());
    assert_ne!(old["id"], new["id"]);
    assert_eq!(new["spec"]["image"], "registry.example.com/team:7.1");
    assert_eq!(after, before, "the others are as they were");
}

#[test]
fn an_apply_adopts_what_it_finds_as_it_is_declared() {
    let stage = grown();
    let before = stage.live();
    stage.done(&["export", "-o", "manifests"]);
    insta::assert_snapshot!(but_for_adopted(&stage.done(&["apply", "prod", "--yes"])), @r"
    $ sbx apply prod --yes
    --- stdout

    No changes. 81 objects to adopt, which sends nothing.
    Recorded: 81 adopted.
    --- stderr
    No inventory yet at <work>/state/prod.json: of what is live nothing can be pruned, and drift cannot be told from a change. If it was lost, `sbx adopt` makes it again.
    --- exit code 0
    ");
    stage.is_settled();
    assert_eq!(stage.live(), before, "nothing was sent");
    assert_eq!(stage.owned(), stage.ids());
}
