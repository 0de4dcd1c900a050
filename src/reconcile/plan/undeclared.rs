//! What is owned and declared no longer.

use super::decide::{Decision, Given, Obstacles};
use super::matching::Matches;
use super::note::Note;
use super::ownership::released;
use super::{Action, Change};
use crate::kinds::{self, Live, Object};
use crate::reconcile::inventory::{Entry, Standing};

/// The objects that are owned, live, and declared no longer.
pub(super) struct Undeclared<'a>(Vec<(&'a Live, &'a Entry)>);

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
            Some((live?, entry))
        });
        let is_undeclared = |live: &Live| !matches.has_live(&live.key) && !kinds::is_reserved(&live.key.name);
        Self(live.filter(|(live, _)| is_undeclared(live)).collect())
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Removes them, or lets go of those that are to stay, if that is asked for.
    pub(super) fn prune(&self, given: Given<'a>, obstacles: &Obstacles) -> Vec<Decision<'a>> {
        if !given.policy.prune {
            return Vec::new();
        }
        self.0.iter().map(|(live, entry)| pruned(live, entry, obstacles)).collect()
    }

    /// Returns whether a new object may be one of them under another name.
    ///
    /// Of kinds whose objects hold what nothing can make again, that is asked; of others it is said, where the new one is
    /// just like the old one.
    pub(super) fn maybe_renamed(&self, object: &Object) -> Option<Note> {
        if object.lifecycle.renamed_from.is_some() {
            return None;
        }
        let is_asked = object.key.kind.info().asks_if_renamed;
        let is_alike =
            |live: &Live| is_asked || live.spec.as_ref().is_ok_and(|spec| object.spec.settled(Some(spec)) == *spec);
        let candidates = self.0.iter().map(|(live, _)| live);
        let candidates = candidates.filter(|live| live.key.kind == object.key.kind && is_alike(live));
        let candidates: Vec<_> = candidates.map(|live| live.key.name.clone()).collect();
        (!candidates.is_empty()).then_some(Note::MaybeRenamed { candidates, is_asked })
    }
}

fn pruned<'a>(live: &'a Live, entry: &'a Entry, obstacles: &Obstacles) -> Decision<'a> {
    let is_retained = entry.is_retained();
    let mut change = Change {
        key: live.key.clone(),
        action: if is_retained { Action::Keep } else { Action::Delete },
        id: live.id.clone(),
        was: None,
        spec: None,
        fields: Vec::new(),
        record: is_retained.then(|| released(entry)),
        notes: if is_retained { vec![Note::Released] } else { Vec::new() },
        rollout: None,
        origin: None,
    };
    if let Some(note) = obstacles.get(&live.key).filter(|_| !is_retained) {
        change.action = Action::Blocked;
        change.notes.push(note.clone());
    }
    Decision { object: None, live: Some(live), is_protected: entry.lifecycle.prevent_destroy, change }
}

/// Returns how many live objects nobody declares, and nobody here or next to us owns.
pub(super) fn n_unmanaged(given: Given<'_>, matches: &Matches<'_>) -> usize {
    let Some(inventory) = &given.world.inventory else { return 0 };
    let is_ours = |live: &&Live| {
        matches.has_live(&live.key) || given.all.get(&live.key).is_some() || inventory.entry_of(live).is_some()
    };
    let is_siblings = |live: &&Live| {
        live.id.as_ref().is_some_and(|id| given.world.siblings.contains_key(&(live.key.kind, id.clone())))
    };
    given.world.iter().filter(|live| !is_ours(live) && !is_siblings(live)).count()
}
