//! What the parts do together, on good, bad and hostile texts.

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
