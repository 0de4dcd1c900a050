//! Finds out what became of the intents of an apply that did not end.

use std::collections::HashSet;

use super::{Deed, Effect, Entry, Intent, Inventory, Standing};
use crate::kinds::{Change, Health, Key, Live, Naming, Reference, RenamedFrom, Spec, Value};
use crate::reconcile::diff::untold;
use crate::reconcile::world::World;

/// What the live state says of open intents.
pub struct Settled {
    /// What is to be written down.
    pub effects: Vec<Effect>,
    /// The intents that still say something: an object was to be made anew, is not there, and what it was to take over
    /// is nowhere else; or nothing can be seen of its kind.
    pub open: Vec<Intent>,
}

impl Inventory {
    /// Returns what became of the open intents, as far as the live state tells.
    ///
    /// An object that was to be made, is there, and is what was to be sent is ours. One that was to be changed has been
    /// where it looks like it. One that was to be deleted and is not there any more was. What is another project's is none
    /// of it, nor what was let go of and is another project's by now.
    pub fn settle(&self, world: &World) -> Settled {
        let effects = self.given_away(world).chain(self.on_their_way(world)).collect();
        let mut settled = Settled { effects, open: Vec::new() };
        let mut gone: HashSet<&Key> = HashSet::new();
        let is_meant = |intended: &Reference, live: &Reference| self.is_meant(intended, live, world);
        for intent in &self.intents {
            if !world.speaks(intent.key.kind) {
                settled.open.push(intent.clone());
                continue;
            }
            let live = match &intent.deed {
                Deed::Create { .. } => world.get(&intent.key).or_else(|| swapped(intent, world)),
                Deed::Update | Deed::Rename | Deed::Delete => world.get(&intent.key),
            };
            if live.is_some_and(|live| self.is_others(live, world)) {
                continue;
            }
            let known = live.and_then(|live| self.entry_of(live));
            match (&intent.deed, live) {
                (Deed::Create { spec, .. }, Some(live)) if known.is_none() && is_made(spec, live, &is_meant) => {
                    settled.effects.extend(self.displaced(&live.key, world));
                    settled.effects.push(Effect::Put { key: live.key.clone(), entry: made(&intent.entry, live) });
                }
                (Deed::Create { .. }, None) if says_more(intent) && !self.is_taken_back(intent, world) => {
                    settled.open.push(intent.clone());
                }
                (Deed::Update, Some(live)) if known.is_some() => {
                    if let Some(entry) = self.moved_on(intent, live) {
                        settled.effects.push(Effect::Put { key: intent.key.clone(), entry });
                    }
                }
                (Deed::Rename, Some(live)) if live.id.is_some() && live.id == intent.entry.id => {
                    settled.effects.push(Effect::Put { key: intent.key.clone(), entry: found(&intent.entry, live) });
                }
                (Deed::Delete, None) => drop(gone.insert(&intent.key)),
                _ => {}
            }
        }
        let deleted = gone.into_iter().filter(|key| self.is_gone(key, world));
        settled.effects.extend(deleted.map(|key| Effect::Drop { key: key.clone(), id: None }));
        settled
    }

    /// Returns whether an object that was to be made anew under another name has been made under its old one since.
    fn is_taken_back(&self, intent: &Intent, world: &World) -> bool {
        let Some(RenamedFrom::Name(old)) = &intent.entry.lifecycle.renamed_from else { return false };
        let live = world.get(&Key { kind: intent.key.kind, name: old.clone() });
        // What came by the old name in a rename of its own is another object.
        let known = live.and_then(|live| self.entry_of(live));
        known.is_some_and(|(_, entry)| entry.lifecycle.renamed_from.is_none())
    }

    /// Returns whether a live reference is the intended one, also where what it points at got its name since.
    fn is_meant(&self, intended: &Reference, live: &Reference, world: &World) -> bool {
        let became = |intent: &Intent| {
            let is_source = intent.key.kind == intended.kind && intent.key.name.as_str() == &*intended.name;
            is_source && intent.becomes.as_ref().is_some_and(|name| name.as_str() == &*live.name)
        };
        self.is_same(intended, live, world) || (intended.kind == live.kind && self.intents.iter().any(became))
    }

    /// Returns whether a reference on record points at what a live one points at now, under whatever name.
    pub(in crate::reconcile) fn is_same(&self, recorded: &Reference, live: &Reference, world: &World) -> bool {
        let of_record = || self.get(&recorded.key()?)?.id.as_ref();
        let of_live = || world.get(&live.key()?)?.id.as_ref();
        recorded == live || (recorded.kind == live.kind && of_record().is_some_and(|id| of_live() == Some(id)))
    }

    /// Keeps the entry of an object whose recorded name another one has now.
    pub(super) fn displaced(&self, key: &Key, world: &World) -> Option<Effect> {
        let entry = self.get(key)?;
        let live = world.by_id(key.kind, entry.id.as_ref()?).filter(|live| live.key != *key)?;
        Some(Effect::Put { key: live.key.clone(), entry: entry.clone() })
    }

    /// Returns whether a live object is another project's: one that we do not own, and that is on that one's record, or
    /// says itself whose it is.
    fn is_others(&self, live: &Live, world: &World) -> bool {
        match self.entry_of(live) {
            Some((_, entry)) => entry.standing == Standing::Released && world.sibling(live).is_some(),
            None => world.sibling(live).is_some() || world.marked_by_another(live).is_some(),
        }
    }

    /// What was let go of and has been taken in by another project is not taken up again: there is no record of it any more.
    fn given_away(&self, world: &World) -> impl Iterator<Item = Effect> {
        let released = self.iter().filter(|(_, entry)| entry.standing == Standing::Released);
        let is_owned_there = |key: &Key, entry: &Entry| {
            entry.id.as_ref().is_some_and(|id| world.siblings.contains_key(&(key.kind, id.clone())))
        };
        let given_away = released.filter(move |(key, entry)| is_owned_there(key, entry));
        given_away.map(|(key, _)| Effect::Drop { key: key.clone(), id: None })
    }

    /// Objects that were to get other names and are under neither of the two keep their entries, under the names that they
    /// have: others may be about to take their old ones.
    fn on_their_way(&self, world: &World) -> impl Iterator<Item = Effect> {
        let renames = self.intents.iter().filter(|intent| intent.deed == Deed::Rename);
        renames.filter_map(|intent| {
            let id = intent.entry.id.as_ref()?;
            let live = world.by_id(intent.key.kind, id).filter(|live| live.key != intent.key)?;
            let (_, entry) = self.entry_of(live).filter(|(known, _)| **known != live.key)?;
            (!self.is_others(live, world)).then(|| Effect::Put { key: live.key.clone(), entry: entry.clone() })
        })
    }

    /// Returns the inventory as it is once the intents are settled.
    #[must_use]
    pub fn settled(&self, world: &World) -> Self {
        let Settled { effects, open } = self.settle(world);
        let mut inventory = self.clone();
        for effect in effects {
            inventory.apply(effect);
        }
        inventory.intents = open;
        inventory
    }

    fn is_gone(&self, key: &Key, world: &World) -> bool {
        let id = self.get(key).and_then(|entry| entry.id.as_ref());
        id.is_none_or(|id| world.by_id(key.kind, id).is_none())
    }

    /// Returns the entry with those of the intended values that the live object has. Of what the server never tells nobody
    /// knows whether it got there, so that it is on record no more, and sent again.
    fn moved_on(&self, intent: &Intent, live: &Live) -> Option<Entry> {
        let (_, known) = self.entry_of(live)?;
        let live_spec = live.spec.as_ref().ok()?;
        let (intended, applied) = (intent.entry.applied()?, known.applied()?);
        let fields = intended.kind().fields().iter().zip(intended.values()).zip(live_spec.values());
        let reached = fields.filter_map(|((field, intended), live)| {
            let intended = intended.as_ref()?;
            let live = live.as_ref()?;
            intended.is_satisfied_by(live, &|intended, live| intended == live).then(|| (field.path, intended.clone()))
        });
        let reached: Vec<(&'static str, Value)> = reached.collect();
        let unsure = untold(intended, applied).into_iter().map(|field| field.path).collect::<Vec<_>>();
        let applied = applied.with_changes(&reached).without(&unsure).into();
        Some(Entry { applied, expires_at: live.expires_at, ..known.clone() })
    }
}

/// Returns what is live under the name that an object was to get after it was made, if it did.
fn swapped<'a>(intent: &Intent, world: &'a World) -> Option<&'a Live> {
    world.get(&Key { kind: intent.key.kind, name: intent.becomes.clone()? })
}

fn found(intended: &Entry, live: &Live) -> Entry {
    Entry { id: live.id.clone(), expires_at: live.expires_at, ..intended.clone() }
}

/// Returns the entry of what was made, with the values that it got: what it was to get in a call after that is not on record
/// as applied, so that it is no drift.
fn made(intended: &Entry, live: &Live) -> Entry {
    let entry = found(intended, live);
    let (Some(spec), Ok(live_spec)) = (entry.applied(), &live.spec) else { return entry };
    let fields = spec.kind().fields().iter().zip(spec.values()).zip(live_spec.values());
    let in_place = fields.filter(|((field, _), _)| field.change == Change::InPlace);
    let cut_off = in_place.filter_map(|((field, intended), live)| {
        let (intended, live) = (intended.as_ref()?, live.as_ref()?);
        (!intended.is_satisfied_by(live, &|intended, live| intended == live)).then(|| (field.path, live.clone()))
    });
    let cut_off: Vec<_> = cut_off.collect();
    let applied = (!cut_off.is_empty()).then(|| spec.with_changes(&cut_off).into());
    Entry { applied: applied.unwrap_or_else(|| entry.applied.clone()), ..entry }
}

/// Values that the server fills in where the intent left them out are no difference, nor are those that change in place:
/// what was going to be made may have been cut off before it got them, and the name was free.
fn is_made(spec: &Spec, live: &Live, is_meant: &dyn Fn(&Reference, &Reference) -> bool) -> bool {
    let Ok(live_spec) = &live.spec else { return false };
    let fields = spec.kind().fields().iter().zip(spec.values()).zip(live_spec.values());
    let mut that_stay = fields.filter(|((field, _), _)| field.change.is_told() && field.change != Change::InPlace);
    let same = that_stay.all(|((_, intended), live)| match (intended, live) {
        (Some(intended), Some(live)) => intended.is_satisfied_by(live, is_meant),
        (Some(intended), None) => intended.is_satisfied_by_absence(),
        (None, _) => true,
    });
    // A name that is published was taken by the call, whatever came of the object.
    let is_good = !matches!(live.health, Health::Failed(_));
    same && (is_good || spec.kind().info().naming == Naming::Published)
}

fn says_more(intent: &Intent) -> bool {
    match &intent.deed {
        Deed::Create { spec, carry } => {
            let declared = intent.entry.applied().map(|applied| applied.settled(None));
            !carry.is_empty() || declared.is_none_or(|declared| *spec != declared)
        }
        Deed::Update | Deed::Rename | Deed::Delete => false,
    }
}
