//! The parser's complaints in words that help.

use std::ops::Range;

use saphyr_parser::ScanError;

use super::diagnostic::{Diagnostic, code, shown};
use super::piece::Piece;

/// How one complaint of the parser is put.
struct Rule {
    /// A part of the parser's text.
    info: &'static str,
    message: &'static str,
    label: &'static str,
    help: &'static str,
    place: Place,
}

/// What a complaint points at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// The character at the parser's mark.
    Mark,
    /// The word at the parser's mark.
    Word,
    /// The first bad escape in the double quotes that open at the parser's mark.
    Escape,
    /// The last line with content before it: the parser notices what is missing only when the next line starts.
    LineBefore,
    /// The first tab in the indentation from there on.
    Tab,
    /// The character at the mark, with the bracket that is open there.
    Bracket,
    /// The colon at the mark, or the key before it when that is the first one of its line.
    Colon,
}

/// The complaints that people meet. Each is made by a test, so that a new version of the parser that words them
/// otherwise is noticed; anything else is passed on in the parser's own words.
const RULES: &[Rule] = &[
    Rule {
        info: "mapping values are not allowed",
        message: "a `:` is not allowed here",
        label: "expected no further `:` in this value",
        help: "put the value in quotes if the `:` is part of it",
        place: Place::Colon,
    },
    Rule {
        info: "simple key expect",
        message: "a key without a `:`",
        label: "expected `:` before this",
        help: "put a `:` and a space between key and value, and indent a text that goes on over several lines",
        place: Place::LineBefore,
    },
    Rule {
        info: "did not find expected key",
        message: "the indentation does not fit",
        label: "expected a key of the mapping above",
        help: "start all keys of one mapping in the same column",
        place: Place::Mark,
    },
    Rule {
        info: "did not find expected '-'",
        message: "the indentation does not fit",
        label: "expected `-` and the next item of the sequence above",
        help: "start all items of one sequence in the same column, and give none of them a key",
        place: Place::Mark,
    },
    Rule {
        info: "sequence entries are not allowed",
        message: "a sequence cannot start here",
        label: "expected a value on this line",
        help: "put the first `-` on a line of its own, below the key",
        place: Place::Mark,
    },
    Rule {
        info: "invalid indentation in quoted scalar",
        message: "a quote is not closed before the next key",
        label: "opened here",
        help: "close the text with the same quote, or indent its further lines deeper than its key",
        place: Place::Mark,
    },
    Rule {
        info: "invalid indentation",
        message: "the indentation does not fit",
        label: "is indented less than what it belongs to",
        help: "indent with spaces, and deeper than the line that it belongs to",
        place: Place::Mark,
    },
    Rule {
        info: "wrongly indented line in block scalar",
        message: "the indentation of a block text does not fit",
        label: "is indented less than the first line of the text",
        help: "indent all lines of the text at least as deep as its first one",
        place: Place::Mark,
    },
    Rule {
        info: "must be followed by a valid YAML whitespace",
        message: "a tab cannot stand between an indicator and what it starts",
        label: "comes behind a tab",
        help: "use a space instead of the tab",
        place: Place::Mark,
    },
    Rule {
        info: "cannot start with a tab",
        message: "a tab cannot indent",
        label: "has a tab in the indentation of its first line",
        help: "indent with spaces",
        place: Place::Mark,
    },
    Rule {
        info: "tab",
        message: "a tab cannot indent",
        label: "a tab in the indentation",
        help: "indent with spaces",
        place: Place::Tab,
    },
    Rule {
        info: "unexpected end of stream",
        message: "a quote is never closed",
        label: "opened here",
        help: "close the text with the same quote",
        place: Place::Tab,
    },
    Rule {
        info: "unexpected document indicator",
        message: "a quote is not closed before the end of the document",
        label: "opened here",
        help: "close the text with the same quote; a line that starts with `---` or `...` always ends the document",
        place: Place::Mark,
    },
    Rule {
        info: "invalid trailing content after double-quoted",
        message: "text behind the closing quote",
        label: "expected the end of the value",
        help: "put the whole value in quotes; a `\"` inside double quotes is written `\\\"`, a `'` inside single ones `''`",
        place: Place::Mark,
    },
    Rule {
        info: "expected ',' or ']'",
        message: "a bracket is not closed",
        label: "expected `,` or `]` before this",
        help: "close the list with `]`, or put a `,` between its items",
        place: Place::Bracket,
    },
    Rule {
        info: "illegal placement of ':'",
        message: "a bracket is not closed",
        label: "expected `,` or `]` before this",
        help: "close the list with `]` before the next key",
        place: Place::Bracket,
    },
    Rule {
        info: "did not find expected node content",
        message: "a value is missing",
        label: "expected a value before this",
        help: "write `null` for no value, or put the value in quotes if this character is part of it",
        place: Place::Mark,
    },
    Rule {
        info: "mapping keys are not allowed",
        message: "a `?` is not allowed here",
        label: "starts a key in YAML",
        help: "put the value in quotes if the `?` is part of it",
        place: Place::Mark,
    },
    Rule {
        info: "while scanning a block scalar, did not find",
        message: "text behind the `|` or `>` that starts a block text",
        label: "expected nothing more on this line",
        help: "start the text on the next line, and indent it",
        place: Place::Mark,
    },
    Rule {
        info: "expected ',' or '}'",
        message: "a bracket is not closed",
        label: "expected `,` or `}` before this",
        help: "close the mapping with `}`, or put a `,` between its entries",
        place: Place::Bracket,
    },
    Rule {
        info: "misplaced bracket",
        message: "a bracket that was never opened",
        label: "closes nothing",
        help: "put the value in quotes if the bracket is part of it",
        place: Place::Mark,
    },
    Rule {
        info: "unknown anchor",
        message: "an alias without an anchor",
        label: "no anchor of this name stands before it in this document",
        help: "put the value in quotes if the `*` is part of it; an alias needs an anchor (`&name`) in the same document",
        place: Place::Word,
    },
    Rule {
        info: "unexpected character",
        message: "a value cannot start with this character",
        label: "is reserved in YAML",
        help: "put the value in quotes",
        place: Place::Mark,
    },
    Rule {
        info: "unknown escape character",
        message: "an unknown escape in double quotes",
        label: "means nothing in YAML",
        help: "write `\\\\` for a backslash, or use single quotes",
        place: Place::Escape,
    },
    Rule {
        info: "invalid Unicode character escape",
        message: "an escape that is no character",
        label: "half a surrogate pair, or beyond U+10FFFF",
        help: "write the character itself, or its one code point: `\\U0001F600` for `\\uD83D\\uDE00`",
        place: Place::Escape,
    },
    Rule {
        info: "did not find expected hexadecimal number",
        message: "an escape that is no character",
        label: "has too few hexadecimal digits",
        help: "write two digits behind `\\x`, four behind `\\u` and eight behind `\\U`; `\\\\` is a backslash",
        place: Place::Escape,
    },
    Rule {
        info: "comment intercepting the multiline text",
        message: "a comment in the middle of a text",
        label: "ends the text, but the next line goes on with it",
        help: "move the comment, or put the text in quotes if the `#` is part of it",
        place: Place::Mark,
    },
    Rule {
        info: "did not find expected <document start>",
        message: "something is left over behind the end of the value",
        label: "expected the end of the document",
        help: "start another document with a line `---`; else check the indentation of this line",
        place: Place::Mark,
    },
    Rule {
        info: "handle wasn't declared",
        message: "an unknown tag",
        label: "has no meaning here",
        help: "remove the tag, or put the value in quotes if the `!` is part of it",
        place: Place::Word,
    },
];

/// Returns the diagnostic for a complaint of the parser about a piece. `bracket` is where the innermost open bracket
/// is, and `depth` how deep collections may be nested.
pub(super) fn diagnostic(error: &ScanError, piece: &Piece<'_>, bracket: Option<usize>, depth: usize) -> Diagnostic {
    let at = piece.byte(*error.marker());
    let stumbled = character(piece.text, at);
    if error.info() == "recursion limit exceeded" {
        return too_deep(depth).primary(piece.span(stumbled.start, stumbled.end), "one level too many");
    }
    let Some(rule) = RULES.iter().find(|rule| error.info().contains(rule.info)) else {
        let diagnostic = Diagnostic::error(code::SYNTAX, format!("invalid YAML: {}", error.info()));
        return diagnostic.primary(piece.span(stumbled.start, stumbled.end), "reading ended here");
    };
    let diagnostic = Diagnostic::error(code::SYNTAX, rule.message).help(rule.help);
    let point =
        |place: Range<usize>, label: &str| diagnostic.clone().primary(piece.span(place.start, place.end), label);
    match rule.place {
        Place::Mark => point(stumbled, rule.label),
        Place::Word => point(word(piece.text, at), rule.label),
        Place::Escape => point(bad_escape(piece.text, at).unwrap_or(stumbled), rule.label),
        Place::Tab => point(tab_from(piece.text, at).unwrap_or(stumbled), rule.label),
        Place::Bracket => match bracket {
            Some(open) => {
                let close = if piece.text[open..].starts_with('[') { ']' } else { '}' };
                let diagnostic = point(stumbled, &format!("expected `,` or `{close}` before this"));
                diagnostic.secondary(piece.span(open, open + 1), "opened here")
            }
            None => point(stumbled, rule.label),
        },
        Place::LineBefore => {
            let line = line_before(piece.text, at);
            let diagnostic = point(line.clone(), rule.label);
            match piece.text[line].split_once(':') {
                Some((key, value)) => diagnostic.help(space_behind_colon(key, value)),
                None => diagnostic,
            }
        }
        Place::Colon => {
            let key = key_before(piece.text, at);
            if piece.text[key.clone()].contains(": ") {
                return point(stumbled, rule.label);
            }
            let help = "start the key in the same column as the keys beside it; it goes on with the text above it now";
            point(key, "is indented deeper than the line above, which has a value already").help(help)
        }
    }
}

/// Returns the diagnostic for collections that are nested more than `depth` deep, without its place.
pub(super) fn too_deep(depth: usize) -> Diagnostic {
    Diagnostic::error(code::LIMIT, format!("values are nested more than {depth} levels deep"))
}

/// Returns the advice for `key:value`, which YAML takes for one text.
pub(super) fn space_behind_colon(key: &str, value: &str) -> String {
    format!("put a space behind the colon: `{}: {}`", shown(key), shown(value.trim_start()))
}

/// Returns the character at a place; nothing of the text at its end and at the end of a line.
fn character(text: &str, at: usize) -> Range<usize> {
    let next = text[at..].chars().next().filter(|c| !matches!(c, '\n' | '\r'));
    at..at + next.map_or(0, char::len_utf8)
}

/// Returns the word at a place, up to a blank or what ends it within brackets.
fn word(text: &str, at: usize) -> Range<usize> {
    let length = text[at..].find(|c: char| c.is_whitespace() || matches!(c, ',' | ']' | '}'));
    at..length.map_or(text.len(), |length| at + length)
}

/// Returns the first escape in double quotes that YAML does not know, looking from `at` on.
fn bad_escape(text: &str, at: usize) -> Option<Range<usize>> {
    let mut start = at;
    loop {
        start += text[start..].find('\\')?;
        let escaped = text[start + 1..].chars().next()?;
        let n_digits = match escaped {
            'x' => 2,
            'u' => 4,
            'U' => 8,
            _ => 0,
        };
        let digits = start + 2..start + 2 + n_digits;
        let is_good = match text.get(digits.clone()) {
            Some(code) if n_digits > 0 => {
                u32::from_str_radix(code, 16).is_ok_and(|code| char::from_u32(code).is_some())
            }
            _ => "0abt\tnvfre \"/\\N_LP\r\n".contains(escaped),
        };
        if !is_good {
            let end = if n_digits > 0 { text.floor_char_boundary(digits.end) } else { start + 1 + escaped.len_utf8() };
            return Some(start..end);
        }
        start += 1 + escaped.len_utf8();
    }
}

/// Returns the last line before `at` that has content, without blanks around it.
fn line_before(text: &str, at: usize) -> Range<usize> {
    let mut end = at;
    loop {
        let start = text[..end].rfind(['\n', '\r']).map_or(0, |line_break| line_break + 1);
        let line = text[start..end].trim();
        if (!line.is_empty() && !line.starts_with('#')) || start == 0 {
            let start = start + (text[start..end].len() - text[start..end].trim_start().len());
            return start..start + line.len();
        }
        end = start - 1;
    }
}

/// Returns what stands before `at` on its line, without blanks around it.
fn key_before(text: &str, at: usize) -> Range<usize> {
    let start = text[..at].rfind(['\n', '\r']).map_or(0, |line_break| line_break + 1);
    let blanks = text[start..at].len() - text[start..at].trim_start().len();
    start + blanks..at
}

/// Returns the first tab that indents a line, looking from the line of `at` on.
fn tab_from(text: &str, at: usize) -> Option<Range<usize>> {
    let mut start = text[..at].rfind(['\n', '\r']).map_or(0, |line_break| line_break + 1);
    for line in text[start..].split_inclusive(['\n', '\r']) {
        let blank = &line[..line.len() - line.trim_start().len()];
        if let (Some(tab), false) = (blank.find('\t'), blank.len() == line.len()) {
            return Some(start + tab..start + tab + 1);
        }
        start += line.len();
    }
    None
}

#[cfg(test)]
mod tests;
