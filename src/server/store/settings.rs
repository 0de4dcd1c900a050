//! What was said of a sandbox or a snapshot of the second generation and is never searched for: one column of JSON.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::types::VolumeId;

/// How a sandbox of the second generation is set up.
///
/// Environments and the two configurations hold secrets: `Debug` leaves them out.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Settings {
    /// What it gets at its next start.
    pub(crate) millicores: u64,
    pub(crate) memory_bytes: u64,
    pub(crate) capacity_bytes: u64,
    pub(crate) env_vars: BTreeMap<String, String>,
    pub(crate) run_config: RunConfig,
    pub(crate) mount_config: Option<Value>,
    pub(crate) proxy_config: Option<Value>,
    pub(crate) access_delegation: Option<Value>,
    pub(crate) volumes: Vec<Attachment>,
    pub(crate) preserves_memory: bool,
    pub(crate) is_persistent: bool,
}

/// How commands are run where they do not say otherwise.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct RunConfig {
    pub(crate) user: Option<String>,
    pub(crate) work_dir: Option<String>,
    pub(crate) env_vars: BTreeMap<String, String>,
}

/// A volume that a sandbox has at a path.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Attachment {
    pub(crate) volume: VolumeId,
    pub(crate) path: String,
    pub(crate) is_read_only: bool,
}

/// What was said of a snapshot, and what it carries for sandboxes that leave it open.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct SnapshotSettings {
    pub(crate) description: Option<String>,
    /// As it was asked for; merged over the image's once that is known.
    pub(crate) run_config: RunConfig,
    /// What settings it carries, in the words of `include`.
    pub(crate) included: Vec<String>,
    pub(crate) carried: Carried,
}

/// Settings of the sandbox that a snapshot was captured from, as far as they were asked for.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Carried {
    pub(crate) mount_config: Option<Value>,
    pub(crate) proxy_config: Option<Value>,
    pub(crate) env_vars: Option<BTreeMap<String, String>>,
    pub(crate) resources: Option<CarriedResources>,
    pub(crate) lifecycle: Option<CarriedLifecycle>,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct CarriedResources {
    pub(crate) millicores: u64,
    pub(crate) memory_bytes: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct CarriedLifecycle {
    pub(crate) idle_ttl_seconds: Option<i64>,
    pub(crate) delete_after_stop_seconds: Option<i64>,
    pub(crate) preserves_memory: bool,
}

impl RunConfig {
    /// Returns whether it says nothing.
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Puts another one over this one: user and working directory are replaced, environments merged.
    pub(crate) fn merge(&mut self, over: Self) {
        self.user = over.user.or(self.user.take());
        self.work_dir = over.work_dir.or(self.work_dir.take());
        self.env_vars.extend(over.env_vars);
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("millicores", &self.millicores)
            .field("memory_bytes", &self.memory_bytes)
            .field("capacity_bytes", &self.capacity_bytes)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for SnapshotSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SnapshotSettings").field("included", &self.included).finish_non_exhaustive()
    }
}

impl fmt::Debug for RunConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunConfig").field("user", &self.user).field("work_dir", &self.work_dir).finish_non_exhaustive()
    }
}
