use proptest::prelude::*;

use super::*;
use crate::kinds::{self, Health, Object};
use crate::manifest::{Input, Limits, load};
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
    Desired::new(objects(text))
}

/// Returns the world that a plan for these manifests makes out of nothing.
fn world(text: &str) -> World {
    after(&desired(text), &World::new([], now()))
}

fn after(desired: &Desired, world: &World) -> World {
    let plan = plan(desired, world);
    let mut model = Model::of(world);
    model.run(&plan).unwrap_or_else(|refusal| panic!("{refusal:?}\n{}", text_of(&plan)));
    model.to_world(world)
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
    let steps =
        steps.map(|(index, step)| format!("{index}. {} {} after {:?}\n", step.verb.as_str(), step.key, step.after));
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
    let plan = plan(&desired(declared), world);
    assert_eq!(text_of(&plan), expected.trim_start_matches('\n'));
    let after = after(&desired(declared), world);
    assert_eq!(self::plan(&desired(declared), &after).steps.len(), 0, "a second plan has nothing to do");
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
fn a_template_is_recreated_together_with_its_pools() {
    let live = world(&[template("t", "a", ""), pool("p", "t", "2", ""), pool("q", "t", "3", "")].concat());
    let declared =
        [template("t", "b", ""), pool("p", "t", "2", ""), pool("q", "t", "3", ", lifecycle: {replace: recreate}")];
    check(
        &declared.concat(),
        &live,
        "
replace template/t [image: a -> b] (image cannot change in place) (recreate, for now: it is deleted before it is made \
anew; a replacement without a gap comes later)
replace pool/p [template_name: t -> t] (template `t` is replaced) (recreate, for now: it is deleted before it is made \
anew; a replacement without a gap comes later)
replace pool/q [template_name: t -> t] (template `t` is replaced)
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
fn a_template_that_sandboxes_hold_is_blocked_and_says_by_whom() {
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
    check(
        &[template("t", "b", ""), sandbox("s", "t", ""), pool("p", "t", "1", "")].concat(),
        &live,
        "
blocked template/t [image: a -> b] (image cannot change in place) (recreate, for now: it is deleted before it is made \
anew; a replacement without a gap comes later) (held by sandbox/s, no TTL; sandbox/u, gone by 14:05 UTC by its TTL)
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
fn a_pool_moves_to_the_object_that_its_template_s_name_stands_for() {
    let live = world(&[template("a", "x", ""), template("b", "y", ""), pool("p", "b", "1", "")].concat());
    let declared = [
        template("b", "x", ", lifecycle: {renamed_from: a}"),
        template("c", "y", ", lifecycle: {renamed_from: b}"),
        pool("p", "b", "1", ", lifecycle: {replace: recreate}"),
    ];
    check(
        &declared.concat(),
        &live,
        "
rename template/b
rename template/c
replace pool/p [template_name: b -> b] (template `b` becomes another object than the one it is made from)
0. rename template/b after []
1. rename template/a after [0]
2. delete pool/p after []
3. create pool/p after [1, 2]
",
    );
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
replace template/t [image: a -> b] (image cannot change in place)
replace sandbox/s [template_name: t -> t] (template `t` is replaced) (recreate, for now: it is deleted before it is \
made anew; a replacement without a gap comes later)
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
fn renames_keep_what_refers_to_them_and_what_they_hold() {
    let live = world(&[volume("v", "1Gi", ""), template("t", "a", ""), pool("p", "t", "1", "")].concat());
    let declared = [
        volume("w", "2Gi", ", lifecycle: {renamed_from: v}"),
        template("u", "a", ", lifecycle: {renamed_from: t}"),
        pool("p", "u", "1", ""),
        pool("q", "u", "1", ""),
        mounting("m", "w"),
    ];
    check(
        &declared.concat(),
        &live,
        "
rename volume/w [size: 1Gi -> 2Gi]
create template/m
rename template/u
keep pool/p
create pool/q
0. rename volume/v after []
1. update volume/w after [0]
2. create template/m after [0]
3. rename template/t after []
4. create pool/q after [3]
",
    );
}

#[test]
fn a_chain_of_renames_frees_names_in_order() {
    let live = world(&[volume("a", "1Gi", ""), volume("b", "2Gi", "")].concat());
    let declared =
        volume("b", "1Gi", ", lifecycle: {renamed_from: a}") + &volume("c", "2Gi", ", lifecycle: {renamed_from: b}");
    check(
        &declared,
        &live,
        "
rename volume/b
rename volume/c
0. rename volume/b after []
1. rename volume/a after [0]
",
    );
}

#[test]
fn a_long_chain_of_renames_moves_every_object_and_may_end_in_a_new_one() {
    let live = world(&[volume("a", "1Gi", ""), volume("b", "2Gi", ""), volume("c", "3Gi", "")].concat());
    let renames = [
        volume("b", "1Gi", ", lifecycle: {renamed_from: a}"),
        volume("c", "2Gi", ", lifecycle: {renamed_from: b}"),
        volume("d", "3Gi", ", lifecycle: {renamed_from: c}"),
    ];
    let expected = "
rename volume/b
rename volume/c
rename volume/d
0. rename volume/c after []
1. rename volume/b after [0]
2. rename volume/a after [1]
";
    check(&renames.concat(), &live, expected);
    check(
        &(renames.concat() + &volume("a", "9Gi", ", lifecycle: {renamed_from: none}")),
        &live,
        "
create volume/a
rename volume/b
rename volume/c
rename volume/d
0. rename volume/c after []
1. rename volume/b after [0]
2. rename volume/a after [1]
3. create volume/a after [2]
",
    );
}

#[test]
fn a_rename_from_an_object_that_keeps_its_name_is_blocked() {
    let live = world(&[volume("a", "1Gi", ""), volume("b", "1Gi", "")].concat());
    let declared = [
        volume("a", "1Gi", ""),
        volume("b", "1Gi", ", lifecycle: {renamed_from: a}"),
        volume("c", "1Gi", ", lifecycle: {renamed_from: b}"),
    ];
    check(
        &declared.concat(),
        &live,
        "
keep volume/a
keep volume/b (the rename from `a` is done)
blocked volume/c (it is renamed from `b`, and the live `b` is declared with that name as well)
",
    );
}

#[test]
fn a_rename_is_spent_or_ambiguous() {
    let declared = volume("new", "1Gi", ", lifecycle: {renamed_from: old}");
    check(&declared, &world(&volume("new", "1Gi", "")), "\nkeep volume/new (the rename from `old` is done)\n");
    let both = world(&[volume("new", "1Gi", ""), volume("old", "1Gi", "")].concat());
    check(
        &declared,
        &both,
        "
blocked volume/new (both names are live: the old one, `old`, with id made-2, and the new one with id made-1)
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
fn prevent_destroy_refuses_the_whole_plan() {
    let live = world(&[template("t", "a", ""), pool("p", "t", "1", "")].concat());
    let declared = template("t", "b", "") + &pool("p", "t", "1", ", lifecycle: {prevent_destroy: true}");
    let plan = plan(&desired(&declared), &live);
    assert_eq!(plan.refused_by.iter().map(ToString::to_string).collect::<Vec<_>>(), ["pool/p"]);
}

#[test]
fn a_quota_without_room_blocks_what_does_not_fit() {
    let mut live = world(&volume("v", "1Gi", ""));
    let used = kinds::Quota { volumes: 1, storage_bytes: 1 << 30, ..kinds::Quota::default() };
    let limit = kinds::Quota { volumes: 2, ..kinds::Quota::default() };
    live.capacity = Some(kinds::Capacity { used, limit });
    let declared =
        [volume("v", "1Gi", ""), volume("w", "1Gi", ""), volume("x", "1Gi", "")].concat() + &mounting("t", "x");
    let plan = plan(&desired(&declared), &live);
    assert_eq!(
        text_of(&plan),
        "keep volume/v\ncreate volume/w\nblocked volume/x (quota: it takes 1 volumes, and 0 are left)\n\
         blocked template/t (it needs volume/x, which is blocked)\n0. create volume/w after []\n"
    );
}

#[test]
fn destroy_keeps_what_holds_data_and_what_that_needs() {
    let text = [
        volume("v", "1Gi", ""),
        volume("w", "1Gi", ", lifecycle: {on_remove: delete}"),
        mounting("m", "v"),
        template("t", "a", ""),
        pool("p", "t", "1", ""),
        sandbox("s", "m", ""),
    ];
    let live = world(&text.concat());
    let plan = plan_destroy(&desired(&text.concat()), &live);
    assert_eq!(
        text_of(&plan),
        "keep volume/v (it holds data and is kept)\ndelete volume/w\n\
         blocked template/m (held by sandbox/s, no TTL)\ndelete template/t\ndelete pool/p\n\
         keep sandbox/s (it holds data and is kept)\n\
         0. delete volume/w after []\n1. delete pool/p after []\n2. delete template/t after [1]\n"
    );
}

#[test]
fn destroy_treats_an_object_as_its_own_manifest_says_also_amid_renames() {
    let live = world(&[volume("a", "1Gi", ""), volume("b", "2Gi", "")].concat());
    let declared = [
        volume("b", "1Gi", ", lifecycle: {renamed_from: a, on_remove: delete}"),
        volume("c", "2Gi", ", lifecycle: {renamed_from: b}"),
        volume("d", "2Gi", ""),
    ];
    assert_eq!(
        text_of(&plan_destroy(&desired(&declared.concat()), &live)),
        "delete volume/b (it is live as `a`)\n\
         keep volume/c (it is live as `b`) (it holds data and is kept)\n\
         keep volume/d (it is not live: nothing is left to destroy)\n\
         0. delete volume/a after []\n"
    );
}

#[test]
fn a_chain_of_renames_is_blocked_from_where_it_cannot_go_on() {
    let live = world(&[volume("a", "1Gi", ""), volume("b", "2Gi", ""), volume("c", "3Gi", "")].concat());
    let declared = [
        volume("b", "1Gi", ", lifecycle: {renamed_from: a}"),
        volume("c", "2Gi", ", lifecycle: {renamed_from: b}"),
        volume("d", "1Gi", ", lifecycle: {renamed_from: c}"),
    ];
    check(
        &declared.concat(),
        &live,
        "
blocked volume/b (it is live as `a`) (its name stays with another object, id made-2, whose own change is blocked)
blocked volume/c (it is live as `b`) (its name stays with another object, id made-3, whose own change is blocked)
blocked volume/d [size: 3Gi -> 1Gi] (it is live as `c`) (size cannot shrink from 3Gi to 1Gi)
",
    );
}

#[test]
fn a_deletion_is_seen_to_be_done_before_what_waits_for_it() {
    let live = world(&[template("t", "a", ""), pool("p", "t", "1", "")].concat());
    let keys: Vec<_> = live.iter().map(|live| live.key.clone()).collect();
    let plan = plan_removal(&keys, &live);
    let waited_for = plan.steps.iter().map(|step| match step.verb {
        Verb::Delete { is_waited_for } => (step.key.to_string(), is_waited_for),
        _ => panic!("{step:?}"),
    });
    let expected = [("pool/p".to_owned(), true), ("template/t".to_owned(), false)];
    assert_eq!(waited_for.collect::<Vec<_>>(), expected);
}

#[test]
fn removal_is_held_by_what_stays() {
    let live = world(&[template("t", "a", ""), pool("p", "t", "1", ""), pool("q", "t", "1", "")].concat());
    let key = |index: usize| live.iter().nth(index).expect("three are live").key.clone();
    let plan = plan_removal(&[key(0), key(1), key(1)], &live);
    assert_eq!(text_of(&plan), "blocked template/t (held by pool/q)\ndelete pool/p\n0. delete pool/p after []\n");
}

/// A manifest set over a small universe of names, so that names meet.
fn manifests() -> impl Strategy<Value = String> {
    let rename = |names: &'static str| prop_oneof![3 => Just(None), 1 => (0..3_usize).prop_map(move |from| Some(format!("{names}{from}")))];
    let lifecycle =
        |from: Option<String>| from.map_or(String::new(), |from| format!(", lifecycle: {{renamed_from: {from}}}"));
    let volumes = prop::collection::btree_map(0..3_usize, (1..4_u8, rename("v")), 0..3);
    let templates = prop::collection::btree_map(0..3_usize, ("[ab]", prop::option::of(0..3_usize), rename("t")), 0..4);
    let pools = prop::collection::btree_map(0..3_usize, (0..3_usize, 0..4_u32, 0..3_u32), 0..3);
    let sandboxes = prop::collection::btree_map(0..3_usize, (0..3_usize, any::<bool>()), 0..3);
    (volumes, templates, pools, sandboxes).prop_map(move |(volumes, templates, pools, sandboxes)| {
        let mut text = String::new();
        for (name, (size, from)) in volumes {
            text += &volume(&format!("v{name}"), &format!("{size}Gi"), &lifecycle(from));
        }
        let mut mounted = Vec::new();
        for (name, (image, mount, from)) in templates {
            if let Some(mount) = mount {
                mounted.push(name);
                text += &mounting(&format!("t{name}"), &format!("v{mount}"));
            } else {
                text += &template(&format!("t{name}"), &image, &lifecycle(from));
            }
        }
        for (name, (template, min, more)) in pools.into_iter().filter(|(_, (template, ..))| !mounted.contains(template))
        {
            let replicas = if more == 0 { min.to_string() } else { format!("{{min: {min}, max: {}}}", min + more) };
            text += &pool(&format!("p{name}"), &format!("t{template}"), &replicas, "");
        }
        for (name, (template, follows)) in sandboxes {
            let more = if follows { ", lifecycle: {on_template_change: replace}" } else { "" };
            text += &sandbox(&format!("s{name}"), &format!("t{template}"), more);
        }
        text
    })
}

/// Returns what the manifests declare, or nothing if they are not valid (two renames from one, say).
fn valid(text: &str) -> Option<Desired> {
    let input = Input::Text { name: "test.yaml".to_owned(), text: text.to_owned() };
    let (documents, mut diagnostics) = load(&[input], &Limits::default());
    let objects = kinds::decode(&documents, &mut diagnostics);
    (!diagnostics.has_errors() || text.is_empty()).then(|| Desired::new(objects))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// The server's rules let every step of every plan pass, in its order; nothing is left to do after it; and planning
    /// twice gives one plan.
    #[test]
    fn plans_can_be_performed_and_leave_nothing_to_do(first in manifests(), second in manifests(), third in manifests()) {
        let mut live = World::new([], now());
        for text in [first, second, third] {
            let Some(desired) = valid(&text) else { continue };
            let plan = plan(&desired, &live);
            prop_assert_eq!(text_of(&plan), text_of(&self::plan(&desired, &live)));
            let mut model = Model::of(&live);
            if let Err((step, refusal)) = model.run(&plan) {
                prop_assert!(false, "step {step}: {refusal}\n{text}\n{}", text_of(&plan));
            }
            let after = model.to_world(&live);
            let again = self::plan(&desired, &after);
            prop_assert!(again.steps.is_empty(), "{text}\n{}\nthen\n{}", text_of(&plan), text_of(&again));
            live = after;
        }
    }

    /// Each step comes after all that it waits for, and after every step on what it refers to.
    #[test]
    fn order_respects_references(first in manifests(), second in manifests()) {
        let (Some(first), Some(second)) = (valid(&first), valid(&second)) else { return Ok(()) };
        let live = after(&first, &World::new([], now()));
        let plan = plan(&second, &live);
        for (index, step) in plan.steps.iter().enumerate() {
            prop_assert!(step.after.iter().all(|&earlier| earlier < index));
            if let Verb::Create { spec, .. } = &step.verb {
                for reference in spec.references() {
                    let makes = |other: &Step| matches!(other.verb, Verb::Create { .. })
                        && other.key.kind == reference.kind && other.key.name.as_str() == &*reference.name;
                    if let Some(source) = plan.steps.iter().position(makes) {
                        prop_assert!(step.after.contains(&source));
                    }
                }
            }
        }
    }
}
