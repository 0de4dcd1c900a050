//! The value of a field, in the form in which all kinds are compared.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde_json::json;

use super::kind::{Key, KindId};
use super::nested::{Nested, Part};
use super::reserved::is_provided;
use super::secret::SecretRef;
use crate::types::{ByteSize, Cpu, Image, Ttl};

/// The value of one field of a spec.
///
/// Equality is by meaning, never by spelling; `Display` is the spelling.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Value {
    /// An amount of CPU.
    Cpu(Cpu),
    /// A size in bytes.
    Size(ByteSize),
    /// A container image.
    Image(Image),
    /// A number of replicas, or the range in which somebody else may move it.
    Replicas(Replicas),
    /// A time to live.
    Ttl(Ttl),
    /// The object that this one is made from.
    Reference(Reference),
    /// Objects at paths, keyed by path.
    Mounts(BTreeMap<Arc<str>, Reference>),
    /// A text.
    Text(Arc<str>),
    /// A number.
    Number(u64),
    /// `true` or `false`.
    Flag(bool),
    /// Texts by their keys.
    Map(BTreeMap<Arc<str>, Arc<str>>),
    /// Where a secret is. The secret itself is never a value.
    Secret(SecretRef),
    /// Something with parts.
    Nested(Nested),
}

/// A mention of another object by its name.
///
/// Two mentions of one name are not always of one object, nor two names always of two: whoever compares them asks for
/// the identity of what they point at.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Reference {
    /// The kind of the object.
    pub kind: KindId,
    /// Its name.
    pub name: Arc<str>,
}

/// How many replicas there should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replicas {
    /// The fewest; also how many are created at first.
    pub min: u32,
    /// The most.
    pub max: u32,
}

impl Reference {
    /// Returns what it refers to; `None` if no object can have that name.
    pub fn key(&self) -> Option<Key> {
        Some(Key { kind: self.kind, name: self.kind.name(&self.name).ok()? })
    }
}

impl Value {
    /// Returns the references in this value, but to what the service provides: that is not watched over.
    pub fn references(&self) -> Vec<&Reference> {
        match self {
            Self::Reference(reference) if is_provided(&reference.name) => Vec::new(),
            Self::Reference(reference) => vec![reference],
            Self::Mounts(mounts) => mounts.values().collect(),
            _ => Vec::new(),
        }
    }

    /// Returns the secrets that it names.
    pub fn secrets(&self) -> impl Iterator<Item = &SecretRef> {
        let secrets = match self {
            Self::Secret(secret) => vec![secret],
            Self::Nested(nested) => nested.secrets(),
            _ => Vec::new(),
        };
        secrets.into_iter()
    }

    /// Returns whether it has a secret that is on the server and that nobody tells.
    pub fn has_untold(&self) -> bool {
        if let Self::Nested(nested) = self { nested.has_untold() } else { false }
    }

    /// Returns the parts that differ between two values, the second being what is declared; `None` for values that have
    /// no parts.
    pub fn parts(from: Option<&Self>, to: Option<&Self>) -> Option<Vec<Part>> {
        let nested = |value: Option<&'_ Self>| match value {
            Some(Self::Nested(nested)) => Some(nested.clone()),
            _ => None,
        };
        let (from, to) = (nested(from), nested(to));
        (from.is_some() || to.is_some()).then(|| Nested::parts(from.as_ref(), to.as_ref()))
    }

    /// Returns it as a server gives it back.
    pub(super) fn read_back(&self) -> Self {
        if let Self::Nested(nested) = self { Self::Nested(nested.read_back()) } else { self.clone() }
    }

    /// Returns whether `live` is what this declared value asks for, where `same` tells whether a declared and a live
    /// reference point at one object.
    pub fn is_satisfied_by(&self, live: &Self, same: &dyn Fn(&Reference, &Reference) -> bool) -> bool {
        match (self, live) {
            (Self::Replicas(declared), Self::Replicas(live)) => declared.contains(*live),
            (Self::Reference(declared), Self::Reference(live)) if is_provided(&declared.name) => declared == live,
            (Self::Reference(declared), Self::Reference(live)) => same(declared, live),
            (Self::Mounts(declared), Self::Mounts(live)) => {
                declared.len() == live.len() && declared.iter().zip(live).all(|(d, l)| d.0 == l.0 && same(d.1, l.1))
            }
            // What is inherited, or added by the server, is no difference.
            (Self::Map(declared), Self::Map(live)) => declared.iter().all(|(key, value)| live.get(key) == Some(value)),
            (Self::Nested(declared), Self::Nested(live)) => declared.is_satisfied_by(live),
            _ => self == live,
        }
    }

    /// Returns the exact value to bring a live one to: a range becomes the nearest number in it.
    #[must_use]
    pub fn settled(&self, live: Option<&Self>) -> Self {
        match (self, live) {
            (Self::Replicas(declared), Some(Self::Replicas(live))) => Self::Replicas(declared.nearest(live.min)),
            (Self::Replicas(declared), _) => Self::Replicas(Replicas::exactly(declared.min)),
            (Self::Nested(declared), Some(Self::Nested(live))) => Self::Nested(declared.settled(live)),
            _ => self.clone(),
        }
    }

    /// Returns whether going from this value to `next` makes less of it.
    pub fn would_shrink_to(&self, next: &Self) -> bool {
        match (self, next) {
            (Self::Size(now), Self::Size(next)) => next < now,
            _ => false,
        }
    }

    /// Returns whether a live object that does not have the field at all is what this declared value asks for.
    pub fn is_satisfied_by_absence(&self) -> bool {
        match self {
            Self::Ttl(ttl) => *ttl == Ttl::DISABLED,
            Self::Mounts(mounts) => mounts.is_empty(),
            Self::Map(map) => map.is_empty(),
            Self::Flag(flag) => !flag,
            Self::Nested(nested) => nested.is_satisfied_by_absence(),
            _ => false,
        }
    }

    pub(super) fn with_renamed_references(&self, new_name: &dyn Fn(&Reference) -> Option<Arc<str>>) -> Self {
        let rename = |reference: &Reference| {
            let name = new_name(reference).unwrap_or_else(|| Arc::clone(&reference.name));
            Reference { kind: reference.kind, name }
        };
        match self {
            Self::Reference(reference) => Self::Reference(rename(reference)),
            Self::Mounts(mounts) => {
                Self::Mounts(mounts.iter().map(|(path, volume)| (Arc::clone(path), rename(volume))).collect())
            }
            _ => self.clone(),
        }
    }

    /// Returns a text that is the same for values that are equal, whatever their spelling, where `of` says what a
    /// reference stands for.
    pub fn to_canonical(&self, of: &dyn Fn(&Reference) -> String) -> String {
        match self {
            Self::Cpu(cpu) => cpu.millicores().to_string(),
            Self::Size(size) => size.bytes().to_string(),
            Self::Image(image) => image.normalized().to_owned(),
            Self::Replicas(Replicas { min, max }) => format!("{min}..{max}"),
            Self::Ttl(ttl) => ttl.as_seconds().to_string(),
            Self::Text(text) => text.to_string(),
            Self::Number(number) => number.to_string(),
            Self::Secret(secret) => secret.to_string(),
            Self::Flag(flag) => flag.to_string(),
            Self::Map(map) => {
                let texts: Vec<_> = map.iter().map(|(key, value)| format!("{key}={value}")).collect();
                texts.join("\n")
            }
            Self::Nested(nested) => nested.to_json().to_string(),
            Self::Reference(reference) => of(reference),
            Self::Mounts(mounts) => {
                let mounts: Vec<_> = mounts.iter().map(|(path, volume)| format!("{path}={}", of(volume))).collect();
                mounts.join("\n")
            }
        }
    }

    /// Returns the value as a manifest would have it.
    pub fn to_json(&self) -> serde_json::Value {
        match self {
            Self::Cpu(cpu) => json!(cpu.as_str()),
            Self::Size(size) => json!(size.as_str()),
            Self::Image(image) => json!(image.as_str()),
            Self::Replicas(Replicas { min, max }) if min == max => json!(min),
            Self::Replicas(Replicas { min, max }) => json!({"min": min, "max": max}),
            Self::Ttl(ttl) => json!(ttl.as_seconds()),
            Self::Text(text) => json!(text),
            Self::Number(number) => json!(number),
            Self::Secret(secret) => secret.to_json(),
            Self::Flag(flag) => json!(flag),
            Self::Map(map) => map.iter().map(|(key, value)| (key.to_string(), json!(value))).collect(),
            Self::Nested(nested) => nested.to_json(),
            Self::Reference(reference) => json!(reference.name),
            Self::Mounts(mounts) => mounts
                .iter()
                .map(|(path, reference)| json!({"volume_name": reference.name, "mount_path": path}))
                .collect(),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu(cpu) => cpu.fmt(f),
            Self::Size(size) => size.fmt(f),
            Self::Image(image) => image.fmt(f),
            Self::Replicas(replicas) => replicas.fmt(f),
            Self::Ttl(Ttl::DISABLED) => f.pad("0 (disabled)"),
            Self::Ttl(ttl) => ttl.fmt(f),
            Self::Text(text) => f.pad(text),
            Self::Number(number) => number.fmt(f),
            Self::Secret(secret) => secret.fmt(f),
            Self::Flag(flag) => flag.fmt(f),
            Self::Map(map) if map.is_empty() => f.pad("none"),
            Self::Map(map) => {
                let texts: Vec<_> = map.iter().map(|(key, value)| format!("{key}={value}")).collect();
                f.pad(&texts.join(", "))
            }
            Self::Nested(nested) => nested.fmt(f),
            Self::Reference(reference) => f.pad(&reference.name),
            Self::Mounts(mounts) if mounts.is_empty() => f.pad("none"),
            Self::Mounts(mounts) => {
                let texts: Vec<_> = mounts.iter().map(|(path, volume)| format!("{path} ({})", volume.name)).collect();
                f.pad(&texts.join(", "))
            }
        }
    }
}

/// A value of another type than its field has.
pub(super) struct Mistyped;

/// Reads the value of a field that may be left out.
pub(super) fn given<T>(value: Option<&Value>, read: impl Fn(&Value) -> Option<T>) -> Result<Option<T>, Mistyped> {
    value.map(|value| read(value).ok_or(Mistyped)).transpose()
}

impl Value {
    /// Returns the text that it is.
    pub(super) fn to_text(&self) -> Option<Arc<str>> {
        if let Self::Text(text) = self { Some(Arc::clone(text)) } else { None }
    }

    /// Returns the value with parts that it is.
    pub(super) fn to_nested(&self) -> Option<Nested> {
        if let Self::Nested(nested) = self { Some(nested.clone()) } else { None }
    }

    /// Returns the map that it is.
    pub(super) fn to_map(&self) -> Option<BTreeMap<Arc<str>, Arc<str>>> {
        if let Self::Map(map) = self { Some(map.clone()) } else { None }
    }

    /// Returns the size that it is.
    pub(super) fn to_size(&self) -> Option<ByteSize> {
        if let Self::Size(size) = self { Some(size.clone()) } else { None }
    }

    /// Returns the time to live that it is.
    pub(super) fn to_ttl(&self) -> Option<Ttl> {
        if let Self::Ttl(ttl) = self { Some(*ttl) } else { None }
    }

    /// Returns whether it is `true` or `false`, if it is one of the two.
    pub(super) fn to_flag(&self) -> Option<bool> {
        if let Self::Flag(flag) = self { Some(*flag) } else { None }
    }
}

impl Replicas {
    /// Returns a range that holds one number.
    pub fn exactly(number: u32) -> Self {
        Self { min: number, max: number }
    }

    fn contains(self, live: Self) -> bool {
        self.min <= live.min && live.max <= self.max
    }

    /// A pause from outside (0 where the range begins above it) goes to the range's start like any number below it.
    fn nearest(self, number: u32) -> Self {
        Self::exactly(number.clamp(self.min, self.max))
    }
}

impl fmt::Display for Replicas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.min == self.max { self.min.fmt(f) } else { write!(f, "{} to {}", self.min, self.max) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_leaves_the_number_in_it_alone() {
        let range = Value::Replicas(Replicas { min: 2, max: 10 });
        let never = |_: &Reference, _: &Reference| false;
        for (live, satisfied, settled) in [(0, false, 2), (1, false, 2), (2, true, 2), (7, true, 7), (11, false, 10)] {
            let live = Value::Replicas(Replicas::exactly(live));
            assert_eq!(range.is_satisfied_by(&live, &never), satisfied, "{live}");
            assert_eq!(range.settled(Some(&live)), Value::Replicas(Replicas::exactly(settled)), "{live}");
        }
        assert_eq!(range.settled(None), Value::Replicas(Replicas::exactly(2)));
    }
}
