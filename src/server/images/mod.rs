//! Where the files of a sandbox come from: a template's `image`, found, fetched and unpacked.
//!
//! A reference is read in this order: `oci:PATH` (an OCI layout), `oci-archive:PATH` and `docker-archive:PATH` (what
//! `docker save` writes), `rootfs:PATH` (a directory), `host` (the machine's own system directories), and everything else
//! is a registry's. [`Images::resolve`] gives back directories; to mount them is the runtime's business. Layers are kept
//! by the digest of what is in them, so that images share them; nothing is believed that its digest does not confirm.

mod digest;
mod error;
mod layers;
mod local;
mod manifest;
mod options;
mod paths;
mod reference;
#[cfg(test)]
mod tests;
mod tree;
mod unpack;
mod zstd;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub use error::ImageError;
use layers::Layers;
use local::Found;
use manifest::Config;
pub use options::{Fallback, HostPaths, ImageOptions, Limits};
use paths::Paths;
use reference::{Located, Reference};

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
    layers: Layers,
}

/// How an image is found on the host's disk.
type Find = fn(&str, &Located, &Paths) -> Result<Found, ImageError>;

impl Images {
    /// Opens the images that are kept in `dir`, which is made when something is first kept.
    ///
    /// The folder belongs to the process that has the server's data. Whatever an earlier one left half-done is removed.
    ///
    /// # Errors
    ///
    /// [`ImageError::File`] when the folder or a file that the options name cannot be used.
    pub fn open(dir: impl Into<PathBuf>, options: ImageOptions) -> Result<Self, ImageError> {
        let dir = dir.into();
        let paths = Paths::new(&options.host_paths, &dir)?;
        let layers = Layers::open(&dir, options.limits)?;
        Ok(Self { options, paths, layers })
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
            Reference::Registry(_) => not_yet(reference),
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

    async fn local(&self, reference: &str, located: Located, find: Find) -> Result<Image, ImageError> {
        let (text, paths) = (reference.to_owned(), self.paths.clone());
        let finding = tokio::task::spawn_blocking(move || find(&text, &located, &paths));
        let found = finding.await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))?;
        let mut layers = Vec::new();
        for layer in found.layers {
            let _lock = self.layers.lock(&layer.diff_id).await;
            layers.push(match self.layers.get(&layer.diff_id) {
                Some(path) => path,
                None => self.layers.unpack(layer).await?,
            });
        }
        Ok(Image::new(layers, &found.config, ImageSource::Archive))
    }
}

impl Image {
    fn new(layers: Vec<PathBuf>, config: &Config, source: ImageSource) -> Self {
        Self { layers, env: config.env(), workdir: config.workdir(), user: config.user(), source }
    }

    fn of_the_host() -> Self {
        Self { layers: Vec::new(), env: BTreeMap::new(), workdir: None, user: None, source: ImageSource::Host }
    }
}

fn not_yet(reference: &str) -> Result<Image, ImageError> {
    Err(ImageError::Reference { reference: reference.to_owned(), reason: "images of this sort are not served yet" })
}
