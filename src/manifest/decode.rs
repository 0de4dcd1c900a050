//! Reading the fields of a node, with a report of everything that does not fit.

use std::borrow::Cow;

use super::diagnostic::{Diagnostic, Diagnostics, code, shown};
use super::node::{Entry, Node};
use super::scalar::{Scalar, ScalarKind, ScalarStyle};
use super::suggest::suggest;
use super::syntax::space_behind_colon;

/// How many unknown fields of one mapping are reported one by one.
const MOST_UNKNOWN: usize = 20;

/// The fields of a mapping, asked for one by one.
///
/// The names that were asked for are the names that are known: [`finish`](Self::finish) reports all others.
///
/// ```
/// use sbx::manifest::{Fields, Input, Limits, load};
///
/// let input = Input::Text { name: "a.yaml".to_owned(), text: "name: tea\nsiez: 3\n".to_owned() };
/// let (documents, mut out) = load(&[input], &Limits::default());
/// let mut fields = Fields::new(&documents.documents[0].root, "the pot", &mut out).expect("it is a mapping");
/// let name = fields.required("name", &mut out).and_then(|node| node.text("`name`", &mut out));
/// let size = fields.optional("size").and_then(|node| node.integer("`size`", &mut out));
/// fields.finish(&mut out);
///
/// assert_eq!((name, size), (Some("tea"), None));
/// let problem = out.iter().next().expect("`siez` is no field");
/// assert_eq!(problem.message, "unknown field `siez` in the pot");
/// assert_eq!(problem.help.as_deref(), Some("did you mean `size`?"));
/// let place = documents.sources.location(problem.span().expect("it is in the text"));
/// assert_eq!((place.name, place.line, place.column), ("a.yaml", 2, 1));
/// ```
#[derive(Debug)]
#[must_use = "fields that nobody asked for are reported by `finish`"]
pub struct Fields<'a> {
    node: &'a Node,
    entries: &'a [Entry],
    what: Cow<'static, str>,
    asked: Vec<&'static str>,
}

impl<'a> Fields<'a> {
    /// Opens a node; reports and returns nothing if it is no mapping.
    ///
    /// `what` names the node in reports, such as `` `spec` ``.
    pub fn new(node: &'a Node, what: impl Into<Cow<'static, str>>, out: &mut Diagnostics) -> Option<Self> {
        let what = what.into();
        let entries = node.mapping(&what, out)?;
        Some(Self { node, entries, what, asked: Vec::new() })
    }

    /// Returns the mapping itself, to report what concerns several of its fields.
    pub fn node(&self) -> &'a Node {
        self.node
    }

    /// Returns the value of a field. One that is null counts as left out.
    pub fn optional(&mut self, name: &'static str) -> Option<&'a Node> {
        self.asked.push(name);
        self.entry(name).map(|entry| &entry.value).filter(|value| !value.is_null())
    }

    /// Returns the value of a field; reports and returns nothing if it is left out.
    pub fn required(&mut self, name: &'static str, out: &mut Diagnostics) -> Option<&'a Node> {
        let value = self.optional(name);
        if value.is_none() {
            out.push(self.missing(name));
        }
        value
    }

    /// Returns the key and value of a field that was written, even if its value is null.
    ///
    /// Unlike the other two this does not make the name known.
    pub fn entry(&self, name: &str) -> Option<&'a Entry> {
        self.entries.iter().find(|entry| entry.name() == name)
    }

    /// Reports every field that was not asked for.
    pub fn finish(self, out: &mut Diagnostics) {
        let mut unknown = self.entries.iter().filter(|entry| !self.asked.contains(&entry.name()));
        for entry in unknown.by_ref().take(MOST_UNKNOWN) {
            out.push(self.unknown(entry));
        }
        if let Some(entry) = unknown.next() {
            let message = format!("{} more unknown fields in {}", unknown.count() + 1, self.what);
            out.push(Diagnostic::error(code::UNKNOWN_FIELD, message).primary(entry.key.span, "and so on from here"));
        }
    }

    fn missing(&self, name: &str) -> Diagnostic {
        let error = Diagnostic::error(code::MISSING_FIELD, format!("missing field `{name}` in {}", self.what));
        match self.entry(name) {
            Some(entry) => error.primary(entry.key.span, "has no value"),
            None => error.primary(self.node.head(), format!("`{name}` belongs beside this")),
        }
    }

    fn unknown(&self, entry: &Entry) -> Diagnostic {
        let message = format!("unknown field `{}` in {}", shown(entry.name()), self.what);
        let error = Diagnostic::error(code::UNKNOWN_FIELD, message).primary(entry.key.span, "unknown field");
        let free = self.asked.iter().copied().filter(|name| self.entry(name).is_none());
        if let Some(near) = suggest(entry.name(), free) {
            return error.help(format!("did you mean `{near}`?"));
        }
        if self.asked.is_empty() {
            return error.help(format!("{} has no fields", self.what));
        }
        let known: Vec<_> = self.asked.iter().map(|name| format!("`{name}`")).collect();
        error.help(format!("the fields of {} are {}", self.what, known.join(", ")))
    }
}

/// Readers that report a value of another type. `what` names the field in reports, such as `` `spec.replicas` ``.
impl Node {
    /// Reads a text. A number or a boolean has to be quoted to be one.
    pub fn text(&self, what: &str, out: &mut Diagnostics) -> Option<&str> {
        match self.as_scalar() {
            Some(scalar) if scalar.kind() == ScalarKind::Text => Some(scalar.text()),
            _ => self.mismatch(what, "a string", out),
        }
    }

    /// Reads a text, or a number as it was written: `0.5` and `"0.5"` are the same.
    pub fn text_or_number(&self, what: &str, out: &mut Diagnostics) -> Option<&str> {
        match self.as_scalar() {
            Some(scalar) if matches!(scalar.kind(), ScalarKind::Text | ScalarKind::Int | ScalarKind::Float) => {
                Some(scalar.text())
            }
            _ => self.mismatch(what, "a string or a number", out),
        }
    }

    /// Reads `true` or `false`.
    pub fn boolean(&self, what: &str, out: &mut Diagnostics) -> Option<bool> {
        match self.as_scalar().and_then(Scalar::to_bool) {
            Some(value) => Some(value),
            None => self.mismatch(what, "a boolean", out),
        }
    }

    /// Reads a whole number of 64 bits.
    pub fn integer(&self, what: &str, out: &mut Diagnostics) -> Option<i64> {
        match self.as_scalar() {
            Some(scalar) if scalar.kind() == ScalarKind::Int => {
                let value = scalar.to_integer();
                if value.is_none() {
                    let message = format!("{what} is out of range");
                    let error = Diagnostic::error(code::WRONG_TYPE, message);
                    out.push(error.primary(self.span, "does not fit in 64 bits"));
                }
                value
            }
            _ => self.mismatch(what, "an integer", out),
        }
    }

    /// Reads a sequence.
    pub fn sequence(&self, what: &str, out: &mut Diagnostics) -> Option<&[Self]> {
        match self.as_sequence() {
            Some(items) => Some(items),
            None => self.mismatch(what, "a sequence", out),
        }
    }

    /// Reads a mapping whose keys are not known beforehand. For one with known fields there is [`Fields`].
    pub fn mapping(&self, what: &str, out: &mut Diagnostics) -> Option<&[Entry]> {
        match self.as_mapping() {
            Some(entries) => Some(entries),
            None => self.mismatch(what, "a mapping", out),
        }
    }

    fn mismatch<T>(&self, what: &str, expected: &str, out: &mut Diagnostics) -> Option<T> {
        let found = self.type_name();
        let error = Diagnostic::error(code::WRONG_TYPE, format!("{what} must be {expected}, not {found}"));
        let label = match self.as_scalar() {
            Some(scalar) if !self.is_null() => format!("expected {expected}, found {found} `{}`", shown(scalar.text())),
            _ => format!("expected {expected}, found {found}"),
        };
        let mut error = error.primary(self.head(), label);
        error.help = self.advice(expected);
        out.push(error);
        None
    }

    /// Returns how to turn what was written into what was expected, where that is plain.
    fn advice(&self, expected: &str) -> Option<String> {
        let Some(scalar) = self.as_scalar() else {
            let is_text = expected.starts_with("a string");
            let is_flow_mapping = is_text && self.as_mapping().is_some_and(|entries| entries.len() == 1);
            return is_flow_mapping.then(|| "put the text in quotes if it has `{`, or `: `, in it".to_owned());
        };
        let (text, plain) = (scalar.text(), ScalarKind::of_plain(scalar.text()));
        let is_quoted = scalar.style() == ScalarStyle::Quoted;
        match expected {
            "a string" if !self.is_null() => Some(format!("put it in quotes: `\"{}\"`", shown(text))),
            "a boolean" if is_quoted && plain == ScalarKind::Bool => Some(format!("remove the quotes: `{text}`")),
            "a boolean" => Some(format!("write {}", boolean_for(text))),
            "an integer" if is_quoted && plain == ScalarKind::Int => Some(format!("remove the quotes: `{text}`")),
            "a sequence" => Some(if self.is_null() {
                "write `[]` for an empty one".to_owned()
            } else {
                format!("write `[{}]` for a sequence of one", shown(text))
            }),
            "a mapping" if !is_quoted => missing_space(text),
            _ => None,
        }
    }
}

/// Returns the boolean that a text of YAML 1.1 or common speech means.
fn boolean_for(text: &str) -> &'static str {
    match text.to_ascii_lowercase().as_str() {
        "yes" | "y" | "on" | "1" => "`true`",
        "no" | "n" | "off" | "0" => "`false`",
        _ => "`true` or `false`",
    }
}

/// Returns the advice for `key:value`, which is one text and no mapping.
fn missing_space(text: &str) -> Option<String> {
    let (key, value) = text.split_once(':')?;
    // `http://host` is no key with a value.
    let is_key =
        !value.starts_with('/') && !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    is_key.then(|| space_behind_colon(key, value))
}

#[cfg(test)]
mod tests;
