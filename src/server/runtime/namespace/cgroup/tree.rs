//! The file system through which the kernel shows control groups.

use std::fmt::Debug;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// What is done with control groups. In tests it is a double that refuses what the kernel would.
pub(super) trait Tree: Debug + Send + Sync {
    fn make(&self, folder: &Path) -> io::Result<()>;
    fn read(&self, file: &Path) -> io::Result<String>;
    fn write(&self, file: &Path, text: &str) -> io::Result<()>;
    /// Removes a group that nobody is in.
    fn remove(&self, folder: &Path) -> io::Result<()>;
    fn children(&self, folder: &Path) -> io::Result<Vec<PathBuf>>;
}

/// The machine's own.
#[derive(Debug)]
pub(super) struct Kernel;

impl Tree for Kernel {
    fn make(&self, folder: &Path) -> io::Result<()> {
        fs::create_dir(folder)
    }

    fn read(&self, file: &Path) -> io::Result<String> {
        fs::read_to_string(file)
    }

    fn write(&self, file: &Path, text: &str) -> io::Result<()> {
        fs::write(file, text)
    }

    fn remove(&self, folder: &Path) -> io::Result<()> {
        // The files in it are not real, and go with it.
        fs::remove_dir(folder)
    }

    fn children(&self, folder: &Path) -> io::Result<Vec<PathBuf>> {
        let mut folders = Vec::new();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            }
        }
        Ok(folders)
    }
}
