//! Renames, alone and in chains.

use super::*;

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
replace pool/p [template_name: b -> b] (template `b` becomes another object than the one it is made from) (deleted first, then made anew, as `replace: recreate` asks)
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
fn what_holds_a_name_that_it_is_to_be_made_from_is_deleted_first() {
    let live = owned(&[template("t0", "a", ""), template("t1", "a", ""), pool("p", "t1", "1", "")].concat());
    let declared = [
        template("t0", "b", ", lifecycle: {renamed_from: t1}"),
        template("t1", "a", ", lifecycle: {renamed_from: t0}"),
        pool("p", "t1", "1", ""),
    ];
    insta::assert_snapshot!(super::ownership::default(&declared.concat(), &live), @r"
    replace template/t0 [image: a -> b] (it is live as `t1`) (image cannot change in place) (deleted first, then made anew, since it is renamed as well)
    rename template/t1
    replace pool/p [template_name: t1 -> t1] (template `t1` becomes another object than the one it is made from) (deleted first, then made anew, since it holds what has the name of template `t1` until then)
    0. delete pool/p after []
    1. delete template/t1 after [0]
    2. rename template/t0 after [1]
    3. create template/t0 after [2]
    4. create pool/p after [2, 0]
    ");
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
replace template/t [image: b -> a] (image cannot change in place) (deleted first, then made anew, as `replace: recreate` asks)
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
