//! Archiving what the sandbox of an ordinary user has changed.
//!
//! The sandbox's root may have shut files to the user that it is out here. This process makes itself root of a user
//! namespace of its own with that one user in it, where it may open all of them, and changes no file for that. Nobody of
//! the sandbox comes near it, as would be if it were in the sandbox's namespaces.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};

use rustix::thread::UnshareFlags;

use super::super::protocol::{Report, Users};
use super::super::{capture, frame};
use super::{During as _, Failure, stage};

/// How much is written at once, in bytes: as much as a pipe holds.
const BUFFER: usize = 64 << 10;

/// Writes what is in the first descriptor, a folder, to the second.
pub(super) fn write(socket: &OwnedFd, fds: Vec<OwnedFd>) -> Result<(), Failure> {
    let fds = <[OwnedFd; 2]>::try_from(fds);
    let [folder, to] = fds.map_err(|_| io::Error::from(io::ErrorKind::InvalidData)).during("understand the server")?;
    stage::become_root_of_one_user(UnshareFlags::empty()).during("make a user namespace")?;
    let mut to = io::BufWriter::with_capacity(BUFFER, File::from(to));
    capture::write(folder.as_fd(), Users::Own, &mut to).during("archive the sandbox's files")?;
    // The end of the archive comes before the word that it is whole.
    drop(to);
    frame::send(socket, &Report::Archived, Vec::new()).during("report")
}
