//! Chooses an action for each object that is to be removed.

use std::collections::HashSet;
use std::sync::Arc;

use super::decide::{Decision, held};
use super::matching::Matches;
use super::note::Note;
use super::ownership::{Owner, is_renamed_behind, released};
use super::renames::recorded;
use super::{Action, Change, rolling};
use crate::kinds::{Key, Live, Object, OnRemove};
use crate::reconcile::inventory::Standing;
use crate::reconcile::world::{Desired, World};

/// Removes declared objects; those that hold data stay unless their manifest says `on_remove: delete`.
///
/// They are matched as [`plan`](super::plan) matches them, so that an object amid a rename is never treated as the
/// manifest of its old name says. Nor is it deleted under that name: were it gone, the next run would see other renames.
pub(super) fn destroy<'a>(desired: &'a Desired, world: &'a World) -> Vec<Decision<'a>> {
    let matches = Matches::of(desired, world);
    let decisions = desired.iter().map(|object| {
        let live = to_destroy(object, &matches, world);
        let owner = live.map(|live| Owner::of(live, world));
        let (action, note) = match (live, owner) {
            _ if !world.speaks(object.key.kind) => (Action::Blocked, Some(Note::not_spoken(object.key.kind, world))),
            (None, _) => (Action::Keep, Some(Note::NothingToDestroy)),
            (_, Some(Owner::Nobody)) => (Action::Keep, Some(Note::NotManaged)),
            (_, Some(Owner::Sibling(record))) => {
                (Action::Keep, Some(Note::OwnedBySibling { record: Arc::clone(record) }))
            }
            (Some(live), Some(Owner::Ours(of, _))) if is_for_another(object, live, desired, of) => {
                (Action::Blocked, Some(Note::NameWithAnother { of: of.clone() }))
            }
            (Some(live), Some(Owner::Marked(owner))) => (Action::Keep, Some(Note::marked(owner, &live.key, false))),
            (Some(_), Some(owner)) if stays(object, owner) => (Action::Keep, Some(Note::Retained)),
            (Some(live), Some(Owner::Ours(recorded, _)))
                if *recorded == object.key && is_renamed_behind(recorded, live) =>
            {
                (Action::Delete, Some(Note::RenamedBehind))
            }
            (Some(live), _) if live.key != object.key => (Action::Blocked, Some(Note::RenamePending)),
            (Some(_), _) => (Action::Delete, None),
        };
        let mut decision = decision(&object.key, Some(object), live, action, note);
        let entry = owner.and_then(Owner::entry);
        decision.is_protected =
            object.lifecycle.prevent_destroy || entry.is_some_and(|entry| entry.lifecycle.prevent_destroy);
        let is_kept = decision.change.notes.contains(&Note::Retained);
        decision.change.record = entry.filter(|_| is_kept).map(released);
        decision
    });
    let mut decisions: Vec<_> = decisions.collect();
    decisions.extend(rolling::abandoned(&decisions, desired, world));
    block_held(decisions, world)
}

/// Removes all that is owned, with what is in the way of that: what holds data stays, unless it was last applied with
/// `on_remove: delete`.
pub(super) fn destroy_owned(world: &World) -> Vec<Decision<'_>> {
    let Some(inventory) = &world.inventory else { return Vec::new() };
    let owned = world.iter().filter_map(|live| {
        let (key, entry) = inventory.entry_of(live)?;
        (entry.standing == Standing::Owned).then_some((key, live, entry))
    });
    let decisions = owned.map(|(recorded, live, entry)| {
        let is_kept = entry.is_retained();
        let (action, note) = if is_kept { (Action::Keep, Some(Note::Retained)) } else { (Action::Delete, None) };
        let mut decision = decision(&live.key, None, Some(live), action, note);
        if is_renamed_behind(recorded, live) {
            decision.change = decision.change.told_as_recorded(recorded);
        }
        decision.is_protected = entry.lifecycle.prevent_destroy;
        decision.change.record = is_kept.then(|| released(entry));
        decision
    });
    block_held(decisions.collect(), world)
}

/// Removes these objects, each only once.
pub(super) fn remove<'a>(keys: &[Key], world: &'a World) -> Vec<Decision<'a>> {
    let mut seen = HashSet::new();
    let mut keys: Vec<_> = keys.iter().filter(|key| seen.insert(*key)).collect();
    keys.sort();
    let decisions = keys.into_iter().map(|key| match world.get(key) {
        None => decision(key, None, None, Action::Blocked, Some(Note::NotLive)),
        Some(live) => {
            let owner = Owner::of(live, world);
            let is_renamed = matches!(owner, Owner::Ours(recorded, _) if is_renamed_behind(recorded, live));
            let note = is_renamed.then_some(Note::RenamedBehind);
            let mut decision = decision(key, None, Some(live), Action::Delete, note);
            let entry = owner.entry();
            decision.is_protected = entry.is_some_and(|entry| entry.lifecycle.prevent_destroy);
            decision
        }
    });
    block_held(decisions.collect(), world)
}

/// Returns the live object that goes with a declared one. What others call by its name is not it, where the record knows
/// which one it is.
fn to_destroy<'a>(object: &Object, matches: &Matches<'a>, world: &'a World) -> Option<&'a Live> {
    let found = matches.of_declared(&object.key).and_then(|found| found.live);
    let is_left = |live: &&Live| !matches.has_live(&live.key) || is_another_s(live, &live.key, world);
    match found {
        Some(live) if !is_another_s(live, &object.key, world) => Some(live),
        _ => recorded(&object.key, world).filter(is_left),
    }
}

/// Returns whether somebody gave an object of ours, which these manifests do not name, the name of one that is not on record.
fn is_for_another(object: &Object, live: &Live, desired: &Desired, recorded: &Key) -> bool {
    live.key == object.key && is_renamed_behind(recorded, live) && desired.get(recorded).is_none()
}

/// Returns whether a live object has a declared name because somebody gave it that, while what is on record under that name
/// is another one.
fn is_another_s(live: &Live, declared: &Key, world: &World) -> bool {
    let is_on_record = || world.inventory.as_ref().is_some_and(|inventory| inventory.get(declared).is_some());
    matches!(Owner::of(live, world), Owner::Ours(recorded, _) if recorded != declared && is_renamed_behind(recorded, live))
        && is_on_record()
}

/// What was applied decides, where it is on record; a manifest that was not applied yet may only ask for more to stay.
fn stays(object: &Object, owner: Owner<'_>) -> bool {
    let declared = object.lifecycle.on_remove.map(|on_remove| on_remove == OnRemove::Retain);
    match owner.entry() {
        Some(entry) => entry.is_retained() || declared == Some(true),
        None => declared.unwrap_or(object.key.kind.info().holds_data),
    }
}

fn decision<'a>(
    key: &Key,
    object: Option<&'a Object>,
    live: Option<&'a Live>,
    action: Action,
    note: Option<Note>,
) -> Decision<'a> {
    let was = live.map(|live| live.key.name.clone()).filter(|name| *name != key.name);
    let change = Change {
        key: key.clone(),
        action,
        id: live.and_then(|live| live.id.clone()),
        notes: was.iter().map(|was| Note::LiveAs { was: was.clone() }).chain(note).collect(),
        was,
        spec: None,
        fields: Vec::new(),
        record: None,
        rollout: None,
        origin: object.map(|object| object.origin),
    };
    Decision { object, live, is_protected: false, change }
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
