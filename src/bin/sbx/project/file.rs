//! `sbx.yaml`: the targets of a project, as its file says them.

use std::path::{Path, PathBuf};

use sbx::manifest::{Diagnostic, Diagnostics, Document, Entry, Fields, Node, suggest};
use sbx::reconcile::plan::OnDrift;
use sbx::types::{Name, Selector};

use super::paths;
use super::target::{Place, Target};

/// What stands in a project's file.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ProjectFile {
    /// The project's name, for what several projects share.
    pub(crate) name: Option<Name>,
    /// The target that commands take which only read, when none is named.
    pub(crate) default_target: Option<String>,
    /// The targets, in the order of the file; at least one.
    pub(crate) targets: Vec<Target>,
}

/// Where manifests are when a target does not say.
const DEFAULT_MANIFESTS: &str = "manifests";

/// Reads a project's file; every path in it is relative to `folder`.
pub(super) fn decode(document: &Document, folder: &Path, out: &mut Diagnostics) -> Option<ProjectFile> {
    let mut fields = Fields::new(&document.root, "a project", out)?;
    let name = fields.optional("name");
    let default_target = fields.optional("default_target");
    let targets = fields.required("targets", out);
    fields.finish(out);

    let name = optional(name, |node| name_of(node, "the project's name", out));
    let targets_node = targets?;
    let entries = targets_node.mapping("`targets`", out)?;
    if entries.is_empty() {
        let diagnostic = Diagnostic::error("no-target", "`targets` has no target in it");
        out.push(diagnostic.primary(targets_node.span, "nothing here").help("for example `{dev: {local: true}}`"));
        return None;
    }
    let targets: Vec<_> = entries.iter().map(|entry| decode_target(entry, folder, out)).collect();
    let default_target = optional(default_target, |node| default_of(node, entries, out));
    Some(ProjectFile {
        name: name.ok()?,
        default_target: default_target.ok()?,
        targets: targets.into_iter().collect::<Option<_>>()?,
    })
}

/// What could not be read has been reported.
pub(crate) struct Reported;

/// Reads what may be left out.
pub(crate) fn optional<T>(node: Option<&Node>, read: impl FnOnce(&Node) -> Option<T>) -> Result<Option<T>, Reported> {
    node.map_or(Ok(None), |node| read(node).map(Some).ok_or(Reported))
}

fn default_of(node: &Node, targets: &[Entry], out: &mut Diagnostics) -> Option<String> {
    let text = node.text("`default_target`", out)?;
    if targets.iter().any(|entry| entry.name() == text) {
        return Some(text.to_owned());
    }
    let help = match suggest(text, targets.iter().map(Entry::name)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("the targets are {}", targets.iter().map(Entry::name).collect::<Vec<_>>().join(", ")),
    };
    let diagnostic = Diagnostic::error("unknown-target", format!("there is no target `{text}`"));
    out.push(diagnostic.primary(node.span, "not among the targets").help(help));
    None
}

fn decode_target(entry: &Entry, folder: &Path, out: &mut Diagnostics) -> Option<Target> {
    let name = name_of(&entry.key, "a target's name", out);
    let mut fields = Fields::new(&entry.value, format!("target `{}`", entry.name()), out)?;
    let (context, local) = (fields.optional("context"), fields.optional("local"));
    let manifests = fields.optional("manifests");
    let patches = fields.optional("patches");
    let inventory = fields.optional("inventory");
    let prune = fields.optional("prune");
    let selector = fields.optional("selector");
    let on_drift = fields.optional("on_drift");
    fields.finish(out);

    let place = place_of(context, local, out);
    let manifests = match manifests {
        Some(node) => paths_of(node, "`manifests`", folder, out),
        None => Some(vec![paths::normal(&folder.join(DEFAULT_MANIFESTS))]),
    };
    let patches = patches.map_or_else(|| Some(Vec::new()), |node| paths_of(node, "`patches`", folder, out));
    let inventory = optional(inventory, |node| inventory_of(node, folder, out));
    let prune = prune.map_or(Some(false), |node| node.boolean("`prune`", out));
    let selector = selector.map_or_else(|| Some(Selector::default()), |node| selector_of(node, out));
    let on_drift = on_drift.map_or_else(|| Some(OnDrift::default()), |node| on_drift_of(node, out));
    Some(Target {
        name: name?,
        place: place?,
        manifests: manifests?,
        patches: patches?,
        inventory: inventory.ok()?,
        prune: prune?,
        selector: selector?,
        on_drift: on_drift?,
    })
}

pub(crate) fn name_of(node: &Node, what: &str, out: &mut Diagnostics) -> Option<Name> {
    let text = node.text(what, out)?;
    match Name::parse(text) {
        Ok(name) => Some(name),
        Err(error) => {
            let diagnostic = Diagnostic::error("bad-name", format!("{what} cannot be `{text}`"));
            out.push(diagnostic.primary(node.span, error.to_string()));
            None
        }
    }
}

fn place_of(context: Option<&Node>, local: Option<&Node>, out: &mut Diagnostics) -> Option<Place> {
    let is_local = local.map_or(Some(false), |node| node.boolean("`local`", out));
    let name = optional(context, |node| name_of(node, "a context's name", out));
    match (is_local?, name.ok()?, context) {
        (true, Some(_), Some(node)) => {
            let diagnostic = Diagnostic::error("two-places", "a target is either `local` or in a `context`");
            let diagnostic = diagnostic.primary(node.span, "a server somewhere");
            let local = local.map_or(node.span, |local| local.span);
            out.push(diagnostic.secondary(local, "the server built into sbx"));
            None
        }
        (true, ..) => Some(Place::Local),
        (false, Some(name), _) => Some(Place::Context(name)),
        (false, None, _) => Some(Place::Unsaid),
    }
}

fn paths_of(node: &Node, what: &str, folder: &Path, out: &mut Diagnostics) -> Option<Vec<PathBuf>> {
    let items = node.sequence(what, out)?;
    if items.is_empty() && what == "`manifests`" {
        let diagnostic = Diagnostic::error("no-manifest", "a target has manifests");
        out.push(diagnostic.primary(node.span, "nothing here").help(format!("for example `[{DEFAULT_MANIFESTS}]`")));
        return None;
    }
    let read: Vec<_> = items.iter().map(|item| path_of(item, folder, out)).collect();
    read.into_iter().collect()
}

fn path_of(node: &Node, folder: &Path, out: &mut Diagnostics) -> Option<PathBuf> {
    let text = node.text("a path", out)?;
    if text.is_empty() || text == "-" {
        let diagnostic = Diagnostic::error("bad-path", "a path names a file or a folder");
        out.push(diagnostic.primary(node.span, "names none").help("`.` is the folder of the project's file"));
        return None;
    }
    Some(paths::normal(&folder.join(text)))
}

/// A URL stays as it is; a path is relative to the file, like all others.
fn inventory_of(node: &Node, folder: &Path, out: &mut Diagnostics) -> Option<String> {
    let text = node.text("`inventory`", out)?;
    if text.contains("://") {
        return Some(text.to_owned());
    }
    Some(path_of(node, folder, out)?.display().to_string())
}

fn selector_of(node: &Node, out: &mut Diagnostics) -> Option<Selector> {
    let text = node.text("`selector`", out)?;
    match text.parse() {
        Ok(selector) => Some(selector),
        Err(error) => {
            let diagnostic = Diagnostic::error("bad-selector", format!("`{text}` is not a selector"));
            let help = "for example `team=research,!old`";
            out.push(diagnostic.primary(node.span, format!("{error}")).help(help));
            None
        }
    }
}

/// What may be done about drift, and what each is called.
pub(super) const ON_DRIFT: [(&str, OnDrift); 3] =
    [("revert", OnDrift::Revert), ("hold", OnDrift::Hold), ("fail", OnDrift::Fail)];

fn on_drift_of(node: &Node, out: &mut Diagnostics) -> Option<OnDrift> {
    let text = node.text("`on_drift`", out)?;
    let found = ON_DRIFT.iter().find(|(word, _)| *word == text).map(|(_, choice)| *choice);
    if found.is_none() {
        let diagnostic = Diagnostic::error("unknown-choice", format!("`on_drift` cannot be `{text}`"));
        out.push(diagnostic.primary(node.span, "expected `revert`, `hold` or `fail`"));
    }
    found
}

#[cfg(test)]
mod tests;
