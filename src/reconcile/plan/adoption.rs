//! Taking declared live objects into the record as they are: what rebuilds one that was lost.

use std::sync::Arc;

use super::rolling::Leftovers;
use super::{Action, Change, Policy, TakeOver, plan};
use crate::kinds::{Key, Live, Object};
use crate::reconcile::inventory::{Effect, Entry, Standing};
use crate::reconcile::world::{Desired, World};

/// What is taken into the record, and what is not.
#[derive(Debug, Clone, Default)]
pub struct Adoption {
    /// What changes in the record.
    pub effects: Vec<Effect>,
    /// Declared objects that are recorded, since they are live as they are declared, or were ours before.
    pub equal: Vec<Key>,
    /// Declared objects that are recorded as they are live, which is not as they are declared.
    pub different: Vec<Key>,
    /// What replacements left of declared objects under reserved names, recorded too.
    pub leftovers: Vec<Key>,
    /// Declared objects that are live otherwise, and that nobody allowed to be taken over.
    pub left_alone: Vec<Key>,
    /// Declared objects that another project owns, with the name of its record, or as they say themselves.
    pub siblings: Vec<(Key, Arc<str>)>,
    /// Declared objects that are not live.
    pub missing: Vec<Key>,
    /// How many declared objects are recorded already.
    pub n_owned: usize,
}

/// Returns what to record of the declared objects that are asked for. Nothing of it takes a call.
///
/// One that differs from what is declared is recorded with the spec that it has, so that the next plan shows the
/// difference as a change of the manifests and not as somebody's doing.
pub fn adopt(desired: &Desired, world: &World, take_over: &TakeOver, is_asked_for: impl Fn(&Key) -> bool) -> Adoption {
    let planned = plan(desired, world, &Policy::default());
    let leftovers = Leftovers::find(desired, world);
    let mut adoption = Adoption::default();
    for change in planned.changes.iter().filter(|change| is_asked_for(&change.key)) {
        let Some(object) = desired.get(&change.key) else { continue };
        adoption.take(change, object, world, take_over);
        for live in leftovers.of(&object.key).iter().filter(|live| !is_recorded(live, world)) {
            adoption.leftovers.push(live.key.clone());
            adoption.effects.extend(as_it_is(object, live));
        }
    }
    adoption
}

impl Adoption {
    /// Returns how many objects are recorded.
    pub fn len(&self) -> usize {
        self.effects.len()
    }

    /// Returns whether nothing is recorded.
    pub fn is_empty(&self) -> bool {
        self.effects.is_empty()
    }

    fn take(&mut self, change: &Change, object: &Object, world: &World, take_over: &TakeOver) {
        let name = change.was.as_ref().unwrap_or(&change.key.name);
        let live = world.get(&Key { kind: change.key.kind, name: name.clone() });
        let Some(live) = live.filter(|_| change.id.is_some() || change.action != Action::Create) else {
            return self.missing.push(object.key.clone());
        };
        let recorded = world.inventory.as_ref().and_then(|inventory| inventory.entry_of(live));
        if let Some((_, entry)) = recorded.filter(|_| !world.recovered.contains(&live.key)) {
            return self.take_up_again(entry, object, live);
        }
        if crate::kinds::is_reserved(&live.key.name) {
            // It is half replaced: what there is of it is recorded as what a replacement left.
            return;
        }
        let is_taken_over = take_over.has(&object.key);
        let others = world.sibling(live).or_else(|| world.marked_by_another(live).filter(|_| !is_taken_over));
        if let Some(owner) = others {
            return self.siblings.push((object.key.clone(), Arc::clone(owner)));
        }
        let is_equal = matches!(change.action, Action::Adopt | Action::Keep);
        let effect = if is_equal {
            Some(Effect::Put { key: live.key.clone(), entry: Entry::of(object, Some(live)) })
        } else if is_taken_over || world.is_marked_ours(live) {
            // That it is ours was never in doubt, only what was applied to it.
            as_it_is(object, live)
        } else {
            None
        };
        match effect {
            None => self.left_alone.push(object.key.clone()),
            Some(effect) => {
                self.effects.push(effect);
                if is_equal { &mut self.equal } else { &mut self.different }.push(object.key.clone());
            }
        }
    }

    fn take_up_again(&mut self, entry: &Entry, object: &Object, live: &Live) {
        if entry.standing == Standing::Owned {
            self.n_owned += 1;
            return;
        }
        let entry = Entry { standing: Standing::Owned, ..entry.clone() };
        self.effects.push(Effect::Put { key: live.key.clone(), entry });
        self.equal.push(object.key.clone());
    }
}

fn is_recorded(live: &Live, world: &World) -> bool {
    world.inventory.as_ref().is_some_and(|inventory| inventory.entry_of(live).is_some())
}

/// Records an object with the spec that it has; one that cannot be read has none to record.
fn as_it_is(object: &Object, live: &Live) -> Option<Effect> {
    let spec = live.spec.as_ref().ok()?.clone();
    let entry = Entry { applied: spec.into(), ..Entry::of(object, Some(live)) };
    Some(Effect::Put { key: live.key.clone(), entry })
}
