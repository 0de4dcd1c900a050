//! What a server says of a sandbox of the second generation, and what a manifest would say of it.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::{MOUNT_CONFIG, PROXY_CONFIG, Placed, SandboxV2Spec, forms};
use crate::client::{Error, Reader};
use crate::kinds::form::Form;
use crate::kinds::nested::{self, Nested};
use crate::kinds::quota::{cpu_of, size_of};
use crate::kinds::run_config::RunConfigSpec;
use crate::kinds::snapshot;
use crate::types::{Timestamp, Ttl};
use crate::wire;

/// Finds out what the snapshot of a sandbox is called now.
pub(super) async fn place(sandbox: wire::SandboxV2, reader: &Reader) -> Result<Placed, Error> {
    let snapshot = match &sandbox.snapshot_id {
        Some(id) => match reader.get_snapshot(id.as_str()).await {
            Ok(snapshot) => snapshot::name_of(&snapshot),
            Err(error) if error.is_not_found() => None,
            Err(error) => return Err(error),
        },
        None => None,
    };
    Ok(Placed { sandbox, snapshot })
}

pub(super) fn spec_of(sandbox: wire::SandboxV2, snapshot: Option<Arc<str>>) -> Result<SandboxV2Spec, String> {
    let seconds = |seconds: Option<i64>, what: &str| {
        seconds.map(Ttl::from_seconds).transpose().map_err(|error| format!("its {what}: {error}"))
    };
    let proxy_config = live(&forms::PROXY_CONFIG, sandbox.proxy_config.as_ref());
    let mount_config = live(&forms::MOUNT_CONFIG, sandbox.mount_config.as_ref());
    let access_delegation = live(&forms::ACCESS_DELEGATION, sandbox.access_delegation.as_ref());
    let volumes = sandbox.volumes.map(|volumes| {
        let attached = |volume: wire::MountedVolume| wire::AttachVolume {
            volume: volume.volume_name,
            mount_path: volume.mount_path,
            read_only: Some(volume.read_only),
        };
        volumes.into_iter().map(attached).collect::<Vec<_>>()
    });
    let cpu = sandbox.cpu_millicores.or_else(|| Some(sandbox.vcpus?.saturating_mul(1000)));
    let labels = sandbox.labels.into_iter().map(|(key, value)| (key.into(), value.into()));
    Ok(SandboxV2Spec {
        snapshot: snapshot.ok_or("its snapshot is gone")?,
        vcpus: cpu.map(cpu_of),
        memory: sandbox.mem_bytes.map(size_of),
        fs_capacity: sandbox.fs_capacity_bytes.map(size_of),
        idle_ttl: seconds(sandbox.idle_ttl_seconds, "idle TTL")?,
        delete_after_stop: seconds(sandbox.delete_after_stop_seconds, "time from stop to deletion")?,
        labels: Some(labels.collect()),
        preserve_memory_on_stop: sandbox.preserve_memory_on_stop,
        persistent: sandbox.persistent,
        run_config: sandbox.run_config.map(RunConfigSpec::from).unwrap_or_default(),
        proxy_config,
        secret_version: None,
        mount_config,
        env_vars: None,
        access_delegation,
        volumes: live(&forms::VOLUMES, volumes.as_ref()),
    })
}

/// Returns when the server deletes it, which it does only to what is stopped.
pub(super) fn expires_at(sandbox: &wire::SandboxV2) -> Option<Timestamp> {
    let seconds = u64::try_from(sandbox.delete_after_stop_seconds?).ok().filter(|seconds| *seconds > 0)?;
    Some(sandbox.stopped_at?.saturating_add(Duration::from_secs(seconds)))
}

/// Returns what manifests have no words for, so that it is carried over.
pub(super) fn extra(sandbox: &wire::SandboxV2) -> wire::Extra {
    let mut extra = sandbox.extra.clone();
    let mut keep = |name: &str, form: &Form, value: Option<serde_json::Value>| {
        if let Some(rest) = value.and_then(|value| nested::residue(form, &value)) {
            extra.insert(name.to_owned(), rest);
        }
    };
    let proxy = sandbox.proxy_config.as_ref().and_then(|config| serde_json::to_value(config).ok());
    keep(PROXY_CONFIG, &forms::PROXY_CONFIG, proxy);
    let mounts = sandbox.mount_config.as_ref().and_then(|config| serde_json::to_value(config).ok());
    keep(MOUNT_CONFIG, &forms::MOUNT_CONFIG, mounts);
    extra
}

/// Returns what the server says of a field with parts; one that says nothing is none.
fn live(form: &'static Form, wire: Option<&impl Serialize>) -> Option<Nested> {
    let nested = nested::from_wire(form, &serde_json::to_value(wire?).ok()?)?;
    (!nested.is_satisfied_by_absence()).then_some(nested)
}
