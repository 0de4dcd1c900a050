//! From the parser's marks, which count the characters of one document, to bytes of the source.

use saphyr_parser::Marker;

use super::source::{SourceId, Span};

/// Every how many characters the byte offset is written down.
const STRIDE: usize = 64;

/// A piece of a source, and the places in it.
///
/// Marks are converted in constant time, whatever the order of the questions: there is a table of every 64th character,
/// and none at all for ASCII.
pub(super) struct Piece<'a> {
    source: SourceId,
    /// Where in the source the piece starts.
    base: usize,
    pub(super) text: &'a str,
    checkpoints: Option<Vec<usize>>,
}

impl<'a> Piece<'a> {
    pub(super) fn new(source: SourceId, base: usize, text: &'a str) -> Self {
        let checkpoints = (!text.is_ascii()).then(|| text.char_indices().step_by(STRIDE).map(|(at, _)| at).collect());
        Self { source, base, text, checkpoints }
    }

    /// Returns the byte offset of a mark within the piece. A mark behind the end is taken for the end.
    pub(super) fn byte(&self, mark: Marker) -> usize {
        let Some(checkpoints) = &self.checkpoints else {
            return mark.index().min(self.text.len());
        };
        let Some(&start) = checkpoints.get(mark.index() / STRIDE) else {
            return self.text.len();
        };
        let within = self.text[start..].char_indices().nth(mark.index() % STRIDE);
        within.map_or(self.text.len(), |(at, _)| start + at)
    }

    /// Returns the place in the source of two byte offsets within the piece.
    pub(super) fn span(&self, start: usize, end: usize) -> Span {
        let offset = |at: usize| u32::try_from(self.base + at).expect("`load` refuses files of 4 GiB and more");
        Span { source: self.source, start: offset(start), end: offset(end) }
    }

    /// Returns the byte offset within the piece of an offset in the source that lies in it.
    pub(super) fn within(&self, offset: u32) -> usize {
        offset as usize - self.base
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::source::Sources;

    #[test]
    fn agrees_with_counting() {
        for text in ["", "abc", "äb€c𝄞", &"aä€𝄞".repeat(100), &"a".repeat(200)] {
            let piece = Piece::new(Sources::default().add(String::new(), String::new()), 7, text);
            for (index, (at, _)) in text.char_indices().enumerate() {
                assert_eq!(piece.byte(Marker::new(index, 1, 0)), at);
            }
            for beyond in [0, 1, 1000] {
                let index = text.chars().count() + beyond;
                assert_eq!(piece.byte(Marker::new(index, 1, 0)), text.len());
            }
        }
    }
}
