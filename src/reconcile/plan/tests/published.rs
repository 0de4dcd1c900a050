//! Snapshots: published anew under their names, with the sandboxes that were made from them.

use super::*;

fn snapshot(name: &str, image: &str) -> String {
    format!(
        "{{apiVersion: sbx/v2, kind: Snapshot, metadata: {{name: {name}}}, \
         spec: {{docker_image: {image}, fs_capacity_bytes: 8Gi}}}}\n---\n"
    )
}

fn sandbox(name: &str, snapshot: &str, lifecycle: &str) -> String {
    format!(
        "{{apiVersion: sbx/v2, kind: Sandbox, metadata: {{name: {name}}}, spec: {{snapshot: {snapshot}}}, \
         lifecycle: {{{lifecycle}}}}}\n---\n"
    )
}

fn allowing() -> Policy {
    Policy { allow_destroy: Some(9), prune: true, ..Policy::default() }
}

/// Plans, performs, and plans again, until nothing is left to do; returns the plans.
fn plans(declared: &str, world: &World) -> (Vec<String>, World) {
    let mut texts = Vec::new();
    let mut world = world.clone();
    for _ in 0..4 {
        let plan = plan(&desired(declared), &world, &allowing());
        assert!(plan.refusals.is_empty(), "{:?}\n{}", plan.refusals, text_of(&plan));
        world = performed(&plan, &world);
        if plan.steps.is_empty() {
            return (texts, world);
        }
        texts.push(text_of(&plan));
    }
    panic!("it does not end: {texts:#?}");
}

#[test]
fn a_sandbox_stays_on_the_old_snapshot_until_it_goes() {
    let before = [snapshot("team/python:3.12", "a"), sandbox("box", "team/python:3.12", "on_remove: delete")].concat();
    let after = [snapshot("team/python:3.12", "b"), sandbox("box", "team/python:3.12", "on_remove: delete")].concat();
    let (texts, world) = plans(&after, &owned(&before));
    insta::assert_snapshot!(texts.join("\n"), @r"
    replace snapshot/team/python:3.12 [docker_image: a -> b] (docker_image cannot change in place) (it is published anew, beside the old one) (the old one stays as `team/python@made-1`, until a later apply: held by sandbox/box, no TTL)
    keep sandbox/box (outdated: its snapshot team/python:3.12 is superseded; it is kept)
    0. create snapshot/team/python:3.12 after []
    ");
    let (texts, world) = plans(&snapshot("team/python:3.12", "b"), &world);
    assert!(texts.concat().contains("delete snapshot/team/python@made-1 after [0]"), "{texts:#?}");
    assert_eq!(world.iter().count(), 1);
}

#[test]
fn a_sandbox_that_follows_is_made_anew_and_the_old_snapshot_goes() {
    let follows = sandbox("box", "python", "on_snapshot_change: replace");
    let world = owned(&[snapshot("python", "a"), follows.clone()].concat());
    let (texts, world) = plans(&[snapshot("python:latest", "b"), follows].concat(), &world);
    insta::assert_snapshot!(texts.join("\n"), @r"
    replace snapshot/python [docker_image: a -> b] (docker_image cannot change in place) (it is published anew, beside the old one)
    replace sandbox/box [snapshot: python -> python] (snapshot `python` is replaced) (the disk of this sandbox is lost, with everything on it)
    0. create snapshot/python after []
    1. delete sandbox/box after [0]
    2. delete snapshot/python@made-1 after [0, 1]
    3. create sandbox/box after [0, 1]
    ");
    assert_eq!(world.iter().count(), 2);
}

#[test]
fn the_disk_of_a_sandbox_is_not_lost_unasked() {
    let follows = sandbox("box", "python", "on_snapshot_change: replace");
    let world = owned(&[snapshot("python", "a"), follows.clone()].concat());
    let plan = plan(&desired(&[snapshot("python", "b"), follows].concat()), &world, &Policy::default());
    assert!(plan.refusals.iter().any(|refusal| matches!(refusal, Refusal::DestroyLimit { .. })), "{:?}", plan.refusals);
}

#[test]
fn what_is_not_ours_stays_when_its_name_is_taken_over() {
    let world = world(&snapshot("python", "a")).with_inventory(&Inventory::default());
    let all = Policy { take_over: TakeOver::All, ..Policy::default() };
    let plan = plan(&desired(&snapshot("python", "b")), &world, &all);
    insta::assert_snapshot!(text_of(&plan), @r"
    replace snapshot/python [docker_image: a -> b] (docker_image cannot change in place) (it was not managed here, and is taken over) (it is published anew; the old one is not managed here, and stays as `python@made-1`)
    0. create snapshot/python after []
    ");
    assert_eq!(performed(&plan, &world).iter().count(), 2);
}

#[test]
fn what_the_server_adds_is_no_difference() {
    let live = "{apiVersion: sbx/v2, kind: Sandbox, metadata: {name: box}, spec: {snapshot: python, vcpus: 2, \
                mem_bytes: 8Gi, idle_ttl_seconds: 600, labels: {inherited: yes, team: a}, persistent: true}}";
    let world = world(&[snapshot("python", "a"), live.to_owned()].concat());
    let declared =
        "{apiVersion: sbx/v2, kind: Sandbox, metadata: {name: box}, spec: {snapshot: python, labels: {team: a}}}";
    let plan = plan(&desired(&[snapshot("python", "a"), declared.to_owned()].concat()), &world, &Policy::default());
    assert!(plan.is_empty(), "{}", text_of(&plan));
}
