//! What is wrong, where, and what to do about it, as values.

use std::fmt;

use super::source::Span;

/// The codes of this module's own diagnostics. They are stable; whoever decodes a tree adds codes of its own.
pub mod code {
    /// A path that does not exist or cannot be read.
    pub const UNREADABLE: &str = "unreadable";
    /// A path, or standard input, with no document in it.
    pub const NO_DOCUMENT: &str = "no-document";
    /// Bytes or characters that no manifest may have.
    pub const ENCODING: &str = "encoding";
    /// Text that is not YAML.
    pub const SYNTAX: &str = "syntax";
    /// One of the [`Limits`](crate::manifest::Limits) was reached.
    pub const LIMIT: &str = "limit";
    /// The same key twice in one mapping.
    pub const DUPLICATE_KEY: &str = "duplicate-key";
    /// A key that is no scalar, or no key at all.
    pub const BAD_KEY: &str = "bad-key";
    /// A tag that is unknown, or that the value does not fit.
    pub const TAG: &str = "tag";
    /// An alias or a merge key that cannot be resolved.
    pub const ALIAS: &str = "alias";
    /// A field that has to be there.
    pub const MISSING_FIELD: &str = "missing-field";
    /// A field that nobody asked for.
    pub const UNKNOWN_FIELD: &str = "unknown-field";
    /// A value of another type than the field has.
    pub const WRONG_TYPE: &str = "wrong-type";
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Nothing may be done with the manifests.
    Error,
    /// Worth a look; the manifests are good.
    Warning,
}

/// One problem, with every place that belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Names the rule that was broken; stable, for programs and for the documentation.
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, in lower case and without a full stop; values stand in backticks.
    pub message: String,
    /// The places that belong to it. A problem with no text, such as a path that does not exist, has none.
    pub labels: Vec<Label>,
    /// What to do about it, where there is something to say.
    pub help: Option<String>,
}

/// A marked place in a source, and what is to be seen there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// The place.
    pub span: Span,
    /// What is to be seen there; may be empty.
    pub text: String,
    /// Whether it is the problem itself, and not something that helps to understand it.
    pub primary: bool,
    /// Whether the text there is a secret: no line that it is on may be shown, for whatever reason.
    pub concealed: bool,
}

impl Diagnostic {
    /// Starts an error.
    #[must_use]
    pub fn error(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, severity: Severity::Error, message: message.into(), labels: Vec::new(), help: None }
    }

    /// Starts a warning.
    #[must_use]
    pub fn warning(code: &'static str, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, message) }
    }

    /// Marks the place of the problem.
    #[must_use]
    pub fn primary(mut self, span: Span, text: impl Into<String>) -> Self {
        self.labels.push(Label { span, text: text.into(), primary: true, concealed: false });
        self
    }

    /// Marks the place of the problem, where a secret stands.
    #[must_use]
    pub fn concealed(mut self, span: Span, text: impl Into<String>) -> Self {
        self.labels.push(Label { span, text: text.into(), primary: true, concealed: true });
        self
    }

    /// Marks a place that helps to understand the problem.
    #[must_use]
    pub fn secondary(mut self, span: Span, text: impl Into<String>) -> Self {
        self.labels.push(Label { span, text: text.into(), primary: false, concealed: false });
        self
    }

    /// Says what to do about it.
    #[must_use]
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.help = Some(text.into());
        self
    }

    /// Returns the place that stands for the problem: its first primary label, or nothing when no text is to blame.
    pub fn span(&self) -> Option<Span> {
        self.labels.iter().find(|label| label.primary).map(|label| label.span)
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// Everything that was found, in the order in which it was found until [`sort`](Self::sort) is called.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Diagnostics(Vec<Diagnostic>);

impl Diagnostics {
    /// Returns an empty collection.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        self.0.push(diagnostic);
    }

    /// Adds all of `other` behind those that are here.
    pub fn append(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Orders by source and place. What has no place comes first; the order is otherwise kept.
    pub fn sort(&mut self) {
        self.0.sort_by_key(Diagnostic::span);
    }

    /// Returns whether there is an error among them.
    pub fn has_errors(&self) -> bool {
        self.errors().next().is_some()
    }

    /// Iterates over the errors.
    pub fn errors(&self) -> impl Iterator<Item = &Diagnostic> {
        self.0.iter().filter(|diagnostic| diagnostic.severity == Severity::Error)
    }

    /// Iterates over the warnings.
    pub fn warnings(&self) -> impl Iterator<Item = &Diagnostic> {
        self.0.iter().filter(|diagnostic| diagnostic.severity == Severity::Warning)
    }

    /// Iterates over all of them.
    pub fn iter(&self) -> std::slice::Iter<'_, Diagnostic> {
        self.0.iter()
    }

    /// Returns how many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'a> IntoIterator for &'a Diagnostics {
    type Item = &'a Diagnostic;
    type IntoIter = std::slice::Iter<'a, Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl IntoIterator for Diagnostics {
    type Item = Diagnostic;
    type IntoIter = std::vec::IntoIter<Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl Extend<Diagnostic> for Diagnostics {
    fn extend<T: IntoIterator<Item = Diagnostic>>(&mut self, iter: T) {
        self.0.extend(iter);
    }
}

/// Returns a short form of a text from a manifest, fit for one line of a message.
pub(super) fn shown(text: &str) -> String {
    const LONGEST: usize = 40;
    let mut short: String = text.chars().take(LONGEST).flat_map(char::escape_debug).collect();
    if text.chars().nth(LONGEST).is_some() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::source::Sources;

    #[test]
    fn sorts_by_source_and_place_and_keeps_the_rest() {
        let mut sources = Sources::default();
        let [a, b] = ["a", "b"].map(|name| sources.add(name.to_owned(), String::new()));
        let at = |source, start| Span { source, start, end: start };
        let mut all = Diagnostics::new();
        all.push(Diagnostic::error("x", "b1").primary(at(b, 1), ""));
        all.push(Diagnostic::error("x", "a9").secondary(at(a, 1), "").primary(at(a, 9), ""));
        all.push(Diagnostic::warning("x", "a5 first").primary(at(a, 5), ""));
        all.push(Diagnostic::error("x", "a5 second").primary(at(a, 5), ""));
        all.push(Diagnostic::error("x", "nowhere"));
        all.sort();
        let order: Vec<_> = all.iter().map(|diagnostic| diagnostic.message.as_str()).collect();
        assert_eq!(order, ["nowhere", "a5 first", "a5 second", "a9", "b1"]);
        assert_eq!((all.errors().count(), all.warnings().count()), (4, 1));
    }

    #[test]
    fn a_warning_is_no_error() {
        let mut all = Diagnostics::new();
        all.push(Diagnostic::warning("x", "odd"));
        assert!(!all.has_errors());
        all.push(Diagnostic::error("x", "bad"));
        assert!(all.has_errors());
    }

    #[test]
    fn long_and_odd_texts_are_shown_short_and_escaped() {
        assert_eq!(shown("a\nb\u{1b}[m"), "a\\nb\\u{1b}[m");
        assert_eq!(shown(&"é".repeat(41)), format!("{}…", "é".repeat(40)));
        assert_eq!(shown(&"é".repeat(40)), "é".repeat(40));
    }
}
