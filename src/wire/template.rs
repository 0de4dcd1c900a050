//! Templates (contract section 2.4).

use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};

use super::{Extra, null_as_default};
use crate::types::{TemplateId, Timestamp};

/// A template as the server describes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Template {
    /// Stable across renames; absent on objects older than ids.
    pub id: Option<TemplateId>,
    /// The display name.
    #[serde(default, deserialize_with = "null_as_default")]
    pub name: String,
    /// The container image reference; `unknown` when the server does not say.
    #[serde(default = "unknown")]
    pub image: String,
    /// What each sandbox of it gets.
    #[serde(default, deserialize_with = "null_as_default")]
    pub resources: Resources,
    /// Which volumes each sandbox of it sees.
    #[serde(default, deserialize_with = "null_as_default")]
    pub volume_mounts: Vec<VolumeMount>,
    /// When it was created.
    pub created_at: Option<Timestamp>,
    /// When it was last changed.
    pub updated_at: Option<Timestamp>,
    /// What this version does not know, `registry_id` and `proxy_config` among it.
    #[serde(flatten)]
    pub extra: Extra,
}

/// What a sandbox gets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resources {
    /// CPU, a quantity; 500m when nothing is said.
    #[serde(default = "default_cpu")]
    pub cpu: String,
    /// Memory, a quantity; 512Mi when nothing is said.
    #[serde(default = "default_memory")]
    pub memory: String,
    /// Ephemeral disk, a quantity; the server's own choice when absent.
    #[serde(default)]
    pub storage: Option<String>,
}

/// A volume at a path.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeMount {
    /// The name of the volume.
    #[serde(default, deserialize_with = "null_as_default")]
    pub volume_name: String,
    /// The absolute path at which sandboxes see it.
    #[serde(default, deserialize_with = "null_as_default")]
    pub mount_path: String,
}

/// The body of `POST /templates`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CreateTemplate {
    /// The display name.
    pub name: String,
    /// The container image reference.
    pub image: String,
    /// What each sandbox of it gets; CPU and memory are always sent, storage only when given.
    #[serde(default, serialize_with = "without_null_storage")]
    pub resources: Resources,
    /// Which volumes each sandbox of it sees; sent only when there are any.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub volume_mounts: Vec<VolumeMount>,
    /// Fields that this version does not know, sent as they are.
    #[serde(flatten)]
    pub extra: Extra,
}

/// The body of `PATCH /templates/{name}`: only the name of a template can change.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct UpdateTemplate {
    /// The new display name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// One page of `GET /templates`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TemplateList {
    /// The templates of the page.
    #[serde(deserialize_with = "null_as_default")]
    pub templates: Vec<Template>,
    /// An offset, of this page or of the next: not to be relied on (contract G35).
    #[serde(default, deserialize_with = "null_as_default")]
    pub offset: u64,
}

impl Resources {
    /// The CPU of a template that names none.
    pub const DEFAULT_CPU: &'static str = "500m";
    /// The memory of a template that names none.
    pub const DEFAULT_MEMORY: &'static str = "512Mi";
}

impl Default for Resources {
    fn default() -> Self {
        Self { cpu: default_cpu(), memory: default_memory(), storage: None }
    }
}

/// The server writes `storage: null` for "not given", a client leaves the key out.
fn without_null_storage<S: Serializer>(resources: &Resources, serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(None)?;
    map.serialize_entry("cpu", &resources.cpu)?;
    map.serialize_entry("memory", &resources.memory)?;
    if let Some(storage) = &resources.storage {
        map.serialize_entry("storage", storage)?;
    }
    map.end()
}

fn unknown() -> String {
    "unknown".to_owned()
}

fn default_cpu() -> String {
    Resources::DEFAULT_CPU.to_owned()
}

fn default_memory() -> String {
    Resources::DEFAULT_MEMORY.to_owned()
}
