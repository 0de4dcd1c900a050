//! One layer, from an archive to a directory.
//!
//! Archives are hostile until shown otherwise. Everything is read once and as a stream, with a bound on all that is
//! kept in memory; names are taken apart here, and [`Tree`](super::tree) makes files so that nothing is touched
//! outside. Devices are left out, as a sandbox has its own; so are extended attributes, which are capabilities of
//! files mostly.

use std::io::{self, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;
use tar::{Archive, Entry, EntryType, PaxExtensions};

use super::options::Limits;
use super::tree::{Metadata, Owners, Tree};
use super::zstd::Frames;

/// How long a name may be, with all that PAX says of one entry. Linux takes paths of 4 KiB.
const MAX_EXTENSION_BYTES: u64 = 1 << 20;
const MAX_PATH_BYTES: usize = 4096;

/// What a file of an image begins with that removes something of lower layers.
const WHITEOUT: &[u8] = b".wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";

/// Fills `target`, an empty directory, with what a layer holds. `decoded` is the archive itself, see [`decode`].
///
/// # Errors
///
/// Of the kind `InvalidData` where the archive is to blame.
pub(super) fn unpack(decoded: impl Read, target: &Path, limits: Limits, owners: Owners) -> io::Result<()> {
    let mut tree = Tree::open(target, owners)?;
    let mut archive = Archive::new(Bounded { inner: decoded, left: limits.layer_bytes, limit: limits.layer_bytes });
    let mut extension = Extension::default();
    let mut count = 0;
    // Raw, because the crate would read the names of hostile archives into memory, however long they are.
    for entry in archive.entries()?.raw(true) {
        let mut entry = entry?;
        count += 1;
        if count > limits.layer_entries {
            return Err(invalid(format!("it has more than {} entries, which is the limit", limits.layer_entries)));
        }
        if extension.take_in(&mut entry)? {
            continue;
        }
        let said = std::mem::take(&mut extension);
        let name = said.path.unwrap_or_else(|| entry.path_bytes().into_owned());
        let link = said.link.or_else(|| entry.link_name_bytes().map(std::borrow::Cow::into_owned));
        place(&mut tree, &mut entry, &name, link.as_deref(), (said.user, said.group))
            .map_err(|error| io::Error::new(error.kind(), format!("`{}`: {error}", name.escape_ascii())))?;
    }
    tree.close()
}

/// Undoes the compression of a layer, whatever its media type says: its first bytes tell.
pub(super) fn decode<'a>(mut blob: impl io::BufRead + 'a) -> io::Result<Box<dyn Read + 'a>> {
    Ok(match blob.fill_buf()? {
        [0x1f, 0x8b, ..] => Box::new(MultiGzDecoder::new(blob)),
        [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Box::new(Frames::new(blob)),
        _ => Box::new(blob),
    })
}

/// Makes what one entry stands for.
fn place(
    tree: &mut Tree,
    entry: &mut Entry<'_, impl Read>,
    name: &[u8],
    link: Option<&[u8]>,
    (user, group): (Option<u64>, Option<u64>),
) -> io::Result<()> {
    let path = parts(name)?;
    let header = entry.header();
    let metadata = Metadata {
        mode: header.mode()?,
        user: user.map_or_else(|| header.uid(), Ok)?,
        group: group.map_or_else(|| header.gid(), Ok)?,
        modified: i64::try_from(header.mtime()?).unwrap_or_default(),
    };
    if let Some(last) = path.last().filter(|last| last.starts_with(WHITEOUT)) {
        return remove(tree, &path, &last[WHITEOUT.len()..]);
    }
    let target = || link.filter(|link| !link.is_empty()).ok_or_else(|| invalid("it is a link to nothing".to_owned()));
    match header.entry_type() {
        EntryType::Directory => tree.directory(&path, metadata),
        // Old archives write a directory as a file whose name ends in a slash.
        EntryType::Regular if name.ends_with(b"/") => tree.directory(&path, metadata),
        EntryType::Regular | EntryType::Continuous => tree.file(&path, metadata, entry),
        EntryType::Symlink => tree.symbolic_link(&path, metadata, target()?),
        EntryType::Link => tree.hard_link(&path, &parts(target()?)?),
        EntryType::Fifo => tree.pipe(&path, metadata),
        EntryType::Char | EntryType::Block => Ok(()),
        EntryType::GNUSparse => Err(invalid("sparse files are not read; write the archive without them".to_owned())),
        other => Err(invalid(format!("entries of the type {:?} are not known", char::from(other.as_byte())))),
    }
}

fn remove(tree: &Tree, path: &[Vec<u8>], removed: &[u8]) -> io::Result<()> {
    let (last, above) = path.split_last().expect("a whiteout has a name");
    match removed {
        _ if last == OPAQUE => tree.opaque(above),
        // What aufs keeps for itself.
        _ if removed.starts_with(WHITEOUT) => Ok(()),
        b"" | b"." | b".." => Err(invalid("it removes what has no name".to_owned())),
        name => tree.whiteout(&[above, &[name.to_vec()]].concat()),
    }
}

/// Takes a path apart; the leading `/` and every `.` are noise.
///
/// # Errors
///
/// For `..`: it is never needed, and an image that has it was made to harm.
fn parts(path: &[u8]) -> io::Result<Vec<Vec<u8>>> {
    if path.len() > MAX_PATH_BYTES {
        return Err(invalid(format!("its path is longer than {MAX_PATH_BYTES} bytes")));
    }
    if path.contains(&0) {
        return Err(invalid("its path has a NUL character in it".to_owned()));
    }
    let parts = path.split(|&byte| byte == b'/').filter(|part| !part.is_empty() && *part != b".");
    let parts: Vec<_> = parts.map(<[u8]>::to_vec).collect();
    if parts.iter().any(|part| part == b"..") {
        return Err(invalid("its path climbs with `..`".to_owned()));
    }
    Ok(parts)
}

/// What the entries before one say of it.
#[derive(Default)]
struct Extension {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    user: Option<u64>,
    group: Option<u64>,
}

impl Extension {
    /// Reads an entry that only says something of the next one; `false` when it is a file of its own.
    fn take_in(&mut self, entry: &mut Entry<'_, impl Read>) -> io::Result<bool> {
        match entry.header().entry_type() {
            EntryType::GNULongName => self.path = Some(long_name(entry)?),
            EntryType::GNULongLink => self.link = Some(long_name(entry)?),
            EntryType::XHeader => {
                let text = read_extension(entry)?;
                for record in PaxExtensions::new(&text) {
                    let record = record.map_err(|_| invalid("a PAX record is malformed".to_owned()))?;
                    self.record(record.key_bytes(), record.value_bytes())?;
                }
            }
            // Says something of all that follows, such as the commit that an archive was made from.
            EntryType::XGlobalHeader => drop(read_extension(entry)?),
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn record(&mut self, key: &[u8], value: &[u8]) -> io::Result<()> {
        let number = || std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
        match key {
            b"path" => self.path = Some(value.to_vec()),
            b"linkpath" => self.link = Some(value.to_vec()),
            b"uid" => self.user = number(),
            b"gid" => self.group = number(),
            // A size that differs from the header's would make one reader see entries that another one does not.
            b"size" => return Err(invalid("files of more than 8 GiB are not read".to_owned())),
            key if key.starts_with(b"GNU.sparse.") => {
                return Err(invalid("sparse files are not read; write the archive without them".to_owned()));
            }
            _ => {}
        }
        Ok(())
    }
}

fn long_name(entry: &mut Entry<'_, impl Read>) -> io::Result<Vec<u8>> {
    let mut name = read_extension(entry)?;
    if name.last() == Some(&0) {
        name.pop();
    }
    Ok(name)
}

fn read_extension(entry: &mut Entry<'_, impl Read>) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    entry.take(MAX_EXTENSION_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_EXTENSION_BYTES {
        return Err(invalid(format!("what is said of one entry is longer than {MAX_EXTENSION_BYTES} bytes")));
    }
    Ok(bytes)
}

/// Ends with an error where a layer goes on beyond its limit.
struct Bounded<R> {
    inner: R,
    left: u64,
    limit: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(buffer)?;
        self.left = self
            .left
            .checked_sub(length as u64)
            .ok_or_else(|| invalid(format!("it holds more than {} bytes unpacked, which is the limit", self.limit)))?;
        Ok(length)
    }
}

fn invalid(reason: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}
