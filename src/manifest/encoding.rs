//! Bytes to text.

/// Bytes that are not UTF-8.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NotUtf8 {
    /// What can be shown: the text up to the end of the line with the first bad byte, with `U+FFFD` for what is bad.
    pub(super) shown: String,
    /// Where in `shown` the first bad byte was.
    pub(super) start: usize,
    /// What is wrong.
    pub(super) message: String,
    /// What to do about it.
    pub(super) help: &'static str,
}

/// How much is shown behind the bad byte, at most: a binary file may have no lines.
const SHOWN_BEHIND: usize = 128;

/// Returns the text without its byte order mark.
pub(super) fn decode(bytes: &[u8]) -> Result<String, NotUtf8> {
    let is_utf16 = bytes.starts_with(&[0xFF, 0xFE]) || bytes.starts_with(&[0xFE, 0xFF]);
    if is_utf16 || bytes.starts_with(&[0, 0, 0xFE, 0xFF]) {
        return Err(NotUtf8 {
            shown: String::new(),
            start: 0,
            message: "the text is UTF-16 or UTF-32, not UTF-8".to_owned(),
            help: "save the file as UTF-8",
        });
    }
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text.to_owned()),
        Err(error) => Err(not_utf8(bytes, error.valid_up_to())),
    }
}

fn not_utf8(bytes: &[u8], start: usize) -> NotUtf8 {
    let behind = &bytes[start..bytes.len().min(start + SHOWN_BEHIND)];
    let line = behind.split(|&byte| byte == b'\n').next().unwrap_or(behind);
    NotUtf8 {
        shown: String::from_utf8_lossy(&bytes[..start + line.len()]).into_owned(),
        start,
        message: format!("the text is not UTF-8: byte 0x{:02X} at offset {start}", bytes[start]),
        help: "save the file as UTF-8, or remove it if it is no manifest",
    }
}

/// Returns the place of the first control character that no part of a YAML text may have, and the character.
///
/// The parser takes some of them for the end of the text, so that what follows would be passed over in silence. From
/// U+0020 on everything is let through, as quoted scalars may have it (YAML 1.2.2, production 2, `nb-json`).
pub(super) fn first_control(text: &str) -> Option<(usize, u8)> {
    let is_control = |byte: u8| byte < b' ' && !matches!(byte, b'\t' | b'\n' | b'\r');
    text.bytes().enumerate().find(|&(_, byte)| is_control(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_first_control_character() {
        assert_eq!(first_control("aé\u{7}b\0"), Some((3, 7)));
        assert_eq!(first_control("a\0"), Some((1, 0)));
        assert_eq!(first_control("a\tb\r\né\u{7f}\u{85}\u{FEFF}"), None);
    }

    #[test]
    fn a_byte_order_mark_is_no_text() {
        assert_eq!(decode(b"\xEF\xBB\xBFa: \xC3\xA9").as_deref(), Ok("a: é"));
        assert_eq!(decode(b"").as_deref(), Ok(""));
    }

    #[test]
    fn other_encodings_are_named() {
        for bytes in [&b"\xFF\xFEa\0"[..], b"\xFE\xFF\0a", b"\0\0\xFE\xFF"] {
            assert!(decode(bytes).unwrap_err().message.contains("UTF-16"));
        }
    }

    #[test]
    fn the_first_bad_byte_is_pointed_at() {
        let error = decode(b"a: 1\nb: caf\xE9 x\nc: \xFF").unwrap_err();
        assert_eq!(error.message, "the text is not UTF-8: byte 0xE9 at offset 11");
        assert_eq!(error.shown, "a: 1\nb: caf\u{FFFD} x");
        assert!(error.shown[error.start..].starts_with('\u{FFFD}'));
    }

    #[test]
    fn little_of_a_binary_file_is_shown() {
        let error = decode(&vec![0x80; 100_000]).unwrap_err();
        assert_eq!(error.shown.chars().count(), SHOWN_BEHIND);
    }
}
