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
    /// comes from gives up its own name's live object to a declared object that was renamed from it, however long the
    /// chain.
    pub(super) fn of(desired: &'a Desired, world: &'a World) -> Self {
        let renames = Renames::of(desired, world);
        let mut matches = Self { by_declared: HashMap::new(), by_live: HashMap::new() };
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

/// The declared renames that are still to be made.
struct Renames<'a> {
    desired: &'a Desired,
    world: &'a World,
    /// The live objects that declared ones take over from an old name.
    taken_over: HashMap<&'a Key, &'a Live>,
    /// The names of these live objects: no declared object is matched with them by name.
    moving: HashSet<&'a Key>,
}

impl<'a> Renames<'a> {
    fn of(desired: &'a Desired, world: &'a World) -> Self {
        let mut renames = Self { desired, world, taken_over: HashMap::new(), moving: HashSet::new() };
        for object in desired.iter().filter(|object| world.get(&object.key).is_none()) {
            renames.follow(object);
        }
        renames
    }

    /// Follows a chain of renames from its end, an object that is not live under its new name: it takes over the live
    /// object under its old name, if the object that is declared with that name gives it up, which it does if it comes
    /// from elsewhere itself. A chain that gets stuck is not made at all.
    fn follow(&mut self, end: &'a Object) {
        let mut chain = Vec::new();
        let mut seen = HashSet::new();
        let mut next = Some(end);
        while let Some(object) = next {
            let Some(live) = old_key(object).and_then(|old| self.world.get(&old)) else { return };
            if self.moving.contains(&live.key) || !seen.insert(&live.key) {
                return;
            }
            chain.push((&object.key, live));
            next = self.desired.get(&live.key);
            match next.map(|declared| &declared.lifecycle.renamed_from) {
                Some(Some(RenamedFrom::Nothing)) => break,
                Some(None) => return,
                Some(Some(RenamedFrom::Name(_))) | None => {}
            }
        }
        self.moving.extend(chain.iter().map(|(_, live)| &live.key));
        self.taken_over.extend(chain);
    }

    fn matched(&self, object: &Object) -> Match<'a> {
        if let Some(live) = self.taken_over.get(&object.key) {
            return Match { live: Some(live), note: None };
        }
        let stays = |live: &&Live| !self.moving.contains(&live.key);
        let own = self.world.get(&object.key).filter(stays);
        let Some(old) = old_key(object) else { return Match { live: own, note: None } };
        let old_live = self.world.get(&old).filter(stays);
        let note = match (own, old_live) {
            (None, None) => None,
            (None, Some(_)) => Some(Note::OldNameKept { old: old.name }),
            (Some(own), Some(old_live)) if self.desired.get(&old).is_none() => {
                Some(Note::BothNamesLive { old: old.name, old_id: old_live.id.clone(), new_id: own.id.clone() })
            }
            (Some(_), _) => Some(Note::RenameSpent { old: old.name }),
        };
        Match { live: own, note }
    }
}

/// Returns the name from which the object is declared to be renamed.
pub(super) fn old_key(object: &Object) -> Option<Key> {
    match &object.lifecycle.renamed_from {
        Some(RenamedFrom::Name(name)) => Some(Key { kind: object.key.kind, name: name.clone() }),
        Some(RenamedFrom::Nothing) | None => None,
    }
}
