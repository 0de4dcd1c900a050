//! Replacement without a gap: what each situation asks for.

use super::ownership::key;
use super::*;
use crate::kinds::{Capacity, Quota};
use crate::reconcile::inventory::Inventory;
use crate::reconcile::inventory::{Effect, Habits};

const FOLLOWS: &str = ", lifecycle: {on_template_change: replace}";
const RECREATE: &str = ", lifecycle: {replace: recreate}";

fn without(world: &World, name: &str) -> World {
    World::new(world.iter().filter(|live| live.key.name.as_str() != name).cloned(), now())
}

fn names_of(world: &World) -> String {
    let names: Vec<_> = world.iter().map(|live| live.key.to_string()).collect();
    names.join(" ")
}

fn with_sandboxes(mut world: World, used: u64, limit: u64) -> World {
    let of = |sandboxes| Quota { sandboxes, ..Quota::default() };
    world.capacity = Some(Capacity { used: of(used), limit: of(limit) });
    world
}

#[test]
fn a_template_goes_with_its_pools_and_what_follows_it() {
    let all = |image: &str| {
        let pools = pool("p", "t", "2", "") + &pool("q", "t", "3", RECREATE);
        [template("t", image, ""), pools, sandbox("s", "t", FOLLOWS)].concat()
    };
    let live = world(&all("a"));
    check(&all("b"), &live, "
replace template/t [image: a -> b] (image cannot change in place) (`t--sbx-ebe74444` is built beside it, then swapped)
replace pool/p [template_name: t -> t] (template `t` is replaced) (`p--sbx-3472352d` is built beside it, then swapped; the API tells only that one replica is ready)
replace pool/q [template_name: t -> t] (template `t` is replaced) (deleted first, then made anew, as `replace: recreate` asks)
replace sandbox/s [template_name: t -> t] (template `t` is replaced) (the disk of this sandbox is lost, with everything on it)
0. create template/t--sbx-ebe74444 after []
1. create pool/p--sbx-3472352d after [0]
2. swap template/t t--sbx-38a71585 <- t--sbx-ebe74444 after [0, 1]
3. verify template/t of [pool/p--sbx-3472352d] after [2]
4. swap pool/p p--sbx-f42a5eca <- p--sbx-3472352d after [1, 3]
5. delete pool/p--sbx-f42a5eca after [4]
6. delete pool/q after [3]
7. create pool/q after [3, 6]
8. delete sandbox/s after [3]
9. delete template/t--sbx-38a71585 after [3, 5, 6, 8]
10. create sandbox/s after [3, 8]
");
    assert_eq!(names_of(&after(&desired(&all("b")), &live)), names_of(&live), "nothing is left over");
}

#[test]
fn all_new_pools_are_there_before_the_first_name_changes() {
    let all = |image: &str| template("t", image, "") + &pool("p", "t", "2", "") + &pool("q", "t", "3", "");
    check(&all("b"), &world(&all("a")), "
replace template/t [image: a -> b] (image cannot change in place) (`t--sbx-ebe74444` is built beside it, then swapped)
replace pool/p [template_name: t -> t] (template `t` is replaced) (`p--sbx-3472352d` is built beside it, then swapped; the API tells only that one replica is ready)
replace pool/q [template_name: t -> t] (template `t` is replaced) (`q--sbx-488cf38e` is built beside it, then swapped; the API tells only that one replica is ready)
0. create template/t--sbx-ebe74444 after []
1. create pool/p--sbx-3472352d after [0]
2. create pool/q--sbx-488cf38e after [0]
3. swap template/t t--sbx-38a71585 <- t--sbx-ebe74444 after [0, 1, 2]
4. verify template/t of [pool/p--sbx-3472352d, pool/q--sbx-488cf38e] after [3]
5. swap pool/p p--sbx-f42a5eca <- p--sbx-3472352d after [1, 4]
6. delete pool/p--sbx-f42a5eca after [5]
7. swap pool/q q--sbx-11c34c0d <- q--sbx-488cf38e after [2, 4]
8. delete pool/q--sbx-11c34c0d after [7]
9. delete template/t--sbx-38a71585 after [4, 6, 8]
");
}

#[test]
fn a_pool_whose_own_template_changes_goes_alone() {
    let all = |of: &str| template("t", "a", "") + &template("u", "b", "") + &pool("p", of, "2", "");
    check(&all("u"), &world(&all("t")), "
keep template/t
keep template/u
replace pool/p [template_name: t -> u] (template_name cannot change in place) (`p--sbx-3472352d` is built beside it, then swapped; the API tells only that one replica is ready)
0. create pool/p--sbx-3472352d after []
1. swap pool/p p--sbx-f42a5eca <- p--sbx-3472352d after [0]
2. delete pool/p--sbx-f42a5eca after [1]
");
}

#[test]
fn the_old_template_stays_while_others_use_it_and_goes_later() {
    let live = world(&(template("t", "a", "") + &sandbox("s", "t", "")));
    let declared = template("t", "b", "") + &sandbox("s", "t", "");
    check(&declared, &live, "
replace template/t [image: a -> b] (image cannot change in place) (`t--sbx-ebe74444` is built beside it, then swapped) (the old one stays as `t--sbx-38a71585`, until a later apply: held by sandbox/s, no TTL)
keep sandbox/s (outdated: its template_name t is superseded; it is kept)
0. create template/t--sbx-ebe74444 after []
1. swap template/t t--sbx-38a71585 <- t--sbx-ebe74444 after [0]
");
    let later = after(&desired(&declared), &live);
    check(
        &declared,
        &later,
        "
keep template/t (the old one stays as `t--sbx-38a71585`, until a later apply: held by sandbox/s, no TTL)
keep sandbox/s (outdated: its template_name is t--sbx-38a71585, declared is t; it is kept)
",
    );
    check(
        &template("t", "b", ""),
        &without(&later, "s"),
        "
keep template/t
delete template/t--sbx-38a71585 (left by a replacement of template/t)
0. delete template/t--sbx-38a71585 after []
",
    );
}

#[test]
fn what_a_crash_or_a_revert_leaves_is_used_or_removed() {
    let all = |image: &str| template("t", image, "") + &pool("p", "t", "2", "");
    let live = world(&all("a"));
    let plan = plan(&desired(&all("b")), &live, &Policy::default());
    let mut model = Model::of(&live);
    let mut stages = Vec::new();
    for step in &plan.steps {
        model.perform(step).expect("the model takes the plan");
        let crashed = model.to_world(&live);
        for (why, image) in [("again", "b"), ("back", "a")] {
            let next = self::plan(&desired(&all(image)), &crashed, &Policy::default());
            stages.push(format!("after {} {}, {why}:\n{}", step.verb.as_str(), step.key, text_of(&next)));
            let end = after(&desired(&all(image)), &crashed);
            assert_eq!(names_of(&end), names_of(&live));
        }
    }
    insta::assert_snapshot!(stages.join("\n"));
}

/// Returns the world in which the first name of the first swap, after two steps, is taken and not given yet.
fn half_swapped(manifests: &str, live: &World) -> World {
    let plan = plan(&desired(manifests), live, &Policy::default());
    let mut model = Model::of(live);
    for step in &plan.steps[..2] {
        model.perform(step).expect("the model takes the plan");
    }
    let Verb::Swap { retired: Some(retired), .. } = &plan.steps[2].verb else { panic!("{}", text_of(&plan)) };
    let out = Step { verb: Verb::Rename { to: retired.clone() }, ..plan.steps[2].clone() };
    model.perform(&out).expect("a rename");
    model.to_world(live)
}

#[test]
fn a_name_that_is_missing_comes_back() {
    let all = |image: &str| template("t", image, "") + &pool("p", "t", "2", "");
    let live = world(&all("a"));
    let half = half_swapped(&all("b"), &live);
    check(&all("b"), &half, "
rename template/t (a replacement of it stopped half way)
replace pool/p [template_name: t--sbx-38a71585 -> t] (template_name cannot change in place) (`p--sbx-3472352d` is there already, and takes its place)
delete template/t--sbx-38a71585 (left by a replacement of template/t)
0. swap template/t <- t--sbx-ebe74444 after []
1. verify template/t of [pool/p--sbx-3472352d] after [0]
2. swap pool/p p--sbx-f42a5eca <- p--sbx-3472352d after [1]
3. delete pool/p--sbx-f42a5eca after [2]
4. delete template/t--sbx-38a71585 after [3]
");
    check(
        &all("a"),
        &half,
        "
rename template/t (a replacement of it stopped half way)
keep pool/p
delete template/t--sbx-ebe74444 (left by a replacement of template/t)
delete pool/p--sbx-3472352d (left by a replacement of pool/p)
0. swap template/t <- t--sbx-38a71585 after []
1. verify template/t of [pool/p] after [0]
2. delete pool/p--sbx-3472352d after []
3. delete template/t--sbx-ebe74444 after [2]
",
    );
    assert_eq!(names_of(&after(&desired(&all("c")), &half)), names_of(&live));
}

#[test]
fn half_a_swap_ends_although_something_blocked_is_declared_as_renamed_from_its_name() {
    let all = |image: &str| template("t", image, "") + &pool("p", "t", "2", "");
    let later = template("t2", "a", ", lifecycle: {renamed_from: t}");
    let later = later.replace("image: a", "image: a, volume_mounts: [{volume_name: missing, mount_path: /v}]");
    let live = world(&all("a"));
    let end = after(&desired(&(all("b") + &later)), &half_swapped(&all("b"), &live));
    assert_eq!(names_of(&end), names_of(&live));
}

#[test]
fn names_of_the_greatest_length_roll_side_by_side() {
    let names = ["a".repeat(62) + "b", "a".repeat(62) + "c"];
    let all = |image: &str| names.iter().map(|name| template(name, image, "") + &pool(name, name, "1", "")).collect();
    let (before, now): (String, String) = (all("a"), all("b"));
    let live = world(&before);
    let end = after(&desired(&now), &live);
    assert_eq!(names_of(&end), names_of(&live));
    assert!(
        end.iter().filter(|live| live.key.kind == kinds::TEMPLATE).all(|live| format!("{:?}", live.spec).contains('b'))
    );
}

#[test]
fn what_is_built_at_once_waits_for_no_deletion() {
    let all = |image: &str| template("t", image, "") + &pool("p", "t", "2", "");
    let live = with_sandboxes(owned(&(all("a") + &template("x", "a", ""))), 2, 20);
    let plan = plan(&desired(&all("b")), &live, &Policy { prune: true, ..Policy::default() });
    let waits = |verb: &str, name: &str| {
        let step =
            plan.steps.iter().find(|step| step.verb.as_str() == verb && step.key.name.as_str().starts_with(name));
        step.expect("it is planned").after.len()
    };
    assert_eq!([waits("create", "t--"), waits("delete", "x")], [0, 0], "{}", text_of(&plan));
}

#[test]
fn where_the_quota_has_room_for_one_they_take_turns() {
    let all = |image: &str| template("t", image, "") + &pool("p", "t", "2", "") + &pool("q", "t", "3", "");
    let live = with_sandboxes(world(&all("a")), 5, 8);
    check(&all("b"), &live, "
replace template/t [image: a -> b] (image cannot change in place) (`t--sbx-ebe74444` is built beside it, then swapped)
replace pool/p [template_name: t -> t] (template `t` is replaced) (`p--sbx-3472352d` is built beside it, then swapped; the API tells only that one replica is ready) (the quota has no room for all that are built beside others at once: this one is number 1)
replace pool/q [template_name: t -> t] (template `t` is replaced) (`q--sbx-488cf38e` is built beside it, then swapped; the API tells only that one replica is ready) (the quota has no room for all that are built beside others at once: this one is number 2)
0. create template/t--sbx-ebe74444 after []
1. create pool/p--sbx-3472352d after [0]
2. swap template/t t--sbx-38a71585 <- t--sbx-ebe74444 after [0, 1]
3. verify template/t of [pool/p--sbx-3472352d] after [2]
4. swap pool/p p--sbx-f42a5eca <- p--sbx-3472352d after [1, 3]
5. delete pool/p--sbx-f42a5eca after [4]
6. create pool/q--sbx-488cf38e after [3, 5]
7. swap pool/q q--sbx-11c34c0d <- q--sbx-488cf38e after [6, 3]
8. delete pool/q--sbx-11c34c0d after [7]
9. delete template/t--sbx-38a71585 after [3, 5, 8]
");
}

#[test]
fn what_is_made_beside_a_rollout_counts_with_what_it_takes_for_a_moment() {
    let all = |image: &str| template("t", image, "") + &pool("p", "t", "2", "") + &template("u", "a", "");
    let of = |used, limit| {
        let live = with_sandboxes(world(&all("a")), used, limit);
        text_of(&plan(&desired(&(all("b") + &pool("z", "u", "0", ""))), &live, &Policy::default()))
    };
    assert!(of(2, 5).contains("replace pool/p") && of(2, 5).contains("create pool/z"), "{}", of(2, 5));
    assert!(of(2, 4).contains("the quota for sandboxes has 1 left, and a new pool/p"), "{}", of(2, 4));
}

#[test]
fn where_the_quota_has_room_for_none_it_is_blocked_and_says_what_helps() {
    let all =
        |image: &str, more: &str| template("t", image, "") + &pool("p", "t", "2", "") + &pool("q", "t", "3", more);
    let live = with_sandboxes(world(&all("a", "")), 5, 7);
    check(&all("b", ""), &live, "
blocked template/t [image: a -> b] (image cannot change in place) (the quota for sandboxes has 2 left, and a new pool/q beside the old one takes 3)
keep pool/p
keep pool/q
");
    let plan = plan(&desired(&all("b", RECREATE)), &live, &Policy::default());
    assert!(plan.changes.iter().all(|change| change.action == Action::Replace), "{}", text_of(&plan));
}

/// What a selection leaves out would stay on the old template, where nobody who asks for the new one finds it.
#[test]
fn a_template_brings_the_pools_on_it_into_a_part_of_the_plan() {
    let all = |image: &str| {
        template("t", image, "") + &pool("p", "t", "2", "") + &sandbox("s", "t", "") + &template("u", image, "")
    };
    let planned = |live: &str, targets: &[(&str, &str)]| {
        let targets = targets.iter().map(|(kind, name)| key(kind, name)).collect();
        let scope = crate::reconcile::plan::Scope { targets, ..Default::default() };
        plan(&desired(&all("b")), &owned(live), &Policy { scope, ..Policy::default() })
    };
    let only_template = planned(&all("a"), &[("template", "t")]);
    let both = planned(&all("a"), &[("template", "t"), ("pool", "p")]);
    assert_eq!(text_of(&only_template), text_of(&both));
    let keys: Vec<_> = only_template.changes.iter().map(|change| change.key.to_string()).collect();
    assert_eq!(keys, ["template/t", "pool/p"], "and nothing else");
    // An apply that is killed once the template has its name is finished by the same again.
    let live = owned(&all("a"));
    let swap =
        only_template.steps.iter().position(|step| matches!(step.verb, Verb::Swap { .. })).expect("there is one");
    let mut model = Model::of(&live);
    only_template.steps[..=swap].iter().for_each(|step| model.perform(step).expect("the model takes the plan"));
    let scope = crate::reconcile::plan::Scope { targets: [key("template", "t")].into(), ..Default::default() };
    let half = model.to_world(&live);
    let again = plan(&desired(&all("b")), &half, &Policy { scope, ..Policy::default() });
    assert!(again.changes.iter().any(|change| change.key == key("pool", "p")), "{}", text_of(&again));
    // One that only stays needs nobody.
    assert_eq!(planned(&all("b"), &[("template", "t")]).changes.len(), 1);
}

#[test]
fn a_pool_that_cannot_follow_its_template_is_told() {
    let all = |image: &str| template("t", image, "") + &pool("p", "t", "2", "") + &sandbox("s", "t", "");
    let mut live = owned(&all("a"));
    let mut inventory = live.inventory.as_deref().cloned().expect("a record");
    inventory.apply(Effect::Drop { key: key("pool", "p"), id: None });
    live.inventory = Some(inventory.into());
    let plan = plan(&desired(&all("b").replace("replicas: 2", "replicas: 3")), &live, &Policy::default());
    let kept = |note: &&Note| matches!(note, Note::OldKept { .. });
    let help: Vec<_> = plan.changes.iter().flat_map(|change| &change.notes).filter(kept).map(Note::help).collect();
    assert_eq!(help, [Some("see to pool/p: until it is made anew, it serves the old one only".to_owned())]);
}

/// A pool of none is made with one, for which its old one gives nothing back.
#[test]
fn where_the_quota_has_room_for_none_recreating_is_advised_only_if_it_makes_room() {
    let help = |replicas: &str| {
        let all = |image: &str| template("t", image, "") + &pool("p", "t", replicas, "");
        let live = with_sandboxes(world(&all("a")), 2, 2);
        let plan = plan(&desired(&all("b")), &live, &Policy::default());
        let notes = plan.changes.into_iter().flat_map(|change| change.notes);
        notes.filter_map(|note| matches!(note, Note::NoRoomBeside { .. }).then(|| note.help())).collect::<Vec<_>>()
    };
    let recreate = "have the limit raised, or let pool/p say `replace: recreate` below `lifecycle`, so that the old one is deleted first";
    assert_eq!(help("2"), [Some(recreate.to_owned())]);
    assert_eq!(help("0"), [Some("delete something, or have the limit raised".to_owned())]);
}

#[test]
fn where_references_stay_behind_it_is_recreated() {
    let all = |image: &str| template("t", image, "") + &pool("p", "t", "2", "") + &template("u", image, "");
    let mut inventory = Inventory::default();
    inventory.apply(Effect::Learn(Habits { references_follow_renames: Some(false) }));
    for object in desired(&all("a")).iter() {
        let live = world(&all("a"));
        let entry = crate::reconcile::inventory::Entry::of(object, live.get(&object.key));
        inventory.apply(Effect::Put { key: object.key.clone(), entry });
    }
    let live = world(&all("a")).with_inventory(&inventory);
    let plan = plan(&desired(&all("b")), &live, &Policy::default());
    assert_eq!(text_of(&plan), "replace template/t [image: a -> b] (image cannot change in place) (deleted first, then made anew, since on this server nothing that refers to it follows it to a new name)
replace template/u [image: a -> b] (image cannot change in place) (`u--sbx-bdb4b9b9` is built beside it, then swapped)
replace pool/p [template_name: t -> t] (template `t` is replaced) (deleted first, then made anew, as template `t` is)
0. create template/u--sbx-bdb4b9b9 after []
1. swap template/u u--sbx-ec4cbe18 <- u--sbx-bdb4b9b9 after [0]
2. delete template/u--sbx-ec4cbe18 after [1]
3. delete pool/p after []
4. delete template/t after [3]
5. create template/t after [4]
6. create pool/p after [5, 3]
");
}

#[test]
fn what_is_renamed_as_well_is_recreated_and_says_so() {
    let live = world(&(template("t", "a", "") + &pool("p", "t", "1", "")));
    let declared = template("u", "b", ", lifecycle: {renamed_from: t}") + &pool("p", "u", "1", "");
    check(&declared, &live, "
replace template/u [image: a -> b] (it is live as `t`) (image cannot change in place) (deleted first, then made anew, since it is renamed as well)
replace pool/p [template_name: t -> u] (template_name cannot change in place) (deleted first, then made anew, as template `u` is)
0. create template/u after []
1. delete pool/p after []
2. delete template/t after [1]
3. create pool/p after [0, 1]
");
}

#[test]
fn prevent_destroy_does_not_mind_a_swap() {
    let protect = ", lifecycle: {prevent_destroy: true}";
    let live = world(&template("t", "a", protect));
    let plan = plan(&desired(&template("t", "b", protect)), &live, &Policy::default());
    assert!(plan.protected().is_empty() && plan.changes[0].is_rolling());
}

#[test]
fn what_an_unfinished_rollout_left_can_be_taken_away() {
    let all = |image: &str| template("t", image, "") + &pool("p", "t", "2", "") + &sandbox("s", "t", "");
    let live = world(&all("a"));
    let declared = desired(&all("b"));
    let plan = plan(&declared, &live, &Policy::default());
    let mut model = Model::of(&live);
    for step in &plan.steps[..2] {
        model.perform(step).expect("the model takes the plan");
    }
    let half = model.to_world(&live);
    let abort = plan_abort_rollouts(&declared, &half);
    model.run(&abort).expect("the model takes the plan");
    assert_eq!(names_of(&model.to_world(&live)), names_of(&live), "{}", text_of(&abort));
    assert!(plan_abort_rollouts(&declared, &live).changes.is_empty());
    let done = after(&declared, &live);
    let kept = plan_abort_rollouts(&declared, &done);
    assert!(kept.steps.is_empty() && kept.changes.len() == 1, "a sandbox uses the old one\n{}", text_of(&kept));
}

#[test]
fn destroy_takes_what_a_rollout_left_with_it() {
    let all = |image: &str| template("t", image, "") + &pool("p", "t", "2", "");
    let live = world(&all("a"));
    let plan = plan(&desired(&all("b")), &live, &Policy::default());
    for n_done in 0..plan.steps.len() {
        let mut model = Model::of(&live);
        for step in &plan.steps[..n_done] {
            model.perform(step).expect("the model takes the plan");
        }
        let destroy = plan_destroy(&desired(&all("b")), &model.to_world(&live));
        model.run(&destroy).unwrap_or_else(|refusal| panic!("{refusal:?}\n{}", text_of(&destroy)));
        assert_eq!(model.to_world(&live).iter().count(), 0, "{}", text_of(&destroy));
    }
}

/// Two objects are never told apart by nothing: where the name of what is retired is taken, it gets the next one.
#[test]
fn a_reserved_name_that_is_taken_is_left_alone() {
    let live = world(&template("t", "a", ""));
    let plan = plan(&desired(&template("t", "b", "")), &live, &Policy::default());
    let incoming = plan.steps[0].key.name.to_string();
    let mut others: Vec<_> = live.iter().cloned().collect();
    let foreign = world(&template("x", "z", ""));
    let foreign = foreign.iter().next().expect("one is live").clone();
    let key = kinds::Key { kind: foreign.key.kind, name: Name::parse(&incoming).expect("a name") };
    others.push(Live { key: key.clone(), id: Some(ObjectId::new("foreign")), ..foreign });
    let live = World::new(others, now());
    let end = after(&desired(&template("t", "b", "")), &live);
    assert_eq!(end.get(&key).and_then(|live| live.id.clone()), Some(ObjectId::new("foreign")));
    assert_eq!(end.iter().count(), 2);
}
