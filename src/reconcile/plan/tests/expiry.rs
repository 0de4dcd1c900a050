//! What a time to live ended, and what somebody deleted before.

use super::ownership::{default, key};
use super::*;
use crate::reconcile::drift;
use crate::reconcile::inventory::{Effect, Entry};

#[test]
fn an_expired_sandbox_stays_away_unless_it_is_asked_for() {
    let ttl = |more: &str| sandbox("s", "t", more).replace("template_name: t", "template_name: t, ttl_seconds: 60");
    let declared = template("t", "a", "") + &ttl("");
    let live = meddled(&owned(&declared), &template("t", "a", ""));
    insta::assert_snapshot!(text_of(&plan(&desired(&declared), &live, &Policy::default())), @r"
    keep template/t
    keep sandbox/s (its time to live ended it, and it stays away)
    ");
    let recreated = template("t", "a", "") + &ttl(", lifecycle: {on_expiry: recreate}");
    insta::assert_snapshot!(default(&recreated, &live), @r"
    keep template/t
    create sandbox/s (its time to live ended it, and it is made anew)
    0. create sandbox/s after []
    ");
    let deleted = template("t", "a", "") + &sandbox("s", "t", "");
    let live = meddled(&owned(&deleted), &template("t", "a", ""));
    insta::assert_snapshot!(default(&deleted, &live), @r"
    keep template/t
    create sandbox/s (it was deleted behind the manifests' back)
    0. create sandbox/s after []
    ");
}

/// Returns the world with another end on record for each object.
fn ending(world: &World, end: &str) -> World {
    let mut inventory = world.inventory.as_deref().cloned().unwrap();
    let entries: Vec<_> = inventory.iter().map(|(key, entry)| (key.clone(), entry.clone())).collect();
    for (key, entry) in entries {
        inventory.apply(Effect::Put { key, entry: Entry { expires_at: Some(end.parse().unwrap()), ..entry } });
    }
    let mut world = world.clone();
    world.inventory = Some(inventory.into());
    world
}

#[test]
fn what_is_gone_before_its_end_was_deleted() {
    let declared = sandbox("s", "t", ", lifecycle: {on_expiry: ignore}");
    let declared = template("t", "a", "") + &declared.replace("template_name: t", "template_name: t, ttl_seconds: 600");
    let live = meddled(&owned(&declared), &template("t", "a", ""));
    let what = |end: &str| {
        let world = ending(&live, end);
        let plan = plan(&desired(&declared), &world, &Policy::default());
        let change = plan.changes.iter().find(|change| change.key == key("sandbox", "s")).unwrap();
        let events: Vec<_> = drift::drift(&world).iter().map(|drift| drift.event.as_str()).collect();
        (change.action, change.is_drift(), events.concat())
    };
    assert_eq!(what("2026-03-25T12:00:00Z"), (Action::Create, true, "deleted".to_owned()));
    assert_eq!(what("2026-03-24T12:01:01Z"), (Action::Create, true, "deleted".to_owned()));
    // The server's clock may be ahead of ours.
    assert_eq!(what("2026-03-24T12:01:00Z"), (Action::Keep, false, "expired".to_owned()));
    assert_eq!(what("2026-03-23T12:00:00Z"), (Action::Keep, false, "expired".to_owned()));
}

#[test]
fn an_end_that_comes_earlier_than_recorded_is_recorded_and_a_later_one_is_not() {
    let declared = template("t", "a", "") + &sandbox("s", "t", "");
    let world = ending(&owned(&declared), "2026-03-24T14:00:00Z");
    let recorded = |end: Option<&str>| {
        let mut live = altered(&world, |live| live.expires_at = end.map(|end| end.parse().unwrap()));
        live.inventory.clone_from(&world.inventory);
        plan(&desired(&declared), &live, &Policy::default()).effects.len()
    };
    assert_eq!(recorded(Some("2026-03-24T14:00:00Z")), 0);
    assert_eq!(recorded(Some("2026-03-24T15:00:00Z")), 0);
    assert_eq!(recorded(None), 0);
    assert_eq!(recorded(Some("2026-03-24T13:00:00Z")), 2);
}
