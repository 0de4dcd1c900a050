//! Chooses an action for each object that is to be removed.

use std::collections::HashSet;

use super::decide::{Decision, held};
use super::note::Note;
use super::{Action, Change};
use crate::kinds::{Key, Object, OnRemove};
use crate::reconcile::world::{Desired, World};

/// Removes declared objects; those that hold data stay unless their manifest says `on_remove: delete`.
pub(super) fn destroy<'a>(desired: &'a Desired, world: &'a World) -> Vec<Decision<'a>> {
    let decisions = desired.iter().map(|object| {
        let (action, note) = match world.get(&object.key) {
            None => (Action::Keep, Some(Note::NotLive)),
            Some(_) if stays(object) => (Action::Keep, Some(Note::Retained)),
            Some(_) if object.lifecycle.prevent_destroy => (Action::Delete, Some(Note::PreventsDestroy)),
            Some(_) => (Action::Delete, None),
        };
        decision(&object.key, Some(object), action, note, world)
    });
    block_held(decisions.collect(), world)
}

/// Removes these objects, each only once.
pub(super) fn remove<'a>(keys: &[Key], world: &'a World) -> Vec<Decision<'a>> {
    let mut seen = HashSet::new();
    let mut keys: Vec<_> = keys.iter().filter(|key| seen.insert(*key)).collect();
    keys.sort();
    let decisions = keys.into_iter().map(|key| match world.get(key) {
        None => decision(key, None, Action::Blocked, Some(Note::NotLive), world),
        Some(_) => decision(key, None, Action::Delete, None, world),
    });
    block_held(decisions.collect(), world)
}

fn stays(object: &Object) -> bool {
    match object.lifecycle.on_remove {
        Some(on_remove) => on_remove == OnRemove::Retain,
        None => object.key.kind.info().holds_data,
    }
}

fn decision<'a>(
    key: &Key,
    object: Option<&'a Object>,
    action: Action,
    note: Option<Note>,
    world: &'a World,
) -> Decision<'a> {
    let live = world.get(key);
    let change = Change {
        key: key.clone(),
        action,
        id: live.and_then(|live| live.id.clone()),
        was: None,
        spec: None,
        fields: Vec::new(),
        notes: note.into_iter().collect(),
        origin: object.map(|object| object.origin),
    };
    Decision { object, live, change }
}

/// Blocks what is held by objects that stay, then what is held by those that are blocked, until nothing changes.
fn block_held<'a>(mut decisions: Vec<Decision<'a>>, world: &World) -> Vec<Decision<'a>> {
    loop {
        let mut obstacles = held(&decisions, world);
        if obstacles.is_empty() {
            return decisions;
        }
        for Decision { change, .. } in &mut decisions {
            if let Some(note) = obstacles.remove(&change.key) {
                change.action = Action::Blocked;
                change.notes.push(note);
            }
        }
    }
}
