//! The parser's complaints in words that help.

use saphyr_parser::ScanError;

use super::diagnostic::{Diagnostic, code, shown};
use super::source::Span;

/// How one complaint of the parser is put.
struct Rule {
    /// A part of the parser's text.
    info: &'static str,
    message: &'static str,
    label: &'static str,
    help: &'static str,
}

/// The complaints that people meet. Each is made by a test, so that a new version of the parser that words them
/// otherwise is noticed; anything else is passed on in the parser's own words.
const RULES: &[Rule] = &[
    Rule {
        info: "mapping values are not allowed",
        message: "a `:` is not allowed here",
        label: "expected no further `:` in this value",
        help: "put the value in quotes if the `:` is part of it; else check the indentation of this line",
    },
    Rule {
        info: "simple key expect",
        message: "a key without a `:`",
        label: "expected `:` before this",
        help: "put a `:` and a space between key and value, and indent a text that goes on over several lines",
    },
    Rule {
        info: "did not find expected key",
        message: "the indentation does not fit",
        label: "expected a key of the mapping above",
        help: "start all keys of one mapping in the same column",
    },
    Rule {
        info: "did not find expected '-'",
        message: "the indentation does not fit",
        label: "expected `-` and the next item of the sequence above",
        help: "start all items of one sequence in the same column, and give none of them a key",
    },
    Rule {
        info: "sequence entries are not allowed",
        message: "a sequence cannot start here",
        label: "expected a value on this line",
        help: "put the first `-` on a line of its own, below the key",
    },
    Rule {
        info: "invalid indentation",
        message: "the indentation does not fit",
        label: "is indented less than what it belongs to",
        help: "indent with spaces, and deeper than the line that it belongs to",
    },
    Rule {
        info: "wrongly indented line in block scalar",
        message: "the indentation of a block text does not fit",
        label: "is indented less than the first line of the text",
        help: "indent all lines of the text at least as deep as its first one",
    },
    Rule { info: "tab", message: "a tab cannot indent", label: "is indented with a tab", help: "indent with spaces" },
    Rule {
        info: "unexpected end of stream",
        message: "a quote is never closed",
        label: "opened here",
        help: "close the text with the same quote",
    },
    Rule {
        info: "unexpected document indicator",
        message: "a quote is not closed before the end of the document",
        label: "opened here",
        help: "close the text with the same quote; a line that starts with `---` or `...` always ends the document",
    },
    Rule {
        info: "invalid trailing content after double-quoted",
        message: "text behind the closing quote",
        label: "expected the end of the value",
        help: "put the whole value in quotes; a `\"` inside double quotes is written `\\\"`, a `'` inside single ones `''`",
    },
    Rule {
        info: "expected ',' or ']'",
        message: "a `[` is not closed",
        label: "expected `,` or `]` before this",
        help: "close the list with `]`, or put a `,` between its items",
    },
    Rule {
        info: "expected ',' or '}'",
        message: "a `{` is not closed",
        label: "expected `,` or `}` before this",
        help: "close the mapping with `}`, or put a `,` between its entries",
    },
    Rule {
        info: "misplaced bracket",
        message: "a bracket that was never opened",
        label: "closes nothing",
        help: "put the value in quotes if the bracket is part of it",
    },
    Rule {
        info: "unknown anchor",
        message: "an alias without an anchor",
        label: "no anchor of this name stands before it in this document",
        help: "put the value in quotes if the `*` is part of it; an alias needs an anchor (`&name`) in the same document",
    },
    Rule {
        info: "unexpected character",
        message: "a value cannot start with this character",
        label: "is reserved in YAML",
        help: "put the value in quotes",
    },
    Rule {
        info: "unknown escape character",
        message: "an unknown escape in double quotes",
        label: "has a `\\` before a character that needs none",
        help: "write `\\\\` for a backslash, or use single quotes",
    },
    Rule {
        info: "invalid Unicode character escape",
        message: "an escape that is no character",
        label: "has an escape of half a surrogate pair, or beyond U+10FFFF",
        help: "write the character itself, or its one code point: `\\U0001F600` for `\\uD83D\\uDE00`",
    },
    Rule {
        info: "comment intercepting the multiline text",
        message: "a comment in the middle of a text",
        label: "ends the text, but the next line goes on with it",
        help: "move the comment, or put the text in quotes if the `#` is part of it",
    },
    Rule {
        info: "did not find expected <document start>",
        message: "something is left over behind the end of the value",
        label: "expected the end of the document",
        help: "start another document with a line `---`; else check the indentation of this line",
    },
    Rule {
        info: "handle wasn't declared",
        message: "an unknown tag",
        label: "has no meaning here",
        help: "remove the tag, or put the value in quotes if the `!` is part of it",
    },
];

/// Returns the diagnostic for a complaint of the parser about `span`.
pub(super) fn diagnostic(error: &ScanError, span: Span, depth: usize) -> Diagnostic {
    if error.info() == "recursion limit exceeded" {
        return too_deep(depth, span);
    }
    match RULES.iter().find(|rule| error.info().contains(rule.info)) {
        Some(rule) => Diagnostic::error(code::SYNTAX, rule.message).primary(span, rule.label).help(rule.help),
        None => Diagnostic::error(code::SYNTAX, format!("invalid YAML: {}", shown(error.info()))).primary(span, "here"),
    }
}

/// Returns the diagnostic for collections that are nested more than `depth` deep.
pub(super) fn too_deep(depth: usize, span: Span) -> Diagnostic {
    let message = format!("values are nested more than {depth} levels deep");
    Diagnostic::error(code::LIMIT, message).primary(span, "one level too many")
}
