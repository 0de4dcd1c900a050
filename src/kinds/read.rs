//! Readers of the values that several kinds have, each reporting what is wrong under the place where it stands.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::str::FromStr;
use std::sync::Arc;

use super::VOLUME;
use super::kind::{KindId, Naming};
use super::mark::is_reserved_label;
use super::secret::SecretRef;
use super::value::{Reference, Replicas};
use crate::manifest::{Diagnostic, Diagnostics, Fields, Node, ScalarKind};
use crate::types::{Image, Name, NameError, QuantityError, Ttl};

/// The codes of what these readers report.
pub(super) mod code {
    pub(in crate::kinds) const BAD_LABEL: &str = "bad-label";
    pub(in crate::kinds) const BAD_NAME: &str = "bad-name";
    pub(in crate::kinds) const BAD_QUANTITY: &str = "bad-quantity";
    pub(in crate::kinds) const BAD_IMAGE: &str = "bad-image";
    pub(in crate::kinds) const BAD_PATH: &str = "bad-mount-path";
    pub(in crate::kinds) const BAD_NUMBER: &str = "bad-number";
    pub(in crate::kinds) const EMPTY: &str = "empty";
    pub(in crate::kinds) const SECRET: &str = "secret";
    pub(in crate::kinds) const LOGIN: &str = "login";
    pub(in crate::kinds) const DUPLICATE: &str = "duplicate";
    pub(in crate::kinds) const TOO_LONG: &str = "too-long";
    pub(in crate::kinds) const BAD_WORD: &str = "bad-word";
    pub(in crate::kinds) const EITHER: &str = "either";
    pub(in crate::kinds) const MOUNTS: &str = "mounts";
    pub(in crate::kinds) const SERVER_LIMIT: &str = "server-limit";
}

/// The most replicas that the service is known to take (contract section 2.8). It owns the limit: above it is a warning.
const MOST_REPLICAS: u32 = 100;

/// Reads the name of an object.
pub(super) fn name(node: &Node, out: &mut Diagnostics) -> Option<Name> {
    let text = node.text("a name", out)?;
    match Name::parse(text) {
        Ok(name) => Some(name),
        Err(error) => {
            let diagnostic = Diagnostic::error(code::BAD_NAME, format!("`{text}` is not a valid name"));
            let diagnostic = diagnostic.primary(node.span, error.to_string());
            out.push(match near_name(text, error) {
                Some(near) => diagnostic.help(format!("for example `{near}`")),
                None => diagnostic,
            });
            None
        }
    }
}

/// Reads the name of an object of this kind.
pub(super) fn name_of(kind: KindId, node: &Node, out: &mut Diagnostics) -> Option<Name> {
    if kind.info().naming == Naming::Label {
        return name(node, out);
    }
    let text = node.text("a name", out)?;
    // What has an id behind its name is none that anybody could declare.
    match Name::published(text) {
        Ok(name) if !text.contains('@') => return Some(name),
        Ok(_) => out.push(bad_published(text, node, "an id cannot be declared")),
        Err(error) => out.push(bad_published(text, node, error.to_string())),
    }
    None
}

fn bad_published(text: &str, node: &Node, why: impl Into<String>) -> Diagnostic {
    let diagnostic = Diagnostic::error(code::BAD_NAME, format!("`{text}` is not a valid name"));
    diagnostic.primary(node.span, why).help("for example `team/python:3.12`")
}

/// Reads the name of an object of this kind, as a reference.
pub(super) fn reference(kind: KindId, node: &Node, out: &mut Diagnostics) -> Option<Arc<str>> {
    name_of(kind, node, out).map(|name| name.as_str().into())
}

/// Reads a mapping of texts to texts.
pub(super) fn map(node: &Node, what: &str, out: &mut Diagnostics) -> Option<BTreeMap<Arc<str>, Arc<str>>> {
    let mut map = BTreeMap::new();
    let mut all_good = true;
    for entry in node.mapping(what, out)? {
        match entry.value.text("a value", out) {
            Some(value) => drop(map.insert(entry.name().into(), value.into())),
            None => all_good = false,
        }
    }
    all_good.then_some(map)
}

/// Reads the labels of an object that has such on the server.
pub(super) fn labels(node: &Node, out: &mut Diagnostics) -> Option<BTreeMap<Arc<str>, Arc<str>>> {
    let labels = map(node, "`labels`", out)?;
    let reserved = node.mapping("`labels`", out)?.iter().filter(|entry| is_reserved_label(entry.name()));
    let mut all_good = true;
    for entry in reserved {
        let diagnostic = Diagnostic::error(code::BAD_LABEL, format!("the label `{}` is reserved", entry.name()));
        out.push(diagnostic.primary(entry.key.span, "labels that begin with `sbx/` say whose an object is"));
        all_good = false;
    }
    all_good.then_some(labels)
}

/// Returns a valid name that looks like `text`.
fn near_name(text: &str, error: NameError) -> Option<String> {
    if matches!(error, NameError::Empty) {
        return None;
    }
    let mapped: String =
        text.to_lowercase().chars().map(|c| if matches!(c, 'a'..='z' | '0'..='9') { c } else { '-' }).collect();
    let from_letter = mapped.trim_start_matches(|c: char| !c.is_ascii_lowercase());
    let short: String = from_letter.chars().take(Name::MAX_LEN).collect();
    let near = short.trim_end_matches('-');
    Name::parse(near).is_ok().then(|| near.to_owned())
}

/// Reads a quantity: a text, or a plain number by its text.
pub(super) fn quantity<Q>(node: &Node, what: &str, example: &str, out: &mut Diagnostics) -> Option<Q>
where
    Q: FromStr<Err = QuantityError>,
{
    let text = node.text_or_number(what, out)?;
    match text.parse() {
        Ok(quantity) => Some(quantity),
        Err(error) => {
            let help = unit_meant(&error).unwrap_or_else(|| format!("for example `{example}`"));
            let diagnostic = Diagnostic::error(code::BAD_QUANTITY, format!("`{text}` is not {what}"));
            out.push(diagnostic.primary(node.span, error.to_string()).help(help));
            None
        }
    }
}

/// Returns help for a unit that is nearly one.
fn unit_meant(error: &QuantityError) -> Option<String> {
    let QuantityError::UnknownUnit { unit } = error else { return None };
    let trimmed = unit.trim();
    let binary = match trimmed.to_ascii_lowercase().as_str() {
        "k" | "kb" | "kib" | "ki" => "Ki",
        "mb" | "mib" | "mi" => "Mi",
        "g" | "gb" | "gib" | "gi" => "Gi",
        "t" | "tb" | "tib" | "ti" => "Ti",
        _ => return Some("units are m, k, M, G, T, P, E and Ki, Mi, Gi, Ti, Pi, Ei".to_owned()),
    };
    let decimal = &binary[..1].replace('K', "k");
    Some(format!("did you mean `{binary}` (powers of 1,024) or `{decimal}` (powers of 1,000)?"))
}

/// Reads a container image reference.
pub(super) fn image(node: &Node, out: &mut Diagnostics) -> Option<Image> {
    let text = node.text("an image", out)?;
    let problem = if text.is_empty() {
        "an image cannot be empty"
    } else if text.contains(char::is_whitespace) {
        "an image has no white space"
    } else {
        return Some(Image::new(text));
    };
    let diagnostic = Diagnostic::error(code::BAD_IMAGE, format!("`{text}` is not a container image"));
    out.push(diagnostic.primary(node.span, problem).help("for example `python:3.12-slim`"));
    None
}

/// Reads a number of replicas, or a range of them.
pub(super) fn replicas(node: &Node, out: &mut Diagnostics) -> Option<Replicas> {
    if node.as_mapping().is_none() {
        return replica_count(node, out).map(Replicas::exactly);
    }
    let mut fields = Fields::new(node, "`replicas`", out)?;
    let (min_node, max_node) = (fields.required("min", out), fields.required("max", out));
    fields.finish(out);
    let (min, max) =
        (min_node.and_then(|node| replica_count(node, out)), max_node.and_then(|node| replica_count(node, out)));
    let (min, max, max_node) = (min?, max?, max_node?);
    if max < min {
        let diagnostic = Diagnostic::error(code::BAD_NUMBER, format!("`max` is less than `min`: {max} and {min}"));
        out.push(diagnostic.primary(max_node.span, format!("at least {min}")));
        return None;
    }
    Some(Replicas { min, max })
}

fn replica_count(node: &Node, out: &mut Diagnostics) -> Option<u32> {
    let number = node.integer("a number of replicas", out)?;
    let Ok(count) = u32::try_from(number) else {
        let problem = if number < 0 { "replicas cannot be negative" } else { "this is far too large" };
        let diagnostic = Diagnostic::error(code::BAD_NUMBER, format!("{number} is not a number of replicas"));
        out.push(diagnostic.primary(node.span, problem).help("0 pauses a pool"));
        return None;
    };
    if count > MOST_REPLICAS {
        let message = format!("servers are known to take at most {MOST_REPLICAS} replicas");
        out.push(Diagnostic::warning(code::SERVER_LIMIT, message).primary(node.span, "the server may refuse this"));
    }
    Some(count)
}

/// Reads a time to live in seconds.
pub(super) fn ttl(node: &Node, out: &mut Diagnostics) -> Option<Ttl> {
    let seconds = node.integer("a time to live in seconds", out)?;
    match Ttl::from_seconds(seconds) {
        Ok(ttl) => Some(ttl),
        Err(error) => {
            let diagnostic = Diagnostic::error(code::BAD_NUMBER, format!("{seconds} is not a time to live"));
            let near = (seconds.max(0).saturating_add(59)) / 60 * 60;
            let help = format!("for example `{}`; 0 disables the limit", near.max(60));
            out.push(diagnostic.primary(node.span, error.to_string()).help(help));
            None
        }
    }
}

/// Reads a text that is not empty.
pub(super) fn text(node: &Node, what: &str, out: &mut Diagnostics) -> Option<Arc<str>> {
    let text = node.text(what, out)?;
    if text.is_empty() {
        let diagnostic = Diagnostic::error(code::EMPTY, format!("{what} cannot be empty"));
        out.push(diagnostic.primary(node.span, "nothing is said here"));
        return None;
    }
    Some(text.into())
}

/// Reads a whole number that is not negative.
pub(super) fn number(node: &Node, what: &str, out: &mut Diagnostics) -> Option<u64> {
    let number = node.integer(what, out)?;
    let found = u64::try_from(number).ok();
    if found.is_none() {
        let diagnostic = Diagnostic::error(code::BAD_NUMBER, format!("{number} is not {what}"));
        out.push(diagnostic.primary(node.span, "it cannot be negative"));
    }
    found
}

/// Reads where a secret is. The secret itself is refused, and not repeated.
pub(super) fn secret(node: &Node, what: &str, out: &mut Diagnostics) -> Option<SecretRef> {
    let help = "name an environment variable, `{env: NAME}`, or a file, `{file: PATH}`";
    if node.as_mapping().is_none() {
        let diagnostic = Diagnostic::error(code::SECRET, format!("{what} does not stand in a manifest itself"));
        out.push(diagnostic.concealed(node.span, "only where it is").help(help));
        return None;
    }
    let mut fields = Fields::new(node, what.to_owned(), out)?;
    let (env, file) = (fields.optional("env"), fields.optional("file"));
    let n_before = out.len();
    fields.finish(out);
    // Under a field that nobody asked for, the secret itself may stand.
    match (env, file, out.len() == n_before) {
        (Some(env), None, true) => text(env, "the name of an environment variable", out).map(SecretRef::Env),
        (None, Some(file), true) => text(file, "the path of a file", out).map(SecretRef::File),
        _ => {
            let diagnostic = Diagnostic::error(code::SECRET, format!("{what} is in one place"));
            out.push(diagnostic.concealed(node.span, "one of `env` and `file`").help(help));
            None
        }
    }
}

/// Reads a list of volumes at paths.
pub(super) fn mounts(node: &Node, out: &mut Diagnostics) -> Option<BTreeMap<Arc<str>, Reference>> {
    let mut mounts: BTreeMap<Arc<str>, (Reference, &Node)> = BTreeMap::new();
    let mut all_good = true;
    for item in node.sequence("`volume_mounts`", out)? {
        let Some((path, volume, path_node)) = mount(item, out) else {
            all_good = false;
            continue;
        };
        match mounts.entry(path.into()) {
            Entry::Vacant(entry) => drop(entry.insert((volume, path_node))),
            Entry::Occupied(first) => {
                let diagnostic = Diagnostic::error(code::DUPLICATE, format!("two volumes at `{path}`"));
                let diagnostic = diagnostic.primary(path_node.span, "used again here");
                out.push(diagnostic.secondary(first.get().1.span, "first used here"));
                all_good = false;
            }
        }
    }
    all_good.then(|| mounts.into_iter().map(|(path, (volume, _))| (path, volume)).collect())
}

fn mount<'a>(item: &'a Node, out: &mut Diagnostics) -> Option<(&'a str, Reference, &'a Node)> {
    let mut fields = Fields::new(item, "a volume mount", out)?;
    let volume = fields.required("volume_name", out);
    let path = fields.required("mount_path", out);
    fields.finish(out);
    let volume = volume.and_then(|node| name(node, out));
    let path = path.and_then(|node| Some((mount_path(node, out)?, node)));
    let ((path, node), volume) = (path?, volume?);
    Some((path, Reference { kind: VOLUME, name: volume.as_str().into() }, node))
}

/// The rule of contract G27: absolute, normalised, and not the root.
pub(super) fn mount_path<'a>(node: &'a Node, out: &mut Diagnostics) -> Option<&'a str> {
    let path = node.text("a mount path", out)?;
    let problem = if !path.starts_with('/') {
        "a mount path is absolute"
    } else if path == "/" {
        "a volume cannot take the place of the root"
    } else if path[1..].split('/').any(|part| matches!(part, "" | "." | "..")) {
        "a mount path has no empty part, no `.`, no `..` and no slash at its end"
    } else {
        return Some(path);
    };
    let parts: Vec<_> = path.split('/').filter(|part| !matches!(*part, "" | "." | "..")).collect();
    let diagnostic = Diagnostic::error(code::BAD_PATH, format!("`{path}` is not a mount path"));
    let diagnostic = diagnostic.primary(node.span, problem);
    out.push(if parts.is_empty() {
        diagnostic.help("for example `/data`")
    } else {
        diagnostic.help(format!("for example `/{}`", parts.join("/")))
    });
    None
}

/// Reads a duration: a number of seconds, or a text such as `90s`, `10m` or `1h 30m`.
pub(super) fn duration(node: &Node, out: &mut Diagnostics) -> Option<std::time::Duration> {
    let text = node.text_or_number("a duration", out)?;
    let is_number = node.as_scalar().is_some_and(|scalar| scalar.kind() == ScalarKind::Int);
    let seconds = || text.parse().ok().map(std::time::Duration::from_secs);
    let parsed = || text.parse::<jiff::SignedDuration>().ok().and_then(|duration| duration.try_into().ok());
    let duration: Option<std::time::Duration> = if is_number { seconds() } else { parsed() };
    let duration = duration.filter(|duration| !duration.is_zero());
    if duration.is_none() {
        let diagnostic = Diagnostic::error(code::BAD_NUMBER, format!("`{text}` is not a duration"));
        out.push(diagnostic.primary(node.span, "expected more than zero, with a unit").help("for example `10m`"));
    }
    duration
}
