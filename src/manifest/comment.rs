//! The comments of a document, for whoever writes it anew.
//!
//! The parser passes comments over, so they are looked for in the text, around the places that nodes remember. What may be
//! part of a value is never taken for one: a line of a block scalar is indented further than the key above it.

use super::load::{Document, Documents};
use super::path::Found;
use super::source::{Source, Span};

impl Documents {
    /// Returns the lines of comment in front of a document, with their `#` and without blank lines. Those for editors
    /// (`# yaml-language-server: …`) are left out.
    ///
    /// What stands between two documents belongs to the second one, on either side of the `---`.
    pub fn comment_before(&self, document: &Document) -> Vec<&str> {
        let source = self.sources.get(document.source);
        let (line, column) = source.line_column(document.root.head().start);
        // In front of it on its line there may be the bracket that it begins with, and no marker.
        if source.line_text(line).chars().take(column as usize - 1).any(|c| !matches!(c, '{' | '[' | ' ')) {
            return Vec::new();
        }
        // An indented comment belongs to the document before.
        let is_in_front = |text: &&str| text.trim().is_empty() || text.starts_with('#') || is_start(text);
        let above = (1..line).rev().map(|line| source.line_text(line)).take_while(is_in_front);
        let is_kept = |text: &&str| text.starts_with('#') && !text.starts_with("# yaml-language-server:");
        let mut lines: Vec<_> = above.filter(is_kept).map(str::trim_end).collect();
        lines.reverse();
        without_empty_ends(lines)
    }

    /// Returns the lines of comment about the value at a path: those above its key, and the one behind it.
    ///
    /// Those above the first key of a document are about the document.
    pub fn comment_about(&self, document: &Document, path: &str) -> Vec<&str> {
        let Some(Found { key: Some(key), value, .. }) = document.root.at(path) else { return Vec::new() };
        let source = self.sources.get(key.span.source);
        let is_first = key.span == document.root.head();
        let mut lines = if is_first { Vec::new() } else { above(source, key.span) };
        // What is written below its key has its comments in front of its parts.
        let is_beside = source.line_column(value.head().start).0 == source.line_column(key.span.start).0;
        lines.extend(behind(source, if is_beside { value.span } else { key.span }));
        lines
    }
}

fn is_start(line: &str) -> bool {
    line.trim_end() == "---"
}

/// Returns the lines of comment right above the key at `span`, which begin where it begins.
fn above(source: &Source, span: Span) -> Vec<&str> {
    let (line, column) = source.line_column(span.start);
    let indent = indent_of(source.line_text(line));
    if indent + 1 != column as usize {
        return Vec::new();
    }
    let is_about_it = |text: &&str| indent_of(text) == indent && text[indent..].starts_with('#');
    let lines = (1..line).rev().map(|line| source.line_text(line));
    let mut lines: Vec<_> = lines.take_while(is_about_it).map(str::trim).collect();
    lines.reverse();
    lines
}

fn indent_of(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}

/// Returns the comment on the line that `span` ends on, behind it.
fn behind(source: &Source, span: Span) -> Option<&str> {
    let (before, rest) = source.text().split_at_checked(span.end as usize)?;
    // A block scalar ends where the next line begins.
    let rest = rest.lines().next().filter(|_| !before.ends_with('\n'))?;
    let rest = rest.strip_prefix(':').unwrap_or(rest);
    let comment = rest.trim_start();
    (comment.starts_with('#') && comment.len() < rest.len()).then(|| comment.trim_end())
}

fn without_empty_ends(mut lines: Vec<&str>) -> Vec<&str> {
    while lines.last() == Some(&"#") {
        lines.pop();
    }
    let n_empty = lines.iter().take_while(|line| **line == "#").count();
    lines.split_off(n_empty)
}

#[cfg(test)]
mod tests {
    use crate::manifest::tests::{good, read};

    #[test]
    fn what_stands_in_front_of_a_document_is_about_it() {
        let text = "\
# yaml-language-server: $schema=x
#
# first
#
# about a

a: 1
# of b, too
---
# b
b: |
  # no comment
  x
  # the last line of b
# of c
---

c: 3 # behind
  # indented, at the end of c
---
--- {d: 4}
---
# of e
{e: 5}
";
        let (documents, diagnostics) = read(text);
        assert!(diagnostics.is_empty(), "{diagnostics:?}");
        let found: Vec<_> = documents.documents.iter().map(|document| documents.comment_before(document)).collect();
        let expected: [&[&str]; 5] =
            [&["# first", "#", "# about a"], &["# of b, too", "# b"], &["# of c"], &[], &["# of e"]];
        assert_eq!(found, expected);
    }

    #[test]
    fn what_stands_above_a_key_or_behind_its_value_is_about_it() {
        let text = "\
a: # of a
  # of b
  # still of b
  b: 1 # behind b
  c: \"# none\"
  d: |
    # none
  e: x#none
  # of f

  f: {g: 1, h: [2]} # behind f
  # of i
  i: 'a
    # none' # behind i
  k: # of k
    - 1
  l:
";
        let (documents, root) = good(text);
        let about = |path: &str| {
            assert!(root.at(path).is_some(), "{path}");
            documents.comment_about(&documents.documents[0], path).join(" ")
        };
        assert_eq!(about("a"), "# of a");
        assert_eq!(about("a.b"), "# of b # still of b # behind b");
        for path in ["", "a.c", "a.d", "a.e", "a.f.g", "a.f.h", "a.k[0]", "a.l"] {
            assert_eq!(about(path), "", "{path}");
        }
        assert_eq!(about("a.f"), "# behind f");
        assert_eq!(about("a.i"), "# of i # behind i");
        assert_eq!(about("a.k"), "# of k");
        assert_eq!(documents.comment_about(&documents.documents[0], "a.z"), [""; 0]);
        let (documents, _) = good("# of all\na: 1 # of a\n");
        assert_eq!(documents.comment_about(&documents.documents[0], "a"), ["# of a"]);
    }
}
