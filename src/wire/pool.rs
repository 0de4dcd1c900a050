//! Pools (contract section 2.5).

use serde::{Deserialize, Serialize};

use super::{Extra, null_as_default};
use crate::types::{PoolId, Timestamp};

/// A pool of warm sandboxes as the server describes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pool {
    /// Stable across renames; absent on objects older than ids.
    pub id: Option<PoolId>,
    /// The display name.
    #[serde(default, deserialize_with = "null_as_default")]
    pub name: String,
    /// The template that its sandboxes are made from.
    #[serde(default, deserialize_with = "null_as_default")]
    pub template_name: String,
    /// How many warm sandboxes it should hold, 0 when paused; how many are ready is not exposed.
    #[serde(default, deserialize_with = "null_as_default")]
    pub replicas: u32,
    /// When it was created.
    pub created_at: Option<Timestamp>,
    /// When it was last changed.
    pub updated_at: Option<Timestamp>,
    /// What this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// The body of `POST /pools`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CreatePool {
    /// The display name.
    pub name: String,
    /// The template, which must have no volume mounts.
    pub template_name: String,
    /// How many warm sandboxes it should hold, 1 to 100.
    pub replicas: u32,
    /// Whether to answer only when at least one replica is ready. The SDK always sends `true`.
    #[serde(default = "yes")]
    pub wait_for_ready: bool,
    /// How many seconds to wait for that, 10 to 600; the server's default is 120, the SDK sends 30.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<u64>,
    /// Fields that this version does not know, sent as they are.
    #[serde(flatten)]
    pub extra: Extra,
}

/// The body of `PATCH /pools/{name}`; the template of a pool cannot change.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct UpdatePool {
    /// The new display name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The new number of warm sandboxes, 0 to 100; 0 pauses the pool.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replicas: Option<u32>,
}

/// One page of `GET /pools`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PoolList {
    /// The pools of the page.
    #[serde(deserialize_with = "null_as_default")]
    pub pools: Vec<Pool>,
    /// An offset, of this page or of the next: not to be relied on (contract G35).
    #[serde(default, deserialize_with = "null_as_default")]
    pub offset: u64,
}

fn yes() -> bool {
    true
}
