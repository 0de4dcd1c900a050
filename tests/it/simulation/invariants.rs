//! What holds at the end of any history, whatever went wrong in it.

use std::collections::{BTreeMap, BTreeSet};

use sbx::kinds::{self, Key, Live, Value};
use sbx::reconcile::inventory::{Inventory, Standing};
use sbx::reconcile::plan::{Action, Change, Note, Plan, Policy, plan};
use sbx::reconcile::{Desired, World};

use super::passwords::password;
use super::recorded::Disk;
use super::workspace::Workspace;

/// Objects that somebody else made. What has this prefix is not ours.
pub(crate) const FOREIGN: &str = "
{apiVersion: sbx/v1, kind: Volume, metadata: {name: x-volume}, spec: {size: 3Gi}}
---
{apiVersion: sbx/v1, kind: Template, metadata: {name: x-template}, spec: {image: x}}
---
{apiVersion: sbx/v1, kind: Pool, metadata: {name: x-pool}, spec: {template_name: x-template, replicas: 1}}
---
{apiVersion: sbx/v2, kind: Registry, metadata: {name: x-registry}, spec: {url: x.example}}
---
apiVersion: sbx/v2
kind: Snapshot
metadata: {name: x-snapshot}
spec: {docker_image: x, fs_capacity_bytes: 1Gi, registry_name: x-registry}
---
{apiVersion: sbx/v2, kind: Sandbox, metadata: {name: x-second}, spec: {snapshot: x-snapshot, vcpus: 1}}
";

/// The workspace before faults, and what others did to it since.
pub(crate) struct Before {
    pub(crate) world: World,
    /// The ids of what others deleted.
    pub(crate) deleted: BTreeSet<String>,
    /// The ids of objects that nobody may manage: what may have looked as if it were gone, and what others made under the
    /// names of ours.
    pub(crate) unmanaged: BTreeSet<String>,
    /// Sandboxes of others on templates of ours: they follow where their template goes.
    pub(crate) on_ours: Option<Key>,
}

/// Prune, and let through what that destroys: the cases are about what is reached.
pub(crate) fn policy() -> Policy {
    Policy { prune: true, allow_destroy: Some(usize::MAX), ..Policy::default() }
}

pub(crate) fn id_of(live: &Live) -> String {
    live.id.as_ref().expect("the server gives ids").to_string()
}

pub(crate) fn is_foreign(live: &Live) -> bool {
    live.key.name.as_str().starts_with("x-")
}

/// Checks that the goal is reached, and all that must hold; returns whether nothing was blocked.
pub(crate) async fn check(before: &Before, goal: &Desired, disk: &Disk, workspace: &Workspace) -> bool {
    let world = disk.world(workspace).await;
    let left = plan(goal, &world, &policy());
    assert!(left.steps.is_empty() && left.effects.is_empty(), "left: {:?}\n{:?}", left.steps, left.effects);
    data_is_there(before, disk, &world);
    secrets_are_told(goal, &left, &world, workspace);
    others_are_untouched(before, &world);
    record_is_true(before, goal, &world, &left);
    let is_clear = left.changes.iter().all(|change| change.action != Action::Blocked);
    if is_clear {
        let written = disk.record().await;
        assert!(!written.is_unsettled(), "open: {:?}", written.intents);
        let settled = world.inventory.as_deref().expect("there is a record");
        assert!(written.iter().eq(settled.iter()), "what is written is not what is so");
    }
    is_clear
}

/// What holds data and nobody deleted is there, whatever becomes of the manifests, unless a plan said that its data is
/// lost; and no plan says that of a volume.
fn data_is_there(before: &Before, disk: &Disk, after: &World) {
    let called_out = disk.called_out();
    let held = before.world.iter().filter(|live| live.key.kind.info().holds_data);
    for live in held.filter(|live| !before.deleted.contains(&id_of(live))) {
        let is_called_out = live.key.kind != kinds::VOLUME && called_out.contains(&id_of(live));
        let is_there = after.iter().any(|now| now.key.kind == live.key.kind && now.id == live.id);
        assert!(is_there || is_called_out, "{} with the id {} was lost", live.key, id_of(live));
    }
}

/// The server has the secrets that are declared.
fn secrets_are_told(goal: &Desired, left: &Plan, world: &World, workspace: &Workspace) {
    let is_blocked =
        |key: &Key| left.changes.iter().any(|change| change.key == *key && change.action == Action::Blocked);
    for object in goal.iter().filter(|object| !is_blocked(&object.key)) {
        let Some(live) = world.get(&object.key) else { continue };
        let told = workspace.told_of(&id_of(live));
        // What takes a new object is kept as it is, where the manifest does not ask for one.
        let notes = left.changes.iter().filter(|change| change.key == object.key).flat_map(|change| &change.notes);
        let outdated: Vec<_> = notes.filter_map(outdated_path).collect();
        let fields = object.spec.kind().fields().iter().zip(object.spec.values());
        let sent = fields.filter(|(field, _)| !outdated.contains(&field.path)).filter_map(|(_, value)| value.as_ref());
        for secret in sent.flat_map(Value::secrets) {
            assert!(told.contains(&password(secret)), "{}: of the secrets there is {told:?}, not {secret}", object.key);
        }
    }
}

fn outdated_path(note: &Note) -> Option<&'static str> {
    if let Note::Outdated { path, .. } = note { Some(path) } else { None }
}

/// What somebody else made is as it was, down to its id.
fn others_are_untouched(before: &Before, after: &World) {
    for live in before.world.iter().filter(|live| is_foreign(live)) {
        let now = after.get(&live.key);
        assert_eq!(now.map(id_of), Some(id_of(live)), "{} was touched", live.key);
        if Some(&live.key) != before.on_ours.as_ref() {
            assert_eq!(now.map(|now| &now.spec), Some(&live.spec), "{} was changed", live.key);
        }
    }
}

/// The record says what is true: what it has is live under that name and id, and what we made is in it.
fn record_is_true(before: &Before, goal: &Desired, world: &World, left: &Plan) {
    let inventory: &Inventory = world.inventory.as_ref().expect("there is a record");
    for (key, entry) in inventory.iter() {
        let live = entry.id.as_ref().and_then(|id| world.by_id(key.kind, id));
        // A change has another name than the record, where others renamed the object or a new name is declared.
        let is_of_it = |change: &Change| change.key == *key || (change.id.is_some() && change.id == entry.id);
        let is_awaited = left.changes.iter().any(|change| is_of_it(change) && is_awaited(change));
        assert!(is_awaited || live.is_some(), "{key} is recorded with id {:?}, which is not live", entry.id);
        // What was released is known by its id alone: others may call it what they like.
        let is_at_its_name = entry.standing == Standing::Released || live.is_none_or(|live| live.key == *key);
        assert!(is_awaited || is_at_its_name, "{key} is recorded under another name than it has");
    }
    let blocked: BTreeMap<_, _> = left
        .changes
        .iter()
        .filter(|change| change.action == Action::Blocked)
        .map(|change| (&change.key, &change.notes))
        .collect();
    for object in goal.iter().filter(|object| !blocked.contains_key(&object.key)) {
        let entry = inventory.get(&object.key);
        let is_owned = entry.is_some_and(|entry| entry.standing == Standing::Owned);
        assert!(is_owned, "{} is not recorded as ours", object.key);
    }
    // Of two that were made for one declaration, one would be nobody's.
    for live in world.iter().filter(|live| !is_foreign(live)) {
        let is_known = inventory.entry_of(live).is_some() || blocked.contains_key(&live.key);
        assert!(is_known || before.unmanaged.contains(&id_of(live)), "{} is nobody's", live.key);
    }
}

/// Returns whether an object is recorded and rightly not there under its name: something is in its way, its time is over,
/// or it is asked first whether it has become another one.
fn is_awaited(change: &Change) -> bool {
    let is_said = |note: &Note| matches!(note, Note::Expired { .. } | Note::MaybeSource { .. });
    change.action == Action::Blocked || change.notes.iter().any(is_said)
}
