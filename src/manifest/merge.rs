//! JSON merge patches (RFC 7386) on trees that remember where they were written.

use std::collections::HashMap;
use std::sync::Arc;

use super::node::{Entry, Node, Value};

impl Node {
    /// Returns this node as the merge patch `patch` changes it (RFC 7386).
    ///
    /// A mapping is merged key by key, null takes a key away, and anything else takes the place of what was there, lists
    /// as a whole. What comes from the patch keeps its place in the patch, so that a problem with it is reported there.
    #[must_use]
    pub fn merged(&self, patch: &Self) -> Self {
        // The parser bounds how deep a tree is (`Limits::depth`), and with it this.
        let Some(changes) = patch.as_mapping() else { return patch.clone() };
        match self.as_mapping() {
            Some(entries) => Self { span: self.span, value: Value::Mapping(merged_entries(entries, changes)) },
            None => Self { span: patch.span, value: Value::Mapping(merged_entries(&[], changes)) },
        }
    }
}

fn merged_entries(entries: &[Entry], changes: &[Entry]) -> Arc<[Entry]> {
    let by_name: HashMap<&str, &Entry> = changes.iter().map(|change| (change.name(), change)).collect();
    let names: HashMap<&str, &Entry> = entries.iter().map(|entry| (entry.name(), entry)).collect();
    let kept = entries.iter().filter_map(|entry| match by_name.get(entry.name()) {
        None => Some(entry.clone()),
        Some(change) if change.value.is_null() => None,
        Some(change) => Some(changed(entry, change)),
    });
    let added = changes.iter().filter(|change| !names.contains_key(change.name()) && !change.value.is_null());
    kept.chain(added.map(|change| Entry { key: change.key.clone(), value: without_nulls(&change.value) })).collect()
}

fn changed(entry: &Entry, change: &Entry) -> Entry {
    let is_merged = entry.value.as_mapping().is_some() && change.value.as_mapping().is_some();
    let key = if is_merged { &entry.key } else { &change.key };
    Entry { key: key.clone(), value: entry.value.merged(&change.value) }
}

/// Returns what a patch puts where nothing was: its nulls take away what is not there.
fn without_nulls(value: &Node) -> Node {
    match value.as_mapping() {
        Some(changes) => Node { span: value.span, value: Value::Mapping(merged_entries(&[], changes)) },
        None => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Map, Value as Json};

    use super::*;
    use crate::manifest::tests::{good, shape};
    use crate::manifest::{Input, Limits, load};

    fn merged(target: &str, patch: &str) -> String {
        shape(&good(target).1.merged(&good(patch).1))
    }

    /// The cases of RFC 7386, appendix A, that a document can be written for.
    #[test]
    fn merges_as_the_standard_says() {
        for (target, patch, expected) in [
            (r#"{"a":"b"}"#, r#"{"a":"c"}"#, "{a: c}"),
            (r#"{"a":"b"}"#, r#"{"b":"c"}"#, "{a: b, b: c}"),
            (r#"{"a":"b"}"#, r#"{"a":null}"#, "{}"),
            (r#"{"a":"b","b":"c"}"#, r#"{"a":null}"#, "{b: c}"),
            (r#"{"a":["b"]}"#, r#"{"a":"c"}"#, "{a: c}"),
            (r#"{"a":"c"}"#, r#"{"a":["b"]}"#, "{a: [b]}"),
            (r#"{"a":{"b":"c"}}"#, r#"{"a":{"b":"d","c":null}}"#, "{a: {b: d}}"),
            (r#"{"a":[{"b":"c"}]}"#, r#"{"a":[1]}"#, "{a: [1]}"),
            (r#"["a","b"]"#, r#"["c","d"]"#, "[c, d]"),
            (r#"{"a":"b"}"#, r#"["c"]"#, "[c]"),
            (r#"{"e":null}"#, r#"{"a":1}"#, "{e: null, a: 1}"),
            ("[1,2]", r#"{"a":"b","c":null}"#, "{a: b}"),
            (r#"{"x":1}"#, r#"{"a":{"bb":{"ccc":null}}}"#, "{x: 1, a: {bb: {}}}"),
        ] {
            assert_eq!(merged(target, patch), expected, "{target} with {patch}");
        }
    }

    #[test]
    fn everything_stays_where_it_was_written() {
        let texts = [("base.yaml", "a: {b: 1, c: 2}\nd: 3\n"), ("patch.yaml", "a: {b: 9}\nd: 8\ne: 7\n")];
        let inputs = texts.map(|(name, text)| Input::Text { name: name.to_owned(), text: text.to_owned() });
        let (documents, _) = load(&inputs, &Limits::default());
        let [base, patch] = &documents.documents[..] else { panic!("there are two") };
        let merged = base.root.merged(&patch.root);
        let place = |path: &str| {
            let location = documents.sources.location(merged.at(path).unwrap().value.span);
            format!("{}:{}:{}", location.name, location.line, location.column)
        };
        assert_eq!(place("a.b"), "patch.yaml:1:8");
        assert_eq!(place("a.c"), "base.yaml:1:14");
        assert_eq!(place("a"), "base.yaml:1:4");
        assert_eq!((place("d"), place("e")), ("patch.yaml:2:4".to_owned(), "patch.yaml:3:4".to_owned()));
    }

    fn value() -> impl Strategy<Value = Json> {
        let leaf = prop_oneof![Just(Json::Null), any::<bool>().prop_map(Json::from), any::<u8>().prop_map(Json::from)];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Json::from),
                prop::collection::btree_map("[a-d]", inner, 0..4)
                    .prop_map(|entries| Json::Object(entries.into_iter().collect::<Map<_, _>>())),
            ]
        })
    }

    /// The algorithm of RFC 7386, section 2, word for word.
    fn by_the_standard(target: Json, patch: &Json) -> Json {
        let Json::Object(changes) = patch else { return patch.clone() };
        let mut entries = if let Json::Object(entries) = target { entries } else { Map::new() };
        for (name, change) in changes {
            if change.is_null() {
                entries.remove(name);
            } else {
                let old = entries.remove(name).unwrap_or(Json::Null);
                entries.insert(name.clone(), by_the_standard(old, change));
            }
        }
        Json::Object(entries)
    }

    fn sorted(node: &Node) -> Json {
        match &node.value {
            Value::Scalar(scalar) => serde_json::from_str(scalar.text()).unwrap(),
            Value::Sequence(items) => items.iter().map(sorted).collect(),
            Value::Mapping(entries) => {
                entries.iter().map(|entry| (entry.name().to_owned(), sorted(&entry.value))).collect()
            }
        }
    }

    proptest! {
        #[test]
        fn patching_is_what_the_standard_says_and_idempotent(target in value(), patch in value()) {
            // Below a key each, as an empty document is no document.
            let node = |value: &Json| good(&serde_json::json!({ "in": value }).to_string()).1;
            let (target_node, patch_node) = (node(&target), node(&patch));
            let once = target_node.get("in").unwrap().merged(patch_node.get("in").unwrap());
            let twice = once.merged(patch_node.get("in").unwrap());
            prop_assert_eq!(sorted(&once), by_the_standard(target, &patch));
            prop_assert_eq!(sorted(&twice), sorted(&once));
        }
    }
}
