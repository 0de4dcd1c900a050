//! What somebody gave another name behind the manifests' back.

use super::ownership::{default, key, planned, pruning};
use super::*;
use crate::reconcile::drift::drift;
use crate::reconcile::plan::Scope;

/// Returns the world where somebody gave objects other names, with all that refers to them.
fn renamed_behind(world: &World, renames: &[(&str, &str)]) -> World {
    let new_name = |name: &str| renames.iter().find(|(from, _)| name == *from).map(|(_, to)| *to);
    let mut moved = altered(world, |live| {
        if let Some(to) = new_name(live.key.name.as_str()) {
            live.key.name = to.parse().unwrap();
        }
        let spec = live.spec.as_ref().unwrap();
        live.spec = Ok(spec.with_renamed_references(&|reference| new_name(&reference.name).map(Arc::from)));
    });
    moved.inventory.clone_from(&world.inventory);
    moved
}

fn recorded(world: &World) -> Vec<String> {
    world.inventory.as_ref().unwrap().iter().map(|(key, _)| key.to_string()).collect()
}

/// Everything that is live is on record under the name and the id that it has, and nothing else is.
#[track_caller]
fn all_is_recorded_as_it_is(world: &World) {
    let inventory = world.inventory.as_ref().unwrap();
    let recorded: Vec<_> = inventory.iter().map(|(key, entry)| (key, &entry.id)).collect();
    let mut live: Vec<_> = world.iter().map(|live| (&live.key, &live.id)).collect();
    live.sort();
    assert_eq!(recorded, live);
}

#[test]
fn what_was_renamed_behind_our_back_gets_its_name_back() {
    let declared = [volume("v", "1Gi", ""), template("t", "a", ""), pool("p", "t", "1", "")].concat();
    let live = owned(&declared);
    let moved = meddled(
        &live,
        &declared
            .replace("name: t}", "name: z}, lifecycle: {renamed_from: t}")
            .replace("template_name: t", "template_name: z"),
    );
    insta::assert_snapshot!(default(&declared, &moved), @r"
    keep volume/v
    rename template/t (it was renamed behind the manifests' back)
    keep pool/p
    0. rename template/z after []
    ");
}

#[test]
fn names_that_somebody_swapped_are_swapped_back() {
    let declared = [volume("a", "1Gi", ""), volume("b", "2Gi", "")].concat();
    let swapped = renamed_behind(&owned(&declared), &[("a", "b"), ("b", "a")]);
    insta::assert_snapshot!(default(&declared, &swapped), @r"
    rename volume/a (it was renamed behind the manifests' back)
    rename volume/b (it was renamed behind the manifests' back)
    0. rename volume/a after []
    1. rename volume/b after [0]
    2. rename volume/a--sbx-fd9481b7 after [0, 1]
    ");
}

#[test]
fn names_that_somebody_swapped_stay_where_the_manifests_agree() {
    let declared = |a: &str, b: &str| volume("a", a, "") + &volume("b", b, "");
    let swapped = renamed_behind(&owned(&declared("1Gi", "2Gi")), &[("a", "b"), ("b", "a")]);
    insta::assert_snapshot!(default(&declared("2Gi", "1Gi"), &swapped), @r"
    keep volume/a (it was renamed behind the manifests' back)
    keep volume/b (it was renamed behind the manifests' back)
    ");
}

#[test]
fn what_somebody_gave_a_deleted_one_s_name_goes_back_to_its_own() {
    let declared = [volume("a", "1Gi", ""), volume("b", "2Gi", "")].concat();
    let usurped = renamed_behind(&without(&owned(&declared), "b"), &[("a", "b")]);
    insta::assert_snapshot!(default(&declared, &usurped), @r"
    rename volume/a (it was renamed behind the manifests' back)
    create volume/b (it was deleted behind the manifests' back)
    0. rename volume/b after []
    1. create volume/b after [0]
    ");
    let drift: Vec<_> = drift(&usurped).iter().map(|drift| format!("{} {}", drift.key, drift.event)).collect();
    insta::assert_snapshot!(drift.join("\n"), @r"
    volume/a was renamed to b
    volume/b was deleted
    ");
}

#[test]
fn what_is_taken_for_a_deleted_one_has_not_ended() {
    let lifecycle = ", lifecycle: {on_template_change: replace}";
    let ending = |template| sandbox("a", template, lifecycle).replace("}, life", ", ttl_seconds: 60}, life");
    let of = |a| [template("t", "x", ""), template("u", "x", ""), a, sandbox("b", "u", "")].concat();
    let usurped = renamed_behind(&without(&owned(&of(ending("t"))), "b"), &[("a", "b")]);
    insta::assert_snapshot!(default(&of(ending("u")), &usurped), @r"
    keep template/t
    keep template/u
    create sandbox/a (it was deleted behind the manifests' back)
    keep sandbox/b (outdated: its template_name is t, declared is u; it is kept) (it was renamed behind the manifests' back)
    0. create sandbox/a after []
    ");
}

/// Somebody renamed a pool; the manifests give its name to another one, and its template another name.
#[test]
fn what_somebody_renamed_stays_on_record_although_its_name_and_its_template_move_on() {
    let pools = pool("p0", "t2", "2", "") + &pool("p1", "t3", "1", "");
    let before = owned(&[template("t2", "b", ""), template("t3", "a", ""), pools].concat());
    let world = renamed_behind(&before, &[("p1", "theirs")]);
    let pools = pool("p1", "t2", "2", ", lifecycle: {renamed_from: p0}");
    let declared = [template("t2", "b", ""), template("t0", "a", ", lifecycle: {renamed_from: t3}"), pools].concat();
    let end = performed(&plan(&desired(&declared), &world, &Policy::default()), &world);
    all_is_recorded_as_it_is(&end);
}

#[test]
fn what_was_renamed_behind_our_back_and_is_deleted_is_on_record_no_more() {
    let three = [template("t", "a", ""), template("u", "a", ""), template("v", "a", "")].concat();
    let moved = renamed_behind(&owned(&three), &[("t", "t2")]);
    let left = [template("u", "a", ""), template("v", "a", "")].concat();
    insta::assert_snapshot!(planned(&left, &moved, &pruning()), @r"
    keep template/u
    keep template/v
    delete template/t (it is live as `t2`) (it was renamed behind the manifests' back)
    0. delete template/t2 after []
    ");
    let pruned = plan(&desired(&left), &moved, &pruning());
    assert!(pruned.changes.iter().any(|change| change.was.as_ref().is_some_and(|was| was.as_str() == "t2")));
    assert_eq!(recorded(&performed(&pruned, &moved)), ["template/u", "template/v"]);

    let removed = plan_removal(&[key("template", "t2")], &moved);
    insta::assert_snapshot!(text_of(&removed), @r"
    delete template/t2 (it was renamed behind the manifests' back)
    0. delete template/t2 after []
    ");
    assert_eq!(recorded(&performed(&removed, &moved)), ["template/u", "template/v"]);

    // Each has the name that another one is recorded with, and what is not deleted keeps its entry.
    let turned = renamed_behind(&owned(&three), &[("t", "u"), ("u", "t"), ("v", "z")]);
    let destroyed = plan_destroy_owned(&turned);
    insta::assert_snapshot!(text_of(&destroyed), @r"
    delete template/u (it is live as `t`) (it was renamed behind the manifests' back)
    delete template/t (it is live as `u`) (it was renamed behind the manifests' back)
    delete template/v (it is live as `z`) (it was renamed behind the manifests' back)
    0. delete template/t after []
    1. delete template/u after []
    2. delete template/z after []
    ");
    assert_eq!(recorded(&performed(&destroyed, &turned)), [] as [&str; 0]);
    let one = performed(&plan_removal(&[key("template", "u")], &turned), &turned);
    let ids: Vec<_> = one.inventory.as_ref().unwrap().iter().filter_map(|(_, entry)| entry.id.clone()).collect();
    assert!(ids.iter().all(|id| one.by_id(key("template", "t").kind, id).is_some()) && ids.len() == 2, "{ids:?}");
}

#[test]
fn the_record_follows_to_a_new_name_once_that_is_declared() {
    let moved = renamed_behind(&owned(&volume("a", "1Gi", "")), &[("a", "d")]);
    assert_eq!(planned(&volume("d", "1Gi", ""), &moved, &Policy::default()).lines().count(), 1);
    let followed = performed(&plan(&desired(&volume("d", "1Gi", "")), &moved, &Policy::default()), &moved);
    assert_eq!(recorded(&followed), ["volume/d"]);
    assert_eq!(drift(&followed), []);

    // Where its old name is declared too, another object gets that.
    let both = volume("a", "1Gi", "") + &volume("d", "1Gi", "");
    let end = performed(&plan(&desired(&both), &moved, &Policy::default()), &moved);
    assert_eq!(recorded(&end), ["volume/a", "volume/d"]);
    all_is_recorded_as_it_is(&end);
    let hold = Policy { on_drift: OnDrift::Hold, ..Policy::default() };
    let held = performed(&plan(&desired(&both), &moved, &hold), &moved);
    assert_eq!(recorded(&held), ["volume/a"], "what is held is drift still");
}

/// Nothing of ours is lost where what is replaced is on record under a name that nobody declares any more.
#[test]
fn what_is_superseded_is_recorded_under_the_name_that_somebody_gave_it() {
    let before = owned(&[template("t0", "a", ""), template("t1", "b", ""), sandbox("s", "t0", "")].concat());
    let moved = renamed_behind(&before, &[("t0", "y"), ("t1", "t0")]);
    let held = {
        let theirs = world(&(template("t0", "b", "") + &sandbox("theirs", "t0", "")));
        let theirs = theirs.iter().filter(|live| live.key.name.as_str() == "theirs").cloned();
        let mut held = World::new(moved.iter().cloned().chain(theirs), now());
        held.inventory.clone_from(&moved.inventory);
        held
    };
    let declared = template("t0", "a", "");
    let end = performed(&plan(&desired(&declared), &held, &Policy::default()), &held);
    assert_eq!(recorded(&end), ["template/t0", "template/t0--sbx-e6ecc626", "template/y", "sandbox/s"]);
    let unrecorded: Vec<_> = end.unmanaged().map(|live| live.key.to_string()).collect();
    assert_eq!(unrecorded, ["sandbox/theirs"]);
}

/// A rename that is declared and has nothing to come from is no reason to undo what somebody else did.
#[test]
fn what_is_made_anew_in_any_case_is_not_swapped_back() {
    let three = |image: &str, more: &str| [template("t0", image, more), template("t1", "a", "")].concat();
    let swapped = renamed_behind(&owned(&three("a", "")), &[("t0", "t1"), ("t1", "t0")]);
    insta::assert_snapshot!(default(&three("b", ", lifecycle: {renamed_from: t2}"), &swapped), @r"
    replace template/t0 [image: a -> b] (the rename from `t2` is done) (image cannot change in place) (it was renamed behind the manifests' back) (`t0--sbx-e6ecc626` is built beside it, then swapped)
    keep template/t1 (it was renamed behind the manifests' back)
    0. create template/t0--sbx-e6ecc626 after []
    1. swap template/t0 t0--sbx-0c7144d7 <- t0--sbx-e6ecc626 after [0]
    2. delete template/t0--sbx-0c7144d7 after [1]
    ");
}

/// What is declared no longer and not pruned keeps its entry, wherever another object gets the name that it is recorded with.
#[test]
fn what_nobody_declares_is_recorded_under_the_name_that_somebody_gave_it() {
    let live = owned(&(template("a", "x", "") + &template("b", "x", "")));
    let swapped = renamed_behind(&live, &[("a", "b"), ("b", "a")]);
    let declared = template("a", "x", "");
    insta::assert_snapshot!(default(&declared, &swapped), @"keep template/a (it was renamed behind the manifests' back)");
    all_is_recorded_as_it_is(&performed(&plan(&desired(&declared), &swapped, &Policy::default()), &swapped));
}

/// The entry of what is gone makes room for the one of what has its name now, not the other way round.
#[test]
fn what_was_put_aside_for_another_one_is_named() {
    let live = owned(&(volume("v", "1Gi", "") + &volume("x", "1Gi", "")));
    let mut ours = live.inventory.as_deref().unwrap().clone();
    ours.apply(Effect::Drop { key: key("volume", "x"), id: None });
    let aside = renamed_behind(&live.with_inventory(&ours), &[("v", "w"), ("x", "v")]);
    insta::assert_snapshot!(default(&volume("v", "1Gi", ""), &aside), @"adopt volume/v (it was made anew behind the manifests' back: its id was made-1, which is `w` now)");
    let drifted: Vec<_> = drift(&aside).iter().map(|drift| format!("{} {}", drift.key, drift.event)).collect();
    assert_eq!(drifted, ["volume/v was made anew, with id made-2; what it was is named w now"]);
}

/// What refers to it stayed the same, and its declaration too: that it differs now is none of the manifests' doing.
#[test]
fn what_refers_to_something_put_aside_has_drifted() {
    let declared = template("t", "a", "") + &pool("p", "t", "1", "");
    let live = owned(&(declared.clone() + &template("x", "a", "")));
    let mut ours = live.inventory.as_deref().unwrap().clone();
    ours.apply(Effect::Drop { key: key("template", "x"), id: None });
    let aside = renamed_behind(&live.with_inventory(&ours), &[("t", "t-old"), ("x", "t")]);
    insta::assert_snapshot!(default(&declared, &aside), @r"
    adopt template/t (it was made anew behind the manifests' back: its id was made-1, which is `t-old` now)
    replace pool/p [template_name: t-old -> t] (template_name cannot change in place) (`p--sbx-f42a5eca` is built beside it, then swapped; the API tells only that one replica is ready)
    0. create pool/p--sbx-f42a5eca after []
    1. swap pool/p p--sbx-1a2cd933 <- p--sbx-f42a5eca after [0]
    2. delete pool/p--sbx-1a2cd933 after [1]
    ");
    assert!(plan(&desired(&declared), &aside, &Policy::default()).changes.iter().all(|change| !change.is_ahead(&ours)));
    let drifted: Vec<_> = drift(&aside).iter().map(|drift| format!("{} {}", drift.key, drift.event)).collect();
    let expected = ["template/t was made anew, with id made-2; what it was is named t-old now", "pool/p was changed"];
    assert_eq!(drifted, expected);

    let hold = Policy { on_drift: OnDrift::Hold, ..Policy::default() };
    insta::assert_snapshot!(planned(&declared, &aside, &hold), @r"
    adopt template/t (it was made anew behind the manifests' back: its id was made-1, which is `t-old` now)
    keep pool/p (what changed behind the manifests' back is left as it is: template_name)
    ");
    let held = performed(&plan(&desired(&declared), &aside, &hold), &aside);
    insta::assert_snapshot!(planned(&declared, &held, &hold), @r"
    keep template/t
    keep pool/p (what changed behind the manifests' back is left as it is: template_name)
    ");
    insta::assert_snapshot!(default(&declared, &held), @r"
    keep template/t
    replace pool/p [template_name: t-old -> t] (template_name cannot change in place) (`p--sbx-f42a5eca` is built beside it, then swapped; the API tells only that one replica is ready)
    0. create pool/p--sbx-f42a5eca after []
    1. swap pool/p p--sbx-1a2cd933 <- p--sbx-f42a5eca after [0]
    2. delete pool/p--sbx-1a2cd933 after [1]
    ");

    // Where the manifests have both, it is they who give the pool another template.
    let both = declared + &template("t-old", "a", "");
    let plan = plan(&desired(&both), &aside, &hold);
    let pool = plan.changes.iter().find(|change| change.key == key("pool", "p")).unwrap();
    assert_eq!(pool.fields[0].cause, Cause::Declared, "{}", text_of(&plan));
}

#[test]
fn what_has_the_name_of_something_gone_keeps_its_entry() {
    let usurped =
        renamed_behind(&without(&owned(&(volume("a", "1Gi", "") + &volume("b", "2Gi", ""))), "b"), &[("a", "b")]);
    let declared = volume("a", "1Gi", "");
    let renaming = plan(&desired(&declared), &usurped, &Policy::default());
    insta::assert_snapshot!(text_of(&renaming), @r"
    rename volume/a (it was renamed behind the manifests' back)
    0. rename volume/b after []
    ");
    all_is_recorded_as_it_is(&performed(&renaming, &usurped));
    let cut = Plan { steps: Vec::new(), ..renaming };
    all_is_recorded_as_it_is(&performed(&cut, &usurped));
}

#[test]
fn what_the_manifests_name_is_destroyed_under_any_name() {
    let goes = ", lifecycle: {on_remove: delete}";
    let declared = volume("a", "1Gi", goes) + &volume("b", "2Gi", goes);
    let live = owned(&declared);
    for renames in [[("a", "b"), ("b", "a")], [("a", "c"), ("b", "d")]] {
        let moved = renamed_behind(&live, &renames);
        let plan = plan_destroy(&desired(&declared), &moved);
        let end = performed(&plan, &moved);
        assert!(end.iter().next().is_none() && recorded(&end).is_empty(), "{}", text_of(&plan));
    }
    insta::assert_snapshot!(text_of(&plan_destroy(&desired(&declared), &renamed_behind(&live, &[("a", "c")]))), @r"
    delete volume/a (it is live as `c`) (it was renamed behind the manifests' back)
    delete volume/b
    0. delete volume/c after []
    1. delete volume/b after []
    ");
}

/// What is left of a swap is the object that it was, under whatever name, and gets its own back.
#[test]
fn what_is_left_of_a_swap_gets_its_own_name_back() {
    let declared = volume("a", "1Gi", "") + &volume("b", "2Gi", ", lifecycle: {on_remove: delete}");
    let swapped = renamed_behind(&owned(&declared), &[("a", "b"), ("b", "a")]);
    let b = volume("b", "2Gi", ", lifecycle: {on_remove: delete}");
    let destroyed = plan_destroy(&desired(&b), &swapped);
    let left = performed(&destroyed, &swapped);
    assert_eq!(recorded(&left), ["volume/a"], "{}", text_of(&destroyed));
    insta::assert_snapshot!(default(&declared, &left), @r"
    rename volume/a (it was renamed behind the manifests' back)
    create volume/b
    0. rename volume/b after []
    1. create volume/b after [0]
    ");
    all_is_recorded_as_it_is(&performed(&plan(&desired(&declared), &left, &Policy::default()), &left));
    let meant = volume("a", "3Gi", "") + &volume("b", "2Gi", ", lifecycle: {renamed_from: a}");
    insta::assert_snapshot!(default(&meant, &left), @r"
    create volume/a (it was deleted behind the manifests' back)
    update volume/b [size: 1Gi -> 2Gi] (it was renamed behind the manifests' back)
    0. create volume/a after []
    1. update volume/b after []
    ");
}

#[test]
fn a_name_that_was_never_made_is_left_only_by_what_is_declared_with_another() {
    let moved = |before: &str| renamed_behind(&owned(before), &[("a", "b")]);
    let chained = volume("a", "1Gi", "") + &volume("b", "2Gi", ", lifecycle: {renamed_from: c}");
    let with_c = moved(&(volume("a", "1Gi", "") + &volume("c", "2Gi", "")));
    insta::assert_snapshot!(default(&chained, &with_c), @r"
    rename volume/a (it was renamed behind the manifests' back)
    rename volume/b
    0. rename volume/b after []
    1. rename volume/c after [0]
    ");
    // The manifests follow the hand that renamed it.
    let followed = volume("a", "5Gi", "") + &volume("b", "1Gi", "");
    insta::assert_snapshot!(default(&followed, &moved(&volume("a", "1Gi", ""))), @r"
    create volume/a (it was deleted behind the manifests' back)
    keep volume/b (it was renamed behind the manifests' back)
    0. create volume/a after []
    ");
}

/// What is recorded under a name that is not declared here is not destroyed for what has that name in the manifests.
#[test]
fn what_was_destroyed_once_is_not_destroyed_again_in_the_place_of_another() {
    let goes = ", lifecycle: {on_remove: delete}";
    let declared = volume("a", "1Gi", goes) + &volume("b", "2Gi", goes);
    let swapped = renamed_behind(&owned(&declared), &[("a", "b"), ("b", "a")]);
    let b = desired(&volume("b", "2Gi", goes));
    let left = performed(&plan_destroy(&b, &swapped), &swapped);
    insta::assert_snapshot!(text_of(&plan_destroy(&b, &left)), @"blocked volume/b (its name is with another object of ours, recorded as volume/a, which is not part of this plan)");
    let scope = Scope { targets: [key("volume", "b")].into(), ..Scope::default() };
    let part = plan(&desired(&declared), &left, &Policy { scope, ..Policy::default() });
    insta::assert_snapshot!(text_of(&part), @"blocked volume/b [size: 1Gi -> 2Gi] (it was renamed behind the manifests' back) (its name is with another object of ours, recorded as volume/a, which is not part of this plan)");
    assert!(part.steps.is_empty() && part.effects.is_empty());
}

#[test]
fn what_is_deleted_while_others_get_its_name_is_crossed_out_alone() {
    let (a, b) = (template("a", "x", ""), template("b", "y", ""));
    let swapped = renamed_behind(&owned(&(a + &b)), &[("a", "b"), ("b", "a")]);
    let c = template("c", "y", ", lifecycle: {renamed_from: b}");
    insta::assert_snapshot!(planned(&c, &swapped, &pruning()), @r"
    rename template/c (it was renamed behind the manifests' back)
    delete template/a (it is live as `b`) (it was renamed behind the manifests' back)
    0. rename template/a after []
    1. delete template/b after []
    ");
    all_is_recorded_as_it_is(&performed(&plan(&desired(&c), &swapped, &pruning()), &swapped));
}

/// What is on record under a name that is declared is meant by it, and never what somebody gave that name.
#[test]
fn what_has_the_name_of_something_else_is_not_destroyed_for_it() {
    let goes = ", lifecycle: {on_remove: delete}";
    let live = owned(&(volume("a", "1Gi", "") + &volume("b", "2Gi", goes)));
    let b = volume("b", "2Gi", goes);
    let both = volume("a", "1Gi", "") + &b;
    let swapped = renamed_behind(&live, &[("a", "b"), ("b", "a")]);
    let usurped = renamed_behind(&without(&live, "b"), &[("a", "b")]);
    let shown = |declared: &str, world: &World| text_of(&plan_destroy(&desired(declared), world));
    insta::assert_snapshot!(shown(&b, &swapped), @r"
    delete volume/b (it is live as `a`) (it was renamed behind the manifests' back)
    0. delete volume/a after []
    ");
    assert_eq!(
        shown(&both, &swapped),
        format!(
            "keep volume/a (it is live as `b`) (it is kept: `on_remove` is `retain`, the default for what holds data)\n{}",
            shown(&b, &swapped)
        )
    );
    insta::assert_snapshot!(shown(&b, &usurped), @"keep volume/b (it is not live: nothing is left to destroy)");
    insta::assert_snapshot!(shown(&both, &usurped), @r"
    keep volume/a (it is live as `b`) (it is kept: `on_remove` is `retain`, the default for what holds data)
    keep volume/b (it is not live: nothing is left to destroy)
    ");
}

#[test]
fn what_others_call_by_its_name_is_not_taken_for_it_unless_both_are_planned() {
    let live = owned(&(volume("a", "1Gi", "") + &volume("b", "2Gi", "")));
    let b = volume("b", "2Gi", ", lifecycle: {on_remove: delete}");
    for world in [renamed_behind(&live, &[("a", "b"), ("b", "a")]), renamed_behind(&without(&live, "b"), &[("a", "b")])]
    {
        let plan = plan(&desired(&b), &world, &pruning());
        assert_eq!((plan.steps.len(), plan.effects.len()), (0, 0), "{}", text_of(&plan));
        let change = plan.changes.iter().find(|change| change.key == key("volume", "b")).unwrap();
        assert_eq!(change.action, Action::Blocked);
        assert!(change.notes.contains(&Note::NameWithAnother { of: key("volume", "a") }), "{:?}", change.notes);
        let both = volume("a", "1Gi", "") + &volume("b", "2Gi", "");
        assert!(default(&both, &world).contains("rename volume/a"), "each gets its own back");
    }
}
