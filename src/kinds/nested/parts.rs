//! Where two nested values differ, part by part.

use std::collections::BTreeSet;

use super::{Nested, Tree, is_satisfied};
use crate::kinds::form::{Form, ListForm, ObjectForm};

/// A part that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Where it is below the value, such as `rules[github].match_hosts`; empty for the value as a whole.
    pub path: String,
    /// What it is; `None` if it is not there.
    pub from: Option<Tree>,
    /// What it becomes; `None` if it goes away.
    pub to: Option<Tree>,
    /// Whether it stays as it was when the object was created, so that the change is refused.
    pub is_fixed: bool,
}

impl Part {
    /// Returns where it is, below a field.
    pub fn in_field(&self, field: &str) -> String {
        let dot = if self.path.is_empty() || self.path.starts_with(['[', ' ']) { "" } else { "." };
        format!("{field}{dot}{}", self.path)
    }
}

impl Nested {
    /// Returns the parts in which `to` is not satisfied by `from`, in the order of the form. One that appears or goes away
    /// is told word by word.
    pub(in crate::kinds) fn parts(from: Option<&Self>, to: Option<&Self>) -> Vec<Part> {
        let mut parts = Vec::new();
        if let Some(form) = from.or(to).map(|value| value.form) {
            walk(form, "", false, from.map(|value| &value.tree), to.map(|value| &value.tree), &mut parts);
        }
        parts
    }
}

fn walk(form: &Form, path: &str, is_fixed: bool, from: Option<&Tree>, to: Option<&Tree>, out: &mut Vec<Part>) {
    match (from, to) {
        (None, None) => return,
        (Some(from), Some(to)) if is_satisfied(form, to, from) => return,
        (Some(tree), None) | (None, Some(tree)) if tree.is_empty() && !path.is_empty() => return,
        _ => {}
    }
    match form {
        Form::Object(form) => object(form, path, from, to, out),
        Form::List(list @ ListForm { key: Some(key), .. }) => keyed(list, key, path, from, to, out),
        Form::Map(form) => {
            let names: BTreeSet<_> =
                [from, to].into_iter().flatten().flat_map(Tree::members).map(|(name, _)| name).collect();
            for name in names {
                let of = |tree: Option<&'_ Tree>| tree.and_then(|tree| member(tree, name)).cloned();
                walk(form, &below(path, name), false, of(from).as_ref(), of(to).as_ref(), out);
            }
        }
        _ => out.push(Part { path: path.to_owned(), from: from.cloned(), to: to.cloned(), is_fixed }),
    }
}

fn object(form: &ObjectForm, path: &str, from: Option<&Tree>, to: Option<&Tree>, out: &mut Vec<Part>) {
    for part in form.members {
        let of = |tree: Option<&Tree>| tree.and_then(|tree| member(tree, part.name)).cloned();
        let (old, new) = (of(from), of(to));
        // What is left alone is no difference.
        if new.is_some() || to.is_none() || !part.form.is_single() || old.is_none() {
            walk(&part.form, &below(path, part.name), part.is_fixed, old.as_ref(), new.as_ref(), out);
        }
    }
}

fn keyed(list: &ListForm, key: &str, path: &str, from: Option<&Tree>, to: Option<&Tree>, out: &mut Vec<Part>) {
    let keys = |tree: Option<&Tree>| -> Vec<Tree> {
        tree.into_iter().flat_map(Tree::items).filter_map(|item| item.get(key).cloned()).collect()
    };
    let (old, new) = (keys(from), keys(to));
    for name in old.iter().chain(new.iter().filter(|name| !old.contains(name))) {
        let of = |tree: Option<&Tree>| {
            tree.into_iter().flat_map(Tree::items).find(|item| item.get(key) == Some(name)).cloned()
        };
        walk(&list.of, &format!("{path}[{name}]"), false, of(from).as_ref(), of(to).as_ref(), out);
    }
    let stay = |keys: &[Tree], others: &[Tree]| -> Vec<Tree> {
        keys.iter().filter(|key| others.contains(key)).cloned().collect()
    };
    let (stay_old, stay_new) = (stay(&old, &new), stay(&new, &old));
    if list.is_ordered && stay_old != stay_new {
        let order = |keys| Some(Tree::List(keys));
        out.push(Part { path: format!("{path} (order)"), from: order(old), to: order(new), is_fixed: false });
    }
}

fn member<'a>(tree: &'a Tree, name: &str) -> Option<&'a Tree> {
    if let Tree::Object(members) = tree { members.get(name) } else { None }
}

fn below(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}
