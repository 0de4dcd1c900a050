//! What somebody changed behind the manifests' back, where that is to stay: it counts as declared.
//!
//! It is settled before anything is decided, so that it stays in a replacement too.

use std::borrow::Cow;
use std::collections::HashMap;

use super::matching::Matches;
use super::note::Note;
use super::ownership::{Owner, attribute};
use super::{OnDrift, Policy};
use crate::kinds::{Key, Live, Object};
use crate::reconcile::diff::{Cause, diff};
use crate::reconcile::world::{Desired, World};

/// The fields that stay as they are live, by object.
#[derive(Default)]
pub(super) struct Held {
    paths: HashMap<Key, Vec<&'static str>>,
}

impl Held {
    /// Returns what stays, and what is declared with that in it. Without [`OnDrift::Hold`] nothing does.
    pub(super) fn find<'a>(
        desired: Cow<'a, Desired>,
        all: &Desired,
        world: &World,
        policy: &Policy,
    ) -> (Self, Cow<'a, Desired>) {
        if policy.on_drift != OnDrift::Hold {
            return (Self::default(), desired);
        }
        let mut held = Self::default();
        let matches = Matches::of(&desired, world);
        let objects = desired.iter().map(|object| {
            let live = matches.of_declared(&object.key).and_then(|found| found.live);
            live.and_then(|live| held.hold(object, live, all, world)).unwrap_or_else(|| object.clone())
        });
        let desired = Desired::new(objects);
        (held, Cow::Owned(desired))
    }

    fn hold(&mut self, object: &Object, live: &Live, all: &Desired, world: &World) -> Option<Object> {
        // Another object that somebody made under its name is not drift, and not ours to leave alone.
        let entry = Owner::of(live, world).entry()?;
        let live = live.spec.as_ref().ok()?;
        let mut fields = diff(&object.spec, live, &|declared, live| declared == live);
        attribute(&mut fields, &object.spec, entry, all, world);
        fields.retain(|field| field.cause == Cause::Drift);
        let paths: Vec<_> = fields.iter().map(|field| field.path).collect();
        let spec = object.spec.with_fields_of(live, &paths);
        (!paths.is_empty()).then(|| {
            self.paths.insert(object.key.clone(), paths);
            Object { spec, ..object.clone() }
        })
    }

    /// Returns the note that says what of an object stays, if anything does.
    pub(super) fn note(&self, key: &Key) -> Option<Note> {
        Some(Note::DriftHeld { paths: self.paths.get(key)?.clone() })
    }
}
