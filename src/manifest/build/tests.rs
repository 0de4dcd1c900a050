use crate::manifest::ScalarKind::{Float, Int, Null, Text};
use crate::manifest::tests::{good, read, repeated, shape, text_at};
use crate::manifest::{Diagnostics, Input, Limits, code, load};

#[track_caller]
fn codes(text: &str) -> Vec<&'static str> {
    read(text).1.iter().map(|diagnostic| diagnostic.code).collect()
}

fn limited(text: &str, limits: &Limits) -> (Option<String>, Diagnostics) {
    let (documents, diagnostics) = load(&[Input::Text { name: "t".to_owned(), text: text.to_owned() }], limits);
    (documents.documents.first().map(|document| shape(&document.root)), diagnostics)
}

#[test]
fn spans_cover_what_was_written_and_no_more() {
    let text = "top:  # c\n  plain: some text  # c\n  single: 'it''s'  # c\n  double: \"a\\\"b\"   \n  flow: {a: [1, 'é'], b: }  # c\n  list:\n    - ä\n    - \"x\"  \n  block: |\n    one\n    two\n\n  last: z\n";
    let (documents, root) = good(text);
    let at = |path: &str| text_at(&documents, root.at(path).unwrap_or_else(|| panic!("{path}")).value.span);
    for (path, expected) in [
        ("top.plain", "some text"),
        ("top.single", "'it''s'"),
        ("top.double", "\"a\\\"b\""),
        ("top.flow", "{a: [1, 'é'], b: }"),
        ("top.flow.a", "[1, 'é']"),
        ("top.flow.a[1]", "'é'"),
        ("top.flow.b", "b"),
        ("top.list[0]", "ä"),
        ("top.list[1]", "\"x\""),
        ("top.block", "one\n    two"),
        ("top.last", "z"),
    ] {
        assert_eq!(at(path), expected, "{path}");
    }
    assert!(at("top.list").ends_with("\"x\""));
    assert!(at("").starts_with("top:") && at("").ends_with("last: z"));
}

#[test]
fn spans_hold_with_tags_anchors_and_line_breaks_of_all_kinds() {
    let (documents, root) = good("a: &q\"x !!str \"v\"  # c\r\nb: ! 'w'\r\nc: ü\r\n");
    let at = |path: &str| text_at(&documents, root.at(path).unwrap().value.span);
    assert_eq!(at("a"), "&q\"x !!str \"v\"");
    assert_eq!(at("b"), "! 'w'");
    assert_eq!(at("c"), "ü");
}

#[test]
fn a_byte_order_mark_moves_nothing() {
    let (documents, root) = good("\u{FEFF}a: b\n");
    assert_eq!(text_at(&documents, root.get("a").unwrap().span), "b");
    assert_eq!(documents.sources.location(root.span).column, 1);
}

#[test]
fn a_value_that_is_left_out_is_pointed_at_by_its_key() {
    let (documents, root) = good("a:\nb: {c: , d}\n");
    for path in ["a", "b.c", "b.d"] {
        let value = root.at(path).unwrap().value;
        assert!(value.is_null());
        assert_eq!(text_at(&documents, value.span), path.rsplit('.').next().unwrap());
    }
}

#[test]
fn quotes_make_text_and_tags_decide() {
    let (_, root) = good("[1, '1', !!str 1, ! 1, !!float 1, !!int 0x1, no, !!null '', 2]\n");
    let kinds: Vec<_> = root.as_sequence().unwrap().iter().map(|item| item.as_scalar().unwrap().kind()).collect();
    assert_eq!(kinds, [Int, Text, Text, Text, Float, Int, Text, Null, Int]);
}

#[test]
fn odd_tags_are_reported_and_the_document_goes_on() {
    assert_eq!(codes("a: !secret x\nb: !!binary y\nc: !!int z\nd: !!map []\ne: !!seq f\n"), [code::TAG; 5]);
    let (documents, _) = read("a: !secret 1\n");
    assert_eq!(shape(&documents.documents[0].root), "{a: 1}");
}

#[test]
fn duplicate_keys_show_both_places_and_the_first_wins() {
    let (documents, diagnostics) = read("a: 1\nb: 2\n'a': 3\n");
    let only = diagnostics.iter().next().unwrap();
    assert_eq!((only.code, only.message.as_str()), (code::DUPLICATE_KEY, "duplicate key `a`"));
    let places: Vec<_> =
        only.labels.iter().map(|label| (documents.sources.location(label.span).line, label.primary)).collect();
    assert_eq!(places, [(3, true), (1, false)]);
    assert_eq!(shape(&documents.documents[0].root), "{a: 1, b: 2}");
}

#[test]
fn duplicate_keys_are_found_in_large_mappings_too() {
    let mut text = repeated(0..1000, |n| format!("k{n}: {n}\n"));
    text.push_str("k3: x\nk20: x\nk999: x\n");
    assert_eq!(codes(&text), [code::DUPLICATE_KEY; 3]);
}

#[test]
fn keys_are_scalars() {
    assert_eq!(codes("{a: 1}: b\n"), [code::BAD_KEY]);
    assert_eq!(codes("? [a]\n: b\n"), [code::BAD_KEY]);
    assert_eq!(codes(": b\n"), [code::BAD_KEY]);
    let (_, root) = good("1: a\ntrue: b\n'': c\n");
    assert_eq!(shape(&root), "{1: a, true: b, : c}");
}

#[test]
fn aliases_repeat_what_their_anchor_has() {
    let (documents, root) = good("a: &x {b: [1]}\nc: *x\nd: &y 2\ne: [*y, *x]\n");
    assert_eq!(shape(&root), "{a: {b: [1]}, c: {b: [1]}, d: 2, e: [2, {b: [1]}]}");
    assert_eq!(text_at(&documents, root.get("c").unwrap().span), "*x");
}

#[test]
fn anchors_can_be_set_again_and_end_with_their_document() {
    let (_, root) = good("- &x 1\n- *x\n- &x 2\n- *x\n");
    assert_eq!(shape(&root), "[1, 1, 2, 2]");
    assert_eq!(codes("a: &x 1\n---\nb: *x\n"), [code::SYNTAX]);
}

#[test]
fn an_alias_inside_its_own_anchor_is_refused() {
    assert_eq!(codes("a: &x [1, *x]\n"), [code::ALIAS]);
    assert_eq!(codes("&x {a: *x}\n"), [code::ALIAS]);
}

#[test]
fn merge_keys_fill_in_what_is_not_there() {
    let (_, root) = good("base: &b {x: 1, y: 2}\nmore: &m {y: 3, z: 4}\na:\n  <<: *b\n  x: 5\nb: {<<: [*b, *m]}\n");
    assert_eq!(shape(root.get("a").unwrap()), "{x: 5, y: 2}");
    assert_eq!(shape(root.get("b").unwrap()), "{x: 1, y: 2, z: 4}");
    let (_, root) = good("{'<<': 1, a: 2}\n");
    assert_eq!(shape(&root), "{<<: 1, a: 2}");
}

#[test]
fn merge_keys_take_mappings_only_and_once() {
    assert_eq!(codes("<<: 1\n"), [code::ALIAS]);
    assert_eq!(codes("<<: [{a: 1}, b]\n"), [code::ALIAS]);
    assert_eq!(codes("a: &a {}\nb: {<<: *a, <<: *a}\n"), [code::DUPLICATE_KEY]);
}

#[test]
fn depth_counts_what_aliases_bring() {
    let limits = Limits { depth: 4, ..Limits::default() };
    assert_eq!(limited("[[[[1]]]]", &limits).0.as_deref(), Some("[[[[1]]]]"));
    assert_eq!(limited("- &x [1]\n- [[*x]]\n", &limits).0.as_deref(), Some("[[1], [[[1]]]]"));
    for text in ["[[[[[1]]]]]", "- &x [1]\n- [[[*x]]]\n", "a: {b: {c: {d: {}}}}"] {
        let (root, diagnostics) = limited(text, &limits);
        assert!(root.is_none(), "{text}");
        assert_eq!(diagnostics.iter().map(|d| d.code).collect::<Vec<_>>(), [code::LIMIT], "{text}");
    }
}

#[test]
fn repetition_is_counted_as_if_it_were_written_out() {
    let limits = Limits { alias_nodes: 10, ..Limits::default() };
    // The sequence and its two items are three values each time.
    assert!(limited("- &x [1, 2]\n- [*x, *x, *x]\n", &limits).1.is_empty());
    assert_eq!(limited("- &x [1, 2]\n- [*x, *x, *x, *x]\n", &limits).1.len(), 1);
    assert_eq!(limited("- &x [1, 2]\n- &y [*x, *x]\n- *y\n", &limits).1.len(), 1);
}

#[test]
fn values_are_counted_over_the_whole_file() {
    let limits = Limits { nodes: 6, ..Limits::default() };
    assert!(limited("a: 1\n---\nb: 2\n", &limits).1.is_empty());
    let (_, diagnostics) = limited("a: 1\n---\nb: 2\n---\nc: 3\n---\n[\n", &limits);
    assert_eq!(diagnostics.len(), 1, "the rest of the file is not read: {diagnostics:?}");
}

#[test]
fn many_problems_end_the_file() {
    let limits = Limits { problems: 3, ..Limits::default() };
    let (_, diagnostics) = limited(&"a: 1\na: 2\n---\n".repeat(10), &limits);
    let codes: Vec<_> = diagnostics.iter().map(|diagnostic| diagnostic.code).collect();
    assert_eq!(codes, [code::DUPLICATE_KEY, code::DUPLICATE_KEY, code::DUPLICATE_KEY, code::LIMIT]);
}
