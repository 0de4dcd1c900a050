//! Searches of a sandbox's files (contract section 6 of the second generation).

use serde::{Deserialize, Serialize};

use super::null_as_default;
use crate::types::Timestamp;

/// The body of `POST /glob`, below the sandbox's own URL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Glob {
    /// What paths below the folder have to match: `**` for any number of names, `*`, `?` and `[…]` within one.
    pub pattern: String,
    /// The folder.
    pub path: String,
    /// How many matches to return at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
}

/// The body of `POST /grep`, below the sandbox's own URL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grep {
    /// The text that a line has to hold, as it stands here.
    pub pattern: String,
    /// The folder.
    pub path: String,
    /// What the files have to match: by their names where it has neither `/` nor `**`, or else by their paths below the
    /// folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub glob: Option<String>,
    /// How many matches to return at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
}

/// The answer of `POST /glob`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GlobResult {
    /// The files and folders that match.
    #[serde(default, deserialize_with = "null_as_default")]
    pub matches: Vec<FileInfo>,
    /// Whether there may be more.
    #[serde(default, deserialize_with = "null_as_default")]
    pub truncated: bool,
}

/// A file or a folder.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileInfo {
    /// Its absolute path.
    #[serde(default, deserialize_with = "null_as_default")]
    pub path: String,
    /// Whether it is a folder.
    #[serde(default, deserialize_with = "null_as_default")]
    pub is_dir: bool,
    /// How many bytes it has.
    #[serde(default, deserialize_with = "null_as_default")]
    pub size_bytes: u64,
    /// When it was last written to.
    #[serde(default)]
    pub modified_at: Option<Timestamp>,
}

/// The answer of `POST /grep`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrepResult {
    /// The lines that match.
    #[serde(default, deserialize_with = "null_as_default")]
    pub matches: Vec<GrepMatch>,
    /// Whether there may be more.
    #[serde(default, deserialize_with = "null_as_default")]
    pub truncated: bool,
}

/// A line of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrepMatch {
    /// The absolute path of the file.
    #[serde(default, deserialize_with = "null_as_default")]
    pub path: String,
    /// The number of the line, from 1.
    #[serde(default, deserialize_with = "null_as_default")]
    pub line: u64,
    /// What the line holds.
    #[serde(default, deserialize_with = "null_as_default")]
    pub text: String,
}
