//! Whose a live object is, and who made it differ from what is declared.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::{Action, Change, Plan, Step, Verb};
use crate::kinds::{self, Key, KindId, Live, Reference, Spec, Value};
use crate::reconcile::diff::{Cause, FieldChange};
use crate::reconcile::inventory::{Effect, Entry, Inventory, Standing};
use crate::reconcile::world::{Desired, World};
use crate::types::ObjectId;

/// Whose a live object is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Owner<'a> {
    /// Nobody keeps a record: what has a declared name is taken for what is declared.
    Unrecorded,
    /// Ours, or ours once, under the name that is recorded.
    Ours(&'a Key, &'a Entry),
    /// Another project's, as its record says.
    Sibling(&'a Arc<str>),
    /// Another project's, as the object says itself.
    Marked(&'a Arc<str>),
    /// Nobody's that we know of.
    Nobody,
}

impl<'a> Owner<'a> {
    pub(super) fn of(live: &'a Live, world: &'a World) -> Self {
        let marked = world.marked_by_another(live).map(Self::Marked);
        let Some(inventory) = &world.inventory else { return marked.unwrap_or(Self::Unrecorded) };
        if let Some((key, entry)) = inventory.entry_of(live) {
            return Self::Ours(key, entry);
        }
        world.sibling(live).map(Self::Sibling).or(marked).unwrap_or(Self::Nobody)
    }

    pub(super) fn entry(self) -> Option<&'a Entry> {
        match self {
            Self::Ours(_, entry) => Some(entry),
            Self::Unrecorded | Self::Sibling(_) | Self::Marked(_) | Self::Nobody => None,
        }
    }
}

/// Says of each field who made it differ, going by what was applied last.
pub(super) fn attribute(fields: &mut [FieldChange], spec: &Spec, entry: &Entry, all: &Desired, world: &World) {
    let Some(applied) = entry.applied() else { return };
    for change in fields {
        let Some(index) = applied.kind().fields().iter().position(|field| field.path == change.path) else { continue };
        change.applied.clone_from(&applied.values()[index]);
        change.cause = cause(change, spec.values()[index].as_ref(), all, world);
    }
}

fn cause(change: &FieldChange, declared: Option<&Value>, all: &Desired, world: &World) -> Cause {
    // What was left alone may be anything, and so may what we ourselves put out of the way.
    let Some(applied) = &change.applied else { return Cause::Declared };
    let is_as_applied = match &change.from {
        Some(live) => applied.is_satisfied_by(live, &|applied, live| {
            world.inventory.as_ref().map_or(applied == live, |inventory| inventory.is_same(applied, live, world))
        }),
        None => applied.is_satisfied_by_absence(),
    };
    let live: Vec<_> = change.from.iter().flat_map(Value::references).collect();
    if live.iter().any(|reference| is_reserved(reference)) {
        return Cause::Declared;
    }
    match (is_as_applied, declared == Some(applied)) {
        // It stayed the same, and what it points at was put aside: the declared name is another object's now.
        (true, true) if live.iter().any(|reference| is_put_aside(reference, all, world)) => Cause::Drift,
        (true, _) => Cause::Declared,
        (false, true) => Cause::Drift,
        (false, false) => Cause::Both,
    }
}

/// Returns whether somebody gave an object of ours a name that nobody declares.
fn is_put_aside(reference: &Reference, all: &Desired, world: &World) -> bool {
    let of_record = || {
        let live = world.get(&reference.key()?)?;
        let (recorded, _) = world.inventory.as_ref()?.entry_of(live)?;
        Some(is_renamed_behind(recorded, live) && all.get(&live.key).is_none())
    };
    of_record().unwrap_or(false)
}

fn is_reserved(reference: &Reference) -> bool {
    reference.key().is_some_and(|key| kinds::is_reserved(&key.name))
}

/// Returns what changes in the inventory without a call: what is adopted, taken up again, or known by other words or
/// under another name.
pub(super) fn refreshed(plan: &Plan, world: &World) -> Vec<Effect> {
    let Some(inventory) = &world.inventory else { return Vec::new() };
    let kept = kept(plan, inventory);
    let places = places(plan, &kept, inventory, world);
    let new_names = new_names(plan);
    let mut effects = Vec::new();
    if !places.is_empty() || !new_names.is_empty() {
        let declared: HashSet<_> = plan.changes.iter().map(|change| (change.key.kind, change.id.as_ref())).collect();
        let is_kept: HashSet<_> = kept.iter().map(|(key, entry)| (key.kind, entry.id.as_ref())).collect();
        let others = inventory.iter().filter(|(key, entry)| !is_kept.contains(&(key.kind, entry.id.as_ref())));
        effects.extend(others.filter_map(|(key, entry)| {
            let is_declared = declared.contains(&(key.kind, entry.id.as_ref()));
            let place = places.of(key, entry);
            // What is declared is recorded with the new names anyway.
            let followed = if is_declared { None } else { followed(entry, &new_names) };
            (place != key || followed.is_some())
                .then(|| Effect::Put { key: place.clone(), entry: followed.unwrap_or_else(|| entry.clone()) })
        }));
    }
    effects.extend(kept.into_iter().map(|(key, entry)| Effect::Put { key: places.of(&key, &entry).clone(), entry }));
    effects
}

/// Returns the entries of what stays or is adopted, where they say something new, under the names that the plan has for them.
fn kept(plan: &Plan, inventory: &Inventory) -> Vec<(Key, Entry)> {
    let stays = |change: &&Change| matches!(change.action, Action::Keep | Action::Adopt);
    let kept = plan.changes.iter().filter(stays).filter_map(|change| {
        let entry = change.record.as_ref()?;
        // Another declared object may wait for the recorded name, and then its past is not to be lost. Whatever else has
        // that name by now, this one is recorded under the name that the plan has for it.
        let recorded = inventory.key_of(change.key.kind, change.id.as_ref()?);
        let key = recorded.filter(|key| is_awaited_under(key, change, plan)).unwrap_or(&change.key);
        let is_known = inventory.get(key).is_some_and(|known| says_the_same(known, entry));
        (!is_known).then(|| (key.clone(), entry.clone()))
    });
    kept.collect()
}

/// Returns whether an object that has another name now is still declared under the one that it is recorded with, which
/// nothing live has and no step gives to another one.
fn is_awaited_under(recorded: &Key, change: &Change, plan: &Plan) -> bool {
    let is_awaited = |other: &Change| other.key == *recorded && other.spec.is_some() && other.id.is_none();
    *recorded != change.key
        && plan.changes.iter().any(is_awaited)
        && !plan.steps.iter().any(|step| written_by(step).as_ref() == Some(recorded))
}

/// Returns the name under which a step writes something down.
fn written_by(step: &Step) -> Option<Key> {
    let name = match &step.verb {
        Verb::Create { .. } | Verb::Swap { .. } | Verb::Update { .. } => &step.key.name,
        Verb::Rename { to } => to,
        Verb::Delete { .. } | Verb::Verify { .. } => return None,
    };
    Some(Key { kind: step.key.kind, name: name.clone() })
}

/// Returns the names that this plan gives to objects, by the ones that they had.
fn new_names(plan: &Plan) -> HashMap<Reference, Arc<str>> {
    let renamed = plan.changes.iter().filter(|change| change.action == Action::Rename);
    let new_names = renamed.filter_map(|change| {
        let was = change.was.as_ref().filter(|was| !kinds::is_reserved(was))?;
        let old = Reference { kind: change.key.kind, name: was.as_str().into() };
        Some((old, change.key.name.as_str().into()))
    });
    new_names.collect()
}

/// What was applied of objects that nobody declares any more refers to others by their names, of which the plan changes
/// some.
fn followed(entry: &Entry, new_names: &HashMap<Reference, Arc<str>>) -> Option<Entry> {
    let applied = entry.applied()?;
    applied.references().find(|reference| new_names.contains_key(reference))?;
    let spec = applied.with_renamed_references(&|old| new_names.get(old).cloned());
    Some(Entry { applied: spec.into(), ..entry.clone() })
}

/// Two entries say the same also where the object ends later by itself than it was going to, or nobody knows when: an idle
/// sandbox's end moves with use. An end that nobody knew of, or an earlier one, is news.
fn says_the_same(known: &Entry, entry: &Entry) -> bool {
    let Entry { id, standing, applied, lifecycle, labels, source, expires_at, extra } = known;
    let is_news = entry.expires_at.is_some_and(|end| expires_at.is_none_or(|known| end < known));
    *id == entry.id
        && *standing == entry.standing
        && *lifecycle == entry.lifecycle
        && *labels == entry.labels
        && *source == entry.source
        // What a later version wrote is kept, whatever else is written.
        && (entry.extra.is_empty() || *extra == entry.extra)
        && *applied == entry.applied
        && !is_news
}

/// The names under which objects are recorded from now on that have other ones than they are recorded with.
struct Places<'a>(HashMap<(KindId, &'a ObjectId), &'a Key>);

impl<'a> Places<'a> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the name under which an entry belongs that is, or was going to be, under this one.
    fn of<'k>(&self, key: &'k Key, entry: &Entry) -> &'k Key
    where
        'a: 'k,
    {
        entry.id.as_ref().and_then(|id| self.0.get(&(key.kind, id))).copied().unwrap_or(key)
    }
}

/// Returns where objects belong that were renamed behind our back, of which steps are going to use the live names, or others
/// to get the recorded ones.
fn places<'a>(plan: &Plan, kept: &[(Key, Entry)], inventory: &'a Inventory, world: &'a World) -> Places<'a> {
    let recorded_at = |key: &Key| world.by_id(key.kind, inventory.get(key)?.id.as_ref()?);
    let is_given = |(key, entry): &&(Key, Entry)| inventory.get(key).is_some_and(|known| known.id != entry.id);
    let given_away = kept.iter().filter(is_given).map(|(key, _)| key.clone());
    let displaced = given_away.chain(plan.steps.iter().filter_map(written_by)).filter_map(|key| recorded_at(&key));
    // The entry of one that is renamed or superseded goes by the name that it has; of one that is deleted, by its id.
    let is_by_name =
        |step: &&Step| !matches!(&step.verb, Verb::Update { .. } | Verb::Delete { .. } | Verb::Verify { .. });
    let by_name = plan.steps.iter().filter(is_by_name).filter_map(|step| world.get(&step.key));
    let mut queue: Vec<&Live> = by_name.chain(displaced).collect();
    let mut places = HashMap::new();
    while let Some(live) = queue.pop() {
        let Some((_, entry)) = inventory.entry_of(live).filter(|(key, _)| **key != live.key) else { continue };
        let Some(id) = &entry.id else { continue };
        if places.insert((live.key.kind, id), &live.key).is_none() {
            // What is recorded under the name that it has is displaced in turn.
            queue.extend(recorded_at(&live.key));
        }
    }
    Places(places)
}

/// Returns whether somebody else gave an object the name that it has in the place of the recorded one. A reserved name is
/// nobody's choice.
pub(super) fn is_renamed_behind(recorded: &Key, live: &Live) -> bool {
    *recorded != live.key && ![recorded, &live.key].iter().any(|key| kinds::is_reserved(&key.name))
}

/// Returns the entries of objects that are not there any more and that nobody declares.
pub(super) fn gone(changes: &[Change], inventory: &Inventory, world: &World) -> Vec<Effect> {
    let declared: HashSet<&Key> = changes.iter().map(|change| &change.key).collect();
    let is_gone = |key: &Key, entry: &Entry| match &entry.id {
        Some(id) => world.by_id(key.kind, id).is_none(),
        None => world.get(key).is_none(),
    };
    let seen = inventory.iter().filter(|(key, _)| world.speaks(key.kind));
    let gone = seen.filter(|(key, entry)| !declared.contains(key) && is_gone(key, entry));
    gone.map(|(key, _)| Effect::Drop { key: key.clone(), id: None }).collect()
}

/// Returns the entry of an object that is declared no longer and stays.
pub(super) fn released(entry: &Entry) -> Entry {
    Entry { standing: Standing::Released, ..entry.clone() }
}
