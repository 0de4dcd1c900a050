//! Destroying what manifests declare, and removing what a command names.

use super::*;

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
        "keep volume/v (it is kept: `on_remove` is `retain`, the default for what holds data)\ndelete volume/w\n\
         blocked template/m (held by sandbox/s, no TTL)\ndelete template/t\ndelete pool/p\n\
         keep sandbox/s (it is kept: `on_remove` is `retain`, the default for what holds data)\n\
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
        "blocked volume/b (it is live as `a`) (its rename is not done yet)\n\
         keep volume/c (it is live as `b`) (it is kept: `on_remove` is `retain`, the default for what holds data)\n\
         keep volume/d (it is not live: nothing is left to destroy)\n"
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

#[test]
fn what_is_not_live_is_blocked_and_said() {
    let live = world(&volume("v", "1Gi", ""));
    let mut key = live.iter().next().unwrap().key.clone();
    key.name = Name::parse("w").unwrap();
    assert_eq!(text_of(&plan_removal(&[key], &live)), "blocked volume/w (there is no such object)\n");
}

#[test]
fn destroy_removes_what_is_owned() {
    let ours = owned(&[volume("v", "1Gi", ""), template("t", "a", ""), pool("p", "t", "1", "")].concat());
    let theirs =
        [volume("v", "1Gi", ""), template("t", "a", ""), pool("p", "t", "1", ""), template("x", "a", "")].concat();
    let live = meddled(&ours, &theirs);
    insta::assert_snapshot!(text_of(&plan_destroy_owned(&live)), @r"
    keep volume/v (it is kept: `on_remove` is `retain`, the default for what holds data)
    delete template/t
    delete pool/p
    0. delete pool/p after []
    1. delete template/t after [0]
    ");
    insta::assert_snapshot!(text_of(&plan_destroy(&desired(&theirs), &live)), @r"
    keep volume/v (it is kept: `on_remove` is `retain`, the default for what holds data)
    delete template/t
    keep template/x (it is not managed here, and stays)
    delete pool/p
    0. delete pool/p after []
    1. delete template/t after [0]
    ");
    assert_eq!(plan(&desired(""), &live, &Policy::default()).n_unmanaged, 1);
}

#[test]
fn what_was_applied_decides_what_is_destroyed_and_a_manifest_may_only_keep_more() {
    let said = |on_remove: &str| volume("v", "1Gi", &format!(", lifecycle: {{on_remove: {on_remove}}}"));
    let destroyed = |applied: &str, declared: &str| plan_destroy(&desired(declared), &owned(applied)).steps.len();
    assert_eq!(destroyed(&said("delete"), &said("delete")), 1);
    assert_eq!(destroyed(&said("delete"), &volume("v", "1Gi", "")), 1);
    assert_eq!(destroyed(&said("delete"), &said("retain")), 0);
    assert_eq!(destroyed(&said("retain"), &said("delete")), 0);
    assert_eq!(destroyed(&volume("v", "1Gi", ""), &said("delete")), 0, "it is not applied yet");
}
