//! Reading nested values from manifests. Everything that is wrong is reported, each under its place.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Nested, Tree};
use crate::kinds::form::{Form, ListForm, ObjectForm, Secrecy};
use crate::kinds::read::{self, code};
use crate::kinds::secret::SecretRef;
use crate::manifest::{Diagnostic, Diagnostics, Fields, Node};

impl Nested {
    /// Reads a value of this form.
    pub(in crate::kinds) fn decode(
        form: &'static Form,
        name: &str,
        node: &Node,
        out: &mut Diagnostics,
    ) -> Option<Self> {
        Some(Self { form, tree: decode(form, name, node, out)? })
    }
}

fn decode(form: &Form, name: &str, node: &Node, out: &mut Diagnostics) -> Option<Tree> {
    let what = format!("`{name}`");
    match form {
        Form::Text(most) => text(*most, &what, node, out),
        Form::Path => read::mount_path(node, out).map(|path| Tree::Text(path.into())),
        Form::Choice(words) => choice(words, &what, node, out),
        Form::Number(least, most) => {
            let number = read::number(node, &what, out)?;
            if (*least..=*most).contains(&number) {
                return Some(Tree::Number(number));
            }
            let limits = if *most == u64::MAX { format!("at least {least}") } else { format!("{least} to {most}") };
            let diagnostic = Diagnostic::error(code::BAD_NUMBER, format!("{what} cannot be {number}"));
            out.push(diagnostic.primary(node.span, limits));
            None
        }
        Form::Flag => node.boolean(&what, out).map(Tree::Flag),
        Form::Size => read::quantity(node, "a size", "1Gi", out).map(Tree::Size),
        Form::Secret(secrecy) => secret(*secrecy, &what, node, out),
        Form::Map(form) => {
            let entries = node.mapping(&what, out)?;
            let read: Vec<_> = entries
                .iter()
                .map(|entry| Some((Arc::from(entry.name()), decode(form, entry.name(), &entry.value, out)?)))
                .collect();
            read.into_iter().collect::<Option<_>>().map(Tree::Object)
        }
        Form::List(form) => list(form, name, node, out),
        Form::Object(form) => object(form, node, out),
    }
}

fn text(most: usize, what: &str, node: &Node, out: &mut Diagnostics) -> Option<Tree> {
    let text = read::text(node, what, out)?;
    let n = text.chars().count();
    if n > most {
        let diagnostic = Diagnostic::error(code::TOO_LONG, format!("{what} has {n} characters"));
        out.push(diagnostic.primary(node.head(), format!("at most {most}")));
        return None;
    }
    Some(Tree::Text(text))
}

fn choice(words: &[&'static str], what: &str, node: &Node, out: &mut Diagnostics) -> Option<Tree> {
    let text = node.text(what, out)?;
    if words.contains(&text) {
        return Some(Tree::Text(text.into()));
    }
    let diagnostic = Diagnostic::error(code::BAD_WORD, format!("{what} cannot be `{text}`"));
    out.push(diagnostic.primary(node.span, format!("one of {}", words.join(", "))));
    None
}

fn secret(secrecy: Secrecy, what: &str, node: &Node, out: &mut Diagnostics) -> Option<Tree> {
    if secrecy != Secrecy::Credential && node.as_mapping().is_none() {
        return node.text(what, out).map(|text| Tree::Text(text.into()));
    }
    let single = node.as_mapping().filter(|entries| entries.len() == 1).and_then(|entries| entries.first());
    if let Some(entry) = single.filter(|_| secrecy != Secrecy::Variable) {
        match entry.name() {
            "workspace_secret" => return read::text(&entry.value, "the name of a secret", out).map(Tree::Workspace),
            "is_set" if entry.value.boolean("`is_set`", out) == Some(true) => return Some(Tree::Untold),
            _ => {}
        }
    }
    let read: SecretRef = read::secret(node, what, out)?;
    Some(Tree::Secret(read))
}

fn list(form: &ListForm, name: &str, node: &Node, out: &mut Diagnostics) -> Option<Tree> {
    let items = node.sequence(&format!("`{name}`"), out)?;
    let (least, most) = form.count;
    let mut is_good = (least..=most).contains(&items.len());
    if !is_good {
        let limits = if items.len() < least { format!("at least {least}") } else { format!("at most {most}") };
        let diagnostic = Diagnostic::error(code::BAD_NUMBER, format!("`{name}` has {} items", items.len()));
        out.push(diagnostic.primary(node.head(), limits));
    }
    let read: Vec<_> = items.iter().map(|item| decode(&form.of, name, item, out)).collect();
    if let Some(key) = form.key {
        let mut first: BTreeMap<&str, &Node> = BTreeMap::new();
        for place in items.iter().filter_map(|item| item.get(key)) {
            let Some(text) = place.as_scalar().map(crate::manifest::Scalar::text) else { continue };
            if let Some(before) = first.insert(text, place) {
                let diagnostic = Diagnostic::error(code::DUPLICATE, format!("two of `{name}` have the {key} `{text}`"));
                let diagnostic = diagnostic.primary(place.span, "used again here");
                out.push(diagnostic.secondary(before.span, "first used here"));
                is_good = false;
            }
        }
    }
    let items = read.into_iter().collect::<Option<Vec<_>>>()?;
    is_good.then_some(Tree::List(items))
}

fn object(form: &ObjectForm, node: &Node, out: &mut Diagnostics) -> Option<Tree> {
    let mut fields = Fields::new(node, form.what.to_owned(), out)?;
    let found: Vec<_> = form
        .members
        .iter()
        .map(|member| {
            let node =
                if member.is_required { fields.required(member.name, out) } else { fields.optional(member.name) };
            (member, node)
        })
        .collect();
    fields.finish(out);
    let mut is_good = found.iter().all(|(member, node)| !member.is_required || node.is_some());
    for set in form.either {
        let given: Vec<_> = set.iter().filter_map(|name| node.entry(name)).collect();
        if let [first, second, ..] = given.as_slice() {
            let message = format!("`{}` and `{}` exclude each other", first.name(), second.name());
            let diagnostic = Diagnostic::error(code::EITHER, message).primary(second.key.span, "one of the two");
            out.push(diagnostic.secondary(first.key.span, "given here"));
            is_good = false;
        }
    }
    let given = found.into_iter().filter_map(|(member, node)| Some((member, node?)));
    let read: Vec<_> = given
        .map(|(member, node)| Some((Arc::from(member.name), decode(&member.form, member.name, node, out)?)))
        .collect();
    let members = read.into_iter().collect::<Option<_>>()?;
    is_good.then_some(Tree::Object(members))
}
