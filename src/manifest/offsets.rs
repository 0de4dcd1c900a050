//! From the parser's marks, which count characters, to bytes of the text.

use saphyr_parser::Marker;

/// Every how many characters the byte offset is written down.
const STRIDE: usize = 64;

/// Converts in constant time, whatever the order of the questions: a table of every 64th character, and none at all
/// for ASCII.
pub(super) struct Offsets<'a> {
    text: &'a str,
    checkpoints: Option<Vec<usize>>,
}

impl<'a> Offsets<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        let checkpoints = (!text.is_ascii()).then(|| text.char_indices().step_by(STRIDE).map(|(at, _)| at).collect());
        Self { text, checkpoints }
    }

    /// Returns the byte offset of a mark. A mark behind the end is taken for the end.
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_counting() {
        for text in ["", "abc", "äb€c𝄞", &"aä€𝄞".repeat(100), &"a".repeat(200)] {
            let offsets = Offsets::new(text);
            for (index, (at, _)) in text.char_indices().enumerate() {
                assert_eq!(offsets.byte(Marker::new(index, 1, 0)), at);
            }
            for beyond in [0, 1, 1000] {
                let index = text.chars().count() + beyond;
                assert_eq!(offsets.byte(Marker::new(index, 1, 0)), text.len());
            }
        }
    }
}
