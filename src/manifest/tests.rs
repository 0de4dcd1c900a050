//! What the parts do together, on good texts and on hostile ones.

mod hostile;
mod properties;

use std::ops::Range;

use super::{Documents, Input, Limits, Node, Span, load};

pub(super) fn read(text: &str) -> (Documents, super::Diagnostics) {
    load(&[Input::Text { name: "test.yaml".to_owned(), text: text.to_owned() }], &Limits::default())
}

/// Reads a text that has one document and nothing wrong with it.
#[track_caller]
pub(super) fn good(text: &str) -> (Documents, Node) {
    let (documents, diagnostics) = read(text);
    assert!(diagnostics.is_empty(), "{diagnostics:?}");
    assert_eq!(documents.documents.len(), 1);
    let root = documents.documents[0].root.clone();
    (documents, root)
}

pub(super) fn text_at(documents: &Documents, span: Span) -> &str {
    documents.sources.snippet(span)
}

#[test]
fn documents_come_in_order_and_empty_ones_are_skipped() {
    let (documents, diagnostics) = read("# nothing\n---\na: 1\n---\n# empty\n---\n~\n--- b\n...\n---\nc: 3\n...\n");
    assert!(diagnostics.is_empty(), "{diagnostics:?}");
    let found: Vec<_> = documents.documents.iter().map(|d| (d.index, text_at(&documents, d.root.span))).collect();
    assert_eq!(found, [(0, "a: 1"), (1, "b"), (2, "c: 3")]);
    assert!(documents.is_complete);
}

/// Writes a tree without its spans, to compare it at a glance.
pub(super) fn shape(node: &Node) -> String {
    match &node.value {
        super::Value::Scalar(scalar) if scalar.text().is_empty() && node.is_null() => "null".to_owned(),
        super::Value::Scalar(scalar) => scalar.text().to_owned(),
        super::Value::Sequence(items) => format!("[{}]", items.iter().map(shape).collect::<Vec<_>>().join(", ")),
        super::Value::Mapping(entries) => {
            let entries = entries.iter().map(|entry| format!("{}: {}", entry.name(), shape(&entry.value)));
            format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
        }
    }
}

/// Writes one piece of text for each number.
pub(super) fn repeated(numbers: Range<usize>, piece: impl Fn(usize) -> String) -> String {
    numbers.map(piece).collect::<Vec<_>>().concat()
}
