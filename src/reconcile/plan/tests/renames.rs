//! Renames, alone and in chains.

use super::*;
use crate::reconcile::drift;

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
fn a_rename_from_an_object_that_keeps_its_name_makes_a_new_one() {
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
create volume/c (it is new, not renamed: the live `b` is declared with that name as well)
0. create volume/c after []
",
    );
}

#[test]
fn where_nothing_is_live_the_renamed_object_comes_before_the_one_with_its_old_name() {
    let declared = [
        volume("a", "1Gi", ", lifecycle: {renamed_from: none}"),
        volume("b", "1Gi", ", lifecycle: {renamed_from: a}"),
        volume("c", "1Gi", ", lifecycle: {renamed_from: d}"),
        volume("d", "1Gi", ", lifecycle: {renamed_from: c}"),
    ];
    check(
        &declared.concat(),
        &World::new([], now()),
        "
create volume/a
create volume/b
create volume/c
create volume/d
0. create volume/b after []
1. create volume/a after [0]
2. create volume/c after []
3. create volume/d after []
",
    );
    let mut full = world(&volume("x", "1Gi", ""));
    let used = kinds::Quota { volumes: 1, ..kinds::Quota::default() };
    full.capacity = Some(kinds::Capacity { used, limit: kinds::Quota { volumes: 2, ..used } });
    check(
        &declared[..2].concat(),
        &full,
        "
blocked volume/a (volume/b is renamed from this name, so it comes first, and it is blocked)
blocked volume/b (the quota for volumes has 0 left, and this takes 1)
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
fn names_that_somebody_swapped_are_swapped_back() {
    let declared = [volume("a", "1Gi", ""), volume("b", "2Gi", "")].concat();
    let swapped = |name: &str| if name == "a" { "b" } else { "a" };
    let before = owned(&declared);
    let mut live = altered(&before, |live| live.key.name = swapped(live.key.name.as_str()).parse().unwrap());
    live.inventory.clone_from(&before.inventory);
    let plan = plan(&desired(&declared), &live, &Policy::default());
    insta::assert_snapshot!(text_of(&plan), @r"
    rename volume/a (it was renamed behind the manifests' back)
    rename volume/b (it was renamed behind the manifests' back)
    0. rename volume/a after []
    1. rename volume/b after [0]
    2. rename volume/a--sbx-fd9481b7 after [0, 1]
    ");
    let after = performed(&plan, &live);
    let again = super::plan(&desired(&declared), &after, &Policy::default());
    assert!(again.is_empty() && again.effects.is_empty(), "{:?}\n{}", again.effects, text_of(&again));
}

#[test]
fn what_somebody_gave_a_deleted_one_s_name_goes_back_to_its_own() {
    let declared = [volume("a", "1Gi", ""), volume("b", "2Gi", "")].concat();
    let live = usurped(&declared, "a", "b");
    let plan = plan(&desired(&declared), &live, &Policy::default());
    insta::assert_snapshot!(text_of(&plan), @r"
    rename volume/a (it was renamed behind the manifests' back)
    create volume/b (it was deleted behind the manifests' back)
    0. rename volume/b after []
    1. create volume/b after [0]
    ");
    let after = performed(&plan, &live);
    let again = super::plan(&desired(&declared), &after, &Policy::default());
    assert!(again.is_empty() && again.effects.is_empty(), "{:?}\n{}", again.effects, text_of(&again));
    let drift = drift::drift(&live).iter().map(|drift| format!("{} {}\n", drift.key, drift.event)).collect::<String>();
    insta::assert_snapshot!(drift, @r"
    volume/a was renamed to b
    volume/b was deleted
    ");
}

#[test]
fn what_is_taken_for_a_deleted_one_has_not_ended() {
    let lifecycle = ", lifecycle: {on_template_change: replace}";
    let ending = |template| sandbox("a", template, lifecycle).replace("}, life", ", ttl_seconds: 60}, life");
    let of = |a| [template("t", "x", ""), template("u", "x", ""), a, sandbox("b", "u", "")].concat();
    let live = usurped(&of(ending("t")), "a", "b");
    let plan = plan(&desired(&of(ending("u"))), &live, &Policy::default());
    insta::assert_snapshot!(text_of(&plan), @r"
    keep template/t
    keep template/u
    create sandbox/a (it was deleted behind the manifests' back)
    keep sandbox/b (outdated: its template_name is t, declared is u; it is kept) (it was renamed behind the manifests' back)
    0. create sandbox/a after []
    ");
}

/// Returns the world in which somebody deleted one of our objects and gave its name to another of them.
fn usurped(declared: &str, name: &str, deleted: &str) -> World {
    let before = owned(declared);
    let stays = before.iter().filter(|live| live.key.name.as_str() != deleted).cloned();
    let renamed = stays.map(|mut live| {
        if live.key.name.as_str() == name {
            live.key.name = deleted.parse().unwrap();
        }
        live
    });
    let mut after = World::new(renamed, before.now);
    after.inventory.clone_from(&before.inventory);
    after
}

#[test]
fn what_is_made_waits_for_no_name_that_its_old_one_keeps() {
    let live = world(&(template("t", "b", "") + &pool("p", "t", "0", "")));
    let declared = [
        template("s", "a", ""),
        template("t", "a", ", lifecycle: {replace: recreate}"),
        pool("p", "s", "0", ""),
        pool("q", "t", "0", ", lifecycle: {renamed_from: p}"),
    ];
    check(&declared.concat(), &live, "
create template/s
replace template/t [image: b -> a] (image cannot change in place)
replace pool/p [template_name: t -> s] (template_name cannot change in place) (`p--sbx-f42a5eca` is built beside it, then swapped; the API tells only that one replica is ready)
create pool/q (it is new, not renamed: the live `p` is declared with that name as well)
0. create template/s after []
1. create pool/p--sbx-f42a5eca after [0]
2. swap pool/p p--sbx-3472352d <- p--sbx-f42a5eca after [1, 0]
3. delete pool/p--sbx-3472352d after [2]
4. delete template/t after [3]
5. create template/t after [4]
6. create pool/q after [5]
");
}
