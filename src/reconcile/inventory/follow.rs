//! What was applied refers to other objects by their names, and objects get other names.

use super::{Entry, Inventory};
use crate::kinds::{Key, Reference, Shape, is_reserved};

impl Inventory {
    /// Lets what was applied with the old name of an object refer to it by its new one. What a replacement gives its name
    /// away for is meant by that name no longer, and nothing follows it.
    pub(super) fn follow(&mut self, from: &Key, to: &Key) {
        if is_reserved(&from.name) || is_reserved(&to.name) {
            return;
        }
        let old = Reference { kind: from.kind, name: from.name.as_str().into() };
        let new = to.name.as_str().into();
        for entry in self.entries.values_mut().filter(|entry| may_refer(entry, &old)) {
            let Some(applied) = entry.applied().filter(|spec| spec.references().any(|one| *one == old)) else {
                continue;
            };
            entry.applied = applied.with_renamed_reference(&old, &new).into();
        }
    }
}

/// What was applied is read only if its kind has such references at all.
fn may_refer(entry: &Entry, to: &Reference) -> bool {
    let refers = |shape: Shape| matches!(shape, Shape::Reference(kind) | Shape::Mounts(kind) if kind == to.kind);
    entry.applied.kind().fields().iter().any(|field| refers(field.shape))
}
