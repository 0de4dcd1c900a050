//! How overlayfs is told that a layer removes something of those below it.
//!
//! Layers are unpacked by one process and may be mounted by another that has other rights, so that both forms of a mark
//! are written where they can be: `trusted.` is what a mount of root reads, `user.` what one of anybody else does.

use std::io;
use std::os::fd::AsFd;

use rustix::fs::{Mode, XattrFlags};

/// Marks `name` in `dir` as removed: a character device 0:0, which since Linux 5.8 needs no privilege.
#[cfg(target_os = "linux")]
pub(in crate::server) fn whiteout(dir: impl AsFd, name: &[u8]) -> io::Result<()> {
    Ok(rustix::fs::mknodat(dir, name, rustix::fs::FileType::CharacterDevice, Mode::empty(), 0)?)
}

/// Makes a named pipe.
#[cfg(target_os = "linux")]
pub(in crate::server) fn pipe(dir: impl AsFd, name: &[u8], mode: Mode) -> io::Result<()> {
    Ok(rustix::fs::mkfifoat(dir, name, mode)?)
}

/// Waits until everything that was written to the file system of `dir` is on its disk.
#[cfg(target_os = "linux")]
pub(in crate::server) fn sync(dir: impl AsFd) -> io::Result<()> {
    Ok(rustix::fs::syncfs(dir)?)
}

#[cfg(not(target_os = "linux"))]
pub(in crate::server) fn whiteout(_dir: impl AsFd, _name: &[u8]) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(not(target_os = "linux"))]
pub(in crate::server) fn pipe(_dir: impl AsFd, _name: &[u8], _mode: Mode) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(not(target_os = "linux"))]
pub(in crate::server) fn sync(_dir: impl AsFd) -> io::Result<()> {
    Ok(())
}

/// Marks a directory as opaque: of a directory of the same name in lower layers, nothing shows through.
///
/// # Errors
///
/// When neither form can be written: the mark would be lost, and removed files would be back.
pub(in crate::server) fn opaque(dir: impl AsFd) -> io::Result<()> {
    let mark = |name: &str| rustix::fs::fsetxattr(&dir, name, b"y", XattrFlags::empty());
    let trusted = mark("trusted.overlay.opaque");
    let user = mark("user.overlay.opaque");
    Ok(trusted.or(user)?)
}
