//! Texts that were made to hang, overflow or exhaust the reader. Each ends in what is asserted here; a reader that is
//! not linear, or not bounded, does not come to the assertion in any time that one would wait.

use std::fmt::Write;

use super::{read, repeated, shape};
use crate::manifest::{Diagnostics, Documents, code};

/// Enough for a quadratic reader to be noticed and for a test to be quick.
const SIZE: usize = 128 << 10;

fn codes(diagnostics: &Diagnostics) -> Vec<&'static str> {
    diagnostics.iter().map(|diagnostic| diagnostic.code).collect()
}

/// Reads the text; returns how many documents it has and the codes of what is wrong.
fn outcome(text: &str) -> (usize, Vec<&'static str>) {
    let (documents, diagnostics) = read(text);
    (documents.documents.len(), codes(&diagnostics))
}

/// Counts the nodes of all documents, each as often as it is reached.
fn n_nodes(documents: &Documents) -> usize {
    let mut waiting: Vec<_> = documents.documents.iter().map(|document| &document.root).collect();
    let mut n_nodes = 0;
    while let Some(node) = waiting.pop() {
        n_nodes += 1;
        waiting.extend(node.as_sequence().unwrap_or_default());
        waiting.extend(node.as_mapping().unwrap_or_default().iter().map(|entry| &entry.value));
    }
    n_nodes
}

#[test]
fn deep_nesting_is_refused_in_every_style() {
    for unit in ["[", "{", "- ", "? ", "[{a: ", "{a: [", "- ? ", "[[[["] {
        assert_eq!(outcome(&unit.repeat(SIZE / unit.len())), (0, vec![code::LIMIT]), "{unit:?}");
    }
    let closed = format!("{}{}", "[".repeat(SIZE / 2), "]".repeat(SIZE / 2));
    assert_eq!(outcome(&closed), (0, vec![code::LIMIT]));
    let stairs = repeated(0..300, |depth| format!("{}a:\n", " ".repeat(depth)));
    assert_eq!(outcome(&stairs), (0, vec![code::LIMIT]));
}

#[test]
fn a_billion_laughs_are_refused() {
    for (open, item, close) in [("[", "*a{}, ", "]"), ("{", "k@: *a{}, ", "}")] {
        let mut text = "a0: &a0 lol\n".to_owned();
        for level in 1..=12 {
            let below = (level - 1).to_string();
            let items = repeated(0..10, |n| item.replace("{}", &below).replace('@', &n.to_string()));
            writeln!(text, "a{level}: &a{level} {open}{items}{close}").expect("a string takes all");
        }
        assert_eq!(outcome(&text), (0, vec![code::LIMIT]));
    }
    let merges = repeated(1..40, |n| format!("a{n}: &a{n} {{<<: [*a{0}, *a{0}], k{n}: 1}}\n", n - 1));
    assert_eq!(outcome(&format!("a0: &a0 {{k: 1}}\n{merges}")), (0, vec![code::LIMIT]));
}

#[test]
fn what_aliases_repeat_is_bounded_and_the_rest_of_the_file_is_read() {
    let text = format!("x: &x [{}]\ny: [{}]\n---\nz: 1\n", "1, ".repeat(900), "*x, ".repeat(100));
    let (documents, diagnostics) = read(&text);
    assert!(diagnostics.is_empty());
    assert!(n_nodes(&documents) < 100_000);
    let text = text.replace("y: [", &format!("y: [{}", "*x, ".repeat(100)));
    let (documents, diagnostics) = read(&text);
    assert_eq!(codes(&diagnostics), [code::LIMIT]);
    assert_eq!(shape(&documents.documents[0].root), "{z: 1}");
}

#[test]
fn long_things_are_read() {
    let x = "x".repeat(SIZE);
    let lines = "  x\n".repeat(SIZE / 4);
    for text in [
        x.clone(),
        format!("a: {x}\n"),
        format!("a: {}\n", "x ".repeat(SIZE / 2)),
        format!("a: \"{}\"\n", "\\n".repeat(SIZE / 2)),
        format!("a: '{x}'\n"),
        format!("a: |\n{lines}"),
        format!("a: >\n{lines}"),
        format!("a: {}\n", "x\n ".repeat(SIZE / 3)),
        format!("#{x}\na: 1\n"),
        format!("{}a: 1\n", "#\n".repeat(SIZE / 2)),
        format!("{}a: 1\n", "\n".repeat(SIZE)),
        format!("a:{}1\n", " ".repeat(SIZE)),
        format!("&{x} a"),
        format!("- &{x} a\n- *{x}\n"),
        format!("[{}]", "1,".repeat(SIZE / 2)),
        format!("{{a: {}1}}", "\n\r".repeat(SIZE / 2)),
    ] {
        assert_eq!(outcome(&text), (1, vec![]), "{text:.40}");
    }
}

#[test]
fn long_wrong_things_are_reported_once() {
    let x = "x".repeat(SIZE);
    for text in [
        format!("\"{x}"),
        format!("'{}", "x ".repeat(SIZE / 2)),
        format!("{x}: a\n"),
        format!("*{x}"),
        "]".repeat(SIZE),
        format!("[{}", "a,".repeat(SIZE / 2)),
        format!("a:\n{}\tb: 1\n", "\n".repeat(SIZE)),
        format!("a: 1\nb\n{}c: 2\n", "# c\n".repeat(SIZE / 4)),
    ] {
        assert_eq!(outcome(&text), (0, vec![code::SYNTAX]), "{text:.40}");
    }
    let (documents, diagnostics) = read(&format!("a: !{x} b\n"));
    assert_eq!((documents.documents.len(), codes(&diagnostics)), (1, vec![code::TAG]));
    assert!(diagnostics.iter().all(|diagnostic| diagnostic.message.len() < 200), "long texts are not repeated in full");
}

#[test]
fn many_keys_are_told_apart() {
    let n_keys = 50_000;
    let text = repeated(0..n_keys, |n| format!("key{n}: {n}\n"));
    let (documents, diagnostics) = read(&text);
    assert!(diagnostics.is_empty());
    assert_eq!(documents.documents[0].root.as_mapping().unwrap().len(), n_keys);
    let base = repeated(0..5_000, |n| format!("k{n}: 1, "));
    let (documents, diagnostics) = read(&format!("a: &a {{{base}}}\nb: {{<<: [*a, *a, *a], own: 1}}\n"));
    assert!(diagnostics.is_empty());
    assert_eq!(documents.documents[0].root.get("b").unwrap().as_mapping().unwrap().len(), 5_001);
}

#[test]
fn many_documents_are_read() {
    assert_eq!(outcome(&"---\na: b\n".repeat(SIZE / 9)), (SIZE / 9, vec![]));
    assert_eq!(outcome(&"---\n".repeat(SIZE / 4)), (0, vec![code::NO_DOCUMENT]));
    assert_eq!(outcome(&"...\n".repeat(SIZE / 4)), (0, vec![code::NO_DOCUMENT]));
    assert_eq!(outcome(&"%A\n".repeat(SIZE / 3)).0, 0);
    let (n_documents, codes) = outcome(&"---\n[\n".repeat(SIZE / 6));
    assert_eq!((n_documents, codes.len()), (0, 101));
}

#[test]
fn fifty_megabytes_in_one_document_are_refused_at_once() {
    let (n_documents, found) = outcome(&"a: [1, 2, 3]\n".repeat(50 * (1 << 20) / 13));
    assert_eq!((n_documents, found), (0, vec![code::LIMIT]));
}

#[test]
fn a_value_that_is_left_out_everywhere() {
    for text in [": ".repeat(SIZE / 2), format!("[{}", ": ".repeat(SIZE / 2)), ":".repeat(SIZE), "- \n".repeat(100)] {
        let (documents, diagnostics) = read(&text);
        assert!(n_nodes(&documents) <= SIZE && diagnostics.len() <= 101, "{text:.10}");
    }
}
