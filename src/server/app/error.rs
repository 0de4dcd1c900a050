//! Why an operation was refused. Nothing here knows HTTP; `server::error` gives each variant its status and body.

use std::fmt;

use crate::server::runtime::LaunchError;
use crate::server::store;
use crate::types::{ByteSize, Name};

/// The kinds of objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Volume,
    Template,
    Pool,
    Sandbox,
    Registry,
    Snapshot,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Volume => "Volume",
            Self::Template => "Template",
            Self::Pool => "Pool",
            Self::Sandbox => "Sandbox",
            Self::Registry => "Registry",
            Self::Snapshot => "Snapshot",
        })
    }
}

/// Why an operation was refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("no such object: {kind} `{name}`")]
    NotFound { kind: Kind, name: String },
    #[error("{kind} `{name}` exists already")]
    AlreadyExists { kind: Kind, name: Name },
    #[error("the new name `{name}` of a {kind} is taken")]
    NameTaken { kind: Kind, name: Name },
    #[error("{kind} `{name}` is in use")]
    InUse { kind: Kind, name: String, users: Users },
    #[error("the {kind} `{name}` that is referred to does not exist")]
    UnknownReference { kind: Kind, name: String },
    #[error("template `{template}` has mounts, and a pool takes none")]
    MountedTemplate { template: Name },
    #[error("volume `{name}` cannot shrink from {current} to {requested}")]
    Shrink { name: Name, current: ByteSize, requested: ByteSize },
    #[error("`{field}` is more than this server allows, {maximum}")]
    OverMaximum { field: &'static str, maximum: String },
    #[error("the quota of {quota:?} is used up")]
    QuotaExceeded { quota: Quota, limit: u64, used: u64, requested: u64 },
    #[error("{kind} `{name}` was not ready within {seconds} seconds")]
    NotReadyInTime { kind: Kind, name: Name, seconds: u64 },
    #[error("the sandbox could not be started")]
    Launch(#[source] LaunchError),
    #[error("sandbox `{name}` is not ready")]
    NotReady { name: String, reason: Option<String> },
    #[error("snapshot `{name}` is {status}")]
    SnapshotNotReady { name: String, status: &'static str },
    #[error("sandbox `{name}` was not ready within {seconds} seconds")]
    StartTimedOut { name: String, seconds: u64 },
    #[error("the sandbox could not be created")]
    Creation(#[source] LaunchError),
    #[error("invalid request: {0}")]
    InvalidRequest(String),
    #[error("`{0}` is not implemented")]
    NotImplemented(&'static str),
    /// Something of the API that cannot be on this server, in words for who asked.
    #[error("not available: {0}")]
    CannotBeHere(&'static str),
    #[error("conflict: {0}")]
    Conflict(String),
    #[error("forbidden: {0}")]
    Forbidden(String),
    #[error("unavailable: {0}")]
    Unavailable(String),
    #[error("`{}` is invalid: {message}", at.join("."))]
    Invalid { at: Vec<String>, message: String },
    #[error("operation `{operation}` needs a process, and the runtime `{runtime}` starts none")]
    NoProcess { operation: &'static str, runtime: &'static str },
    #[error("the store failed")]
    Store(#[source] store::Error),
}

impl Error {
    /// Makes the refusal of a field of the body.
    pub(super) fn invalid(field: &str, message: impl Into<String>) -> Self {
        Self::Invalid { at: vec![field.to_owned()], message: message.into() }
    }
}

/// Who uses an object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Users {
    pub(crate) templates: Vec<Name>,
    pub(crate) sandboxes: Vec<Name>,
    pub(crate) pools: Vec<Name>,
}

impl Users {
    /// Returns whether nobody does.
    pub(crate) fn is_empty(&self) -> bool {
        self.templates.is_empty() && self.sandboxes.is_empty() && self.pools.is_empty()
    }
}

/// What a quota limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Quota {
    Sandboxes,
    Volumes,
    Cpu,
    Memory,
    Storage,
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        Self::Store(error)
    }
}
