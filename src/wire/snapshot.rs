//! Snapshots, which sandboxes of the second generation start from (contract section 2 of the second generation).

use serde::{Deserialize, Serialize};

use super::page::page;
use super::word::words;
use super::{Extra, HiddenExtra, MountConfig, ProxyConfig, RunConfig, null_as_default};
use crate::types::{Labels, RegistryId, SandboxId, SnapshotId, Timestamp};

/// A snapshot as the server describes it. Its content never changes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// What it is known by for good; names and tags are pointers that move.
    pub id: Option<SnapshotId>,
    /// The name that it was published under: lower-case components, separated by `/`.
    #[serde(default, deserialize_with = "null_as_default")]
    pub name: String,
    /// The tags of the name that point to it now; none when others have taken them all.
    #[serde(default, deserialize_with = "null_as_default")]
    pub tags: Vec<String>,
    /// How far it is; `building` when the server does not say.
    #[serde(default = "building")]
    pub status: SnapshotStatus,
    /// Why it failed.
    pub status_message: Option<String>,
    /// The image that it was built from; `None` when it was captured.
    pub docker_image: Option<String>,
    /// The digest of that image, once it is pulled.
    pub image_digest: Option<String>,
    /// The sandbox that it was captured from.
    pub source_sandbox_id: Option<SandboxId>,
    /// The size of its root disk, in bytes; 0 when the server does not say.
    #[serde(default, deserialize_with = "null_as_default")]
    pub fs_capacity_bytes: u64,
    /// How much of that disk is used, in bytes.
    pub fs_used_bytes: Option<u64>,
    /// The size of the memory that was captured with it, in bytes; `None` when none was.
    pub memory_snapshot_size_bytes: Option<u64>,
    /// Its labels, those of the image among them.
    #[serde(default, deserialize_with = "null_as_default")]
    pub labels: Labels,
    /// The registry that the image was pulled with.
    pub registry_id: Option<RegistryId>,
    /// Who created it.
    pub created_by: Option<String>,
    /// When it was created.
    pub created_at: Option<Timestamp>,
    /// When it was last changed.
    pub updated_at: Option<Timestamp>,
    /// A text for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// How commands run in its sandboxes; `None` on old snapshots, which run everything as root.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_config: Option<RunConfig>,
    /// Which settings of the captured sandbox its own sandboxes inherit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub included: Option<Vec<SnapshotInclude>>,
    /// The mounts that its sandboxes inherit, without secrets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mount_config: Option<MountConfig>,
    /// The proxy settings that its sandboxes inherit, without secrets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy_config: Option<ProxyConfig>,
    /// What this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

words! {
    /// How far a snapshot is.
    SnapshotStatus {
        /// It is being built or captured.
        Building = "building",
        /// Sandboxes can start from it.
        Ready = "ready",
        /// It could not be built.
        Failed = "failed",
        /// It is being deleted.
        Deleting = "deleting",
    }
}

words! {
    /// A setting of a sandbox that a snapshot of it carries along.
    SnapshotInclude {
        /// All of them. Only in requests.
        All = "all",
        /// The mounts.
        Mounts = "mounts",
        /// The proxy settings.
        ProxyConfig = "proxy_config",
        /// The environment.
        EnvVars = "env_vars",
        /// CPU, memory and disk.
        Resources = "resources",
        /// The times after which it is stopped and deleted.
        Lifecycle = "lifecycle",
        /// The labels.
        Labels = "labels",
    }
}

/// The body of `POST /snapshots`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CreateSnapshot {
    /// The name to publish under.
    pub name: String,
    /// The reference of the image to build from.
    pub docker_image: String,
    /// The size of the root disk, in bytes.
    pub fs_capacity_bytes: u64,
    /// The tag to publish under, which moves here; `latest` when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// The registry to pull a private image with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub registry_id: Option<RegistryId>,
    /// Labels, which win over those of the image.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Labels::is_empty")]
    pub labels: Labels,
    /// A text for people, of at most 1024 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// How commands run in its sandboxes, over what the image says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_config: Option<RunConfig>,
    /// Fields that this version does not know, sent as they are.
    #[serde(flatten)]
    pub extra: HiddenExtra,
}

/// The body of `POST /boxes/{name}/snapshot`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CaptureSnapshot {
    /// The name to publish under.
    pub name: String,
    /// The tag to publish under, which moves here; `latest` when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// An image of the sandbox's own image store to export, in place of its disk. The sandbox must run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub docker_image: Option<String>,
    /// The size of the root disk, in bytes; required where an image is exported from a sandbox without a size of its
    /// own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fs_capacity_bytes: Option<u64>,
    /// A checkpoint that exists, to be published; a fresh one is taken when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<String>,
    /// Whether memory is captured as well, of a sandbox that runs; `false` when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub include_memory: Option<bool>,
    /// Labels.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Labels::is_empty")]
    pub labels: Labels,
    /// A text for people, of at most 1024 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// How commands run in its sandboxes, over what is captured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_config: Option<RunConfig>,
    /// What to replace of the image's own settings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_config: Option<ImageConfig>,
    /// Which settings of the sandbox to carry along.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub include: Vec<SnapshotInclude>,
    /// Whether secrets and variables among those settings may be carried along, which the server refuses otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confirm_allow_snapshot_secret_values: Option<bool>,
    /// Fields that this version does not know, sent as they are.
    #[serde(flatten)]
    pub extra: HiddenExtra,
}

/// What a captured snapshot says in the place of its image. Each field that is given replaces what there was, an empty
/// list with nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageConfig {
    /// The command.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cmd: Option<Vec<String>>,
    /// The entry point.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entrypoint: Option<Vec<String>>,
    /// The ports.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exposed_ports: Option<Vec<u32>>,
}

page! {
    /// One page of `GET /snapshots`.
    SnapshotList {
        /// The snapshots of the page.
        snapshots: Snapshot
    }
}

/// The answer of `GET /snapshots-by-name/{name}`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotTags {
    /// The name.
    #[serde(default, deserialize_with = "null_as_default")]
    pub name: String,
    /// Its tags, and where they point.
    #[serde(deserialize_with = "null_as_default")]
    pub tags: Vec<SnapshotTag>,
}

/// A tag of a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotTag {
    /// The tag, such as `latest`.
    pub tag: String,
    /// The snapshot that it points to.
    pub snapshot_id: SnapshotId,
}

fn building() -> SnapshotStatus {
    SnapshotStatus::Building
}
