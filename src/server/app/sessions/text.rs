//! Bytes of a stream as text, without splitting a character between two pieces.

use std::borrow::Cow;

/// Turns the bytes of one stream into text, piece by piece.
///
/// A character whose bytes arrive in two pieces comes with the second. What is not UTF-8 becomes the replacement
/// character; offsets count the bytes of the text, as it is sent (contract section 4.4).
#[derive(Debug, Default)]
pub(super) struct Decoder {
    /// The beginning of a character, at most three bytes.
    begun: Vec<u8>,
}

impl Decoder {
    /// Adds bytes; returns the text that is complete.
    pub(super) fn push<'a>(&mut self, bytes: &'a [u8]) -> Cow<'a, str> {
        // Most output is text in whole characters, of which nothing has to be copied.
        if self.begun.is_empty()
            && let Ok(text) = std::str::from_utf8(bytes)
        {
            return Cow::Borrowed(text);
        }
        let mut input = std::mem::take(&mut self.begun);
        input.extend_from_slice(bytes);
        let mut text = String::with_capacity(input.len());
        let mut chunks = input.utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            text.push_str(chunk.valid());
            if chunks.peek().is_none() && may_go_on(chunk.invalid()) {
                self.begun = chunk.invalid().to_vec();
            } else if !chunk.invalid().is_empty() {
                text.push(char::REPLACEMENT_CHARACTER);
            }
        }
        Cow::Owned(text)
    }

    /// Ends the stream; returns what stands for a character that was never completed.
    pub(super) fn finish(&mut self) -> String {
        let begun = std::mem::take(&mut self.begun);
        String::from_utf8_lossy(&begun).into_owned()
    }
}

/// Returns whether bytes that are not UTF-8 are so only because more must follow.
fn may_go_on(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_err_and(|error| error.error_len().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_character_is_never_split() {
        let text = "aé€𝄞z";
        for cut in 0..=text.len() {
            let mut decoder = Decoder::default();
            let (left, right) = text.as_bytes().split_at(cut);
            let first = decoder.push(left);
            assert!(text.starts_with(&*first));
            assert_eq!(first + decoder.push(right) + &*decoder.finish(), text);
        }
    }

    #[test]
    fn what_is_not_text_is_replaced() {
        let mut decoder = Decoder::default();
        assert_eq!(decoder.push(b"a\xffb\xe2\x82"), "a\u{fffd}b");
        assert_eq!(decoder.push(b"\x41"), "\u{fffd}A");
        assert_eq!(decoder.push(b"\xf0\x9f"), "");
        assert_eq!(decoder.finish(), "\u{fffd}");
    }
}
