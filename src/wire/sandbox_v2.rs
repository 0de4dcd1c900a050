//! Sandboxes of the second generation (contract section 4 of the second generation).

use serde::{Deserialize, Serialize};

use super::page::page;
use super::{EnvVars, Extra, HiddenExtra, MountConfig, ProxyConfig, RunConfig, SandboxStatus, null_as_default};
use crate::types::{Labels, SandboxId, SnapshotId, Timestamp};

/// A sandbox of the second generation as the server describes it.
///
/// The environment that it was created with is never told, and of secrets only that they are set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SandboxV2 {
    /// Stable across renames.
    pub id: Option<SandboxId>,
    /// The display name.
    #[serde(default, deserialize_with = "null_as_default")]
    pub name: String,
    /// How far it is; `ready` when the server does not say.
    #[serde(default = "ready")]
    pub status: SandboxStatus,
    /// Why it is in that status, set when it failed.
    pub status_message: Option<String>,
    /// The snapshot that it was made from. What it was referred to by is not kept.
    pub snapshot_id: Option<SnapshotId>,
    /// Where its data plane is, without a trailing slash; the same after a stop.
    pub dataplane_url: Option<String>,
    /// Its CPUs.
    pub vcpus: Option<u64>,
    /// Its CPU, in thousandths of one.
    pub cpu_millicores: Option<u64>,
    /// Its memory, in bytes.
    pub mem_bytes: Option<u64>,
    /// The size of its root disk, in bytes.
    pub fs_capacity_bytes: Option<u64>,
    /// A word for its size.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size_class: Option<String>,
    /// After how many idle seconds it is stopped; 0 is never. The server's default when none was asked for.
    pub idle_ttl_seconds: Option<i64>,
    /// How many seconds after it was stopped it is deleted; 0 is never. The server's default when none was asked for.
    pub delete_after_stop_seconds: Option<i64>,
    /// When it was stopped, while it is.
    pub stopped_at: Option<Timestamp>,
    /// Its labels, those inherited from the snapshot among them.
    #[serde(default, deserialize_with = "null_as_default")]
    pub labels: Labels,
    /// What it mounts, without secrets.
    pub mount_config: Option<MountConfig>,
    /// Its proxy, without secrets.
    pub proxy_config: Option<ProxyConfig>,
    /// Whether memory is kept when somebody stops it.
    pub preserve_memory_on_stop: Option<bool>,
    /// When it was created.
    pub created_at: Option<Timestamp>,
    /// Who created it.
    pub created_by: Option<String>,
    /// When it was last changed.
    pub updated_at: Option<Timestamp>,
    /// Who last changed it.
    pub updated_by: Option<String>,
    /// Whether its disk outlives a stop.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub persistent: Option<bool>,
    /// How commands run in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_config: Option<RunConfig>,
    /// What code in it may do at the API, as it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access_delegation: Option<AccessDelegation>,
    /// The volumes that it mounts; absent where the feature is off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volumes: Option<Vec<MountedVolume>>,
    /// What this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// What code in a sandbox may do at the API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessDelegation {
    /// `EXPLICIT`.
    pub mode: String,
    /// The most that it may do; not empty.
    pub permissions: Vec<String>,
}

/// A volume that a sandbox has, in answers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MountedVolume {
    /// The volume.
    #[serde(default, deserialize_with = "null_as_default")]
    pub volume_id: String,
    /// Its name.
    #[serde(default, deserialize_with = "null_as_default")]
    pub volume_name: String,
    /// The path that it is seen at.
    #[serde(default, deserialize_with = "null_as_default")]
    pub mount_path: String,
    /// Whether it can only be read.
    #[serde(default, deserialize_with = "null_as_default")]
    pub read_only: bool,
}

/// A volume that a sandbox is to have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttachVolume {
    /// The volume, by id or name.
    pub volume: String,
    /// The path to see it at.
    pub mount_path: String,
    /// Whether it can only be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_only: Option<bool>,
}

/// The body of `POST /boxes` of the second generation. What is absent is the server's choice, or the snapshot's.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CreateSandboxV2 {
    /// The display name; the server makes one up when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The snapshot: an id, `name:tag`, or `name`; the server's own when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<String>,
    /// An older way to say it, by id. One of the three at most is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshot_id: Option<String>,
    /// An older way to say it, by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshot_name: Option<String>,
    /// CPUs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vcpus: Option<u64>,
    /// CPU in thousandths of one, which wins over `vcpus`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_millicores: Option<u64>,
    /// Memory in bytes: 4 GiB for each CPU when absent, at most half as much again or half less.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mem_bytes: Option<u64>,
    /// The size of the root disk in bytes, not below the snapshot's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fs_capacity_bytes: Option<u64>,
    /// After how many idle seconds it is stopped, a multiple of 60; 0 is never, 600 when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle_ttl_seconds: Option<i64>,
    /// How many seconds after it was stopped it is deleted, a multiple of 60; 0 is never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delete_after_stop_seconds: Option<i64>,
    /// The environment, which no answer gives back.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "EnvVars::is_empty")]
    pub env_vars: EnvVars,
    /// Labels, merged over the snapshot's.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Labels::is_empty")]
    pub labels: Labels,
    /// What it mounts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mount_config: Option<MountConfig>,
    /// Its proxy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy_config: Option<ProxyConfig>,
    /// Whether memory is kept when somebody stops it; needs a persistent one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preserve_memory_on_stop: Option<bool>,
    /// Whether it goes on from the snapshot's memory: it must, it must not, or it does if there is any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restore_memory: Option<bool>,
    /// Tags of the workspace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag_value_ids: Option<Vec<String>>,
    /// Whether its disk outlives a stop.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub persistent: Option<bool>,
    /// How commands run in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_config: Option<RunConfig>,
    /// What code in it may do at the API.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access_delegation: Option<AccessDelegation>,
    /// The volumes that it mounts, at most 4.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub volumes: Vec<AttachVolume>,
    /// Whether to answer only when it is ready. The SDK always sends it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wait_for_ready: Option<bool>,
    /// How many seconds to wait for that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<u64>,
    /// Fields that this version does not know, sent as they are.
    #[serde(flatten)]
    pub extra: HiddenExtra,
}

/// The body of `PATCH /boxes/{name}` of the second generation.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct UpdateSandboxV2 {
    /// The new display name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// After how many idle seconds it is stopped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle_ttl_seconds: Option<i64>,
    /// How many seconds after it was stopped it is deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delete_after_stop_seconds: Option<i64>,
    /// CPUs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vcpus: Option<u64>,
    /// CPU in thousandths of one, which wins over `vcpus`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_millicores: Option<u64>,
    /// Memory in bytes, at most 64 GiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mem_bytes: Option<u64>,
    /// The size of the root disk in bytes, which only grows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fs_capacity_bytes: Option<u64>,
    /// The proxy, all of it; `{}` clears it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy_config: Option<ProxyConfig>,
    /// Tags of the workspace, all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag_value_ids: Option<Vec<String>>,
    /// How commands run in it: the user and the directory are replaced, the variables merged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_config: Option<RunConfig>,
    /// Fields that this version does not know, sent as they are.
    #[serde(flatten)]
    pub extra: HiddenExtra,
}

page! {
    /// One page of `GET /boxes` of the second generation.
    SandboxV2List {
        /// The sandboxes of the page.
        sandboxes: SandboxV2
    }
}

/// The body of `POST /boxes/{name}/start` and `POST /boxes/{name}/stop`: `{}`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoFields {}

fn ready() -> SandboxStatus {
    SandboxStatus::Ready
}
