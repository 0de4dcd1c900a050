use crate::manifest::code;
use crate::manifest::tests::{read, text_at};

/// Reads a text that has one thing wrong with it; returns the message, what its labels point at, and the help.
#[track_caller]
fn wrong(text: &str) -> (String, Vec<String>, String) {
    let (documents, diagnostics) = read(text);
    assert!(documents.documents.is_empty() && !documents.is_complete, "{text:?}");
    assert_eq!(diagnostics.len(), 1, "{text:?}: {diagnostics:?}");
    let only = diagnostics.iter().next().unwrap();
    assert_eq!(only.code, code::SYNTAX, "{text:?}");
    let places = only.labels.iter().map(|label| {
        let at = documents.sources.location(label.span);
        format!("{}:{} {}", at.line, at.column, text_at(&documents, label.span))
    });
    (only.message.clone(), places.collect(), only.help.clone().unwrap_or_default())
}

#[test]
fn each_complaint_says_what_is_wrong_and_where() {
    let cases: &[(&str, &str, &[&str])] = &[
        ("a: b: c\n", "a `:` is not allowed here", &["1:5 :"]),
        ("a: 1\n b: 2\n", "a `:` is not allowed here", &["2:2 b"]),
        ("a: 1\nb\n# c\n\nd: 3\n", "a key without a `:`", &["2:1 b"]),
        ("a: 1\nb:2\nc: 3\n", "a key without a `:`", &["2:1 b:2"]),
        ("a:\n  b: 1\n c: 2\n", "the indentation does not fit", &["3:2 c"]),
        ("- a\nb: c\n", "the indentation does not fit", &["2:1 b"]),
        ("a: - b\n", "a sequence cannot start here", &["1:4 -"]),
        ("a: [\nb]\n", "the indentation does not fit", &["2:1 b"]),
        ("a:\n\tb: 1\n", "a tab cannot indent", &["2:1 \t"]),
        ("a: 1\n\tb: 2\n", "a tab cannot indent", &["2:1 \t"]),
        ("a: |\n\tx\n", "a tab cannot indent", &["1:4 |"]),
        ("a:\tb\n", "a tab cannot stand between an indicator and what it starts", &["1:4 b"]),
        ("a: 'b\n", "a quote is never closed", &["1:4 '"]),
        ("a: \"b\nd: 1\n", "a quote is not closed before the next key", &["1:4 \""]),
        ("'b\n...\n", "a quote is not closed before the end of the document", &["1:1 '"]),
        ("a: 'b' c\n", "text behind the closing quote", &["1:8 c"]),
        ("a: {b: 1\nc: 2\n", "a bracket is not closed", &["2:2 :", "1:4 {"]),
        ("a: [b, c\nd: 2\n", "a bracket is not closed", &["2:2 :", "1:4 ["]),
        ("a: {b: [1, 2}\n", "a bracket is not closed", &["1:13 }", "1:8 ["]),
        ("a: ]\n", "a bracket that was never opened", &["1:4 ]"]),
        ("a: [,]\n", "a value is missing", &["1:5 ,"]),
        ("a: ?\nb: 1\n", "a `?` is not allowed here", &["1:4 ?"]),
        ("a: |x\n", "text behind the `|` or `>` that starts a block text", &["1:4 |"]),
        ("a: *.example.com\n", "an alias without an anchor", &["1:4 *.example.com"]),
        ("a: @b\n", "a value cannot start with this character", &["1:4 @"]),
        ("a: \"\\n \\d\"\n", "an unknown escape in double quotes", &["1:8 \\d"]),
        ("a: \"\\u00e9 \\x4\"\n", "an escape that is no character", &["1:12 \\x4\""]),
        ("a: \"é\n  \\é\"\n", "an unknown escape in double quotes", &["2:3 \\é"]),
        ("[*a, b]", "an alias without an anchor", &["1:2 *a"]),
        ("a: \"\\uD83D\\uDE00\"\n", "an escape that is no character", &["1:5 \\uD83D"]),
        ("a: b # c\n  d\n", "a comment in the middle of a text", &["1:6 #"]),
        ("{a: 1} b\n", "something is left over behind the end of the value", &["1:8 b"]),
        ("# c\n%YAML 1.2\n%Ä b\n---\na: 1\n", "an unknown directive", &["3:1 %Ä b"]),
        ("a: !x!y z\n", "an unknown tag", &["1:4 !x!y"]),
    ];
    for (text, message, places) in cases {
        let (found, at, help) = wrong(text);
        assert_eq!(
            (found.as_str(), at.iter().map(String::as_str).collect::<Vec<_>>()),
            (*message, places.to_vec()),
            "{text:?}"
        );
        assert!(!help.is_empty(), "{text:?}");
    }
}

#[test]
fn a_missing_space_behind_a_colon_is_recognised() {
    assert_eq!(wrong("a: 1\nimage:x\nb: 2\n").2, "put a space behind the colon: `image: x`");
}

#[test]
fn what_has_no_rule_is_passed_on() {
    assert_eq!(wrong("%TAG ! x\n%TAG ! y\n---\n").0.split(':').next(), Some("invalid YAML"));
}

#[test]
fn the_end_of_the_text_can_be_pointed_at() {
    assert_eq!(wrong("a: [b").1, ["1:6 ", "1:4 ["]);
    assert_eq!(wrong("é: [ü").1, ["1:6 ", "1:4 ["]);
}
