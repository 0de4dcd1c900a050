//! The Sandbox Server API as data: bodies, queries and routes of its two generations.
//!
//! Every field is as the contract has it: sizes, images and names are text here, exactly as sent, and become quantities
//! and names where somebody reads meaning into them. Reading is lenient (an absent or `null` field takes the contract's
//! client default, an unknown field is kept in `extra`), writing is strict (a field is sent when the contract says so).
//! There is no logic and no I/O here. Start with [`route`] for the list of operations.

mod error;
mod execute;
mod mount;
mod page;
mod pool;
mod proxy;
mod registry;
pub mod route;
mod run_config;
mod sandbox;
mod sandbox_v2;
mod search;
mod secret;
mod service_v2;
mod snapshot;
mod template;
mod usage;
mod volume;
mod word;

pub use error::{ErrorBody, ErrorDetail, LocationPart, ProblemDetails, StandardError, ValidationItem};
pub use execute::{CommandEvent, CommandRequest, Execute, ExecuteStream, Executed};
pub use mount::{
    AwsCredentials, AzureBlobMount, AzureCredentials, ContextHubMount, GcpCredentials, GcsMount, GitMount,
    GitReference, GitReferenceKind, Mount, MountAuth, MountCache, MountConfig, MountEncryption, MountKind, S3Mount,
};
pub use pool::{CreatePool, Pool, PoolList, UpdatePool};
pub use proxy::{AccessControl, ProxyCallback, ProxyConfig, ProxyHeader, ProxyRewrite, ProxyRule, RewriteCredentials};
pub use registry::{CreateRegistry, Registry, RegistryAuthType, RegistryList, UpdateRegistry};
pub use run_config::RunConfig;
pub use sandbox::{
    CreateSandbox, CreateServiceUrl, ResourceStatus, Sandbox, SandboxList, SandboxStatus, ServiceUrl, UpdateSandbox,
};
pub use sandbox_v2::{
    AccessDelegation, AttachVolume, CreateSandboxV2, MountedVolume, NoFields, SandboxV2, SandboxV2List, UpdateSandboxV2,
};
pub use search::{FileInfo, Glob, GlobResult, Grep, GrepMatch, GrepResult};
pub use secret::{EnvVars, HiddenExtra, SecretKind, SecretValue};
pub use service_v2::{
    ContentDisposition, CreateDownloadUrl, CreateServiceUrlV2, DownloadUrl, ServiceAccess, ServiceUrlGrant,
    ServiceUrlGrantList, ServiceUrlV2,
};
pub use snapshot::{
    CaptureSnapshot, CreateSnapshot, ImageConfig, Snapshot, SnapshotInclude, SnapshotList, SnapshotStatus, SnapshotTag,
    SnapshotTags,
};
pub use template::{CreateTemplate, Resources, Template, TemplateList, UpdateTemplate, VolumeMount};
pub use usage::{BatchDelete, BatchDeleted, ListQuery, Skipped, SortDirection, Usage};
pub use volume::{CreateVolume, UpdateVolume, Volume, VolumeList};

use serde::{Deserialize, Deserializer};

/// Fields of an object that this version does not know, kept verbatim so that a replacement can carry them over.
pub type Extra = serde_json::Map<String, serde_json::Value>;

/// Reads `null` as the type's default, which `#[serde(default)]` alone does for an absent field only.
///
/// The array of a list has this without `default`: servers write an empty one as `null`, but an answer that does not speak
/// of it at all is no list, and must not be read as one with nothing in it.
fn null_as_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests;
