//! The new name of an object, where it is declared and where others refer to it.

use sbx::kinds::{Object, Value};
use sbx::manifest::{Node, Span};
use sbx::types::Name;
use serde_json::Value as Json;

use super::{Edit, OfObject, Style};
use crate::manifests::Manifests;
use crate::ui::escape;

/// Returns the edits that give an object the name that it has now, and what others call it.
pub(super) fn of(object: &Object, to: &Name, manifests: &Manifests) -> OfObject {
    let mut out = OfObject::default();
    match respelt(object.origin.name, &object.key.name, to, manifests) {
        Ok(edit) => out.edits.push(edit),
        Err(written) => {
            out.left_out.push(format!("it was renamed to {to}, and its name is written as `{}`", escape(written)));
            return out;
        }
    }
    for holder in manifests.desired.iter() {
        match followed(holder, object, to, manifests) {
            Some(edits) => out.following.extend(edits),
            None => out.left_out.push(format!("it was renamed to {to}, and {} refers to its old name", holder.key)),
        }
    }
    out
}

/// Returns the edits in what refers to an object; `None` if not all places are ones that can be edited.
fn followed(holder: &Object, object: &Object, to: &Name, manifests: &Manifests) -> Option<Vec<Edit>> {
    let fields = holder.key.kind.fields().iter().zip(holder.spec.values());
    let mut edits = Vec::new();
    for (field, value) in fields {
        let n_mentions = value.as_ref().map_or(0, |value| n_mentions(value, object));
        if n_mentions == 0 {
            continue;
        }
        let spec = manifests.documents.documents.get(holder.origin.document)?.root.get("spec")?;
        let places = mentions(spec.at(field.path)?.value, &object.key.name);
        if places.len() != n_mentions {
            return None;
        }
        for place in places {
            edits.push(respelt(place.span, &object.key.name, to, manifests).ok()?);
        }
    }
    Some(edits)
}

fn n_mentions(value: &Value, object: &Object) -> usize {
    let references = value.references().into_iter();
    references.filter(|found| found.kind == object.key.kind && *found.name == *object.key.name.as_str()).count()
}

/// Returns where a field that refers to one object, or mounts several, has a name.
fn mentions<'a>(field: &'a Node, name: &Name) -> Vec<&'a Node> {
    let names: Vec<_> = match field.as_sequence() {
        Some(mounts) => mounts.iter().filter_map(|mount| mount.get("volume_name")).collect(),
        None => vec![field],
    };
    let is_name = |node: &&Node| node.as_scalar().is_some_and(|scalar| scalar.text() == name.as_str());
    names.into_iter().filter(is_name).collect()
}

/// Returns the edit where a name is written. One that is spelt in another way, or that an alias stands for, is somebody's own
/// to write: what is written comes back.
fn respelt<'a>(span: Span, name: &Name, to: &Name, manifests: &'a Manifests) -> Result<Edit, &'a str> {
    let written = manifests.documents.sources.snippet(span);
    let style = match written.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(quoted) if quoted == name.as_str() => Style::Json,
        None if written == name.as_str() => Style::Yaml,
        _ => return Err(written),
    };
    Ok(Edit { span, text: style.value(&Json::from(to.as_str())) })
}
