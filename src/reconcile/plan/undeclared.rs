//! What is owned and declared no longer.

use std::collections::HashMap;

use super::decide::{Decision, Given, Obstacles};
use super::matching::Matches;
use super::note::Note;
use super::ownership::{is_renamed_behind, released};
use super::{Action, Change};
use crate::kinds::{self, Key, Live, Naming, Object, Reference, RenamedFrom, Value};
use crate::reconcile::inventory::{Entry, Standing};
use crate::reconcile::world::{Desired, World};

/// The objects that are owned, live, and declared no longer.
pub(super) struct Undeclared<'a>(Vec<One<'a>>);

struct One<'a> {
    /// The name that it is recorded with.
    recorded: &'a Key,
    live: &'a Live,
    entry: &'a Entry,
    /// A declared object that refers to it all the same.
    needed_by: Option<&'a Key>,
    /// A declared object that may be meant to take its place: nothing tells whether both are one.
    in_doubt_with: Option<&'a Key>,
}

impl<'a> Undeclared<'a> {
    pub(super) fn find(given: Given<'a>, matches: &Matches<'a>) -> Self {
        let Some(inventory) = &given.world.inventory else { return Self(Vec::new()) };
        let owned = inventory.iter().filter(|(key, entry)| {
            entry.standing == Standing::Owned
                && !kinds::is_reserved(&key.name)
                && given.all.get(key).is_none()
                && given.policy.scope.has_owned(entry)
        });
        let live = owned.filter_map(|(key, entry)| {
            let live = match &entry.id {
                Some(id) => given.world.by_id(key.kind, id),
                None => given.world.get(key),
            };
            Some((key, live?, entry))
        });
        // What has a reserved name is left over, and goes as soon as it can; what is to stay is let go of under any name.
        let is_left_over = |live: &Live, entry: &Entry| {
            let stays = kinds::known_by_id(&live.key.name).is_some() && entry.is_retained();
            kinds::is_reserved(&live.key.name) && !stays
        };
        let is_undeclared = |live: &Live, entry: &Entry| !matches.has_live(&live.key) && !is_left_over(live, entry);
        let live: Vec<_> = live.filter(|(_, live, entry)| is_undeclared(live, entry)).collect();
        if live.is_empty() {
            return Self(Vec::new());
        }
        let needed = needed(given.desired, matches);
        let in_doubt = in_doubt(given.desired, matches);
        let one = |(recorded, live, entry): (_, &'a Live, _)| One {
            recorded,
            live,
            entry,
            needed_by: needed.get(&live.key).copied(),
            in_doubt_with: in_doubt.get(&live.key).copied(),
        };
        Self(live.into_iter().map(one).collect())
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Removes them, or lets go of those that are to stay, if that is asked for.
    ///
    /// What a new object may be under another name is neither: once it were let go of, the next plan would make the new
    /// one, and nobody would have been asked.
    pub(super) fn prune(
        &self,
        given: Given<'a>,
        decisions: &[Decision<'a>],
        obstacles: &Obstacles,
    ) -> Vec<Decision<'a>> {
        if !given.policy.prune {
            return Vec::new();
        }
        let asked = asked(decisions);
        let prune = |one: &One<'a>| match asked.get(&one.live.key) {
            Some(of) => awaiting(one, of),
            None => pruned(one, obstacles),
        };
        self.0.iter().map(prune).collect()
    }

    /// Returns whether a new object may be one of them under another name.
    ///
    /// Of kinds whose objects hold what nothing can make again, that is asked; of others it is said, where the new one is
    /// just like the old one.
    ///
    /// A `renamed_from` that names nothing live is no answer: where it is a slip, data would stay behind unseen.
    pub(super) fn maybe_renamed(&self, object: &Object, world: &World) -> Option<Note> {
        if object.key.kind.info().naming == Naming::Published {
            return None;
        }
        let misnamed = match &object.lifecycle.renamed_from {
            Some(RenamedFrom::Nothing) => return None,
            Some(RenamedFrom::Name(old)) => {
                let is_live = world.get(&Key { kind: object.key.kind, name: old.clone() }).is_some();
                if is_live {
                    return None;
                }
                Some(old.clone())
            }
            None => None,
        };
        let is_asked = object.key.kind.info().asks_if_renamed;
        let is_alike =
            |live: &Live| is_asked || live.spec.as_ref().is_ok_and(|spec| object.spec.settled(Some(spec)) == *spec);
        let candidates = self.0.iter().map(|one| one.live);
        let candidates = candidates.filter(|live| live.key.kind == object.key.kind && is_alike(live));
        let candidates: Vec<_> = candidates.map(|live| live.key.name.clone()).collect();
        (!candidates.is_empty()).then_some(Note::MaybeRenamed { candidates, misnamed, is_asked })
    }
}

/// Returns what declared objects refer to, each with one that does. What a manifest leaves alone is needed as well.
fn needed<'a>(desired: &'a Desired, matches: &Matches<'_>) -> HashMap<Key, &'a Key> {
    let mut needed = HashMap::new();
    for object in desired.iter() {
        let live = matches.of_declared(&object.key).and_then(|found| found.live?.spec.as_ref().ok());
        let left_alone = live.into_iter().flat_map(|live| object.spec.left_alone_of(live)).flat_map(Value::references);
        let keys = object.spec.references().chain(left_alone).filter_map(Reference::key);
        needed.extend(keys.map(|key| (key, &object.key)));
    }
    needed
}

/// Returns what declared objects are renamed from while both names are live, each with the one that is.
fn in_doubt<'a>(desired: &'a Desired, matches: &Matches<'_>) -> HashMap<Key, &'a Key> {
    let in_doubt = desired.iter().filter_map(|object| match matches.of_declared(&object.key)?.note.as_ref()? {
        Note::BothNamesLive { old, .. } => Some((Key { kind: object.key.kind, name: old.clone() }, &object.key)),
        _ => None,
    });
    in_doubt.collect()
}

/// Returns what new objects may be under other names, where that is asked, each with the new one.
fn asked(decisions: &[Decision<'_>]) -> HashMap<Key, Key> {
    let questions = decisions.iter().flat_map(|decision| {
        let change = &decision.change;
        change.notes.iter().filter_map(move |note| match note {
            Note::MaybeRenamed { candidates, is_asked: true, .. } => Some((change, candidates)),
            _ => None,
        })
    });
    let named = questions.flat_map(|(change, candidates)| {
        let kind = change.key.kind;
        candidates.iter().map(move |name| (Key { kind, name: name.clone() }, change.key.clone()))
    });
    named.collect()
}

/// Leaves one as it is, in the record as well, until it is said what it is.
fn awaiting<'a>(one: &One<'a>, of: &Key) -> Decision<'a> {
    let mut change = Change::of_live(one.live, Action::Keep);
    change.notes.push(Note::MaybeSource { of: of.clone() });
    Decision { object: None, live: Some(one.live), is_protected: false, change }
}

fn pruned<'a>(one: &One<'a>, obstacles: &Obstacles) -> Decision<'a> {
    let One { recorded, live, entry, needed_by, in_doubt_with } = *one;
    let is_retained = entry.is_retained();
    let mut change = Change::of_live(live, if is_retained { Action::Keep } else { Action::Delete });
    if is_renamed_behind(recorded, live) {
        change = change.told_as_recorded(recorded);
    }
    if is_retained {
        change.record = Some(released(entry));
        change.notes.push(Note::Released);
    }
    let needed = needed_by.map(|by| Note::NeededBy { by: by.clone() });
    let in_doubt = in_doubt_with.map(|with| Note::InDoubt { with: with.clone() });
    if let Some(note) = needed.or(in_doubt).or_else(|| obstacles.get(&change.key).cloned()).filter(|_| !is_retained) {
        change.action = Action::Blocked;
        change.notes.push(note);
    }
    Decision { object: None, live: Some(live), is_protected: entry.lifecycle.prevent_destroy, change }
}

/// Returns how many live objects nobody here or next to us owns, nor will once these changes are made.
pub(super) fn n_unmanaged(given: Given<'_>, matches: &Matches<'_>, changes: &[Change]) -> usize {
    if given.world.inventory.is_none() {
        return 0;
    }
    let is_left = |change: &&Change| change.notes.iter().any(|note| matches!(note, Note::NotOwned { .. }));
    let is_declared = |live: &&Live| matches.has_live(&live.key) || given.all.get(&live.key).is_some();
    changes.iter().filter(is_left).count() + given.world.unmanaged().filter(|live| !is_declared(live)).count()
}
