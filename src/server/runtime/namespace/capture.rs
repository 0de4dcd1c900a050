//! What a sandbox has changed, as an archive: one more layer of an image, in the form of OCI.
//!
//! The sandbox may run meanwhile, and is hostile: its files are opened one name at a time from an open directory, and
//! no symbolic link is ever followed.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat};
use tar::{Builder, EntryType, Header};

use super::protocol::Users;

/// What an archive calls something that lower layers have and this one does not.
const WHITEOUT: &[u8] = b".wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";

/// What a sandbox has in memory, or is given at each start: it is no part of what it was made into.
const LEFT_OUT: [&[u8]; 4] = [b"tmp", b"dev", b"proc", b"sys"];

/// Whoever is outside of a sandbox's users is nobody.
const NOBODY: u32 = 65_534;
const N_USERS: u32 = 65_536;

/// Writes what is in the folder `upper` as an archive, for which this process must be allowed to open all of it.
pub(super) fn write(upper: BorrowedFd<'_>, users: Users, to: &mut dyn Write) -> io::Result<()> {
    let mut archive = Archive { builder: Builder::new(to), users, linked: HashMap::new() };
    archive.folder(upper, &[])?;
    archive.builder.into_inner()?.flush()
}

const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

struct Archive<'a> {
    builder: Builder<&'a mut dyn Write>,
    users: Users,
    /// The first names of files that have several.
    linked: HashMap<(u64, u64), Vec<u8>>,
}

impl Archive<'_> {
    /// Writes what is in a directory, in the order of names: the same files make the same layer.
    fn folder(&mut self, folder: BorrowedFd<'_>, path: &[u8]) -> io::Result<()> {
        let mut names = Vec::new();
        for entry in Dir::read_from(folder)? {
            let name = entry?.file_name().to_bytes().to_vec();
            // A name that an archive gives another meaning to is left out.
            let is_itself = name == b"." || name == b"..";
            let is_left_out = path.is_empty() && LEFT_OUT.contains(&name.as_slice());
            if !(is_itself || is_left_out || name.starts_with(WHITEOUT)) {
                names.push(name);
            }
        }
        names.sort();
        names.iter().try_for_each(|name| self.entry(folder, path, name))
    }

    fn entry(&mut self, folder: BorrowedFd<'_>, above: &[u8], name: &[u8]) -> io::Result<()> {
        let stat = match rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
            // It went while we looked.
            Err(rustix::io::Errno::NOENT) => return Ok(()),
            stat => stat?,
        };
        let path = join(above, name);
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => {
                let inner = rustix::fs::openat(folder, name, DIRECTORY, Mode::empty())?;
                self.empty(&path, &stat, EntryType::Directory)?;
                if is_opaque(&inner) {
                    self.marker(&join(&path, OPAQUE))?;
                }
                self.folder(inner.as_fd(), &path)
            }
            FileType::RegularFile => self.file(folder, name, &path, &stat),
            FileType::Symlink => {
                let target = rustix::fs::readlinkat(folder, name, Vec::new())?;
                let mut header = self.header(&stat, EntryType::Symlink);
                self.builder.append_link(&mut header, as_path(&path), as_path(target.to_bytes()))
            }
            FileType::Fifo => self.empty(&path, &stat, EntryType::Fifo),
            // How the kernel says that a lower layer's file is removed.
            FileType::CharacterDevice if stat.st_rdev == 0 => self.marker(&join(above, &[WHITEOUT, name].concat())),
            // Devices a sandbox gets at its start, and what listens on a socket is gone.
            _ => Ok(()),
        }
    }

    fn file(&mut self, folder: BorrowedFd<'_>, name: &[u8], path: &[u8], stat: &Stat) -> io::Result<()> {
        if stat.st_nlink > 1
            && let Some(first) = self.linked.get(&(stat.st_dev, stat.st_ino))
        {
            let mut header = self.header(stat, EntryType::Link);
            return self.builder.append_link(&mut header, as_path(path), as_path(first));
        }
        // A pipe that has taken the file's place does not hold us up.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = File::from(rustix::fs::openat(folder, name, flags, Mode::empty())?);
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Ok(());
        }
        let mut header = self.header(stat, EntryType::Regular);
        header.set_size(metadata.len());
        // It may grow or shrink meanwhile: the archive has as much as was announced.
        let content = file.chain(io::repeat(0)).take(metadata.len());
        self.builder.append_data(&mut header, as_path(path), content)?;
        if stat.st_nlink > 1 {
            self.linked.insert((stat.st_dev, stat.st_ino), path.to_vec());
        }
        Ok(())
    }

    fn empty(&mut self, path: &[u8], stat: &Stat, kind: EntryType) -> io::Result<()> {
        let mut header = self.header(stat, kind);
        self.builder.append_data(&mut header, as_path(path), io::empty())
    }

    /// Writes an entry that only says something by its name.
    fn marker(&mut self, path: &[u8]) -> io::Result<()> {
        let mut header = Header::new_gnu();
        header.set_entry_type(EntryType::Regular);
        header.set_mode(0o600);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_size(0);
        self.builder.append_data(&mut header, as_path(path), io::empty())
    }

    fn header(&self, stat: &Stat, kind: EntryType) -> Header {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(stat.st_mode & 0o7777);
        header.set_uid(self.inside(stat.st_uid).into());
        header.set_gid(self.inside(stat.st_gid).into());
        header.set_mtime(u64::try_from(stat.st_mtime).unwrap_or_default());
        header.set_size(0);
        header
    }

    /// Returns the number that a user has in the sandbox.
    fn inside(&self, id: u32) -> u32 {
        match self.users {
            Users::Own => 0,
            Users::Range(first) => id.checked_sub(first).filter(|id| *id < N_USERS).unwrap_or(NOBODY),
        }
    }
}

/// Returns whether nothing of lower layers shows through a directory.
fn is_opaque(folder: impl AsFd) -> bool {
    ["trusted.overlay.opaque", "user.overlay.opaque"].iter().any(|name| {
        let mut value = [0; 1];
        rustix::fs::fgetxattr(&folder, *name, &mut value).is_ok_and(|n| n == 1 && value == *b"y")
    })
}

fn join(above: &[u8], name: &[u8]) -> Vec<u8> {
    if above.is_empty() { name.to_vec() } else { [above, b"/", name].concat() }
}

fn as_path(bytes: &[u8]) -> &Path {
    use std::os::unix::ffi::OsStrExt as _;
    Path::new(std::ffi::OsStr::from_bytes(bytes))
}
