//! The server's rules as a pure value: what the world is after a step, or why the step is refused.
//!
//! The rules come from the kinds' data: names are unique, references must point at something, what is held by those
//! that refer to it cannot be deleted, sizes only grow. Plans are checked against it before they are shown; the server
//! has an implementation of its own, and a test holds the two beside each other.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::plan::{Plan, Step, Verb};
use super::world::World;
use crate::kinds::{self, Change, Health, Key, KindId, Live, Lookup, Naming, Reference, Spec, Unreadable, Value};
use crate::types::{Name, ObjectId};

/// A workspace that obeys the server's rules.
#[derive(Debug, Clone)]
pub struct Model {
    live: BTreeMap<Key, Live>,
    /// What refers to each name, so that a step costs the same in a large world.
    holders: HashMap<Key, BTreeSet<Key>>,
    n_created: usize,
}

/// What the ids of objects begin with that the model made.
const MADE: &str = "made-";

/// Why the server would refuse a step.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The name is taken.
    #[error("{key} exists already")]
    NameTaken {
        /// The name.
        key: Key,
    },
    /// There is no such object.
    #[error("{key} does not exist")]
    NotFound {
        /// The object.
        key: Key,
    },
    /// It refers to something that does not exist.
    #[error("{key} refers to `{name}`, which does not exist")]
    BadReference {
        /// The object.
        key: Key,
        /// What it refers to.
        name: Arc<str>,
    },
    /// Other objects refer to it.
    #[error("{key} is in use by {by}")]
    InUse {
        /// The object.
        key: Key,
        /// One that refers to it.
        by: Key,
    },
    /// A field cannot change like this.
    #[error("{path} of {key} cannot change like this")]
    BadChange {
        /// The object.
        key: Key,
        /// The field.
        path: &'static str,
    },
    /// A rule across objects is broken.
    #[error("{key}: {message}")]
    BrokenRule {
        /// The object.
        key: Key,
        /// The rule.
        message: String,
    },
}

impl Model {
    /// Starts from the live objects of a world.
    pub fn of(world: &World) -> Self {
        let recorded = world.inventory.iter().flat_map(|inventory| inventory.iter()).map(|(_, entry)| &entry.id);
        let ids = world.iter().map(|live| &live.id).chain(recorded).flatten();
        let n_created = ids.filter_map(|id| id.as_str().strip_prefix(MADE)?.parse().ok()).max().unwrap_or(0);
        let mut model = Self { live: BTreeMap::new(), holders: HashMap::new(), n_created };
        for live in world.iter() {
            model.insert(live.clone());
        }
        model
    }

    /// Returns the spec of the object that has a name now, if it can be read.
    pub fn get(&self, key: &Key) -> Option<&Spec> {
        self.live.get(key)?.spec.as_ref().ok()
    }

    fn insert(&mut self, live: Live) {
        for held in live.references().filter_map(Reference::key) {
            self.holders.entry(held).or_default().insert(live.key.clone());
        }
        self.live.insert(live.key.clone(), live);
    }

    fn remove(&mut self, key: &Key) -> Option<Live> {
        let live = self.live.remove(key)?;
        for held in live.references().filter_map(Reference::key) {
            if let Some(holders) = self.holders.get_mut(&held) {
                holders.remove(key);
            }
        }
        Some(live)
    }

    /// Returns the world as it is now, with the time and capacity of `before`.
    pub fn to_world(&self, before: &World) -> World {
        let mut world = World::new(self.live.values().cloned(), before.now);
        world.capacity = before.capacity;
        world.unspoken.clone_from(&before.unspoken);
        world
    }

    /// Performs all steps in their order.
    ///
    /// # Errors
    ///
    /// The first step that the server would refuse, with the reason.
    pub fn run(&mut self, plan: &Plan) -> Result<(), (usize, Refusal)> {
        plan.steps
            .iter()
            .enumerate()
            .try_for_each(|(index, step)| self.perform(step).map_err(|refusal| (index, refusal)))
    }

    /// Performs one step.
    pub fn perform(&mut self, step: &Step) -> Result<(), Refusal> {
        match &step.verb {
            Verb::Create { spec, .. } => self.create(&step.key, spec),
            Verb::Update { changes } => self.update(&step.key, changes),
            Verb::Rename { to } => self.rename(&step.key, to),
            Verb::Delete { .. } => self.delete(&step.key),
            Verb::Swap { retired, incoming, .. } => {
                if let Some(retired) = retired {
                    self.rename(&step.key, retired)?;
                }
                self.rename(&Key { kind: step.key.kind, name: incoming.clone() }, &step.key.name)
            }
            // In the model, references follow renames.
            Verb::Verify { .. } => Ok(()),
        }
    }

    fn create(&mut self, key: &Key, spec: &Spec) -> Result<(), Refusal> {
        let there = self.live.get(key).map(|there| there.id.as_ref().and_then(|id| kinds::by_id(&key.name, id)));
        let retired = match there {
            Some(Some(retired)) if key.kind.info().naming == Naming::Published => Some(retired),
            Some(_) => return Err(Refusal::NameTaken { key: key.clone() }),
            None => None,
        };
        for reference in spec.references() {
            if !self.exists(reference) {
                return Err(Refusal::BadReference { key: key.clone(), name: Arc::clone(&reference.name) });
            }
        }
        let broken = key.kind.check(spec, self).into_iter().chain(key.kind.check_create(spec, self)).next();
        if let Some(violation) = broken {
            return Err(Refusal::BrokenRule { key: key.clone(), message: violation.message });
        }
        // What is refused moves no name.
        if let Some(retired) = retired {
            self.rename(key, &retired)?;
        }
        self.n_created += 1;
        let live = Live {
            key: key.clone(),
            id: Some(ObjectId::new(format!("{MADE}{}", self.n_created))),
            spec: Ok(spec.read_back()),
            health: Health::Good,
            created_at: None,
            expires_at: None,
            mark: None,
            build: None,
            extra: serde_json::Map::new(),
        };
        self.insert(live);
        Ok(())
    }

    fn exists(&self, reference: &Reference) -> bool {
        reference.key().is_some_and(|key| self.live.contains_key(&key))
    }

    fn update(&mut self, key: &Key, changes: &[(&'static str, Value)]) -> Result<(), Refusal> {
        let live = self.live.get(key).ok_or_else(|| Refusal::NotFound { key: key.clone() })?;
        let Ok(spec) = &live.spec else { return Ok(()) };
        for (field, now) in key.kind.fields().iter().zip(spec.values()) {
            let Some((_, next)) = changes.iter().find(|(path, _)| *path == field.path) else { continue };
            let shrinks = now.as_ref().is_some_and(|now| now.would_shrink_to(next));
            if field.change.makes_anew() || (field.change == Change::GrowOnly && shrinks) {
                return Err(Refusal::BadChange { key: key.clone(), path: field.path });
            }
        }
        let changed = spec.with_changes(changes);
        if let Some(live) = self.remove(key) {
            self.insert(Live { spec: Ok(changed.read_back()), ..live });
        }
        Ok(())
    }

    fn rename(&mut self, key: &Key, to: &Name) -> Result<(), Refusal> {
        let new_key = Key { kind: key.kind, name: to.clone() };
        if self.live.contains_key(&new_key) && self.live.contains_key(key) {
            return Err(Refusal::NameTaken { key: new_key });
        }
        let live = self.remove(key).ok_or_else(|| Refusal::NotFound { key: key.clone() })?;
        self.insert(Live { key: new_key, ..live });
        let moved = Reference { kind: key.kind, name: key.name.as_str().into() };
        let new_name: Arc<str> = to.as_str().into();
        for holder in self.holders.get(key).cloned().unwrap_or_default() {
            let Some(mut live) = self.remove(&holder) else { continue };
            match &mut live.spec {
                Ok(spec) => *spec = spec.with_renamed_reference(&moved, &new_name),
                Err(unreadable) => {
                    for reference in unreadable.references.iter_mut().filter(|reference| **reference == moved) {
                        reference.name = Arc::clone(&new_name);
                    }
                }
            }
            self.insert(live);
        }
        Ok(())
    }

    fn delete(&mut self, key: &Key) -> Result<(), Refusal> {
        let holders = self.holders.get(key).cloned().unwrap_or_default();
        if let Some(by) = holders.iter().find(|holder| holder.kind.info().holds_its_source) {
            return Err(Refusal::InUse { key: key.clone(), by: by.clone() });
        }
        self.remove(key).ok_or_else(|| Refusal::NotFound { key: key.clone() })?;
        let gone = Reference { kind: key.kind, name: key.name.as_str().into() };
        for holder in holders {
            let Some(mut live) = self.remove(&holder) else { continue };
            let left = live.references().filter(|reference| **reference != gone).cloned().collect();
            live.spec = Err(Unreadable { why: format!("{key} is gone"), references: left });
            self.insert(live);
        }
        Ok(())
    }
}

impl Lookup for Model {
    fn spec(&self, kind: KindId, name: &str) -> Option<&Spec> {
        let key = Key { kind, name: kind.name(name).ok()? };
        self.live.get(&key)?.spec.as_ref().ok()
    }
}
