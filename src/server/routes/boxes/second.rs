//! Sandboxes of the second generation, in bodies and answers (contract sections 4.2 to 4.4 of the second generation).

use std::collections::HashSet;
use std::time::Duration;

use super::{read_ttl, read_wait, seconds, wire_status};
use crate::server::app::{App, Error, NewAttachment, NewFromSnapshot, Reconfiguration, Size};
use crate::server::routes::configs;
use crate::server::routes::decode::{Decode, Fields};
use crate::server::routes::registries::EVERYBODY;
use crate::server::store::sandboxes::Sandbox;
use crate::server::store::settings::Settings;
use crate::types::{Name, SnapshotId};
use crate::wire;

/// How many volumes a sandbox may have.
const MAX_VOLUMES: usize = 4;

impl Decode for NewFromSnapshot {
    fn decode(fields: &mut Fields<'_>) -> Option<Self> {
        let name = match fields.optional_text("name") {
            // An empty name counts as none: the client leaves it out, other clients may not.
            None | Some("") => None,
            Some(_) => fields.optional_parsed::<Name>("name"),
        };
        let (wait, timeout) = read_wait(fields);
        Some(Self {
            name,
            snapshot: snapshot(fields),
            wait,
            timeout: Duration::from_secs(timeout),
            size: size(fields),
            idle_ttl: read_ttl(fields, "idle_ttl_seconds"),
            delete_after_stop: read_ttl(fields, "delete_after_stop_seconds"),
            env_vars: configs::env_vars(fields),
            labels: configs::labels(fields),
            mount_config: configs::mount_config(fields),
            proxy_config: configs::proxy_config(fields),
            access_delegation: configs::access_delegation(fields),
            volumes: volumes(fields),
            run_config: configs::run_config(fields).unwrap_or_default(),
            preserves_memory: fields.optional_flag("preserve_memory_on_stop"),
            must_restore_memory: fields.flag("restore_memory", false),
            is_persistent: fields.flag("persistent", true),
            names_tag_values: tag_values(fields),
            held: false,
        })
    }
}

impl Decode for Reconfiguration {
    fn decode(fields: &mut Fields<'_>) -> Option<Self> {
        Some(Self {
            delete_after_stop: read_ttl(fields, "delete_after_stop_seconds"),
            size: size(fields),
            proxy_config: configs::proxy_config(fields),
            run_config: configs::run_config(fields),
            names_tag_values: tag_values(fields),
        })
    }
}

/// Reads what the sandbox is made from: one of three spellings at most.
fn snapshot(fields: &mut Fields<'_>) -> Option<String> {
    let mut found = None;
    for field in ["snapshot", "snapshot_id", "snapshot_name"] {
        let Some(reference) = fields.optional_text(field).filter(|reference| !reference.is_empty()) else { continue };
        if found.is_some() {
            let message = "There should be one of snapshot, snapshot_id and snapshot_name at most";
            fields.report(field, "value_error", message);
        }
        found = Some(reference.to_owned());
    }
    found
}

fn size(fields: &mut Fields<'_>) -> Size {
    let mut amount = |field: &str| fields.optional_integer(field, 1..=i64::MAX - 1).map(i64::unsigned_abs);
    let vcpus = amount("vcpus");
    Size {
        // The finer one wins.
        millicores: amount("cpu_millicores").or(vcpus.map(|vcpus| vcpus.saturating_mul(1000))),
        memory_bytes: amount("mem_bytes"),
        capacity_bytes: amount("fs_capacity_bytes"),
    }
}

fn tag_values(fields: &mut Fields<'_>) -> bool {
    fields.present("tag_value_ids").is_some() && fields.texts("tag_value_ids").is_some_and(|ids| !ids.is_empty())
}

struct Volume(NewAttachment);

impl Decode for Volume {
    fn decode(fields: &mut Fields<'_>) -> Option<Self> {
        let volume = fields.text("volume").map(str::to_owned);
        let path = fields.text("mount_path").map(str::to_owned);
        if path.as_ref().is_some_and(|path| !is_mount_path(path)) {
            fields.report("mount_path", "value_error", "Input should be an absolute path, and not '/'");
        }
        let is_read_only = fields.flag("read_only", false);
        Some(Self(NewAttachment { volume: volume?, path: path?, is_read_only }))
    }
}

fn is_mount_path(path: &str) -> bool {
    let parts = || path.split('/').skip(1);
    path.starts_with('/') && parts().all(|part| !matches!(part, "" | "." | ".."))
}

fn volumes(fields: &mut Fields<'_>) -> Vec<NewAttachment> {
    let volumes: Vec<NewAttachment> = fields.objects::<Volume>("volumes").into_iter().map(|Volume(new)| new).collect();
    if volumes.len() > MAX_VOLUMES {
        fields.report("volumes", "value_error", format!("There should be at most {MAX_VOLUMES} volumes"));
    }
    let paths: HashSet<_> = volumes.iter().map(|volume| &volume.path).collect();
    if paths.len() < volumes.len() {
        fields.report("volumes", "value_error", "Each should have a mount_path of its own");
    }
    volumes
}

/// Renders a sandbox that is made from a snapshot.
pub(super) async fn render(
    app: &App,
    sandbox: Sandbox,
    snapshot: SnapshotId,
    settings: Settings,
) -> Result<wire::SandboxV2, Error> {
    let mut volumes = Vec::with_capacity(settings.volumes.len());
    for attached in settings.volumes {
        // A volume may be called otherwise than when it was attached.
        let volume_name = app.volume(attached.volume.to_string()).await?.name.into();
        volumes.push(wire::MountedVolume {
            volume_id: attached.volume.to_string(),
            volume_name,
            mount_path: attached.path,
            read_only: attached.is_read_only,
        });
    }
    Ok(wire::SandboxV2 {
        dataplane_url: Some(format!("{}/dp/{}", app.base_url(), sandbox.id)),
        id: Some(sandbox.id),
        name: sandbox.name.map(String::from).unwrap_or_default(),
        status: wire_status(sandbox.state),
        status_message: sandbox.status_message,
        snapshot_id: Some(snapshot),
        vcpus: Some(settings.millicores.div_ceil(1000)),
        cpu_millicores: Some(settings.millicores),
        mem_bytes: Some(settings.memory_bytes),
        fs_capacity_bytes: Some(settings.capacity_bytes),
        size_class: None,
        idle_ttl_seconds: sandbox.idle_ttl.map(seconds),
        delete_after_stop_seconds: sandbox.delete_after_stop.map(seconds),
        stopped_at: sandbox.stopped_at,
        labels: sandbox.labels,
        mount_config: configs::render(settings.mount_config),
        proxy_config: configs::render(settings.proxy_config),
        preserve_memory_on_stop: Some(settings.preserves_memory),
        created_at: Some(sandbox.created_at),
        created_by: Some(EVERYBODY.to_owned()),
        updated_at: Some(sandbox.updated_at),
        updated_by: Some(EVERYBODY.to_owned()),
        persistent: Some(settings.is_persistent),
        run_config: (!settings.run_config.is_empty()).then(|| configs::render_run_config(settings.run_config)),
        access_delegation: configs::render(settings.access_delegation),
        volumes: (!volumes.is_empty()).then_some(volumes),
        extra: wire::Extra::new(),
    })
}
