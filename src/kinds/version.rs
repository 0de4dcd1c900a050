//! The versions of manifests, one for each generation of the API.

use std::fmt;

use super::kind::KindId;

/// A version of manifests: the `apiVersion` of one.
///
/// A kind belongs to one version. Two versions may have kinds of the same name, whose fields mean other things, and which
/// are never taken for one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ApiVersion {
    /// Of the first generation: templates, pools, volumes, and the sandboxes made from those.
    V1,
    /// Of the second generation: registries, snapshots, and the sandboxes made from those.
    V2,
}

impl ApiVersion {
    /// Every version, oldest first.
    pub const ALL: [Self; 2] = [Self::V1, Self::V2];

    /// Returns the version as manifests write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V1 => "sbx/v1",
            Self::V2 => "sbx/v2",
        }
    }

    /// Returns the version as it stands behind the name of a kind, as in `sandbox.v2`.
    pub fn suffix(self) -> &'static str {
        match self {
            Self::V1 => "v1",
            Self::V2 => "v2",
        }
    }

    /// Returns the version that a manifest calls `text`, if there are kinds of it.
    pub fn parse(text: &str) -> Option<Self> {
        Self::with_kinds().find(|version| version.as_str() == text)
    }

    /// Returns the versions that there are kinds of.
    pub fn with_kinds() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|version| super::all().any(|kind| kind.info().api_version == *version))
    }
}

impl fmt::Display for ApiVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl KindId {
    /// Returns the kind as records and JSON documents name it: `Pool` for one of the first version, `Sandbox.v2` for one of a
    /// later version.
    ///
    /// One word, so that whoever does not know the kind cannot take it for another one of that name.
    pub fn recorded_as(self) -> String {
        let info = self.info();
        match info.api_version {
            ApiVersion::V1 => info.kind.to_owned(),
            version => format!("{}.{}", info.kind, version.suffix()),
        }
    }

    /// Returns the kind that [`KindId::recorded_as`] wrote.
    pub fn from_record(word: &str) -> Option<Self> {
        super::all().find(|kind| kind.recorded_as() == word)
    }
}
