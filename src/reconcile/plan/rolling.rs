//! Replacement without a gap: the new object is built beside the old one, and then gets its name.
//!
//! No rollout is written down anywhere. What is live says how far one is: whatever has a reserved name of a declared
//! object was made for it, or was it. One that is what is declared takes its place; the others are left over and go as
//! soon as nothing refers to them. So it makes no difference whether a rollout was killed, failed, or was taken back.
//!
//! Here an object is given its way of being replaced, and what is left over is found; `turns.rs` asks the quota,
//! `steps.rs` puts the steps in order.

mod leftovers;
mod steps;
mod turns;

pub(super) use leftovers::{Leftovers, abandoned, abort, collect, collect_orphans};
pub(super) use steps::{Plot, is_returning, renamed};
pub(super) use turns::give as give_turns;

use std::collections::{BTreeSet, HashMap, HashSet};

use super::decide::{Decision, Given};
use super::matching::Matches;
use super::note::{NotRolling, Note};
use super::reserved::{self, Leaves};
use super::{Action, Change, Rollout};
use crate::kinds::{self, Health, Key, KindId, Live, Naming, Object, Reference, Replace};
use crate::reconcile::diff::diff;
use crate::reconcile::world::{Desired, World};
use crate::types::Name;

/// Whether a declared and a live reference point at one object.
type Same<'s> = &'s dyn Fn(&Reference, &Reference) -> bool;

/// How the objects that have been decided so far are replaced.
pub(super) struct Rollouts<'a, 'r> {
    desired: &'a Desired,
    world: &'a World,
    leftovers: &'r Leftovers<'a>,
    /// The live objects that get a declared name from another one; `None` where it is still to be built.
    successors: HashMap<&'a Key, Option<&'a Key>>,
    /// The objects that are deleted before they are made anew.
    recreated: HashSet<&'a Key>,
    /// The live names of those.
    deleted_first: HashSet<&'a Key>,
    /// The names that live objects get, by the ones that they have.
    renamed: HashMap<&'a Key, &'a Key>,
}

impl<'a, 'r> Rollouts<'a, 'r> {
    pub(super) fn new(desired: &'a Desired, world: &'a World, leftovers: &'r Leftovers<'a>) -> Self {
        Self {
            desired,
            world,
            leftovers,
            successors: HashMap::new(),
            recreated: HashSet::new(),
            deleted_first: HashSet::new(),
            renamed: HashMap::new(),
        }
    }

    /// Returns the live object that a declared one is, and whether its replacement stopped half way: then that is the one
    /// that is what is declared and was on its way to the name, or lost it, if there is one.
    pub(super) fn look(&self, object: &Object, found: Option<&'a Live>, same: Same<'_>) -> (bool, Option<&'a Live>) {
        if object.key.kind.info().naming == Naming::Published {
            return (false, found);
        }
        match found {
            Some(live) if live.key == object.key || !self.leftovers.has(&object.key, live) => (false, Some(live)),
            _ => {
                let returning = self.ready_made(object, None, same);
                (found.is_some() || returning.is_some(), returning)
            }
        }
    }

    /// Says of an object that is to be made anew whether that is done without a gap.
    pub(super) fn choose(&self, object: &'a Object, live: &Live, change: &mut Change, same: Same<'_>) {
        if object.key.kind.info().holds_data {
            return;
        }
        if object.lifecycle.replace == Some(Replace::Recreate) {
            change.notes.push(Note::Recreated { why: NotRolling::Asked });
            return;
        }
        let rollout = match object.key.kind.info().naming {
            Naming::Label => self.rollout(object, live, same),
            Naming::Published => self.publish(object, live),
        };
        match rollout {
            Ok((rollout, note)) => {
                change.rollout = Some(rollout);
                change.notes.push(note);
            }
            Err(why) => change.notes.push(Note::Recreated { why }),
        }
    }

    fn rollout(&self, object: &'a Object, live: &Live, same: Same<'_>) -> Result<(Rollout, Note), NotRolling> {
        if live.key != object.key {
            return Err(NotRolling::Renamed);
        }
        if let Some(source) = object.spec.references().find(|source| self.is_recreated(source)) {
            return Err(NotRolling::Source(source.clone()));
        }
        if let Some(source) = object.spec.references().find(|source| self.is_name_held_by(live, source)) {
            return Err(NotRolling::NameHeld(source.clone()));
        }
        let habits = self.world.inventory.as_ref().map(|inventory| inventory.habits).unwrap_or_default();
        if habits.references_follow_renames == Some(false) && self.is_referred_to(&object.key) {
            return Err(NotRolling::ReferencesStay);
        }
        let there = self.ready_made(object, Some(live), same);
        let is_free = |name: &Name| self.world.get(&named(object.key.kind, name)).is_none();
        let mut fresh = reserved::names(&object.key, self.fingerprint(object));
        let incoming = match there {
            Some(there) => there.key.name.clone(),
            None => fresh.find(is_free).ok_or(NotRolling::NamesTaken)?,
        };
        let mut old = reserved::names(&object.key, self.fingerprint_of_live(live));
        let retired = old.find(|name| is_free(name) && *name != incoming).ok_or(NotRolling::NamesTaken)?;
        let caveat = object.key.kind.info().ready_caveat.filter(|_| there.is_none());
        let note = Note::BuiltBeside { incoming: incoming.clone(), is_there: there.is_some(), caveat };
        let incoming_id = there.and_then(|there| there.id.clone());
        let takes_over = self.world.inventory.is_some() && !leftovers::is_owned(live, self.world);
        Ok((Rollout::Replaces { incoming, incoming_id, retired, keeps_old: false, takes_over, turn: 0 }, note))
    }

    /// What is published gets its name by being made. What had it stays known by its id, and goes with the last that
    /// refers to it, if it is ours.
    fn publish(&self, object: &Object, live: &Live) -> Result<(Rollout, Note), NotRolling> {
        let retired =
            live.id.as_ref().and_then(|id| kinds::by_id(&object.key.name, id)).ok_or(NotRolling::NamesTaken)?;
        let keeps_old = !leftovers::is_owned(live, self.world);
        let note = Note::PublishedAnew { old: retired.clone(), is_left: keeps_old };
        let incoming = object.key.name.clone();
        Ok((Rollout::Replaces { incoming, incoming_id: None, retired, keeps_old, takes_over: false, turn: 0 }, note))
    }

    /// Takes in what was decided for an object, for those that refer to it.
    pub(super) fn settle(&mut self, object: &'a Object, live: Option<&'a Live>, change: &Change) {
        match (&change.rollout, change.action) {
            (Some(rollout), _) if rollout.is_publishing(&object.key) => {
                self.successors.insert(&object.key, None);
            }
            (Some(Rollout::Replaces { incoming, .. }), _) => {
                let there = self.world.get(&named(object.key.kind, incoming));
                self.successors.insert(&object.key, there.map(|there| &there.key));
            }
            (Some(Rollout::Returns), _) => drop(self.successors.insert(&object.key, live.map(|live| &live.key))),
            (_, Action::Replace) => {
                self.recreated.insert(&object.key);
                self.deleted_first.extend(live.map(|live| &live.key));
            }
            (_, Action::Rename) => self.renamed.extend(live.map(|live| (&live.key, &object.key))),
            _ => {}
        }
    }

    /// Returns whether a live reference points at the object that gets a declared name; `None` if none gets it.
    pub(super) fn is_same(&self, declared: &Reference, live: &Reference) -> Option<bool> {
        let successor = self.successors.get(&declared.key()?)?;
        let is_there = |key: &Key| key.kind == live.kind && key.name.as_str() == &*live.name;
        Some(successor.is_some_and(is_there))
    }

    /// Returns a live object under a reserved name that is in all that counts what is declared. Where there are several,
    /// the one that would be built now comes first.
    fn ready_made(&self, object: &Object, live: Option<&Live>, same: Same<'_>) -> Option<&'a Live> {
        let candidates = self.leftovers.of(&object.key);
        if candidates.is_empty() {
            return None;
        }
        let live = live.and_then(|live| live.spec.as_ref().ok());
        let wanted = object.spec.settled(live);
        let is_what = |candidate: &&&'a Live| {
            let differs = |spec| diff(&wanted, spec, same).iter().any(|field| field.change.makes_anew());
            !matches!(candidate.health, Health::Failed(_)) && candidate.spec.as_ref().is_ok_and(|spec| !differs(spec))
        };
        let names: Vec<_> = reserved::names(&object.key, self.fingerprint(object)).collect();
        let place =
            |candidate: &&&'a Live| names.iter().position(|name| *name == candidate.key.name).unwrap_or(names.len());
        candidates.iter().filter(is_what).min_by_key(place).copied()
    }

    /// Returns what a declared object is to be, with what it leaves alone as it is.
    fn fingerprint(&self, object: &Object) -> u64 {
        let live = self.world.get(&object.key).and_then(|live| live.spec.as_ref().ok());
        reserved::fingerprint(&object.spec.settled(live), Leaves::In, &|source| {
            let declared = source.key().and_then(|key| self.desired.get(&key));
            let of_live = || reserved::fingerprint_of_live(source, Leaves::In, self.world);
            declared.map_or_else(of_live, |source| self.fingerprint(source))
        })
    }

    fn fingerprint_of_live(&self, live: &Live) -> u64 {
        let of = |source: &Reference| reserved::fingerprint_of_live(source, Leaves::In, self.world);
        live.spec.as_ref().map_or(0, |spec| reserved::fingerprint(spec, Leaves::In, &of))
    }

    fn is_recreated(&self, source: &Reference) -> bool {
        source.key().is_some_and(|key| self.recreated.contains(&key))
    }

    /// Returns whether the name of a declared object is free only once something is deleted that a live one refers to.
    fn is_name_held_by(&self, live: &Live, source: &Reference) -> bool {
        let mut name = source.key();
        let mut n_left = self.renamed.len();
        while let Some(key) = name {
            if self.deleted_first.contains(&key) {
                return live.references().any(|reference| reference.key().as_ref() == Some(&key));
            }
            // Whatever has the name has to get its own first.
            name = self.renamed.get(&key).filter(|_| n_left > 0).map(|next| (*next).clone());
            n_left = n_left.saturating_sub(1);
        }
        false
    }

    /// Returns whether other objects that cannot do without it refer to a declared object.
    fn is_referred_to(&self, key: &Key) -> bool {
        let refers = |source: &Reference| source.kind == key.kind && &*source.name == key.name.as_str();
        let dependants = self.desired.iter().filter(|object| !object.key.kind.info().outlives_its_source);
        let live = self.world.holders(key).any(|holder| !holder.key.kind.info().outlives_its_source);
        live || dependants.into_iter().any(|object| object.spec.references().any(refers))
    }
}

/// Returns whether objects of this kind are replaced without a gap where nobody says otherwise: those that hold no data,
/// since what they hold would stay with the old object.
fn can_roll(kind: KindId) -> bool {
    !kind.info().holds_data
}

/// Returns what is declared, is no part of the plan, and is made from something that the plan replaces: left behind, it
/// would serve nobody, since whoever asks for that by its name gets the new one.
pub(super) fn left_behind(decisions: &[Decision<'_>], given: Given<'_>) -> BTreeSet<Key> {
    if given.desired.len() == given.all.len() {
        return BTreeSet::new();
    }
    // Also what an earlier apply replaced, and did not come to those.
    let notes = decisions.iter().flat_map(|decision| &decision.change.notes);
    let holders = notes.filter_map(|note| match note {
        Note::OldKept { holders, .. } => Some(holders),
        _ => None,
    });
    let serves = |key: &&Key| !key.kind.info().outlives_its_source;
    let mut serving = holders.flatten().map(|holder| &holder.key).filter(serves).peekable();
    if serving.peek().is_none() {
        return BTreeSet::new();
    }
    let matches = Matches::of(given.all, given.world);
    let declared = serving.filter_map(|key| matches.of_live(key));
    declared.filter(|key| given.desired.get(key).is_none()).cloned().collect()
}

fn named(kind: KindId, name: &Name) -> Key {
    Key { kind, name: name.clone() }
}

impl Rollout {
    /// Returns the names of the new and the old object of a replacement.
    fn names(&self) -> Option<(&Name, &Name)> {
        match self {
            Self::Replaces { incoming, retired, .. } => Some((incoming, retired)),
            Self::Returns | Self::Leftover { .. } => None,
        }
    }

    /// Returns whether the new object takes its name by being made, with no other one on the way.
    fn is_publishing(&self, declared: &Key) -> bool {
        matches!(self, Self::Replaces { incoming, .. } if *incoming == declared.name)
    }

    /// Returns whether the object that is replaced is meant, not what was left of it.
    fn is_replacement(&self) -> bool {
        matches!(self, Self::Replaces { .. } | Self::Returns)
    }
}
