//! The tree that a document is read into.

use std::sync::Arc;

use super::scalar::{Scalar, ScalarKind};
use super::source::Span;

/// A value, and where it was written.
///
/// Cloning is cheap: the parts below are shared. That is also how aliases are resolved, so a tree may be much larger
/// walked than stored; [`Limits::alias_nodes`](super::Limits) bounds by how much.
#[derive(Debug, Clone)]
pub struct Node {
    /// Where it was written. For an alias this is the alias; the parts below are where the anchor is. For a value that
    /// was left out (`key:`) it is the key.
    pub span: Span,
    /// What it is.
    pub value: Value,
}

/// What a [`Node`] is.
#[derive(Debug, Clone)]
pub enum Value {
    /// A text, number, boolean or null.
    Scalar(Scalar),
    /// A list, in source order.
    Sequence(Arc<[Node]>),
    /// Keys with values, in source order, each key once; what a merge key brought in stands at the end.
    Mapping(Arc<[Entry]>),
}

/// One key of a mapping, with its value.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The key; always a scalar.
    pub key: Node,
    /// The value.
    pub value: Node,
}

impl Entry {
    /// Returns the key as text.
    pub fn name(&self) -> &str {
        self.key.as_scalar().map_or("", Scalar::text)
    }
}

impl Node {
    /// Returns the scalar that this is, if it is one.
    pub fn as_scalar(&self) -> Option<&Scalar> {
        match &self.value {
            Value::Scalar(scalar) => Some(scalar),
            Value::Sequence(_) | Value::Mapping(_) => None,
        }
    }

    /// Returns the items of the sequence that this is, if it is one.
    pub fn as_sequence(&self) -> Option<&[Self]> {
        match &self.value {
            Value::Sequence(items) => Some(items),
            Value::Scalar(_) | Value::Mapping(_) => None,
        }
    }

    /// Returns the entries of the mapping that this is, if it is one.
    pub fn as_mapping(&self) -> Option<&[Entry]> {
        match &self.value {
            Value::Mapping(entries) => Some(entries),
            Value::Scalar(_) | Value::Sequence(_) => None,
        }
    }

    /// Returns whether this is null, written out or left out.
    pub fn is_null(&self) -> bool {
        self.as_scalar().is_some_and(|scalar| scalar.kind() == ScalarKind::Null)
    }

    /// Returns the entry with this key; nothing when there is none, or when this is no mapping.
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.as_mapping()?.iter().find(|entry| entry.name() == key)
    }

    /// Returns the value under this key; nothing when there is none, or when this is no mapping.
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// Returns what this is, with its article: `an integer`, `a mapping`.
    pub fn type_name(&self) -> &'static str {
        match &self.value {
            Value::Scalar(scalar) => scalar.kind().name(),
            Value::Sequence(_) => "a sequence",
            Value::Mapping(_) => "a mapping",
        }
    }

    /// Returns the place that stands for this node in a report: its first key or item, and not lines of text.
    pub fn head(&self) -> Span {
        let mut node = self;
        loop {
            let first = match &node.value {
                Value::Scalar(_) => None,
                Value::Sequence(items) => items.first(),
                Value::Mapping(entries) => entries.first().map(|entry| &entry.key),
            };
            match first {
                Some(first) => node = first,
                None => return node.span,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::tests::{good, text_at};

    #[test]
    fn a_node_is_small() {
        // Ten thousand manifests have a quarter of a million nodes.
        assert!(size_of::<Node>() <= 40, "{}", size_of::<Node>());
    }

    #[test]
    fn clones_share_what_is_below() {
        let (_, root) = good("a: [1, 2]\n");
        let clone = root.clone();
        assert!(std::ptr::eq(root.as_mapping().unwrap(), clone.as_mapping().unwrap()));
    }

    #[test]
    fn the_head_is_the_first_thing_that_is_written() {
        let (documents, root) = good("a:\n  - - b: 1\n      c: 2\n    - {}\n");
        let head = |path: &str| text_at(&documents, root.at(path).unwrap().value.head());
        assert_eq!((head(""), head("a"), head("a[0][1]")), ("a", "b", "{}"));
    }

    #[test]
    fn lookups_on_other_things_find_nothing() {
        let (_, root) = good("a: [b]\n");
        assert!(root.get("b").is_none());
        assert!(root.get("a").unwrap().get("b").is_none());
        assert_eq!(root.entry("a").map(Entry::name), Some("a"));
    }
}
