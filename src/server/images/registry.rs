//! Registries: what the OCI distribution specification says of pulling, and no more.
//!
//! A client for this is in `oci-client`, which brings thirty crates, among them a second provider of cryptography. What
//! is wanted here is three sorts of GET, a token, and careful words when they fail.

mod auth;
mod http;
mod name;

use std::path::Path;
use std::time::Duration;

use reqwest::{Response, StatusCode};
use tokio::io::AsyncWriteExt as _;

pub(super) use auth::{Credentials, place};
use http::{Failure, Http};
pub(super) use name::Name;

use super::digest::{Digest, Hasher, agree};
use super::error::ImageError;
use super::manifest::{self, Config, Descriptor, Document, MAX_DOCUMENT_BYTES, Manifest, malformed};
use super::options::ImageOptions;

/// What a manifest may be, in the words of OCI and of Docker.
const DOCUMENTS: &str = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json";

const ATTEMPTS: u32 = 3;

/// The first pause before another attempt; each further one is twice as long.
const PAUSE: Duration = Duration::from_millis(200);

/// The registries that images are pulled from.
#[derive(Debug)]
pub(super) struct Registries {
    http: Http,
}

/// An image in a registry, whose layers are still there.
#[derive(Debug)]
pub(super) struct Remote {
    /// The digest of what its name stands for: its manifest, or the list of those for all machines.
    pub(super) digest: Digest,
    /// The configuration as it was sent, to be kept.
    pub(super) document: Vec<u8>,
    pub(super) config: Config,
    pub(super) layers: Vec<Descriptor>,
}

impl Registries {
    /// Sets up what the options say, and reads the passwords.
    pub(super) fn new(options: &ImageOptions) -> Result<Self, ImageError> {
        let credentials = options.auth_file.as_deref().map(Credentials::read).transpose()?.unwrap_or_default();
        Ok(Self::with(options, credentials))
    }

    /// Sets up what the options say, but with other passwords.
    pub(super) fn with(options: &ImageOptions, credentials: Credentials) -> Self {
        Self { http: Http::new(options.insecure_registries.clone(), credentials) }
    }

    /// Finds the image for this machine.
    pub(super) async fn find(&self, name: &Name) -> Result<Remote, ImageError> {
        let (digest, manifest) = self.manifest(name).await?;
        let document = self.document(name, "blobs", &manifest.config).await?;
        let config = Config::read("the image's configuration", &document)?;
        if manifest.layers.len() != config.diff_ids().len() {
            return Err(malformed(&format!("`{name}`"), "its manifest and its configuration differ in their layers"));
        }
        Ok(Remote { digest, document, config, layers: manifest.layers })
    }

    /// Returns the manifest for this machine, and the digest of what the name stands for.
    async fn manifest(&self, name: &Name) -> Result<(Digest, Manifest), ImageError> {
        let what = "the image's manifest";
        let bytes = self.bytes(name, &format!("manifests/{}", name.version())).await?;
        if let Some(expected) = name.digest() {
            check(what, expected, &bytes)?;
        }
        let digest = Digest::of(&bytes);
        let found = match Document::read(what, &bytes)? {
            Document::Manifest(manifest) => return Ok((digest, manifest)),
            Document::Index(found) => found,
        };
        let chosen = manifest::for_this_machine(&format!("`{name}`"), &found)?;
        match Document::read(what, &self.document(name, "manifests", chosen).await?)? {
            Document::Manifest(manifest) => Ok((digest, manifest)),
            Document::Index(_) => Err(malformed(&format!("`{name}`"), "its indexes are nested too deep")),
        }
    }

    async fn document(&self, name: &Name, kind: &str, wanted: &Descriptor) -> Result<Vec<u8>, ImageError> {
        let bytes = self.bytes(name, &format!("{kind}/{}", wanted.digest)).await?;
        check(&format!("one of the {kind} of `{name}`"), &wanted.digest, &bytes)?;
        Ok(bytes)
    }

    async fn bytes(&self, name: &Name, path: &str) -> Result<Vec<u8>, ImageError> {
        Self::attempt(name, || self.try_bytes(name, path)).await
    }

    async fn try_bytes(&self, name: &Name, path: &str) -> Result<Vec<u8>, Failure> {
        let mut answer = self.get(name, path).await?;
        let mut bytes = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(Failure::broken)? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() as u64 > MAX_DOCUMENT_BYTES {
                return Err(Failure::refused(format!("it sent more than {MAX_DOCUMENT_BYTES} bytes for a document")));
            }
        }
        Ok(bytes)
    }

    /// Writes a layer as it is in the registry to a file, which is made anew for each attempt.
    ///
    /// Length and digest are checked, so that nothing is decompressed or read as an archive that nobody vouches for.
    pub(super) async fn download(&self, name: &Name, layer: &Descriptor, file: &Path) -> Result<(), ImageError> {
        let found = Self::attempt(name, || self.try_download(name, layer, file)).await?;
        agree("a layer", &layer.digest, &found)
    }

    /// Returns the digest of what was written.
    async fn try_download(&self, name: &Name, layer: &Descriptor, file: &Path) -> Result<Digest, Failure> {
        let unwritable = |source| Failure::file(file, source);
        let mut answer = self.get(name, &format!("blobs/{}", layer.digest)).await?;
        let mut target = tokio::fs::File::create(file).await.map_err(unwritable)?;
        let (mut received, mut hasher) = (0, Hasher::new());
        while let Some(chunk) = answer.chunk().await.map_err(Failure::broken)? {
            received += chunk.len() as u64;
            if received > layer.size {
                break;
            }
            hasher.update(&chunk);
            target.write_all(&chunk).await.map_err(unwritable)?;
        }
        target.flush().await.map_err(unwritable)?;
        if received != layer.size {
            let fewer_or_more = if received < layer.size { "fewer" } else { "more" };
            let reason = format!("it sent {fewer_or_more} bytes of the layer {} than it should", layer.digest);
            return Err(Failure::broken_off(reason));
        }
        Ok(hasher.finish())
    }

    async fn get(&self, name: &Name, path: &str) -> Result<Response, Failure> {
        let answer = self.http.get(name, path, DOCUMENTS).await?;
        match answer.status() {
            StatusCode::OK => Ok(answer),
            status => Err(Failure::status(status)),
        }
    }

    /// Tries again what may go well the next time.
    async fn attempt<T, F>(name: &Name, work: impl Fn() -> F) -> Result<T, ImageError>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let mut pause = PAUSE;
        for _ in 1..ATTEMPTS {
            match work().await {
                Err(failure) if failure.is_transient() => tokio::time::sleep(pause).await,
                other => return other.map_err(|failure| failure.of(name)),
            }
            pause *= 2;
        }
        work().await.map_err(|failure| failure.of(name))
    }
}

fn check(what: &str, expected: &Digest, bytes: &[u8]) -> Result<(), ImageError> {
    agree(what, expected, &Digest::of(bytes))
}
