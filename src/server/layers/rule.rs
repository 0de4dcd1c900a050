//! A fault rule: which requests it concerns, and what it does to them.

use std::collections::BTreeMap;

use http::{HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::server::app::Quota;
use crate::server::routes::table::Operation;

/// A rule as it is sent and shown. Of its effects, those that are given happen, in the order of the fields.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rule {
    /// The operation's name, such as `create_volume`; or its method and path, such as `POST /volumes`; or `*`.
    pub(crate) operation: String,
    /// How many requests it strikes; without end when `null`.
    #[serde(default = "once")]
    pub(crate) count: Option<u64>,
    /// How many requests it lets pass first.
    #[serde(default)]
    pub(crate) skip: u64,
    /// How likely it strikes, from 0 to 1.
    #[serde(default = "certain")]
    pub(crate) probability: f64,
    /// What the probability's draws start from, so that a run can be repeated.
    #[serde(default)]
    pub(crate) seed: u64,

    /// Waits before anything else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) delay_ms: Option<u64>,
    /// Closes the connection; the operation does not happen.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) drop_before: bool,
    /// Answers with this status; the operation does not happen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<u16>,
    /// The body that goes with `status`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) body: Option<Value>,
    /// The headers that go with `status`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) headers: BTreeMap<String, String>,
    /// Answers as if this quota were used up; the operation does not happen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) quota: Option<QuotaName>,
    /// Lets the operation happen, but what it creates never becomes ready.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) stuck_provisioning: bool,
    /// Lets the operation happen, but the snapshot that it creates fails to be built, for this reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) build_fails: Option<String>,
    /// Lets the operation happen and closes the connection instead of answering.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) lose_answer: bool,
    /// Lets the operation happen and closes the connection after this much of the answer's body; on a WebSocket, after
    /// this much output of the command, or after this much of a tunnel's data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cut_after_bytes: Option<usize>,
    /// Closes a WebSocket with this code instead, at once unless `cut_after_bytes` is given; 1001 is a reload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) close_code: Option<u16>,
}

/// The quotas, in the client's words (contract section 3.2).
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum QuotaName {
    SandboxCount,
    VolumeCount,
    Cpu,
    Memory,
    Storage,
}

impl From<QuotaName> for Quota {
    fn from(name: QuotaName) -> Self {
        match name {
            QuotaName::SandboxCount => Self::Sandboxes,
            QuotaName::VolumeCount => Self::Volumes,
            QuotaName::Cpu => Self::Cpu,
            QuotaName::Memory => Self::Memory,
            QuotaName::Storage => Self::Storage,
        }
    }
}

impl Rule {
    /// Says what is wrong with the rule, if anything is; `operations` are those that exist.
    pub(crate) fn check<'a>(&self, operations: impl IntoIterator<Item = &'a Operation>) -> Result<(), String> {
        if !operations.into_iter().any(|operation| self.concerns(operation)) {
            return Err(format!("there is no operation `{}`", self.operation));
        }
        if !(0.0..=1.0).contains(&self.probability) {
            return Err("`probability` is from 0 to 1".to_owned());
        }
        if self.status.is_some_and(|status| !(200..=599).contains(&status)) {
            return Err("`status` is a final HTTP status, from 200 to 599".to_owned());
        }
        if self.close_code.is_some_and(|code| !(1000..=4999).contains(&code)) {
            return Err("`close_code` is from 1000 to 4999".to_owned());
        }
        let bad = self.headers.iter().find(|(name, value)| {
            HeaderName::try_from(name.as_str()).is_err() || HeaderValue::try_from(value.as_str()).is_err()
        });
        match bad {
            Some((name, _)) => Err(format!("`{name}` is no header that can be sent")),
            None => Ok(()),
        }
    }

    /// Returns whether the rule is about an operation.
    pub(crate) fn concerns(&self, operation: &Operation) -> bool {
        self.operation == "*"
            || self.operation == operation.id
            || self.operation.split_once(' ') == Some((operation.method.as_str(), operation.path))
    }
}

#[expect(clippy::unnecessary_wraps, reason = "the default of a field that may be null")]
fn once() -> Option<u64> {
    Some(1)
}

fn certain() -> f64 {
    1.0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands fields over by reference")]
fn is_false(flag: &bool) -> bool {
    !flag
}
