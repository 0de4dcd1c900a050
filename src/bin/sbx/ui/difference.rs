//! The fields of a change in words: all of a new object, and else those that differ, part by part and line by line.

use anstyle::Style;
use sbx::kinds::{self, Part, Spec, Tree, Value};
use sbx::reconcile::plan::{Action, Change};
use sbx::reconcile::{Cause, FieldChange};
use similar::{ChangeTag, TextDiff};

use super::escape;
use super::style::{self, paint};

/// Returns the lines about fields: all of a new object, and else those that change.
pub(crate) fn values(change: &Change) -> Vec<String> {
    match (&change.spec, change.action) {
        (Some(spec), Action::Create) => aligned(given(spec).flat_map(|(path, value)| rows_of(path, value)).collect()),
        _ => aligned(drift_first(change).into_iter().flat_map(differences).collect()),
    }
}

/// Returns what is said of a value: of one with parts, a row for each.
fn rows_of(path: &str, value: &Value) -> Vec<(String, Vec<String>)> {
    match by_part(path, None, Some(value)) {
        Some(parts) => parts.into_iter().map(|(path, _, to)| (path, to.into_iter().collect())).collect(),
        None => vec![(path.to_owned(), lines_of(value))],
    }
}

fn differences(field: &FieldChange) -> Vec<(String, Vec<String>)> {
    let Some(parts) = by_part(field.path, field.from.as_ref(), field.to.as_ref()) else {
        return vec![(field.path.to_owned(), difference(field))];
    };
    let side = |text: Option<String>, style: Style| match text {
        Some(text) => paint(style, text),
        None => paint(style::DIM, "(none)"),
    };
    let mark = drift_mark_of(field);
    let row = |(path, from, to): PartInWords| {
        (path, vec![format!("{} -> {}{mark}", side(from, style::REMOVE), side(to, style::ADD))])
    };
    parts.into_iter().map(row).collect()
}

/// Returns what is said of each part of a field that somebody else changed: whole values would say too much.
pub(crate) fn drift_mark_of(field: &FieldChange) -> String {
    let mark = match field.cause {
        Cause::Drift => " (changed behind the manifests)",
        Cause::Both => " (changed behind the manifests too)",
        Cause::Declared => return String::new(),
    };
    paint(style::CHANGE, mark)
}

/// Returns the fields of a new object that say something.
pub(crate) fn given(spec: &Spec) -> impl Iterator<Item = (&'static str, &Value)> {
    let fields = spec.kind().fields().iter().zip(spec.values());
    let given = fields.filter_map(|(field, value)| Some((field, value.as_ref()?)));
    let shown = given.filter(|(field, value)| {
        !(matches!(field.absent, kinds::Absent::Default(_)) && value.is_satisfied_by_absence())
    });
    shown.map(|(field, value)| (field.path, value))
}

/// Returns the fields that change, those first that somebody else changed.
pub(crate) fn drift_first(change: &Change) -> Vec<&FieldChange> {
    let (drift, declared): (Vec<_>, Vec<_>) = change.fields.iter().partition(|field| field.cause.is_drift());
    drift.into_iter().chain(declared).collect()
}

/// Returns what is said of a field that somebody else changed; nothing of any other.
pub(crate) fn drift_mark(field: &FieldChange) -> String {
    match (field.cause, &field.applied) {
        (Cause::Drift, _) => " (changed behind the manifests)".to_owned(),
        (Cause::Both, Some(applied)) => {
            format!(" (changed behind the manifests too: it was {})", escape(&applied.to_string()))
        }
        (Cause::Both, None) => " (changed behind the manifests too)".to_owned(),
        _ => String::new(),
    }
}

/// Puts the values of fields under each other. A value of several lines begins below its field.
fn aligned(fields: Vec<(String, Vec<String>)>) -> Vec<String> {
    let width = fields.iter().filter(|(_, lines)| lines.len() == 1).map(|(path, _)| path.len()).max().unwrap_or(0);
    let mut out = Vec::new();
    for (path, lines) in fields {
        if let [line] = lines.as_slice() {
            out.push(format!("{:<width$} {line}", format!("{path}:"), width = width + 1));
        } else {
            out.push(format!("{path}:"));
            out.extend(lines.into_iter().map(|line| format!("  {line}")));
        }
    }
    out
}

fn difference(field: &FieldChange) -> Vec<String> {
    let mut lines = difference_of(field);
    let mark = drift_mark(field);
    if let Some(last) = lines.last_mut().filter(|_| !mark.is_empty()) {
        last.push_str(&paint(style::CHANGE, mark));
    }
    lines
}

/// A part of a field that differs: where it is, what it is and what it becomes, in words.
pub(crate) type PartInWords = (String, Option<String>, Option<String>);

/// Returns the parts in which a field differs; `None` for fields without parts.
pub(crate) fn by_part(path: &str, from: Option<&Value>, to: Option<&Value>) -> Option<Vec<PartInWords>> {
    let text = |tree: Option<Tree>| tree.map(|tree| escape(&tree.to_string()).into_owned());
    let part = |part: Part| {
        let path = part.in_field(path);
        (escape(&path).into_owned(), text(part.from), text(part.to))
    };
    Some(Value::parts(from, to)?.into_iter().map(part).collect())
}

/// What is said of a reference whose name stays, and stands for another object.
pub(crate) const SAME_NAME: &str = "(made anew)";

fn difference_of(field: &FieldChange) -> Vec<String> {
    let old = field.from.as_ref().map(lines_of).unwrap_or_default();
    let new = field.to.as_ref().map(lines_of).unwrap_or_default();
    if field.from == field.to {
        return old.into_iter().map(|line| format!("{line} {}", paint(style::DIM, SAME_NAME))).collect();
    }
    if old.len() > 1 || new.len() > 1 {
        return unified(&old, &new);
    }
    let side = |lines: Vec<String>, style: Style| match lines.into_iter().next() {
        Some(line) => paint(style, line),
        None => paint(style::DIM, "(none)"),
    };
    vec![format!("{} -> {}", side(old, style::REMOVE), side(new, style::ADD))]
}

/// How many lines that stay are shown around those that change.
const CONTEXT: usize = 2;

pub(crate) fn unified(old: &[String], new: &[String]) -> Vec<String> {
    let (old, new): (Vec<&str>, Vec<&str>) =
        (old.iter().map(AsRef::as_ref).collect(), new.iter().map(AsRef::as_ref).collect());
    let diff = TextDiff::from_slices(&old, &new);
    let mut out = Vec::new();
    for (index, group) in diff.grouped_ops(CONTEXT).iter().enumerate() {
        if index > 0 {
            out.push(paint(style::DIM, "…"));
        }
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            let (sign, style) = match change.tag() {
                ChangeTag::Delete => ("-", style::REMOVE),
                ChangeTag::Insert => ("+", style::ADD),
                ChangeTag::Equal => (" ", style::PLAIN),
            };
            out.push(paint(style, format_args!("{sign} {}", change.value())).trim_end().to_owned());
        }
    }
    out
}

/// Returns a value as one line; a list as one for each of its parts.
pub(crate) fn lines_of(value: &Value) -> Vec<String> {
    match value {
        Value::Mounts(mounts) => {
            mounts.iter().map(|(path, volume)| escape(&format!("{path} ({})", volume.name)).into_owned()).collect()
        }
        Value::Nested(_) => {
            let parts = by_part("", None, Some(value)).unwrap_or_default().into_iter();
            parts.map(|(path, _, to)| format!("{}: {}", path.trim_start_matches('.'), to.unwrap_or_default())).collect()
        }
        _ => vec![escape(&value.to_string()).into_owned()],
    }
}
