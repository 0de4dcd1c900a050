//! Patches: what a target changes in the manifests that it shares with others.
//!
//! A patch names an object by kind and name and carries a merge patch for its manifest. It works on the tree, before the
//! manifest is decoded, so that whatever is wrong with a patched value is reported where the patch says it.

use std::collections::HashMap;

use super::kind::{Key, KindId};
use super::object::{read_kind, read_version};
use super::read;
use super::version::ApiVersion;
use crate::manifest::{Diagnostic, Diagnostics, Document, Documents, Fields, Node, Span, suggest};
use crate::types::Name;

/// What a patch is that names an object which is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unmatched {
    /// An error: all manifests are there.
    Error,
    /// Nothing: only a part of the manifests was read.
    Ignored,
}

struct Patch<'a> {
    /// One, unless it leaves the version open and kinds of several have the name.
    kinds: Vec<KindId>,
    name: Name,
    place: Span,
    change: &'a Node,
}

/// Changes documents as patches say, one patch after the other, and reports all that is wrong with the patches.
///
/// A patch is a mapping of `kind`, `name` and `patch`; the last is a merge patch (RFC 7386) for the whole manifest. It may
/// say `apiVersion`, and has to where objects of two versions are both meant by its kind and name.
pub fn patch(documents: &mut Documents, patches: &[Document], unmatched: Unmatched, out: &mut Diagnostics) {
    let patches: Vec<_> = patches.iter().filter_map(|document| decode(&document.root, out)).collect();
    if patches.is_empty() {
        return;
    }
    let declared = declared(&documents.documents);
    for patch in patches {
        let keys = || patch.kinds.iter().map(|kind| Key { kind: *kind, name: patch.name.clone() });
        let mut found = keys().filter_map(|key| declared.get(&key));
        match (found.next(), found.next()) {
            (Some(_), Some(_)) => out.push(ambiguous(&patch)),
            (Some(places), None) => {
                for place in places {
                    let root = &mut documents.documents[*place].root;
                    *root = root.merged(patch.change);
                }
            }
            (None, _) if unmatched == Unmatched::Ignored => {}
            (None, _) => out.extend(keys().take(1).map(|key| no_match(&key, &patch, declared.keys()))),
        }
    }
}

fn decode<'a>(root: &'a Node, out: &mut Diagnostics) -> Option<Patch<'a>> {
    let mut fields = Fields::new(root, "a patch", out)?;
    let version = fields.optional("apiVersion");
    let kind = fields.required("kind", out);
    let name = fields.required("name", out);
    let change = fields.required("patch", out);
    fields.finish(out);
    let version = version.map_or(Some(None), |node| read_version(node, out).map(Some));
    let kinds = kind.and_then(|node| read_kind(node, version.flatten(), out));
    let read = |node, out: &mut Diagnostics| match kinds.as_ref().and_then(|kinds| kinds.first()) {
        Some(kind) => read::name_of(*kind, node, out),
        None => read::name(node, out),
    };
    let name = name.and_then(|node| Some((read(node, out)?, node.span)));
    let change = change.filter(|node| node.mapping("`patch`", out).is_some() && keeps_identity(node, out));
    let (name, place) = name?;
    version?;
    Some(Patch { kinds: kinds?, name, place, change: change? })
}

/// Reports what would make another object of the one that is patched.
fn keeps_identity(change: &Node, out: &mut Diagnostics) -> bool {
    let fixed = ["apiVersion", "kind", "metadata.name"];
    let found: Vec<_> = fixed.iter().filter_map(|path| Some((path, change.at(path)?.key?))).collect();
    for (path, key) in &found {
        let diagnostic = Diagnostic::error("bad-patch", format!("`{path}` cannot be patched"));
        let help = "a patch changes what an object is like, not which one it is";
        out.push(diagnostic.primary(key.span, "would be another object").help(help));
    }
    let metadata = change.entry("metadata").filter(|entry| entry.value.as_mapping().is_none());
    if let Some(entry) = metadata {
        let diagnostic = Diagnostic::error("bad-patch", "`metadata` can only be patched field by field");
        let help = "the name stays: patch `labels` or `annotations` below `metadata`";
        out.push(diagnostic.primary(entry.key.span, "would take the name away").help(help));
    }
    found.is_empty() && metadata.is_none()
}

/// Returns where each object is declared; objects that are declared twice are reported elsewhere.
fn declared(documents: &[Document]) -> HashMap<Key, Vec<usize>> {
    let mut declared: HashMap<Key, Vec<usize>> = HashMap::with_capacity(documents.len());
    for (index, document) in documents.iter().enumerate() {
        if let Some(key) = key_of(&document.root) {
            declared.entry(key).or_default().push(index);
        }
    }
    declared
}

fn key_of(root: &Node) -> Option<Key> {
    let text = |node: Option<&Node>| Some(node?.as_scalar()?.text().to_owned());
    let version = ApiVersion::parse(&text(root.get("apiVersion"))?)?;
    let kind = super::named(version, &text(root.get("kind"))?)?;
    let name = kind.name(&text(root.get("metadata")?.get("name"))?).ok()?;
    Some(Key { kind, name })
}

fn ambiguous(patch: &Patch<'_>) -> Diagnostic {
    let versions: Vec<_> =
        patch.kinds.iter().map(|kind| format!("`apiVersion: {}`", kind.info().api_version)).collect();
    let message = format!("the patch matches objects of {} versions", versions.len());
    let diagnostic = Diagnostic::error("ambiguous", message).primary(patch.place, "declared more than once");
    diagnostic.help(format!("say {}", versions.join(" or ")))
}

fn no_match<'a>(key: &Key, patch: &Patch<'_>, declared: impl Iterator<Item = &'a Key>) -> Diagnostic {
    let is_near = |other: &&Key| patch.kinds.contains(&other.kind);
    let mut names: Vec<_> = declared.filter(is_near).map(|other| other.name.as_str()).collect();
    names.sort_unstable();
    let help = match suggest(key.name.as_str(), names.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "a patch changes what the manifests declare; it adds no object".to_owned(),
    };
    let diagnostic = Diagnostic::error("no-match", format!("the patch matches nothing: no manifest declares {key}"));
    diagnostic.primary(patch.place, "not declared").help(help)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::{self, Object, to_manifest};
    use crate::manifest::{Input, Limits, load};

    const BASE: &str = "\
apiVersion: sbx/v1
kind: Template
metadata: {name: python, labels: {team: research}}
spec:
  image: python:3.12
  resources: {cpu: '1', memory: 1Gi}
  volume_mounts: [{volume_name: data, mount_path: /data}]
---
{apiVersion: sbx/v1, kind: Pool, metadata: {name: warm}, spec: {template_name: plain, replicas: 1}}
";

    fn patched_with(text: &str, unmatched: Unmatched) -> (Vec<Object>, Vec<String>) {
        let inputs = [("patch.yaml", text), ("base.yaml", BASE)]
            .map(|(name, text)| Input::Text { name: name.to_owned(), text: text.to_owned() });
        let (mut documents, mut out) = load(&inputs, &Limits::default());
        let is_patch = |document: &Document| document.input == 0;
        let patches: Vec<_> = documents.documents.iter().filter(|document| is_patch(document)).cloned().collect();
        documents.documents.retain(|document| !is_patch(document));
        patch(&mut documents, &patches, unmatched, &mut out);
        let objects = kinds::decode(&documents, &mut out);
        out.sort();
        let shown = out.iter().map(|problem| {
            let place = documents.sources.location(problem.span().unwrap());
            let help = problem.help.as_deref().unwrap_or("-");
            format!("{}:{}:{}: {}; {help}", place.name, place.line, place.column, problem.message)
        });
        let shown = shown.collect();
        (objects, shown)
    }

    fn patched(text: &str) -> Vec<Object> {
        let (objects, problems) = patched_with(text, Unmatched::Error);
        assert!(problems.is_empty(), "{problems:?}");
        objects
    }

    #[track_caller]
    fn problem(text: &str) -> String {
        let (_, problems) = patched_with(text, Unmatched::Error);
        assert_eq!(problems.len(), 1, "{problems:?}");
        problems.into_iter().next().unwrap()
    }

    #[test]
    fn changes_adds_and_takes_away() {
        let objects = patched(
            "kind: Template\nname: python\npatch:\n  metadata: {labels: {tier: prod}}\n  spec:\n    \
             resources: {cpu: '2', memory: null}\n    volume_mounts: null\n  lifecycle: {prevent_destroy: true}\n",
        );
        let python = &objects[0];
        assert!(python.lifecycle.prevent_destroy);
        assert_eq!(
            python.labels.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(","),
            "team=research,tier=prod"
        );
        insta::assert_snapshot!(to_manifest(&python.key.name, &python.spec)["spec"], @r#"{"image":"python:3.12","resources":{"cpu":"2","memory":"512Mi"}}"#);
    }

    #[test]
    fn later_patches_win() {
        let document = |replicas| format!("---\nkind: Pool\nname: warm\npatch: {{spec: {{replicas: {replicas}}}}}\n");
        let objects = patched(&[document(5), document(7)].concat());
        assert_eq!(to_manifest(&objects[1].key.name, &objects[1].spec)["spec"]["replicas"], 7);
    }

    #[test]
    fn what_is_wrong_is_reported_where_it_is_written() {
        let template = |change: &str| problem(&format!("kind: Template\nname: python\npatch:\n  {change}\n"));
        insta::assert_snapshot!(template("spec: {resources: {cpu: lots}}"), @"patch.yaml:4:27: `lots` is not an amount of CPU; for example `500m`");
        insta::assert_snapshot!(template("spec: {imagee: x}"), @"patch.yaml:4:10: unknown field `imagee` in `spec`; the fields of `spec` are `image`, `resources`, `volume_mounts`");
        insta::assert_snapshot!(template("spec: {image: null}"), @"base.yaml:6:3: missing field `image` in `spec`; -");
        insta::assert_snapshot!(template("metadata: {name: other}"), @"patch.yaml:4:14: `metadata.name` cannot be patched; a patch changes what an object is like, not which one it is");
        insta::assert_snapshot!(template("metadata: null"), @"patch.yaml:4:3: `metadata` can only be patched field by field; the name stays: patch `labels` or `annotations` below `metadata`");
        insta::assert_snapshot!(template("kind: Pool"), @"patch.yaml:4:3: `kind` cannot be patched; a patch changes what an object is like, not which one it is");
    }

    #[test]
    fn a_patch_that_makes_no_sense() {
        insta::assert_snapshot!(problem("kind: Template\nname: pyhton\npatch: {spec: {}}\n"), @"patch.yaml:2:7: the patch matches nothing: no manifest declares template/pyhton; did you mean `python`?");
        insta::assert_snapshot!(problem("kind: Volume\nname: data\npatch: {spec: {}}\n"), @"patch.yaml:2:7: the patch matches nothing: no manifest declares volume/data; a patch changes what the manifests declare; it adds no object");
        insta::assert_snapshot!(problem("kind: Templat\nname: python\npatch: {spec: {}}\n"), @"patch.yaml:1:7: unknown kind `Templat`; did you mean `Template`?");
        insta::assert_snapshot!(problem("kind: Template\nname: python\n"), @"patch.yaml:1:1: missing field `patch` in a patch; -");
        insta::assert_snapshot!(problem("kind: Template\nname: python\npatch: [1]\n"), @"patch.yaml:3:9: `patch` must be a mapping, not a sequence; -");
        insta::assert_snapshot!(problem("kind: Template\nname: python\npatch: {spec: {}}\nspec: {}\n"), @"patch.yaml:4:1: unknown field `spec` in a patch; the fields of a patch are `apiVersion`, `kind`, `name`, `patch`");
    }

    #[test]
    fn of_a_part_of_the_manifests_a_patch_may_match_nothing() {
        let (objects, problems) =
            patched_with("kind: Volume\nname: data\npatch: {spec: {size: 2Gi}}\n", Unmatched::Ignored);
        assert_eq!((objects.len(), problems), (2, Vec::new()));
    }
}
