//! Objects that are on no record and say themselves that they are ours: the record of them was lost, or an end came before
//! it was written.

use std::collections::BTreeSet;

use super::{Effect, Entry, Inventory, Standing};
use crate::kinds::{Key, Lifecycle, Live};
use crate::reconcile::world::World;
use crate::types::Labels;

impl Inventory {
    /// Takes them in, as they are live, and returns their names.
    pub(in crate::reconcile) fn recover(&mut self, world: &World) -> BTreeSet<Key> {
        let lost: Vec<_> =
            world.iter().filter(|live| world.is_marked_ours(live) && self.is_lost(live, world)).collect();
        let mut recovered = BTreeSet::new();
        for live in lost {
            let Some(entry) = self.entry_for(live) else { continue };
            if let Some(effect) = self.displaced(&live.key, world) {
                self.apply(effect);
            }
            self.apply(Effect::Put { key: live.key.clone(), entry });
            recovered.insert(live.key.clone());
        }
        recovered
    }

    fn is_lost(&self, live: &Live, world: &World) -> bool {
        self.entry_of(live).is_none() && world.sibling(live).is_none()
    }

    /// How it was declared is gone with the record, unless that has another object of the name.
    fn entry_for(&self, live: &Live) -> Option<Entry> {
        let applied = live.spec.as_ref().ok()?.clone().into();
        let recorded = self.get(&live.key).cloned();
        let blank = || Entry {
            id: None,
            standing: Standing::Owned,
            applied,
            lifecycle: Lifecycle::default(),
            labels: Labels::new(),
            source: None,
            expires_at: None,
            extra: serde_json::Map::new(),
        };
        let entry = recorded.map_or_else(blank, |recorded| Entry { standing: Standing::Owned, ..recorded });
        Some(Entry { id: live.id.clone(), expires_at: live.expires_at, ..entry })
    }
}
