//! What snapshots are built from, and what comes of it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

use crate::types::Secret;

/// An image that a snapshot is built from.
#[derive(Debug, Clone)]
pub struct BuildImage {
    /// The reference, as the snapshot has it.
    pub reference: String,
    /// The registry that it is in, if the snapshot names one.
    pub registry: Option<BuildRegistry>,
}

/// A registry, and who we are to it.
#[derive(Debug, Clone)]
pub struct BuildRegistry {
    /// Its host, maybe with a scheme before it and a path behind it: where references lead that name no host.
    pub url: String,
    /// The name and the password, if it has any.
    pub login: Option<(String, Secret)>,
}

/// What was built.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Built {
    /// What the runtime finds the files by. `None` where it keeps none: then a sandbox is launched from the image, when
    /// it starts.
    pub files: Option<SnapshotFiles>,
    /// The digest of the image.
    pub digest: Option<String>,
    /// How many bytes the files take.
    pub used_bytes: Option<u64>,
    /// How the image wants its commands run.
    pub config: ImageConfig,
}

/// The files of a snapshot, by names that mean something to the runtime that built it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotFiles {
    /// Whether the machine's own system directories lie below everything.
    pub on_host: bool,
    /// Its layers, lowest first.
    pub layers: Vec<String>,
}

/// How an image wants its commands run, and what it says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImageConfig {
    /// Their environment.
    pub env: BTreeMap<String, String>,
    /// Where they start, as an absolute path.
    pub workdir: Option<String>,
    /// Whom they run as, in any form of a Dockerfile's `USER`.
    pub user: Option<String>,
    /// The image's labels.
    pub labels: BTreeMap<String, String>,
}

/// Returns the digest of a reference, for runtimes that have nothing else to compute one of.
pub(super) fn digest_of(reference: &str) -> String {
    let mut text = "sha256:".to_owned();
    for byte in digest(&SHA256, reference.as_bytes()).as_ref() {
        write!(text, "{byte:02x}").expect("a string takes everything");
    }
    text
}
