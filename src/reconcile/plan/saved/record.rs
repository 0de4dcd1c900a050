//! Keys, records and what changes in the inventory, as a saved plan has them.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use crate::kinds::{self, Key, KindId, Reference};
use crate::reconcile::inventory::{Applied, Effect, Entry, Habits, Standing};
use crate::types::{Name, ObjectId, Timestamp};

/// A kind and a name: of an object, or of what one refers to.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct KeyDocument {
    kind: String,
    name: String,
}

/// What the inventory is to hold of an object.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct EntryDocument {
    id: Option<ObjectId>,
    is_released: bool,
    spec: Json,
    /// In the words of a manifest.
    #[serde(default)]
    lifecycle: Map<String, Json>,
    labels: BTreeMap<String, String>,
    source: Option<String>,
    expires_at: Option<Timestamp>,
    #[serde(default)]
    extra: Map<String, Json>,
}

/// A change to the inventory.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "effect", rename_all = "snake_case")]
pub(super) enum EffectDocument {
    Put {
        object: KeyDocument,
        entry: Box<EntryDocument>,
    },
    Move {
        from: KeyDocument,
        to: KeyDocument,
    },
    Drop {
        object: KeyDocument,
        #[serde(default)]
        id: Option<ObjectId>,
    },
    Learn {
        references_follow_renames: Option<bool>,
    },
}

impl KeyDocument {
    pub(super) fn of(key: &Key) -> Self {
        Self { kind: key.kind.recorded_as(), name: key.name.as_str().to_owned() }
    }

    pub(super) fn of_reference(reference: &Reference) -> Self {
        Self { kind: reference.kind.recorded_as(), name: reference.name.as_ref().to_owned() }
    }

    pub(super) fn to_key(&self) -> Result<Key, String> {
        let kind = self.kind()?;
        Ok(Key { kind, name: name(kind, &self.name)? })
    }

    pub(super) fn to_reference(&self) -> Result<Reference, String> {
        Ok(Reference { kind: self.kind()?, name: self.name.as_str().into() })
    }

    fn kind(&self) -> Result<KindId, String> {
        KindId::from_record(&self.kind).ok_or_else(|| format!("there is no kind `{}`", self.kind))
    }
}

/// Reads the name of an object.
pub(super) fn name(kind: KindId, text: &str) -> Result<Name, String> {
    kind.name(text).map_err(|error| format!("`{text}` is not a name: {error}"))
}

impl EntryDocument {
    pub(super) fn of(entry: &Entry) -> Self {
        Self {
            id: entry.id.clone(),
            is_released: entry.standing == Standing::Released,
            spec: serde_json::from_str(&entry.applied.to_text()).unwrap_or(Json::Null),
            lifecycle: kinds::lifecycle_to_json(&entry.lifecycle),
            labels: entry.labels.clone().into_iter().collect(),
            source: entry.source.as_deref().map(ToOwned::to_owned),
            expires_at: entry.expires_at,
            extra: entry.extra.clone(),
        }
    }

    pub(super) fn into_entry(self, kind: KindId) -> Result<Entry, String> {
        Ok(Entry {
            id: self.id,
            standing: if self.is_released { Standing::Released } else { Standing::Owned },
            applied: Applied::recorded(kind, self.spec.to_string()),
            lifecycle: kinds::lifecycle_from_json(&self.lifecycle)?,
            labels: self.labels.into_iter().collect(),
            source: self.source.map(Into::into),
            expires_at: self.expires_at,
            extra: self.extra,
        })
    }
}

/// Returns a duration in whole milliseconds.
pub(super) fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl EffectDocument {
    pub(super) fn of(effect: &Effect) -> Self {
        match effect {
            Effect::Put { key, entry } => {
                Self::Put { object: KeyDocument::of(key), entry: EntryDocument::of(entry).into() }
            }
            Effect::Move { from, to } => Self::Move { from: KeyDocument::of(from), to: KeyDocument::of(to) },
            Effect::Drop { key, id } => Self::Drop { object: KeyDocument::of(key), id: id.clone() },
            Effect::Learn(Habits { references_follow_renames }) => {
                Self::Learn { references_follow_renames: *references_follow_renames }
            }
        }
    }

    pub(super) fn into_effect(self) -> Result<Effect, String> {
        Ok(match self {
            Self::Put { object, entry } => {
                let key = object.to_key()?;
                let entry = entry.into_entry(key.kind)?;
                Effect::Put { key, entry }
            }
            Self::Move { from, to } => Effect::Move { from: from.to_key()?, to: to.to_key()? },
            Self::Drop { object, id } => Effect::Drop { key: object.to_key()?, id },
            Self::Learn { references_follow_renames } => Effect::Learn(Habits { references_follow_renames }),
        })
    }
}
