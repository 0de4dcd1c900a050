//! What is known about a field of a spec: its shape, how it may change, what its absence means.
//!
//! The diff, the plan, the schema, the explanations and the tables are all made from this data.

use super::form::Form;
use super::kind::KindId;

/// A field of a kind's spec.
#[derive(Debug)]
pub struct Field {
    /// Where it stands below `spec`, with dots between the keys.
    pub path: &'static str,
    /// What it looks like in a manifest.
    pub shape: Shape,
    /// How the API lets it change.
    pub change: Change,
    /// What leaving it out means.
    pub absent: Absent,
    /// One or two sentences about it: meaning, unit, limits.
    pub doc: &'static str,
    /// An example value, in YAML flow style.
    pub example: &'static str,
}

/// What a field looks like in a manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Shape {
    /// An amount of CPU: a text or a plain number.
    Cpu,
    /// A size in bytes: a text or a plain number.
    Size,
    /// The reference of a container image.
    Image,
    /// The name of an object of this kind.
    Reference(KindId),
    /// A whole number, or `{min, max}`.
    Replicas,
    /// Seconds: zero or a positive multiple of 60.
    Ttl,
    /// A list of `{volume_name, mount_path}`, with objects of this kind.
    Mounts(KindId),
    /// Any text that is not empty.
    Text,
    /// A whole number, not negative.
    Number,
    /// `true` or `false`.
    Flag,
    /// A mapping of texts to texts. What is declared is a part of what is live: others may add to it.
    Map,
    /// Where a secret is: `{env: NAME}` or `{file: PATH}`.
    Secret,
    /// Something with parts, of this form.
    Nested(&'static Form),
}

/// How the API lets a field change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// In place, to any value.
    InPlace,
    /// In place, but never to less.
    GrowOnly,
    /// Only by making the object anew.
    Replace,
    /// In place, and the server never gives it back: it is compared with what was applied last, and where nobody knows
    /// that, not at all. Such a field can be left out.
    WriteOnly,
    /// Only by making the object anew, and the server never gives it back: it is compared as [`Change::WriteOnly`] is.
    WriteOnce,
}

/// What leaving a field out means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Absent {
    /// An error.
    Required,
    /// This value, in YAML flow style.
    Default(&'static str),
    /// That the live value is left alone, whatever it is.
    LeaveAlone,
}

impl Change {
    /// Returns whether the server gives the field back.
    pub fn is_told(self) -> bool {
        !matches!(self, Self::WriteOnly | Self::WriteOnce)
    }

    /// Returns whether it takes a new object.
    pub fn makes_anew(self) -> bool {
        matches!(self, Self::Replace | Self::WriteOnce)
    }
}

impl Shape {
    /// Returns what the shape is called, with its article.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cpu | Self::Size => "a quantity",
            Self::Image | Self::Text => "a text",
            Self::Reference(_) => "the name of an object",
            Self::Replicas => "a whole number, or {min, max}",
            Self::Ttl => "seconds, a multiple of 60",
            Self::Mounts(_) => "a list of {volume_name, mount_path}",
            Self::Number => "a whole number",
            Self::Flag => "true or false",
            Self::Map => "a mapping of texts",
            Self::Secret => "{env: NAME} or {file: PATH}",
            Self::Nested(form) => form.name(),
        }
    }
}
