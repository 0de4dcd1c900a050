//! What replacements left under reserved names: whose it is, and whether it can go.

use std::collections::{HashMap, HashSet};

use super::{can_roll, named};
use crate::kinds::{self, Key, Live, Reference};
use crate::reconcile::inventory::{Entry, Standing};
use crate::reconcile::plan::decide::{Decision, Obstacles};
use crate::reconcile::plan::note::{Holder, Note};
use crate::reconcile::plan::parking::parked;
use crate::reconcile::plan::policy::Scope;
use crate::reconcile::plan::{Action, Change, Rollout, reserved};
use crate::reconcile::world::{Desired, World};
use crate::types::Name;

/// The live objects under reserved names of declared objects.
#[derive(Default)]
pub(in crate::reconcile::plan) struct Leftovers<'a> {
    of: HashMap<&'a Key, Vec<&'a Live>>,
}

impl<'a> Leftovers<'a> {
    /// Finds them: by what their names say, or by the record of what is owned. What another project owns is none.
    pub(in crate::reconcile::plan) fn find(desired: &'a Desired, world: &'a World) -> Self {
        let mut leftovers = Self::default();
        let is_reserved = |live: &&Live| kinds::is_reserved(&live.key.name);
        // What waits for its place amid a circle of renames is no leftover.
        let waits: HashSet<Key> = parked(desired, world).into_values().map(|live| live.key.clone()).collect();
        let candidates = world.iter().filter(is_reserved).filter(|live| can_roll(live.key.kind));
        for live in candidates.filter(|live| !waits.contains(&live.key)) {
            if let Some(declared) = owner(live, desired, world) {
                leftovers.of.entry(declared).or_default().push(live);
            }
        }
        leftovers
    }

    /// Returns whether a live object is one of a declared one.
    pub(in crate::reconcile::plan) fn has(&self, declared: &Key, live: &Live) -> bool {
        self.of(declared).iter().any(|left| left.key == live.key)
    }

    /// Returns those of one declared object.
    pub(in crate::reconcile::plan) fn of(&self, declared: &Key) -> &[&'a Live] {
        self.of.get(declared).map(Vec::as_slice).unwrap_or_default()
    }
}

/// Returns the declared object that a live one with a reserved name was made for.
fn owner<'a>(live: &Live, desired: &'a Desired, world: &'a World) -> Option<&'a Key> {
    if is_others(live, world) {
        return None;
    }
    let is_candidate = |declared: &&Key| reserved::is_for(declared, live);
    // What was declared once, and is going to be removed, takes with it what its rollouts left.
    let owned = world.inventory.iter().flat_map(|inventory| inventory.iter()).map(|(key, _)| key);
    let declared = desired.iter().map(|object| &object.key);
    let candidates: Vec<_> = declared.chain(owned).filter(is_candidate).collect();
    let recorded = recorded(live, world).map(|(key, _)| key);
    let by_record = candidates.iter().find(|declared| recorded == Some(**declared));
    let by_name = || candidates.iter().find(|declared| reserved::is_of(declared, live, world));
    by_record.or_else(by_name).or_else(|| candidates.first().filter(|_| is_owned(live, world))).copied()
}

/// Returns what the record has of an object, if that is under a name that was declared.
fn recorded<'a>(live: &Live, world: &'a World) -> Option<(&'a Key, &'a Entry)> {
    world.inventory.as_ref()?.entry_of(live).filter(|(key, _)| !kinds::is_reserved(&key.name))
}

/// Where nobody keeps a record, what an object says itself is all there is.
pub(super) fn is_owned(live: &Live, world: &World) -> bool {
    let Some(inventory) = &world.inventory else { return world.is_marked_ours(live) };
    inventory.entry_of(live).is_some_and(|(_, entry)| entry.standing == Standing::Owned)
}

fn is_others(live: &Live, world: &World) -> bool {
    let is_recorded = world.inventory.as_ref().is_some_and(|inventory| inventory.entry_of(live).is_some());
    world.sibling(live).is_some() || (world.marked_by_another(live).is_some() && !is_recorded)
}

/// Adds what is left over and can go, and notes on the objects it is left of what cannot.
pub(in crate::reconcile::plan) fn collect<'a>(
    decisions: &mut Vec<Decision<'a>>,
    leftovers: &Leftovers<'a>,
    obstacles: &Obstacles,
    world: &'a World,
) {
    let mut candidates = candidates(decisions, leftovers);
    // Who refers to others comes after them in the order of kinds.
    candidates.sort_by(|a, b| b.live.key.cmp(&a.live.key));
    let mut going: HashSet<&Key> = decisions.iter().filter_map(gone_first).collect();
    let mut collected = Vec::new();
    for Candidate { live, owner, retired } in candidates {
        let holders: Vec<_> = world.holders(&live.key).filter(|holder| !going.contains(&holder.key)).collect();
        let change = &mut decisions[owner].change;
        if let Some(note) = obstacles.get(&live.key).filter(|_| retired.is_none()) {
            let mut blocked = leftover(live, change.key.clone());
            blocked.change.action = Action::Blocked;
            blocked.change.notes.push(note.clone());
            collected.push(blocked);
            continue;
        }
        if holders.is_empty() {
            going.insert(&live.key);
            if retired.is_none() {
                collected.push(leftover(live, change.key.clone()));
            }
            continue;
        }
        if let Some(Rollout::Replaces { keeps_old, .. }) = &mut change.rollout {
            *keeps_old |= retired.is_some();
        }
        let name = retired.unwrap_or_else(|| live.key.name.clone());
        let holders = holders.into_iter().map(Holder::of).collect();
        change.notes.push(Note::OldKept { name, holders, now: world.now });
    }
    collected.reverse();
    decisions.extend(collected);
}

/// Adds what is left of objects that are neither declared nor live any more: it goes as soon as nothing that stays refers
/// to it, since its object was pruned while something still did. What another project owns is not touched.
pub(in crate::reconcile::plan) fn collect_orphans<'a>(
    decisions: &mut Vec<Decision<'a>>,
    desired: &Desired,
    world: &'a World,
    scope: &Scope,
) {
    let destroyed = |decision: &Decision<'a>| {
        let goes = decision.change.action == Action::Delete || gone_first(decision).is_some();
        decision.live.filter(|_| goes).map(|live| &live.key)
    };
    let mut going: HashSet<&Key> = decisions.iter().filter_map(destroyed).collect();
    let planned: HashSet<&Key> = decisions.iter().filter_map(|decision| Some(&decision.live?.key)).collect();
    let mut orphans = Vec::new();
    for live in world.iter().collect::<Vec<_>>().into_iter().rev().filter(|live| !planned.contains(&live.key)) {
        let Some(of) = orphan_of(live, desired, world).filter(|_| is_in(scope, live, world)) else { continue };
        let holders: Vec<_> = world.holders(&live.key).filter(|holder| !going.contains(&holder.key)).collect();
        if holders.is_empty() {
            going.insert(&live.key);
            orphans.push(leftover(live, of));
        } else {
            orphans.push(in_use_still(live, of, holders, world));
        }
    }
    orphans.reverse();
    decisions.extend(orphans);
}

/// What no record has can have been declared anywhere.
fn is_in(scope: &Scope, live: &Live, world: &World) -> bool {
    let entry = world.inventory.as_ref().and_then(|inventory| inventory.entry_of(live));
    entry.map_or_else(|| scope.is_everything(), |(_, entry)| scope.has_owned(entry))
}

/// Returns the object, which is no more, that a live one is left of.
fn orphan_of(live: &Live, desired: &Desired, world: &World) -> Option<Key> {
    if is_others(live, world) || !can_roll(live.key.kind) {
        return None;
    }
    let start = live.key.kind.name(kinds::reserved_start_of(&live.key.name)?).ok()?;
    let of = named(live.key.kind, &start);
    // What was published under a name says of none of its tags that it was that one's, and so the record has to, if it
    // was still that one's when it was written down.
    let is_published = kinds::known_by_id(&live.key.name).is_some();
    if is_published {
        let recorded = recorded(live, world);
        let is_declared = match recorded {
            Some((key, entry)) => entry.is_retained() || desired.get(key).is_some(),
            None => desired.iter().any(|object| reserved::is_for(&object.key, live)),
        };
        let of = recorded.map_or(of, |(key, _)| key.clone());
        return (!is_declared && is_owned(live, world)).then_some(of);
    }
    let is_gone = world.get(&of).is_none() && desired.get(&of).is_none();
    (is_gone && reserved::is_of(&of, live, world)).then_some(of)
}

/// An object that goes if nothing refers to it.
struct Candidate<'a> {
    live: &'a Live,
    /// The decision about the object that it is left of.
    owner: usize,
    /// The reserved name that it gets in this plan; `None` if it has one.
    retired: Option<Name>,
}

fn candidates<'a>(decisions: &[Decision<'a>], leftovers: &Leftovers<'a>) -> Vec<Candidate<'a>> {
    let mut candidates = Vec::new();
    // What is on its way to another name has a reserved one for a while too.
    let in_use: HashSet<&Key> = decisions.iter().filter_map(|decision| Some(&decision.live?.key)).collect();
    for (owner, Decision { object, live, change, .. }) in decisions.iter().enumerate() {
        let is_settled =
            change.action != Action::Blocked && change.rollout.as_ref().is_none_or(Rollout::is_replacement);
        if !is_settled || (object.is_none() && change.action != Action::Delete) {
            continue;
        }
        let names = change.rollout.as_ref().and_then(Rollout::names);
        let goes = !matches!(change.rollout, Some(Rollout::Replaces { keeps_old: true, .. }));
        if let (Some((_, retired)), Some(live), true) = (names, *live, goes) {
            candidates.push(Candidate { live, owner, retired: Some(retired.clone()) });
        }
        let takes_over = |left: &Live| names.is_some_and(|(incoming, _)| *incoming == left.key.name);
        let is_left = |left: &&&Live| !takes_over(left) && !in_use.contains(&left.key);
        let left = leftovers.of(&change.key).iter().filter(is_left);
        candidates.extend(left.map(|live| Candidate { live, owner, retired: None }));
    }
    candidates
}

/// Returns the live object that a decision deletes without asking who refers to it: that is looked into elsewhere.
fn gone_first<'a>(decision: &Decision<'a>) -> Option<&'a Key> {
    let change = &decision.change;
    let is_gone = matches!(change.action, Action::Replace | Action::Delete) && change.rollout.is_none();
    decision.live.filter(|_| is_gone).map(|live| &live.key)
}

fn leftover(live: &Live, of: Key) -> Decision<'_> {
    let mut change = Change::of_live(live, Action::Delete);
    change.notes.push(Note::LeftBy { of: of.clone() });
    change.rollout = Some(Rollout::Leftover { of });
    Decision { object: None, live: Some(live), is_protected: false, change }
}

/// Returns the decision to keep a leftover that others refer to. If it has an entry, that is under the name it has now.
fn in_use_still<'a>(live: &'a Live, of: Key, holders: Vec<&Live>, world: &World) -> Decision<'a> {
    let mut decision = leftover(live, of);
    let entry = world.inventory.as_ref().and_then(|inventory| inventory.entry_of(live));
    decision.change.action = Action::Keep;
    decision.change.record = entry.map(|(_, entry)| entry.clone());
    let holders = holders.into_iter().map(Holder::of).collect();
    decision.change.notes.push(Note::OldKept { name: live.key.name.clone(), holders, now: world.now });
    decision
}

/// Returns deletions of what is left of objects that are themselves deleted, or are not live.
pub(in crate::reconcile::plan) fn abandoned<'a>(
    decisions: &[Decision<'a>],
    desired: &'a Desired,
    world: &'a World,
) -> Vec<Decision<'a>> {
    let leftovers = Leftovers::find(desired, world);
    let goes = |decision: &&Decision<'a>| decision.change.action == Action::Delete || decision.live.is_none();
    let in_use: HashSet<&Key> = decisions.iter().filter_map(|decision| Some(&decision.live?.key)).collect();
    let of = decisions.iter().filter(goes).filter_map(|decision| decision.object);
    let left = of.flat_map(|object| leftovers.of(&object.key).iter().map(|live| (*live, object.key.clone())));
    left.filter(|(live, _)| !in_use.contains(&live.key)).map(|(live, of)| leftover(live, of)).collect()
}

/// Returns deletions of all that unfinished replacements left, but for what somebody needs still: what may be the last of
/// an object that is not live by its name, what serves in the place of one, and what others refer to.
pub(in crate::reconcile::plan) fn abort<'a>(desired: &'a Desired, world: &'a World) -> Vec<Decision<'a>> {
    let leftovers = Leftovers::find(desired, world);
    let mut decisions: Vec<Decision<'a>> = Vec::new();
    let mut going: HashSet<&Key> = HashSet::new();
    for live in world.iter().collect::<Vec<_>>().into_iter().rev() {
        let Some(of) = left_of(live, &leftovers, desired, world) else { continue };
        let holders: Vec<_> = world.holders(&live.key).filter(|holder| !going.contains(&holder.key)).collect();
        let decision = if let Some(note) = still_needed(live, &of, &leftovers, desired, world) {
            let mut needed = leftover(live, of);
            needed.change.action = Action::Blocked;
            needed.change.notes.push(note);
            needed
        } else if holders.is_empty() {
            going.insert(&live.key);
            leftover(live, of)
        } else {
            in_use_still(live, of, holders, world)
        };
        decisions.push(decision);
    }
    decisions.reverse();
    decisions
}

/// Returns why what a replacement left is needed until that goes on, if it is.
fn still_needed(live: &Live, of: &Key, leftovers: &Leftovers<'_>, desired: &Desired, world: &World) -> Option<Note> {
    if world.get(of).is_none() {
        let entry = world.inventory.as_ref().and_then(|inventory| inventory.get(of));
        let is_ours = desired.get(of).is_some() || entry.is_some_and(|entry| entry.standing == Standing::Owned);
        return is_ours.then(|| Note::LastOf { of: of.clone() });
    }
    if let Some(holder) = served(live, desired, world) {
        return Some(Note::ServesStill { by: holder.key.clone() });
    }
    // What it is made from has its name already, and the old one did not end.
    let is_half_way = |source: &Key| leftovers.of(source).iter().any(|old| served(old, desired, world).is_some());
    let mut sources = live.references().filter_map(Reference::key);
    let source = sources.find(|source| !kinds::is_reserved(&source.name) && is_half_way(source))?;
    Some(Note::ServesAlready { source })
}

/// Returns a declared object that serves what this one is, and whose own replacement is going to end that.
fn served<'a>(live: &Live, desired: &Desired, world: &'a World) -> Option<&'a Live> {
    let serves = |holder: &&Live| !holder.key.kind.info().outlives_its_source && desired.get(&holder.key).is_some();
    world.holders(&live.key).find(serves)
}

/// Returns the object that a live one is left of, declared or recorded.
fn left_of(live: &Live, leftovers: &Leftovers<'_>, desired: &Desired, world: &World) -> Option<Key> {
    if !can_roll(live.key.kind) || !kinds::is_reserved(&live.key.name) {
        return None;
    }
    let is_left = |key: &&Key| leftovers.has(key, live);
    if let Some(declared) = desired.iter().map(|object| &object.key).find(is_left) {
        return Some(declared.clone());
    }
    let start = live.key.kind.name(kinds::reserved_start_of(&live.key.name)?).ok()?;
    let of = named(live.key.kind, &start);
    (is_owned(live, world) || reserved::is_of(&of, live, world)).then_some(of)
}
