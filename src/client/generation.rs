//! Which generations of the API a server speaks.

use std::fmt;

/// A generation of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Generation {
    /// Volumes, templates, pools, and the sandboxes made from templates.
    First,
    /// Registries, snapshots, and the sandboxes made from snapshots.
    Second,
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::First => "first",
            Self::Second => "second",
        })
    }
}
