//! The names under which objects wait while others take their places: where renames go in a circle, one of them has to
//! step aside.
//!
//! Such a name says whose it is: it is made from the name that the object had and its id, so that a run that finds it
//! knows where the object belongs, also if nobody wrote that down.

use std::collections::HashMap;

use super::renames::old_key;
use crate::kinds::{self, Key, Live};
use crate::reconcile::world::{Desired, World};
use crate::types::{Name, ObjectId};

/// Returns the name under which the object of this name and id waits.
pub(super) fn parking_name(key: &Key, id: &ObjectId) -> Name {
    kinds::reserved_name(&key.name, &["parked", key.kind.info().singular, key.name.as_str(), id.as_str()])
}

/// Returns the objects that wait, by the names that they had.
pub(super) fn parked<'a>(desired: &Desired, world: &'a World) -> HashMap<Key, &'a Live> {
    let reserved: Vec<_> = world.iter().filter(|live| kinds::is_reserved(&live.key.name)).collect();
    if reserved.is_empty() {
        return HashMap::new();
    }
    let names = desired.iter().flat_map(|object| [Some(object.key.clone()), old_key(object)]).flatten();
    let found = names.filter_map(|key| {
        let waits = |live: &&&Live| {
            let is_its = |id| parking_name(&key, id) == live.key.name;
            live.key.kind == key.kind && live.id.as_ref().is_some_and(is_its)
        };
        let live = reserved.iter().find(waits)?;
        Some((key, *live))
    });
    found.collect()
}
