//! Values that have parts, and what is a difference between two of them.

mod decode;
mod json;
mod parts;
mod schema;
mod wire;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::form::{Form, ListForm, ObjectForm};
use super::secret::SecretRef;
use crate::types::ByteSize;

pub use parts::Part;
pub(super) use schema::{outline, schema};
pub(super) use wire::{from_wire, overlay, residue, to_wire};

/// A value that has parts, with its form.
#[derive(Clone)]
pub struct Nested {
    pub(super) form: &'static Form,
    pub(super) tree: Tree,
}

/// A part, down to single words.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Tree {
    /// A text.
    Text(Arc<str>),
    /// A number.
    Number(u64),
    /// `true` or `false`.
    Flag(bool),
    /// A size in bytes.
    Size(ByteSize),
    /// Where a secret is.
    Secret(SecretRef),
    /// A secret that the workspace keeps, by its name.
    Workspace(Arc<str>),
    /// A secret that is there, and that nobody tells.
    Untold,
    /// Items.
    List(Vec<Self>),
    /// Parts by their names.
    Object(BTreeMap<Arc<str>, Self>),
}

impl Tree {
    /// Returns the parts by their names; none of anything that has no such.
    pub(super) fn members(&self) -> impl Iterator<Item = (&Arc<str>, &Self)> {
        if let Self::Object(members) = self { Some(members) } else { None }.into_iter().flatten()
    }

    /// Returns the items; none of anything that is no list.
    pub(super) fn items(&self) -> &[Self] {
        if let Self::List(items) = self { items } else { &[] }
    }

    /// Returns the part at a path of names with dots.
    pub(super) fn get(&self, path: &str) -> Option<&Self> {
        path.split('.').try_fold(self, |tree, name| match tree {
            Self::Object(members) => members.get(name),
            _ => None,
        })
    }

    /// Returns the text that it is.
    pub(super) fn as_text(&self) -> Option<&Arc<str>> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    /// Returns whether there is nothing in it.
    fn is_empty(&self) -> bool {
        match self {
            Self::List(items) => items.is_empty(),
            Self::Object(members) => members.values().all(Self::is_empty),
            _ => false,
        }
    }

    /// Calls `visit` for each part that has none below it.
    fn leaves<'a>(&'a self, visit: &mut dyn FnMut(&'a Self)) {
        match self {
            Self::List(items) => items.iter().for_each(|item| item.leaves(visit)),
            Self::Object(members) => members.values().for_each(|member| member.leaves(visit)),
            leaf => visit(leaf),
        }
    }

    fn read_back(&self) -> Self {
        match self {
            Self::Secret(_) => Self::Untold,
            Self::List(items) => Self::List(items.iter().map(Self::read_back).collect()),
            Self::Object(members) => {
                Self::Object(members.iter().map(|(name, member)| (Arc::clone(name), member.read_back())).collect())
            }
            leaf => leaf.clone(),
        }
    }
}

impl Nested {
    /// Returns the secrets that it names.
    pub(super) fn secrets(&self) -> Vec<&SecretRef> {
        let mut secrets = Vec::new();
        self.tree.leaves(&mut |leaf| {
            if let Tree::Secret(secret) = leaf {
                secrets.push(secret);
            }
        });
        secrets
    }

    /// Returns whether it has a secret that nobody tells.
    pub(super) fn has_untold(&self) -> bool {
        let mut found = false;
        self.tree.leaves(&mut |leaf| found |= *leaf == Tree::Untold);
        found
    }

    /// Returns it as a server gives it back: of secrets only that they are there.
    pub(super) fn read_back(&self) -> Self {
        Self { form: self.form, tree: self.tree.read_back() }
    }

    /// Returns whether a live value is what this declared one asks for.
    ///
    /// Lists, maps and objects are as they are declared, or not there if they are not. Single words that are left out
    /// are left alone: servers fill them in.
    pub(super) fn is_satisfied_by(&self, live: &Self) -> bool {
        is_satisfied(self.form, &self.tree, &live.tree)
    }

    /// Returns whether nothing at all is what it asks for.
    pub(super) fn is_satisfied_by_absence(&self) -> bool {
        self.tree.is_empty()
    }

    /// Returns this declared value with what a live one has and it leaves alone.
    pub(super) fn settled(&self, live: &Self) -> Self {
        Self { form: self.form, tree: settled(self.form, &self.tree, &live.tree) }
    }
}

impl PartialEq for Nested {
    fn eq(&self, other: &Self) -> bool {
        self.tree == other.tree
    }
}

impl Eq for Nested {}

impl fmt::Debug for Nested {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.tree, f)
    }
}

impl fmt::Display for Nested {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.tree, f)
    }
}

fn is_satisfied(form: &Form, declared: &Tree, live: &Tree) -> bool {
    match (form, declared, live) {
        (_, Tree::Secret(_), Tree::Untold) => true,
        (Form::Object(form), Tree::Object(declared), Tree::Object(live)) => {
            form.members.iter().all(|member| match (declared.get(member.name), live.get(member.name)) {
                (Some(declared), Some(live)) => is_satisfied(&member.form, declared, live),
                (Some(declared), None) => declared.is_empty(),
                (None, Some(live)) => is_left_alone(form, member.name, declared) || live.is_empty(),
                (None, None) => true,
            })
        }
        (Form::Map(form), Tree::Object(declared), Tree::Object(live)) => {
            declared.len() == live.len()
                && declared.iter().zip(live).all(|(d, l)| d.0 == l.0 && is_satisfied(form, d.1, l.1))
        }
        (Form::List(form), Tree::List(declared), Tree::List(live)) => is_list_satisfied(form, declared, live),
        _ => declared == live,
    }
}

fn is_list_satisfied(form: &ListForm, declared: &[Tree], live: &[Tree]) -> bool {
    if declared.len() != live.len() {
        return false;
    }
    if form.is_ordered {
        return declared.iter().zip(live).all(|(declared, live)| is_satisfied(&form.of, declared, live));
    }
    // Each takes one that is left.
    let mut rest: Vec<&Tree> = live.iter().collect();
    declared.iter().all(|declared| {
        let found = rest.iter().position(|live| is_satisfied(&form.of, declared, live));
        found.map(|index| rest.swap_remove(index)).is_some()
    })
}

/// Returns whether a member that is not declared stays as it is live.
fn is_left_alone(form: &ObjectForm, name: &str, declared: &BTreeMap<Arc<str>, Tree>) -> bool {
    let is_single = form.member(name).is_some_and(|member| member.form.is_single());
    is_single && !declared.keys().any(|other| form.excludes(name, other))
}

fn settled(form: &Form, declared: &Tree, live: &Tree) -> Tree {
    match (form, declared, live) {
        (Form::Object(form), Tree::Object(parts), Tree::Object(live)) => {
            let mut out = parts.clone();
            for (name, live) in live {
                match (form.member(name), out.get_mut(name)) {
                    (Some(member), Some(part)) => *part = settled(&member.form, part, live),
                    (Some(_), None) if is_left_alone(form, name, parts) => {
                        out.insert(Arc::clone(name), live.clone());
                    }
                    _ => {}
                }
            }
            Tree::Object(out)
        }
        (Form::List(ListForm { of, key: Some(key), .. }), Tree::List(items), Tree::List(live)) => {
            let find = |item: &Tree| live.iter().find(|live| live.get(key) == item.get(key));
            let items =
                items.iter().map(|item| find(item).map_or_else(|| item.clone(), |live| settled(of, item, live)));
            Tree::List(items.collect())
        }
        _ => declared.clone(),
    }
}

#[cfg(test)]
mod tests;
