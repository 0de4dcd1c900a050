//! Finds the changes that the workspace's quota has no room for.

use std::ops::Add as _;

use super::Action;
use super::decide::{Decision, Obstacles};
use super::note::Note;
use crate::kinds::{Capacity, Lookup, Quota, Resource, Spec};
use crate::reconcile::world::{DeclaredOrLive, Desired, World};

/// Returns the changes for which nothing is left once all that comes before them has taken its share.
///
/// What deletions and replacements give back counts as free from the start: the steps that take it wait for them
/// (`room.rs`).
pub(super) fn exceeded(decisions: &[Decision<'_>], desired: &Desired, world: &World) -> Obstacles {
    let mut obstacles = Obstacles::new();
    let Some(capacity) = world.capacity else { return obstacles };
    let others = DeclaredOrLive { desired, world };
    let shares: Vec<_> = decisions.iter().map(|decision| Share::of(decision, &others, world)).collect();
    let given_back = shares.iter().map(|share| share.before.saturating_sub(share.after));
    // A workspace may be over its limit: what it gives back is taken from what is in use, not added to what is free.
    let used = capacity.used.saturating_sub(given_back.fold(Quota::default(), Quota::add));
    let mut free = Capacity { used, ..capacity }.free();
    // What takes room for a moment only comes first: it leaves it to the others.
    let (passing, lasting): (Vec<_>, Vec<_>) =
        decisions.iter().zip(shares).partition(|(_, share)| share.during != share.after);
    for (decision, share) in passing.into_iter().chain(lasting) {
        if let Some((what, needed, free)) = lacking(&free, share.during.saturating_sub(share.before)) {
            let note = Note::OverQuota { what, needed, free, is_passing: share.during != share.after };
            obstacles.insert(decision.change.key.clone(), note);
        } else {
            take(&mut free, share.after.saturating_sub(share.before));
        }
    }
    obstacles
}

/// What the object of a change takes of the quota.
pub(super) struct Share {
    pub(super) before: Quota,
    /// What it takes while it is made, if it is; no less than after that.
    pub(super) during: Quota,
    pub(super) after: Quota,
}

impl Share {
    pub(super) fn of(decision: &Decision<'_>, others: &dyn Lookup, world: &World) -> Self {
        let live = decision.live.and_then(|live| live.spec.as_ref().ok());
        let before = live.map_or_else(Quota::default, |spec| spec.kind().takes(spec, world));
        let settled = || decision.object.map(|object| object.spec.settled(live));
        let takes = |spec: &Spec| spec.kind().takes(spec, others);
        let (during, after) = match decision.change.action {
            Action::Keep | Action::Adopt | Action::Blocked => (before, before),
            Action::Delete => Default::default(),
            Action::Update | Action::Rename => settled().map(|spec| (takes(&spec), takes(&spec))).unwrap_or_default(),
            Action::Create | Action::Replace => {
                settled().map(|spec| (spec.kind().takes_to_make(&spec, others), takes(&spec))).unwrap_or_default()
            }
        };
        Self { before, during, after }
    }
}

/// Returns what there is too little of: the resource, how much of it is needed, and how much is free.
pub(super) fn lacking(free: &[Option<u64>; 5], needed: Quota) -> Option<(Resource, u64, u64)> {
    let mut amounts = free.iter().zip(needed.amounts());
    amounts.find_map(|(free, (what, needed))| free.filter(|free| needed > *free).map(|free| (what, needed, free)))
}

fn take(free: &mut [Option<u64>; 5], amounts: Quota) {
    for (free, (_, amount)) in free.iter_mut().zip(amounts.amounts()) {
        *free = free.map(|free| free.saturating_sub(amount));
    }
}
