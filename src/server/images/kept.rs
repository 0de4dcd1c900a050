//! What was pulled before: which configuration a name stood for, so that an image is there without its registry.

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::digest::Digest;
use super::error::ImageError;
use super::manifest::Config;
use super::registry::Name;

/// The folder with what names stood for.
#[derive(Debug)]
pub(super) struct Kept {
    folder: PathBuf,
}

#[derive(Debug, Serialize, Deserialize)]
struct Record {
    reference: String,
    /// The configuration, as the registry sent it.
    config: String,
}

impl Kept {
    /// Opens the folder.
    pub(super) fn open(dir: &Path) -> Result<Self, ImageError> {
        let folder = dir.join("names");
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder);
        made.map_err(|source| ImageError::File { action: "make the folder", path: folder.clone(), source })?;
        Ok(Self { folder })
    }

    /// Remembers an image whose layers are all there. `draft` is a path for a file on its way.
    pub(super) fn keep(&self, name: &Name, config: &[u8], draft: &Path) -> Result<(), ImageError> {
        let record = Record { reference: name.to_string(), config: String::from_utf8_lossy(config).into_owned() };
        let text = serde_json::to_vec(&record).expect("a record is plain data");
        let path = self.path(name);
        let written = fs::write(draft, text).and_then(|()| fs::rename(draft, &path));
        written.map_err(|source| ImageError::File { action: "write", path, source })
    }

    /// Returns what a name stood for when it was last pulled.
    pub(super) fn find(&self, name: &Name) -> Option<Config> {
        let text: io::Result<Vec<u8>> = fs::read(self.path(name));
        let record: Record = serde_json::from_slice(&text.ok()?).ok()?;
        Config::read("the image's configuration", record.config.as_bytes()).ok()
    }

    fn path(&self, name: &Name) -> PathBuf {
        self.folder.join(Digest::of(name.to_string().as_bytes()).hex())
    }
}
