//! YAML text to a tree of nodes with spans, and everything that is wrong with it in one report.
//!
//! [`load()`] reads files, directories and standard input into [`Documents`]: each document is a tree of [`Node`]s that
//! remember where they were written. It never stops at the first problem; what is wrong is collected as
//! [`Diagnostics`], which point into the [`Sources`] and are drawn by whoever shows them. A kind reads its fields from
//! a node with [`Fields`] and the readers of [`Node`] (`text`, `integer`, …), and reports in the same way.
//!
//! This module knows no kind by name and talks to no server. Input is hostile until shown otherwise: time is linear in
//! its size, memory is bounded by [`Limits`], and nothing here panics or recurses by the depth of what it reads.
//!
//! Start at [`load()`], then `parse` (one file) and `build` (events to one tree).

mod budget;
mod build;
mod comment;
mod decode;
mod diagnostic;
mod encoding;
mod intern;
mod load;
mod mapping;
mod merge;
mod node;
mod parse;
mod path;
mod piece;
mod scalar;
mod source;
mod split;
mod suggest;
mod syntax;
mod tag;
mod walk;

#[cfg(test)]
mod tests;

pub use decode::Fields;
pub use diagnostic::{Diagnostic, Diagnostics, Label, Severity, code};
pub use load::{Document, Documents, Input, Limits, load};
pub use node::{Entry, Node, Value};
pub use path::Found;
pub use scalar::{Scalar, ScalarKind, ScalarStyle};
pub use source::{Location, Source, SourceId, Sources, Span};
pub use suggest::suggest;
