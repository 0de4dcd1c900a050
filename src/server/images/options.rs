//! What images a server may use, and where it gets them.

use std::path::PathBuf;

/// What images a server may use, and where it gets them.
#[derive(Debug, Clone)]
pub struct ImageOptions {
    pub(super) fallback: Fallback,
    pub(super) host_paths: HostPaths,
    pub(super) registry: String,
    pub(super) insecure_registries: Vec<String>,
    pub(super) auth_file: Option<PathBuf>,
    pub(super) limits: Limits,
}

/// What stands in for images of registries.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Fallback {
    /// Nothing: they are pulled, or the sandbox fails.
    #[default]
    None,
    /// The host's own files: no registry is asked for anything.
    Host,
}

/// Which of the host's files images may be made from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum HostPaths {
    /// None.
    #[default]
    Nowhere,
    /// Those below this folder.
    Under(PathBuf),
    /// Any, and the host's system directories: for a server that only this machine reaches.
    Anywhere,
}

/// How much one layer may hold; more is refused as an attack or a mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How many bytes, unpacked; 32 GiB by default, three times the largest layers that are in common use.
    pub layer_bytes: u64,
    /// How many files, folders and links; 2 million by default.
    pub layer_entries: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { layer_bytes: 32 << 30, layer_entries: 2_000_000 }
    }
}

impl ImageOptions {
    /// Returns the defaults: what registries have, none of the host's files.
    pub fn new() -> Self {
        Self {
            fallback: Fallback::default(),
            host_paths: HostPaths::default(),
            registry: DOCKER_HUB.to_owned(),
            insecure_registries: Vec::new(),
            auth_file: None,
            limits: Limits::default(),
        }
    }

    /// Sets what stands in for images of registries; nothing by default.
    #[must_use]
    pub fn fallback(mut self, fallback: Fallback) -> Self {
        self.fallback = fallback;
        self
    }

    /// Sets which of the host's files images may be made from; none by default.
    #[must_use]
    pub fn host_paths(mut self, paths: HostPaths) -> Self {
        self.host_paths = paths;
        self
    }

    /// Sets the registry of references that name none, such as `python:3.12`; `docker.io` by default. A path may follow
    /// the host.
    #[must_use]
    pub fn registry(mut self, registry: impl Into<String>) -> Self {
        self.registry = registry.into();
        self
    }

    /// Asks these registries, each a host with its port, over plain HTTP. Whoever is between can change what they send.
    #[must_use]
    pub fn insecure_registries(mut self, registries: Vec<String>) -> Self {
        self.insecure_registries = registries;
        self
    }

    /// Reads passwords of registries from this file, which has the form of Docker's `config.json`.
    #[must_use]
    pub fn auth_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.auth_file = Some(path.into());
        self
    }

    /// Sets how much one layer may hold.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Says where the files of sandboxes come from.
    pub(in crate::server) fn notice(&self) -> String {
        match self.fallback {
            Fallback::Host => "templates run on this machine's own files: no image is pulled".to_owned(),
            Fallback::None => format!("images are pulled, by default from {}", self.registry),
        }
    }
}

impl Default for ImageOptions {
    fn default() -> Self {
        Self::new()
    }
}

/// The registry that references mean which name none.
pub(super) const DOCKER_HUB: &str = "docker.io";
