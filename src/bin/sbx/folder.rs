//! A folder of manifests that is written: files that are somebody's already are left alone, unless they may go.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::commands::schema;
use crate::failure::Failure;
use crate::project::write_new;
use crate::ui::{Ui, escape, output};

/// The schema's file: hidden, so that it is not taken for a manifest.
const SCHEMA: &str = ".schema.json";

/// A file that is going to be written.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct File {
    /// Where, below the folder.
    pub(crate) path: PathBuf,
    /// What is in it.
    pub(crate) text: String,
}

/// Where files are written, and whether they may take the place of others.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Folder<'a> {
    /// The folder, which is made if it is not there.
    pub(crate) path: &'a Path,
    /// Whether files that are there may be replaced.
    pub(crate) force: bool,
}

impl File {
    /// Makes a file of manifests, whose first line tells editors where the schema is.
    pub(crate) fn manifest(path: PathBuf, manifests: &str) -> Self {
        let up = path.parent().map_or(0, |parent| parent.components().count());
        let schema = "../".repeat(up) + SCHEMA;
        Self { path, text: format!("# yaml-language-server: $schema={schema}\n{manifests}") }
    }
}

impl Folder<'_> {
    /// Writes all files, with the schema for editors, or none if one is there that may not be replaced.
    ///
    /// # Errors
    ///
    /// [`Failure::WouldOverwrite`] and [`Failure::File`].
    pub(crate) fn write(self, files: &[File], ui: &mut Ui) -> Result<(), Failure> {
        let paths = files.iter().map(|file| self.path.join(&file.path));
        let there: Vec<_> = paths.filter(|path| path.exists()).collect();
        if !self.force && !there.is_empty() {
            return Err(Failure::WouldOverwrite { files: there });
        }
        fs::create_dir_all(self.path).map_err(|source| failed(self.path, source))?;
        for File { path, text } in files {
            let path = self.path.join(path);
            self.write_one(&path, text)?;
            ui.line(&format!("wrote {}", escape(&path.display().to_string())));
        }
        self.write_schema()
    }

    fn write_one(self, path: &Path, text: &str) -> Result<(), Failure> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(|source| failed(folder, source))?;
        }
        if self.force {
            return output::write(path, text);
        }
        // Somebody may have written it since it was looked for.
        write_new(path, text).map_err(|source| failed(path, source))
    }

    /// Writes the schema, which is nobody's work: one that is there serves as well.
    fn write_schema(self) -> Result<(), Failure> {
        let path = self.path.join(SCHEMA);
        let text = schema::text() + "\n";
        if self.force {
            return output::write(&path, &text);
        }
        match write_new(&path, &text) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(failed(&path, error)),
            Ok(()) | Err(_) => Ok(()),
        }
    }
}

fn failed(path: &Path, source: io::Error) -> Failure {
    Failure::File { action: "write", path: path.to_owned(), source }
}
