//! Characters that no YAML text may have.

/// Returns the place of the first character that YAML does not allow (YAML 1.2.2, production 1, `c-printable`).
///
/// The parser takes some of them for the end of the text, so that what follows would be passed over in silence.
pub(super) fn first_unprintable(text: &str) -> Option<(usize, char)> {
    // Bytes first: almost every text is passed with no character decoded.
    let is_suspect =
        |byte: u8| (byte < b' ' && !matches!(byte, b'\t' | b'\n' | b'\r')) || matches!(byte, 0x7F | 0xC2 | 0xEF);
    if !text.bytes().any(is_suspect) {
        return None;
    }
    text.char_indices().find(|&(_, c)| !is_printable(c))
}

fn is_printable(c: char) -> bool {
    match c {
        '\t' | '\n' | '\r' | '\u{85}' => true,
        '\u{FFFE}' | '\u{FFFF}' => false,
        _ => !c.is_control(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_yaml_forbids() {
        for c in ['\0', '\u{7}', '\u{1b}', '\u{7f}', '\u{80}', '\u{9f}', '\u{FFFE}', '\u{FFFF}'] {
            assert_eq!(first_unprintable(&format!("aé{c}b")), Some((3, c)), "{c:?}");
        }
    }

    #[test]
    fn leaves_the_rest_alone() {
        for text in ["", "a\tb\r\nc", "é\u{85}\u{a0}", "漢字 ｆ 𝄞", "\u{FEFF}", "\u{FFFD}"] {
            assert_eq!(first_unprintable(text), None, "{text:?}");
        }
    }
}
