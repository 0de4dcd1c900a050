//! A manifest as a whole: one declared object, whatever its kind.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use super::kind::{Key, KindId, KindInfo, Lookup};
use super::lifecycle;
use super::read::{self, code};
use super::reserved::{is_provided, is_reserved};
use super::spec::Spec;
use super::version::ApiVersion;
use crate::manifest::{Diagnostic, Diagnostics, Document, Documents, Fields, Node, SourceId, Span, suggest};
use crate::types::{Labels, Name};

/// A declared object.
#[derive(Debug, Clone)]
pub struct Object {
    /// Its kind and name.
    pub key: Key,
    /// Its labels, for selectors; never sent.
    pub labels: Labels,
    /// Its annotations; never sent.
    pub annotations: Labels,
    /// How it is treated over its life.
    pub lifecycle: Lifecycle,
    /// What it is.
    pub spec: Spec,
    /// Where it is declared.
    pub origin: Origin,
    /// The file that it is declared in, as it was named; `None` for one that came by no file.
    pub source: Option<Arc<str>>,
}

/// Where an object is declared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin {
    /// The file.
    pub source: SourceId,
    /// The document, as an index of [`Documents::documents`]; a field's place is looked up there.
    pub document: usize,
    /// The object's name.
    pub name: Span,
}

/// How an object is treated over its life: the `lifecycle` of a manifest.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lifecycle {
    /// Whether a plan that would destroy the object is refused.
    pub prevent_destroy: bool,
    /// The name that the object had before.
    pub renamed_from: Option<RenamedFrom>,
    /// How it is made anew when it cannot change in place.
    pub replace: Option<Replace>,
    /// What happens when it is declared no longer; by kind when absent.
    pub on_remove: Option<OnRemove>,
    /// What happens when what it was made from is superseded.
    pub on_superseded: OnSuperseded,
    /// What happens when its time to live ended it.
    pub on_expiry: OnExpiry,
    /// How long a create waits for it to be ready; by kind when absent.
    pub timeout: Option<Timeout>,
}

/// The name that an object had before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RenamedFrom {
    /// This one.
    Name(Name),
    /// None: it is a new object, whatever it looks like.
    Nothing,
}

/// How an object is made anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replace {
    /// Beside the old one, then swapped.
    Rolling,
    /// In its place, after the old one is deleted.
    Recreate,
}

/// What happens to an object that is declared no longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnRemove {
    /// It is deleted.
    Delete,
    /// It stays.
    Retain,
}

/// What happens to an object when what it was made from is superseded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnSuperseded {
    /// It stays as it is and is reported.
    #[default]
    Keep,
    /// It is made anew.
    Replace,
}

/// What happens when an object's time to live ended it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnExpiry {
    /// It stays away.
    #[default]
    Ignore,
    /// It is made anew.
    Recreate,
}

/// How long to wait for an object to be ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeout(pub Duration);

/// Reads every document as an object, and checks the rules that hold across objects.
///
/// Everything that is wrong is reported; an object is returned only if nothing is wrong in it.
pub fn decode(documents: &Documents, out: &mut Diagnostics) -> Vec<Object> {
    let decoded = documents.documents.iter().enumerate();
    let mut objects: Vec<_> = decoded.filter_map(|(index, document)| decode_one(index, document, out)).collect();
    name_sources(&mut objects, documents);
    report_duplicates(&objects, out);
    report_shared_origins(&objects, documents, out);
    report_violations(&objects, documents, out);
    objects
}

fn decode_one(index: usize, document: &Document, out: &mut Diagnostics) -> Option<Object> {
    let mut fields = Fields::new(&document.root, "a manifest", out)?;
    let api_version = fields.required("apiVersion", out);
    let kind = fields.required("kind", out);
    let metadata = fields.required("metadata", out);
    let spec = fields.required("spec", out);
    let lifecycle = fields.optional("lifecycle");
    fields.finish(out);

    let version = api_version.and_then(|node| read_version(node, out));
    // Of what has a version that nobody knows, the rest is read as well as it can be, so that all is reported at once.
    let kind = kind.and_then(|node| read_kind(node, version, out)?.first().copied());
    let metadata = metadata.and_then(|node| read_metadata(node, kind, out));
    let lifecycle = lifecycle.map_or_else(|| Some(Lifecycle::default()), |node| read_lifecycle(node, kind, out));
    let spec = kind.zip(spec).and_then(|(kind, node)| kind.decode(node, out));

    let Metadata { name, name_span, labels, annotations } = metadata?;
    version?;
    Some(Object {
        key: Key { kind: kind?, name },
        labels,
        annotations,
        lifecycle: lifecycle?,
        spec: spec?,
        origin: Origin { source: document.source, document: index, name: name_span },
        source: None,
    })
}

/// Says of each object which file it came from; the objects of one file share its name.
fn name_sources(objects: &mut [Object], documents: &Documents) {
    let names: Vec<Arc<str>> = documents.sources.iter().map(|source| source.name().into()).collect();
    for object in objects {
        object.source = names.get(object.origin.source.index()).cloned();
    }
}

pub(super) fn read_version(node: &Node, out: &mut Diagnostics) -> Option<ApiVersion> {
    let text = node.text("`apiVersion`", out)?;
    let version = ApiVersion::parse(text);
    if version.is_none() {
        let known: Vec<_> = ApiVersion::with_kinds().map(|version| format!("`{version}`")).collect();
        let diagnostic = Diagnostic::error("unknown-version", format!("unknown `apiVersion`: `{text}`"));
        let help = format!("this version of sbx reads {}", known.join(" and "));
        out.push(diagnostic.primary(node.span, "unknown version").help(help));
    }
    version
}

/// Reads the name of a kind; the kinds are all that have it, or the one of `version`.
pub(super) fn read_kind(node: &Node, version: Option<ApiVersion>, out: &mut Diagnostics) -> Option<Vec<KindId>> {
    let text = node.text("`kind`", out)?;
    let is_of = |kind: &KindId| version.is_none_or(|version| kind.info().api_version == version);
    let found: Vec<_> = super::named_so(text).filter(is_of).collect();
    if !found.is_empty() {
        return Some(found);
    }
    out.push(match (version, super::named_so(text).next()) {
        (Some(version), Some(elsewhere)) => {
            let message = format!("there is no `{text}` in `{version}`");
            let diagnostic = Diagnostic::error("wrong-version", message).primary(node.span, "of another version");
            diagnostic.help(format!("`{text}` is of `{}`", elsewhere.info().api_version))
        }
        _ => unknown_kind(text, node, &is_of),
    });
    None
}

fn unknown_kind(text: &str, node: &Node, is_of: &dyn Fn(&KindId) -> bool) -> Diagnostic {
    let mut names: Vec<_> = super::all().filter(is_of).map(|kind| kind.info().kind).collect();
    let mut seen = HashSet::new();
    names.retain(|name| seen.insert(*name));
    let meant = super::meant_by(text).into_iter().find(is_of).map(|kind| kind.info().kind);
    let help = match meant.or_else(|| suggest(text, names.iter().copied())) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("the kinds are {}", names.join(", ")),
    };
    Diagnostic::error("unknown-kind", format!("unknown kind `{text}`")).primary(node.span, "unknown kind").help(help)
}

struct Metadata {
    name: Name,
    name_span: Span,
    labels: Labels,
    annotations: Labels,
}

fn read_metadata(node: &Node, kind: Option<KindId>, out: &mut Diagnostics) -> Option<Metadata> {
    let mut fields = Fields::new(node, "`metadata`", out)?;
    let name = fields.required("name", out);
    let labels = fields.optional("labels");
    let annotations = fields.optional("annotations");
    fields.finish(out);

    let read = |node, out: &mut Diagnostics| match kind {
        Some(kind) => read::name_of(kind, node, out),
        None => read::name(node, out),
    };
    let name = name.and_then(|node| Some((read(node, out).filter(|name| not_reserved(name, node, out))?, node.span)));
    let labels = labels.map_or_else(|| Some(Labels::new()), |node| read_labels(node, "`labels`", out));
    let annotations = annotations.map_or_else(|| Some(Labels::new()), |node| read_labels(node, "`annotations`", out));
    let (name, name_span) = name?;
    Some(Metadata { name, name_span, labels: labels?, annotations: annotations? })
}

fn not_reserved(name: &Name, node: &Node, out: &mut Diagnostics) -> bool {
    let why = if is_provided(name.as_str()) {
        "names that begin with `system/` are the service's own, which need no manifest"
    } else if is_reserved(name) {
        "names with `--sbx-` in them are objects under construction"
    } else {
        return true;
    };
    let diagnostic = Diagnostic::error(code::BAD_NAME, format!("the name `{name}` is reserved"));
    out.push(diagnostic.primary(node.span, why));
    false
}

fn read_labels(node: &Node, what: &str, out: &mut Diagnostics) -> Option<Labels> {
    let entries = node.mapping(what, out)?;
    let mut labels = Labels::new();
    let mut all_good = true;
    for entry in entries {
        match entry.value.text("a label's value", out) {
            Some(value) => drop(labels.insert(entry.name().to_owned(), value.to_owned())),
            None => all_good = false,
        }
    }
    all_good.then_some(labels)
}

fn read_lifecycle(node: &Node, kind: Option<KindId>, out: &mut Diagnostics) -> Option<Lifecycle> {
    let info = kind.map(|kind| kind.info());
    let mut fields = Fields::new(node, "`lifecycle`", out)?;
    // What a kind does not know is not asked for, and so reported as unknown.
    let mut known = |name: &'static str| {
        if info.is_none_or(|info| lifecycle::knows(info, name)) { fields.optional(name) } else { None }
    };
    let superseded_word = info.map_or("on_template_change", |info| info.on_superseded);
    let prevent_destroy = known("prevent_destroy");
    let on_remove = known("on_remove");
    let renamed_from = known("renamed_from");
    let replace = known("replace");
    let on_superseded = known(superseded_word);
    let on_expiry = known("on_expiry");
    let timeout = known("timeout");
    fields.finish(out);

    let mut ok = true;
    let mut lifecycle = Lifecycle::default();
    if let Some(node) = prevent_destroy {
        lifecycle.prevent_destroy = keep(node.boolean("`prevent_destroy`", out), &mut ok);
    }
    lifecycle.renamed_from = renamed_from.and_then(|node| some(read_renamed_from(node, out), &mut ok));
    lifecycle.timeout = timeout.and_then(|node| some(read_timeout(node, info, out), &mut ok));
    lifecycle.replace = replace.and_then(|node| {
        let choices = [("rolling", Replace::Rolling), ("recreate", Replace::Recreate)];
        some(choice(node, "`replace`", &choices, out), &mut ok)
    });
    lifecycle.on_remove = on_remove.and_then(|node| {
        let choices = [("delete", OnRemove::Delete), ("retain", OnRemove::Retain)];
        some(choice(node, "`on_remove`", &choices, out), &mut ok)
    });
    if let Some(node) = on_superseded {
        let choices = [("keep", OnSuperseded::Keep), ("replace", OnSuperseded::Replace)];
        lifecycle.on_superseded = keep(choice(node, &format!("`{superseded_word}`"), &choices, out), &mut ok);
    }
    if let Some(node) = on_expiry {
        let choices = [("ignore", OnExpiry::Ignore), ("recreate", OnExpiry::Recreate)];
        lifecycle.on_expiry = keep(choice(node, "`on_expiry`", &choices, out), &mut ok);
    }
    ok.then_some(lifecycle)
}

/// Passes a value on, noting that it could not be read.
fn some<T>(value: Option<T>, ok: &mut bool) -> Option<T> {
    *ok &= value.is_some();
    value
}

fn keep<T: Default>(value: Option<T>, ok: &mut bool) -> T {
    some(value, ok).unwrap_or_default()
}

fn read_timeout(node: &Node, info: Option<&KindInfo>, out: &mut Diagnostics) -> Option<Timeout> {
    let timeout = read::duration(node, out)?;
    if let Some(info) = info {
        let (shortest, longest) = info.ready_timeout_limits;
        if timeout < shortest || timeout > longest {
            let limits = format!("servers are known to wait {} to {} s", shortest.as_secs(), longest.as_secs());
            let message = format!("{limits} for a {}", info.singular);
            out.push(Diagnostic::warning(code::SERVER_LIMIT, message).primary(node.span, "the server may refuse this"));
        }
    }
    Some(Timeout(timeout))
}

/// `none` is the word for "from nothing", so no object of that name can be renamed.
fn read_renamed_from(node: &Node, out: &mut Diagnostics) -> Option<RenamedFrom> {
    if node.as_scalar().is_some_and(|scalar| scalar.text() == "none") {
        return Some(RenamedFrom::Nothing);
    }
    read::name(node, out).map(RenamedFrom::Name)
}

fn choice<T: Copy>(node: &Node, what: &str, choices: &[(&str, T)], out: &mut Diagnostics) -> Option<T> {
    let text = node.text(what, out)?;
    if let Some((_, value)) = choices.iter().find(|(word, _)| *word == text) {
        return Some(*value);
    }
    let words: Vec<_> = choices.iter().map(|(word, _)| format!("`{word}`")).collect();
    let diagnostic = Diagnostic::error("unknown-choice", format!("{what} cannot be `{text}`"));
    out.push(diagnostic.primary(node.span, format!("expected {}", words.join(" or "))));
    None
}

fn report_duplicates(objects: &[Object], out: &mut Diagnostics) {
    let mut first_of: HashMap<&Key, &Object> = HashMap::with_capacity(objects.len());
    for object in objects {
        if let Some(first) = first_of.get(&object.key) {
            let diagnostic = Diagnostic::error(code::DUPLICATE, format!("{} is declared twice", object.key));
            let diagnostic = diagnostic.primary(object.origin.name, "declared again here");
            out.push(diagnostic.secondary(first.origin.name, "first declared here"));
        } else {
            first_of.insert(&object.key, object);
        }
    }
}

/// Two objects cannot both have been the same one.
fn report_shared_origins(objects: &[Object], documents: &Documents, out: &mut Diagnostics) {
    let mut first_of: HashMap<Key, &Object> = HashMap::new();
    for object in objects {
        let Some(RenamedFrom::Name(old)) = &object.lifecycle.renamed_from else { continue };
        let place = |object: &Object| place_of(object, documents, "lifecycle.renamed_from");
        if *old == object.key.name {
            let diagnostic = Diagnostic::error("bad-rename", format!("{} cannot be renamed from itself", object.key));
            out.push(diagnostic.primary(place(object), "its own name"));
        } else if let Some(first) = first_of.get(&Key { kind: object.key.kind, name: old.clone() }) {
            let diagnostic = Diagnostic::error(code::DUPLICATE, format!("two objects are renamed from `{old}`"));
            let diagnostic = diagnostic.primary(place(object), "named again here");
            out.push(diagnostic.secondary(place(first), "first named here"));
        } else {
            first_of.insert(Key { kind: object.key.kind, name: old.clone() }, object);
        }
    }
}

struct Declared<'a>(HashMap<(KindId, &'a str), &'a Object>);

impl Lookup for Declared<'_> {
    fn spec(&self, kind: KindId, name: &str) -> Option<&Spec> {
        self.0.get(&(kind, name)).map(|object| &object.spec)
    }
}

fn report_violations(objects: &[Object], documents: &Documents, out: &mut Diagnostics) {
    let mut declared = Declared(HashMap::with_capacity(objects.len()));
    for object in objects {
        // Of two with one name, which is reported elsewhere, the first one counts.
        declared.0.entry((object.key.kind, object.key.name.as_str())).or_insert(object);
    }
    for object in objects {
        for violation in object.key.kind.check(&object.spec, &declared) {
            let mut diagnostic = Diagnostic::error("broken-rule", violation.message).help(violation.help);
            diagnostic = diagnostic.primary(place_of(object, documents, &format!("spec.{}", violation.path)), "");
            let other = violation.other.and_then(|(kind, name, path)| Some((*declared.0.get(&(kind, &*name))?, path)));
            if let Some((other, path)) = other {
                let place = place_of(other, documents, &format!("spec.{path}"));
                diagnostic = diagnostic.secondary(place, format!("of {}", other.key));
            }
            out.push(diagnostic);
        }
    }
}

/// Returns the place of a field in an object's manifest, or of its name if the field is left out.
fn place_of(object: &Object, documents: &Documents, path: &str) -> Span {
    let document = documents.documents.get(object.origin.document);
    let found = document.and_then(|document| document.root.at(path));
    found.map_or(object.origin.name, |found| found.value.head())
}

impl Object {
    /// Makes an object that was declared once, and that stands in no file that was read.
    pub fn recorded(key: Key, spec: Spec, lifecycle: Lifecycle) -> Self {
        let origin = Origin { source: SourceId::NONE, document: usize::MAX, name: Span::NOWHERE };
        Self { key, labels: Labels::new(), annotations: Labels::new(), lifecycle, spec, origin, source: None }
    }

    /// Returns whether it stays as it is where only a new object could be what is declared.
    pub fn stays_outdated(&self) -> bool {
        self.key.kind.info().outlives_its_source && self.lifecycle.on_superseded == OnSuperseded::Keep
    }

    /// Returns the place of a field of the spec in the object's manifest, or of its name if the field is left out.
    pub fn place_of(&self, documents: &Documents, field: &str) -> Span {
        place_of(self, documents, &format!("spec.{field}"))
    }
}
