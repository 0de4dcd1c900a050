//! How a server is set up.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::clock::{Clock, SystemClock};
use super::runtime::{NoRuntime, Runtime};
use crate::types::Secret;

/// How a server is set up.
///
/// The defaults make a server on a free port of the loopback address, with its data in memory and no runtime.
#[derive(Clone)]
pub struct Options {
    pub(crate) listen: SocketAddr,
    pub(crate) data_dir: Option<PathBuf>,
    pub(crate) lock_wait: Duration,
    pub(crate) api_key: Option<Secret>,
    pub(crate) admin: bool,
    pub(crate) public_url: Option<String>,
    pub(crate) limits: Limits,
    pub(crate) runtime: Arc<dyn Runtime>,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Options {
    /// Returns the defaults.
    pub fn new() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            data_dir: None,
            lock_wait: Duration::from_secs(5),
            api_key: None,
            admin: false,
            public_url: None,
            limits: Limits::default(),
            runtime: Arc::new(NoRuntime),
            clock: Arc::new(SystemClock),
        }
    }

    /// Sets the address to listen on; port 0 takes a free one. Any other address than loopback needs an API key.
    #[must_use]
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.listen = address;
        self
    }

    /// Keeps the data in this folder, which is made when it is not there. Without one, the data is in memory.
    #[must_use]
    pub fn data_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.data_dir = Some(dir.into());
        self
    }

    /// Sets how long to wait for another process to give the data folder up; 5 seconds by default.
    #[must_use]
    pub fn lock_wait(mut self, wait: Duration) -> Self {
        self.lock_wait = wait;
        self
    }

    /// Asks every request for this key. Without one, any key and none will do.
    #[must_use]
    pub fn api_key(mut self, key: Secret) -> Self {
        self.api_key = Some(key);
        self
    }

    /// Serves `/_sbx/*` on any address. By default it is there on loopback only.
    #[must_use]
    pub fn admin(mut self, admin: bool) -> Self {
        self.admin = admin;
        self
    }

    /// Sets the URL under which clients reach the server, if that is not the address it listens on.
    #[must_use]
    pub fn public_url(mut self, url: impl Into<String>) -> Self {
        self.public_url = Some(url.into());
        self
    }

    /// Sets the quotas of the workspace and the largest object; none by default.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Sets what runs the sandboxes; [`NoRuntime`] by default.
    #[must_use]
    pub fn runtime(mut self, runtime: Arc<dyn Runtime>) -> Self {
        self.runtime = runtime;
        self
    }

    /// Sets where the time comes from; [`SystemClock`] by default.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }
}

impl Default for Options {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("listen", &self.listen)
            .field("data_dir", &self.data_dir)
            .field("api_key", &self.api_key)
            .field("admin", &self.admin)
            .field("runtime", &self.runtime.name())
            .finish_non_exhaustive()
    }
}

/// Quotas of the workspace, and the largest object that it takes. 0 is "unlimited", and the default of all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Limits {
    /// How many sandboxes, replicas of pools included.
    pub sandboxes: u64,
    /// How many volumes.
    pub volumes: u64,
    /// How much CPU all sandboxes may have together, in thousandths of a core.
    pub cpu_millicores: u64,
    /// How much memory all sandboxes may have together, in bytes.
    pub memory_bytes: u64,
    /// How much storage volumes and sandboxes may have together, in bytes.
    pub storage_bytes: u64,
    /// How much CPU one sandbox may have, in thousandths of a core.
    pub max_cpu_millicores: u64,
    /// How much memory one sandbox may have, in bytes.
    pub max_memory_bytes: u64,
    /// How much ephemeral storage one sandbox may have, in bytes.
    pub max_storage_bytes: u64,
    /// How large one volume may be, in bytes.
    pub max_volume_bytes: u64,
}

impl Limits {
    /// Returns whether there is any quota of the workspace.
    pub(crate) fn any_quota(&self) -> bool {
        [self.sandboxes, self.volumes, self.cpu_millicores, self.memory_bytes, self.storage_bytes]
            .iter()
            .any(|&limit| limit > 0)
    }
}
