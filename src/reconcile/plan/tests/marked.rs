//! Objects that say themselves whose they are: known again where the record was lost, and left alone where they are
//! another project's.

use super::*;
use crate::kinds::{Build, Mark};
use crate::reconcile::drift_from;

const US: &str = "acme/prod";

fn snapshot(name: &str, image: &str) -> String {
    format!(
        "{{apiVersion: sbx/v2, kind: Snapshot, metadata: {{name: {name}}}, \
         spec: {{docker_image: {image}, fs_capacity_bytes: 8Gi}}}}\n---\n"
    )
}

fn sandbox(name: &str, idle: u32) -> String {
    format!(
        "{{apiVersion: sbx/v2, kind: Sandbox, metadata: {{name: {name}}}, \
         spec: {{snapshot: python, idle_ttl_seconds: {idle}}}}}\n---\n"
    )
}

/// Returns the world in which `owner` made all of it, and that we look at without a record.
fn made_by(owner: &str, text: &str) -> World {
    let declared = desired(text);
    let mark = |live: &Live| {
        let object = declared.get(&live.key);
        object.map(|object| Mark::new(&owner.into(), &object.key, &object.spec))
    };
    let made = world(text);
    let live: Vec<_> = made.iter().map(|live| Live { mark: mark(live), ..live.clone() }).collect();
    as_us(World::new(live, now()))
}

fn as_us(mut world: World) -> World {
    world.owner = Some(US.into());
    world
}

fn without_a_record(world: World) -> World {
    world.with_inventory(&Inventory::default())
}

/// Returns the world after something live was changed.
fn altered(world: &World, name: &str, change: impl Fn(&mut Live)) -> World {
    let mut live: Vec<_> = world.iter().cloned().collect();
    live.iter_mut().filter(|live| live.key.name.as_str() == name).for_each(change);
    as_us(World::new(live, now()))
}

#[test]
fn what_is_ours_is_on_record_again_and_may_be_changed() {
    let both = [snapshot("python", "a"), sandbox("box", 600)].concat();
    let world = without_a_record(made_by(US, &both));
    assert_eq!(world.recovered.len(), 2);
    let plan_of = |text: &str| plan(&desired(text), &world, &Policy::default());
    insta::assert_snapshot!(text_of(&plan_of(&both)), @r"
    keep snapshot/python (it was on no record; its labels say that it is this project's)
    keep sandbox/box (it was on no record; its labels say that it is this project's)
    ");
    assert_eq!(plan_of(&both).effects.len(), 2, "it is written down");
    let changed = [snapshot("python", "a"), sandbox("box", 1200)].concat();
    insta::assert_snapshot!(text_of(&plan_of(&changed)), @r"
    keep snapshot/python (it was on no record; its labels say that it is this project's)
    update sandbox/box [idle_ttl_seconds: 600 -> 1200] (it was on no record; its labels say that it is this project's)
    0. update sandbox/box after []
    ");
    assert!(plan_of(&changed).changes.iter().all(|change| !change.is_drift()));
}

#[test]
fn what_differs_though_the_manifests_are_the_same_was_changed_behind_them() {
    let both = [snapshot("python", "a"), sandbox("box", 600)].concat();
    let slower = desired(&sandbox("box", 1200));
    let spec = slower.iter().next().expect("one is declared").spec.clone();
    let world = without_a_record(altered(&made_by(US, &both), "box", |live| live.spec = Ok(spec.clone())));
    let plan = plan(&desired(&both), &world, &Policy::default());
    assert_eq!(plan.drifted().count(), 1, "{}", text_of(&plan));
}

#[test]
fn what_is_another_projects_is_left_alone_until_it_is_taken_over() {
    let both = [snapshot("python", "a"), sandbox("box", 600)].concat();
    let changed = [snapshot("python", "a"), sandbox("box", 1200)].concat();
    let theirs = made_by("acme/other", &both);
    for world in [theirs.clone(), without_a_record(theirs)] {
        let plan_of = |policy: &Policy| plan(&desired(&changed), &world, policy);
        insta::allow_duplicates! {
            insta::assert_snapshot!(text_of(&plan_of(&Policy::default())), @r"
            keep snapshot/python (its labels say that it belongs to another project: acme/other)
            blocked sandbox/box [idle_ttl_seconds: 600 -> 1200] (its labels say that it belongs to another project: acme/other)
            ");
        }
        assert!(plan_of(&Policy::default()).effects.is_empty());
        assert_eq!(world.unmanaged().count(), 0, "it is somebody's");
        let all = Policy { take_over: TakeOver::All, ..Policy::default() };
        let taken = text_of(&plan_of(&all));
        assert!(taken.contains("update sandbox/box") && taken.contains("it is taken over"), "{taken}");
        let gone = plan_destroy(&desired(&both), &world);
        assert!(gone.steps.is_empty(), "{}", text_of(&gone));
    }
}

#[test]
fn what_a_name_pointed_to_before_is_found_with_no_record_at_all() {
    let mut world = made_by(US, &snapshot("team/python:3.12", "a"));
    let object = desired(&snapshot("team/python:3.12", "a"));
    let object = object.iter().next().expect("one is declared");
    for (owner, id) in [(US, "old-1"), (US, "old-2"), ("acme/other", "theirs")] {
        let name = object.key.kind.name(&format!("team/python@{id}")).expect("a name");
        let key = Key { name, ..object.key.clone() };
        let mark = Some(Mark::new(&owner.into(), &object.key, &object.spec));
        let live = world.iter().next().expect("there is one").clone();
        let old = Live { id: Some(ObjectId::new(id)), mark: mark.filter(|mark| mark.is_of(&key)), key, ..live };
        world = world.with_more([old]);
    }
    let declared = desired(&snapshot("team/python:3.12", "a"));
    let found = text_of(&plan(&declared, &world, &Policy::default()));
    insta::assert_snapshot!(found, @r"
    keep snapshot/team/python:3.12
    delete snapshot/team/python@old-1 (left by a replacement of snapshot/team/python:3.12)
    delete snapshot/team/python@old-2 (left by a replacement of snapshot/team/python:3.12)
    0. delete snapshot/team/python@old-1 after []
    1. delete snapshot/team/python@old-2 after []
    ");
    // No longer declared, nor live under its name, they go with what is pruned.
    let rest: Vec<_> = world.iter().filter(|live| live.key != object.key).cloned().collect();
    let rest = without_a_record(as_us(World::new(rest, now())));
    let allowing = Policy { allow_destroy: Some(9), prune: true, ..Policy::default() };
    insta::assert_snapshot!(text_of(&plan(&desired(""), &rest, &allowing)), @r"
    delete snapshot/team/python@old-1 (left by a replacement of snapshot/team/python)
    delete snapshot/team/python@old-2 (left by a replacement of snapshot/team/python)
    0. delete snapshot/team/python@old-1 after []
    1. delete snapshot/team/python@old-2 after []
    ");
    assert!(plan(&desired(""), &rest, &Policy::default()).steps.is_empty());
}

#[test]
fn after_a_build_that_failed_the_last_good_one_stays_until_there_is_another() {
    let before = owned(&[snapshot("python", "a"), sandbox("box", 600)].concat());
    let declared = [snapshot("python", "b"), sandbox("box", 600)].concat();
    let first = plan(&desired(&declared), &before, &Policy::default());
    let mut inventory = Inventory::clone(before.inventory.as_ref().expect("something is recorded"));
    inventory.intend(first.intents(now()));
    let mut model = Model::of(&before);
    model.perform(&first.steps[0]).expect("it is published");
    let failed = altered(&model.to_world(&before), "python", |live| {
        live.health = Health::Failed("no such image".to_owned());
    });
    let failed = failed.with_inventory(&inventory);
    let next = plan(&desired(&declared), &failed, &Policy::default());
    insta::assert_snapshot!(text_of(&next), @r"
    replace snapshot/python (it failed: no such image) (it is published anew, beside the old one) (the old one stays as `python@made-1`, until a later apply: held by sandbox/box, no TTL)
    keep sandbox/box (outdated: its snapshot is python@made-1, declared is python; it is kept)
    0. create snapshot/python after []
    1. delete snapshot/python@made-3 after [0]
    ");
    let without_the_box = plan(&desired(&snapshot("python", "b")), &performed(&next, &failed), &Policy::default());
    assert!(without_the_box.steps.iter().all(|step| step.key.name.as_str() != "box"), "{}", text_of(&without_the_box));
}

#[test]
fn an_image_that_moved_on_is_told_and_followed_only_if_it_may_be() {
    let both = [snapshot("python", "a"), snapshot("other", "a")].concat();
    let build = |digest: &str| Some(Build { source: "a".into(), digest: digest.into() });
    let live = world(&both);
    let live = altered(&live, "python", |live| live.build = build("sha256:1"));
    let live = altered(&live, "other", |live| {
        live.build = build("sha256:2");
        live.created_at = Some(now());
    });
    insta::assert_snapshot!(text_of(&plan(&desired(&both), &live, &Policy::default())), @r"
    keep snapshot/other
    keep snapshot/python (a has moved on since it was built: it was sha256:2 for snapshot/other)
    ");
    let drifted: Vec<_> = drift_from(&desired(&both), &live);
    let told: Vec<_> = drifted.iter().map(|drift| format!("{} {}", drift.key, drift.event)).collect();
    assert_eq!(told, ["snapshot/python was built before a moved on: it was sha256:2 for snapshot/other"]);
    assert!(!drifted[0].is_meddling() && drifted[0].fields.is_empty());
    let follows = both.replacen("8Gi}}", "8Gi}, lifecycle: {on_image_change: replace}}", 1);
    insta::assert_snapshot!(text_of(&plan(&desired(&follows), &live, &Policy::default())), @r"
    keep snapshot/other
    replace snapshot/python (a has moved on since it was built: it was sha256:2 for snapshot/other) (it is published anew; the old one is not managed here, and stays as `python@made-2`)
    0. create snapshot/python after []
    ");
    let same = altered(&live, "other", |live| live.build = build("sha256:1"));
    assert!(!text_of(&plan(&desired(&follows), &same, &Policy::default())).contains("moved on"));
}
