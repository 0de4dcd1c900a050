//! Disks of a fixed size: files with a file system in them, for the sandboxes of root.
//!
//! Formatting takes several times as long as all the rest of a start, so that each size is formatted once and copied
//! from then on: what is in a new file system is a few hundred kilobytes, and the rest of the file is a hole. There is
//! no journal, which would double the time that a mount takes: as with any disk of a sandbox, what a crash of the
//! machine leaves of the last seconds is not promised.

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use rustix::fs::{SeekFrom, seek};
use rustix::io::Errno;

/// What makes file systems, where distributions have it.
const FORMATTERS: &[&str] = &["/usr/sbin/mkfs.ext4", "/sbin/mkfs.ext4", "/usr/bin/mkfs.ext4"];

/// What checks them and makes them larger, of the same package.
const CHECKERS: &[&str] = &["/usr/sbin/e2fsck", "/sbin/e2fsck", "/usr/bin/e2fsck"];
const GROWERS: &[&str] = &["/usr/sbin/resize2fs", "/sbin/resize2fs", "/usr/bin/resize2fs"];

/// Sizes are whole multiples of this, and at least [`LEAST`]: below it the file system's own tables are most of it.
const STEP: u64 = 1 << 20;
const LEAST: u64 = 16 << 20;

/// How many bytes of data there are to an inode: the usual number (mke2fs.conf(5)).
const BYTES_PER_INODE: &str = "16384";

const COPIED_AT_ONCE: usize = 256 << 10;

/// Makes a disk of that many bytes at `to`, from one that is kept formatted in the folder.
pub(super) fn make(formatted: &Path, bytes: u64, to: &Path) -> io::Result<()> {
    let bytes = whole(bytes)?;
    let template = formatted.join(format!("{bytes}.ext4"));
    if !template.exists() {
        fs::create_dir_all(formatted)?;
        // Whoever else makes it at the same time has another name for it, and either will do.
        let draft = to.with_extension("draft");
        format(&draft, bytes).and_then(|()| fs::rename(&draft, &template)).inspect_err(|_| {
            let _ = fs::remove_file(&draft);
        })?;
    }
    copy(&template, to)
}

/// Makes a disk larger that holds fewer bytes than that; waits for an earlier life of its sandbox to let go of it.
pub(super) fn grow(disk: &Path, bytes: u64) -> io::Result<()> {
    let (bytes, before) = (whole(bytes)?, fs::metadata(disk)?.len());
    if bytes <= before {
        return Ok(());
    }
    let file = File::options().write(true).open(disk)?;
    lock(&file)?;
    // It may have been in use when the server was killed: one with errors is not made larger.
    run(CHECKERS, &["-f", "-p"], disk, |code| code <= ERRORS_CORRECTED)?;
    file.set_len(bytes)?;
    run(GROWERS, &[], disk, |code| code == 0).inspect_err(|_| {
        // What was not grown into is not needed.
        let _ = file.set_len(before);
    })
}

/// The highest of e2fsck's codes that leave nothing to be done, see e2fsck(8).
const ERRORS_CORRECTED: i32 = 1;

/// Locks a disk, which an earlier life of the sandbox may be about to let go of.
pub(super) fn lock(disk: &File) -> io::Result<()> {
    for _ in 0..LOCK_TRIES {
        match disk.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) => thread::sleep(BETWEEN),
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
    Err(io::ErrorKind::ResourceBusy.into())
}

/// Ten seconds together.
const LOCK_TRIES: u32 = 1000;
const BETWEEN: Duration = Duration::from_millis(10);

/// Returns the size that a disk for that many bytes has.
fn whole(bytes: u64) -> io::Result<u64> {
    bytes.max(LEAST).checked_next_multiple_of(STEP).ok_or_else(|| io::ErrorKind::InvalidInput.into())
}

fn format(file: &Path, bytes: u64) -> io::Result<()> {
    File::options().write(true).create(true).truncate(true).mode(0o600).open(file)?.set_len(bytes)?;
    let arguments = ["-q", "-F", "-b", "4096", "-m", "0", "-i", BYTES_PER_INODE, "-O", "^has_journal,^resize_inode"];
    let arguments = [&arguments[..], &["-E", "lazy_itable_init=1,nodiscard"]].concat();
    run(FORMATTERS, &arguments, file, |code| code == 0)
}

/// Runs a program on a disk.
fn run(program: &[&str], arguments: &[&str], disk: &Path, is_well: impl Fn(i32) -> bool) -> io::Result<()> {
    let name = program[0].rsplit('/').next().unwrap_or_default();
    let program = program.iter().map(Path::new).find(|path| path.exists());
    let program = program.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("there is no `{name}`")))?;
    let output = Command::new(program).args(arguments).arg(disk).env_clear().stdin(Stdio::null()).output()?;
    if output.status.code().is_some_and(is_well) {
        return Ok(());
    }
    let said = [output.stderr, output.stdout].concat();
    let said = String::from_utf8_lossy(&said);
    Err(io::Error::other(format!("`{name}` failed: {}", said.lines().next().unwrap_or("it says nothing"))))
}

/// Copies what is in a file, and leaves its holes.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let (from, draft) = (File::open(from)?, PathBuf::from(to).with_extension("new"));
    let copy = File::options().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    copy.set_len(from.metadata()?.len())?;
    let mut at = 0;
    let mut buffer = vec![0; COPIED_AT_ONCE];
    while let Some((start, end)) = data_from(&from, at)? {
        let length = usize::try_from(end - start).map_or(COPIED_AT_ONCE, |length| length.min(COPIED_AT_ONCE));
        let bytes = &mut buffer[..length];
        from.read_exact_at(bytes, start)?;
        copy.write_all_at(bytes, start)?;
        at = start + bytes.len() as u64;
    }
    fs::rename(draft, to)
}

/// Returns where the next data of a file is.
fn data_from(file: &File, at: u64) -> io::Result<Option<(u64, u64)>> {
    match seek(file, SeekFrom::Data(at)) {
        Ok(start) => Ok(Some((start, seek(file, SeekFrom::Hole(start))?))),
        Err(Errno::NXIO) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
