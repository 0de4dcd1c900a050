//! Which live objects declared ones take over from other names.
//!
//! A declared object may come from another name in four ways: its manifest says so; it waits aside since it was amid a
//! circle of renames; somebody else renamed it, and its id is recorded; or a rename that was made is declared no longer,
//! so that it goes back. Names are given up and taken along chains and circles, which are followed as a whole or not at
//! all.

use std::collections::{HashMap, HashSet};

use super::matching::Match;
use super::note::Note;
use super::parking::parked;
use crate::kinds::{self, Key, Live, Naming, Object, Reference, RenamedFrom};
use crate::reconcile::diff::{FieldChange, diff};
use crate::reconcile::inventory::Entry;
use crate::reconcile::world::{Desired, World};
use crate::types::ObjectId;

/// The renames that are still to be made.
pub(super) struct Renames<'a> {
    desired: &'a Desired,
    world: &'a World,
    /// The live objects that declared ones take over from an old name.
    taken_over: HashMap<&'a Key, &'a Live>,
    /// The names of these live objects: no declared object is matched with them by name.
    moving: HashSet<&'a Key>,
    /// The objects that wait under names of their own for their places, by the names that they had.
    parked: HashMap<Key, &'a Live>,
    /// The objects whose last rename is recorded, by the names from which they were renamed.
    renamed: HashMap<Key, &'a Live>,
}

impl<'a> Renames<'a> {
    pub(super) fn of(desired: &'a Desired, world: &'a World) -> Self {
        let parked = parked(desired, world);
        let renamed = renamed(world);
        let mut renames = Self { desired, world, taken_over: HashMap::new(), moving: HashSet::new(), parked, renamed };
        for object in desired.iter().filter(|object| world.get(&object.key).is_none()) {
            renames.follow(object);
        }
        if world.inventory.is_some() {
            for object in desired.iter() {
                renames.follow_circle(object);
            }
        }
        renames
    }

    /// Returns the live object that a declared one comes from, if it comes from another name.
    fn origin(&self, object: &Object) -> Option<&'a Live> {
        if object.key.kind.info().naming == Naming::Published {
            return None;
        }
        let by_id = || recorded(&object.key, self.world);
        match &object.lifecycle.renamed_from {
            Some(RenamedFrom::Nothing) => by_id(),
            Some(RenamedFrom::Name(_)) => {
                let old = || old_key(object).and_then(|old| self.old_live(&old));
                if self.is_made(object) { by_id().or_else(old) } else { old().or_else(by_id) }
            }
            None => self.parked.get(&object.key).copied().or_else(by_id).or_else(|| self.went_back(object)),
        }
    }

    /// Returns the object that had this name when a rename from it was declared.
    fn old_live(&self, old: &Key) -> Option<&'a Live> {
        let parked = self.parked.get(old).copied();
        parked.or_else(|| recorded(old, self.world)).or_else(|| self.world.get(old))
    }

    /// Returns the object that was renamed from this one's name, if that rename is declared no longer.
    fn went_back(&self, object: &Object) -> Option<&'a Live> {
        let live = self.renamed.get(&object.key).copied()?;
        let still_from_here = |declared: &Object| old_key(declared).as_ref() == Some(&object.key);
        (!self.desired.get(&live.key).is_some_and(still_from_here)).then_some(live)
    }

    /// Returns whether the rename that the object declares is recorded as made.
    fn is_made(&self, object: &Object) -> bool {
        let entry = self.world.inventory.as_ref().and_then(|inventory| inventory.get(&object.key));
        entry.is_some_and(|entry| entry.lifecycle.renamed_from == object.lifecycle.renamed_from)
    }

    /// Follows a chain of renames from its end, an object that is not live under its new name: it takes over the live
    /// object that it comes from, if the object that is declared with that one's name gives it up, which it does if it
    /// comes from elsewhere itself. A chain that gets stuck is not made at all.
    fn follow(&mut self, end: &'a Object) {
        let mut chain = Vec::new();
        let mut seen = HashSet::new();
        let mut next = Some(end);
        while let Some(object) = next {
            let Some(live) = self.origin(object) else { return };
            if self.moving.contains(&live.key) || !seen.insert(&live.key) {
                return;
            }
            chain.push((&object.key, live));
            next = self.desired.get(&live.key).filter(|next| !self.lets_go(next, object, live));
        }
        self.take_over(chain);
    }

    /// Returns whether a declared object leaves what is live under its name to another one, and is made anew: it says that it
    /// comes from nowhere; or it is gone or was never made, comes from nowhere either, and somebody gave its name to what is
    /// recorded as the other.
    fn lets_go(&self, object: &Object, to: &Object, live: &Live) -> bool {
        let is_not_there = || match recorded_id(&object.key, self.world) {
            Some(id) => self.world.by_id(object.key.kind, id).is_none(),
            // No record tells it from the other, but what is declared of the two may.
            None => is_as(to, live) || !is_as(object, live),
        };
        let is_the_other = || recorded_id(&to.key, self.world).is_some_and(|id| live.id.as_ref() == Some(id));
        let comes_from_elsewhere = || {
            let is_meant = old_key(object).is_some_and(|old| old == to.key) && !self.is_made(object);
            is_meant || self.origin(object).is_some_and(|origin| origin.key != live.key)
        };
        object.lifecycle.renamed_from == Some(RenamedFrom::Nothing)
            || is_the_other() && is_not_there() && !comes_from_elsewhere() && is_kept_as(to, live)
    }

    /// Follows renames that go in a circle (a becomes b, and b becomes a). Only what is recorded tells whether they have
    /// been made: afterwards, the same names are live.
    fn follow_circle(&mut self, start: &'a Object) {
        let mut chain = Vec::new();
        let mut object = start;
        loop {
            if !self.is_pending(object) {
                return;
            }
            let Some(live) = self.origin(object).filter(|live| !self.moving.contains(&live.key)) else { return };
            chain.push((&object.key, live));
            match self.desired.get(&live.key) {
                Some(next) if next.key == start.key => break,
                Some(next) if chain.len() <= self.desired.len() => object = next,
                Some(_) | None => return,
            }
        }
        let is_wanted = self.declares_a_rename(&chain) || self.fits_better_than_as_it_is(&chain);
        if is_wanted || self.is_somebody_elses(&chain) {
            self.take_over(chain);
        }
    }

    /// Returns whether a manifest asks for one of the renames of a circle.
    fn declares_a_rename(&self, circle: &[(&'a Key, &'a Live)]) -> bool {
        circle.iter().any(|(key, live)| {
            let old = self.desired.get(key).and_then(old_key).and_then(|old| self.old_live(&old));
            old.is_some_and(|old| old.key == live.key)
        })
    }

    /// Returns whether somebody else made the renames of a circle, so that they are to be undone. Where one of the objects
    /// is to be made anew, nothing is kept by that; and where they are declared as they are now, and not as they were, the
    /// manifests agree with it.
    fn is_somebody_elses(&self, circle: &[(&'a Key, &'a Live)]) -> bool {
        let is_undone = circle.iter().all(|(key, live)| {
            self.desired.get(key).is_some_and(|object| self.is_displaced(object) && is_kept_as(object, live))
        });
        is_undone && (self.fits(circle) || !self.fits_as_it_is(circle))
    }

    /// Returns whether a circle of renames that is declared no longer is to be undone. Taking the renames out of the
    /// manifests once they are made looks the same as going back to before them: only what is declared of each object tells,
    /// and where it does not say plainly that all go back, none does.
    fn fits_better_than_as_it_is(&self, circle: &[(&'a Key, &'a Live)]) -> bool {
        self.fits(circle) && !self.fits_as_it_is(circle)
    }

    /// Returns whether each object of a circle is declared as what would get its name is.
    fn fits(&self, circle: &[(&'a Key, &'a Live)]) -> bool {
        circle.iter().all(|(key, origin)| self.desired.get(key).is_some_and(|object| is_as(object, origin)))
    }

    fn fits_as_it_is(&self, circle: &[(&'a Key, &'a Live)]) -> bool {
        let is_as_it_is = |key| Some(is_as(self.desired.get(key)?, self.world.get(key)?));
        circle.iter().all(|(key, _)| is_as_it_is(key).unwrap_or(false))
    }

    fn take_over(&mut self, chain: Vec<(&'a Key, &'a Live)>) {
        self.moving.extend(chain.iter().map(|(_, live)| &live.key));
        self.taken_over.extend(chain);
    }

    /// Returns whether what is live under the object's name is recorded as something that does not come from where the
    /// object comes from.
    fn is_pending(&self, object: &Object) -> bool {
        let inventory = self.world.inventory.as_ref();
        let is_recorded = |live| inventory.is_some_and(|inventory| inventory.entry_of(live).is_some());
        match &object.lifecycle.renamed_from {
            Some(RenamedFrom::Name(_)) => {
                self.world.get(&object.key).is_some_and(is_recorded)
                    && !self.is_made(object)
                    && self.origin(object).is_some_and(is_recorded)
                    || self.is_made(object) && self.is_displaced(object)
            }
            None => self.went_back(object).is_some() || self.is_displaced(object),
            Some(RenamedFrom::Nothing) => self.is_displaced(object),
        }
    }

    /// Returns whether what is live under the object's name is on record as another one that is declared, and what is on
    /// record as this one is live under another name.
    fn is_displaced(&self, object: &Object) -> bool {
        let recorded_as = |live| Some(self.world.inventory.as_ref()?.entry_of(live)?.0);
        let is_another = |key: &Key| *key != object.key && self.desired.get(key).is_some();
        self.world.get(&object.key).and_then(recorded_as).is_some_and(is_another)
            && recorded(&object.key, self.world).is_some()
    }

    pub(super) fn matched(&self, object: &Object) -> Match<'a> {
        if let Some(live) = self.taken_over.get(&object.key) {
            return Match { live: Some(live), note: None };
        }
        let stays = |live: &&Live| !self.moving.contains(&live.key);
        // Where the rename that is declared cannot be made, somebody else's is still to be undone.
        let elsewhere = || recorded(&object.key, self.world).filter(|live| self.desired.get(&live.key).is_none());
        let own = self.world.get(&object.key).or_else(elsewhere).filter(stays);
        let Some(old) = old_key(object) else { return Match { live: own, note: None } };
        let old_live = self.world.get(&old).filter(stays);
        let note = match (own, old_live) {
            (None, None) => None,
            (None, Some(_)) => Some(Note::OldNameKept { old: old.name }),
            (Some(own), Some(old_live)) if self.is_in_doubt(object, own, &old) => {
                Some(Note::BothNamesLive { old: old.name, old_id: old_live.id.clone(), new_id: own.id.clone() })
            }
            (Some(own), _) if own.key != object.key => None,
            (Some(_), _) => Some(Note::RenameSpent { old: old.name }),
        };
        Match { live: own, note }
    }

    /// Returns whether nothing tells if the live object `own` is the one that had the name `old`, which is live as well:
    /// that name is not declared, and the object is not recorded as what the rename made.
    fn is_in_doubt(&self, object: &Object, own: &Live, old: &Key) -> bool {
        let is_recorded = |entry: &Entry| entry.id.is_some() && entry.id == own.id;
        let entry = self.world.inventory.as_ref().and_then(|inventory| inventory.get(&object.key));
        let is_made = self.is_made(object) && entry.is_some_and(is_recorded);
        own.key == object.key && self.desired.get(old).is_none() && !is_made
    }
}

/// Returns the fields in which a live object is not what is declared, as far as names tell; `None` if it cannot be read.
fn differences(object: &Object, live: &Live) -> Option<Vec<FieldChange>> {
    let same_name = |declared: &Reference, live: &Reference| declared == live;
    live.spec.as_ref().ok().map(|live| diff(&object.spec, live, &same_name))
}

fn is_as(object: &Object, live: &Live) -> bool {
    differences(object, live).is_some_and(|fields| fields.is_empty())
}

/// Returns whether a live object can become what is declared without being made anew.
fn is_kept_as(object: &Object, live: &Live) -> bool {
    let is_in_place = |field: &FieldChange| object.stays_outdated() || !field.change.makes_anew();
    differences(object, live).is_some_and(|fields| fields.iter().all(is_in_place))
}

fn recorded_id<'a>(key: &Key, world: &'a World) -> Option<&'a ObjectId> {
    world.inventory.as_ref()?.get(key)?.id.as_ref()
}

/// Returns the live object that is recorded under this name, if it has another one now.
pub(super) fn recorded<'a>(key: &Key, world: &'a World) -> Option<&'a Live> {
    world.by_id(key.kind, recorded_id(key, world)?).filter(|live| live.key != *key)
}

/// Returns the live objects that are recorded as renamed, by their old names.
fn renamed(world: &World) -> HashMap<Key, &Live> {
    let entries = world.inventory.iter().flat_map(|inventory| inventory.iter());
    let renamed = entries.filter_map(|(key, entry)| match &entry.lifecycle.renamed_from {
        Some(RenamedFrom::Name(old)) => {
            let live = world.by_id(key.kind, entry.id.as_ref()?)?;
            // What is built beside an object that was renamed has its lifecycle too.
            let is_itself = !kinds::is_reserved(&key.name) && !kinds::is_reserved(&live.key.name);
            is_itself.then_some(())?;
            Some((Key { kind: key.kind, name: old.clone() }, live))
        }
        Some(RenamedFrom::Nothing) | None => None,
    });
    renamed.collect()
}

/// Returns the name from which the object is declared to be renamed.
pub(super) fn old_key(object: &Object) -> Option<Key> {
    match &object.lifecycle.renamed_from {
        Some(RenamedFrom::Name(name)) => Some(Key { kind: object.key.kind, name: name.clone() }),
        Some(RenamedFrom::Nothing) | None => None,
    }
}
