//! Keys, records and what changes in the inventory, as a saved plan has them.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use crate::kinds::{
    Key, KindId, Lifecycle, OnExpiry, OnRemove, OnSuperseded, Reference, RenamedFrom, Replace, Timeout,
};
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
    lifecycle: LifecycleDocument,
    labels: BTreeMap<String, String>,
    source: Option<String>,
    expires_at: Option<Timestamp>,
    #[serde(default)]
    extra: Map<String, Json>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct LifecycleDocument {
    prevent_destroy: bool,
    renamed_from: Option<String>,
    replace: Option<String>,
    on_remove: Option<String>,
    on_template_change: Option<String>,
    on_expiry: Option<String>,
    timeout_ms: Option<u64>,
}

/// A change to the inventory.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "effect", rename_all = "snake_case")]
pub(super) enum EffectDocument {
    Put { object: KeyDocument, entry: Box<EntryDocument> },
    Move { from: KeyDocument, to: KeyDocument },
    Drop { object: KeyDocument },
    Learn { references_follow_renames: Option<bool> },
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
            lifecycle: LifecycleDocument::of(&entry.lifecycle),
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
            lifecycle: self.lifecycle.into_lifecycle(kind)?,
            labels: self.labels.into_iter().collect(),
            source: self.source.map(Into::into),
            expires_at: self.expires_at,
            extra: self.extra,
        })
    }
}

const REPLACE: [(&str, Replace); 2] = [("rolling", Replace::Rolling), ("recreate", Replace::Recreate)];
const ON_REMOVE: [(&str, OnRemove); 2] = [("delete", OnRemove::Delete), ("retain", OnRemove::Retain)];
const ON_SUPERSEDED: [(&str, OnSuperseded); 2] = [("keep", OnSuperseded::Keep), ("replace", OnSuperseded::Replace)];
const ON_EXPIRY: [(&str, OnExpiry); 2] = [("ignore", OnExpiry::Ignore), ("recreate", OnExpiry::Recreate)];

impl LifecycleDocument {
    fn of(lifecycle: &Lifecycle) -> Self {
        Self {
            prevent_destroy: lifecycle.prevent_destroy,
            renamed_from: lifecycle.renamed_from.as_ref().map(|from| match from {
                RenamedFrom::Name(name) => name.as_str().to_owned(),
                RenamedFrom::Nothing => "none".to_owned(),
            }),
            replace: lifecycle.replace.map(|value| word(&REPLACE, value)),
            on_remove: lifecycle.on_remove.map(|value| word(&ON_REMOVE, value)),
            on_template_change: Some(word(&ON_SUPERSEDED, lifecycle.on_superseded)),
            on_expiry: Some(word(&ON_EXPIRY, lifecycle.on_expiry)),
            timeout_ms: lifecycle.timeout.map(|timeout| milliseconds(timeout.0)),
        }
    }

    fn into_lifecycle(self, kind: KindId) -> Result<Lifecycle, String> {
        let renamed_from = self.renamed_from.map(|text| match text.as_str() {
            "none" => Ok(RenamedFrom::Nothing),
            text => name(kind, text).map(RenamedFrom::Name),
        });
        Ok(Lifecycle {
            prevent_destroy: self.prevent_destroy,
            renamed_from: renamed_from.transpose()?,
            replace: meant(&REPLACE, self.replace)?,
            on_remove: meant(&ON_REMOVE, self.on_remove)?,
            on_superseded: meant(&ON_SUPERSEDED, self.on_template_change)?.unwrap_or_default(),
            on_expiry: meant(&ON_EXPIRY, self.on_expiry)?.unwrap_or_default(),
            timeout: self.timeout_ms.map(Duration::from_millis).map(Timeout),
        })
    }
}

/// Returns a duration in whole milliseconds.
pub(super) fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn word<T: Copy + PartialEq>(words: &[(&str, T)], value: T) -> String {
    let found = words.iter().find(|(_, candidate)| *candidate == value);
    found.map(|(word, _)| (*word).to_owned()).expect("each value has its word")
}

fn meant<T: Copy>(words: &[(&str, T)], text: Option<String>) -> Result<Option<T>, String> {
    let Some(text) = text else { return Ok(None) };
    let found = words.iter().find(|(word, _)| *word == text);
    found.map(|(_, value)| Some(*value)).ok_or_else(|| format!("`{text}` is none of the words that can stand here"))
}

impl EffectDocument {
    pub(super) fn of(effect: &Effect) -> Self {
        match effect {
            Effect::Put { key, entry } => {
                Self::Put { object: KeyDocument::of(key), entry: EntryDocument::of(entry).into() }
            }
            Effect::Move { from, to } => Self::Move { from: KeyDocument::of(from), to: KeyDocument::of(to) },
            Effect::Drop { key } => Self::Drop { object: KeyDocument::of(key) },
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
            Self::Drop { object } => Effect::Drop { key: object.to_key()? },
            Self::Learn { references_follow_renames } => Effect::Learn(Habits { references_follow_renames }),
        })
    }
}
