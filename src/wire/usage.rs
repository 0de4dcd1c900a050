//! What belongs to all kinds: listing, usage, deleting many (contract sections 2.1 and 2.2).

use serde::{Deserialize, Serialize};

/// The answer of `GET /usage`. A limit of 0 means "unlimited".
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Usage {
    /// Sandboxes in use, replicas of pools among them.
    pub sandboxes_used: u64,
    /// How many sandboxes there may be.
    pub sandboxes_limit: u64,
    /// Sandboxes that somebody created.
    pub sandbox_direct_count: u64,
    /// Replicas that pools keep warm.
    pub sandbox_pool_replicas_count: u64,
    /// Volumes in use.
    pub volumes_used: u64,
    /// How many volumes there may be.
    pub volumes_limit: u64,
    /// Templates in use.
    pub templates_count: u64,
    /// Pools in use.
    pub pools_count: u64,
    /// Registries in use, of the API's second generation.
    pub registries_count: u64,
    /// CPU in use, in thousandths of a core.
    pub cpu_used_millicores: u64,
    /// How much CPU there may be in use, in thousandths of a core.
    pub cpu_limit_millicores: u64,
    /// Memory in use, in bytes.
    pub memory_used_bytes: u64,
    /// How much memory there may be in use, in bytes.
    pub memory_limit_bytes: u64,
    /// Storage in use, in bytes.
    pub storage_used_bytes: u64,
    /// How much storage there may be in use, in bytes.
    pub storage_limit_bytes: u64,
}

/// The query of the list operations. What is `None` is not sent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListQuery {
    /// How many objects a page holds, 1 to 500; the server's default is 50.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// How many objects to leave out first; 0 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// Only objects whose name contains this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name_contains: Option<String>,
    /// Only sandboxes with this status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// Only sandboxes of this template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template_name: Option<String>,
    /// The field to sort by: `created_at` (the default), `name` and, by kind, `image`, `status` or `template_name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sort_by: Option<String>,
    /// The direction; descending by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sort_direction: Option<SortDirection>,
}

impl ListQuery {
    /// The largest page that the server gives.
    pub const MAX_LIMIT: u64 = 500;
    /// The page that the server gives to whoever asks for no limit.
    pub const DEFAULT_LIMIT: u64 = 50;
    /// The largest page that the server gives to whoever pages by cursor, which the second generation knows too.
    pub const MAX_PAGE_SIZE: u64 = 100;
}

/// A direction to sort in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SortDirection {
    /// Smallest first.
    Asc,
    /// Largest first.
    Desc,
}

/// The body of `POST /boxes/batch-delete` and `POST /templates/batch-delete`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchDelete {
    /// The names of the objects to delete.
    pub names: Vec<String>,
}

/// The answer of the batch deletes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BatchDeleted {
    /// The names of what was deleted.
    pub deleted: Vec<String>,
    /// What was left alone, and why.
    pub skipped: Vec<Skipped>,
}

/// An object that a batch delete left alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skipped {
    /// Its name.
    pub name: String,
    /// Why it was left alone.
    pub reason: String,
}
