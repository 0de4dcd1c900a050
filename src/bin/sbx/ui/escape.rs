//! Making texts of manifests and servers harmless on a terminal.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Returns a text that shows on one line as what it is: control characters, and those that change the direction of
/// what follows, are written as escapes.
pub(crate) fn escape(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_harmful) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '\n' => shown.push_str("\\n"),
            '\t' => shown.push_str("\\t"),
            c if is_harmful(c) => write!(shown, "\\u{{{:x}}}", u32::from(c)).expect("a string takes everything"),
            c => shown.push(c),
        }
    }
    Cow::Owned(shown)
}

/// Returns whether a character can move the cursor, or make a text read as another one (Unicode TR36, bidirectional
/// text spoofing).
fn is_harmful(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn harmless_texts_are_untouched() {
        for text in ["", "a b", "é漢𝄞", "a\\n"] {
            assert!(matches!(escape(text), Cow::Borrowed(shown) if shown == text), "{text}");
        }
    }

    #[test]
    fn nothing_reaches_the_terminal_but_text() {
        assert_eq!(escape("a\x1b[31mred\r\nb\tc\u{202e}d\u{9b}e"), "a\\u{1b}[31mred\\u{d}\\nb\\tc\\u{202e}d\\u{9b}e");
    }
}
