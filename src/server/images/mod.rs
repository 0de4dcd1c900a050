//! Where the files of a sandbox come from: a template's `image`, found, fetched and unpacked.
//!
//! A reference is read in this order: `oci:PATH` (an OCI layout), `oci-archive:PATH` and `docker-archive:PATH` (what
//! `docker save` writes), `rootfs:PATH` (a directory), `host` (the machine's own system directories), and everything
//! else is a registry's. [`Images::resolve`] gives back directories; to mount them is the runtime's business. Layers
//! are kept by the digest of what is in them, so that images share them; nothing is believed that its digest does not
//! confirm.

mod build;
mod digest;
mod error;
mod kept;
mod layers;
mod local;
mod manifest;
mod options;
mod paths;
mod reference;
mod registry;
#[cfg(test)]
mod tests;
mod tree;
mod unpack;
mod zstd;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use tokio::sync::OnceCell;

use digest::Digest;
pub use error::ImageError;
use kept::Kept;
use layers::Layers;
use local::{Found, Layer, Section};
use manifest::{Config, Descriptor};
pub use options::{Fallback, HostPaths, ImageOptions, Limits};
use paths::Paths;
use reference::{Located, Reference};
use registry::{Name, Registries, Remote};

/// An image, unpacked: its layers as directories, and what its configuration says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// The layers as directories, lowest first; none when the files are the host's. Nobody may write into them.
    ///
    /// What a layer removes is marked as overlayfs wants it: a character device 0:0, and the attribute `opaque`.
    pub layers: Vec<PathBuf>,
    /// The environment of its commands.
    pub env: BTreeMap<String, String>,
    /// The absolute path in which its commands start.
    pub workdir: Option<String>,
    /// Whom its commands run as, in any form of a Dockerfile's `USER`.
    pub user: Option<String>,
    /// Where it came from.
    pub source: ImageSource,
}

/// Where an image came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ImageSource {
    /// The machine's own system directories.
    Host,
    /// A directory of the host that is used as it is, read-only.
    Directory,
    /// A file or a layout on the host.
    Archive,
    /// A registry.
    Registry,
}

/// The images of one server.
#[derive(Debug)]
pub struct Images {
    options: ImageOptions,
    paths: Paths,
    dir: PathBuf,
    /// Opened when it is first needed: before, another process may have the server's data.
    store: OnceCell<Store>,
    registries: Registries,
    /// What each name of a registry stands for, looked up once in the life of the server: a create does not wait for a
    /// registry to say that nothing has changed, and all sandboxes of one run have the same files.
    pulled: Mutex<HashMap<String, Arc<OnceCell<Image>>>>,
}

/// What is kept on the disk.
#[derive(Debug)]
struct Store {
    layers: Layers,
    kept: Kept,
}

/// How many layers of an image are fetched at a time.
const PARALLEL_LAYERS: usize = 3;

/// How an image is found on the host's disk.
type Find = fn(&str, &Located, &Paths) -> Result<Found, ImageError>;

impl Images {
    /// Opens the images that are kept in `dir`, which is made when something is first kept.
    ///
    /// The folder belongs to the process that has the server's data. Whatever an earlier one left half-done is removed
    /// by the first [`resolve`](Self::resolve), so that images may be opened before it is known who has the data.
    ///
    /// # Errors
    ///
    /// [`ImageError::File`] when the folder or a file that the options name cannot be used.
    pub fn open(dir: impl Into<PathBuf>, options: ImageOptions) -> Result<Self, ImageError> {
        let dir = dir.into();
        let paths = Paths::new(&options.host_paths, &dir)?;
        let registries = Registries::new(&options)?;
        Ok(Self { options, paths, dir, store: OnceCell::new(), registries, pulled: Mutex::default() })
    }

    /// Returns what to tell whoever starts the server: where images come from.
    pub fn notice(&self) -> String {
        self.options.notice()
    }

    /// Finds an image, and fetches and unpacks what of it is not there yet.
    ///
    /// # Errors
    ///
    /// Whatever keeps the image from being used; the text says what to do about it.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves nothing half-done behind; layers that were unpacked stay.
    pub async fn resolve(&self, reference: &str) -> Result<Image, ImageError> {
        match Reference::parse(reference)? {
            Reference::Host => self.host(reference),
            Reference::Directory(path) => self.directory(reference, &path),
            Reference::Registry(_) if self.options.fallback == Fallback::Host => Ok(Image::of_the_host()),
            Reference::Layout(located) => self.local(reference, located, local::layout).await,
            Reference::OciArchive(located) => self.local(reference, located, local::oci_archive).await,
            Reference::DockerArchive(located) => self.local(reference, located, local::docker_archive).await,
            Reference::Registry(text) => self.registry(&Name::parse(&text, &self.options.registry)?).await,
        }
    }

    fn host(&self, reference: &str) -> Result<Image, ImageError> {
        if self.options.fallback != Fallback::Host {
            self.paths.check_host(reference)?;
        }
        Ok(Image::of_the_host())
    }

    fn directory(&self, reference: &str, path: &Path) -> Result<Image, ImageError> {
        let layer = self.paths.directory(reference, path)?;
        Ok(Image { layers: vec![layer], source: ImageSource::Directory, ..Image::of_the_host() })
    }

    async fn find_local(&self, reference: &str, located: Located, find: Find) -> Result<Found, ImageError> {
        let (text, paths) = (reference.to_owned(), self.paths.clone());
        let finding = tokio::task::spawn_blocking(move || find(&text, &located, &paths));
        finding.await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
    }

    async fn local(&self, reference: &str, located: Located, find: Find) -> Result<Image, ImageError> {
        let found = self.find_local(reference, located, find).await?;
        let store = &self.store().await?.layers;
        let mut layers = Vec::new();
        for layer in found.layers {
            let _lock = store.lock(&layer.diff_id).await;
            layers.push(match store.get(&layer.diff_id) {
                Some(path) => path,
                None => store.unpack(layer).await?,
            });
        }
        store.hold(&layers)?;
        Ok(Image::new(layers, &found.config, ImageSource::Archive))
    }

    async fn store(&self) -> Result<&Store, ImageError> {
        let open =
            async || Ok(Store { layers: Layers::open(&self.dir, self.options.limits)?, kept: Kept::open(&self.dir)? });
        self.store.get_or_try_init(open).await
    }

    async fn registry(&self, name: &Name) -> Result<Image, ImageError> {
        let cell = {
            let mut pulled = self.pulled.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(pulled.entry(name.to_string()).or_default())
        };
        cell.get_or_try_init(|| self.pull(name)).await.cloned()
    }

    async fn pull(&self, name: &Name) -> Result<Image, ImageError> {
        let store = self.store().await?;
        let remote = match self.registries.find(name).await {
            Ok(remote) => remote,
            Err(error @ ImageError::Registry { is_transient: true, .. }) => {
                let image = store.kept.find(name).and_then(|config| store.image(&config)).ok_or(error)?;
                tracing::warn!(image = %name, "the registry does not answer: the image is the one pulled last");
                return Ok(image);
            }
            Err(error) => return Err(error),
        };
        let layers = Self::fetch_all(&self.registries, &store.layers, name, &remote).await?;
        store.layers.hold(&layers)?;
        store.kept.keep(name, &remote.document, &store.layers.draft())?;
        Ok(Image::new(layers, &remote.config, ImageSource::Registry))
    }

    /// Fetches and unpacks the layers of an image that are not there yet.
    async fn fetch_all(
        registries: &Registries,
        layers: &Layers,
        name: &Name,
        remote: &Remote,
    ) -> Result<Vec<PathBuf>, ImageError> {
        let pairs = remote.layers.iter().zip(remote.config.diff_ids());
        let fetches: Vec<_> =
            pairs.map(|(layer, diff_id)| Self::fetch(registries, layers, name, layer, diff_id)).collect();
        stream::iter(fetches).buffered(PARALLEL_LAYERS).try_collect().await
    }

    async fn fetch(
        registries: &Registries,
        layers: &Layers,
        name: &Name,
        layer: &Descriptor,
        diff_id: &Digest,
    ) -> Result<PathBuf, ImageError> {
        let _lock = layers.lock(diff_id).await;
        if let Some(path) = layers.get(diff_id) {
            return Ok(path);
        }
        let draft = layers.file(layer.size)?;
        registries.download(name, layer, draft.path()).await?;
        let section = Section { path: draft.path().to_owned(), start: 0, length: layer.size };
        let layer = Layer { diff_id: diff_id.clone(), digest: None, section };
        layers.unpack(layer).await
    }
}

impl Store {
    /// Returns an image all of whose layers are there.
    fn image(&self, config: &Config) -> Option<Image> {
        let layers = config.diff_ids().iter().map(|diff_id| self.layers.get(diff_id)).collect::<Option<_>>()?;
        Some(Image::new(layers, config, ImageSource::Registry))
    }
}

impl Image {
    fn new(mut layers: Vec<PathBuf>, config: &Config, source: ImageSource) -> Self {
        // Overlayfs takes no folder twice; of a layer that comes again, the lower one shows nothing that the upper
        // does not.
        let mut seen = HashSet::new();
        layers.reverse();
        layers.retain(|layer| seen.insert(layer.clone()));
        layers.reverse();
        Self { layers, env: config.env(), workdir: config.workdir(), user: config.user(), source }
    }

    /// Makes an image of layers, with the host's own directories below them or not.
    pub(in crate::server) fn of_layers(layers: Vec<PathBuf>, on_host: bool) -> Self {
        let source = if on_host { ImageSource::Host } else { ImageSource::Archive };
        Self { layers, source, ..Self::of_the_host() }
    }

    fn of_the_host() -> Self {
        Self { layers: Vec::new(), env: BTreeMap::new(), workdir: None, user: None, source: ImageSource::Host }
    }
}
