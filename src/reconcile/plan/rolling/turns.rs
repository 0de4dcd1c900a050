//! Whether the quota has room for new objects beside the old ones: for all at once, or for one after the other.

use std::collections::HashMap;
use std::ops::Add as _;

use super::{can_roll, named};
use crate::kinds::{Capacity, Key, Quota, Reference, Spec};
use crate::reconcile::plan::decide::{Decision, Obstacles};
use crate::reconcile::plan::note::Note;
use crate::reconcile::plan::quota::{Share, lacking};
use crate::reconcile::plan::{Action, Rollout};
use crate::reconcile::world::{DeclaredOrLive, Desired, World};

/// One object that is built beside its predecessor.
struct Build {
    decision: usize,
    /// Whether the new object is there already.
    is_there: bool,
    /// What the new object takes; nothing if it is there already.
    needs: Quota,
    /// What it takes while it is made.
    to_make: Quota,
    /// What the old object gives back when it is gone.
    gives: Quota,
    /// What it is made from, if that is built beside its predecessor too.
    source: Option<Key>,
}

/// Gives each replacement its turn: all at once where there is room for all, else one after the other. Returns those for
/// which there is no room even so.
///
/// What all other changes give back and take counts as done, as it does for every change.
pub(in crate::reconcile::plan) fn give(decisions: &mut [Decision<'_>], desired: &Desired, world: &World) -> Obstacles {
    let Some(capacity) = world.capacity else { return Obstacles::new() };
    let others = DeclaredOrLive { desired, world };
    let (mut builds, mut used, mut given_back) = (Vec::new(), capacity.used, Quota::default());
    for (index, decision) in decisions.iter().enumerate() {
        let share = Share::of(decision, &others, world);
        if rolls(decision) {
            builds.push(build(index, decision, &share, decisions, world));
        } else {
            // What is made beside it may take more for a moment, and just then.
            used = used.add(share.during);
            given_back = given_back.add(share.before);
        }
    }
    used = used.saturating_sub(given_back);
    let mut obstacles = unroomed_dependants(decisions);
    let at_once = builds.iter().map(|build| build.to_make).fold(Quota::default(), Quota::add);
    if lacking(&Capacity { used, ..capacity }.free(), at_once).is_some() {
        obstacles.extend(take_turns(builds, decisions, Capacity { used, ..capacity }));
    }
    obstacles
}

fn build(index: usize, decision: &Decision<'_>, share: &Share, decisions: &[Decision<'_>], world: &World) -> Build {
    let names = decision.change.rollout.as_ref().and_then(Rollout::names);
    let is_there = names.is_some_and(|(incoming, _)| world.get(&named(decision.change.key.kind, incoming)).is_some());
    let source = decision
        .change
        .spec
        .iter()
        .flat_map(Spec::references)
        .filter_map(Reference::key)
        .find(|source| decisions.iter().any(|other| other.change.key == *source && rolls(other)));
    let (needs, to_make) = if is_there { Default::default() } else { (share.after, share.during) };
    Build { decision: index, is_there, needs, to_make, gives: share.before, source }
}

fn rolls(decision: &Decision<'_>) -> bool {
    matches!(decision.change.rollout, Some(Rollout::Replaces { .. }))
}

/// One after the other: what is there already first, and what takes nothing and follows no source, since they give room
/// back; then those of one source together, so that a source is swapped when the first of them is ready; what keeps
/// nothing warm comes last, and leads no source that another can lead.
fn take_turns(mut builds: Vec<Build>, decisions: &mut [Decision<'_>], capacity: Capacity) -> Obstacles {
    let nothing = Quota::default();
    builds.retain(|build| build.to_make != nothing || build.gives != nothing || build.source.is_some());
    let gives_first = |build: &Build| build.is_there || (build.needs == nothing && build.source.is_none());
    let place = |build: &Build| {
        (!gives_first(build), !build.is_there, build.needs == nothing, build.source.clone(), build.decision)
    };
    builds.sort_by_key(place);
    let (mut used, mut obstacles) = (capacity.used, Obstacles::new());
    for (place, Build { decision, needs, to_make, gives, source, .. }) in builds.into_iter().enumerate() {
        let change = &mut decisions[decision].change;
        let lacks = |used: Quota| lacking(&Capacity { used, ..capacity }.free(), to_make);
        if let Some((what, needed, free)) = lacks(used) {
            // A source goes with all that is made from it, or not at all: those left behind would serve nobody.
            let blocked = source.unwrap_or_else(|| change.key.clone());
            let is_room_behind = lacks(used.saturating_sub(gives)).is_none();
            let beside = change.key.clone();
            obstacles.insert(blocked, Note::NoRoomBeside { beside, what, needed, free, is_room_behind });
            continue;
        }
        used = used.add(needs).saturating_sub(gives);
        if let Some(Rollout::Replaces { turn, .. }) = &mut change.rollout {
            *turn = place + 1;
            change.notes.push(Note::TakesTurn { turn: *turn });
        }
    }
    obstacles
}

/// Returns the sources that would be swapped although what is made from them has no room for what it declares.
fn unroomed_dependants(decisions: &[Decision<'_>]) -> Obstacles {
    let rolling: HashMap<&Key, &Decision<'_>> =
        decisions.iter().filter(|decision| rolls(decision)).map(|decision| (&decision.change.key, decision)).collect();
    let mut obstacles = Obstacles::new();
    for Decision { change, .. } in decisions.iter().filter(|decision| can_roll(decision.change.key.kind)) {
        let over = change.notes.iter().find_map(|note| match note {
            Note::OverQuota { what, needed, free, .. } if change.action == Action::Blocked => {
                // What its old one gives back counts as free already.
                Some((*what, *needed, *free))
            }
            _ => None,
        });
        let Some((what, needed, free)) = over else { continue };
        let sources = change.spec.iter().flat_map(Spec::references).filter_map(Reference::key);
        for source in sources.filter(|source| rolling.contains_key(source)) {
            let beside = change.key.clone();
            obstacles.insert(source, Note::NoRoomBeside { beside, what, needed, free, is_room_behind: false });
        }
    }
    obstacles
}
