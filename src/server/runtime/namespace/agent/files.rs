//! Reading and writing files, with the sandbox's own view of paths and its own rights.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::unix::pipe;

/// How much of a file is in this process at a time: as much as a pipe holds.
const CHUNK: usize = 64 << 10;

/// Opens a file to be sent, and returns its size and when it was last written to, in microseconds since 1970.
pub(super) async fn open(path: PathBuf) -> io::Result<(File, u64, Option<i64>)> {
    blocking(move || open_here(&path)).await
}

/// Opens a regular file, and waits for nobody.
pub(super) fn open_here(path: &Path) -> io::Result<(File, u64, Option<i64>)> {
    // A pipe that nobody writes to must not hold this process up.
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path)?;
    let status = file.metadata()?;
    if status.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    if !status.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    Ok((file, status.len(), modified(&status)))
}

/// Returns when a file was last written to, in microseconds since 1970.
pub(super) fn modified(status: &fs::Metadata) -> Option<i64> {
    status.mtime().checked_mul(1_000_000).and_then(|time| time.checked_add(status.mtime_nsec() / 1000))
}

/// Sends a file until its end or until nobody takes it.
///
/// Only reading keeps a thread busy, and that ends; how long somebody takes to take it, nobody knows.
pub(super) async fn send(file: File, to: OwnedFd) {
    let Ok(mut to) = pipe::Sender::from_owned_fd(to) else { return };
    let mut file = BufReader::with_capacity(CHUNK, tokio::fs::File::from_std(file));
    // Who reads sees by the number of bytes that some are missing.
    let _ = tokio::io::copy_buf(&mut file, &mut to).await;
}

/// Fills a file, under another name until all of it is there; returns its size. `owner` gets what is made anew.
pub(super) async fn receive(
    path: PathBuf,
    content: OwnedFd,
    complete: OwnedFd,
    id: u64,
    owner: Owner,
) -> io::Result<u64> {
    let place = blocking(move || Place::find(&path, id, owner)).await?;
    let filled = place.fill(content, complete).await;
    blocking(move || match filled {
        Ok(size) => place.take(owner).map(|()| size),
        Err(error) => {
            let _ = fs::remove_file(&place.draft);
            Err(error)
        }
    })
    .await
}

/// Whose what is made becomes: the numbers of a user and a group.
pub(super) type Owner = (u32, u32);

/// Where a file goes.
struct Place {
    path: PathBuf,
    draft: PathBuf,
}

impl Place {
    fn find(path: &Path, id: u64, owner: Owner) -> io::Result<Self> {
        let path = follow(path)?;
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        let parent = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
        if path.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        make_folders(parent, owner)?;
        let draft = parent.join(format!(".{}.{id}.part", short(&name.to_string_lossy())));
        // A sandbox that was killed may have left one; no other request of this life has the number.
        match fs::remove_file(&draft) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(Self { path, draft }),
        }
    }

    async fn fill(&self, content: OwnedFd, complete: OwnedFd) -> io::Result<u64> {
        let mut content = BufReader::with_capacity(CHUNK, pipe::Receiver::from_owned_fd(content)?);
        let mut complete = pipe::Receiver::from_owned_fd(complete)?;
        let mut file = tokio::fs::OpenOptions::new().write(true).create_new(true).open(&self.draft).await?;
        let size = tokio::io::copy_buf(&mut content, &mut file).await?;
        // What is written goes on in the background; how that ends is told here.
        file.flush().await?;
        match complete.read(&mut [0]).await? {
            0 => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the content broke off")),
            _ => Ok(size),
        }
    }

    /// Gives the draft its name.
    fn take(&self, owner: Owner) -> io::Result<()> {
        // Whoever may run a file still may after it was written again.
        let result = match fs::metadata(&self.path) {
            Ok(before) => fs::set_permissions(&self.draft, before.permissions())
                .and_then(|()| give(&self.draft, (before.uid(), before.gid()))),
            Err(_) => give(&self.draft, owner),
        };
        let result = result.and_then(|()| fs::rename(&self.draft, &self.path));
        if result.is_err() {
            let _ = fs::remove_file(&self.draft);
        }
        result
    }
}

/// Makes a folder and those above it that are not there.
pub(super) fn make_folders(path: &Path, owner: Owner) -> io::Result<()> {
    let missing: Vec<_> = path.ancestors().take_while(|folder| !folder.exists()).collect();
    fs::create_dir_all(path)?;
    missing.into_iter().try_for_each(|folder| give(folder, owner))
}

/// Gives a file to somebody else than root, to whom it belongs.
fn give(path: &Path, (user, group): Owner) -> io::Result<()> {
    if (user, group) == ROOT { Ok(()) } else { std::os::unix::fs::chown(path, Some(user), Some(group)) }
}

/// The owner that needs no change.
const ROOT: Owner = (0, 0);

/// Does on a thread of its own what may take as long as a disk.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(io::Error::other(error)))
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
