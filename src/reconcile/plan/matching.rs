//! Which live object a declared one is.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::note::Note;
use super::renames::Renames;
use crate::kinds::{Key, Live, Reference};
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
    /// Matches by name first, then by the id that is recorded for the name, then by `renamed_from`.
    ///
    /// A chain of renames (b becomes c, a becomes b) would be cut by "name first": so an object that says where it
    /// comes from gives up its own name's live object to a declared object that was renamed from it, however long the
    /// chain.
    pub(super) fn of(desired: &'a Desired, world: &'a World) -> Self {
        let renames = Renames::of(desired, world);
        let room = desired.len();
        let mut matches = Self { by_declared: HashMap::with_capacity(room), by_live: HashMap::with_capacity(room) };
        for object in desired.iter() {
            let mut found = renames.matched(object);
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

    /// Returns whether a declared object is this live one.
    pub(super) fn has_live(&self, key: &Key) -> bool {
        self.by_live.contains_key(key)
    }

    /// Returns the declared object that a live one is.
    pub(super) fn of_live(&self, key: &Key) -> Option<&'a Key> {
        self.by_live.get(key).copied()
    }

    pub(super) fn of_declared(&self, key: &Key) -> Option<&Match<'a>> {
        self.by_declared.get(key)
    }

    /// Resolves a reference of a manifest.
    pub(super) fn target(&self, reference: &Reference, world: &'a World) -> Target<'a> {
        let Some(key) = reference.key() else { return Target::Missing };
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
