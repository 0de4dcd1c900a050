//! Images for snapshots: fetched once, known by the names of their layers from then on, and given back.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::digest::{Digest, Hasher};
use super::layers::Layers;
use super::local::{self, Layer, Section};
use super::manifest::{Config, malformed};
use super::reference::Reference;
use super::registry::{Credentials, Name, Registries, place};
use super::{Fallback, Find, ImageError, Images};
use crate::server::runtime::{BuildImage, BuildRegistry, Built, ImageConfig, SnapshotFiles};

impl Images {
    /// Fetches and unpacks an image, which then belongs to whoever knows its layers by name.
    ///
    /// # Errors
    ///
    /// Whatever keeps the image from being used; the text says what to do about it.
    pub(in crate::server) async fn build(&self, image: &BuildImage) -> Result<Built, ImageError> {
        let reference = image.reference.as_str();
        let find: (_, Find) = match Reference::parse(reference)? {
            Reference::Host => {
                self.host(reference)?;
                return Ok(on_host(reference));
            }
            Reference::Registry(_) if self.options.fallback == Fallback::Host => return Ok(on_host(reference)),
            Reference::Registry(text) => return self.build_remote(&text, image.registry.as_ref()).await,
            Reference::Directory(path) => {
                let layer = self.paths.directory(reference, &path)?;
                return built(vec![layer.display().to_string()], vec![layer], None, ImageConfig::default()).await;
            }
            Reference::Layout(located) => (located, local::layout),
            Reference::OciArchive(located) => (located, local::oci_archive),
            Reference::DockerArchive(located) => (located, local::docker_archive),
        };
        let found = self.find_local(reference, find.0, find.1).await?;
        let store = &self.store().await?.layers;
        let (mut names, mut paths) = (Vec::new(), Vec::new());
        for layer in found.layers {
            names.push(layer.diff_id.hex().to_owned());
            paths.push(unpacked(store, layer).await?);
        }
        // Nothing on a disk has a digest of its own: that of all its layers stands for it.
        let digest = Digest::of(names.join("\n").as_bytes()).to_string();
        built(names, paths, Some(digest), config_of(&found.config)).await
    }

    async fn build_remote(&self, text: &str, registry: Option<&BuildRegistry>) -> Result<Built, ImageError> {
        let own;
        let (name, registries) = match registry {
            None => (Name::parse(text, &self.options.registry)?, &self.registries),
            Some(registry) => {
                let home = place(&registry.url);
                let name = Name::parse(text, home)?;
                if home.split('/').next() != Some(name.registry()) {
                    let reason = "it is not in the registry that the snapshot names";
                    return Err(malformed(&format!("`{name}`"), reason));
                }
                own = Registries::with(&self.options, Credentials::one(name.registry(), registry.login.clone()));
                (name, &own)
            }
        };
        let remote = registries.find(&name).await?;
        let store = &self.store().await?.layers;
        let paths = Self::fetch_all(registries, store, &name, &remote).await?;
        let names = remote.config.diff_ids().iter().map(|diff_id| diff_id.hex().to_owned()).collect();
        built(names, paths, Some(remote.digest.to_string()), config_of(&remote.config)).await
    }

    /// Keeps what `write` writes, an archive of files, as a layer, and returns its name.
    pub(in crate::server) async fn keep<W>(&self, write: W) -> Result<String, ImageError>
    where
        W: FnOnce(&mut dyn Write) -> io::Result<()> + Send + 'static,
    {
        let store = &self.store().await?.layers;
        let draft = store.file(0)?;
        let path = draft.path().to_owned();
        let writing = tokio::task::spawn_blocking(move || archive(&path, write));
        let written = writing.await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()));
        let failed = |source| ImageError::File { action: "write", path: draft.path().to_owned(), source };
        let (diff_id, length) = written.map_err(failed)?;
        let name = diff_id.hex().to_owned();
        let section = Section { path: draft.path().to_owned(), start: 0, length };
        unpacked(store, Layer { diff_id, digest: None, section }).await?;
        Ok(name)
    }

    /// Returns how many bytes the layers of a snapshot take; `None` when that cannot be seen.
    pub(in crate::server) async fn used(&self, files: &SnapshotFiles) -> Option<u64> {
        let paths = self.locate(files).await.ok()?;
        blocking(move || paths.iter().map(|path| used_bytes(path)).sum::<io::Result<u64>>()).await.ok()
    }

    /// Finds the layers of a snapshot as directories, lowest first.
    ///
    /// # Errors
    ///
    /// When one of them is gone, or is a directory of the host that this server may not use.
    pub(in crate::server) async fn locate(&self, files: &SnapshotFiles) -> Result<Vec<PathBuf>, ImageError> {
        if files.on_host && self.options.fallback != Fallback::Host {
            self.paths.check_host("host")?;
        }
        let mut paths = Vec::new();
        for name in &files.layers {
            let path = match Path::new(name) {
                path if path.is_absolute() => Some(self.paths.directory(name, path)?),
                _ => self.store().await?.layers.named(name),
            };
            paths.push(path.ok_or_else(|| malformed("the snapshot", &format!("its layer `{name}` is gone")))?);
        }
        Ok(paths)
    }

    /// Removes the layers of `unused` that are not among `used` and that no template's image has.
    pub(in crate::server) async fn free(&self, unused: &SnapshotFiles, used: &[SnapshotFiles]) {
        let is_used = |name: &String| used.iter().any(|files| files.layers.contains(name));
        let names: Vec<String> = unused.layers.iter().filter(|name| !is_used(name)).cloned().collect();
        let Ok(store) = self.store().await else { return };
        let layers = store.layers.clone();
        let freed = blocking(move || names.iter().try_for_each(|name| layers.free(name))).await;
        if let Err(error) = freed {
            tracing::warn!(%error, "layers of a deleted snapshot stay behind");
        }
    }
}

fn on_host(reference: &str) -> Built {
    Built {
        files: Some(SnapshotFiles { on_host: true, layers: Vec::new() }),
        digest: Some(Digest::of(reference.as_bytes()).to_string()),
        ..Built::default()
    }
}

async fn built(
    layers: Vec<String>,
    paths: Vec<PathBuf>,
    digest: Option<String>,
    config: ImageConfig,
) -> Result<Built, ImageError> {
    let used: io::Result<u64> = blocking(move || paths.iter().map(|path| used_bytes(path)).sum()).await;
    let files = Some(SnapshotFiles { on_host: false, layers });
    Ok(Built { files, digest, used_bytes: used.ok(), config })
}

fn config_of(config: &Config) -> ImageConfig {
    ImageConfig { env: config.env(), workdir: config.workdir(), user: config.user(), labels: config.labels() }
}

/// Unpacks a layer unless it is there.
async fn unpacked(layers: &Layers, layer: Layer) -> Result<PathBuf, ImageError> {
    let _lock = layers.lock(&layer.diff_id).await;
    match layers.get(&layer.diff_id) {
        Some(path) => Ok(path),
        None => layers.unpack(layer).await,
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
}

/// Writes an archive to a file; returns its digest and its length.
fn archive(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<(Digest, u64)> {
    let mut file = Hashing { inner: BufWriter::new(File::create_new(path)?), hasher: Hasher::new(), length: 0 };
    write(&mut file)?;
    file.flush()?;
    Ok((file.hasher.finish(), file.length))
}

/// Writes on, and computes the digest of what was written.
struct Hashing<W> {
    inner: W,
    hasher: Hasher,
    length: u64,
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.inner.write(bytes)?;
        self.hasher.update(&bytes[..n]);
        self.length += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Returns how many bytes files take on the disk.
fn used_bytes(path: &Path) -> io::Result<u64> {
    use std::os::unix::fs::MetadataExt as _;
    const BLOCK: u64 = 512;
    let mut used = 0;
    let mut folders = vec![path.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            let metadata = entry.metadata()?;
            used += metadata.blocks() * BLOCK;
            if metadata.is_dir() {
                folders.push(entry.path());
            }
        }
    }
    Ok(used)
}
