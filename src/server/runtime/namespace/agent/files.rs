//! Reading and writing files, with the sandbox's own view of paths and its own rights.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// Opens a file to be sent, and returns its size and when it was last written to, in microseconds since 1970.
pub(super) fn open(path: &Path) -> io::Result<(File, u64, Option<i64>)> {
    // A pipe that nobody writes to must not hold this process up.
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path)?;
    let status = file.metadata()?;
    if status.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    if !status.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    let modified = status.mtime().checked_mul(1_000_000).and_then(|time| time.checked_add(status.mtime_nsec() / 1000));
    Ok((file, status.len(), modified))
}

/// Sends a file until its end or until nobody takes it.
pub(super) fn send(mut file: File, to: OwnedFd) {
    // Who reads sees by the number of bytes that some are missing.
    let _ = io::copy(&mut file, &mut File::from(to));
}

/// Fills a file, under another name until all of it is there; returns its size.
///
/// `complete` gives a byte when `content` is over and nothing is missing. If it ends without, the file stays as it was.
pub(super) fn receive(path: &Path, content: OwnedFd, complete: OwnedFd, id: u64) -> io::Result<u64> {
    let path = follow(path)?;
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let parent = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    if path.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    fs::create_dir_all(parent)?;
    let draft = parent.join(format!(".{}.{id}.part", short(&name.to_string_lossy())));
    let result = fill(&draft, content, complete).and_then(|size| {
        // Whoever may run a file still may after it was written again.
        if let Ok(before) = fs::metadata(&path) {
            fs::set_permissions(&draft, before.permissions())?;
        }
        fs::rename(&draft, &path)?;
        Ok(size)
    });
    if result.is_err() {
        let _ = fs::remove_file(&draft);
    }
    result
}

/// Returns what a link points to, so that the link stays.
fn follow(path: &Path) -> io::Result<PathBuf> {
    match fs::canonicalize(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(path.to_owned()),
        result => result,
    }
}

/// Cuts a name, so that more can be put around it: names have at most 255 bytes.
fn short(name: &str) -> String {
    name.chars().take(32).collect()
}

fn fill(draft: &Path, content: OwnedFd, complete: OwnedFd) -> io::Result<u64> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(draft)?;
    let size = io::copy(&mut File::from(content), &mut file)?;
    match File::from(complete).read(&mut [0])? {
        0 => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the content broke off")),
        _ => Ok(size),
    }
}
