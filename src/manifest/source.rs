//! The texts that were read, and places in them.

use std::sync::OnceLock;

/// Names one text of a [`Sources`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceId(u32);

impl SourceId {
    /// Names no text.
    pub const NONE: Self = Self(u32::MAX);

    /// Returns the place of the text among those of its [`Sources`].
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A stretch of one source, in bytes of its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// The text it is in.
    pub source: SourceId,
    /// Where it starts, as a byte offset.
    pub start: u32,
    /// Where it ends, as the byte offset behind its last byte; equal to `start` for a place between two characters.
    pub end: u32,
}

impl Span {
    /// Is in no text.
    pub const NOWHERE: Self = Self { source: SourceId::NONE, start: 0, end: 0 };

    /// Returns the smallest span that holds this one and `other`, which is in the same source.
    #[must_use]
    pub fn to(self, other: Self) -> Self {
        Self { source: self.source, start: self.start.min(other.start), end: self.end.max(other.end) }
    }
}

/// A place as a person reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location<'a> {
    /// The name of the source, as the user wrote it.
    pub name: &'a str,
    /// The line, counted from 1.
    pub line: u32,
    /// The column in characters, counted from 1.
    pub column: u32,
}

/// All texts of one load, in the order in which they were read.
#[derive(Debug, Default)]
pub struct Sources(Vec<Source>);

impl Sources {
    /// Takes in a text under the name that reports show.
    ///
    /// Texts are shorter than 4 GiB, because [`Limits`](super::Limits) keeps them so.
    pub(super) fn add(&mut self, name: String, text: String) -> SourceId {
        let id = SourceId(u32::try_from(self.0.len()).expect("fewer files than 2^32 are ever opened"));
        self.0.push(Source { name: name.into_boxed_str(), text: text.into_boxed_str(), line_starts: OnceLock::new() });
        id
    }

    /// Returns the source that `id` names.
    ///
    /// # Panics
    ///
    /// When `id` comes from another `Sources` that had more texts.
    pub fn get(&self, id: SourceId) -> &Source {
        &self.0[id.0 as usize]
    }

    /// Returns where `span` starts, for people.
    pub fn location(&self, span: Span) -> Location<'_> {
        let source = self.get(span.source);
        let (line, column) = source.line_column(span.start);
        Location { name: source.name(), line, column }
    }

    /// Returns the text that `span` covers.
    pub fn snippet(&self, span: Span) -> &str {
        self.get(span.source).text.get(span.start as usize..span.end as usize).unwrap_or_default()
    }

    /// Iterates over the sources in the order in which they were read.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Source> {
        self.0.iter()
    }
}

/// One text that was read.
#[derive(Debug)]
pub struct Source {
    name: Box<str>,
    text: Box<str>,
    /// Where each line starts. Filled when something is first reported, so that good files never pay for it.
    line_starts: OnceLock<Box<[u32]>>,
}

impl Source {
    /// Returns the path as the user wrote it, or `<stdin>`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the text, without a byte order mark.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns the line and the column in characters of a byte offset, both counted from 1.
    ///
    /// Lines end at `\n`, as in the editors and log viewers that the numbers are read in. An offset behind the end, or
    /// inside a character, counts as the nearest place before it.
    pub fn line_column(&self, offset: u32) -> (u32, u32) {
        let offset = self.text.floor_char_boundary(offset as usize);
        let line = self.line_starts().partition_point(|&start| start as usize <= offset);
        let start = self.line_starts()[line - 1] as usize;
        let column = self.text[start..offset].chars().count();
        (count(line), count(column + 1))
    }

    /// Returns the text of a line (counted from 1) without its line break; nothing for a line that does not exist.
    pub fn line_text(&self, line: u32) -> &str {
        let starts = self.line_starts();
        let Some(&start) = (line as usize).checked_sub(1).and_then(|index| starts.get(index)) else {
            return "";
        };
        let end = starts.get(line as usize).map_or(self.text.len(), |&next| next as usize);
        self.text[start as usize..end].trim_end_matches(['\n', '\r'])
    }

    fn line_starts(&self) -> &[u32] {
        self.line_starts.get_or_init(|| {
            let breaks = self.text.bytes().enumerate().filter(|&(_, byte)| byte == b'\n');
            std::iter::once(0).chain(breaks.map(|(at, _)| count(at + 1))).collect()
        })
    }
}

fn count(n: usize) -> u32 {
    u32::try_from(n).expect("a source is shorter than 4 GiB")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(text: &str) -> (Sources, SourceId) {
        let mut sources = Sources::default();
        let id = sources.add("a.yaml".to_owned(), text.to_owned());
        (sources, id)
    }

    #[test]
    fn counts_lines_from_one_and_columns_in_characters() {
        let (sources, id) = sources("ab\ncd: ä€x\r\n\nend");
        let source = sources.get(id);
        let x = u32::try_from(source.text().find('x').unwrap()).unwrap();
        assert_eq!(source.line_column(0), (1, 1));
        assert_eq!(source.line_column(2), (1, 3));
        assert_eq!(source.line_column(3), (2, 1));
        assert_eq!(source.line_column(x), (2, 7));
        assert_eq!(source.line_column(x - 1), (2, 6), "inside a character");
        assert_eq!(source.line_column(u32::MAX), (4, 4));
        let span = Span { source: id, start: x, end: x + 1 };
        assert_eq!(sources.location(span), Location { name: "a.yaml", line: 2, column: 7 });
        assert_eq!(sources.snippet(span), "x");
    }

    #[test]
    fn gives_lines_without_their_breaks() {
        let (sources, id) = sources("one\r\ntwo\n\nfour");
        let lines: Vec<_> = (0..=5).map(|line| sources.get(id).line_text(line)).collect();
        assert_eq!(lines, ["", "one", "two", "", "four", ""]);
    }

    #[test]
    fn an_empty_text_has_one_place() {
        let (sources, id) = sources("");
        assert_eq!(sources.get(id).line_column(0), (1, 1));
        assert_eq!(sources.get(id).line_text(1), "");
    }
}
