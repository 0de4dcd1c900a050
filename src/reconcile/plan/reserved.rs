//! Reserved names: what objects are called while they are built beside those whose place they take, and after they gave
//! their place to others.
//!
//! A reserved name is a function of the declared name and of what the object is: `NAME--sbx-HASH`. So a rollout that is
//! begun again finds what it has built already, one that is taken back finds what was there before, and whoever sees
//! such an object can tell from it alone whose it is. Only fields that cannot change in place count, as the others make
//! no other object; of what an object refers to it counts what that is and not how it is called, since that changes
//! half way.

use super::parking::parking_name;
use crate::kinds::{self, Absent, Key, Live, Lookup as _, Reference, Spec, TextHash, reserved_name};
use crate::reconcile::world::World;
use crate::types::Name;

/// How many names there are for one object: the first that is free is taken, so that two that are equal in all that
/// counts can stand side by side.
const VARIANTS: u8 = 4;

/// Returns the names, best first, for an object that is or was declared as `declared`.
pub(super) fn names(declared: &Key, fingerprint: u64) -> impl Iterator<Item = Name> + '_ {
    (0..VARIANTS).map(move |variant| {
        let (fingerprint, variant) = (fingerprint.to_string(), variant.to_string());
        let parts = [&*declared.kind.recorded_as(), declared.name.as_str(), &fingerprint, &variant];
        reserved_name(&declared.name, &parts)
    })
}

/// Returns whether a replacement of the declared object may have given an object its name. One that steps aside for others
/// has such a name too, and is none that is replaced.
pub(super) fn is_for(declared: &Key, live: &Live) -> bool {
    let start = kinds::reserved_start_of(&live.key.name);
    let is_parked = |id| parking_name(declared, id) == live.key.name;
    declared.kind == live.key.kind
        && (start == Some(kinds::reserved_start(&declared.name)) || is_published_as(declared, live))
        && !live.id.as_ref().is_some_and(is_parked)
}

/// Returns whether a live object that no name points to was published under that of a declared one.
fn is_published_as(declared: &Key, live: &Live) -> bool {
    let path = kinds::known_by_id(&live.key.name).map(|(path, _)| path);
    path.is_some() && path == declared.name.as_str().split(':').next()
}

/// Returns whether the name of a live object is one that an object declared as `declared` has when it is what this one
/// is. What was left to the server may have been filled in since.
pub(super) fn is_of(declared: &Key, live: &Live, world: &World) -> bool {
    let Ok(spec) = &live.spec else { return false };
    let own = |leaves: Leaves| {
        let of = |reference: &Reference| fingerprint_of_live(reference, leaves, world);
        names(declared, fingerprint(spec, leaves, &of)).any(|name| name == live.key.name)
    };
    declared.kind == live.key.kind && (own(Leaves::In) || own(Leaves::Out))
}

/// Whether fields count whose absence leaves the choice to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leaves {
    In,
    Out,
}

/// Returns what an object with this spec is, as a number, where `of` says what it refers to.
pub(super) fn fingerprint(spec: &Spec, leaves: Leaves, of: &dyn Fn(&Reference) -> u64) -> u64 {
    let mut hash = TextHash::new();
    hash.text(&spec.kind().recorded_as());
    for (field, value) in spec.kind().fields().iter().zip(spec.values()) {
        let counts = field.change.makes_anew() && (leaves == Leaves::In || field.absent != Absent::LeaveAlone);
        if let Some(value) = value.as_ref().filter(|_| counts) {
            hash.text(field.path);
            hash.text(&value.to_canonical(&|reference| of(reference).to_string()));
        }
    }
    hash.value()
}

/// Returns what a live object is that another one refers to; 0 if there is none that can be read.
pub(super) fn fingerprint_of_live(reference: &Reference, leaves: Leaves, world: &World) -> u64 {
    let spec = world.spec(reference.kind, &reference.name);
    spec.map_or(0, |spec| fingerprint(spec, leaves, &|reference| fingerprint_of_live(reference, leaves, world)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names_of(name: &str) -> Vec<String> {
        let key = Key { kind: kinds::TEMPLATE, name: Name::parse(name).expect("a name") };
        names(&key, 7).map(|name| name.to_string()).collect()
    }

    /// They are written to servers: another version of the program has to find them again.
    #[test]
    fn names_are_the_same_for_ever() {
        assert_eq!(
            names_of("python"),
            ["python--sbx-fc0c5d26", "python--sbx-220ed78f", "python--sbx-b0076854", "python--sbx-d609e2bd"]
        );
    }

    #[test]
    fn names_that_are_cut_are_told_apart() {
        let (one, other) = (names_of(&("a".repeat(62) + "b")), names_of(&("a".repeat(62) + "c")));
        assert!(one.iter().all(|name| name.len() == Name::MAX_LEN && !other.contains(name)));
    }
}
