//! Nothing that the SDK's clients can do is missing in ours.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::install::python;
use crate::program::output;

/// Each method of the SDK's asynchronous classes, and that of `sbx::client` which does the same. Entering a scope is
/// nothing with us, and leaving one is `close`.
const METHODS: &[(&str, &str, &str)] = &[
    ("AsyncSandboxClient", "aclose", "close"),
    ("AsyncSandboxClient", "create_pool", "create_pool"),
    ("AsyncSandboxClient", "create_sandbox", "create_sandbox"),
    ("AsyncSandboxClient", "create_template", "create_template"),
    ("AsyncSandboxClient", "create_volume", "create_volume"),
    ("AsyncSandboxClient", "delete_pool", "delete_pool"),
    ("AsyncSandboxClient", "delete_sandbox", "delete_sandbox"),
    ("AsyncSandboxClient", "delete_template", "delete_template"),
    ("AsyncSandboxClient", "delete_volume", "delete_volume"),
    ("AsyncSandboxClient", "get_pool", "get_pool"),
    ("AsyncSandboxClient", "get_sandbox", "get_sandbox"),
    ("AsyncSandboxClient", "get_sandbox_status", "get_sandbox_status"),
    ("AsyncSandboxClient", "get_template", "get_template"),
    ("AsyncSandboxClient", "get_volume", "get_volume"),
    ("AsyncSandboxClient", "list_pools", "list_pools"),
    ("AsyncSandboxClient", "list_sandboxes", "list_sandboxes"),
    ("AsyncSandboxClient", "list_templates", "list_templates"),
    ("AsyncSandboxClient", "list_volumes", "list_volumes"),
    ("AsyncSandboxClient", "sandbox", "sandbox"),
    ("AsyncSandboxClient", "service", "service"),
    ("AsyncSandboxClient", "update_pool", "update_pool"),
    ("AsyncSandboxClient", "update_sandbox", "update_sandbox"),
    ("AsyncSandboxClient", "update_template", "update_template"),
    ("AsyncSandboxClient", "update_volume", "update_volume"),
    ("AsyncSandboxClient", "wait_for_sandbox", "wait_for_sandbox"),
    ("AsyncSandbox", "read", "read"),
    ("AsyncSandbox", "reconnect", "reconnect"),
    ("AsyncSandbox", "run", "run"),
    ("AsyncSandbox", "service", "service"),
    ("AsyncSandbox", "tunnel", "tunnel"),
    ("AsyncSandbox", "write", "write"),
    ("AsyncCommandHandle", "command_id", "command_id"),
    ("AsyncCommandHandle", "kill", "kill"),
    ("AsyncCommandHandle", "last_stderr_offset", "offsets"),
    ("AsyncCommandHandle", "last_stdout_offset", "offsets"),
    ("AsyncCommandHandle", "pid", "pid"),
    ("AsyncCommandHandle", "reconnect", "reconnect"),
    ("AsyncCommandHandle", "result", "result"),
    ("AsyncCommandHandle", "send_input", "send_input"),
    ("AsyncServiceURL", "browser_url", "current"),
    ("AsyncServiceURL", "delete", "delete"),
    ("AsyncServiceURL", "expires_at", "current"),
    ("AsyncServiceURL", "get", "get"),
    ("AsyncServiceURL", "get_browser_url", "browser_url"),
    ("AsyncServiceURL", "get_expires_at", "expires_at"),
    ("AsyncServiceURL", "get_service_url", "service_url"),
    ("AsyncServiceURL", "get_token", "token"),
    ("AsyncServiceURL", "patch", "patch"),
    ("AsyncServiceURL", "post", "post"),
    ("AsyncServiceURL", "put", "put"),
    ("AsyncServiceURL", "request", "request"),
    ("AsyncServiceURL", "service_url", "current"),
    ("AsyncServiceURL", "token", "current"),
    // Dropping one closes it.
    ("AsyncTunnel", "local_port", "local_addr"),
    ("AsyncTunnel", "remote_port", "remote_port"),
];

/// Prints each method and property of the classes, but for those that a class has for itself.
const LIST: &str = "
import langsmith.sandbox as sandbox
from langsmith.sandbox import _models, _tunnel
for name in ['AsyncSandboxClient', 'AsyncSandbox', 'AsyncCommandHandle', 'AsyncServiceURL', 'AsyncTunnel']:
    found = next(getattr(each, name) for each in (sandbox, _models, _tunnel) if hasattr(each, name))
    for member, value in vars(found).items():
        if not member.startswith('_') and (callable(value) or isinstance(value, property)):
            print(name, member)
";

/// Says what is missing.
pub(crate) fn check(folder: &Path) -> Result<(), String> {
    let listed = output(Command::new(python(folder)).args(["-B", "-W", "ignore", "-c", LIST]))?;
    let theirs: BTreeSet<_> = listed.lines().filter_map(|line| line.split_once(' ')).collect();
    let known: BTreeSet<_> = METHODS.iter().map(|(class, theirs, _)| (*class, *theirs)).collect();
    let closes: BTreeSet<_> = [("AsyncTunnel", "close")].into();
    let new: Vec<_> = theirs.difference(&known).filter(|method| !closes.contains(*method)).collect();
    let gone: Vec<_> = known.difference(&theirs).collect();
    let sources = sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/client"))?;
    let is_there = |name: &str| {
        ["pub fn", "pub async fn"]
            .iter()
            .any(|word| sources.contains(&format!("{word} {name}(")) || sources.contains(&format!("{word} {name}<")))
    };
    let missing: Vec<_> = METHODS.iter().map(|(.., ours)| *ours).filter(|name| !is_there(name)).collect();
    if theirs.len() > 50 && new.is_empty() && gone.is_empty() && missing.is_empty() {
        return Ok(());
    }
    Err(format!("{} found; not known: {new:?}; gone: {gone:?}; missing in `sbx::client`: {missing:?}", theirs.len()))
}

/// Returns all source text below a folder.
fn sources(folder: &Path) -> Result<String, String> {
    let mut text = String::new();
    let entries = fs::read_dir(folder).map_err(|error| error.to_string())?;
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    for path in paths {
        text += &if path.is_dir() { sources(&path)? } else { fs::read_to_string(&path).unwrap_or_default() };
    }
    Ok(text)
}
