//! Images on the host's disk: OCI layouts, and archives that hold one or are what `docker save` writes.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom};
use std::path::PathBuf;

use serde::Deserialize;
use tar::{Archive, EntryType};

use super::digest::{Digest, agree};
use super::error::ImageError;
use super::manifest::{self, Config, Descriptor, Document, MAX_DOCUMENT_BYTES, malformed};
use super::paths::Paths;
use super::reference::Located;

/// An image that was found, but whose layers are not unpacked yet.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) config: Config,
    pub(super) layers: Vec<Layer>,
}

/// Where a layer is.
#[derive(Debug, Clone)]
pub(super) struct Layer {
    /// The digest of its archive without compression, by which it is kept.
    pub(super) diff_id: Digest,
    /// The digest of the file as it is, where the format has one and it was not checked before.
    pub(super) digest: Option<Digest>,
    pub(super) section: Section,
}

/// A file, or the part of one that is a file in an archive.
#[derive(Debug, Clone)]
pub(super) struct Section {
    pub(super) path: PathBuf,
    pub(super) start: u64,
    pub(super) length: u64,
}

/// Where the files of an image are.
enum Files<'a> {
    Folder { reference: &'a str, root: PathBuf, paths: &'a Paths },
    Archive { path: PathBuf, entries: HashMap<String, Section>, links: HashMap<String, String> },
}

/// Finds an image in an OCI layout.
pub(super) fn layout(reference: &str, located: &Located, paths: &Paths) -> Result<Found, ImageError> {
    let root = paths.existing(reference, &located.path)?;
    from_layout(reference, &Files::Folder { reference, root, paths }, located.tag.as_deref())
}

/// Finds an image in an archive that holds an OCI layout.
pub(super) fn oci_archive(reference: &str, located: &Located, paths: &Paths) -> Result<Found, ImageError> {
    let files = Files::index(paths.existing(reference, &located.path)?)?;
    from_layout(reference, &files, located.tag.as_deref())
}

/// Finds an image in what `docker save` wrote.
pub(super) fn docker_archive(reference: &str, located: &Located, paths: &Paths) -> Result<Found, ImageError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Saved {
        config: String,
        repo_tags: Option<Vec<String>>,
        layers: Vec<String>,
    }
    let files = Files::index(paths.existing(reference, &located.path)?)?;
    let saved: Vec<Saved> = manifest::read("`manifest.json`", &files.read("manifest.json")?)?;
    let tags = || saved.iter().flat_map(|image| image.repo_tags.iter().flatten()).cloned().collect::<Vec<_>>();
    let has = |image: &Saved, tag: &String| image.repo_tags.iter().flatten().any(|found| found == tag);
    let found = match &located.tag {
        Some(tag) => saved.iter().find(|image| has(image, tag)),
        None if saved.len() == 1 => saved.first(),
        None => None,
    };
    let image = found.ok_or_else(|| ImageError::NoSuchImage {
        what: format!("`{reference}`"),
        wanted: located.tag.as_ref().map_or_else(
            || "that is the only one, so add `:` and a tag".to_owned(),
            |tag| format!("with the tag `{tag}`"),
        ),
        found: manifest::list(&tags()),
    })?;
    let config = Config::read("the image's configuration", &files.read(&image.config)?)?;
    let names = image.layers.iter().map(|name| Ok((None, files.find(name)?)));
    let layers = pair(reference, &config, names.collect::<Result<_, ImageError>>()?)?;
    Ok(Found { config, layers })
}

fn from_layout(reference: &str, files: &Files<'_>, tag: Option<&str>) -> Result<Found, ImageError> {
    let what = format!("`{reference}`");
    let Document::Index(found) = Document::read("`index.json`", &files.read("index.json")?)? else {
        return Err(malformed("`index.json`", "it is no index"));
    };
    let found: Vec<_> = manifest::tagged(&what, &found, tag)?.into_iter().cloned().collect();
    let mut descriptor = manifest::for_this_machine(&what, &found)?.clone();
    // An index may point at one more, by platform, and no deeper.
    let mut document = Document::read("the image's manifest", &files.document(&descriptor)?)?;
    if let Document::Index(inner) = &document {
        descriptor = manifest::for_this_machine(&what, inner)?.clone();
        document = Document::read("the image's manifest", &files.document(&descriptor)?)?;
    }
    let Document::Manifest(manifest) = document else {
        return Err(malformed(&what, "its indexes are nested too deep"));
    };
    let config = Config::read("the image's configuration", &files.document(&manifest.config)?)?;
    let sections = manifest.layers.iter().map(|layer| Ok((Some(layer.digest.clone()), files.blob(layer)?)));
    let layers = pair(reference, &config, sections.collect::<Result<_, ImageError>>()?)?;
    Ok(Found { config, layers })
}

fn pair(reference: &str, config: &Config, files: Vec<(Option<Digest>, Section)>) -> Result<Vec<Layer>, ImageError> {
    if files.len() != config.diff_ids().len() {
        return Err(malformed(&format!("`{reference}`"), "its manifest and its configuration differ in their layers"));
    }
    let pairs = files.into_iter().zip(config.diff_ids().iter().cloned());
    Ok(pairs.map(|((digest, section), diff_id)| Layer { diff_id, digest, section }).collect())
}

impl Files<'_> {
    /// Finds out what is where in an archive, without reading the files.
    fn index(path: PathBuf) -> Result<Self, ImageError> {
        let unreadable = |source| ImageError::File { action: "read the archive", path: path.clone(), source };
        let mut file = File::open(&path).map_err(unreadable)?;
        let mut magic = [0; 4];
        let length = file.read(&mut magic).and_then(|length| file.rewind().map(|()| length)).map_err(unreadable)?;
        if matches!(magic[..length], [0x1f, 0x8b, ..] | [0x28, 0xb5, 0x2f, 0xfd]) {
            return Err(malformed(&format!("`{}`", path.display()), "it is compressed; decompress the archive first"));
        }
        let mut archive = Archive::new(file);
        let (mut entries, mut links) = (HashMap::new(), HashMap::new());
        for entry in archive.entries_with_seek().map_err(unreadable)?.raw(true) {
            let entry = entry.map_err(unreadable)?;
            let name = plain(&String::from_utf8_lossy(&entry.path_bytes()));
            match entry.header().entry_type() {
                EntryType::Regular => {
                    let section =
                        Section { path: path.clone(), start: entry.raw_file_position(), length: entry.size() };
                    entries.insert(name, section);
                }
                // Older versions of Docker save a layer once, and links to it.
                EntryType::Symlink | EntryType::Link => {
                    let target = entry.link_name_bytes().unwrap_or_default();
                    let target = String::from_utf8_lossy(&target).into_owned();
                    let folder = match entry.header().entry_type() {
                        EntryType::Symlink => name.rsplit_once('/').map_or("", |(folder, _)| folder),
                        _ => "",
                    };
                    links.insert(name.clone(), plain(&format!("{folder}/{target}")));
                }
                _ => {}
            }
        }
        Ok(Self::Archive { path, entries, links })
    }

    fn find(&self, name: &str) -> Result<Section, ImageError> {
        match self {
            Self::Folder { reference, root, paths } => {
                let path = paths.existing(reference, &root.join(name))?;
                let unreadable = |source| ImageError::File { action: "read", path: path.clone(), source };
                let metadata = path.metadata().map_err(unreadable)?;
                // A pipe would keep its reader waiting.
                if !metadata.is_file() {
                    return Err(unreadable(io::ErrorKind::InvalidInput.into()));
                }
                let length = metadata.len();
                Ok(Section { path, start: 0, length })
            }
            Self::Archive { path, entries, links } => {
                let name = plain(name);
                let found = entries.get(&name).or_else(|| entries.get(links.get(&name)?));
                let missing = || malformed(&format!("`{}`", path.display()), &format!("there is no `{name}` in it"));
                found.cloned().ok_or_else(missing)
            }
        }
    }

    fn read(&self, name: &str) -> Result<Vec<u8>, ImageError> {
        let section = self.find(name)?;
        if section.length > MAX_DOCUMENT_BYTES {
            return Err(malformed(&format!("`{name}`"), "it is too large to be what it should be"));
        }
        let mut bytes = Vec::new();
        let read = section.open().and_then(|mut file| file.read_to_end(&mut bytes));
        read.map_err(|source| ImageError::File { action: "read", path: section.path, source })?;
        Ok(bytes)
    }

    fn blob(&self, descriptor: &Descriptor) -> Result<Section, ImageError> {
        self.find(&format!("blobs/sha256/{}", descriptor.digest.hex()))
    }

    fn document(&self, descriptor: &Descriptor) -> Result<Vec<u8>, ImageError> {
        let name = format!("blobs/sha256/{}", descriptor.digest.hex());
        let bytes = self.read(&name)?;
        agree(&format!("`{name}`"), &descriptor.digest, &Digest::of(&bytes))?;
        Ok(bytes)
    }
}

impl Section {
    /// Opens the file at its start, to end where it does.
    pub(super) fn open(&self) -> io::Result<impl Read + use<>> {
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(self.start))?;
        Ok(file.take(self.length))
    }
}

/// Writes a name of an archive without what says nothing, `..` undone.
fn plain(name: &str) -> String {
    let mut parts = Vec::new();
    for part in name.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}
