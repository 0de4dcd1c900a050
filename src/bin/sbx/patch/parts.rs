//! The edits in a field that has parts: each where its part is written, so that the rest of the field, the places of its
//! secrets above all, stays as somebody wrote it.

use sbx::kinds::{Object, Part, Value};
use sbx::manifest::Node;
use sbx::reconcile::FieldDrift;

use super::{Edit, OfObject, Style, insertion};
use crate::manifests::Manifests;

/// What items of a list are known by.
const KEYS: [&str; 3] = ["name", "id", "volume"];

/// Adds the edits that bring a field to what is live, and what cannot be said so; returns whether the field has parts, and is
/// written.
pub(super) fn edit(
    field: &FieldDrift,
    spec: &Node,
    object: &Object,
    manifests: &Manifests,
    out: &mut OfObject,
) -> bool {
    let Some(node) = spec.at(field.path).map(|found| found.value).filter(|node| !node.is_null()) else { return false };
    let Some(parts) = Value::parts(field.live.as_ref(), field.applied.as_ref()) else { return false };
    for part in parts {
        match edit_of(&part, field.path, node, object, manifests) {
            Ok(edit) => out.edits.push(edit),
            Err(why) => out.left_out.push(format!("{}: {why}", part.in_field(field.path))),
        }
    }
    true
}

fn edit_of(
    part: &Part,
    field: &str,
    node: &Node,
    object: &Object,
    manifests: &Manifests,
) -> Result<Edit, &'static str> {
    let live = part.from.as_ref().ok_or("nothing in a manifest says that there is none")?.to_json();
    if let Some(found) = find(node, &part.path) {
        let written = manifests.documents.sources.snippet(found.span);
        if found.as_scalar().is_none() && !written.starts_with(['{', '[']) {
            return Err("it is written on several lines");
        }
        if is_shared(found, part, field, object, manifests) {
            return Err("what is written there is used elsewhere too");
        }
        let style = if written.starts_with('"') { Style::Json } else { Style::Yaml };
        return Ok(Edit { span: found.span, text: style.value(&live) });
    }
    let (parent, key) = part.path.rsplit_once('.').unwrap_or(("", &part.path));
    let is_a_key = !key.contains(['[', ']', ' ']);
    let place = find(node, parent).filter(|_| is_a_key).ok_or("a list is not patched")?;
    insertion(key, &live, place, manifests).ok_or("it is written without anything in it")
}

/// Returns whether another object reads the same place, by an alias or a merge key.
fn is_shared(found: &Node, part: &Part, field: &str, object: &Object, manifests: &Manifests) -> bool {
    let place = |other: &Object| {
        let document = manifests.documents.documents.get(other.origin.document)?;
        Some(find(document.root.get("spec")?.at(field)?.value, &part.path)?.span)
    };
    manifests.desired.iter().any(|other| other.key != object.key && place(other) == Some(found.span))
}

/// Returns the node of a part, at a path such as `rules[github].match_hosts`.
fn find<'a>(node: &'a Node, path: &str) -> Option<&'a Node> {
    let (step, rest) = match path.strip_prefix('[') {
        _ if path.is_empty() => return Some(node),
        Some(item) => {
            let (key, rest) = item.split_once(']')?;
            (node.as_sequence()?.iter().find(|item| is_known_by(item, key))?, rest)
        }
        None => {
            let end = path.find(['.', '[']).unwrap_or(path.len());
            (node.get(&path[..end])?, &path[end..])
        }
    };
    find(step, rest.strip_prefix('.').unwrap_or(rest))
}

fn is_known_by(item: &Node, key: &str) -> bool {
    let mut keys = KEYS.iter().filter_map(|name| item.get(name)?.as_scalar());
    keys.next().is_some_and(|scalar| scalar.text() == key)
}
