//! The folders of sandboxes and volumes, under the server's data.

use std::collections::HashSet;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::protocol::Users;
use crate::types::{SandboxId, VolumeId};

/// The first of the numbers that are given to users of sandboxes. The ranges up to 2³¹ lie above what systemd and the
/// tools for containers give out by themselves.
const FIRST: u32 = 0x7000_0000;

/// How many numbers a sandbox has.
const RANGE: u32 = 1 << 16;

/// How many ranges there are.
const RANGES: u32 = 0x1000;

/// The number that files of root have in volumes: the first range, as a volume outlives the sandboxes that use it.
pub(super) const VOLUME_OWNER: u32 = FIRST;

/// Where everything is.
#[derive(Debug)]
pub(super) struct Disks {
    root: PathBuf,
    is_root: bool,
    /// The ranges of users that are taken.
    taken: Arc<Mutex<HashSet<u32>>>,
}

/// The folders of one sandbox.
#[derive(Debug)]
pub(super) struct Disk {
    path: PathBuf,
    pub(super) users: Users,
    taken: Arc<Mutex<HashSet<u32>>>,
    /// Whether it goes when this is dropped.
    is_new: bool,
}

impl Disks {
    /// Uses a folder, which nobody else may look into.
    pub(super) fn open(root: PathBuf) -> io::Result<Self> {
        let is_root = rustix::process::geteuid().is_root();
        for folder in [root.clone(), root.join("sandboxes"), root.join("volumes"), root.join("mount")] {
            DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        let disks = Self { root: fs::canonicalize(root)?, is_root, taken: Arc::default() };
        fs::set_permissions(&disks.root, fs::Permissions::from_mode(0o700))?;
        Ok(disks)
    }

    /// Returns the folder on which agents mount things, each in a namespace of its own.
    pub(super) fn mount_point(&self) -> PathBuf {
        self.root.join("mount")
    }

    /// Returns the folder for what the image `host` has beside the machine's files.
    pub(super) fn host_image(&self) -> PathBuf {
        self.root.join("host")
    }

    /// Returns the folder for images.
    pub(super) fn images(&self) -> PathBuf {
        self.root.join("images")
    }

    /// Returns the folder of a sandbox, made if it has none. A new one goes again unless it is [kept](Disk::keep).
    pub(super) fn of(&self, id: &SandboxId) -> io::Result<Disk> {
        let path = self.path(id);
        let upper = path.join("upper");
        let is_new = !upper.is_dir();
        let users = match (self.is_root, is_new) {
            (false, _) => Users::Own,
            (true, true) => Users::Range(self.free_range()?),
            (true, false) => Users::Range(fs::metadata(&upper)?.uid()),
        };
        let disk = Disk { path, users, taken: Arc::clone(&self.taken), is_new };
        if let Users::Range(first) = users {
            self.taken.lock().unwrap_or_else(PoisonError::into_inner).insert(first);
        }
        if is_new {
            let draft = disk.path.join("upper.new");
            DirBuilder::new().recursive(true).mode(0o700).create(disk.path.join("work"))?;
            DirBuilder::new().recursive(true).mode(0o755).create(&draft)?;
            if let Users::Range(first) = users {
                std::os::unix::fs::chown(&draft, Some(first), Some(first))?;
            }
            // Under its name it has its owner: whoever finds it reads its range from there.
            fs::rename(draft, upper)?;
        }
        Ok(disk)
    }

    /// Returns the folder with what a sandbox has changed, and whose it is; `None` when it has none.
    pub(super) fn changes_of(&self, id: &SandboxId) -> Option<(PathBuf, Users)> {
        let upper = self.path(id).join("upper");
        let owner = fs::metadata(&upper).ok()?.uid();
        Some((upper, if self.is_root { Users::Range(owner) } else { Users::Own }))
    }

    /// Returns the folder of a volume, made if there is none.
    pub(super) fn volume(&self, id: &VolumeId) -> io::Result<PathBuf> {
        let path = self.root.join("volumes").join(id.to_string());
        if !path.is_dir() {
            let draft = path.with_extension("new");
            DirBuilder::new().recursive(true).mode(0o755).create(&draft)?;
            if self.is_root {
                std::os::unix::fs::chown(&draft, Some(VOLUME_OWNER), Some(VOLUME_OWNER))?;
            }
            fs::rename(draft, &path)?;
        }
        Ok(path)
    }

    /// Removes the folder of a sandbox.
    pub(super) fn remove(&self, id: &SandboxId) -> io::Result<()> {
        remove(&self.path(id))
    }

    /// Removes the folders of all sandboxes that are not among `ids`, and takes the ranges of those that are.
    pub(super) fn sweep(&self, ids: &[SandboxId]) -> io::Result<()> {
        let keep: HashSet<_> = ids.iter().map(ToString::to_string).collect();
        for entry in fs::read_dir(self.root.join("sandboxes"))? {
            let entry = entry?;
            if keep.contains(&*entry.file_name().to_string_lossy()) {
                if let Ok(upper) = fs::metadata(entry.path().join("upper")) {
                    self.taken.lock().unwrap_or_else(PoisonError::into_inner).insert(upper.uid());
                }
            } else {
                remove(&entry.path())?;
            }
        }
        Ok(())
    }

    fn path(&self, id: &SandboxId) -> PathBuf {
        self.root.join("sandboxes").join(id.to_string())
    }

    fn free_range(&self) -> io::Result<u32> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let mut ranges = (1..RANGES).map(|n| FIRST + n * RANGE);
        let first = ranges.find(|first| !taken.contains(first));
        let first = first.ok_or_else(|| io::Error::other(format!("all {RANGES} ranges of users are taken")))?;
        taken.insert(first);
        Ok(first)
    }
}

impl Disk {
    pub(super) fn upper(&self) -> PathBuf {
        self.path.join("upper")
    }

    pub(super) fn work(&self) -> PathBuf {
        self.path.join("work")
    }

    /// Lets the folder stay when this is dropped.
    pub(super) fn keep(&mut self) {
        self.is_new = false;
    }

    /// Removes the folder, and gives the range of users back.
    pub(super) fn remove(&self) -> io::Result<()> {
        remove(&self.path)?;
        if let Users::Range(first) = self.users {
            self.taken.lock().unwrap_or_else(PoisonError::into_inner).remove(&first);
        }
        Ok(())
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if self.is_new
            && let Err(error) = self.remove()
        {
            tracing::warn!(path = %self.path.display(), %error, "the folder of a sandbox stays behind");
        }
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            open_up(path)?;
            fs::remove_dir_all(path)
        }
        result => result,
    }
}

/// Lets an ordinary user into the folders that a sandbox of theirs closed, and into those that the kernel makes for an
/// overlay without any rights.
fn open_up(path: &Path) -> io::Result<()> {
    fs::set_permissions(path, fs::Permissions::from_mode(0o700))?;
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            open_up(&entry.path())?;
        }
    }
    Ok(())
}
