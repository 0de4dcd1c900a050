//! A target: one workspace that manifests are meant for, with all that its name stands for.

use std::path::PathBuf;

use sbx::reconcile::plan::OnDrift;
use sbx::types::{Name, Selector};

/// One workspace that manifests are meant for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Target {
    /// Its name.
    pub(crate) name: Name,
    /// Where its server is.
    pub(crate) place: Place,
    /// The manifests: files and folders, by absolute paths.
    pub(crate) manifests: Vec<PathBuf>,
    /// What it changes in them, in this order: files and folders, by absolute paths.
    pub(crate) patches: Vec<PathBuf>,
    /// Where its inventory is: a URL, or an absolute path.
    pub(crate) inventory: Option<String>,
    /// Whether what is owned and no longer declared is removed.
    pub(crate) prune: bool,
    /// Which objects are meant at all.
    pub(crate) selector: Selector,
    /// What happens to what somebody changed behind the manifests' back.
    pub(crate) on_drift: OnDrift,
}

/// Where the server of a target is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// Built into this program.
    Local,
    /// Where a context says.
    Context(Name),
    /// The target does not say: the environment does, or the current context.
    Unsaid,
}
