//! Texts as files of one folder.
//!
//! A write compares and renames while it holds the operating system's lock on the folder itself, so that no file is left
//! over for it; readers take no lock, since a rename shows them the old text or the new one.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::Error;
use super::shelf::{Blob, Put, Version};

#[derive(Debug, Clone)]
pub(super) struct Folder {
    path: Arc<Path>,
}

impl Folder {
    pub(super) fn new(path: &Path) -> Self {
        // A bare file name has an empty parent, which no call takes.
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        Self { path: path.into() }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        if &*self.path == Path::new(".") { PathBuf::from(name) } else { self.path.join(name) }
    }

    pub(super) async fn get(&self, name: &str) -> Result<Option<Blob>, Error> {
        let path = self.path(name);
        let text = blocking({
            let path = path.clone();
            move || read(&path)
        })
        .await
        .map_err(|error| Error::store("read", &path.display().to_string(), error))?;
        Ok(text.map(|text| Blob { version: Version::Text(Arc::clone(&text)), text }))
    }

    pub(super) async fn put(&self, name: &str, text: Arc<str>, basis: Option<Version>) -> Result<Put, Error> {
        let (folder, path) = (Arc::clone(&self.path), self.path(name));
        let place = path.display().to_string();
        let written = blocking({
            let text = Arc::clone(&text);
            move || write_if(&folder, &path, &text, basis.as_ref())
        })
        .await
        .map_err(|error| Error::store("write", &place, error))?;
        Ok(if written { Put::Written(Version::Text(text)) } else { Put::Changed })
    }

    /// Removes a file that still has this version. One that has another one stays; one that is gone is gone.
    pub(super) async fn remove(&self, name: &str, version: Option<Version>) -> Result<(), Error> {
        let (folder, path) = (Arc::clone(&self.path), self.path(name));
        let place = path.display().to_string();
        blocking(move || remove_if(&folder, &path, version.as_ref()))
            .await
            .map_err(|error| Error::store("remove", &place, error))
    }

    pub(super) async fn list(&self) -> Result<Vec<String>, Error> {
        let folder = Arc::clone(&self.path);
        let names = blocking(move || names(&folder)).await;
        names.map_err(|error| Error::store("list", &self.path.display().to_string(), error))
    }

    /// Opens a new file to append to, with nothing in it but this line. Who has the old one open writes on into that, where
    /// nobody reads it.
    pub(super) fn begin_file(&self, name: &str, first_line: &str) -> io::Result<File> {
        let path = self.path(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let mut file = File::create_new(&path)?;
        file.write_all(first_line.as_bytes())?;
        file.write_all(b"\n")?;
        Ok(file)
    }
}

/// Runs file operations where they hold up nobody: a folder's lock may have to be waited for.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(io::Error::other(error)),
    }
}

fn read(path: &Path) -> io::Result<Option<Arc<str>>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text.into())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn write_if(folder: &Path, path: &Path, text: &str, basis: Option<&Version>) -> io::Result<bool> {
    fs::create_dir_all(folder)?;
    let guard = File::open(folder)?;
    guard.lock()?;
    if !is_still(path, basis)? {
        return Ok(false);
    }
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let beside = path.with_file_name(name);
    let mut file = File::create(&beside)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    // The rename itself lasts once the folder is on the disk.
    guard.sync_all()?;
    Ok(true)
}

fn remove_if(folder: &Path, path: &Path, version: Option<&Version>) -> io::Result<()> {
    let guard = match File::open(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        opened => opened?,
    };
    guard.lock()?;
    if version.is_some() && !is_still(path, version)? {
        return Ok(());
    }
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn is_still(path: &Path, basis: Option<&Version>) -> io::Result<bool> {
    Ok(read(path)?.map(Version::Text).as_ref() == basis)
}

fn names(folder: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry?.file_name().into_string().unwrap_or_default();
        if name.strip_suffix(".json").is_some_and(|stem| !stem.is_empty()) {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}
