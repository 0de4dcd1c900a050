//! Everything that the planner may know, as values.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::inventory::{Inventory, Standing};
use crate::kinds::{Capacity, Key, KindId, Live, Lookup, Misnamed, Object, Reference, Spec};
use crate::types::{ObjectId, Timestamp};

/// What is live, as it was observed at one time, and what is known to be ours of it.
#[derive(Debug, Clone)]
pub struct World {
    live: BTreeMap<Key, Live>,
    holders: HashMap<Key, Vec<Key>>,
    names: HashMap<(KindId, ObjectId), Key>,
    /// What is owned, with its intents settled; `None` where nobody keeps a record, so that what is declared is
    /// recognised by its name alone.
    pub inventory: Option<Arc<Inventory>>,
    /// Who we are in what live objects say of themselves; `None` where nothing names us.
    pub owner: Option<Arc<str>>,
    /// What was on no record and says itself that it is ours, so that it is taken for recorded.
    pub recovered: BTreeSet<Key>,
    /// What other projects own, with the name of the record that says so.
    pub siblings: HashMap<(KindId, ObjectId), Arc<str>>,
    /// Live objects whose names are none that a manifest could have; they are reported and left alone.
    pub misnamed: Vec<Misnamed>,
    /// Kinds that this server does not have: nothing is known of their objects, which is not to say that there are none.
    pub unspoken: BTreeSet<KindId>,
    /// What the workspace uses and may use, if the server tells.
    pub capacity: Option<Capacity>,
    /// When it was observed.
    pub now: Timestamp,
}

impl World {
    /// Makes a world of live objects.
    pub fn new(live: impl IntoIterator<Item = Live>, now: Timestamp) -> Self {
        let live: BTreeMap<_, _> = live.into_iter().map(|live| (live.key.clone(), live)).collect();
        let with_id = live.values().filter_map(|live| Some(((live.key.kind, live.id.clone()?), live.key.clone())));
        let names = with_id.collect();
        let mut holders: HashMap<Key, Vec<Key>> = HashMap::new();
        for object in live.values() {
            for held in references_of(object) {
                let of_held = holders.entry(held).or_default();
                if of_held.last() != Some(&object.key) {
                    of_held.push(object.key.clone());
                }
            }
        }
        Self {
            live,
            holders,
            names,
            inventory: None,
            owner: None,
            recovered: BTreeSet::new(),
            siblings: HashMap::new(),
            misnamed: Vec::new(),
            unspoken: BTreeSet::new(),
            capacity: None,
            now,
        }
    }

    /// Takes another list of a kind for the one that was read.
    #[must_use]
    pub(super) fn with_list(mut self, kind: KindId, list: impl Iterator<Item = Live>) -> Self {
        self.live.retain(|key, _| key.kind != kind);
        self.with_more(list)
    }

    /// Adds live objects that were not seen at first.
    #[must_use]
    pub(super) fn with_more(self, more: impl IntoIterator<Item = Live>) -> Self {
        let Self {
            live,
            holders: _,
            names: _,
            inventory,
            owner,
            recovered,
            siblings,
            misnamed,
            unspoken,
            capacity,
            now,
        } = self;
        let world = Self::new(live.into_values().chain(more), now);
        Self { inventory, owner, recovered, siblings, misnamed, unspoken, capacity, ..world }
    }

    /// Adds what is known to be ours, once the live state has said what became of its open intents, and what of it is
    /// ours that is on no record. Who we are, and what others own, has to be known before.
    #[must_use]
    pub fn with_inventory(mut self, inventory: &Inventory) -> Self {
        let mut inventory = inventory.settled(&self);
        self.recovered = inventory.recover(&self);
        self.inventory = Some(Arc::new(inventory));
        self
    }

    /// Returns the name of another project's record that has this object.
    pub fn sibling(&self, live: &Live) -> Option<&Arc<str>> {
        self.siblings.get(&(live.key.kind, live.id.clone()?))
    }

    /// Returns whether an object says itself that it is ours.
    pub fn is_marked_ours(&self, live: &Live) -> bool {
        live.mark.as_ref().is_some_and(|mark| self.owner.as_ref() == Some(&mark.owner))
    }

    /// Returns whose an object is that says itself that it is not ours.
    pub fn marked_by_another<'a>(&self, live: &'a Live) -> Option<&'a Arc<str>> {
        live.mark.as_ref().map(|mark| &mark.owner).filter(|owner| self.owner.as_ref() != Some(owner))
    }

    /// Returns the live object with this id.
    pub fn by_id(&self, kind: KindId, id: &ObjectId) -> Option<&Live> {
        self.live.get(self.names.get(&(kind, id.clone()))?)
    }

    /// Returns the live object with this kind and name.
    pub fn get(&self, key: &Key) -> Option<&Live> {
        self.live.get(key)
    }

    /// Returns every live object, kind by kind and by name.
    pub fn iter(&self) -> impl Iterator<Item = &Live> {
        self.live.values()
    }

    /// Returns every live object that nobody owns: neither the record of what is owned nor one of the others has it, nor
    /// does it say itself that it is somebody's; or it was let go of.
    pub fn unmanaged(&self) -> impl Iterator<Item = &Live> {
        let is_recorded = |live: &Live| {
            let entry = self.inventory.as_ref().and_then(|inventory| inventory.entry_of(live));
            entry.is_some_and(|(_, entry)| entry.standing == Standing::Owned)
        };
        let is_others = |live: &Live| self.sibling(live).is_some() || self.marked_by_another(live).is_some();
        self.iter().filter(move |live| !is_recorded(live) && !is_others(live))
    }

    /// Returns the live objects that refer to this one, and so keep it from being deleted.
    pub fn holders(&self, key: &Key) -> impl Iterator<Item = &Live> {
        self.holders.get(key).into_iter().flatten().filter_map(|holder| self.live.get(holder))
    }
}

impl Lookup for World {
    fn spec(&self, kind: KindId, name: &str) -> Option<&Spec> {
        let key = Key { kind, name: kind.name(name).ok()? };
        self.live.get(&key)?.spec.as_ref().ok()
    }
}

fn references_of(object: &Live) -> impl Iterator<Item = Key> {
    object.references().filter_map(Reference::key)
}

/// What the manifests declare.
#[derive(Debug, Clone, Default)]
pub struct Desired {
    objects: BTreeMap<Key, Object>,
}

impl Desired {
    /// Makes a set of declared objects. Of two with one key, the manifests' check has reported; the last one counts.
    pub fn new(objects: impl IntoIterator<Item = Object>) -> Self {
        Self { objects: objects.into_iter().map(|object| (object.key.clone(), object)).collect() }
    }

    /// Returns the declared object with this kind and name.
    pub fn get(&self, key: &Key) -> Option<&Object> {
        self.objects.get(key)
    }

    /// Returns every declared object, each after all that it refers to.
    pub fn iter(&self) -> impl Iterator<Item = &Object> {
        self.objects.values()
    }

    /// Returns how many objects are declared.
    pub fn len(&self) -> usize {
        self.objects.len()
    }

    /// Returns the part of it that these objects and all that they refer to, and so on, make up.
    #[must_use]
    pub fn restricted_to(&self, is_asked_for: impl Fn(&Object) -> bool) -> Self {
        let mut part = BTreeMap::new();
        let mut queue: Vec<&Object> = self.objects.values().filter(|object| is_asked_for(object)).collect();
        while let Some(object) = queue.pop() {
            if part.insert(object.key.clone(), object.clone()).is_none() {
                let keys = object.spec.references().filter_map(Reference::key);
                queue.extend(keys.filter_map(|key| self.objects.get(&key)));
            }
        }
        Self { objects: part }
    }

    /// Returns whether nothing is declared.
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }
}

impl Lookup for Desired {
    fn spec(&self, kind: KindId, name: &str) -> Option<&Spec> {
        let key = Key { kind, name: kind.name(name).ok()? };
        self.objects.get(&key).map(|object| &object.spec)
    }
}

/// What there will be: what is declared, and what is live beside it.
pub(super) struct DeclaredOrLive<'a> {
    pub(super) desired: &'a Desired,
    pub(super) world: &'a World,
}

impl Lookup for DeclaredOrLive<'_> {
    fn spec(&self, kind: KindId, name: &str) -> Option<&Spec> {
        self.desired.spec(kind, name).or_else(|| self.world.spec(kind, name))
    }
}
