//! Sandboxes, which the wire calls boxes (contract sections 2.6 and 4.7).

use std::fmt;

use serde::{Deserialize, Serialize};

use super::word::words;
use super::{Extra, null_as_default};
use crate::types::{SandboxId, Timestamp};

/// A sandbox as the server describes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sandbox {
    /// Stable across renames; absent on objects older than ids.
    pub id: Option<SandboxId>,
    /// The display name.
    #[serde(default, deserialize_with = "null_as_default")]
    pub name: String,
    /// The template it was made from.
    #[serde(default, deserialize_with = "null_as_default")]
    pub template_name: String,
    /// Where its data plane is, without a trailing slash; usable once the sandbox is ready.
    #[serde(default)]
    pub dataplane_url: Option<String>,
    /// How far it is; `ready` when the server does not say.
    #[serde(default = "ready")]
    pub status: SandboxStatus,
    /// Why it is in that status, set when it failed.
    #[serde(default)]
    pub status_message: Option<String>,
    /// When it was created.
    pub created_at: Option<Timestamp>,
    /// When it was last changed.
    pub updated_at: Option<Timestamp>,
    /// Seconds from creation to deletion; 0 is disabled, `None` was never set.
    #[serde(default)]
    pub ttl_seconds: Option<i64>,
    /// Seconds from the last activity to deletion; 0 is disabled, `None` was never set.
    #[serde(default)]
    pub idle_ttl_seconds: Option<i64>,
    /// The earlier of the two deadlines, if there is one.
    #[serde(default)]
    pub expires_at: Option<Timestamp>,
    /// What this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

words! {
    /// How far a sandbox is, in both generations of the API.
    SandboxStatus {
        /// It is being started.
        Provisioning = "provisioning",
        /// It takes commands.
        Ready = "ready",
        /// It could not be started, or ended.
        Failed = "failed",
        /// It keeps its disk and does not run; what is sent to its data plane starts it. Second generation only.
        Stopped = "stopped",
        /// It is being deleted. Second generation only.
        Deleting = "deleting",
    }
}

/// The body of `POST /boxes`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CreateSandbox {
    /// The template to make it from.
    pub template_name: String,
    /// Whether to answer only when it is ready.
    #[serde(default = "yes")]
    pub wait_for_ready: bool,
    /// How many seconds to wait for that; sent only with `wait_for_ready`, 30 when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<u64>,
    /// The display name; the server makes one up when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Seconds from creation to deletion, a multiple of 60; 0 is disabled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttl_seconds: Option<i64>,
    /// Seconds from the last activity to deletion, a multiple of 60; 0 is disabled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle_ttl_seconds: Option<i64>,
    /// Fields that this version does not know, sent as they are.
    #[serde(flatten)]
    pub extra: Extra,
}

/// The body of `PATCH /boxes/{name}`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct UpdateSandbox {
    /// The new display name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The new time to live from creation, a multiple of 60; 0 disables it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttl_seconds: Option<i64>,
    /// The new time to live from the last activity, a multiple of 60; 0 disables it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle_ttl_seconds: Option<i64>,
}

/// One page of `GET /boxes`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SandboxList {
    /// The sandboxes of the page.
    #[serde(deserialize_with = "null_as_default")]
    pub sandboxes: Vec<Sandbox>,
    /// An offset, of this page or of the next: not to be relied on (contract G35).
    #[serde(default, deserialize_with = "null_as_default")]
    pub offset: u64,
}

/// The answer of `GET /boxes/{name}/status`, light enough to poll.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceStatus {
    /// How far the sandbox is; `provisioning` when the server does not say.
    #[serde(default = "provisioning")]
    pub status: SandboxStatus,
    /// Why it is in that status.
    #[serde(default)]
    pub status_message: Option<String>,
}

/// The body of `POST /boxes/{name}/service-url`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateServiceUrl {
    /// The port inside the sandbox, above 0.
    pub port: u32,
    /// For how many seconds the token holds, 1 to 86,400.
    #[serde(default = "ten_minutes")]
    pub expires_in_seconds: u64,
}

/// The answer of `POST /boxes/{name}/service-url`; the client requires all four fields.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceUrl {
    /// The URL for a browser: sets a cookie and redirects to the service.
    pub browser_url: String,
    /// The URL for programs, which send the token as a header.
    pub service_url: String,
    /// The token for `X-Langsmith-Sandbox-Service-Token`.
    pub token: String,
    /// When the token stops to hold.
    pub expires_at: Timestamp,
}

impl fmt::Debug for ServiceUrl {
    /// Leaves out the token and the browser's URL, which carries it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceUrl")
            .field("service_url", &self.service_url)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

fn ready() -> SandboxStatus {
    SandboxStatus::Ready
}

fn provisioning() -> SandboxStatus {
    SandboxStatus::Provisioning
}

fn yes() -> bool {
    true
}

fn ten_minutes() -> u64 {
    600
}
