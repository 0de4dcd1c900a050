//! Finds the changes that the workspace's quota has no room for.

use std::ops::Add as _;

use super::Action;
use super::decide::{Decision, Obstacles};
use super::note::Note;
use crate::kinds::{Capacity, Lookup, Quota};
use crate::reconcile::world::{DeclaredOrLive, Desired, World};

/// Returns the changes for which nothing is left once all that comes before them has taken its share.
///
/// What deletions and replacements give back counts as free from the start: the steps that take it wait for them
/// (`room.rs`).
pub(super) fn exceeded(decisions: &[Decision<'_>], desired: &Desired, world: &World) -> Obstacles {
    let mut obstacles = Obstacles::new();
    let Some(capacity) = world.capacity else { return obstacles };
    let others = DeclaredOrLive { desired, world };
    let given_back = decisions.iter().map(|decision| {
        let (before, after) = takes(decision, &others, world);
        before.saturating_sub(after)
    });
    // A workspace may be over its limit: what it gives back is taken from what is in use, not added to what is free.
    let used = capacity.used.saturating_sub(given_back.fold(Quota::default(), Quota::add));
    let mut free = Capacity { used, ..capacity }.free();
    for decision in decisions {
        let (before, after) = takes(decision, &others, world);
        let needed = after.saturating_sub(before);
        if let Some(note) = lacking(&free, needed) {
            obstacles.insert(decision.change.key.clone(), note);
        } else {
            take(&mut free, needed);
        }
    }
    obstacles
}

/// Returns what the object takes before and after the change.
pub(super) fn takes(decision: &Decision<'_>, others: &dyn Lookup, world: &World) -> (Quota, Quota) {
    let live = decision.live.and_then(|live| live.spec.as_ref().ok());
    let before = live.map_or_else(Quota::default, |spec| spec.kind().takes(spec, world));
    let after = match decision.change.action {
        Action::Keep | Action::Adopt | Action::Blocked => before,
        Action::Delete => Quota::default(),
        Action::Create | Action::Update | Action::Rename | Action::Replace => {
            let settled = decision.object.map(|object| object.spec.settled(live));
            settled.map_or_else(Quota::default, |spec| spec.kind().takes(&spec, others))
        }
    };
    (before, after)
}

pub(super) fn lacking(free: &[Option<u64>; 5], needed: Quota) -> Option<Note> {
    let short = free.iter().zip(needed.amounts()).find(|(free, (_, needed))| free.is_some_and(|free| *needed > free));
    short.map(|(free, (what, needed))| Note::OverQuota { what, needed, free: free.unwrap_or_default() })
}

fn take(free: &mut [Option<u64>; 5], amounts: Quota) {
    for (free, (_, amount)) in free.iter_mut().zip(amounts.amounts()) {
        *free = free.map(|free| free.saturating_sub(amount));
    }
}
