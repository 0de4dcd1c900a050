//! Reading the parts that bodies of the second generation have in common: labels, environments, run, proxy and mount
//! configurations (contract section 5 of the second generation, and S12).
//!
//! Configurations are kept as they came, with what this version does not know, once they are found to be sound.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Display;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::decode::Fields;
use crate::server::app::RESERVED_LABELS;
use crate::server::store::settings::RunConfig;
use crate::types::Labels;
use crate::wire::{self, SecretKind, SecretValue};

const MAX_LABELS: usize = 128;
const MAX_LABEL_KEY: usize = 256;
const MAX_LABEL_VALUE: usize = 4096;
const MAX_DESCRIPTION: usize = 1024;
const MAX_MOUNT_ID: usize = 64;

/// Reads labels, none when absent.
pub(super) fn labels(fields: &mut Fields<'_>) -> Labels {
    let labels = fields.optional_texts_by_name("labels").unwrap_or_default();
    if labels.len() > MAX_LABELS {
        fields.report("labels", "value_error", format!("There should be at most {MAX_LABELS} labels"));
    }
    for (key, value) in &labels {
        if key.is_empty() || key.len() > MAX_LABEL_KEY {
            fields.report("labels", "value_error", format!("A key should have 1 to {MAX_LABEL_KEY} bytes"));
        }
        if value.len() > MAX_LABEL_VALUE {
            fields.report("labels", "value_error", format!("A value should have at most {MAX_LABEL_VALUE} bytes"));
        }
        if key.starts_with(RESERVED_LABELS) {
            fields.report("labels", "value_error", format!("Keys that begin with '{RESERVED_LABELS}' are reserved"));
        }
    }
    labels
}

/// Reads a description.
pub(super) fn description(fields: &mut Fields<'_>) -> Option<String> {
    let text = fields.optional_text("description")?;
    if text.chars().count() > MAX_DESCRIPTION {
        let message = format!("Input should have at most {MAX_DESCRIPTION} characters");
        fields.report("description", "value_error", message);
    }
    Some(text.to_owned())
}

/// Reads how commands are to be run, where the body says so.
pub(super) fn run_config(fields: &mut Fields<'_>) -> Option<RunConfig> {
    let config: wire::RunConfig = typed(fields, "run_config")?;
    if config.work_dir.as_ref().is_some_and(|dir| !dir.starts_with('/')) {
        fields.report("run_config", "value_error", "work_dir should be an absolute path");
    }
    Some(RunConfig { user: config.user, work_dir: config.work_dir, env_vars: config.env_vars.0 })
}

/// Reads what code in a sandbox may do at the API.
pub(super) fn access_delegation(fields: &mut Fields<'_>) -> Option<Value> {
    let delegation: wire::AccessDelegation = typed(fields, "access_delegation")?;
    if delegation.mode != "EXPLICIT" {
        fields.report("access_delegation", "value_error", "mode should be 'EXPLICIT'");
    }
    if delegation.permissions.is_empty() {
        fields.report("access_delegation", "value_error", "permissions should not be empty");
    }
    fields.present("access_delegation").cloned()
}

/// Reads a proxy configuration.
pub(super) fn proxy_config(fields: &mut Fields<'_>) -> Option<Value> {
    let config: wire::ProxyConfig = typed(fields, "proxy_config")?;
    let mut problems = Vec::new();
    let mut names = HashSet::new();
    for rule in &config.rules {
        if rule.name.is_empty() {
            problems.push("a rule should have a name".to_owned());
        }
        if !names.insert(rule.name.as_str()) {
            problems.push(format!("there should be one rule called '{}'", rule.name));
        }
        check_rule(rule, &mut problems);
    }
    if let Some(access) = &config.access_control
        && access.allow_list.is_some()
        && access.deny_list.is_some()
    {
        problems.push("access_control should have an allow_list or a deny_list".to_owned());
    }
    for callback in &config.callbacks {
        if !(60..=3600).contains(&callback.ttl_seconds) {
            problems.push("ttl_seconds of a callback should be from 60 to 3600".to_owned());
        }
        let names_headers = callback.extra.0.contains_key("attribution_headers");
        if callback.match_hosts.is_empty() && !names_headers {
            problems.push("match_hosts of a callback should not be empty".to_owned());
        }
        for header in &callback.request_headers {
            check_secret(&header.value, &mut problems);
        }
    }
    if config.description.as_ref().is_some_and(|text| text.chars().count() > MAX_DESCRIPTION) {
        problems.push(format!("description should have at most {MAX_DESCRIPTION} characters"));
    }
    kept(fields, "proxy_config", problems)
}

fn check_rule(rule: &wire::ProxyRule, problems: &mut Vec<String>) {
    let name = &rule.name;
    let n_providers = [rule.aws.is_some(), rule.gcp.is_some(), rule.azure.is_some()].iter().filter(|is| **is).count();
    if n_providers > 1 {
        problems.push(format!("rule '{name}' should have one provider at most"));
    }
    if rule.azure.is_some() && !rule.match_hosts.is_empty() {
        problems.push(format!("rule '{name}' should have no match_hosts beside azure"));
    }
    for header in &rule.headers {
        check_secret(&header.value, problems);
    }
    let secrets = [
        rule.aws.as_ref().and_then(|aws| aws.access_key_id.as_ref()),
        rule.aws.as_ref().and_then(|aws| aws.secret_access_key.as_ref()),
        rule.gcp.as_ref().and_then(|gcp| gcp.service_account_json.as_ref()),
        rule.azure.as_ref().and_then(|azure| azure.account_key.as_ref()),
        rule.azure.as_ref().and_then(|azure| azure.sas_token.as_ref()),
    ];
    for secret in secrets.into_iter().flatten() {
        check_credential(secret, problems);
    }
}

/// Checks a value that may be told.
fn check_secret(secret: &SecretValue, problems: &mut Vec<String>) {
    match &secret.kind {
        SecretKind::Other(word) => {
            problems.push(format!("'{word}' should be 'plaintext', 'opaque' or 'workspace_secret'"));
        }
        SecretKind::WorkspaceSecret => {
            let is_reference = |text: &str| text.starts_with('{') && text.ends_with('}') && text.len() > 2;
            if !secret.value.as_ref().is_some_and(|value| is_reference(value.expose())) {
                problems.push("the value of a workspace_secret should be its name in braces".to_owned());
            }
        }
        _ => {}
    }
}

/// Checks a value of a provider's, which is never told.
fn check_credential(secret: &SecretValue, problems: &mut Vec<String>) {
    if secret.kind == SecretKind::Plaintext {
        problems.push("credentials of a provider should be 'opaque' or 'workspace_secret'".to_owned());
    }
    check_secret(secret, problems);
}

/// Reads a mount configuration.
pub(super) fn mount_config(fields: &mut Fields<'_>) -> Option<Value> {
    let config: wire::MountConfig = typed(fields, "mount_config")?;
    let mut problems = Vec::new();
    let (mut ids, mut paths) = (HashSet::new(), HashSet::new());
    for mount in &config.mounts {
        if mount.id.is_empty() || mount.id.len() > MAX_MOUNT_ID || !ids.insert(mount.id.as_str()) {
            problems.push(format!("a mount should have an id of its own, of at most {MAX_MOUNT_ID} characters"));
        }
        if !mount.mount_path.starts_with('/') || mount.mount_path == "/" {
            problems.push(format!("mount '{}' should have an absolute mount_path", mount.id));
        }
        if !paths.insert(mount.mount_path.as_str()) {
            problems.push(format!("there should be one mount at '{}'", mount.mount_path));
        }
        if let Some(problem) = target_problem(mount) {
            problems.push(problem);
        }
    }
    check_auth(&config, &mut problems);
    let proxy: Option<wire::ProxyConfig> = fields.present("proxy_config").and_then(|value| read(value).ok());
    for rule in proxy.iter().flat_map(|proxy| &proxy.rules) {
        let auth = config.auth.as_ref();
        let clashes = [
            (auth.is_some_and(|auth| auth.aws.is_some()) && rule.aws.is_some(), "aws"),
            (auth.is_some_and(|auth| auth.gcp.is_some()) && rule.gcp.is_some(), "gcp"),
            (auth.is_some_and(|auth| auth.azure.is_some()) && rule.azure.is_some(), "azure"),
        ];
        for (_, provider) in clashes.into_iter().filter(|(clashes, _)| *clashes) {
            problems.push(format!("{provider} should be in mount_config.auth or in a rule of proxy_config"));
        }
    }
    kept(fields, "mount_config", problems)
}

/// Says what is wrong with the block that says what is mounted.
fn target_problem(mount: &wire::Mount) -> Option<String> {
    let blocks = [
        (wire::MountKind::S3, mount.s3.is_some()),
        (wire::MountKind::Gcs, mount.gcs.is_some()),
        (wire::MountKind::Git, mount.git.is_some()),
        (wire::MountKind::ContextHub, mount.contexthub.is_some()),
        (wire::MountKind::AzureBlob, mount.azure_blob.is_some()),
    ];
    let is_right = blocks.iter().all(|(kind, is_there)| (*kind == mount.kind) == *is_there);
    let is_known = blocks.iter().any(|(kind, _)| *kind == mount.kind);
    match (is_known, is_right) {
        (false, _) => Some(format!("mount '{}' is of no known type", mount.id)),
        (true, false) => Some(format!("mount '{}' should have one block, that of its type", mount.id)),
        (true, true) => None,
    }
}

/// Checks that there are credentials for the mounts that need some, and no others.
fn check_auth(config: &wire::MountConfig, problems: &mut Vec<String>) {
    let auth = config.auth.as_ref();
    let providers = [
        ("aws", wire::MountKind::S3, auth.is_some_and(|auth| auth.aws.is_some())),
        ("gcp", wire::MountKind::Gcs, auth.is_some_and(|auth| auth.gcp.is_some())),
        ("azure", wire::MountKind::AzureBlob, auth.is_some_and(|auth| auth.azure.is_some())),
    ];
    for (provider, kind, has_auth) in providers {
        let is_used = config.mounts.iter().any(|mount| mount.kind == kind);
        match (is_used, has_auth) {
            (true, false) => problems.push(format!("auth should have {provider} for a mount of the type {kind}")),
            (false, true) => problems.push(format!("auth should have no {provider} without a mount that needs it")),
            _ => {}
        }
    }
    let secrets = [
        auth.and_then(|auth| auth.aws.as_ref()?.access_key_id.as_ref()),
        auth.and_then(|auth| auth.aws.as_ref()?.secret_access_key.as_ref()),
        auth.and_then(|auth| auth.gcp.as_ref()?.service_account_json.as_ref()),
        auth.and_then(|auth| auth.azure.as_ref()?.account_key.as_ref()),
        auth.and_then(|auth| auth.azure.as_ref()?.sas_token.as_ref()),
    ];
    for secret in secrets.into_iter().flatten() {
        check_credential(secret, problems);
    }
}

/// Reports the problems of a configuration, and returns it as it came.
fn kept(fields: &mut Fields<'_>, field: &str, problems: Vec<String>) -> Option<Value> {
    for problem in problems {
        fields.report(field, "value_error", problem);
    }
    fields.present(field).cloned()
}

/// Reads a field as a type of the wire.
fn typed<T: DeserializeOwned>(fields: &mut Fields<'_>, field: &str) -> Option<T> {
    let read = read(fields.present(field)?);
    read.map_err(|problem| fields.report(field, "value_error", problem)).ok()
}

/// Reads a value. What is wrong is told without the value, which may be a secret.
fn read<T: DeserializeOwned>(value: &Value) -> Result<T, impl Display + use<T>> {
    T::deserialize(value).map_err(|_| "Input has a field that is missing or of another type")
}

/// Turns how commands are run into its form on the wire.
pub(super) fn render_run_config(config: RunConfig) -> wire::RunConfig {
    let RunConfig { user, work_dir, env_vars } = config;
    wire::RunConfig { user, work_dir, env_vars: wire::EnvVars(env_vars), extra: wire::Extra::new() }
}

/// Turns a configuration that was kept into its form on the wire, without what is opaque.
pub(super) fn render<T: DeserializeOwned>(config: Option<Value>) -> Option<T> {
    // It was read as that type before it was kept.
    config.and_then(|config| serde_json::from_value(crate::server::app::secrets::redact(config)).ok())
}

/// Reads an environment, where the body has one.
pub(super) fn env_vars(fields: &mut Fields<'_>) -> Option<BTreeMap<String, String>> {
    fields.optional_texts_by_name("env_vars")
}
