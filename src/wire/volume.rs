//! Volumes (contract section 2.3).

use serde::{Deserialize, Serialize};

use super::{Extra, null_as_default};
use crate::types::{Timestamp, VolumeId};

/// A volume as the server describes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Volume {
    /// Stable across renames; absent on objects older than ids.
    pub id: Option<VolumeId>,
    /// The display name.
    #[serde(default, deserialize_with = "null_as_default")]
    pub name: String,
    /// The requested size, a quantity such as `10Gi`; `unknown` when the server does not say.
    #[serde(default = "unknown")]
    pub size: String,
    /// The storage class, such as `standard`; `default` when the server does not say.
    #[serde(default = "default_class")]
    pub storage_class: String,
    /// When it was created.
    pub created_at: Option<Timestamp>,
    /// When it was last changed.
    pub updated_at: Option<Timestamp>,
    /// What this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// The body of `POST /volumes`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CreateVolume {
    /// The display name.
    pub name: String,
    /// The size, a quantity such as `10Gi`.
    pub size: String,
    /// Whether to answer only when the storage is bound. The SDK always sends `true`.
    #[serde(default = "yes")]
    pub wait_for_ready: bool,
    /// How many seconds to wait for that, 5 to 300; the server's default is 60.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<u64>,
    /// The storage class; the SDK never sends it, the server takes `standard` or nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage_class: Option<String>,
}

/// The body of `PATCH /volumes/{name}`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct UpdateVolume {
    /// The new display name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The new size, at least the present one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<String>,
}

/// One page of `GET /volumes`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct VolumeList {
    /// The volumes of the page.
    #[serde(deserialize_with = "null_as_default")]
    pub volumes: Vec<Volume>,
    /// An offset, of this page or of the next: not to be relied on (contract G35).
    #[serde(default, deserialize_with = "null_as_default")]
    pub offset: u64,
}

fn unknown() -> String {
    "unknown".to_owned()
}

fn default_class() -> String {
    "default".to_owned()
}

fn yes() -> bool {
    true
}
