//! What was changed behind the manifests' back, as text and as JSON.

use anstyle::Style;
use sbx::kinds::{self, Key};
use sbx::reconcile::{Drift, DriftEvent, FieldDrift};
use serde_json::{Value as Json, json};

use super::diagnostic::counted;
use super::difference::by_part;
use super::escape;
use super::json::{FORMAT_VERSION, inventory, key};
use super::plan::{InventorySeen, Place};
use super::style::{self, paint};

/// What is known of drift.
pub(crate) struct Report {
    /// What became of objects that are not as they were applied.
    pub(crate) drifted: Vec<Drift>,
    /// What the manifests ask for that was never applied; `None` if that cannot be told.
    pub(crate) ahead: Option<Vec<Key>>,
    /// How many objects were looked at.
    pub(crate) n_objects: usize,
    /// What was taken for what was applied.
    pub(crate) basis: Basis,
    /// The record of what is owned; `None` where nobody keeps one.
    pub(crate) inventory: Option<InventorySeen>,
}

/// A report, and what is shown of it beside itself.
pub(crate) struct View<'a> {
    /// The report.
    pub(crate) report: &'a Report,
    /// Finds where an object is declared.
    pub(crate) place: &'a dyn Fn(&Key) -> Option<Place>,
    /// The diff that brings the manifests to what is live; empty if nobody asked for it.
    pub(crate) patch: &'a str,
}

/// What live objects are compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Basis {
    /// What was recorded when it was applied.
    Inventory,
    /// What is declared, for want of a record.
    Manifests,
}

impl Report {
    /// Returns whether somebody changed something.
    pub(crate) fn is_drift(&self) -> bool {
        self.drifted.iter().any(Drift::is_meddling)
    }

    /// Returns the whole text, ending in a line break.
    pub(crate) fn to_text(&self) -> String {
        let mut out = String::new();
        for drift in &self.drifted {
            out.extend(block(drift).into_iter().map(|line| line + "\n"));
        }
        if !self.drifted.is_empty() {
            out.push('\n');
        }
        for line in self.summary() {
            out += &line;
            out.push('\n');
        }
        out
    }

    /// Returns the lines that sum it up.
    pub(super) fn summary(&self) -> Vec<String> {
        let count = |is_counted: fn(&&Drift) -> bool| self.drifted.iter().filter(is_counted).count();
        let n_drifted = count(|drift| drift.is_meddling());
        let n_expired = count(|drift| drift.event == DriftEvent::Expired);
        let n_moved = self.drifted.len() - n_drifted - n_expired;
        let as_what = match self.basis {
            Basis::Inventory => "applied",
            Basis::Manifests => "declared",
        };
        let mut parts = vec![match n_drifted {
            0 => format!("No drift: {}.", as_they_were(self.n_objects - n_expired, as_what)),
            n => {
                let are = if n == 1 { "is not as it was" } else { "are not as they were" };
                let objects = counted(self.n_objects, "object");
                format!("{} {n} of {objects} {are} {as_what}.", paint(style::STRONG, "Drift:"))
            }
        }];
        if n_expired > 0 {
            let their = if n_expired == 1 { "its" } else { "their" };
            let objects = counted(n_expired, "object");
            parts.push(format!("{objects} ended by {their} time to live, which is no drift."));
        }
        if n_moved > 0 {
            let was = if n_moved == 1 { "was" } else { "were" };
            let objects = counted(n_moved, "object");
            parts.push(format!("{objects} {was} built from something that has moved on since, which is no drift."));
        }
        if let Some(ahead) = self.ahead.as_ref().filter(|ahead| !ahead.is_empty()) {
            let objects: Vec<_> = ahead.iter().take(AHEAD_SHOWN).map(ToString::to_string).collect();
            let more = if ahead.len() > AHEAD_SHOWN { ", …" } else { "" };
            let n = counted(ahead.len(), "change");
            parts.push(format!("The manifests are ahead by {n}: {}{more}. See sbx plan", objects.join(", ")));
        }
        parts
    }

    /// Returns it for programs.
    pub(crate) fn to_json(&self) -> Json {
        json!({
            "format_version": FORMAT_VERSION,
            "is_in_sync": !self.is_drift() && self.ahead.as_ref().is_none_or(Vec::is_empty),
            "basis": match self.basis {
                Basis::Inventory => "inventory",
                Basis::Manifests => "manifests",
            },
            "inventory": self.inventory.as_ref().map(inventory),
            "objects": self.n_objects,
            "drifted": self.drifted.iter().map(drift_to_json).collect::<Vec<_>>(),
            "ahead": self.ahead.as_ref().map(|ahead| ahead.iter().map(key).collect::<Vec<_>>()),
        })
    }
}

/// How many objects that the manifests change are named.
const AHEAD_SHOWN: usize = 5;

fn as_they_were(n: usize, as_what: &str) -> String {
    if n == 1 { format!("1 object is as it was {as_what}") } else { format!("{n} objects are as they were {as_what}") }
}

fn block(drift: &Drift) -> Vec<String> {
    let (sign, style) = sign(&drift.event);
    let what = escape(&what(&drift.event)).into_owned();
    let mut lines = vec![format!("{} {} {what}", paint(style, sign), paint(style::STRONG, &drift.key))];
    lines.extend(drift.fields.iter().flat_map(difference).map(|line| format!("    {line}")));
    lines
}

/// Returns what became of an object, in words.
pub(super) fn what(event: &DriftEvent) -> String {
    match event {
        DriftEvent::Renamed { to } => format!("was renamed to {to}"),
        event => event.to_string(),
    }
}

/// Returns the sign and the style of what became of an object.
pub(super) fn sign(event: &DriftEvent) -> (&'static str, Style) {
    match event {
        DriftEvent::Changed => ("~", style::CHANGE),
        DriftEvent::Deleted => ("-", style::REMOVE),
        DriftEvent::Renamed { .. } => (">", style::CHANGE),
        DriftEvent::MadeAnew { .. } => ("+", style::ADD),
        _ => ("!", style::ALERT),
    }
}

fn difference(field: &FieldDrift) -> Vec<String> {
    if let Some(parts) = by_part(field.path, field.live.as_ref(), field.applied.as_ref()) {
        let side = |text: Option<String>, style: Style| match text {
            Some(text) => paint(style, text),
            None => paint(style::DIM, "(none)"),
        };
        let line =
            |(path, live, applied)| format!("{path}: {} -> {}", side(applied, style::REMOVE), side(live, style::ADD));
        return parts.into_iter().map(line).collect();
    }
    let side = |value: &Option<kinds::Value>, style: Style| match value {
        Some(value) => paint(style, escape(&value.to_string())),
        None => paint(style::DIM, "(none)"),
    };
    vec![format!("{}: {} -> {}", field.path, side(&field.applied, style::REMOVE), side(&field.live, style::ADD))]
}

fn drift_to_json(drift: &Drift) -> Json {
    let mut out = key(&drift.key);
    out["event"] = json!(drift.event.as_str());
    out["is_drift"] = json!(drift.is_meddling());
    match &drift.event {
        DriftEvent::Renamed { to } => out["to"] = json!(to),
        DriftEvent::MadeAnew { id, lives_as } => {
            out["id"] = json!(id.as_ref().map(ToString::to_string));
            out["lives_as"] = json!(lives_as);
        }
        DriftEvent::Failed { message } => out["message"] = json!(message),
        DriftEvent::BuildMoved { build, seen_in } => {
            out["source"] = json!(build.source);
            out["digest"] = json!(build.digest);
            out["seen_in"] = key(seen_in);
        }
        _ => {}
    }
    let value = |value: &Option<kinds::Value>| value.as_ref().map(kinds::Value::to_json);
    let field = |field: &FieldDrift| {
        let mut out = json!({"path": field.path, "applied": value(&field.applied), "live": value(&field.live)});
        let part = |part: kinds::Part| {
            let json = |tree: &Option<kinds::Tree>| tree.as_ref().map(kinds::Tree::to_json);
            json!({"path": part.path, "applied": json(&part.to), "live": json(&part.from)})
        };
        if let Some(parts) = kinds::Value::parts(field.live.as_ref(), field.applied.as_ref()) {
            out["parts"] = parts.into_iter().map(part).collect();
        }
        out
    };
    out["fields"] = drift.fields.iter().map(field).collect();
    out
}

#[cfg(test)]
mod tests {
    use anstream::adapter::strip_str;
    use sbx::reconcile::drift_from;

    use super::*;
    use crate::ui::progress::tests::{desired, world};

    const APPLIED: &str = "
{apiVersion: sbx/v1, kind: Volume, metadata: {name: data}, spec: {size: 10Gi}}
---
{apiVersion: sbx/v1, kind: Template, metadata: {name: plain}, spec: {image: 'python:3.12'}}
---
{apiVersion: sbx/v1, kind: Pool, metadata: {name: warm}, spec: {template_name: plain, replicas: 5}}
";

    fn report(live: &str) -> Report {
        let applied = desired(APPLIED);
        let drifted = drift_from(&applied, &world(live));
        Report { drifted, ahead: Some(Vec::new()), n_objects: applied.len(), basis: Basis::Inventory, inventory: None }
    }

    #[test]
    fn nothing_is_one_line() {
        assert_eq!(report(APPLIED).to_text(), "No drift: 3 objects are as they were applied.\n");
        assert_eq!(report(APPLIED).to_json()["is_in_sync"], true);
    }

    #[test]
    fn each_object_has_a_line_and_its_fields_below() {
        let live = APPLIED.replace("replicas: 5", "replicas: 7").replace("name: data", "name: date");
        let mut report = report(&live);
        report.ahead = Some(vec![report.drifted[0].key.clone()]);
        insta::assert_snapshot!(strip_str(&report.to_text()), @r"
        - volume/data was deleted
        ~ pool/warm was changed
            replicas: 5 -> 7

        Drift: 2 of 3 objects are not as they were applied.
        The manifests are ahead by 1 change: volume/data. See sbx plan
        ");
        let json = report.to_json();
        assert_eq!((&json["is_in_sync"], &json["drifted"][1]["fields"][0]["live"]), (&json!(false), &json!(7)));
    }

    #[test]
    fn what_was_built_from_something_that_moved_on_is_told_and_no_drift() {
        let mut report = report(APPLIED);
        let key = desired(APPLIED).iter().next().expect("something is declared").key.clone();
        let build = kinds::Build { source: "python:3.12".into(), digest: "sha256:2".into() };
        let event = DriftEvent::BuildMoved { build, seen_in: key.clone() };
        report.drifted.push(Drift { key, event, fields: Vec::new() });
        insta::assert_snapshot!(strip_str(&report.to_text()), @r"
        ! volume/data was built before python:3.12 moved on: it was sha256:2 for volume/data

        No drift: 3 objects are as they were applied.
        1 object was built from something that has moved on since, which is no drift.
        ");
        let json = report.to_json();
        assert_eq!((&json["is_in_sync"], &json["drifted"][0]["digest"]), (&json!(true), &json!("sha256:2")));
    }
}
