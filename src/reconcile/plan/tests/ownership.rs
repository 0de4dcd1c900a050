//! Whose things are, what becomes of them, and who changed them.

use std::collections::BTreeSet;

use super::*;
use crate::reconcile::inventory::{Effect, Entry, Standing};

#[track_caller]
pub(super) fn planned(declared: &str, world: &World, policy: &Policy) -> String {
    let plan = plan(&desired(declared), world, policy);
    let after = performed(&plan, world);
    if plan.refusals.is_empty() && plan.summary().blocked == 0 {
        let again = self::plan(&desired(declared), &after, policy);
        assert!(again.is_empty() && again.effects.is_empty(), "{:?}\n{}", again.effects, text_of(&again));
    }
    let refusals = plan.refusals.iter().map(|refusal| format!("refused: {refusal}\n"));
    text_of(&plan) + &refusals.collect::<String>()
}

pub(super) fn default(declared: &str, world: &World) -> String {
    planned(declared, world, &Policy::default())
}

pub(super) fn pruning() -> Policy {
    Policy { prune: true, ..Policy::default() }
}

pub(super) fn key(kind: &str, name: &str) -> Key {
    Key { kind: kinds::meant_by(kind)[0], name: Name::parse(name).unwrap() }
}

fn entry<'a>(world: &'a World, kind: &str, name: &str) -> Option<&'a Entry> {
    world.inventory.as_ref().unwrap().get(&key(kind, name))
}

#[test]
fn equal_is_adopted_and_different_is_blocked_until_it_is_taken_over() {
    let live = world(&[volume("v", "1Gi", ""), template("t", "a", "")].concat()).with_inventory(&Inventory::default());
    let declared = [volume("v", "2Gi", ""), template("t", "a", "")].concat();
    insta::assert_snapshot!(default(&declared, &live), @r"
    blocked volume/v [size: 1Gi -> 2Gi] (it is live, differs from what is declared, and is not managed here)
    adopt template/t
    ");
    let all = Policy { take_over: TakeOver::All, ..Policy::default() };
    insta::assert_snapshot!(planned(&declared, &live, &all), @r"
    update volume/v [size: 1Gi -> 2Gi] (it was not managed here, and is taken over)
    adopt template/t
    0. update volume/v after []
    ");
    let one = Policy { take_over: TakeOver::These(BTreeSet::from([key("volume", "v")])), ..Policy::default() };
    assert_eq!(planned(&declared, &live, &one), planned(&declared, &live, &all));
}

#[test]
fn a_rename_that_changes_fields_takes_both_words() {
    let live = owned(&volume("a", "1Gi", ""));
    let declared = volume("b", "2Gi", ", lifecycle: {renamed_from: a}");
    let allowing = |actions: &[Action]| Policy { allow: Some(actions.iter().copied().collect()), ..Policy::default() };
    insta::assert_snapshot!(planned(&declared, &live, &allowing(&[Action::Rename])), @"blocked volume/b [size: 1Gi -> 2Gi] (it is live as `a`) (held back: to update is not allowed here)");
    let both = allowing(&[Action::Rename, Action::Update]);
    assert_eq!(plan(&desired(&declared), &live, &both).steps.len(), 2);
}

#[test]
fn what_a_sibling_owns_is_never_taken() {
    let mut live = world(&volume("v", "1Gi", "")).with_inventory(&Inventory::default());
    let id = live.get(&key("volume", "v")).unwrap().id.clone().unwrap();
    live.siblings.insert((key("volume", "v").kind, id), "other.json".into());
    let all = Policy { take_over: TakeOver::All, ..Policy::default() };
    insta::assert_snapshot!(planned(&volume("v", "2Gi", ""), &live, &all), @"blocked volume/v [size: 1Gi -> 2Gi] (it belongs to another project: other.json)");
    let same = plan(&desired(&volume("v", "1Gi", "")), &live, &all);
    assert!(same.is_empty() && same.effects.is_empty(), "{}", text_of(&same));
    assert_eq!(text_of(&same).trim_end(), "keep volume/v (it is another project's, and stays as it is: other.json)");
}

/// Returns the world where another project has one of the objects on its record.
fn claimed(world: &World, key: &Key) -> World {
    let mut claimed = world.clone();
    let id = world.get(key).and_then(|live| live.id.clone()).expect("it is live");
    claimed.siblings.insert((key.kind, id), "other".into());
    let inventory = world.inventory.as_deref().expect("there is a record");
    claimed.with_inventory(inventory)
}

#[test]
fn what_was_released_and_is_a_sibling_s_by_now_is_not_taken_up_again() {
    let ours = owned(&(volume("v", "1Gi", "") + &template("t", "a", "")));
    let released = performed(&plan(&desired(&template("t", "a", "")), &ours, &pruning()), &ours);
    assert_eq!(entry(&released, "volume", "v").unwrap().standing, Standing::Released);
    let taken = claimed(&released, &key("volume", "v"));
    assert_eq!(entry(&taken, "volume", "v"), None, "it is theirs");

    let again = |size: &str| volume("v", size, ", lifecycle: {on_remove: delete}") + &template("t", "a", "");
    let all = Policy { take_over: TakeOver::All, ..pruning() };
    insta::assert_snapshot!(planned(&again("2Gi"), &taken, &all), @r"
    blocked volume/v [size: 1Gi -> 2Gi] (it belongs to another project: other)
    keep template/t
    ");
    let equal = performed(&plan(&desired(&again("1Gi")), &taken, &all), &taken);
    assert_eq!(entry(&equal, "volume", "v"), None);
    insta::assert_snapshot!(planned(&template("t", "a", ""), &equal, &all), @"keep template/t");
    assert_eq!(plan_destroy_owned(&taken).steps.len(), 1, "the template alone");
}

#[test]
fn what_a_sibling_made_in_the_place_of_what_we_were_going_to_is_not_ours() {
    let declared = template("z", "a", "");
    let nothing = World::new([], now()).with_inventory(&Inventory::default());
    let ours = plan(&desired(&declared), &nothing, &Policy::default());
    let mut killed = Inventory::default();
    killed.intend(ours.intents(now()));
    let live = world(&declared);
    let z = live.get(&key("template", "z")).expect("it is live").clone();

    let settled = live.clone().with_inventory(&killed);
    assert!(entry(&settled, "template", "z").is_some(), "nobody else has it");
    let mut theirs = live;
    theirs.siblings.insert((z.key.kind, z.id.clone().unwrap()), "other".into());
    let theirs = theirs.with_inventory(&killed);
    assert_eq!(entry(&theirs, "template", "z"), None);
    assert!(theirs.inventory.as_ref().unwrap().intents.is_empty(), "there is nothing to wait for");
    insta::assert_snapshot!(planned(&template("t", "a", ""), &theirs, &pruning()), @r"
    create template/t
    0. create template/t after []
    ");

    let mark = Some(kinds::Mark::new(&"other".into(), &z.key, &desired(&declared).get(&z.key).unwrap().spec));
    let mut marked = World::new([Live { mark, ..z }], now());
    marked.owner = Some("ours".into());
    assert_eq!(entry(&marked.with_inventory(&killed), "template", "z"), None, "it says whose it is");
}

#[test]
fn only_what_is_owned_is_pruned_and_what_holds_data_is_released() {
    let live = owned(&[volume("v", "1Gi", ""), template("t", "a", ""), pool("p", "t", "1", "")].concat());
    let kept = template("u", "a", "");
    assert_eq!(plan(&desired(&kept), &live, &Policy::default()).n_undeclared, 3);
    insta::assert_snapshot!(planned(&kept, &live, &pruning()), @r"
    create template/u (it is new, and `t` is declared no longer: is this a rename?)
    keep volume/v (it is declared no longer; it is kept, and not managed any more)
    delete template/t
    delete pool/p
    0. create template/u after []
    1. delete pool/p after []
    2. delete template/t after [1]
    ");
    let after = performed(&plan(&desired(&kept), &live, &pruning()), &live);
    assert_eq!(entry(&after, "volume", "v").unwrap().standing, Standing::Released);
    let again = kept + &volume("v", "2Gi", "");
    insta::assert_snapshot!(default(&again, &after), @r"
    update volume/v [size: 1Gi -> 2Gi] (it had been released, and is taken up again)
    keep template/u
    0. update volume/v after []
    ");
}

#[test]
fn what_may_have_been_renamed_is_not_pruned_unless_the_rename_is_on_record() {
    let declared = [template("t", "a", ""), pool("new", "t", "1", ", lifecycle: {renamed_from: old}")].concat();
    let both = owned(&[template("t", "a", ""), pool("old", "t", "1", ""), pool("new", "t", "1", "")].concat());
    insta::assert_snapshot!(planned(&declared, &both, &pruning()), @r"
    keep template/t
    blocked pool/new (both names are live: the old one, `old`, with id made-3, and the new one with id made-2)
    blocked pool/old (it is declared no longer, and pool/new, which is live too, is declared as renamed from it)
    ");

    let renamed = owned(&declared);
    let with_old =
        performed(&plan(&desired(&(declared.clone() + &pool("old", "t", "1", ""))), &renamed, &pruning()), &renamed);
    insta::assert_snapshot!(planned(&declared, &with_old, &pruning()), @r"
    keep template/t
    keep pool/new (the rename from `old` is done)
    delete pool/old
    0. delete pool/old after []
    ");
}

#[test]
fn a_selector_limits_both_sides() {
    let labelled = |name: &str, team: &str| {
        template(name, "a", "").replace(&format!("name: {name}"), &format!("name: {name}, labels: {{team: {team}}}"))
    };
    let live = owned(&[labelled("a", "red"), labelled("b", "blue")].concat());
    let scope = Scope { selector: "team=red".parse().unwrap(), ..Scope::default() };
    let policy = Policy { prune: true, scope, allow_destroy: Some(1), ..Policy::default() };
    insta::assert_snapshot!(planned(&labelled("c", "blue"), &live, &policy), @r"
    delete template/a
    0. delete template/a after []
    ");
    insta::assert_snapshot!(planned(&labelled("c", "red"), &live, &policy), @r"
    create template/c (it is new, and `a` is declared no longer: is this a rename?)
    delete template/a
    0. create template/c after []
    1. delete template/a after []
    ");
}

#[test]
fn a_target_brings_what_it_refers_to() {
    let live = owned("");
    let declared = [template("t", "a", ""), pool("p", "t", "1", ""), template("u", "a", "")].concat();
    let scope = Scope { targets: BTreeSet::from([key("pool", "p")]), ..Scope::default() };
    insta::assert_snapshot!(planned(&declared, &live, &Policy { scope, ..Policy::default() }), @r"
    create template/t
    create pool/p
    0. create template/t after []
    1. create pool/p after [0]
    ");
}

#[test]
fn drift_is_told_from_a_change_of_the_manifests() {
    let live = owned(&[volume("v", "1Gi", ""), volume("w", "1Gi", ""), volume("x", "1Gi", "")].concat());
    let live = meddled(&live, &[volume("v", "2Gi", ""), volume("w", "1Gi", ""), volume("x", "2Gi", "")].concat());
    let declared = [volume("v", "3Gi", ""), volume("w", "3Gi", ""), volume("x", "1Gi", "")].concat();
    let plan = plan(&desired(&declared), &live, &Policy::default());
    let causes: Vec<_> = plan.changes.iter().map(|change| (change.key.to_string(), change.fields[0].cause)).collect();
    insta::assert_debug_snapshot!(causes, @r#"
    [
        (
            "volume/v",
            Both,
        ),
        (
            "volume/w",
            Declared,
        ),
        (
            "volume/x",
            Drift,
        ),
    ]
    "#);
    let fail = Policy { on_drift: OnDrift::Fail, ..Policy::default() };
    insta::assert_snapshot!(planned(&declared, &live, &fail), @r"
    update volume/v [size: 2Gi -> 3Gi]
    update volume/w [size: 1Gi -> 3Gi]
    blocked volume/x [size: 2Gi -> 1Gi] (size cannot shrink from 2Gi to 1Gi)
    0. update volume/v after []
    1. update volume/w after []
    refused: volume/v, volume/x changed behind the manifests' back
    ");
    let hold = Policy { on_drift: OnDrift::Hold, ..Policy::default() };
    insta::assert_snapshot!(planned(&declared, &live, &hold), @r"
    update volume/v [size: 2Gi -> 3Gi]
    update volume/w [size: 1Gi -> 3Gi]
    keep volume/x (what changed behind the manifests' back is left as it is: size)
    0. update volume/v after []
    1. update volume/w after []
    ");
}

#[test]
fn what_is_held_stays_in_a_replacement_and_is_still_drift() {
    let applied = [template("t", "a", ""), pool("p", "t", "1", "")].concat();
    let live = meddled(&owned(&applied), &applied.replace("replicas: 1", "replicas: 7"));
    let declared = desired(&applied.replace("image: a", "image: b"));
    let of_pool = key("pool", "p");
    for (on_drift, expected) in [(OnDrift::Hold, 7), (OnDrift::Revert, 1)] {
        let plan = plan(&declared, &live, &Policy { on_drift, ..Policy::default() });
        let made = plan.steps.iter().find_map(|step| match &step.verb {
            Verb::Create { spec, .. } if step.key.kind == of_pool.kind => Some(kinds::spec_to_json(spec)),
            _ => None,
        });
        assert_eq!(made.unwrap()["replicas"], expected, "{}", text_of(&plan));
        let change = plan.changes.iter().find(|change| change.key == of_pool).unwrap();
        let recorded = change.record.as_ref().and_then(Entry::applied).unwrap();
        assert_eq!(kinds::spec_to_json(recorded)["replicas"], 1);
    }
}

#[test]
fn what_was_deleted_or_made_anew_behind_our_back_is_named() {
    let declared = [volume("v", "1Gi", ""), template("t", "a", "")].concat();
    let live = owned(&declared);
    let gone = meddled(&live, &template("t", "a", ""));
    insta::assert_snapshot!(default(&declared, &gone), @r"
    create volume/v (it was deleted behind the manifests' back)
    keep template/t
    0. create volume/v after []
    ");
    let other = meddled(&meddled(&live, ""), &[volume("v", "2Gi", ""), template("t", "a", "")].concat());
    insta::assert_snapshot!(default(&declared, &other), @r"
    blocked volume/v [size: 2Gi -> 1Gi] (it was made anew behind the manifests' back: its id was made-1) (it is live, differs from what is declared, and is not managed here) (size cannot shrink from 2Gi to 1Gi)
    adopt template/t (it was made anew behind the manifests' back: its id was made-2)
    ");
    let hold = Policy { on_drift: OnDrift::Hold, ..Policy::default() };
    insta::assert_snapshot!(text_of(&plan(&desired(&declared), &gone, &hold)), @r"
    keep volume/v (it was deleted behind the manifests' back) (what happened behind the manifests' back is left as it is)
    keep template/t
    ");
}

#[test]
fn a_new_volume_beside_one_that_is_declared_no_longer_is_asked_about() {
    let live = owned(&[volume("old", "1Gi", ""), template("t", "a", "")].concat());
    let declared = |more: &str| volume("new", "1Gi", more) + &template("u", "a", "");
    insta::assert_snapshot!(default(&declared(""), &live), @r"
    blocked volume/new (it is new, and `old` is declared no longer: is this a rename?)
    create template/u (it is new, and `t` is declared no longer: is this a rename?)
    0. create template/u after []
    ");
    insta::assert_snapshot!(default(&declared(", lifecycle: {renamed_from: old}"), &live), @r"
    rename volume/new
    create template/u (it is new, and `t` is declared no longer: is this a rename?)
    0. rename volume/old after []
    1. create template/u after []
    ");
    insta::assert_snapshot!(default(&declared(", lifecycle: {renamed_from: none}"), &live), @r"
    create volume/new
    create template/u (it is new, and `t` is declared no longer: is this a rename?)
    0. create volume/new after []
    1. create template/u after []
    ");
}

#[test]
fn names_are_swapped_once() {
    let live = owned(&[volume("a", "1Gi", ""), volume("b", "2Gi", "")].concat());
    let swapped =
        [volume("a", "2Gi", ", lifecycle: {renamed_from: b}"), volume("b", "1Gi", ", lifecycle: {renamed_from: a}")]
            .concat();
    insta::assert_snapshot!(default(&swapped, &live), @r"
    rename volume/a
    rename volume/b
    0. rename volume/a after []
    1. rename volume/b after [0]
    2. rename volume/a--sbx-8b8d127c after [0, 1]
    ");
}

#[test]
fn a_swap_that_was_cut_is_finished_or_undone() {
    let live = owned(&[volume("a", "1Gi", ""), volume("b", "2Gi", ""), volume("c", "3Gi", "")].concat());
    let before = [volume("a", "1Gi", ""), volume("b", "2Gi", ""), volume("c", "3Gi", "")].concat();
    let after = [
        volume("a", "2Gi", ", lifecycle: {renamed_from: b}"),
        volume("b", "3Gi", ", lifecycle: {renamed_from: c}"),
        volume("c", "1Gi", ", lifecycle: {renamed_from: a}"),
    ]
    .concat();
    let whole = plan(&desired(&after), &live, &Policy::default());
    let ids = |world: &World| world.iter().map(|live| live.id.clone()).collect::<BTreeSet<_>>();
    for n_done in 0..=whole.steps.len() {
        for is_recorded in [true, false] {
            let cut = Plan { steps: whole.steps[..n_done].to_vec(), ..whole.clone() };
            let mut halfway = performed(&cut, &live);
            if !is_recorded {
                let mut before = live.inventory.as_deref().cloned().unwrap();
                before.intents = whole.intents(now());
                halfway = halfway.with_inventory(&before);
            }
            for goal in [&after, &before] {
                let plan = plan(&desired(goal), &halfway, &Policy::default());
                let end = performed(&plan, &halfway);
                assert_eq!(ids(&end), ids(&live));
                let again = self::plan(&desired(goal), &end, &Policy::default());
                assert!(again.is_empty(), "{n_done} {is_recorded}\n{}\n{}", text_of(&plan), text_of(&again));
            }
        }
    }
}

#[test]
fn a_swap_that_is_made_can_be_taken_out_of_the_manifests() {
    let live = owned(&[volume("a", "1Gi", ""), volume("b", "2Gi", "")].concat());
    let swapped =
        [volume("a", "2Gi", ", lifecycle: {renamed_from: b}"), volume("b", "1Gi", ", lifecycle: {renamed_from: a}")];
    let made = performed(&plan(&desired(&swapped.concat()), &live, &Policy::default()), &live);
    let tidy = [volume("a", "2Gi", ""), volume("b", "1Gi", "")].concat();
    assert!(plan(&desired(&tidy), &made, &Policy::default()).is_empty());
    let edited = [volume("a", "2Gi", ""), volume("b", "3Gi", "")].concat();
    insta::assert_snapshot!(default(&edited, &made), @r"
    keep volume/a
    update volume/b [size: 1Gi -> 3Gi]
    0. update volume/b after []
    ");
}

#[test]
fn what_refers_to_names_that_move_on_is_as_it_was_applied() {
    let before = [template("a", "x", ""), template("b", "y", ""), template("c", "z", ""), pool("p", "a", "1", "")];
    let from = |old: &str| format!(", lifecycle: {{renamed_from: {old}}}");
    let chain = [
        template("b", "x", &from("a")),
        template("c", "y", &from("b")),
        template("d", "z", &from("c")),
        pool("p", "b", "1", ""),
    ];
    let circle = [
        template("b", "x", &from("a")),
        template("a", "y", &from("b")),
        template("c", "z", ""),
        pool("p", "b", "2", ""),
    ];
    let live = owned(&before.concat());
    for after in [chain, circle] {
        let plan = plan(&desired(&after.concat()), &live, &Policy::default());
        let end = performed(&plan, &live);
        assert_eq!(crate::reconcile::drift(&end), [], "{}", text_of(&plan));
    }
}

#[test]
fn only_some_kinds_of_change_are_let_through() {
    let live = owned(&[volume("v", "1Gi", ""), template("t", "a", "")].concat());
    let declared = [volume("v", "2Gi", ""), template("t", "a", ""), template("u", "a", ""), pool("p", "u", "1", "")];
    let allow = Some(BTreeSet::from([Action::Update]));
    let policy = Policy { allow, ..Policy::default() };
    insta::assert_snapshot!(planned(&declared.concat(), &live, &policy), @r"
    update volume/v [size: 1Gi -> 2Gi]
    keep template/t
    blocked template/u (held back: to create is not allowed here)
    blocked pool/p (it needs template/u, which is blocked) (held back: to create is not allowed here)
    0. update volume/v after []
    ");
}

#[test]
fn many_destroys_need_a_word() {
    let many = |n: usize| (0..n).map(|i| template(&format!("t{i}"), "a", "")).collect::<String>();
    let live = owned(&many(12));
    let refused = |n_left: usize, allow_destroy| {
        let policy = Policy { prune: true, allow_destroy, ..Policy::default() };
        plan(&desired(&many(n_left)), &live, &policy).refusals
    };
    assert!(refused(9, None).is_empty());
    insta::assert_debug_snapshot!(refused(8, None), @r"
    [
        DestroyLimit {
            n: 4,
            n_owned: 12,
            data: [],
            allowed: None,
        },
    ]
    ");
    assert!(refused(8, Some(4)).is_empty());
    assert_eq!(refused(8, Some(3)).len(), 1);
    // More than ten of many, and a large part of what is more than just a few.
    let is_refused = |n_owned: usize, n_left: usize| {
        let policy = Policy { prune: true, ..Policy::default() };
        !plan(&desired(&many(n_left)), &owned(&many(n_owned)), &policy).refusals.is_empty()
    };
    assert!(is_refused(50, 39) && !is_refused(50, 40));
    assert!(is_refused(4, 2) && !is_refused(3, 1));
    let data = owned(&volume("v", "1Gi", ", lifecycle: {on_remove: delete}"));
    insta::assert_snapshot!(planned("", &data, &pruning()), @r"
    delete volume/v
    0. delete volume/v after []
    refused: this plan destroys 1 object, and with volume/v data that nothing can make again
    ");
}

#[test]
fn protection_outlives_the_file_it_stood_in() {
    let live = owned(&template("t", "a", ", lifecycle: {prevent_destroy: true}"));
    insta::assert_snapshot!(planned("", &live, &Policy { allow_destroy: Some(1), ..pruning() }), @r"
    delete template/t (`prevent_destroy` is set, and this would destroy it)
    0. delete template/t after []
    refused: template/t is protected by `prevent_destroy`, and this plan would destroy it
    ");
    insta::assert_snapshot!(text_of(&plan_removal(&[key("template", "t")], &live)), @r"
    delete template/t (`prevent_destroy` is set, and this would destroy it)
    0. delete template/t after []
    ");
}

#[test]
fn drift_is_what_somebody_did_since_the_last_apply() {
    let declared = [
        volume("v", "1Gi", ""),
        volume("w", "1Gi", ""),
        template("t", "a", ""),
        pool("p", "t", "1", ""),
        template("u", "a", ""),
    ];
    let live = owned(&declared.concat());
    assert_eq!(crate::reconcile::drift(&live), []);
    let now = [volume("v", "2Gi", ""), template("z", "a", ", lifecycle: {renamed_from: t}"), pool("p", "z", "3", "")];
    let live = meddled(&live, &(now.concat() + &template("u", "b", ", lifecycle: {replace: recreate}")));
    let drift = crate::reconcile::drift(&live);
    let shown = drift.iter().map(|drift| {
        let value = |value: &Option<Value>| value.as_ref().map_or("-".to_owned(), ToString::to_string);
        let fields = drift.fields.iter();
        let fields =
            fields.map(|field| format!(" [{}: {} -> {}]", field.path, value(&field.applied), value(&field.live)));
        format!("{} {}{}\n", drift.key, drift.event, fields.collect::<String>())
    });
    insta::assert_snapshot!(shown.collect::<String>(), @r"
    volume/v was changed [size: 1Gi -> 2Gi]
    volume/w was deleted
    template/t was renamed to z
    template/u was made anew, with id made-6 [image: a -> b]
    pool/p was changed [replicas: 1 -> 3]
    ");
    let ahead = |text: &str| {
        let plan = plan(&desired(text), &live, &Policy::default());
        let record = live.inventory.as_deref().unwrap();
        let ahead = plan.changes.iter().filter(|change| change.is_ahead(record));
        ahead.map(|change| change.key.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(ahead(&declared.concat()), [] as [&str; 0]);
    assert_eq!(ahead(&(declared.concat() + &volume("x", "1Gi", ", lifecycle: {renamed_from: none}"))), ["volume/x"]);
    // What is gone or renamed, and is to be another one or named otherwise by now.
    let grown = declared.concat().replace("name: w}, spec: {size: 1Gi}", "name: w}, spec: {size: 2Gi}");
    assert_eq!(ahead(&grown), ["volume/w"]);
    let renamed = [template("t2", "a", ", lifecycle: {renamed_from: t}"), pool("p", "t2", "1", "")];
    assert!(ahead(&renamed.concat()).contains(&"template/t2".to_owned()));
}

/// An old template that a sandbox keeps alive goes with the template, or once the sandbox is gone, whatever is left of
/// the record.
#[test]
fn what_a_rollout_left_is_pruned_with_its_object_or_later() {
    let goes = ", lifecycle: {on_remove: delete}";
    let all = |image: &str| template("t", image, "") + &pool("p", "t", "1", "") + &sandbox("s", "t", goes);
    let before = owned(&all("a"));
    let rolled = performed(&plan(&desired(&all("b")), &before, &Policy::default()), &before);
    let reserved = |world: &World| world.iter().filter(|live| kinds::is_reserved(&live.key.name)).count();
    assert_eq!(reserved(&rolled), 1, "the sandbox is on the old template");

    let policy = Policy { allow_destroy: Some(9), ..pruning() };
    let nothing_left = plan(&desired(&volume("v", "1Gi", "")), &rolled, &policy);
    let gone = performed(&nothing_left, &rolled);
    let names: Vec<_> = gone.iter().map(|live| live.key.to_string()).collect();
    assert_eq!(names, ["volume/v"], "{}", text_of(&nothing_left));

    let foreign = released_sandbox(&rolled);
    let first = plan(&desired(&volume("v", "1Gi", "")), &foreign, &policy);
    let held = performed(&first, &foreign);
    assert_eq!(reserved(&held), 1, "{}", text_of(&first));
    let again = plan(&desired(&volume("v", "1Gi", "")), &held, &policy);
    assert!(again.is_empty(), "{}", text_of(&again));
    let mut model = Model::of(&held);
    model.run(&plan_removal(&[key("Sandbox", "s")], &held)).expect("nothing holds it");
    let free = model.to_world(&held).with_inventory(held.inventory.as_ref().expect("there is a record"));
    let last = plan(&desired(&volume("v", "1Gi", "")), &free, &policy);
    let end = performed(&last, &free);
    assert_eq!(reserved(&end), 0, "{}", text_of(&last));
}

/// Returns the world with a sandbox that is nobody's.
fn released_sandbox(world: &World) -> World {
    let mut inventory = Inventory::clone(world.inventory.as_ref().expect("there is a record"));
    inventory.apply(Effect::Drop { key: key("Sandbox", "s"), id: None });
    let mut out = world.clone();
    out.inventory = None;
    out.with_inventory(&inventory)
}

#[test]
fn the_old_one_of_what_is_taken_over_is_on_record_while_others_use_it() {
    let theirs = world(&(template("t", "a", "") + &sandbox("s", "t", ""))).with_inventory(&Inventory::default());
    let all = Policy { take_over: TakeOver::All, ..Policy::default() };
    let taking = plan(&desired(&template("t", "b", "")), &theirs, &all);
    let taken = performed(&taking, &theirs);
    let old = taken.iter().find(|live| kinds::is_reserved(&live.key.name)).expect("the sandbox is on it");
    let (at, entry) = taken.inventory.as_ref().unwrap().entry_of(old).expect("it is on record");
    assert_eq!((at, entry.applied()), (&old.key, old.spec.as_ref().ok()));
    assert_eq!(taken.unmanaged().count(), 1, "the sandbox is nobody's");
    let free = without(&taken, "s");
    assert_eq!(performed(&plan_destroy_owned(&free), &free).iter().count(), 0, "nothing is left behind");
}

#[test]
fn another_object_under_the_name_of_ours_is_not_held_as_drift() {
    let ours = owned(&volume("v", "1Gi", ""));
    let mut theirs = without(&world(&(volume("a", "1Gi", "") + &volume("v", "7Gi", ""))), "a");
    theirs.inventory.clone_from(&ours.inventory);
    let hold = Policy { on_drift: OnDrift::Hold, ..Policy::default() };
    insta::assert_snapshot!(planned(&volume("v", "1Gi", ""), &theirs, &hold), @"blocked volume/v [size: 7Gi -> 1Gi] (it was made anew behind the manifests' back: its id was made-1) (it is live, differs from what is declared, and is not managed here) (size cannot shrink from 7Gi to 1Gi)");
}

#[test]
fn what_a_later_version_wrote_of_an_object_stays() {
    let declared = volume("v", "1Gi", "") + &volume("w", "1Gi", "");
    let mut live = owned(&declared);
    let mut inventory = live.inventory.as_deref().cloned().unwrap();
    let v = key("volume", "v");
    let entry = inventory.get(&v).cloned().unwrap();
    let extra = serde_json::Map::from_iter([("colour".to_owned(), "blue".into())]);
    inventory.apply(Effect::Put { key: v.clone(), entry: Entry { extra: extra.clone(), ..entry } });
    live.inventory = Some(inventory.into());
    let same = plan(&desired(&declared), &live, &Policy::default());
    assert!(same.effects.is_empty(), "{:?}", same.effects);
    for declared in [volume("v", "2Gi", ""), volume("u", "2Gi", ", lifecycle: {renamed_from: v}")] {
        let end = performed(&plan(&desired(&declared), &live, &Policy::default()), &live);
        let extras: Vec<_> = end.inventory.as_ref().unwrap().iter().map(|(_, entry)| entry.extra.clone()).collect();
        assert_eq!(extras, [extra.clone(), serde_json::Map::new()]);
    }
}
