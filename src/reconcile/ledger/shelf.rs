//! Where texts are kept under names, and are written only if nobody else wrote them since they were read.

use std::sync::Arc;

use object_store::UpdateVersion;

use super::error::Error;
use super::folder::Folder;
use super::objects::Objects;

/// A folder, or a prefix of an object store.
#[derive(Debug, Clone)]
pub(super) enum Shelf {
    Folder(Folder),
    Objects(Objects),
}

/// What was read.
#[derive(Debug, Clone)]
pub(super) struct Blob {
    pub(super) text: Arc<str>,
    pub(super) version: Version,
}

/// What tells one state of a text from the next.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Version {
    /// The text itself. Comparing all of it is cheap beside writing it, and has no ties.
    Text(Arc<str>),
    /// What the object store says.
    Object(UpdateVersion),
}

/// How a conditional write ended.
#[derive(Debug)]
pub(super) enum Put {
    Written(Version),
    /// Somebody else wrote it since it was read, and nothing was changed.
    Changed,
}

impl Shelf {
    /// Reads a text.
    pub(super) async fn get(&self, name: &str) -> Result<Option<Blob>, Error> {
        match self {
            Self::Folder(folder) => folder.get(name).await,
            Self::Objects(objects) => objects.get(name).await,
        }
    }

    /// Writes a text that still has this version; `None` for one that must not be there yet.
    pub(super) async fn put(&self, name: &str, text: Arc<str>, basis: Option<Version>) -> Result<Put, Error> {
        match self {
            Self::Folder(folder) => folder.put(name, text, basis).await,
            Self::Objects(objects) => objects.put(name, text, basis).await,
        }
    }

    /// Lists the names of texts that end with `.json`.
    pub(super) async fn list(&self) -> Result<Vec<String>, Error> {
        match self {
            Self::Folder(folder) => folder.list().await,
            Self::Objects(objects) => objects.list().await,
        }
    }

    /// Returns the place of a text, as messages name it.
    pub(super) fn place(&self, name: &str) -> String {
        match self {
            Self::Folder(folder) => folder.path(name).display().to_string(),
            Self::Objects(objects) => objects.place(name),
        }
    }

    pub(super) fn as_folder(&self) -> Option<&Folder> {
        match self {
            Self::Folder(folder) => Some(folder),
            Self::Objects(_) => None,
        }
    }
}
