//! What can go wrong, as a tree.

use std::fmt;

/// What went wrong in a call.
///
/// The kinds form a tree like the exceptions of the official SDK, and [`Kind::is_a`] follows it:
///
/// ```text
/// Client                  also: a status that has no kind of its own
/// ├─ Api                  500
/// │  └─ WrongGeneration   404 on a list, or from a server that has no such path
/// ├─ Authentication       401, 403
/// ├─ Connection           also: a WebSocket that was lost
/// ├─ NotFound
/// ├─ Timeout
/// ├─ InUse
/// ├─ AlreadyExists
/// ├─ NameConflict
/// ├─ Validation
/// ├─ QuotaExceeded
/// │  └─ RateLimited
/// ├─ Creation
/// ├─ NoDataPlane
/// ├─ NotReady
/// ├─ Operation
/// │  └─ CommandTimeout
/// └─ Tunnel
///    ├─ PortNotAllowed
///    ├─ PortRefused
///    └─ TunnelVersion
/// ```
///
/// The rest stands outside the tree: failures that the SDK lets through untyped.
///
/// ```
/// use sbx::client::Kind;
///
/// assert!(Kind::RateLimited.is_a(Kind::QuotaExceeded));
/// assert!(Kind::RateLimited.is_a(Kind::Client));
/// assert!(!Kind::InvalidArgument.is_a(Kind::Client));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// The server answered with a status that has no kind of its own.
    Client,
    /// The server failed.
    Api,
    /// The server does not have this generation of the API.
    WrongGeneration,
    /// The server does not know the API key, or does not allow this with it.
    Authentication,
    /// No connection could be made, with all attempts.
    Connection,
    /// The object, or one that it refers to, does not exist.
    NotFound,
    /// The server gave up waiting for the object to become ready, or the client did.
    Timeout,
    /// The object cannot be deleted because others use it.
    InUse,
    /// An object of this name exists, and is not what was to be created.
    AlreadyExists,
    /// The new name is taken.
    NameConflict,
    /// The server refuses a value.
    Validation,
    /// The workspace has no room for this.
    QuotaExceeded,
    /// There were too many requests, and there still were after the last attempt.
    RateLimited,
    /// The object could not be brought up.
    Creation,
    /// The sandbox has no URL for commands, files and tunnels.
    NoDataPlane,
    /// The sandbox is not ready, as far as is known here or to the server.
    NotReady,
    /// A command, or reading or writing a file, failed; [`Error::error_type`](super::Error::error_type) says how.
    Operation,
    /// The command was killed because its time was up.
    CommandTimeout,
    /// A tunnel could not carry a connection.
    Tunnel,
    /// The server allows no tunnel to the port.
    PortNotAllowed,
    /// Nothing listens on the port inside the sandbox.
    PortRefused,
    /// The server does not speak this version of the tunnel.
    TunnelVersion,
    /// The call's own argument is wrong; nothing was sent.
    InvalidArgument,
    /// The answer of a call that succeeded is not as the API documents it.
    InvalidBody,
    /// An attempt was not answered within its time limit.
    TransportTimeout,
    /// The connection was lost before the answer was complete.
    Transport,
    /// The deadline of the call has passed.
    DeadlineExceeded,
    /// Something on this side failed: what a file was to be read from or written to, or a port to listen on.
    Local,
}

impl Kind {
    /// Returns whether this is `other`, or stands below it in the tree.
    pub fn is_a(self, other: Self) -> bool {
        self == other || self.parent().is_some_and(|parent| parent.is_a(other))
    }

    fn parent(self) -> Option<Self> {
        match self {
            Self::Client
            | Self::InvalidArgument
            | Self::InvalidBody
            | Self::TransportTimeout
            | Self::Transport
            | Self::DeadlineExceeded
            | Self::Local => None,
            Self::WrongGeneration => Some(Self::Api),
            Self::RateLimited => Some(Self::QuotaExceeded),
            Self::CommandTimeout => Some(Self::Operation),
            Self::PortNotAllowed | Self::PortRefused | Self::TunnelVersion => Some(Self::Tunnel),
            Self::Api
            | Self::Authentication
            | Self::Connection
            | Self::NotFound
            | Self::Timeout
            | Self::InUse
            | Self::AlreadyExists
            | Self::NameConflict
            | Self::Validation
            | Self::QuotaExceeded
            | Self::Creation
            | Self::NoDataPlane
            | Self::NotReady
            | Self::Operation
            | Self::Tunnel => Some(Self::Client),
        }
    }
}

/// A kind of object that an error is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Resource {
    /// A volume.
    Volume,
    /// A template.
    Template,
    /// A pool.
    Pool,
    /// A sandbox.
    Sandbox,
    /// A registry.
    Registry,
    /// A snapshot.
    Snapshot,
    /// A file in a sandbox.
    File,
}

impl Resource {
    /// Returns the word for one of it, in lower case.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Volume => "volume",
            Self::Template => "template",
            Self::Pool => "pool",
            Self::Sandbox => "sandbox",
            Self::Registry => "registry",
            Self::Snapshot => "snapshot",
            Self::File => "file",
        }
    }

    /// Returns the word for several of it.
    pub(in crate::client) fn plural(self) -> &'static str {
        match self {
            Self::Volume => "volumes",
            Self::Template => "templates",
            Self::Pool => "pools",
            Self::Sandbox => "sandboxes",
            Self::Registry => "registries",
            Self::Snapshot => "snapshots",
            Self::File => "files",
        }
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Which quota a 429 speaks of (contract section 3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum QuotaType {
    /// The number of sandboxes.
    SandboxCount,
    /// CPU.
    Cpu,
    /// Memory.
    Memory,
    /// The number of volumes.
    VolumeCount,
    /// Storage.
    Storage,
}

impl QuotaType {
    /// Reads the quota from the message of a 429. The words and their order are the official SDK's.
    pub(in crate::client) fn from_message(message: &str) -> Option<Self> {
        let message = message.to_lowercase();
        let has = |word: &str| message.contains(word);
        let counts = has("count") || has("limit");
        if has("sandbox") && counts {
            Some(Self::SandboxCount)
        } else if has("cpu") {
            Some(Self::Cpu)
        } else if has("memory") {
            Some(Self::Memory)
        } else if has("volume") && counts {
            Some(Self::VolumeCount)
        } else if has("storage") {
            Some(Self::Storage)
        } else {
            None
        }
    }

    /// Returns the name that the official SDK gives it, such as `sandbox_count`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SandboxCount => "sandbox_count",
            Self::Cpu => "cpu",
            Self::Memory => "memory",
            Self::VolumeCount => "volume_count",
            Self::Storage => "storage",
        }
    }
}

impl fmt::Display for QuotaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_match_names_the_quota() {
        let cases = [
            ("Limit of 10 sandbox(es) per organization exceeded", Some(QuotaType::SandboxCount)),
            ("Sandbox CPU limit", Some(QuotaType::SandboxCount)),
            ("CPU quota exceeded: 4 of 4 cores", Some(QuotaType::Cpu)),
            ("memory quota exceeded", Some(QuotaType::Memory)),
            ("volume storage limit", Some(QuotaType::VolumeCount)),
            ("Storage quota exceeded", Some(QuotaType::Storage)),
            ("Too many requests", None),
        ];
        for (message, expected) in cases {
            assert_eq!(QuotaType::from_message(message), expected, "{message}");
        }
    }

    #[test]
    fn the_tree() {
        assert!(Kind::WrongGeneration.is_a(Kind::Api) && Kind::WrongGeneration.is_a(Kind::Client));
        assert!(Kind::NotFound.is_a(Kind::NotFound) && !Kind::Client.is_a(Kind::NotFound));
        for outside in [Kind::InvalidBody, Kind::TransportTimeout, Kind::Transport, Kind::DeadlineExceeded] {
            assert!(!outside.is_a(Kind::Client), "{outside:?}");
        }
    }
}
