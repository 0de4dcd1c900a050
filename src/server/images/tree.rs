//! A directory that is filled from an archive, and outside of which nothing is ever touched.
//!
//! No path is given to the kernel as a whole. Each is walked part by part from an open directory, symbolic links are
//! read and walked in the same way with the tree as their root, and what is made is made by its last name in a
//! directory that is open. So there is no moment at which a name could lead out, whatever an archive has made before.

use std::collections::VecDeque;
use std::io::{self, Read, Write as _};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, Timespec, Timestamps, Uid};
use rustix::io::Errno;

use super::super::runtime::overlay;

/// As many symbolic links as Linux follows in one path.
const MAX_LINKS: u32 = 40;

/// Sandboxes have 64k users: whoever is beyond them is nobody, who has this number by convention.
const LAST_ID: u64 = 65_535;
const NOBODY: u32 = 65_534;

/// A directory that is filled from an archive.
pub(super) struct Tree {
    root: OwnedFd,
    owners: Owners,
    /// Directories get their modes and times last: one that may not be written to must be filled before.
    unfinished: Vec<(Vec<Vec<u8>>, Metadata)>,
}

/// Whose the files become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owners {
    /// Whoever the archive says, which only root can do.
    Kept,
    /// The process's own user.
    Own,
}

/// What an archive says of a file, apart from its content.
#[derive(Debug, Clone, Copy)]
pub(super) struct Metadata {
    pub(super) mode: u32,
    pub(super) user: u64,
    pub(super) group: u64,
    /// In seconds since 1970.
    pub(super) modified: i64,
}

impl Owners {
    /// Returns what this process can do.
    pub(super) fn of_this_process() -> Self {
        if rustix::process::geteuid().is_root() { Self::Kept } else { Self::Own }
    }
}

impl Tree {
    /// Opens a directory to be filled.
    pub(super) fn open(path: &Path, owners: Owners) -> io::Result<Self> {
        let root = rustix::fs::open(path, DIRECTORY, Mode::empty())?;
        Ok(Self { root, owners, unfinished: Vec::new() })
    }

    /// Makes a directory, or gives one that is there its mode and times.
    pub(super) fn directory(&mut self, path: &[Vec<u8>], metadata: Metadata) -> io::Result<()> {
        if let Some((name, above)) = path.split_last() {
            let parent = self.enter(above)?;
            match file_type(&parent, name)? {
                Some(FileType::Directory) => {}
                Some(existing) => {
                    rustix::fs::unlinkat(&parent, name.as_slice(), AtFlags::empty())?;
                    self.make_directory(&parent, name)?;
                    if existing == FileType::CharacterDevice {
                        // It was removed and made anew: what is below it in other layers is not to show through.
                        overlay::opaque(self.step(&parent, name)?)?;
                    }
                }
                None => self.make_directory(&parent, name)?,
            }
        }
        self.unfinished.push((path.to_vec(), metadata));
        Ok(())
    }

    /// Writes a file.
    pub(super) fn file(&self, path: &[Vec<u8>], metadata: Metadata, content: &mut impl Read) -> io::Result<()> {
        let (parent, name) = self.vacate(path)?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut file: std::fs::File = rustix::fs::openat(&parent, name, flags, Mode::RUSR | Mode::WUSR)?.into();
        io::copy(content, &mut file)?;
        file.flush()?;
        // Nothing in a sandbox gains rights by running a file, and on the host nobody shall.
        self.finish(&file, metadata, 0o1777)
    }

    /// Makes a symbolic link. Its target is only text here: it is never followed but inside the tree.
    pub(super) fn symbolic_link(&self, path: &[Vec<u8>], metadata: Metadata, target: &[u8]) -> io::Result<()> {
        let (parent, name) = self.vacate(path)?;
        rustix::fs::symlinkat(target, &parent, name)?;
        if self.owners == Owners::Kept {
            let (user, group) = metadata.owners();
            rustix::fs::chownat(&parent, name, user, group, AtFlags::SYMLINK_NOFOLLOW)?;
        }
        let times = metadata.times();
        Ok(rustix::fs::utimensat(&parent, name, &times, AtFlags::SYMLINK_NOFOLLOW)?)
    }

    /// Gives a file of the tree a second name.
    pub(super) fn hard_link(&self, path: &[Vec<u8>], target: &[Vec<u8>]) -> io::Result<()> {
        let (target_name, above) = target.split_last().ok_or(io::ErrorKind::IsADirectory)?;
        let target_parent = self.enter(above)?;
        // Looked at before the new name is vacated: a file may be said to be a link to itself.
        let target_type = file_type(&target_parent, target_name)?;
        if !matches!(target_type, Some(FileType::RegularFile | FileType::Symlink | FileType::Fifo)) {
            return Err(io::Error::new(
                io::ErrorKind::NotFound,
                "the target of the hard link is no file of this layer",
            ));
        }
        if path == target {
            return Ok(());
        }
        let (parent, name) = self.vacate(path)?;
        Ok(rustix::fs::linkat(&target_parent, target_name.as_slice(), &parent, name, AtFlags::empty())?)
    }

    /// Makes a named pipe.
    pub(super) fn pipe(&self, path: &[Vec<u8>], metadata: Metadata) -> io::Result<()> {
        let (parent, name) = self.vacate(path)?;
        overlay::pipe(&parent, name, Mode::from_raw_mode(metadata.mode & 0o777))
    }

    /// Says that what lower layers have under this name is gone. What this layer has there itself stays.
    pub(super) fn whiteout(&self, path: &[Vec<u8>]) -> io::Result<()> {
        let (name, above) = path.split_last().ok_or(io::ErrorKind::IsADirectory)?;
        let parent = self.enter(above)?;
        match file_type(&parent, name)? {
            None => overlay::whiteout(&parent, name),
            Some(FileType::Directory) => overlay::opaque(self.step(&parent, name)?),
            // A file hides what is below it anyway.
            Some(_) => Ok(()),
        }
    }

    /// Says that what lower layers have in this directory is gone.
    pub(super) fn opaque(&self, path: &[Vec<u8>]) -> io::Result<()> {
        overlay::opaque(self.enter(path)?)
    }

    /// Gives the directories what was put off, and everything to the disk.
    pub(super) fn close(mut self) -> io::Result<()> {
        // From the last to the first, so that those inside come before those around them.
        while let Some((path, metadata)) = self.unfinished.pop() {
            let directory = self.enter(&path)?;
            // Somebody else than root could not remove a directory that they may not enter.
            let metadata = match self.owners {
                Owners::Kept => metadata,
                Owners::Own => Metadata { mode: metadata.mode | 0o700, ..metadata },
            };
            self.finish(&directory, metadata, 0o7777)?;
        }
        overlay::sync(&self.root)
    }

    fn finish(&self, file: impl AsFd, metadata: Metadata, allowed: u32) -> io::Result<()> {
        if self.owners == Owners::Kept {
            let (user, group) = metadata.owners();
            rustix::fs::fchown(&file, user, group)?;
        }
        rustix::fs::fchmod(&file, Mode::from_raw_mode(metadata.mode & allowed))?;
        Ok(rustix::fs::futimens(&file, &metadata.times())?)
    }

    /// Opens the directory at `path`, and makes it and those above it where they are not there.
    fn enter(&self, path: &[Vec<u8>]) -> io::Result<OwnedFd> {
        // The way from the root to where we stand; `..` of a symbolic link goes back, and never above the root.
        let mut way = vec![self.root.try_clone()?];
        let mut rest: VecDeque<Vec<u8>> = path.iter().cloned().collect();
        let mut links = 0;
        while let Some(name) = rest.pop_front() {
            let here = way.last().expect("the root is never left");
            match name.as_slice() {
                b".." if way.len() > 1 => drop(way.pop()),
                b"" | b"." | b".." => {}
                _ => match file_type(here, &name)? {
                    Some(FileType::Symlink) => {
                        links += 1;
                        if links > MAX_LINKS {
                            return Err(Errno::LOOP.into());
                        }
                        let target = rustix::fs::readlinkat(here, name.as_slice(), Vec::new())?.into_bytes();
                        if target.starts_with(b"/") {
                            way.truncate(1);
                        }
                        for part in target.split(|&byte| byte == b'/').rev() {
                            rest.push_front(part.to_vec());
                        }
                    }
                    Some(FileType::Directory) => way.push(self.step(here, &name)?),
                    Some(FileType::CharacterDevice) => {
                        rustix::fs::unlinkat(here, name.as_slice(), AtFlags::empty())?;
                        self.make_directory(here, &name)?;
                        let made = self.step(here, &name)?;
                        overlay::opaque(&made)?;
                        way.push(made);
                    }
                    Some(_) => return Err(Errno::NOTDIR.into()),
                    None => {
                        self.make_directory(here, &name)?;
                        way.push(self.step(here, &name)?);
                    }
                },
            }
        }
        Ok(way.pop().expect("the root is never left"))
    }

    /// Opens a directory by its name alone, and no symbolic link.
    #[expect(clippy::unused_self, reason = "reads as the walk's one step")]
    fn step(&self, parent: &OwnedFd, name: &[u8]) -> io::Result<OwnedFd> {
        Ok(rustix::fs::openat(parent, name, DIRECTORY, Mode::empty())?)
    }

    #[expect(clippy::unused_self, reason = "reads as the walk's one step")]
    fn make_directory(&self, parent: &OwnedFd, name: &[u8]) -> io::Result<()> {
        rustix::fs::mkdirat(parent, name, Mode::from_raw_mode(0o755))?;
        Ok(())
    }

    /// Opens the directory above `path` and removes the file that has its name: of two entries, the last counts.
    fn vacate<'a>(&self, path: &'a [Vec<u8>]) -> io::Result<(OwnedFd, &'a [u8])> {
        let (name, above) = path.split_last().ok_or(io::ErrorKind::IsADirectory)?;
        let parent = self.enter(above)?;
        match file_type(&parent, name)? {
            None => {}
            Some(FileType::Directory) => {
                return Err(io::Error::new(io::ErrorKind::IsADirectory, "a directory of this layer has the same name"));
            }
            Some(_) => rustix::fs::unlinkat(&parent, name.as_slice(), AtFlags::empty())?,
        }
        Ok((parent, name))
    }
}

const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Returns what has this name in a directory; a symbolic link is one.
fn file_type(parent: &OwnedFd, name: &[u8]) -> io::Result<Option<FileType>> {
    match rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(FileType::from_raw_mode(stat.st_mode))),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

impl Metadata {
    fn owners(&self) -> (Option<Uid>, Option<Gid>) {
        let id = |id: u64| if id > LAST_ID { NOBODY } else { u32::try_from(id).unwrap_or(NOBODY) };
        (Some(Uid::from_raw(id(self.user))), Some(Gid::from_raw(id(self.group))))
    }

    fn times(&self) -> Timestamps {
        let time = Timespec { tv_sec: self.modified, tv_nsec: 0 };
        Timestamps { last_access: time, last_modification: time }
    }
}
