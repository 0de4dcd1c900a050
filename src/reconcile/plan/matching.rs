//! Which live object a declared one is.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use super::note::Note;
use crate::kinds::{Key, Live, Object, Reference, RenamedFrom};
use crate::reconcile::world::{Desired, World};
use crate::types::Name;

/// The pairs of declared and live objects.
pub(super) struct Matches<'a> {
    by_declared: HashMap<&'a Key, Match<'a>>,
    by_live: HashMap<&'a Key, &'a Key>,
}

/// What became of one declared object.
#[derive(Default)]
pub(super) struct Match<'a> {
    pub(super) live: Option<&'a Live>,
    /// What its `renamed_from` came to, if that is worth a word.
    pub(super) note: Option<Note>,
}

/// What a reference points at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target<'a> {
    /// An object that is live, by its live name.
    Live(&'a Key),
    /// An object that is declared and not live yet.
    Declared(&'a Key),
    /// An object that this plan gives another name; the old one is no way to refer to it any more.
    RenamedTo(&'a Name),
    /// Nothing.
    Missing,
}

impl<'a> Matches<'a> {
    /// Matches by name first, then by `renamed_from`.
    ///
    /// A chain of renames (b becomes c, a becomes b) would be cut by "name first": so an object that says where it
    /// comes from gives up its own name's live object to a declared object that was renamed from it.
    pub(super) fn of(desired: &'a Desired, world: &'a World) -> Self {
        let renames = Renames::of(desired, world);
        let moves_away: HashSet<Key> = desired.iter().filter_map(|object| renames.claimed_by(object)).collect();
        let mut matches = Self { by_declared: HashMap::new(), by_live: HashMap::new() };
        for object in desired.iter() {
            let mut found = renames.matched(object, &moves_away);
            if let Some(live) = found.live {
                // The manifests' check reports two objects renamed from one; here the second finds nothing.
                match matches.by_live.entry(&live.key) {
                    Entry::Vacant(entry) => drop(entry.insert(&object.key)),
                    Entry::Occupied(_) => found.live = None,
                }
            }
            matches.by_declared.insert(&object.key, found);
        }
        matches
    }

    pub(super) fn of_declared(&self, key: &Key) -> Option<&Match<'a>> {
        self.by_declared.get(key)
    }

    /// Resolves a reference of a manifest.
    pub(super) fn target(&self, reference: &Reference, world: &'a World) -> Target<'a> {
        let Ok(name) = Name::parse(&reference.name) else { return Target::Missing };
        let key = Key { kind: reference.kind, name };
        if let Some((declared, found)) = self.by_declared.get_key_value(&key) {
            return found.live.map_or(Target::Declared(declared), |live| Target::Live(&live.key));
        }
        match world.get(&key) {
            Some(live) => match self.by_live.get(&live.key) {
                Some(declared) => Target::RenamedTo(&declared.name),
                None => Target::Live(&live.key),
            },
            None => Target::Missing,
        }
    }
}

/// The declared renames, seen against what is live.
struct Renames<'a> {
    desired: &'a Desired,
    world: &'a World,
    /// The old names whose new ones are not live yet.
    pending: HashSet<Key>,
}

impl<'a> Renames<'a> {
    fn of(desired: &'a Desired, world: &'a World) -> Self {
        let not_yet_live = desired.iter().filter(|object| world.get(&object.key).is_none());
        Self { desired, world, pending: not_yet_live.filter_map(old_key).collect() }
    }

    /// Returns the live object that `object` takes over from an old name.
    fn claimed_by(&self, object: &Object) -> Option<Key> {
        let old = old_key(object)?;
        let keeps_own = self.world.get(&object.key).is_some() && !self.gives_up_its_name(&object.key);
        if keeps_own || self.world.get(&old).is_none() {
            return None;
        }
        let old_is_declared_as_itself = self.desired.get(&old).is_some() && !self.gives_up_its_name(&old);
        (!old_is_declared_as_itself).then_some(old)
    }

    /// Returns whether the declared object `key` comes from elsewhere, so that the live object under its name is not it.
    fn gives_up_its_name(&self, key: &Key) -> bool {
        let Some(object) = self.desired.get(key) else { return false };
        self.pending.contains(key)
            && match &object.lifecycle.renamed_from {
                Some(RenamedFrom::Nothing) => true,
                Some(RenamedFrom::Name(_)) => old_key(object).is_some_and(|old| self.world.get(&old).is_some()),
                None => false,
            }
    }

    fn matched(&self, object: &Object, moves_away: &HashSet<Key>) -> Match<'a> {
        let own = self.world.get(&object.key).filter(|_| !moves_away.contains(&object.key));
        let Some(old) = old_key(object) else { return Match { live: own, note: None } };
        let old_is_free = self.desired.get(&old).is_none() || moves_away.contains(&old);
        let old_live = self.world.get(&old).filter(|_| old_is_free);
        match (own, old_live) {
            (None, old_live) => Match { live: old_live, note: None },
            (Some(own), None) => Match { live: Some(own), note: Some(Note::RenameSpent { old: old.name }) },
            (Some(own), Some(old_live)) => Match {
                live: Some(own),
                note: Some(Note::BothNamesLive { old: old.name, old_id: old_live.id.clone(), new_id: own.id.clone() }),
            },
        }
    }
}

fn old_key(object: &Object) -> Option<Key> {
    match &object.lifecycle.renamed_from {
        Some(RenamedFrom::Name(name)) => Some(Key { kind: object.key.kind, name: name.clone() }),
        Some(RenamedFrom::Nothing) | None => None,
    }
}
