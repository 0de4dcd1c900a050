//! What says on the server itself whose an object is, beside the record of what is owned: labels, of kinds that have such.
//!
//! A mark names the object that it was made for. What is made from an object may inherit its labels, and is not ours for
//! that; and what a name pointed to once is still known by it.

use std::sync::Arc;

use super::hash::TextHash;
use super::kind::Key;
use super::reserved::known_by_id;
use super::spec::Spec;
use crate::types::Labels;

/// What the labels begin with that are no user's.
const PREFIX: &str = "sbx/";
const OWNER: &str = "sbx/owner";
const OBJECT: &str = "sbx/object";
const SPEC_HASH: &str = "sbx/spec-hash";

/// Whose a live object is, as its labels say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// The project that made it.
    pub owner: Arc<str>,
    /// The object that it was made for, such as `sandbox/box`.
    pub object: Arc<str>,
    /// A hash of what was declared then, without what a server never tells.
    pub spec_hash: Option<Arc<str>>,
}

impl Mark {
    /// Returns the mark of an object that `owner` makes as it is declared.
    pub fn new(owner: &Arc<str>, key: &Key, declared: &Spec) -> Self {
        Self { owner: Arc::clone(owner), object: key.to_string().into(), spec_hash: Some(spec_hash(declared).into()) }
    }

    /// Returns whether an object of this name, or one that the name pointed to, is what it was made for.
    pub fn is_of(&self, key: &Key) -> bool {
        let name = self.object.split_once('/').filter(|(kind, _)| *kind == key.kind.info().singular);
        let Some(name) = name.and_then(|(_, name)| key.kind.name(name).ok()) else { return false };
        let path = known_by_id(&key.name).map(|(path, _)| path);
        name == key.name || (path.is_some() && path == name.as_str().split(':').next())
    }

    /// Returns whether it was made of this very spec.
    pub fn is_made_of(&self, declared: &Spec) -> bool {
        self.spec_hash.as_deref() == Some(&*spec_hash(declared))
    }

    /// Returns the labels that say it.
    pub(super) fn labels(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let always = [(OWNER, &*self.owner), (OBJECT, &*self.object)];
        always.into_iter().chain(self.spec_hash.as_deref().map(|hash| (SPEC_HASH, hash)))
    }

    /// Takes a mark out of an object's labels, with all that are no user's.
    pub(super) fn take(labels: &mut Labels) -> Option<Self> {
        let own: Labels = labels.extract_if(PREFIX.to_owned().., |key, _| key.starts_with(PREFIX)).collect();
        Some(Self {
            owner: own.get(OWNER)?.as_str().into(),
            object: own.get(OBJECT)?.as_str().into(),
            spec_hash: own.get(SPEC_HASH).map(|hash| hash.as_str().into()),
        })
    }
}

/// Returns whether no manifest may declare a label with this key.
pub(super) fn is_reserved_label(key: &str) -> bool {
    key.starts_with(PREFIX)
}

/// What a server never gives back is not to be guessed from a hash either.
fn spec_hash(spec: &Spec) -> String {
    let mut hash = TextHash::new();
    hash.text(&spec.kind().recorded_as());
    for (field, value) in spec.kind().fields().iter().zip(spec.values()) {
        if let Some(value) = value.as_ref().filter(|_| field.change.is_told()) {
            hash.text(field.path);
            hash.text(&value.read_back().to_canonical(&|reference| reference.name.to_string()));
        }
    }
    format!("{:016x}", hash.value())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::kinds::{REGISTRY, SANDBOX_V2, SNAPSHOT, spec_from_json};

    fn key(kind: crate::kinds::KindId, name: &str) -> Key {
        let name = kind.name(name).unwrap();
        Key { kind, name }
    }

    fn mark() -> Mark {
        let spec = spec_from_json(SNAPSHOT, &json!({"docker_image": "a", "fs_capacity_bytes": "1Gi"})).unwrap();
        Mark::new(&"acme/prod".into(), &key(SNAPSHOT, "team/python:3.12"), &spec)
    }

    #[test]
    fn a_mark_is_of_its_object_and_of_nothing_that_inherits_it() {
        for name in ["team/python:3.12", "team/python@s-1"] {
            assert!(mark().is_of(&key(SNAPSHOT, name)), "{name}");
        }
        for name in ["team/python:3.13", "team/python", "python@s-1"] {
            assert!(!mark().is_of(&key(SNAPSHOT, name)), "{name}");
        }
        assert!(!mark().is_of(&key(SANDBOX_V2, "box")));
    }

    #[test]
    fn it_is_written_as_labels_that_are_no_users() {
        let mut labels =
            Labels::from([("sbx.team".to_owned(), "a".to_owned()), ("sbx/later".to_owned(), "x".to_owned())]);
        labels.extend(mark().labels().map(|(key, value)| (key.to_owned(), value.to_owned())));
        assert_eq!(labels.len(), 5);
        assert_eq!(Mark::take(&mut labels), Some(mark()));
        assert_eq!(labels.into_keys().collect::<Vec<_>>(), ["sbx.team"]);
        assert_eq!(Mark::take(&mut Labels::from([(OWNER.to_owned(), "a".to_owned())])), None);
    }

    /// It is written to servers: another version of the program has to understand it.
    #[test]
    fn the_hash_is_the_same_for_ever_and_of_what_is_meant() {
        assert_eq!(mark().spec_hash.as_deref(), Some("154a8b02e322fae9"));
        let spec = |size: &str| {
            spec_from_json(SNAPSHOT, &json!({"docker_image": "docker.io/library/a:latest", "fs_capacity_bytes": size}))
                .unwrap()
        };
        assert!(mark().is_made_of(&spec("1024Mi")) && !mark().is_made_of(&spec("2Gi")));
        let registry = |name: &str| {
            let json = json!({"url": "a", "username": name, "password": {"env": "A"}});
            spec_hash(&spec_from_json(REGISTRY, &json).unwrap())
        };
        assert_eq!(registry("one"), registry("other"), "what is never told is not in it");
    }
}
