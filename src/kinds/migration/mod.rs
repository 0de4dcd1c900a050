//! What becomes of manifests when a workspace moves on to kinds of another version.
//!
//! [`to_snapshots`] says of each object what it becomes, if anything, and notes what was decided on the way, what is lost,
//! and what only its owner can say. It reads no file and writes none: a [`Moved`] is a value, and how it looks in a file
//! is somebody else's business. Start with `snapshots.rs`, which has a function for each kind.

mod declared;
mod sandbox;
mod size;
mod snapshots;
mod steps;

pub use snapshots::to_snapshots;

use serde_json::Value as Json;

use super::kind::Key;
use super::object::{Object, Origin};

/// What becomes of all that is declared.
#[derive(Debug, Clone)]
pub struct Migration {
    /// What becomes of each object, in the order in which they are declared.
    pub moved: Vec<Moved>,
    /// What is left to do by hand, in this order.
    pub steps: Vec<String>,
}

/// What becomes of one object.
#[derive(Debug, Clone)]
pub struct Moved {
    /// What it was.
    pub from: Key,
    /// Where that is declared.
    pub origin: Origin,
    /// What takes its place; `None` if nothing does.
    pub to: Option<Object>,
    /// The fields of the new manifest, with dots, that come from one with another name, which stands beside each.
    pub renamed: &'static [(&'static str, &'static str)],
    /// What is to be known about it.
    pub notes: Vec<Note>,
}

/// Something that whoever moves has to know, and where it belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// What it asks of its reader.
    pub weight: Weight,
    /// The field of the new manifest that it is about, with dots, which may not be there; empty for the object as a whole.
    pub at: &'static str,
    /// A sentence or two.
    pub text: String,
    /// What the new manifest could say, once blanks are filled in.
    pub examples: Vec<Example>,
}

/// A part of a manifest that is not in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Example {
    /// When it is the right one.
    pub when: String,
    /// What the manifest would have below the place of the note.
    pub fields: Json,
}

/// What a [`Note`] asks of its reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// Nothing: it says what was chosen, and why.
    Decided,
    /// To do without: there is nothing like it any more.
    Lost,
    /// To say what nothing here knows.
    ToDo,
}

impl Moved {
    /// Returns which field of the old manifest a field of the new one comes from, if it was there.
    pub fn field_before<'a>(&self, field: &'a str) -> &'a str {
        self.renamed.iter().find(|(new, _)| *new == field).map_or(field, |(_, old)| *old)
    }
}

impl Weight {
    /// Returns the word for it, which notes in files begin with.
    pub fn word(self) -> &'static str {
        match self {
            Self::Decided => "decided",
            Self::Lost => "lost",
            Self::ToDo => "to do",
        }
    }
}

impl Note {
    fn new(weight: Weight, at: &'static str, text: impl Into<String>) -> Self {
        Self { weight, at, text: text.into(), examples: Vec::new() }
    }

    fn decided(at: &'static str, text: impl Into<String>) -> Self {
        Self::new(Weight::Decided, at, text)
    }

    fn lost(at: &'static str, text: impl Into<String>) -> Self {
        Self::new(Weight::Lost, at, text)
    }

    fn to_do(at: &'static str, text: impl Into<String>) -> Self {
        Self::new(Weight::ToDo, at, text)
    }
}

#[cfg(test)]
mod tests;
