//! What somebody changed behind the manifests' back, and nothing else: what was applied last against what is live.

use std::fmt;
use std::sync::Arc;

use super::inventory::{Inventory, Standing};
use super::plan::{self, Action, Change, Note, Policy};
use super::world::{Desired, World};
use crate::kinds::{self, Build, Key, KindId, Object, Value};
use crate::types::{Name, ObjectId};

/// What became of one object that was applied.
#[derive(Debug, Clone, PartialEq)]
pub struct Drift {
    /// The object, by the name that it was applied with.
    pub key: Key,
    /// What happened to it.
    pub event: DriftEvent,
    /// The fields that are not what was applied.
    pub fields: Vec<FieldDrift>,
}

/// What happened to an object.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DriftEvent {
    /// Fields changed.
    Changed,
    /// It is not there.
    Deleted,
    /// Its time to live ended it, which is no drift.
    Expired,
    /// It has another name.
    Renamed {
        /// The name that it has.
        to: Name,
    },
    /// Another object has its name.
    MadeAnew {
        /// The id of the other object.
        id: Option<ObjectId>,
        /// The name of what was applied, if that is live still.
        lives_as: Option<Name>,
    },
    /// It failed.
    Failed {
        /// The server's text.
        message: String,
    },
    /// It is as it was applied, and what it was built from has moved on since, which is no drift.
    BuildMoved {
        /// What was found there last.
        build: Build,
        /// The object that was built then.
        seen_in: Key,
    },
}

/// A field that is not what was applied.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldDrift {
    /// The field, below `spec`.
    pub path: &'static str,
    /// What was applied; `None` if it was left out.
    pub applied: Option<Value>,
    /// What it is.
    pub live: Option<Value>,
}

impl Drift {
    /// Returns whether the object had this name, and has it no more.
    pub fn leaves(&self, kind: KindId, name: &Name) -> bool {
        let is_away = matches!(self.event, DriftEvent::Deleted | DriftEvent::Renamed { .. });
        is_away && self.key.kind == kind && self.key.name == *name
    }

    /// Returns whether somebody did it to the object, rather than the time that the manifests themselves gave it, or to what
    /// it was built from.
    pub fn is_meddling(&self) -> bool {
        !matches!(self.event, DriftEvent::Expired | DriftEvent::BuildMoved { .. })
    }
}

impl DriftEvent {
    /// Returns a word for it, as JSON has it.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::Deleted => "deleted",
            Self::Expired => "expired",
            Self::Renamed { .. } => "renamed",
            Self::MadeAnew { .. } => "made_anew",
            Self::Failed { .. } => "failed",
            Self::BuildMoved { .. } => "build_moved",
        }
    }
}

impl fmt::Display for DriftEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Changed => f.write_str("was changed"),
            Self::Deleted => f.write_str("was deleted"),
            Self::Expired => f.write_str("expired"),
            Self::Renamed { to } => write!(f, "was renamed to {to}"),
            Self::MadeAnew { id, lives_as } => {
                f.write_str("was made anew")?;
                id.as_ref().map_or(Ok(()), |id| write!(f, ", with id {id}"))?;
                lives_as.as_ref().map_or(Ok(()), |name| write!(f, "; what it was is named {name} now"))
            }
            Self::Failed { message } if message.is_empty() => f.write_str("failed"),
            Self::Failed { message } => write!(f, "failed: {message}"),
            Self::BuildMoved { build: Build { source, digest }, seen_in } => {
                write!(f, "was built before {source} moved on: it was {digest} for {seen_in}")
            }
        }
    }
}

/// Returns what became of all that is owned; of nothing where nobody keeps a record.
pub fn drift(world: &World) -> Vec<Drift> {
    let Some(inventory) = &world.inventory else { return Vec::new() };
    drift_from(&Desired::applied(inventory), world)
}

/// Returns how the live state differs from these manifests, taken for what was applied last.
pub fn drift_from(desired: &Desired, world: &World) -> Vec<Drift> {
    let plan = plan::plan(desired, world, &Policy::default());
    let is_recorded = world.inventory.is_some();
    plan.changes.iter().filter_map(|change| drift_of(change, is_recorded)).collect()
}

/// Where there is a record, the plan says by it who made a change: what an unfinished rollout of ours did, or another object
/// brings about, is none of somebody else's.
fn drift_of(change: &Change, is_recorded: bool) -> Option<Drift> {
    // Without one, what differs only in what its name is going to stand for is as it was.
    let meddled =
        change.fields.iter().filter(|field| if is_recorded { field.cause.is_drift() } else { field.from != field.to });
    let fields = meddled.map(|field| FieldDrift {
        path: field.path,
        applied: field.applied.clone().or_else(|| field.to.clone()),
        live: field.from.clone(),
    });
    let fields: Vec<_> = fields.collect();
    let event = event_of(change, is_recorded, !fields.is_empty())?;
    Some(Drift { key: change.key.clone(), event, fields })
}

fn event_of(change: &Change, is_recorded: bool, is_changed: bool) -> Option<DriftEvent> {
    let named = change.notes.iter().find_map(|note| match note {
        Note::DeletedBehind => Some(DriftEvent::Deleted),
        Note::Expired { .. } => Some(DriftEvent::Expired),
        Note::RecreatedBehind { lives_as, .. } => {
            Some(DriftEvent::MadeAnew { id: change.id.clone(), lives_as: lives_as.clone() })
        }
        Note::Failed { message } => Some(DriftEvent::Failed { message: message.clone() }),
        _ => None,
    });
    let is_renamed = !is_recorded || change.notes.contains(&Note::RenamedBehind);
    let is_missing = !is_recorded && change.action == Action::Create;
    named
        .or_else(|| change.was.clone().filter(|_| is_renamed).map(|to| DriftEvent::Renamed { to }))
        .or_else(|| is_missing.then_some(DriftEvent::Deleted))
        .or_else(|| is_changed.then_some(DriftEvent::Changed))
        .or_else(|| change.notes.iter().find_map(build_moved))
}

fn build_moved(note: &Note) -> Option<DriftEvent> {
    let Note::BuildMoved { build, seen_in, .. } = note else { return None };
    Some(DriftEvent::BuildMoved { build: build.clone(), seen_in: seen_in.clone() })
}

impl Desired {
    /// Returns what is owned, as it was applied last.
    pub fn applied(inventory: &Inventory) -> Self {
        let owned =
            inventory.iter().filter(|(key, entry)| entry.standing == Standing::Owned && !kinds::is_reserved(&key.name));
        let objects = owned.filter_map(|(key, entry)| {
            let spec = entry.applied()?.clone();
            let mut object = Object::recorded(key.clone(), spec, entry.lifecycle.clone());
            object.labels = entry.labels.clone();
            object.source = entry.source.as_ref().map(Arc::clone);
            Some(object)
        });
        Self::new(objects)
    }
}
