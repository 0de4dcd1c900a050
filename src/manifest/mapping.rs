//! Building one mapping: keys with values, each key once, merge keys resolved.

use std::collections::HashMap;
use std::sync::Arc;

use super::diagnostic::{Diagnostic, code, shown};
use super::node::{Entry, Node, Value};
use super::scalar::{Scalar, ScalarStyle};
use super::source::Span;

/// From how many entries on the keys of a mapping are looked up in a table.
const TABLE_FROM: usize = 16;

/// A mapping that is still open.
#[derive(Default)]
pub(super) struct Mapping {
    entries: Vec<Entry>,
    /// Where each key is in `entries`; empty until there are many.
    table: HashMap<Arc<str>, usize>,
    pending: Pending,
    /// The place of the first merge key.
    merge_key: Option<Span>,
    merged: Vec<Node>,
}

/// What the next value of a mapping belongs to.
#[derive(Default)]
enum Pending {
    /// Nothing: the next node is a key.
    #[default]
    Key,
    /// A key that was good.
    Value(Node),
    /// A key that was reported; its value is dropped.
    Dropped,
    /// A merge key.
    Merge,
}

impl Mapping {
    /// Takes the next key or value.
    pub(super) fn take(&mut self, node: Node) -> Option<Diagnostic> {
        match std::mem::take(&mut self.pending) {
            Pending::Key => match self.take_key(node) {
                Ok(pending) => {
                    self.pending = pending;
                    None
                }
                Err(problem) => {
                    self.pending = Pending::Dropped;
                    Some(problem)
                }
            },
            Pending::Value(key) => {
                self.insert(Entry { value: placed(node, key.span), key });
                None
            }
            Pending::Dropped => None,
            Pending::Merge => self.merge(node),
        }
    }

    fn take_key(&mut self, node: Node) -> Result<Pending, Diagnostic> {
        let Some(key) = node.as_scalar() else {
            let error = Diagnostic::error(code::BAD_KEY, "a key must be a plain text");
            return Err(error.primary(node.head(), format!("{} cannot be a key", node.type_name())));
        };
        if key.style() == ScalarStyle::Plain && key.text().is_empty() {
            return Err(Diagnostic::error(code::BAD_KEY, "a key is missing").primary(node.span, "expected a key here"));
        }
        let is_merge = key.style() == ScalarStyle::Plain && key.text() == "<<";
        let first = if is_merge { self.merge_key } else { self.find(key.text()).map(|entry| entry.key.span) };
        if let Some(first) = first {
            let error = Diagnostic::error(code::DUPLICATE_KEY, format!("duplicate key `{}`", shown(key.text())));
            let error = error.primary(node.span, "given again here").secondary(first, "first given here");
            return Err(if is_merge {
                error.help("merge several mappings with a list: `<<: [*a, *b]`")
            } else {
                error
            });
        }
        if is_merge {
            self.merge_key = Some(node.span);
            return Ok(Pending::Merge);
        }
        Ok(Pending::Value(node))
    }

    /// Takes the value of a merge key: a mapping or a sequence of mappings (YAML 1.1's `<<`, which 1.2 dropped and all
    /// the world kept).
    fn merge(&mut self, node: Node) -> Option<Diagnostic> {
        let misfit = match &node.value {
            Value::Mapping(_) => None,
            Value::Sequence(items) => items.iter().find(|item| item.as_mapping().is_none()),
            Value::Scalar(_) => Some(&node),
        };
        if let Some(misfit) = misfit {
            let error = Diagnostic::error(code::ALIAS, "a merge key needs a mapping, or a sequence of mappings");
            return Some(error.primary(misfit.head(), format!("found {}", misfit.type_name())));
        }
        match node.value {
            Value::Sequence(items) => self.merged.extend(items.iter().cloned()),
            _ => self.merged.push(node),
        }
        None
    }

    fn find(&self, key: &str) -> Option<&Entry> {
        if self.table.is_empty() {
            return self.entries.iter().find(|entry| entry.name() == key);
        }
        self.table.get(key).map(|&index| &self.entries[index])
    }

    fn insert(&mut self, entry: Entry) {
        let index = self.entries.len();
        if index == TABLE_FROM {
            self.table = self.entries.iter().map(key_text).zip(0..).collect();
        }
        if index >= TABLE_FROM {
            self.table.insert(key_text(&entry), index);
        }
        self.entries.push(entry);
    }

    /// Returns all entries: those written here, then those that were merged in, the first of equal ones winning.
    pub(super) fn into_entries(mut self) -> Arc<[Entry]> {
        for source in std::mem::take(&mut self.merged) {
            for entry in source.as_mapping().unwrap_or_default() {
                if self.find(entry.name()).is_none() {
                    self.insert(entry.clone());
                }
            }
        }
        self.entries.into()
    }
}

fn key_text(entry: &Entry) -> Arc<str> {
    entry.key.as_scalar().map(Scalar::shared_text).expect("only scalars are let in as keys")
}

/// Gives a value that was left out the place of its key, so that it can be pointed at.
fn placed(mut value: Node, key: Span) -> Node {
    let is_empty =
        value.as_scalar().is_some_and(|scalar| scalar.text().is_empty() && scalar.style() == ScalarStyle::Plain);
    if is_empty {
        value.span = key;
    }
    value
}
