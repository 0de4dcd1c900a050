//! What takes of a quota comes after what gives it back.

use proptest::prelude::*;

use super::*;
use crate::kinds::{Capacity, Quota};

fn limited(mut world: World, limit: Quota) -> World {
    let specs = world.iter().filter_map(|live| live.spec.as_ref().ok());
    let used = specs.map(|spec| spec.kind().takes(spec, &world)).fold(Quota::default(), |sum, quota| sum + quota);
    world.capacity = Some(Capacity { used, limit });
    world
}

fn sandboxes(n: u64) -> Quota {
    Quota { sandboxes: n, ..Quota::default() }
}

/// Plans with pruning, however much that destroys, and returns the steps alone.
fn steps(declared: &str, world: &World) -> String {
    let policy = Policy { prune: true, allow_destroy: Some(usize::MAX), ..Policy::default() };
    let plan = plan(&desired(declared), world, &policy);
    let text = text_of(&plan);
    let is_step = |line: &&str| line.starts_with(|c: char| c.is_ascii_digit());
    text.lines().filter(is_step).flat_map(|line| [line, "\n"]).collect()
}

#[test]
fn what_fits_waits_for_nothing() {
    let live = owned(&[template("t", "a", ""), pool("p", "t", "2", "")].concat());
    let declared = [template("t", "a", ""), pool("q", "t", "2", "")].concat();
    insta::assert_snapshot!(steps(&declared, &limited(live, sandboxes(4))), @r"
    0. create pool/q after []
    1. delete pool/p after []
    ");
}

#[test]
fn what_does_not_fit_waits_for_as_many_as_it_takes() {
    let pools = [pool("p1", "t", "1", ""), pool("p2", "t", "2", ""), pool("p3", "t", "3", "")].concat();
    let live = owned(&(template("t", "a", "") + &pools));
    let declared = [template("t", "a", ""), pool("q", "t", "4", ""), pool("r", "t", "1", "")].concat();
    insta::assert_snapshot!(steps(&declared, &limited(live, sandboxes(7))), @r"
    0. delete pool/p1 after []
    1. delete pool/p2 after []
    2. create pool/q after [0, 1]
    3. delete pool/p3 after []
    4. create pool/r after [3]
    ");
}

#[test]
fn what_shrinks_makes_room_too() {
    let live = owned(&[template("t", "a", ""), pool("p", "t", "3", ""), pool("q", "t", "1", "")].concat());
    let declared = [template("t", "a", ""), pool("p", "t", "1", ""), pool("q", "t", "3", "")].concat();
    insta::assert_snapshot!(steps(&declared, &limited(live, sandboxes(4))), @r"
    0. update pool/p after []
    1. update pool/q after [0]
    ");
}

#[test]
fn what_is_in_use_beyond_the_limit_is_given_back_first() {
    let live = owned(&[template("t", "a", ""), pool("p", "t", "3", ""), pool("q", "t", "2", "")].concat());
    let declared = [template("t", "a", ""), pool("r", "t", "2", ""), pool("s", "t", "1", "")].concat();
    insta::assert_snapshot!(steps(&declared, &limited(live, sandboxes(4))), @r"
    0. delete pool/p after []
    1. create pool/r after [0]
    2. delete pool/q after []
    3. create pool/s after [0, 2]
    ");
}

#[test]
fn a_replacement_keeps_what_it_gives_back() {
    let live = owned(&[template("t", "a", ""), pool("p", "t", "2", ""), pool("x", "t", "1", "")].concat());
    let recreate = ", lifecycle: {replace: recreate}";
    let declared = [template("t", "b", recreate), pool("a", "t", "1", ""), pool("p", "t", "2", recreate)].concat();
    let shown = steps(&declared, &limited(live, sandboxes(3)));
    let place = |text: &str| shown.lines().position(|line| line.contains(text)).unwrap_or_else(|| panic!("{shown}"));
    let waits = |line: &str| shown.lines().find(|shown| shown.contains(line)).unwrap_or_default().to_owned();
    let gone = place("delete pool/x");
    assert!(waits("create pool/a").contains(&gone.to_string()), "{shown}");
    assert!(place("delete pool/p") < place("create pool/p"), "{shown}");
}

/// The API makes no pool without replicas, so that one has to be ready before there is none.
#[test]
fn a_paused_pool_needs_room_for_one_for_a_moment() {
    let p = template("t", "a", "") + &pool("p", "t", "2", "");
    let paused = ["a", "b"].map(|name| pool(name, "t", "0", "")).concat();
    let live = owned(&p);
    insta::assert_snapshot!(steps(&(p.clone() + &paused), &limited(live.clone(), sandboxes(4))), @r"
    0. create pool/a after []
    1. create pool/b after []
    ");
    insta::assert_snapshot!(steps(&(p.clone() + &paused), &limited(live.clone(), sandboxes(3))), @r"
    0. create pool/a after []
    1. create pool/b after [0]
    ");
    insta::assert_snapshot!(steps(&(template("t", "a", "") + &paused), &limited(live.clone(), sandboxes(2))), @r"
    0. delete pool/p after []
    1. create pool/b after [0]
    2. create pool/a after [1]
    ");
    let beside = template("t", "a", "") + &pool("a", "t", "2", "") + &pool("b", "t", "0", "");
    insta::assert_snapshot!(steps(&beside, &limited(owned(&template("t", "a", "")), sandboxes(2))), @r"
    0. create pool/b after []
    1. create pool/a after [0]
    ");
    let full = plan(&desired(&(p + &paused)), &limited(live, sandboxes(2)), &Policy::default());
    insta::assert_snapshot!(text_of(&full), @r"
    keep template/t
    blocked pool/a (the quota for sandboxes has 0 left, and this takes 1 while it is made)
    blocked pool/b (the quota for sandboxes has 0 left, and this takes 1 while it is made)
    keep pool/p
    ");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever takes something does so as early as it may, and what gives something back as late.
    #[test]
    fn no_order_goes_over_the_quota(
        before in proptest::collection::vec(proptest::option::of(0..4_usize), 6),
        after in proptest::collection::vec(proptest::option::of(0..4_usize), 6),
        spare in 0..3_u64,
        is_over in any::<bool>(),
    ) {
        let declare = |sizes: &[Option<usize>]| {
            let pools = sizes.iter().enumerate().filter_map(|(i, size)| Some((i, (*size)?)));
            let pools: String = pools.map(|(i, size)| pool(&format!("p{i}"), "t", &size.to_string(), "")).collect();
            template("t", "a", "") + &pools
        };
        let live = owned(&declare(&before));
        let total = |sizes: &[Option<usize>]| sizes.iter().flatten().sum::<usize>() as u64;
        let limit = if is_over { total(&after) + spare } else { total(&before).max(total(&after)) + spare };
        let limit = limit.max(1);
        let world = limited(live, sandboxes(limit));
        let policy = Policy { prune: true, allow_destroy: Some(usize::MAX), ..Policy::default() };
        let plan = plan(&desired(&declare(&after)), &world, &policy);
        let mut model = Model::of(&world);
        let mut left: Vec<usize> = (0..plan.steps.len()).collect();
        while !left.is_empty() {
            let is_ready = |step: &usize| plan.steps[*step].after.iter().all(|before| !left.contains(before));
            let ready: Vec<_> = left.iter().copied().filter(is_ready).collect();
            let used = |model: &Model| {
                limited(model.to_world(&world), Quota::default()).capacity.expect("it is set").used.sandboxes
            };
            let used_after = |step: usize| {
                let mut model = model.clone();
                model.perform(&plan.steps[step]).expect("the server takes it");
                used(&model)
            };
            // All that may begin does so at once.
            let to_make = |step: &usize| match &plan.steps[*step].verb {
                Verb::Create { spec, .. } => spec.kind().takes_to_make(spec, &model).sandboxes,
                _ => used_after(*step).saturating_sub(used(&model)),
            };
            let taken = ready.iter().map(to_make).sum::<u64>();
            prop_assert!(taken == 0 || used(&model) + taken <= limit, "{ready:?} go over {limit}:\n{}", text_of(&plan));
            let next = ready.into_iter().max_by_key(|step| used_after(*step)).expect("no circle");
            model.perform(&plan.steps[next]).expect("the server takes it");
            left.retain(|step| *step != next);
        }
    }
}
