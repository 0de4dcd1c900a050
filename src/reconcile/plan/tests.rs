mod expiry;
mod marked;
mod ownership;
mod properties;
mod published;
mod rehearsal;
mod removal;
mod renamed_behind;
mod renames;
mod rolling;
mod rollouts;
mod room;
mod saved;
mod second;
mod unspoken;

use super::*;
use crate::kinds::{self, Health, Object};
use crate::manifest::{Input, Limits, load};
use crate::reconcile::inventory::Inventory;
use crate::reconcile::model::Model;
use crate::types::Timestamp;

fn now() -> Timestamp {
    "2026-03-24T12:00:00Z".parse().expect("a time")
}

fn objects(text: &str) -> Vec<Object> {
    let input = Input::Text { name: "test.yaml".to_owned(), text: text.to_owned() };
    let (documents, mut diagnostics) = load(&[input], &Limits::default());
    let objects = kinds::decode(&documents, &mut diagnostics);
    assert!(!diagnostics.has_errors(), "{text}\n{diagnostics:?}");
    objects
}

fn desired(text: &str) -> Desired {
    if text.is_empty() { Desired::default() } else { Desired::new(objects(text)) }
}

/// Returns the world that a plan for these manifests makes out of nothing.
fn world(text: &str) -> World {
    after(&desired(text), &World::new([], now()))
}

fn after(desired: &Desired, world: &World) -> World {
    let plan = plan(desired, world, &Policy::default());
    assert!(!is_impossible(&plan), "{:?}\n{}", plan.refusals, text_of(&plan));
    let mut model = Model::of(world);
    model.run(&plan).unwrap_or_else(|refusal| panic!("{refusal:?}\n{}", text_of(&plan)));
    model.to_world(world)
}

/// Returns whether the planner itself found that the server would refuse a step.
fn is_impossible(plan: &Plan) -> bool {
    plan.refusals.iter().any(|refusal| matches!(refusal, Refusal::Impossible { .. }))
}

/// Performs a plan on a model of the server, and returns the world after it, with what the record says then.
fn performed(plan: &Plan, world: &World) -> World {
    let mut inventory = world.inventory.as_deref().cloned().unwrap_or_default();
    inventory.intents = plan.intents(now());
    for effect in plan.effects.clone() {
        inventory.apply(effect);
    }
    let mut model = Model::of(world);
    for step in &plan.steps {
        model.perform(step).unwrap_or_else(|refusal| panic!("{refusal:?}\n{}", text_of(plan)));
        let live = model.to_world(world);
        for effect in plan.effects_of(step, live.get(&step.key)) {
            inventory.apply(effect);
        }
    }
    inventory.intents.clear();
    let mut after = model.to_world(world).with_inventory(&inventory);
    after.siblings.clone_from(&world.siblings);
    after
}

/// Returns the world that these manifests make out of nothing, all of it owned.
fn owned(text: &str) -> World {
    let nothing = World::new([], now()).with_inventory(&Inventory::default());
    performed(&plan(&desired(text), &nothing, &Policy::default()), &nothing)
}

/// Returns the world where somebody else deleted an object.
fn without(world: &World, name: &str) -> World {
    let mut left = World::new(world.iter().filter(|live| live.key.name.as_str() != name).cloned(), world.now);
    left.inventory.clone_from(&world.inventory);
    left
}

/// Returns what the world is after somebody else made it what these manifests say.
fn meddled(world: &World, text: &str) -> World {
    let mut live = world.clone();
    live.inventory = None;
    let prune: Vec<_> = {
        let declared = desired(text);
        world.iter().map(|live| live.key.clone()).filter(|key| declared.get(key).is_none()).collect()
    };
    let mut model = Model::of(&live);
    model.run(&plan_removal(&prune, &live)).expect("nothing holds it");
    let live = model.to_world(&live);
    let inventory = world.inventory.as_ref().expect("something is recorded");
    // Ids that are recorded are not given again.
    let mut model = Model::of(&live.clone().with_inventory(inventory));
    model.run(&plan(&desired(text), &live, &Policy::default())).expect("it can be made");
    model.to_world(&live).with_inventory(inventory)
}

/// Returns a plan in a form that a test can show: changes, then steps.
fn text_of(plan: &Plan) -> String {
    let value = |value: &Option<Value>| value.as_ref().map_or("-".to_owned(), ToString::to_string);
    let changes = plan.changes.iter().map(|change| {
        let fields = change.fields.iter();
        let fields = fields.map(|field| format!(" [{}: {} -> {}]", field.path, value(&field.from), value(&field.to)));
        let notes = change.notes.iter().map(|note| format!(" ({note})"));
        let more: String = fields.chain(notes).collect();
        format!("{} {}{more}\n", change.action.as_str(), change.key)
    });
    let steps = plan.steps.iter().enumerate();
    let names = |verb: &Verb| match verb {
        Verb::Swap { retired: Some(retired), incoming, .. } => format!(" {retired} <- {incoming}"),
        Verb::Swap { retired: None, incoming, .. } => format!(" <- {incoming}"),
        Verb::Verify { holders, .. } => format!(" of {holders:?}"),
        _ => String::new(),
    };
    let steps = steps.map(|(index, step)| {
        format!("{index}. {} {}{} after {:?}\n", step.verb.as_str(), step.key, names(&step.verb), step.after)
    });
    changes.chain(steps).collect()
}

fn volume(name: &str, size: &str, more: &str) -> String {
    format!("---\n{{apiVersion: sbx/v1, kind: Volume, metadata: {{name: {name}}}, spec: {{size: {size}}}{more}}}\n")
}

fn template(name: &str, image: &str, more: &str) -> String {
    format!("---\n{{apiVersion: sbx/v1, kind: Template, metadata: {{name: {name}}}, spec: {{image: {image}}}{more}}}\n")
}

fn mounting(name: &str, volume: &str) -> String {
    let spec = format!("{{image: a, volume_mounts: [{{volume_name: {volume}, mount_path: /data}}]}}");
    format!("---\n{{apiVersion: sbx/v1, kind: Template, metadata: {{name: {name}}}, spec: {spec}}}\n")
}

fn pool(name: &str, template: &str, replicas: &str, more: &str) -> String {
    let spec = format!("{{template_name: {template}, replicas: {replicas}}}");
    format!("---\n{{apiVersion: sbx/v1, kind: Pool, metadata: {{name: {name}}}, spec: {spec}{more}}}\n")
}

fn sandbox(name: &str, template: &str, more: &str) -> String {
    let spec = format!("{{template_name: {template}}}");
    format!("---\n{{apiVersion: sbx/v1, kind: Sandbox, metadata: {{name: {name}}}, spec: {spec}{more}}}\n")
}

#[track_caller]
fn check(declared: &str, world: &World, expected: &str) {
    let plan = plan(&desired(declared), world, &Policy::default());
    assert_eq!(text_of(&plan), expected.trim_start_matches('\n'));
    let after = after(&desired(declared), world);
    assert_eq!(
        self::plan(&desired(declared), &after, &Policy::default()).steps.len(),
        0,
        "a second plan has nothing to do"
    );
}

#[test]
fn creates_in_the_order_of_references() {
    let declared = [sandbox("s", "t", ""), pool("p", "q", "2", ""), template("q", "a", ""), mounting("t", "v")]
        .concat()
        + &volume("v", "1Gi", "");
    check(
        &declared,
        &World::new([], now()),
        "
create volume/v
create template/q
create template/t
create pool/p
create sandbox/s
0. create volume/v after []
1. create template/q after []
2. create template/t after [0]
3. create pool/p after [1]
4. create sandbox/s after [2]
",
    );
}

#[test]
fn changes_in_place_what_the_api_can_change() {
    let live = world(&[volume("v", "1Gi", ""), template("t", "a", ""), pool("p", "t", "2", "")].concat());
    let declared =
        [volume("v", "2048Mi", ""), template("t", "docker.io/library/a:latest", ""), pool("p", "t", "0", "")];
    check(
        &declared.concat(),
        &live,
        "
update volume/v [size: 1Gi -> 2048Mi]
keep template/t
update pool/p [replicas: 2 -> 0]
0. update volume/v after []
1. update pool/p after []
",
    );
}

#[test]
fn a_volume_never_shrinks_and_what_needs_it_waits() {
    let live = world(&volume("v", "2Gi", ""));
    let declared = volume("v", "1Gi", "") + &mounting("t", "v") + &volume("w", "1Gi", "");
    check(
        &declared,
        &live,
        "
blocked volume/v [size: 2Gi -> 1Gi] (size cannot shrink from 2Gi to 1Gi)
create volume/w
blocked template/t (it needs volume/v, which is blocked)
0. create volume/w after []
",
    );
}

#[test]
fn a_template_that_says_so_is_recreated_together_with_its_pools() {
    let live = world(&[template("t", "a", ""), pool("p", "t", "2", ""), pool("q", "t", "3", "")].concat());
    let recreate = ", lifecycle: {replace: recreate}";
    let declared = [template("t", "b", recreate), pool("p", "t", "2", ""), pool("q", "t", "3", recreate)];
    check(
        &declared.concat(),
        &live,
        "
replace template/t [image: a -> b] (image cannot change in place) (deleted first, then made anew, as `replace: recreate` asks)
replace pool/p [template_name: t -> t] (template `t` is replaced) (deleted first, then made anew, as template `t` is)
replace pool/q [template_name: t -> t] (template `t` is replaced) (deleted first, then made anew, as `replace: recreate` asks)
0. delete pool/p after []
1. delete pool/q after []
2. delete template/t after [0, 1]
3. create template/t after [2]
4. create pool/p after [3, 0]
5. create pool/q after [3, 1]
",
    );
}

#[test]
fn a_template_to_recreate_that_sandboxes_hold_is_blocked_and_says_by_whom() {
    let mut live: Vec<_> = world(
        &[template("t", "a", ""), sandbox("s", "t", ""), sandbox("u", "t", ""), pool("p", "t", "1", "")].concat(),
    )
    .iter()
    .cloned()
    .collect();
    for object in &mut live {
        if object.key.name.as_str() == "u" {
            object.expires_at = "2026-03-24T14:05:00Z".parse().ok();
        }
    }
    let live = World::new(live, now());
    let recreated = template("t", "b", ", lifecycle: {replace: recreate}");
    check(
        &[recreated, sandbox("s", "t", ""), pool("p", "t", "1", "")].concat(),
        &live,
        "
blocked template/t [image: a -> b] (image cannot change in place) (held by sandbox/s, no TTL; sandbox/u, gone by 14:05 UTC by its TTL)
keep pool/p
keep sandbox/s
",
    );
}

/// Returns the world with some of its objects made different.
fn altered(world: &World, mut alter: impl FnMut(&mut kinds::Live)) -> World {
    let mut live: Vec<_> = world.iter().cloned().collect();
    live.iter_mut().for_each(&mut alter);
    let mut altered = World::new(live, world.now);
    altered.capacity = world.capacity;
    altered
}

fn make_unreadable(live: &mut kinds::Live) {
    let references = live.references().cloned().collect();
    live.spec = Err(kinds::Unreadable { why: "its TTL: 90 is no TTL".to_owned(), references });
}

#[test]
fn what_cannot_be_read_still_holds_what_it_refers_to() {
    let live = world(&[template("t", "a", ""), sandbox("s", "t", ""), pool("p", "t", "1", "")].concat());
    let live = altered(&live, |live| {
        if live.key.name.as_str() == "s" {
            make_unreadable(live);
        }
    });
    check(
        &[template("t", "b", ", lifecycle: {replace: recreate}"), pool("p", "t", "1", "")].concat(),
        &live,
        "
blocked template/t [image: a -> b] (image cannot change in place) (held by sandbox/s, no TTL)
keep pool/p
",
    );
}

#[test]
fn what_cannot_be_read_is_removed_only_while_it_is_the_same() {
    let live = altered(&world(&volume("v", "1Gi", "")), make_unreadable);
    let seen = live.iter().next().expect("one is live");
    let plan = plan_removal(std::slice::from_ref(&seen.key), &live);
    let expected = plan.steps[0].expects.as_ref().expect("a deletion rests on what was seen");
    assert!(expected.holds_for(seen));
    assert!(!expected.holds_for(&Live { id: Some(ObjectId::new("another")), ..seen.clone() }));
}

#[test]
fn a_sandbox_follows_its_template_only_if_it_says_so() {
    let live = world(&[template("t", "a", ""), template("u", "a", ""), sandbox("s", "t", "")].concat());
    let declared = template("t", "a", "") + &template("u", "a", "");
    check(
        &(declared.clone() + &sandbox("s", "u", "")),
        &live,
        "
keep template/t
keep template/u
keep sandbox/s (outdated: its template_name is t, declared is u; it is kept)
",
    );
    let follows = ", lifecycle: {on_template_change: replace}";
    check(
        &(template("t", "b", ", lifecycle: {replace: recreate}") + &sandbox("s", "t", follows)),
        &live,
        "
replace template/t [image: a -> b] (image cannot change in place) (deleted first, then made anew, as `replace: recreate` asks)
replace sandbox/s [template_name: t -> t] (template `t` is replaced) (the disk of this sandbox is lost, with everything on it)
0. delete sandbox/s after []
1. delete template/t after [0]
2. create template/t after [1]
3. create sandbox/s after [2, 0]
",
    );
}

#[test]
fn a_failed_sandbox_is_never_equal() {
    let mut live: Vec<_> = world(&[template("t", "a", ""), sandbox("s", "t", "")].concat()).iter().cloned().collect();
    live[1].health = Health::Failed("image not found".to_owned());
    check(
        &[template("t", "a", ""), sandbox("s", "t", "")].concat(),
        &World::new(live, now()),
        "
keep template/t
replace sandbox/s (it failed: image not found)
0. delete sandbox/s after []
1. create sandbox/s after [0]
",
    );
}

#[test]
fn references_are_found_or_reported() {
    let live = world(&[template("t", "a", ""), template("x", "a", "")].concat());
    let declared =
        [template("u", "a", ", lifecycle: {renamed_from: t}"), pool("p", "t", "1", ""), pool("q", "x", "1", "")];
    check(
        &(declared.concat() + &pool("r", "nowhere", "1", "")),
        &live,
        "
rename template/u
blocked pool/p (template `t` is renamed to `u`)
create pool/q
blocked pool/r (template `nowhere` is neither declared nor live)
0. rename template/t after []
1. create pool/q after []
",
    );
}

#[test]
fn what_is_given_back_beyond_the_quota_makes_no_room() {
    let mut live = world(&[template("t", "a", ""), pool("p", "t", "5", "")].concat());
    let used = kinds::Quota { sandboxes: 5, ..kinds::Quota::default() };
    live.capacity = Some(kinds::Capacity { used, limit: kinds::Quota { sandboxes: 4, ..kinds::Quota::default() } });
    check(
        &[template("t", "a", ""), pool("p", "t", "4", ""), sandbox("s", "t", "")].concat(),
        &live,
        "
keep template/t
update pool/p [replicas: 5 -> 4]
blocked sandbox/s (the quota for sandboxes has 0 left, and this takes 1)
0. update pool/p after []
",
    );
}

#[test]
fn prevent_destroy_refuses_the_whole_plan() {
    let live = world(&[template("t", "a", ""), pool("p", "t", "1", "")].concat());
    let protected = pool("p", "t", "1", ", lifecycle: {prevent_destroy: true, replace: recreate}");
    let declared = template("t", "b", "") + &protected;
    let plan = plan(&desired(&declared), &live, &Policy::default());
    assert_eq!(plan.protected().iter().map(ToString::to_string).collect::<Vec<_>>(), ["pool/p"]);
}

#[test]
fn a_quota_without_room_blocks_what_does_not_fit() {
    let mut live = world(&volume("v", "1Gi", ""));
    let used = kinds::Quota { volumes: 1, storage_bytes: 1 << 30, ..kinds::Quota::default() };
    let limit = kinds::Quota { volumes: 2, ..kinds::Quota::default() };
    live.capacity = Some(kinds::Capacity { used, limit });
    let declared =
        [volume("v", "1Gi", ""), volume("w", "1Gi", ""), volume("x", "1Gi", "")].concat() + &mounting("t", "x");
    let plan = plan(&desired(&declared), &live, &Policy::default());
    assert_eq!(
        text_of(&plan),
        "keep volume/v\ncreate volume/w\nblocked volume/x (the quota for volumes has 0 left, and this takes 1)\n\
         blocked template/t (it needs volume/x, which is blocked)\n0. create volume/w after []\n"
    );
}
