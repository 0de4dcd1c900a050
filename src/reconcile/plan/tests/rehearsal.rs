//! What a plan takes of the quota on its way, and plans that the server would refuse.

use super::*;
use crate::kinds::{Capacity, Quota, Resource};
use crate::reconcile::plan::rehearsal::rehearse;

fn with_sandboxes(mut world: World, used: u64, limit: u64) -> World {
    let of = |sandboxes| Quota { sandboxes, ..Quota::default() };
    world.capacity = Some(Capacity { used: of(used), limit: of(limit) });
    world
}

fn sandboxes(plan: &Plan) -> Option<(u64, u64, u64, Option<u64>)> {
    let peak = plan.peaks.iter().find(|peak| peak.what == Resource::Sandboxes)?;
    Some((peak.before, peak.peak, peak.after, peak.limit))
}

fn rolled(image: &str) -> String {
    template("t", image, "") + &pool("p", "t", "2", "") + &pool("q", "t", "3", "")
}

#[test]
fn new_pools_count_beside_the_old_ones() {
    let live = world(&rolled("a"));
    let peak_of = |limit| {
        let live = with_sandboxes(live.clone(), 5, limit);
        sandboxes(&plan(&desired(&rolled("b")), &live, &Policy::default()))
    };
    assert_eq!(peak_of(0), Some((5, 10, 5, None)), "all at once where there is no limit");
    assert_eq!(peak_of(20), Some((5, 10, 5, Some(20))));
    assert_eq!(peak_of(8), Some((5, 8, 5, Some(8))), "one after the other where they would not fit");
}

#[test]
fn a_peak_is_told_where_there_is_one() {
    let more = rolled("a") + &pool("r", "t", "1", "");
    let live = world(&rolled("a"));
    let of = |declared: &str, world: &World| plan(&desired(declared), world, &Policy::default()).peaks;
    assert_eq!(of(&rolled("b"), &live), [], "nobody tells what is in use");
    assert_eq!(of(&rolled("a"), &with_sandboxes(live.clone(), 5, 20)), [], "nothing happens");
    let limited = plan(&desired(&more), &with_sandboxes(live.clone(), 5, 20), &Policy::default());
    assert_eq!(sandboxes(&limited), Some((5, 6, 6, Some(20))));
    assert!(!limited.peaks.iter().any(Peak::is_passing));
    let unlimited = plan(&desired(&more), &with_sandboxes(live, 5, 0), &Policy::default());
    assert_eq!(sandboxes(&unlimited), None);
}

#[test]
fn a_paused_pool_takes_a_sandbox_on_its_way() {
    let live = with_sandboxes(world(&rolled("a")), 5, 20);
    let paused = plan(&desired(&(rolled("a") + &pool("r", "t", "0", ""))), &live, &Policy::default());
    assert_eq!(sandboxes(&paused), Some((5, 6, 5, Some(20))));
}

#[test]
fn a_step_that_the_server_would_refuse_refuses_the_plan() {
    let live = world(&rolled("a"));
    let mut plan = plan_removal(&live.iter().map(|live| live.key.clone()).collect::<Vec<_>>(), &live);
    assert_eq!(plan.refusals, []);
    // As a planner would do it that forgot the pools.
    plan.steps.retain(|step| step.key.kind == kinds::TEMPLATE);
    plan.steps.iter_mut().for_each(|step| step.after.clear());
    rehearse(&mut plan, &live);
    let told: Vec<_> = plan.refusals.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "a step of it cannot be performed, delete template/t: the server refuses it, as template/t is in use by pool/p"
        ]
    );
    assert!(plan.refusals[0].help().contains("bug in sbx"));
}
