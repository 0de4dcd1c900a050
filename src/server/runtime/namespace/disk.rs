//! The folders of sandboxes and volumes, under the server's data.

use std::collections::{HashMap, HashSet};
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use super::capped;
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

/// The file with all that a sandbox changes, where that is limited. The folder for it is there too, and empty, for its
/// owner.
const CAPPED: &str = "disk.ext4";

/// What the folders begin with in which a runtime is tried out.
const TRIAL: &str = "trial-";

/// Where everything is. Cloning it is cheap.
#[derive(Debug, Clone)]
pub(super) struct Disks {
    root: PathBuf,
    is_root: bool,
    ranges: Ranges,
}

/// Where a sandbox has what it changed.
#[derive(Debug)]
pub(super) struct Place {
    /// The folder; an empty one where there is a file.
    pub(super) upper: PathBuf,
    pub(super) users: Users,
    /// The file with a disk of a limited size.
    pub(super) capped: Option<PathBuf>,
}

/// The folders of one sandbox.
#[derive(Debug)]
pub(super) struct Disk {
    path: PathBuf,
    pub(super) users: Users,
    is_capped: bool,
    ranges: Ranges,
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
        let disks = Self { root: fs::canonicalize(root)?, is_root, ranges: Ranges::default() };
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

    /// Returns where everything is, which is nobody else's.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Returns the folder for images.
    pub(super) fn images(&self) -> PathBuf {
        self.root.join("images")
    }

    /// Returns the folder of a sandbox, made if it has none. A new one goes again unless it is [kept](Disk::keep); it
    /// holds as many bytes as `capacity` says, or as there are. One that is there grows if it was made with a limit.
    pub(super) fn of(&self, id: &SandboxId, capacity: Option<u64>) -> io::Result<Disk> {
        let path = self.path(id);
        let upper = path.join("upper");
        let is_new = !upper.is_dir();
        let is_capped = if is_new { capacity.is_some() } else { path.join(CAPPED).exists() };
        let users = match (self.is_root, is_new) {
            (false, _) => Users::Own,
            (true, true) => Users::Range(self.ranges.take_free()?),
            (true, false) => {
                let first = fs::metadata(&upper)?.uid();
                self.ranges.take(first);
                Users::Range(first)
            }
        };
        let disk = Disk { path, users, is_capped, ranges: self.ranges.clone(), is_new };
        if let (false, Some(bytes), Some(file)) = (is_new, capacity, disk.capped()) {
            capped::grow(&file, bytes)?;
        }
        if is_new {
            let draft = disk.path.join("upper.new");
            DirBuilder::new().recursive(true).mode(0o700).create(disk.path.join("work"))?;
            DirBuilder::new().recursive(true).mode(0o755).create(&draft)?;
            if let Some(bytes) = capacity {
                capped::make(&self.root.join("formatted"), bytes, &disk.path.join(CAPPED))?;
            }
            if let Users::Range(first) = users {
                std::os::unix::fs::chown(&draft, Some(first), Some(first))?;
            }
            // Under its name it has its owner: whoever finds it reads its range from there.
            fs::rename(draft, upper)?;
        }
        Ok(disk)
    }

    /// Returns where a sandbox has what it changed, and whose it is; `None` when it has no disk.
    pub(super) fn place_of(&self, id: &SandboxId) -> Option<Place> {
        let (upper, capped) = (self.path(id).join("upper"), self.path(id).join(CAPPED));
        let owner = fs::metadata(&upper).ok()?.uid();
        let users = if self.is_root { Users::Range(owner) } else { Users::Own };
        Some(Place { upper, users, capped: capped.exists().then_some(capped) })
    }

    /// Returns the folder of a volume, made if there is none.
    pub(super) fn volume(&self, id: &VolumeId) -> io::Result<PathBuf> {
        let path = self.root.join("volumes").join(id.to_string());
        if path.is_dir() {
            return Ok(path);
        }
        match self.make_volume(&path) {
            // Another sandbox that starts was faster.
            Err(_) if path.is_dir() => Ok(path),
            result => result.map(|()| path),
        }
    }

    fn make_volume(&self, path: &Path) -> io::Result<()> {
        let draft = path.with_extension("new");
        DirBuilder::new().recursive(true).mode(0o755).create(&draft)?;
        if self.is_root {
            std::os::unix::fs::chown(&draft, Some(VOLUME_OWNER), Some(VOLUME_OWNER))?;
        }
        fs::rename(draft, path)
    }

    /// Removes the folder of a volume, with all that is in it.
    pub(super) fn remove_volume(&self, id: &VolumeId) -> io::Result<()> {
        let path = self.root.join("volumes").join(id.to_string());
        remove(&path.with_extension("new"))?;
        remove(&path)
    }

    /// Removes the folder of a sandbox, and gives its range of users back.
    pub(super) fn remove(&self, id: &SandboxId) -> io::Result<()> {
        let path = self.path(id);
        let first = fs::metadata(path.join("upper")).map(|upper| upper.uid());
        remove(&path)?;
        if let Ok(first) = first {
            self.ranges.forget(first);
        }
        Ok(())
    }

    /// Removes the folders of all sandboxes that are not among `ids`, takes the ranges of those that are, and removes
    /// what trials left. What cannot be removed does not keep the rest: the first error is returned at the end.
    pub(super) fn sweep(&self, ids: &[SandboxId]) -> io::Result<()> {
        let keep: HashSet<_> = ids.iter().map(ToString::to_string).collect();
        let mut result = Ok(());
        for entry in fs::read_dir(self.root.join("sandboxes"))? {
            let entry = entry?;
            if !keep.contains(&*entry.file_name().to_string_lossy()) {
                result = result.and(remove(&entry.path()));
            } else if let Ok(upper) = fs::metadata(entry.path().join("upper")) {
                self.ranges.keep(upper.uid());
            }
        }
        for entry in fs::read_dir(&self.root)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with(TRIAL) && is_abandoned(&entry.path()) {
                result = result.and(remove(&entry.path()));
            }
        }
        result
    }

    fn path(&self, id: &SandboxId) -> PathBuf {
        self.root.join("sandboxes").join(id.to_string())
    }
}

/// A folder in which a runtime is tried out; it goes when this is dropped. Its lock tells others that it is in use.
#[derive(Debug)]
pub(super) struct Trial {
    path: PathBuf,
    _lock: File,
}

impl Trial {
    /// Makes the folder under the data of a runtime.
    pub(super) fn new(root: &Path) -> io::Result<Self> {
        let path = root.join(format!("{TRIAL}{}", std::process::id()));
        DirBuilder::new().recursive(true).mode(0o700).create(&path)?;
        let lock = File::open(&path)?;
        lock.lock()?;
        Ok(Self { path, _lock: lock })
    }

    pub(super) fn path(&self) -> PathBuf {
        self.path.clone()
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        if let Err(error) = remove(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "the folder of a trial stays behind");
        }
    }
}

/// Returns whether nobody tries anything out in a folder any more: whoever did was killed.
fn is_abandoned(trial: &Path) -> bool {
    File::open(trial).is_ok_and(|folder| folder.try_lock().is_ok())
}

/// The ranges of users that are taken: those of folders on the disk, and those of sandboxes that may still run.
#[derive(Debug, Clone, Default)]
struct Ranges(Arc<Mutex<Taken>>);

#[derive(Debug, Default)]
struct Taken {
    on_disk: HashSet<u32>,
    /// How many use each.
    in_use: HashMap<u32, usize>,
}

impl Ranges {
    /// Finds a range that nobody has, and takes it into use.
    fn take_free(&self) -> io::Result<u32> {
        let mut taken = self.lock();
        let mut ranges = (1..RANGES).map(|n| FIRST + n * RANGE);
        let first = ranges.find(|first| !taken.on_disk.contains(first) && !taken.in_use.contains_key(first));
        let first = first.ok_or_else(|| io::Error::other(format!("all {RANGES} ranges of users are taken")))?;
        taken.in_use.insert(first, 1);
        Ok(first)
    }

    /// Takes a range into use.
    fn take(&self, first: u32) {
        *self.lock().in_use.entry(first).or_default() += 1;
    }

    /// Ends a use.
    fn give_back(&self, first: u32) {
        let mut taken = self.lock();
        if let Some(n_users) = taken.in_use.get_mut(&first) {
            *n_users -= 1;
            if *n_users == 0 {
                taken.in_use.remove(&first);
            }
        }
    }

    /// Records that files on the disk have it.
    fn keep(&self, first: u32) {
        self.lock().on_disk.insert(first);
    }

    /// Records that no files have it any more.
    fn forget(&self, first: u32) {
        self.lock().on_disk.remove(&first);
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Disk {
    pub(super) fn upper(&self) -> PathBuf {
        self.path.join("upper")
    }

    /// Returns the file that its contents are in, if they are limited.
    pub(super) fn capped(&self) -> Option<PathBuf> {
        self.is_capped.then(|| self.path.join(CAPPED))
    }

    pub(super) fn work(&self) -> PathBuf {
        self.path.join("work")
    }

    /// Lets the folder stay when this is dropped.
    pub(super) fn keep(&mut self) {
        self.is_new = false;
        if let Users::Range(first) = self.users {
            self.ranges.keep(first);
        }
    }

    /// Removes the folder. The range of users is free when this is dropped.
    pub(super) fn remove(&self) -> io::Result<()> {
        remove(&self.path)?;
        if let Users::Range(first) = self.users {
            self.ranges.forget(first);
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
        if let Users::Range(first) = self.users {
            self.ranges.give_back(first);
        }
    }
}

/// How often, and how long apart, to try to remove a folder in which somebody still makes files: a process that was
/// killed, at its end.
const ATTEMPTS: u32 = 50;
const BETWEEN: Duration = Duration::from_millis(20);

fn remove(path: &Path) -> io::Result<()> {
    for _ in 1..ATTEMPTS {
        match remove_once(path) {
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => thread::sleep(BETWEEN),
            result => return result,
        }
    }
    remove_once(path)
}

fn remove_once(path: &Path) -> io::Result<()> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_free_when_neither_files_nor_processes_have_it() {
        let ranges = Ranges::default();
        let first = ranges.take_free().expect("there are many");
        ranges.keep(first);
        let other = ranges.take_free().expect("there are many");
        assert_ne!(first, other);
        ranges.give_back(first);
        assert_ne!(ranges.take_free().expect("there are many"), first, "files have it");
        ranges.take(first);
        ranges.forget(first);
        assert_ne!(ranges.take_free().expect("there are many"), first, "a process has it");
        ranges.give_back(first);
        assert_eq!(ranges.take_free().expect("there are many"), first);
    }

    #[test]
    fn what_was_cleared_away_gives_its_range_back() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (one, other) = (SandboxId::new("one"), SandboxId::new("other"));
        let users = {
            let disks = Disks::open(folder.path().to_owned()).expect("can be made");
            let mut disk = disks.of(&one, None).expect("can be made");
            disk.keep();
            disk.users
        };
        // As after a restart, where a sandbox is deleted that nobody has started again.
        let disks = Disks::open(folder.path().to_owned()).expect("is there");
        disks.sweep(std::slice::from_ref(&one)).expect("is there");
        disks.remove(&one).expect("is there");
        assert_eq!(disks.of(&other, None).expect("can be made").users, users);
    }

    #[test]
    fn a_sweep_leaves_what_is_known_and_trials_that_run() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let disks = Disks::open(folder.path().to_owned()).expect("can be made");
        let ids = ["kept", "gone"].map(SandboxId::new);
        for id in &ids {
            disks.of(id, None).expect("can be made").keep();
        }
        let trial = Trial::new(folder.path()).expect("can be made");
        let abandoned = folder.path().join("trial-1");
        fs::create_dir(&abandoned).expect("can be made");
        disks.sweep(&ids[..1]).expect("can be removed");
        assert!(disks.path(&ids[0]).is_dir() && !disks.path(&ids[1]).exists());
        assert!(trial.path().is_dir() && !abandoned.exists());
    }
}
