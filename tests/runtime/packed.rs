//! Images, packed from the machine's own programs: a layout, archives, and a registry on the loopback interface.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use serde_json::{Value, json};
use tar::{Builder, EntryType, Header};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// What the programs of an image are; its shell is enough for the rest.
const PROGRAMS: &[&str] = &["sh", "cat", "chmod", "id", "ls", "mkdir", "rm", "sleep", "stat", "touch"];

/// A layer that is being packed.
pub(crate) struct Layer(Builder<Vec<u8>>);

impl Layer {
    pub(crate) fn new() -> Self {
        Self(Builder::new(Vec::new()))
    }

    /// Packs a file of root.
    pub(crate) fn file(self, path: &str, content: &str) -> Self {
        self.entry(EntryType::Regular, path, (0o644, 0), content.as_bytes())
    }

    /// Packs a folder of somebody.
    pub(crate) fn folder(self, path: &str, owner: u64) -> Self {
        self.entry(EntryType::Directory, path, (0o755, owner), &[])
    }

    /// Packs the programs and the libraries that they need.
    pub(crate) fn programs(mut self) -> Self {
        let mut libraries = BTreeSet::new();
        for name in PROGRAMS {
            let path = Path::new("/bin").join(name);
            let said = Command::new("ldd").arg(&path).output().expect("ldd, of libc's programs, is installed");
            let said = String::from_utf8_lossy(&said.stdout).into_owned();
            libraries.extend(said.split_whitespace().filter(|word| word.starts_with('/')).map(PathBuf::from));
            self = self.copy(&path);
        }
        libraries.iter().fold(self, |layer, library| layer.copy(library))
    }

    fn copy(self, path: &Path) -> Self {
        let bytes = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let name = path.strip_prefix("/").expect("it is absolute").display().to_string();
        self.entry(EntryType::Regular, &name, (0o755, 0), &bytes)
    }

    fn entry(mut self, kind: EntryType, path: &str, (mode, owner): (u32, u64), content: &[u8]) -> Self {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(owner);
        header.set_gid(owner);
        header.set_mtime(1_700_000_000);
        header.set_size(content.len() as u64);
        self.0.append_data(&mut header, path, content).expect("memory takes everything");
        self
    }
}

/// An image, ready to be written down.
pub(crate) struct Packed {
    config: Vec<u8>,
    layers: Vec<Vec<u8>>,
    manifest: Vec<u8>,
}

impl Packed {
    /// Packs layers, lowest first, with what the image says of how its commands run.
    pub(crate) fn new(layers: Vec<Layer>, execution: &Value) -> Self {
        let layers: Vec<_> =
            layers.into_iter().map(|layer| layer.0.into_inner().expect("memory takes everything")).collect();
        let diff_ids: Vec<_> = layers.iter().map(|layer| digest(layer)).collect();
        let config = json!({"config": execution, "rootfs": {"type": "layers", "diff_ids": diff_ids}});
        let config = config.to_string().into_bytes();
        let described: Vec<_> = layers.iter().map(|layer| descriptor(layer)).collect();
        let manifest = json!({"schemaVersion": 2, "config": descriptor(&config), "layers": described});
        Self { config, layers, manifest: manifest.to_string().into_bytes() }
    }

    /// Writes an OCI layout; returns the reference.
    pub(crate) fn layout(&self, folder: &Path) -> String {
        for (name, bytes) in self.files() {
            let path = folder.join(name);
            fs::create_dir_all(path.parent().expect("it has one")).expect("can be made");
            fs::write(path, bytes).expect("can be written");
        }
        format!("oci:{}", folder.display())
    }

    /// Writes an archive of an OCI layout; returns the reference.
    pub(crate) fn oci_archive(&self, path: &Path) -> String {
        write_archive(path, self.files());
        format!("oci-archive:{}", path.display())
    }

    /// Writes what `docker save` writes; returns the reference.
    pub(crate) fn docker_archive(&self, path: &Path) -> String {
        let names: Vec<_> = (0..self.layers.len()).map(|n| format!("{n}/layer.tar")).collect();
        let manifest = json!([{"Config": "config.json", "RepoTags": ["packed:1"], "Layers": names}]);
        let layers = names.iter().cloned().zip(self.layers.iter().cloned());
        let files = [("manifest.json", manifest.to_string().into_bytes()), ("config.json", self.config.clone())];
        write_archive(path, files.map(|(name, bytes)| (name.to_owned(), bytes)).into_iter().chain(layers).collect());
        format!("docker-archive:{}", path.display())
    }

    fn files(&self) -> Vec<(String, Vec<u8>)> {
        let index = json!({"schemaVersion": 2, "manifests": [descriptor(&self.manifest)]}).to_string();
        let blobs = self.layers.iter().chain([&self.config, &self.manifest]);
        let blobs = blobs.map(|blob| (format!("blobs/sha256/{}", &digest(blob)["sha256:".len()..]), blob.clone()));
        let fixed = [("oci-layout", r#"{"imageLayoutVersion":"1.0.0"}"#.to_owned()), ("index.json", index)];
        fixed.map(|(name, text)| (name.to_owned(), text.into_bytes())).into_iter().chain(blobs).collect()
    }
}

/// A registry with one image, until it is dropped.
pub(crate) struct Registry {
    pub(crate) host: String,
    _server: JoinSet<()>,
}

impl Registry {
    /// Serves an image as `packed:1`.
    pub(crate) async fn with(image: &Packed) -> Self {
        let blobs = image.layers.iter().chain([&image.config]);
        let mut files: Vec<_> =
            blobs.map(|blob| (format!("/v2/packed/blobs/{}", digest(blob)), blob.clone())).collect();
        for reference in ["1".to_owned(), digest(&image.manifest)] {
            files.push((format!("/v2/packed/manifests/{reference}"), image.manifest.clone()));
        }
        let files = Arc::new(files);
        let router = Router::new().fallback(move |request: Request| {
            let found = files.iter().find(|(path, _)| path == request.uri().path()).map(|(_, bytes)| bytes.clone());
            async { found.map_or((StatusCode::NOT_FOUND, Vec::new()), |bytes| (StatusCode::OK, bytes)) }
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("there is a free port");
        let host = listener.local_addr().expect("it is bound").to_string();
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, router).await.expect("it serves") });
        Self { host, _server: server }
    }

    pub(crate) fn reference(&self) -> String {
        format!("{}/packed:1", self.host)
    }
}

fn write_archive(path: &Path, files: Vec<(String, Vec<u8>)>) {
    let pack =
        |layer: Layer, (name, bytes): (String, Vec<u8>)| layer.entry(EntryType::Regular, &name, (0o644, 0), &bytes);
    let archive = files.into_iter().fold(Layer::new(), pack);
    fs::write(path, archive.0.into_inner().expect("memory takes everything")).expect("can be written");
}

fn descriptor(bytes: &[u8]) -> Value {
    json!({"mediaType": "application/octet-stream", "digest": digest(bytes), "size": bytes.len()})
}

fn digest(bytes: &[u8]) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
    let write = |text: String, byte: &u8| format!("{text}{byte:02x}");
    digest.as_ref().iter().fold("sha256:".to_owned(), write)
}
