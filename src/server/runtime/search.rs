//! Searching the files of a sandbox.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Glob;
use crate::types::Timestamp;

/// A search for files and folders by their paths.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct EntrySearch {
    /// Where, and how much.
    pub scope: SearchScope,
    /// What the path below the folder has to match.
    pub pattern: Glob,
}

/// A search for lines of files.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LineSearch {
    /// Where, and how much.
    pub scope: SearchScope,
    /// What a line has to hold, as it stands here.
    pub text: String,
    /// What the path of a file below the folder has to match; any does when `None`.
    pub files: Option<Glob>,
}

/// Where to search, and how much of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SearchScope {
    /// The absolute path of the folder.
    pub folder: String,
    /// How many matches to return at most.
    pub limit: usize,
    /// How long to search at most.
    pub time: Duration,
}

/// What a search came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found<T> {
    /// What matches, folder by folder, in the order of names.
    pub matches: Vec<T>,
    /// Whether the search was ended before it was through.
    pub is_truncated: bool,
}

/// A file or a folder that was found. A link is what it leads to, if it leads anywhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its absolute path.
    pub path: String,
    /// Whether it is a folder.
    pub is_folder: bool,
    /// How many bytes it has.
    pub size: u64,
    /// When it was last written to.
    pub modified: Option<Timestamp>,
}

/// A line that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// The absolute path of its file.
    pub path: String,
    /// Its number, from 1.
    pub number: u64,
    /// What it holds, without its end; a long one is cut.
    pub text: String,
}
