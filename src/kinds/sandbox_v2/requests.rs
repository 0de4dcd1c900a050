//! What is sent to make a sandbox of the second generation, and to change one.

use serde::de::DeserializeOwned;

use super::{MOUNT_CONFIG, PROXY_CONFIG, SECRET_VERSION, SandboxV2Kind, SandboxV2Spec, reading};
use crate::client::{CreateSandboxV2Options, Error, UpdateSandboxV2Options};
use crate::kinds::kind::{CreateOptions, Kind as _, VerbCx};
use crate::kinds::nested::{self, Nested, Tree};
use crate::kinds::secret::Secrets;
use crate::kinds::value::Value;
use crate::types::Name;
use crate::wire;

/// Returns what a new sandbox is asked for.
pub(super) fn to_create(
    name: &Name,
    spec: &SandboxV2Spec,
    options: CreateOptions,
    cx: VerbCx<'_>,
) -> CreateSandboxV2Options {
    let mut carry = options.carry;
    let mut create = CreateSandboxV2Options::default()
        .name(name.clone())
        .timeout(options.ready_timeout.unwrap_or(SandboxV2Kind::INFO.ready_timeout));
    let secrets = cx.secrets;
    create.proxy_config = body(spec.proxy_config.as_ref(), carry.remove(PROXY_CONFIG), secrets);
    create.mount_config = body(spec.mount_config.as_ref(), carry.remove(MOUNT_CONFIG), secrets);
    create.access_delegation = body(spec.access_delegation.as_ref(), None, secrets);
    create.volumes = body(spec.volumes.as_ref(), None, secrets).unwrap_or_default();
    create.env_vars = variables(spec.env_vars.as_ref(), secrets);
    create = create.extra(wire::HiddenExtra(carry));
    create.cpu.clone_from(&spec.vcpus);
    create.memory.clone_from(&spec.memory);
    create.fs_capacity.clone_from(&spec.fs_capacity);
    create.idle_ttl = spec.idle_ttl;
    create.delete_after_stop = spec.delete_after_stop;
    create.preserve_memory_on_stop = spec.preserve_memory_on_stop;
    create.persistent = spec.persistent;
    create.run_config = spec.run_config.to_wire();
    for (key, value) in spec.labels.iter().flatten() {
        create = create.label(&**key, &**value);
    }
    for (key, value) in cx.mark.iter().flat_map(|mark| mark.labels()) {
        create = create.label(key, value);
    }
    create
}

/// Returns what is asked for to change these fields.
pub(super) async fn to_update(
    name: &Name,
    spec: &SandboxV2Spec,
    changes: &[(&'static str, Value)],
    cx: VerbCx<'_>,
) -> Result<UpdateSandboxV2Options, Error> {
    let mut options = UpdateSandboxV2Options::default();
    for change in changes {
        options = match change {
            ("vcpus", Value::Cpu(cpu)) => options.cpu(cpu.clone()),
            ("mem_bytes", Value::Size(size)) => options.memory(size.clone()),
            ("fs_capacity_bytes", Value::Size(size)) => options.fs_capacity(size.clone()),
            ("idle_ttl_seconds", Value::Ttl(ttl)) => options.idle_ttl(*ttl),
            ("delete_after_stop_seconds", Value::Ttl(ttl)) => options.delete_after_stop(*ttl),
            (PROXY_CONFIG | SECRET_VERSION, _) => match proxy(cx, name, spec).await? {
                Some(config) => options.proxy_config(config),
                None => options,
            },
            (path, _) if path.starts_with("run_config.") => match spec.run_config.to_wire() {
                Some(config) => options.run_config(config),
                None => options,
            },
            _ => options,
        };
    }
    Ok(options)
}

/// Returns the body that asks for a value, with what manifests have no words for.
fn body<T: DeserializeOwned>(value: Option<&Nested>, rest: Option<serde_json::Value>, secrets: &Secrets) -> Option<T> {
    let value = value?;
    let mut json = nested::to_wire(value, secrets);
    if let Some(rest) = rest {
        nested::overlay(value.form, &mut json, &rest);
    }
    Some(serde_json::from_value(json).expect("forms are those of the API's types, and the rest was told in these"))
}

/// Returns the proxy to send, which takes the place of all that is there: what only the server knows is asked for and kept.
async fn proxy(cx: VerbCx<'_>, name: &Name, spec: &SandboxV2Spec) -> Result<Option<wire::ProxyConfig>, Error> {
    if spec.proxy_config.is_none() {
        return Ok(None);
    }
    let sandbox = cx.client.reader().get_sandbox_v2(name.as_str()).await?;
    Ok(body(spec.proxy_config.as_ref(), reading::extra(&sandbox).remove(PROXY_CONFIG), cx.secrets))
}

/// Returns the environment to create it with.
fn variables(env_vars: Option<&Nested>, secrets: &Secrets) -> wire::EnvVars {
    let text = |value: &Tree| match value {
        Tree::Text(text) => Some(text.to_string()),
        Tree::Secret(secret) => Some(secrets.get(secret)?.expose().to_owned()),
        _ => None,
    };
    let members = env_vars.into_iter().flat_map(|env_vars| env_vars.tree.members());
    wire::EnvVars(members.filter_map(|(name, value)| Some((name.to_string(), text(value)?))).collect())
}
