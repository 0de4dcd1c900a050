//! The diff that brings manifests to what is live, as text edits where each field is written.

mod parts;
mod removal;
mod renaming;

use std::collections::BTreeMap;
use std::path::Path;

use sbx::kinds::{Key, KindId, Object, Value};
use sbx::manifest::{Node, SourceId, Span};
use sbx::reconcile::{Drift, DriftEvent, FieldDrift};
use sbx::types::Name;
use serde_json::{Map, Value as Json};
use similar::TextDiff;

use crate::env;
use crate::manifests::{Manifests, source_name};
use crate::ui::escape;

/// How manifests become what is live.
#[derive(Debug, Default)]
pub(crate) struct Patch {
    /// A unified diff, with paths from the project's root on, as `git apply` takes it; empty if there is nothing to do.
    pub(crate) diff: String,
    /// What it leaves out, and why.
    pub(crate) left_out: Vec<String>,
}

/// A stretch of a text, and what stands there instead.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Edit {
    span: Span,
    text: String,
}

impl Edit {
    fn overlaps(&self, other: &Self) -> bool {
        self.span.start < other.span.end && other.span.start < self.span.end
    }
}

impl Patch {
    /// Makes the diff for what drifted.
    pub(crate) fn of(drifted: &[Drift], manifests: &Manifests, root: &Path) -> Self {
        let mut patch = Self::default();
        let mut edits: BTreeMap<SourceId, Vec<Edit>> = BTreeMap::new();
        let mut following = Vec::new();
        for drift in drifted.iter().filter(|drift| !matches!(drift.event, DriftEvent::BuildMoved { .. })) {
            let is_vacated = |name: &Name| drifted.iter().any(|other| other.leaves(drift.key.kind, name));
            let of_object = match undo_declaration(drift, manifests, &is_vacated) {
                Ok(of_object) => of_object,
                Err(why) => {
                    patch.left_out.push(format!("{}: {why}", drift.key));
                    continue;
                }
            };
            for edit in of_object.edits {
                edits.entry(edit.span.source).or_default().push(edit);
            }
            following.extend(of_object.following);
            patch.left_out.extend(of_object.left_out.into_iter().map(|why| format!("{}: {why}", drift.key)));
        }
        for edit in following {
            let of_file = edits.entry(edit.span.source).or_default();
            if !of_file.iter().any(|other| other.overlaps(&edit)) {
                of_file.push(edit);
            }
        }
        for (source, edits) in edits {
            patch.add_file(source, edits, manifests, root);
        }
        patch
    }

    fn add_file(&mut self, source: SourceId, edits: Vec<Edit>, manifests: &Manifests, root: &Path) {
        let source = manifests.documents.sources.get(source);
        let name = source_name(source.name(), &env::working_directory(), root);
        if name == "<stdin>" || Path::new(&name).is_absolute() || name.starts_with("..") {
            self.left_out.push(format!("{name}: it is no file below the project"));
            return;
        }
        let text = edited(source.text(), edits);
        let diff = TextDiff::from_lines(source.text(), &text);
        let new = if text.is_empty() { "/dev/null".to_owned() } else { format!("b/{name}") };
        self.diff += &diff.unified_diff().header(&format!("a/{name}"), &new).to_string();
    }
}

/// Puts edits, which do not overlap, into a text.
fn edited(text: &str, mut edits: Vec<Edit>) -> String {
    // From the end on, so that what is before stays where it is.
    edits.sort_by_key(|edit| std::cmp::Reverse(edit.span));
    let mut text = text.to_owned();
    for Edit { span, text: new } in edits {
        text.replace_range(span.start as usize..span.end as usize, &new);
    }
    text
}

/// What one object takes to become what is live.
#[derive(Default)]
struct OfObject {
    /// The edits where it is declared.
    edits: Vec<Edit>,
    /// The edits in what refers to it, where nothing else is written by then.
    following: Vec<Edit>,
    /// What is left out, and why.
    left_out: Vec<String>,
}

/// `is_vacated` tells whether what is declared with a name has another one now, or is gone.
fn undo_declaration(
    drift: &Drift,
    manifests: &Manifests,
    is_vacated: &dyn Fn(&Name) -> bool,
) -> Result<OfObject, String> {
    let object = declared(drift, manifests).ok_or("it is not declared here")?;
    let mut out = match &drift.event {
        // Another object with the name is taken up when it is what is declared.
        DriftEvent::Changed | DriftEvent::MadeAnew { .. } => OfObject::default(),
        DriftEvent::Renamed { to } if object.key.name == *to => OfObject::default(),
        DriftEvent::Renamed { to } if is_declared(object.key.kind, to, manifests) && !is_vacated(to) => {
            return Err(format!("it was renamed to {to}, and another object is declared with that name"));
        }
        DriftEvent::Renamed { to } => renaming::of(object, to, manifests),
        DriftEvent::Deleted => return removal::of(object, manifests),
        event => return Err(format!("it {}", escape(&event.to_string()))),
    };
    // What was only renamed needs no fields to be patched.
    if drift.fields.is_empty() {
        return Ok(out);
    }
    let root = &manifests.documents.documents.get(object.origin.document).ok_or("it is not declared here")?.root;
    let spec = root.get("spec").ok_or("it has no spec")?;
    let mut left_out_fields = Vec::new();
    for field in &drift.fields {
        if parts::edit(field, spec, object, manifests, &mut out) {
            continue;
        }
        match replacement(field, spec, object, manifests) {
            Ok(Some(edit)) => out.edits.push(edit),
            Ok(None) => left_out_fields.push(field),
            Err(why) => out.left_out.push(format!("{}: {why}", field.path)),
        }
    }
    insertions(&left_out_fields, spec, manifests, &mut out);
    Ok(out)
}

/// Returns the declaration of what drifted, which may have its new name already.
fn declared<'a>(drift: &Drift, manifests: &'a Manifests) -> Option<&'a Object> {
    let renamed = match &drift.event {
        DriftEvent::Renamed { to } => manifests.desired.get(&Key { kind: drift.key.kind, name: to.clone() }),
        _ => None,
    };
    manifests.desired.get(&drift.key).or(renamed)
}

fn is_declared(kind: KindId, name: &Name, manifests: &Manifests) -> bool {
    manifests.desired.get(&Key { kind, name: name.clone() }).is_some()
}

/// Returns the declared objects that refer to this one.
fn referring_to(object: &Object, manifests: &Manifests) -> Option<String> {
    let refers = |other: &&Object| {
        other.spec.references().any(|found| found.kind == object.key.kind && *found.name == *object.key.name.as_str())
    };
    let holders: Vec<_> = manifests.desired.iter().filter(refers).map(|other| other.key.to_string()).collect();
    (!holders.is_empty()).then(|| holders.join(", "))
}

/// Returns the edit where the field is written; `None` if it is left out.
fn replacement(
    field: &FieldDrift,
    spec: &Node,
    object: &Object,
    manifests: &Manifests,
) -> Result<Option<Edit>, &'static str> {
    let Some(found) = spec.at(field.path) else { return Ok(None) };
    let value = live_value(field).ok_or("nothing in a manifest says that there is none")?;
    if value.is_array() {
        return Err("a list is not patched");
    }
    let span = found.value.span;
    let written = manifests.documents.sources.snippet(span);
    if found.value.as_scalar().is_none() && !written.starts_with('{') {
        return Err("it is written on several lines");
    }
    if is_shared(span, field.path, object, manifests) {
        return Err("what is written there is used elsewhere too");
    }
    // A value that was left out (`key:`) stands for its key.
    if found.value.is_null() {
        return Err("it has no value to replace");
    }
    let style = if written.starts_with('"') { Style::Json } else { Style::Yaml };
    Ok(Some(Edit { span, text: style.value(&value) }))
}

/// Returns whether another object reads the same place, by an alias or a merge key.
fn is_shared(span: Span, path: &str, object: &Object, manifests: &Manifests) -> bool {
    let place = |other: &Object| {
        let document = manifests.documents.documents.get(other.origin.document)?;
        Some(document.root.get("spec")?.at(path)?.value.span)
    };
    manifests.desired.iter().any(|other| other.key != object.key && place(other) == Some(span))
}

/// Returns the live value as a manifest has it; what is switched off by a value is none where it is not there.
fn live_value(field: &FieldDrift) -> Option<Json> {
    match (&field.live, &field.applied) {
        (Some(live), _) => Some(live.to_json()),
        (None, Some(Value::Ttl(_))) => Some(0.into()),
        (None, _) => None,
    }
}

/// Writes fields that are left out in front of what is there.
fn insertions(fields: &[&FieldDrift], spec: &Node, manifests: &Manifests, out: &mut OfObject) {
    let mut by_parent: BTreeMap<&str, Map<String, Json>> = BTreeMap::new();
    for field in fields {
        let (parent, key) = field.path.rsplit_once('.').unwrap_or(("", field.path));
        match live_value(field).filter(|value| !value.is_array()) {
            Some(value) => drop(by_parent.entry(parent).or_default().insert(key.to_owned(), value)),
            None => out.left_out.push(format!("{}: it is left out, and a list is not patched", field.path)),
        }
    }
    for (parent, values) in by_parent {
        let below = spec.at(parent).map(|found| found.value).filter(|node| first_key(node).is_some());
        let (place, values) = match below {
            Some(place) => (place, values),
            // One that is there and empty would be there twice.
            None if spec.at(parent).is_some() => {
                out.left_out.push(format!("{parent}: it is written without anything in it"));
                continue;
            }
            None => (spec, Map::from_iter([(parent.to_owned(), Json::Object(values))])),
        };
        out.edits.extend(values.iter().filter_map(|(key, value)| insertion(key, value, place, manifests)));
    }
}

fn first_key(node: &Node) -> Option<&Node> {
    node.as_mapping()?.first().map(|entry| &entry.key)
}

fn insertion(key: &str, value: &Json, place: &Node, manifests: &Manifests) -> Option<Edit> {
    let first = first_key(place)?.span;
    let sources = &manifests.documents.sources;
    let style = if sources.snippet(first).starts_with('"') { Style::Json } else { Style::Yaml };
    let entry = format!("{}: {}", style.key(key), style.value(value));
    let separator = if sources.snippet(place.span).starts_with('{') {
        ", ".to_owned()
    } else {
        let text = sources.get(first.source).text();
        let line_start = text[..first.start as usize].rfind('\n').map_or(0, |at| at + 1);
        let indent = " ".repeat(first.start as usize - line_start);
        let line_break = if text[..line_start].ends_with("\r\n") { "\r\n" } else { "\n" };
        format!("{line_break}{indent}")
    };
    Some(Edit { span: Span { end: first.start, ..first }, text: entry + &separator })
}

/// How values are spelt.
#[derive(Debug, Clone, Copy)]
enum Style {
    Json,
    Yaml,
}

impl Style {
    fn key(self, key: &str) -> String {
        match self {
            Self::Json => format!("\"{key}\""),
            Self::Yaml => key.to_owned(),
        }
    }

    /// Returns a value on one line.
    fn value(self, value: &Json) -> String {
        match (self, value) {
            (_, Json::Object(entries)) => {
                let entries = entries.iter().map(|(key, value)| format!("{}: {}", self.key(key), self.value(value)));
                format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
            }
            (Self::Yaml, Json::Array(items)) => {
                let items: Vec<_> = items.iter().map(|item| self.value(item)).collect();
                format!("[{}]", items.join(", "))
            }
            (Self::Yaml, Json::String(text)) if is_plain(text) => text.clone(),
            _ => value.to_string(),
        }
    }
}

/// Returns whether a text reads as itself without quotes, also inside brackets, and as nothing but a text.
fn is_plain(text: &str) -> bool {
    let is_safe = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '/' | ':' | '@');
    let is_text = serde_yaml::from_str::<serde_yaml::Value>(text).is_ok_and(|value| value.as_str() == Some(text));
    text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && !text.ends_with(':')
        && text.chars().all(is_safe)
        && is_text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_quoted_where_they_would_read_as_something_else() {
        let spelt = |text: &str| Style::Yaml.value(&Json::from(text));
        for plain in ["python:3.12-slim", "500m", "1Gi", "registry:5000/a/b@sha256:00ff", "warm"] {
            assert_eq!(spelt(plain), plain);
        }
        for quoted in ["2", "1.5", "true", "null", "a: b", "a,b", "", "1e3", "0x10"] {
            assert_eq!(spelt(quoted), format!("\"{quoted}\""));
        }
        assert_eq!(Style::Json.value(&Json::from("warm")), "\"warm\"");
    }

    #[test]
    fn edits_keep_what_is_around_them() {
        let span = |start, end| Span { source: SourceId::NONE, start, end };
        let edit = |start, end, text: &str| Edit { span: span(start, end), text: text.to_owned() };
        let edits = vec![edit(3, 4, "22"), edit(0, 0, "z: 0\n"), edit(8, 9, "4 # why")];
        assert_eq!(edited("a: 1\nb: 3\n", edits), "z: 0\na: 22\nb: 4 # why\n");
    }
}
