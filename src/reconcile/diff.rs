//! What differs between a declared and a live spec. One diff serves all kinds.

use crate::kinds::{Absent, Change, Field, Reference, Spec, Value};

/// A field that differs.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldChange {
    /// The field, below `spec`.
    pub path: &'static str,
    /// How the API lets it change.
    pub change: Change,
    /// What it is; `None` if the live object does not have it.
    pub from: Option<Value>,
    /// What it becomes, the same as before where only what it points at changes; `None` if it goes away.
    pub to: Option<Value>,
    /// Who made it differ.
    pub cause: Cause,
    /// What was applied last, if that is known.
    pub applied: Option<Value>,
}

/// Who made a field differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Cause {
    /// The manifests: the live value is what was applied last, or nobody knows what was.
    #[default]
    Declared,
    /// Somebody else: what is declared is what was applied last, and the live value is not.
    Drift,
    /// Both: neither what is declared nor what is live is what was applied last.
    Both,
}

impl Cause {
    /// Returns whether somebody changed the live value behind the manifests' back.
    pub fn is_drift(self) -> bool {
        self != Self::Declared
    }
}

/// Returns the fields in which `live` is not what `desired` asks for.
///
/// `same` tells whether a declared and a live reference point at one object: names alone do not. Fields that are never read
/// back are not among them: [`untold`] has those.
pub(super) fn diff(desired: &Spec, live: &Spec, same: &dyn Fn(&Reference, &Reference) -> bool) -> Vec<FieldChange> {
    let fields = desired.kind().fields();
    let pairs = desired.values().iter().zip(live.values());
    let told = fields.iter().zip(pairs).filter(|(field, _)| field.change.is_told());
    let changed = told.filter_map(|(field, (desired, live))| {
        let to = match (desired, live) {
            (Some(desired), Some(live)) if desired.is_satisfied_by(live, same) => return None,
            (Some(desired), None) if desired.is_satisfied_by_absence() => return None,
            (Some(desired), live) => Some(desired.settled(live.as_ref())),
            (None, Some(_)) if field.absent != Absent::LeaveAlone => None,
            (None, _) => return None,
        };
        Some(FieldChange {
            path: field.path,
            change: field.change,
            from: live.clone(),
            to,
            cause: Cause::default(),
            applied: None,
        })
    });
    changed.collect()
}

/// Returns the fields that are never read back and in which what was applied last is not what `desired` asks for. What was
/// applied is what they are, as far as anybody knows.
pub(super) fn untold(desired: &Spec, applied: &Spec) -> Vec<FieldChange> {
    let pairs = desired.values().iter().zip(applied.values());
    let fields = desired.kind().fields().iter().zip(pairs);
    let changed = fields.filter_map(|(field, (desired, applied))| {
        let to = desired.clone().filter(|desired| is_another(field, desired, applied.as_ref()))?;
        Some(FieldChange {
            path: field.path,
            change: field.change,
            from: applied.clone(),
            to: Some(to),
            cause: Cause::Declared,
            applied: applied.clone(),
        })
    });
    changed.collect()
}

/// Returns whether what was applied is known to be another value, although nothing live shows it.
fn is_another(field: &Field, desired: &Value, applied: Option<&Value>) -> bool {
    if !field.change.is_told() {
        return Some(desired) != applied;
    }
    // Of the secrets in a value only that they are there is told. They are sent again when it changes where they are, or
    // nobody knows; nothing is made anew for that.
    field.change == Change::InPlace
        && desired.secrets().next().is_some()
        && applied.is_none_or(|applied| desired.secrets().ne(applied.secrets()))
}

/// Returns the fields that are declared and never read back.
pub(super) fn unverifiable(desired: &Spec) -> Vec<&'static str> {
    let fields = desired.kind().fields().iter().zip(desired.values());
    let untold = fields.filter(|(field, value)| !field.change.is_told() && value.is_some());
    untold.map(|(field, _)| field.path).collect()
}
