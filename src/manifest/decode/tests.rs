use super::Fields;
use crate::manifest::tests::{good, repeated};
use crate::manifest::{Diagnostic, Diagnostics, Documents, Node, code};

fn only(diagnostics: &Diagnostics) -> &Diagnostic {
    assert_eq!(diagnostics.len(), 1, "{diagnostics:?}");
    diagnostics.iter().next().unwrap()
}

fn pointed(documents: &Documents, diagnostic: &Diagnostic) -> String {
    documents.sources.snippet(diagnostic.span().unwrap()).to_owned()
}

fn finish(root: &Node, names: &[&'static str]) -> Diagnostics {
    let mut out = Diagnostics::new();
    let mut fields = Fields::new(root, "`spec`", &mut out).unwrap();
    for name in names {
        fields.optional(name);
    }
    fields.finish(&mut out);
    out
}

#[test]
fn fields_that_are_there_are_returned() {
    let (_, root) = good("name: a\nsize: 1\n");
    let mut out = Diagnostics::new();
    let mut fields = Fields::new(&root, "`spec`", &mut out).unwrap();
    assert_eq!(fields.required("name", &mut out).and_then(|node| node.text("`name`", &mut out)), Some("a"));
    assert_eq!(fields.optional("size").and_then(|node| node.integer("`size`", &mut out)), Some(1));
    assert!(fields.optional("other").is_none());
    fields.finish(&mut out);
    assert!(out.is_empty(), "{out:?}");
}

#[test]
fn only_a_mapping_has_fields() {
    for (text, found) in [("[a]", "a sequence"), ("a", "a string"), ("1", "an integer")] {
        let (_, root) = good(text);
        let mut out = Diagnostics::new();
        assert!(Fields::new(&root, "`spec`", &mut out).is_none());
        assert_eq!(only(&out).message, format!("`spec` must be a mapping, not {found}"));
    }
}

#[test]
fn null_counts_as_left_out() {
    let (documents, root) = good("a: 1\nname:\nsize: ~\n");
    let mut out = Diagnostics::new();
    let mut fields = Fields::new(&root, "`spec`", &mut out).unwrap();
    assert!(fields.optional("size").is_none());
    assert!(fields.entry("size").is_some());
    assert!(fields.required("name", &mut out).is_none());
    let error = only(&out);
    assert_eq!((error.code, error.message.as_str()), (code::MISSING_FIELD, "missing field `name` in `spec`"));
    assert_eq!(pointed(&documents, error), "name");
}

#[test]
fn a_missing_field_is_reported_at_the_head_of_its_mapping() {
    let (documents, root) = good("spec:\n  first: 1\n  second: 2\n");
    let mut out = Diagnostics::new();
    let mut fields = Fields::new(root.get("spec").unwrap(), "`spec`", &mut out).unwrap();
    assert!(fields.required("name", &mut out).is_none());
    assert_eq!(pointed(&documents, only(&out)), "first");
}

#[test]
fn unknown_fields_are_reported_with_the_nearest_free_name() {
    let (documents, root) = good("mountPath: /a\n");
    let out = finish(&root, &["mount_path", "name"]);
    let error = only(&out);
    assert_eq!((error.code, error.message.as_str()), (code::UNKNOWN_FIELD, "unknown field `mountPath` in `spec`"));
    assert_eq!(error.help.as_deref(), Some("did you mean `mount_path`?"));
    assert_eq!(pointed(&documents, error), "mountPath");
    let (_, root) = good("mountPath: /a\nmount_path: /b\n");
    let help = only(&finish(&root, &["mount_path", "name"])).help.clone();
    assert_eq!(help.as_deref(), Some("the fields of `spec` are `mount_path`, `name`"), "the near one is taken");
}

#[test]
fn without_a_near_name_all_are_listed() {
    let (_, root) = good("colour: red\n");
    assert_eq!(only(&finish(&root, &["cpu", "name"])).help.as_deref(), Some("the fields of `spec` are `cpu`, `name`"));
    assert_eq!(only(&finish(&root, &[])).help.as_deref(), Some("`spec` has no fields"));
}

#[test]
fn a_flood_of_unknown_fields_is_cut_short() {
    let text = repeated(0..500, |n| format!("x{n}: 1\n"));
    let out = finish(&good(&text).1, &["name"]);
    assert_eq!(out.len(), 21);
    assert_eq!(out.iter().last().unwrap().message, "480 more unknown fields in `spec`");
}

#[test]
fn readers_take_their_type() {
    let (_, root) = good("[text, '1', 0.5, 12, true, [a], {b: c}]");
    let item = |n: usize| &root.as_sequence().unwrap()[n];
    let mut out = Diagnostics::new();
    assert_eq!(item(0).text("x", &mut out), Some("text"));
    assert_eq!(item(1).text("x", &mut out), Some("1"));
    assert_eq!(item(2).text_or_number("x", &mut out), Some("0.5"));
    assert_eq!(item(3).integer("x", &mut out), Some(12));
    assert_eq!(item(4).boolean("x", &mut out), Some(true));
    assert_eq!(item(5).sequence("x", &mut out).map(<[_]>::len), Some(1));
    assert_eq!(item(6).mapping("x", &mut out).map(<[_]>::len), Some(1));
    assert!(out.is_empty());
}

/// Reads one value in one way and returns the message, label and help of what is wrong with it.
fn misread<T>(text: &str, read: impl Fn(&Node, &mut Diagnostics) -> Option<T>) -> [String; 3] {
    let (_, root) = good(&format!("[{text}]"));
    let mut out = Diagnostics::new();
    assert!(read(&root.as_sequence().unwrap()[0], &mut out).is_none());
    let error = only(&out);
    assert_eq!(error.code, code::WRONG_TYPE);
    [error.message.clone(), error.labels[0].text.clone(), error.help.clone().unwrap_or_default()]
}

#[test]
fn a_wrong_type_is_named_and_put_right() {
    let text = |node: &Node, out: &mut Diagnostics| node.text("`image`", out).map(drop);
    let found = misread("3.10", text);
    assert_eq!(found[0], "`image` must be a string, not a number");
    assert_eq!(found[1], "expected a string, found a number `3.10`");
    assert_eq!(found[2], "put it in quotes: `\"3.10\"`");
    assert_eq!(misread("null", text)[1], "expected a string, found null");
    assert_eq!(misread("{a: b}", text)[2], "put the text in quotes if it has `{`, or `: `, in it");

    let boolean = |node: &Node, out: &mut Diagnostics| node.boolean("`x`", out);
    assert_eq!(misread("yes", boolean)[2], "write `true`");
    assert_eq!(misread("Off", boolean)[2], "write `false`");
    assert_eq!(misread("maybe", boolean)[2], "write `true` or `false`");
    assert_eq!(misread("'true'", boolean)[2], "remove the quotes: `true`");

    let integer = |node: &Node, out: &mut Diagnostics| node.integer("`x`", out);
    assert_eq!(misread("'3'", integer)[2], "remove the quotes: `3`");
    assert_eq!(misread("3.5", integer)[0], "`x` must be an integer, not a number");
    assert_eq!(misread("99999999999999999999", integer)[0], "`x` is out of range");

    let sequence = |node: &Node, out: &mut Diagnostics| node.sequence("`x`", out).map(drop);
    assert_eq!(misread("a", sequence)[2], "write `[a]` for a sequence of one");
    assert_eq!(misread("null", sequence)[2], "write `[]` for an empty one");

    let mapping = |node: &Node, out: &mut Diagnostics| node.mapping("`x`", out).map(drop);
    assert_eq!(misread("size:20Gi", mapping)[2], "put a space behind the colon: `size: 20Gi`");
    assert_eq!(misread("'http://x'", mapping)[2], "");
}
