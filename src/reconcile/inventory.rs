//! What `sbx` owns in a workspace, as a value: the API has no place to write that down.
//!
//! An [`Inventory`] maps each owned object to the spec that was applied last, so that a plan can tell a change of the
//! manifests from one made behind their back, and knows what may be deleted. It changes by [`Effect`]s only, one or two
//! for each step that is done, so that a journal of effects is as good as the whole. Reading and writing it is the
//! business of [`ledger`](super::ledger).

mod applied;
mod belongs;
mod effect_text;
mod fields;
mod format;
mod recover;
mod schema;
mod settle;
#[cfg(test)]
mod tests;

pub use applied::Applied;
pub use belongs::Stranger;
pub use format::FormatError;
pub use schema::inventory_schema;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use crate::kinds::{Key, KindId, Lifecycle, Live, Object, OnRemove, Spec};
use crate::types::{Labels, Name, ObjectId, Timestamp};

/// How far the server's clock may be ahead of the one that says what the time is.
const CLOCK_TOLERANCE: Duration = Duration::from_mins(1);

/// What is owned in one workspace.
#[derive(Debug, Clone, Default)]
pub struct Inventory {
    /// The endpoint that it was recorded for.
    pub endpoint: Option<String>,
    /// The number that the last apply with `--serial` carried.
    pub serial: Option<u64>,
    entries: BTreeMap<Key, Entry>,
    ids: HashMap<(KindId, ObjectId), Key>,
    /// What an apply that did not end, or left something undone, was going to do.
    pub intents: Vec<Intent>,
    /// What is known of the server's unwritten rules.
    pub habits: Habits,
    /// The last applies, oldest first; at most [`Inventory::MAX_RUNS`].
    pub runs: Vec<Run>,
    unread: Unread,
}

/// What a later version wrote into a record and this one does not know; it is written back as it was.
#[derive(Debug, Clone, Default)]
struct Unread {
    entries: Vec<Box<str>>,
    intents: Vec<Box<str>>,
    habits: serde_json::Map<String, serde_json::Value>,
    fields: serde_json::Map<String, serde_json::Value>,
}

/// What is known of one object that is owned, or was.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Its id, if the server gave one.
    pub id: Option<ObjectId>,
    /// Whether it is owned still.
    pub standing: Standing,
    /// The spec that was applied last, as it was declared; [`Entry::applied`] reads it.
    pub applied: Applied,
    /// The lifecycle it was declared with.
    pub lifecycle: Lifecycle,
    /// The labels it was declared with.
    pub labels: Labels,
    /// The file it was declared in, relative to the project where it is below it.
    pub source: Option<Arc<str>>,
    /// When the server was going to delete it by itself, as last seen.
    pub expires_at: Option<Timestamp>,
    /// Fields of its record that this version does not know.
    pub extra: serde_json::Map<String, serde_json::Value>,
}

/// Whether an object is owned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Standing {
    /// It is: applies bring it to what is declared, and may delete it.
    #[default]
    Owned,
    /// It was: it was declared no longer and stays. Declaring it again takes it up again.
    Released,
}

/// What an apply was going to do to one object, written down before its first call.
#[derive(Debug, Clone, PartialEq)]
pub struct Intent {
    /// The name of the object at the time of the call.
    pub key: Key,
    /// What was to be done.
    pub deed: Deed,
    /// What the entry was to be; its id is that of the object before.
    pub entry: Entry,
    /// The name that an object that was to be made under a reserved one was to get after that.
    pub becomes: Option<Name>,
    /// When.
    pub at: Timestamp,
}

/// What was to be done to an object.
#[derive(Debug, Clone, PartialEq)]
pub enum Deed {
    /// Making it, with exactly this.
    Create {
        /// What was to be sent: the declared spec, with what was left alone taken over from an object that was to be
        /// deleted first.
        spec: Spec,
        /// Unknown fields taken over from that object.
        carry: serde_json::Map<String, serde_json::Value>,
    },
    /// Changing it in place.
    Update,
    /// Giving it the name of the intent's key.
    Rename,
    /// Deleting it.
    Delete,
}

/// What is known of a server's unwritten rules.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Habits {
    /// Whether what refers to an object goes on referring to it when it gets another name; `None` if nobody has seen.
    pub references_follow_renames: Option<bool>,
}

/// One apply that was.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// When it began.
    pub at: Timestamp,
    /// Who did it: `user@host`.
    pub by: String,
    /// The commit that the manifests were at, if that is known.
    pub commit: Option<String>,
    /// The page of the run that did it, if there is one.
    pub url: Option<String>,
    /// The number given with `--serial`.
    pub serial: Option<u64>,
    /// How it ended, such as `done`, `failed` or `interrupted`.
    pub outcome: String,
    /// What was done, in one line.
    pub summary: String,
    /// Fields of its record that this version does not know.
    pub extra: serde_json::Map<String, serde_json::Value>,
}

/// A change to an inventory.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// The object with this name is this one.
    Put {
        /// Its name.
        key: Key,
        /// What is known of it.
        entry: Entry,
    },
    /// An object got another name.
    Move {
        /// The old name.
        from: Key,
        /// The new name.
        to: Key,
    },
    /// An object is gone, or not ours any more.
    Drop {
        /// Its name.
        key: Key,
        /// Its id, where that is known: then it is crossed out under whatever name it is recorded, and nothing else is.
        id: Option<ObjectId>,
    },
    /// Something was learnt about the server.
    Learn(Habits),
}

impl Inventory {
    /// How many applies are remembered.
    pub const MAX_RUNS: usize = 50;

    /// Returns the entry of the object that had this name when it was last written down.
    pub fn get(&self, key: &Key) -> Option<&Entry> {
        self.entries.get(key)
    }

    /// Returns every entry by its name, kind by kind.
    pub fn iter(&self) -> impl Iterator<Item = (&Key, &Entry)> {
        self.entries.iter()
    }

    /// Returns how many objects there are in it.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Returns whether there is no object in it.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Returns how many objects are owned.
    pub fn n_owned(&self) -> usize {
        self.entries.values().filter(|entry| entry.standing == Standing::Owned).count()
    }

    /// Returns the recorded name of the object with this id.
    pub fn key_of(&self, kind: KindId, id: &ObjectId) -> Option<&Key> {
        self.ids.get(&(kind, id.clone()))
    }

    /// Returns the entry of a live object with the name that it is recorded with: by its id, or by its name where
    /// neither has an id.
    pub fn entry_of(&self, live: &Live) -> Option<(&Key, &Entry)> {
        match &live.id {
            Some(id) => self.entries.get_key_value(self.key_of(live.key.kind, id)?),
            None => self.entries.get_key_value(&live.key).filter(|(_, entry)| entry.id.is_none()),
        }
    }

    /// Returns under which name an object is recorded: that of the entry with its id, or its own where that entry has none.
    fn recorded(&self, key: Key, id: Option<ObjectId>) -> Option<Key> {
        let Some(id) = id else { return Some(key) };
        let by_name = || self.get(&key).is_some_and(|entry| entry.id.is_none()).then(|| key.clone());
        self.key_of(key.kind, &id).cloned().or_else(by_name)
    }

    /// Takes a change in.
    pub fn apply(&mut self, effect: Effect) {
        match effect {
            Effect::Put { key, entry } => self.put(key, entry),
            Effect::Drop { key, id } => {
                if let Some(recorded) = self.recorded(key, id) {
                    self.take(&recorded);
                }
            }
            Effect::Move { from, to } => {
                if let Some(entry) = self.take(&from) {
                    self.put(to, entry);
                }
            }
            Effect::Learn(habits) => self.habits = habits,
        }
    }

    /// Takes in what a step changed, which fulfils what was intended with the object.
    pub fn fulfil(&mut self, effect: Effect) {
        match &effect {
            Effect::Put { key, .. } => {
                self.intents.retain(|intent| intent.key != *key || intent.deed == Deed::Delete);
            }
            Effect::Drop { key, .. } => self.intents.retain(|intent| intent.key != *key || intent.deed != Deed::Delete),
            // The intent has the name that the object was to get.
            Effect::Move { to, .. } => self.intents.retain(|intent| intent.key != *to || intent.deed != Deed::Rename),
            Effect::Learn(_) => {}
        }
        self.apply(effect);
    }

    /// Adds what an apply is going to do. What an earlier one was going to do to the same object no longer counts.
    pub fn intend(&mut self, intents: Vec<Intent>) {
        let again: std::collections::HashSet<&Key> = intents.iter().map(|intent| &intent.key).collect();
        self.intents.retain(|intent| !again.contains(&intent.key));
        self.intents.extend(intents);
    }

    /// Returns what an apply that did not end was going to make with this name, after it had deleted another one: the spec,
    /// with what was left alone in it, and unknown fields.
    pub(super) fn begun(&self, key: &Key) -> Option<(&Spec, &serde_json::Map<String, serde_json::Value>)> {
        self.intents.iter().filter(|intent| intent.key == *key).find_map(|intent| match &intent.deed {
            Deed::Create { spec, carry } => Some((spec, carry)),
            Deed::Update | Deed::Rename | Deed::Delete => None,
        })
    }

    /// Returns whether something was begun, and nobody has seen yet how it ended.
    pub fn is_unsettled(&self) -> bool {
        !self.intents.is_empty()
    }

    /// Remembers an apply.
    pub fn remember(&mut self, run: Run) {
        self.runs.push(run);
        let n_old = self.runs.len().saturating_sub(Self::MAX_RUNS);
        self.runs.drain(..n_old);
    }

    fn put(&mut self, key: Key, mut entry: Entry) {
        if let Some(known) = self.known_as(&key, &entry).filter(|_| entry.extra.is_empty()) {
            entry.extra.clone_from(&known.extra);
        }
        self.take(&key);
        if let Some(id) = &entry.id {
            // One object has one entry: the same id under another name is the same object, which was renamed.
            if let Some(old) = self.ids.insert((key.kind, id.clone()), key.clone()) {
                self.entries.remove(&old);
            }
        }
        self.entries.insert(key, entry);
    }

    /// Returns the entry of the object that an entry is of, wherever it is.
    fn known_as(&self, key: &Key, entry: &Entry) -> Option<&Entry> {
        let id = entry.id.as_ref()?;
        self.entries.get(self.ids.get(&(key.kind, id.clone()))?)
    }

    fn take(&mut self, key: &Key) -> Option<Entry> {
        let entry = self.entries.remove(key)?;
        if let Some(id) = &entry.id {
            self.ids.remove(&(key.kind, id.clone()));
        }
        Some(entry)
    }
}

impl Entry {
    /// Returns the entry of a declared object that is this live one.
    pub fn of(object: &Object, live: Option<&Live>) -> Self {
        Self {
            id: live.and_then(|live| live.id.clone()),
            standing: Standing::Owned,
            applied: object.spec.clone().into(),
            lifecycle: object.lifecycle.clone(),
            labels: object.labels.clone(),
            source: object.source.clone(),
            expires_at: live.and_then(|live| live.expires_at),
            extra: serde_json::Map::new(),
        }
    }

    /// Returns the spec that was applied last, as it was declared; `None` if this version cannot read the record of it.
    pub fn applied(&self) -> Option<&Spec> {
        self.applied.spec()
    }

    /// Returns whether the server may have deleted the object by itself by now.
    ///
    /// Use only moves an end to later: what is gone before the one that was seen last was deleted by somebody. After it
    /// nobody can tell, and it counts as ended; so it does where no end was seen and the object was to have one.
    pub fn may_have_ended(&self, now: Timestamp) -> bool {
        match self.expires_at {
            Some(end) => end <= now.saturating_add(CLOCK_TOLERANCE),
            None => self.applied().is_some_and(Spec::ends),
        }
    }

    /// Returns whether the object stays when it is declared no longer.
    pub fn is_retained(&self) -> bool {
        match self.lifecycle.on_remove {
            Some(on_remove) => on_remove == OnRemove::Retain,
            None => self.applied.kind().info().holds_data,
        }
    }
}
