//! The layers that are unpacked, each once, by the digest of what is in it.

use std::collections::HashMap;
use std::fs;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use uuid::Uuid;

use super::digest::{Digest, Digesting, agree};
use super::error::ImageError;
use super::local::Layer;
use super::options::Limits;
use super::tree::Owners;
use super::unpack;

/// The folder with the layers.
///
/// A layer is unpacked in a draft and moved to its name when all of it is there and its digests are right, so that a
/// name always stands for a whole layer. Layers of templates' images are not removed again: a sandbox of an earlier run
/// may still have its disk on them. To get the room back, remove the folder while no server has it. Those that only
/// snapshots have are [freed](Self::free) with the last of them.
#[derive(Debug, Clone)]
pub(super) struct Layers {
    folder: PathBuf,
    drafts: PathBuf,
    /// An empty file for each layer that is in an image of a template.
    held: PathBuf,
    limits: Limits,
    /// One lock for each layer that is being unpacked, so that nobody unpacks it at the same time.
    busy: Arc<Mutex<HashMap<Digest, Arc<tokio::sync::Mutex<()>>>>>,
}

impl Layers {
    /// Opens the folder, and removes what an earlier process had begun.
    pub(super) fn open(dir: &Path, limits: Limits) -> Result<Self, ImageError> {
        // Files that belong to root in a sandbox may do so on the host: nobody else gets to them.
        let folder = match Owners::of_this_process() {
            Owners::Kept => dir.join("layers"),
            Owners::Own => dir.join("layers-unprivileged"),
        };
        let drafts = dir.join("drafts");
        remove(&drafts).map_err(|source| ImageError::file("clear", &drafts, source))?;
        for path in [dir, &folder, &drafts] {
            let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
            made.map_err(|source| ImageError::file("make the folder", path, source))?;
        }
        let held = dir.join("held");
        if !held.is_dir() {
            hold_all(&folder, &held).map_err(|source| ImageError::file("make the folder", &held, source))?;
        }
        let closed = fs::set_permissions(dir, fs::Permissions::from_mode(0o700));
        closed.map_err(|source| ImageError::file("close the folder", dir, source))?;
        Ok(Self { folder, drafts, held, limits, busy: Arc::default() })
    }

    /// Returns where the layer of a name is, if it is unpacked.
    pub(super) fn named(&self, name: &str) -> Option<PathBuf> {
        self.get(&Digest::parse(&format!("sha256:{name}"))?)
    }

    /// Keeps layers for good: those of a template's image.
    pub(super) fn hold(&self, layers: &[PathBuf]) -> Result<(), ImageError> {
        for name in layers.iter().filter_map(|layer| layer.file_name()) {
            let path = self.held.join(name);
            fs::write(&path, "").map_err(|source| ImageError::file("write", &path, source))?;
        }
        Ok(())
    }

    /// Removes a layer, unless it is held. What is no layer of this folder is left alone.
    pub(super) fn free(&self, name: &str) -> io::Result<()> {
        let Some(path) = self.named(name).filter(|_| !self.held.join(name).exists()) else { return Ok(()) };
        // Out of the way first: a name always stands for a whole layer.
        let draft = self.draft();
        fs::rename(path, &draft)?;
        remove(&draft)
    }

    /// Returns where a layer is, if it is unpacked.
    pub(super) fn get(&self, diff_id: &Digest) -> Option<PathBuf> {
        let path = self.folder.join(diff_id.hex());
        path.is_dir().then_some(path)
    }

    /// Returns a path for a file that is gone when the next process starts, if not before.
    pub(super) fn draft(&self) -> PathBuf {
        self.drafts.join(Uuid::new_v4().to_string())
    }

    /// Returns a file for a layer as it is fetched, if it may be as large as that.
    pub(super) fn file(&self, size: u64) -> Result<DraftFile, ImageError> {
        if size > self.limits.layer_bytes {
            let reason = format!("it is {size} bytes long, and {} is the limit", self.limits.layer_bytes);
            return Err(ImageError::Malformed { what: "a layer".to_owned(), reason });
        }
        Ok(DraftFile(self.draft()))
    }

    /// Waits until nobody else unpacks this layer.
    pub(super) async fn lock(&self, diff_id: &Digest) -> tokio::sync::OwnedMutexGuard<()> {
        let lock = {
            let mut busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
            // Those that nobody holds or waits for.
            busy.retain(|_, lock| Arc::strong_count(lock) > 1);
            Arc::clone(busy.entry(diff_id.clone()).or_default())
        };
        lock.lock_owned().await
    }

    /// Unpacks a layer.
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped, the thread that unpacks stops at its next read and clears up behind itself.
    pub(super) async fn unpack(&self, layer: Layer) -> Result<PathBuf, ImageError> {
        let stop = StopOnDrop(Arc::default());
        let (layers, stopped) = (self.clone(), Arc::clone(&stop.0));
        let unpacking = tokio::task::spawn_blocking(move || layers.unpack_here(&layer, &stopped));
        unpacking.await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
    }

    fn unpack_here(&self, layer: &Layer, stopped: &AtomicBool) -> Result<PathBuf, ImageError> {
        let draft = DraftFolder(self.draft());
        let made = fs::DirBuilder::new().mode(0o755).create(&draft.0);
        made.map_err(|source| ImageError::file("make the folder", &draft.0, source))?;
        self.fill(layer, &draft.0, stopped)?;
        let path = self.folder.join(layer.diff_id.hex());
        match fs::rename(&draft.0, &path) {
            Ok(()) => Ok(path),
            // Somebody whose own caller had given up was faster.
            Err(_) if path.is_dir() => Ok(path),
            Err(source) => Err(ImageError::file("make the folder", &path, source)),
        }
    }

    fn fill(&self, layer: &Layer, target: &Path, stopped: &AtomicBool) -> Result<(), ImageError> {
        let file = &layer.section;
        let blob = file.open().map_err(|source| ImageError::file("read", &file.path, source))?;
        let mut blob = BufReader::with_capacity(BUFFER, Digesting::new(Stoppable { inner: blob, stopped }));
        let refused =
            |reason: io::Error| ImageError::Layer { layer: layer.diff_id.to_string(), reason: reason.to_string() };
        let diff_id = {
            let mut archive = Digesting::new(unpack::decode(&mut blob).map_err(refused)?);
            unpack::unpack(&mut archive, target, self.limits, Owners::of_this_process()).map_err(refused)?;
            // What follows the end of the archive is part of the digest, and no less bounded.
            archive.finish_within(self.limits.layer_bytes).map_err(refused)?
        };
        agree("the archive of a layer", &layer.diff_id, &diff_id)?;
        match &layer.digest {
            Some(expected) => agree("a layer", expected, &blob.into_inner().finish().map_err(refused)?),
            None => Ok(()),
        }
    }
}

/// Holds every layer that there is: an earlier version kept no account of whose they are.
fn hold_all(folder: &Path, held: &Path) -> io::Result<()> {
    let draft = held.with_extension("new");
    fs::DirBuilder::new().recursive(true).mode(0o700).create(&draft)?;
    for layer in fs::read_dir(folder)? {
        fs::write(draft.join(layer?.file_name()), "")?;
    }
    fs::rename(draft, held)
}

/// As much as is read at a time.
const BUFFER: usize = 128 << 10;

/// A file that is removed when nobody needs it any longer.
#[derive(Debug)]
pub(super) struct DraftFile(PathBuf);

impl DraftFile {
    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for DraftFile {
    fn drop(&mut self) {
        // It may never have been written; if it stays, the next process removes it.
        let _ = fs::remove_file(&self.0);
    }
}

/// A folder that is removed unless it was moved away.
struct DraftFolder(PathBuf);

impl Drop for DraftFolder {
    fn drop(&mut self) {
        if let Err(error) = remove(&self.0) {
            tracing::warn!(path = %self.0.display(), %error, "the draft of a layer could not be removed");
        }
    }
}

/// Removes a folder with all that is in it, also where its owner may not enter.
fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

struct Stoppable<'a, R> {
    inner: R,
    stopped: &'a AtomicBool,
}

impl<R: Read> Read for Stoppable<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.stopped.load(Ordering::Relaxed) {
            return Err(io::Error::other("nobody waits for it any longer"));
        }
        self.inner.read(buffer)
    }
}
