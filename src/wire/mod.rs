//! The Sandbox Server API as data: bodies, queries and routes of its two generations.
//!
//! Every field is as the contract has it: sizes, images and names are text here, exactly as sent, and become quantities
//! and names where somebody reads meaning into them. Reading is lenient (an absent or `null` field takes the contract's
//! client default, an unknown field is kept in `extra`), writing is strict (a field is sent when the contract says so).
//! There is no logic and no I/O here. Start with [`route`] for the list of operations.

mod error;
mod execute;
mod page;
mod pool;
mod registry;
pub mod route;
mod sandbox;
mod secret;
mod template;
mod usage;
mod volume;
mod word;

pub use error::{ErrorBody, ErrorDetail, LocationPart, StandardError, ValidationItem};
pub use execute::{CommandEvent, CommandRequest, Execute, ExecuteStream, Executed};
pub use pool::{CreatePool, Pool, PoolList, UpdatePool};
pub use registry::{CreateRegistry, Registry, RegistryAuthType, RegistryList, UpdateRegistry};
pub use sandbox::{
    CreateSandbox, CreateServiceUrl, ResourceStatus, Sandbox, SandboxList, SandboxStatus, ServiceUrl, UpdateSandbox,
};
pub use template::{CreateTemplate, Resources, Template, TemplateList, UpdateTemplate, VolumeMount};
pub use usage::{BatchDelete, BatchDeleted, ListQuery, Skipped, SortDirection, Usage};
pub use volume::{CreateVolume, UpdateVolume, Volume, VolumeList};

use serde::{Deserialize, Deserializer};

/// Fields of an object that this version does not know, kept verbatim so that a replacement can carry them over.
pub type Extra = serde_json::Map<String, serde_json::Value>;

/// Reads `null` as the type's default, which `#[serde(default)]` alone does for an absent field only.
fn null_as_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}
