//! What holds for every text.

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use serde_json::{Map, Number, Value as Json};

use super::read;
use crate::manifest::{Documents, Input, Limits, Node, ScalarKind, ScalarStyle, Span, Value, load};

/// Texts with something of everything, to start mutations from.
const SEEDS: &[&str] = &[
    "apiVersion: sbx/v1\nkind: Kettle\nmetadata:\n  name: a\n  labels: {team: research, 'x': \"y\"}\nspec:\n  size: 20Gi\n",
    "---\na: &x [1, 2.5, ~, true]\nb: *x\nc: {<<: {d: e}, f: 'g''h'}\n...\n---\n- \"é\\n\\u00e9\"\n- |\n  one\n   two\n\n- >-\n  three\n  four\n",
    "%YAML 1.2\n---\n? key\n: value\n# comment\n'quoted key' : !!str 12\n\"x\": - \n",
    "{\n\t\"a\": [1, {\"b\": null}, \"c\\/d\"],\n\t\"e\": -1.5e3\n}\n",
    "a:\r\n  - b: c\r\n    d:\r\n  - [e, f: g, [h]]\r\n\r\ni: &j k # l\r\n",
];

/// Pieces that mean something to the reader, to be put anywhere.
const PIECES: &[&str] = &[
    "\n",
    " ",
    "  ",
    "\t",
    ":",
    ": ",
    "- ",
    "? ",
    "[",
    "]",
    "{",
    "}",
    ",",
    "'",
    "\"",
    "\\",
    "#",
    " #",
    "&a ",
    "*a",
    "!",
    "!!str ",
    "!x ",
    "|",
    ">",
    "|2-\n",
    "%",
    "@",
    "`",
    "---\n",
    "\n---\n",
    "\n...\n",
    "<<: ",
    "~",
    "é",
    "\u{FEFF}",
    "\r",
    "\0",
    "\u{85}",
    "\u{2028}",
    "𝄞",
    "\\u",
    "\\x4",
    "0",
    "a: ",
    "%TAG ! !b\n",
    "null",
    "\n \n",
    "\n\n",
];

/// Reads a text, and checks that every place in what comes out is a place in the text.
fn survives(bytes: &[u8]) -> Documents {
    let (documents, diagnostics) = load(&[Input::Stdin(bytes.to_vec())], &Limits::default());
    let check = |span: Span| {
        let text = documents.sources.get(span.source).text();
        let covered = text.get(span.start as usize..span.end as usize);
        assert!(covered.is_some(), "{span:?} in {text:?}");
        documents.sources.location(span);
    };
    diagnostics.iter().flat_map(|diagnostic| &diagnostic.labels).for_each(|label| check(label.span));
    let mut waiting: Vec<&Node> = documents.documents.iter().map(|document| &document.root).collect();
    while let Some(node) = waiting.pop() {
        check(node.span);
        check(node.head());
        check_scalar(&documents, node);
        waiting.extend(node.as_sequence().unwrap_or_default());
        waiting.extend(node.as_mapping().unwrap_or_default().iter().flat_map(|entry| [&entry.key, &entry.value]));
    }
    assert!(!documents.documents.is_empty() || !diagnostics.is_empty(), "a text with nothing in it is an error");
    documents
}

/// Checks that the place of a scalar has its text, as far as that can be told without reading YAML again.
fn check_scalar(documents: &Documents, node: &Node) {
    let Some(scalar) = node.as_scalar() else { return };
    let text = documents.sources.get(node.span.source).text();
    let covered = documents.sources.snippet(node.span);
    let is_alias = covered.starts_with('*');
    let is_left_out = scalar.text().is_empty();
    match scalar.style() {
        _ if is_alias => {}
        ScalarStyle::Plain if is_left_out || covered.contains(['\n', '\r']) => {}
        // A tag or an anchor may stand before it.
        ScalarStyle::Plain => assert!(covered.ends_with(scalar.text()), "{covered:?} is {scalar:?} in {text:?}"),
        ScalarStyle::Quoted => {
            assert!(covered.len() >= 2 && covered.ends_with(['\'', '"']), "{covered:?} is {scalar:?} in {text:?}");
        }
        ScalarStyle::Block => {}
    }
}

/// A small generator, so that the mutations are the same on every machine and every day.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % n.max(1)
    }
}

fn mutated(seed: &str, numbers: &mut Numbers) -> Vec<u8> {
    let mut bytes = seed.as_bytes().to_vec();
    for _ in 0..=numbers.below(4) {
        let at = numbers.below(bytes.len());
        match numbers.below(5) {
            0 => bytes.truncate(at),
            1 => drop(bytes.drain(at..bytes.len().min(at + numbers.below(8) + 1))),
            2 if at < bytes.len() => bytes[at] = u8::try_from(numbers.below(256)).unwrap(),
            3 => {
                let part = bytes[at..bytes.len().min(at + numbers.below(30))].to_vec();
                let to = numbers.below(bytes.len());
                bytes.splice(to..to, part);
            }
            _ => {
                let piece = PIECES[numbers.below(PIECES.len())];
                bytes.splice(at..at, piece.bytes());
            }
        }
    }
    bytes
}

#[test]
fn thousands_of_mutations_are_survived() {
    let mut numbers = Numbers(7);
    for round in 0..800 {
        for seed in SEEDS {
            survives(&mutated(seed, &mut numbers));
        }
        let pieces: String = (0..numbers.below(12)).map(|_| PIECES[numbers.below(PIECES.len())]).collect();
        survives(format!("{round}{pieces}").as_bytes());
    }
}

fn to_json(node: &Node) -> Json {
    match &node.value {
        Value::Sequence(items) => items.iter().map(to_json).collect(),
        Value::Mapping(entries) => {
            let entries = entries.iter().map(|entry| (entry.name().to_owned(), to_json(&entry.value)));
            Json::Object(entries.collect::<Map<_, _>>())
        }
        Value::Scalar(scalar) => match scalar.kind() {
            ScalarKind::Null => Json::Null,
            ScalarKind::Bool => Json::Bool(scalar.to_bool().unwrap()),
            ScalarKind::Int => scalar.to_integer().unwrap().into(),
            ScalarKind::Float => Number::from_f64(scalar.text().parse().unwrap()).unwrap().into(),
            ScalarKind::Text => scalar.text().into(),
        },
    }
}

/// Texts that are easily taken for something else. Without those that the writer does not quote, because it follows
/// YAML 1.1 in part: line breaks such as U+2028, and the merge key.
const TRICKY: &str = "yes|no|null|~|true|0x1F|0o17|1e3|.5|-|- a|a: b|#|a #b|=|!|&a|*a|'|\"|\\|a\nb|a\n\n b\n| a|a |\t|[|{}|,\
    |---|...|---\na|20Gi|1:30|2026-01-01|é|𝄞|>|%|@|`|?|? a|:|a:|\r\n|+1|_1|0b1|-.inf|";

fn word() -> impl Strategy<Value = String> {
    let tricky = prop::sample::select(TRICKY.split('|').collect::<Vec<_>>());
    prop_oneof![3 => "[a-z_]{1,12}", 2 => tricky.prop_map(str::to_owned), 1 => "[ -~é]{0,20}"]
}

fn tree() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        (-1e9..1e9).prop_map(Json::from),
        word().prop_map(Json::from),
    ];
    leaf.prop_recursive(5, 60, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Json::from),
            btree_map(word(), inner, 0..6).prop_map(|entries| Json::Object(entries.into_iter().collect())),
        ]
    })
}

/// A tree that is no empty document.
fn document() -> impl Strategy<Value = Json> {
    tree().prop_filter("an empty document", |tree| !tree.is_null())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_survived(bytes in vec(any::<u8>(), 0..200)) {
        survives(&bytes);
    }

    #[test]
    fn any_text_is_survived(text in "\\PC{0,200}") {
        survives(text.as_bytes());
    }

    #[test]
    fn any_pieces_are_survived(pieces in vec(prop::sample::select(PIECES), 0..60)) {
        survives(pieces.concat().as_bytes());
    }

    #[test]
    fn what_was_written_as_yaml_is_read_back(documents in vec(document(), 1..4)) {
        let texts: Vec<_> = documents.iter().map(|tree| serde_yaml::to_string(tree).unwrap()).collect();
        let (read, diagnostics) = read(&format!("---\n{}", texts.join("---\n")));
        prop_assert!(diagnostics.is_empty(), "{:?} in {:?}", diagnostics, texts);
        let found: Vec<_> = read.documents.iter().map(|document| to_json(&document.root)).collect();
        prop_assert_eq!(found, documents);
    }

    #[test]
    fn what_was_written_as_json_is_read_back(tree in document(), is_pretty in any::<bool>()) {
        let text = if is_pretty { serde_json::to_string_pretty(&tree) } else { serde_json::to_string(&tree) }.unwrap();
        let (read, diagnostics) = read(&text);
        prop_assert!(diagnostics.is_empty(), "{:?} in {:?}", diagnostics, text);
        prop_assert_eq!(to_json(&read.documents[0].root), tree);
    }

    #[test]
    fn a_bad_document_changes_nothing_in_the_others(good in vec(document(), 1..4), at in 0_usize..4) {
        let mut texts: Vec<_> = good.iter().map(|tree| serde_json::to_string(tree).unwrap()).collect();
        let at = at.min(texts.len());
        texts.insert(at, "a: [1\n".to_owned());
        let (read, diagnostics) = read(&texts.join("\n---\n"));
        prop_assert_eq!(diagnostics.len(), 1);
        let found: Vec<_> = read.documents.iter().map(|document| to_json(&document.root)).collect();
        prop_assert_eq!(found, good);
    }
}
