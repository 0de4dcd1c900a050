//! Archives and layouts, made entry by entry, also such as no tool would make.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;
use tar::{EntryType, Header};

use crate::server::images::digest::Digest;

/// An entry of an archive.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) kind: EntryType,
    pub(super) path: Vec<u8>,
    pub(super) link: Vec<u8>,
    pub(super) mode: u32,
    pub(super) content: Vec<u8>,
}

pub(super) fn file(path: &str, content: &str) -> Entry {
    Entry { content: content.into(), ..entry(EntryType::Regular, path) }
}

pub(super) fn folder(path: &str) -> Entry {
    Entry { mode: 0o755, ..entry(EntryType::Directory, path) }
}

pub(super) fn symbolic(path: &str, target: &str) -> Entry {
    Entry { link: target.into(), ..entry(EntryType::Symlink, path) }
}

pub(super) fn hard(path: &str, target: &str) -> Entry {
    Entry { link: target.into(), ..entry(EntryType::Link, path) }
}

pub(super) fn entry(kind: EntryType, path: &str) -> Entry {
    Entry { kind, path: path.into(), link: Vec::new(), mode: 0o644, content: Vec::new() }
}

/// Writes an archive; names go in as they are.
pub(super) fn archive(entries: &[Entry]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in entries {
        for (kind, name) in [(EntryType::GNULongName, &entry.path), (EntryType::GNULongLink, &entry.link)] {
            if name.len() >= 100 {
                put(
                    &mut bytes,
                    &header(kind, b"././@LongLink", b"", 0o644, name.len() + 1),
                    &[name, &b"\0"[..]].concat(),
                );
            }
        }
        let header = header(entry.kind, &entry.path, &entry.link, entry.mode, entry.content.len());
        put(&mut bytes, &header, &entry.content);
    }
    bytes.resize(bytes.len() + 1024, 0);
    bytes
}

/// Writes one record of PAX, which begins with its own length.
pub(super) fn pax(key: &str, value: &str) -> Entry {
    let rest = format!(" {key}={value}\n");
    let mut length = rest.len() + 1;
    while length != rest.len() + length.to_string().len() {
        length = rest.len() + length.to_string().len();
    }
    Entry { content: format!("{length}{rest}").into(), ..entry(EntryType::XHeader, "pax") }
}

fn header(kind: EntryType, path: &[u8], link: &[u8], mode: u32, size: usize) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(1_700_000_000);
    header.set_size(size as u64);
    let gnu = header.as_gnu_mut().expect("is one of GNU's");
    for (field, text) in [(&mut gnu.name[..], path), (&mut gnu.linkname[..], link)] {
        let length = text.len().min(99);
        field[..length].copy_from_slice(&text[..length]);
    }
    header.set_cksum();
    header
}

fn put(bytes: &mut Vec<u8>, header: &Header, content: &[u8]) {
    bytes.extend_from_slice(header.as_bytes());
    bytes.extend_from_slice(content);
    bytes.resize(bytes.len().next_multiple_of(512), 0);
}

pub(super) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("memory takes everything");
    encoder.finish().expect("memory takes everything")
}

/// Compresses with Zstandard, in two frames with one between them that is to be skipped.
pub(super) fn zstd(bytes: &[u8]) -> Vec<u8> {
    let frame = |part| ruzstd::encoding::compress_to_vec(part, ruzstd::encoding::CompressionLevel::Fastest);
    let (first, second) = bytes.split_at(bytes.len() / 2);
    let skipped = [&[0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0][..], b"abc"].concat();
    [frame(first), skipped, frame(second)].concat()
}

/// An image, ready to be written down.
pub(super) struct Built {
    pub(super) config: Vec<u8>,
    /// Each with its digest.
    pub(super) layers: Vec<Vec<u8>>,
    pub(super) manifest: Vec<u8>,
}

/// How a layer is compressed.
pub(super) type Compress = fn(&[u8]) -> Vec<u8>;

/// Makes an image of archives, each compressed in its way.
pub(super) fn image(layers: &[(&[Entry], Compress)]) -> Built {
    let archives: Vec<_> = layers.iter().map(|(entries, _)| archive(entries)).collect();
    let diff_ids: Vec<_> = archives.iter().map(|archive| Digest::of(archive).to_string()).collect();
    let config = json!({
        "config": {"Env": ["PATH=/bin", "LANG=C"], "WorkingDir": "/srv", "User": "1000"},
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
    });
    let config = config.to_string().into_bytes();
    let layers: Vec<_> = archives.iter().zip(layers).map(|(archive, (_, compress))| compress(archive)).collect();
    let described: Vec<_> = layers.iter().map(|layer| descriptor(layer)).collect();
    let manifest = json!({"schemaVersion": 2, "config": descriptor(&config), "layers": described});
    Built { config, layers, manifest: manifest.to_string().into_bytes() }
}

pub(super) fn descriptor(bytes: &[u8]) -> serde_json::Value {
    json!({"mediaType": "application/octet-stream", "digest": Digest::of(bytes).to_string(), "size": bytes.len()})
}

impl Built {
    /// Returns the files of an OCI layout that has the image under one tag.
    pub(super) fn layout(&self, tag: &str) -> Vec<(String, Vec<u8>)> {
        let mut tagged = descriptor(&self.manifest);
        tagged["annotations"] = json!({"org.opencontainers.image.ref.name": tag});
        let index = json!({"schemaVersion": 2, "manifests": [tagged]});
        let blobs = self.layers.iter().chain([&self.config, &self.manifest]);
        let blobs = blobs.map(|blob| (format!("blobs/sha256/{}", Digest::of(blob).hex()), blob.clone()));
        let fixed =
            [("oci-layout", r#"{"imageLayoutVersion":"1.0.0"}"#.into()), ("index.json", index.to_string().into())];
        fixed.map(|(name, bytes)| (name.to_owned(), bytes)).into_iter().chain(blobs).collect()
    }

    pub(super) fn write_layout(&self, dir: &Path, tag: &str) {
        for (name, bytes) in self.layout(tag) {
            let path = dir.join(name);
            fs::create_dir_all(path.parent().expect("has one")).expect("can be made");
            fs::write(path, bytes).expect("can be written");
        }
    }

    /// Writes what `docker save` writes, the layers under names of their own.
    pub(super) fn write_docker_archive(&self, path: &Path, tag: &str) {
        let names: Vec<_> = (0..self.layers.len()).map(|n| format!("{n}/layer.tar")).collect();
        let manifest = json!([{"Config": "config.json", "RepoTags": [tag], "Layers": names}]);
        let mut entries = vec![file("manifest.json", &manifest.to_string())];
        entries.push(Entry { content: self.config.clone(), ..file("config.json", "") });
        for (name, layer) in names.iter().zip(&self.layers) {
            entries.push(Entry { content: layer.clone(), ..file(name, "") });
        }
        fs::write(path, archive(&entries)).expect("can be written");
    }
}
