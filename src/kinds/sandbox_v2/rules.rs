//! The rules between the parts of a sandbox's mounts and proxy, and what is true of volumes (contract sections 4.2 and 5.4
//! of the second generation).

use super::forms::{MOUNT_TYPES, PROVIDERS};
use crate::kinds::nested::{Nested, Tree};
use crate::kinds::read::code;
use crate::manifest::{Diagnostic, Diagnostics, Node};

/// The type of mounts that each provider's credentials are for.
const USED_BY: [(&str, &str); 3] = [("aws", "s3"), ("gcp", "gcs"), ("azure", "azure_blob")];

/// Reports what does not go together; `spec` is where the values were read from.
pub(super) fn check(
    spec: &Node,
    mounts: Option<&Nested>,
    proxy: Option<&Nested>,
    volumes: Option<&Nested>,
    out: &mut Diagnostics,
) -> bool {
    let n_before = out.len();
    if let Some(mounts) = mounts {
        check_mounts(spec, &mounts.tree, out);
    }
    if let Some((mounts, proxy)) = mounts.zip(proxy) {
        check_providers(spec, &mounts.tree, &proxy.tree, out);
    }
    for (index, volume) in volumes.into_iter().flat_map(|volumes| volumes.tree.items()).enumerate() {
        let is_id = |text: &str| text.len() == 36 && text.chars().all(|c| c.is_ascii_hexdigit() || c == '-');
        if volume.get("volume").and_then(Tree::as_text).is_some_and(|text| is_id(text)) {
            let diagnostic = Diagnostic::error(code::MOUNTS, "a volume is declared by its name");
            out.push(at(spec, &format!("volumes[{index}].volume"), diagnostic, "this is an id"));
        }
    }
    out.len() == n_before
}

fn check_mounts(spec: &Node, config: &Tree, out: &mut Diagnostics) {
    let mounts = config.get("mounts").map(Tree::items).unwrap_or_default();
    let type_of = |mount: &Tree| mount.get("type").and_then(Tree::as_text).cloned();
    for (index, mount) in mounts.iter().enumerate() {
        let Some(kind) = type_of(mount) else { continue };
        let place = format!("mount_config.mounts[{index}]");
        let given: Vec<_> = MOUNT_TYPES.iter().filter(|block| mount.get(block).is_some()).collect();
        if given.as_slice() != [&&*kind] {
            let message = format!("a mount of the type {kind} has the block `{kind}`, and no other");
            let what = given.first().map_or_else(|| "it has none".to_owned(), |block| format!("it has `{block}`"));
            out.push(at(spec, &format!("{place}.type"), Diagnostic::error(code::MOUNTS, message), &what));
        }
        let first = mounts[..index].iter().position(|other| other.get("mount_path") == mount.get("mount_path"));
        if let Some(first) = first {
            let diagnostic = Diagnostic::error(code::DUPLICATE, "two mounts at one path");
            let first = spec.nearest(&format!("mount_config.mounts[{first}].mount_path")).span();
            let diagnostic = diagnostic.secondary(first, "first used here");
            out.push(at(spec, &format!("{place}.mount_path"), diagnostic, "used again here"));
        }
    }
    for (provider, kind) in USED_BY {
        let user = mounts.iter().position(|mount| type_of(mount).as_deref() == Some(kind));
        let path = format!("auth.{provider}");
        match (user, config.get(&path)) {
            (Some(index), None) => {
                let message = format!("a mount of the type {kind} needs `auth.{provider}`");
                let diagnostic = Diagnostic::error(code::MOUNTS, message);
                out.push(at(spec, &format!("mount_config.mounts[{index}].type"), diagnostic, "it has no credentials"));
            }
            (None, Some(_)) => {
                let message = format!("no mount uses `auth.{provider}`: it is for the type {kind}");
                let diagnostic = Diagnostic::error(code::MOUNTS, message);
                out.push(at(spec, &format!("mount_config.{path}"), diagnostic, "credentials of no mount"));
            }
            _ => {}
        }
    }
}

fn check_providers(spec: &Node, mounts: &Tree, proxy: &Tree, out: &mut Diagnostics) {
    for (index, rule) in proxy.get("rules").map(Tree::items).unwrap_or_default().iter().enumerate() {
        let both = |provider: &&&str| rule.get(provider).is_some() && mounts.get(&format!("auth.{provider}")).is_some();
        for provider in PROVIDERS.iter().filter(both) {
            let message = format!("{provider} has credentials both of mounts and of the proxy");
            let other = spec.nearest(&format!("mount_config.auth.{provider}")).span();
            let diagnostic = Diagnostic::error(code::MOUNTS, message).secondary(other, "the mounts have them here");
            out.push(at(spec, &format!("proxy_config.rules[{index}].{provider}"), diagnostic, "one of the two"));
        }
    }
}

fn at(spec: &Node, path: &str, diagnostic: Diagnostic, text: &str) -> Diagnostic {
    diagnostic.primary(spec.nearest(path).span(), text)
}
