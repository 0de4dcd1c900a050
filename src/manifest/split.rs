//! Cuts a file into its documents before any of them is parsed.
//!
//! A line that starts with `---` or `...` is a marker wherever it stands, also inside quotes and block scalars (YAML
//! 1.2.2, production 206, `c-forbidden`), so cutting there is exact. It is what lets a problem in one document leave the
//! others alone, and what bounds the memory that the parser needs at a time.

use std::ops::Range;

/// The pieces of a text, each with at most one document and with the directives that belong to it.
pub(super) struct Pieces<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Pieces<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }
}

impl Iterator for Pieces<'_> {
    type Item = Range<usize>;

    fn next(&mut self) -> Option<Range<usize>> {
        if self.at == self.text.len() {
            return None;
        }
        let start = self.at;
        let mut prologue = Prologue::Empty;
        let mut line_start = start;
        while line_start < self.text.len() {
            let line_end = end_of_line(self.text, line_start);
            let line = &self.text[line_start..line_end];
            if is_marker(line, "---") {
                if prologue == Prologue::Content || (prologue == Prologue::Empty && line_start > start) {
                    break;
                }
                prologue = Prologue::Content;
            } else if is_marker(line, "...") {
                line_start = line_end;
                break;
            } else if prologue != Prologue::Content {
                prologue = prologue.and(line);
            }
            line_start = line_end;
        }
        self.at = line_start;
        Some(start..line_start)
    }
}

/// What a piece has had so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Prologue {
    /// Blank lines and comments.
    Empty,
    /// Directives, which belong to the document behind the next `---`.
    Directives,
    /// Part of a document.
    Content,
}

impl Prologue {
    fn and(self, line: &str) -> Self {
        if line.starts_with('%') {
            Self::Directives
        } else if line.trim_ascii_start().is_empty() || line.trim_ascii_start().starts_with('#') {
            self
        } else {
            Self::Content
        }
    }
}

/// Returns the offset behind the line break (`\n`, `\r\n` or `\r`) of the line that starts at `start`.
fn end_of_line(text: &str, start: usize) -> usize {
    let bytes = &text.as_bytes()[start..];
    match bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
        Some(at) if bytes[at..].starts_with(b"\r\n") => start + at + 2,
        Some(at) => start + at + 1,
        None => text.len(),
    }
}

fn is_marker(line: &str, marker: &str) -> bool {
    line.strip_prefix(marker).is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\n', '\r']))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(text: &str) -> Vec<&str> {
        Pieces::new(text).map(|range| &text[range]).collect()
    }

    #[test]
    fn cuts_at_markers_only() {
        assert_eq!(pieces(""), [""; 0]);
        assert_eq!(pieces("a: 1"), ["a: 1"]);
        assert_eq!(pieces("---\na\n--- b\n---\n"), ["---\na\n", "--- b\n", "---\n"]);
        assert_eq!(pieces("# c\n---\na\n"), ["# c\n", "---\na\n"]);
        assert_eq!(pieces("---a\n ---\n----\n"), ["---a\n ---\n----\n"]);
        assert_eq!(pieces("a\r\n---\r\nb\r---\rc"), ["a\r\n", "---\r\nb\r", "---\rc"]);
    }

    #[test]
    fn an_end_marker_belongs_to_what_it_ends() {
        assert_eq!(pieces("a\n...\nb\n"), ["a\n...\n", "b\n"]);
        assert_eq!(pieces("a\n...\n---\nb"), ["a\n...\n", "---\nb"]);
    }

    #[test]
    fn directives_stay_with_their_document() {
        let text = "a\n...\n# next\n%YAML 1.2\n\n---\nb\n---\nc";
        assert_eq!(pieces(text), ["a\n...\n", "# next\n%YAML 1.2\n\n---\nb\n", "---\nc"]);
    }

    #[test]
    fn nothing_is_lost() {
        for text in ["---", "...", "...\n...", "\n\n---\n\n...\n%\n", "a\n%x\n---\n", "\r---\r\r\n---"] {
            assert_eq!(pieces(text).concat(), text);
        }
    }
}
