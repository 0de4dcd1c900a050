//! Kinds that the server does not have: nothing is known of them, and so nothing is done about them.

use super::*;
use crate::kinds::{POOL, SANDBOX, TEMPLATE};

/// Returns the world as it looks where none of these kinds can be listed.
fn without(world: &World, unspoken: &[kinds::KindId]) -> World {
    let seen = world.iter().filter(|live| !unspoken.contains(&live.key.kind)).cloned();
    let mut without = World::new(seen, world.now);
    without.unspoken = unspoken.iter().copied().collect();
    without.with_inventory(world.inventory.as_ref().expect("something is recorded"))
}

#[test]
fn what_cannot_be_seen_is_neither_gone_nor_made() {
    let declared = [volume("v", "1Gi", ""), template("t", "a", "")].concat();
    let world = without(&owned(&declared), &[TEMPLATE, POOL, SANDBOX]);
    let plan = plan(&desired(&declared), &world, &Policy::default());
    insta::assert_snapshot!(text_of(&plan), @r"
    keep volume/v
    blocked template/t (this server has no templates)
    ");
    assert!(plan.effects.is_empty() && plan.drifted().next().is_none(), "{:?}", plan.effects);
}

#[test]
fn what_cannot_be_seen_and_is_declared_no_longer_stays_on_record() {
    let world = without(&owned(&[volume("v", "1Gi", ""), template("t", "a", "")].concat()), &[TEMPLATE, POOL, SANDBOX]);
    let pruning = Policy { prune: true, allow_destroy: Some(9), ..Policy::default() };
    let plan = plan(&desired(&volume("v", "1Gi", "")), &world, &pruning);
    assert!(plan.is_empty() && plan.effects.is_empty(), "{:?}\n{}", plan.effects, text_of(&plan));
    let destroyed = plan_destroy_owned(&world);
    let drops = |effect: &Effect| matches!(effect, Effect::Drop { .. });
    assert!(!destroyed.effects.iter().any(drops), "{:?}", destroyed.effects);
}
