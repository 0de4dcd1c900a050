//! Disks of a fixed size: files with a file system in them, for the sandboxes of root.
//!
//! Formatting takes several times as long as all the rest of a start, so that each size is formatted once and copied
//! from then on: what is in a new file system is a few hundred kilobytes, and the rest of the file is a hole. There is
//! no journal, which would double the time that a mount takes: as with any disk of a sandbox, what a crash of the
//! machine leaves of the last seconds is not promised.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::fs::{SeekFrom, seek};
use rustix::io::Errno;

/// What makes file systems, where distributions have it.
const FORMATTERS: &[&str] = &["/usr/sbin/mkfs.ext4", "/sbin/mkfs.ext4", "/usr/bin/mkfs.ext4"];

/// Sizes are whole multiples of this, and at least [`LEAST`]: below it the file system's own tables are most of it.
const STEP: u64 = 1 << 20;
const LEAST: u64 = 16 << 20;

/// How many bytes of data there are to an inode: the usual number (mke2fs.conf(5)).
const BYTES_PER_INODE: &str = "16384";

const COPIED_AT_ONCE: usize = 256 << 10;

/// Makes a disk of that many bytes at `to`, from one that is kept formatted in the folder.
pub(super) fn make(formatted: &Path, bytes: u64, to: &Path) -> io::Result<()> {
    let bytes = bytes.max(LEAST).checked_next_multiple_of(STEP).ok_or(io::ErrorKind::InvalidInput)?;
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

fn format(file: &Path, bytes: u64) -> io::Result<()> {
    let formatter = FORMATTERS.iter().map(Path::new).find(|path| path.exists());
    let formatter = formatter.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "there is no `mkfs.ext4`"))?;
    File::options().write(true).create(true).truncate(true).mode(0o600).open(file)?.set_len(bytes)?;
    let output = Command::new(formatter)
        .args(["-q", "-F", "-b", "4096", "-m", "0", "-i", BYTES_PER_INODE, "-O", "^has_journal,^resize_inode"])
        .args(["-E", "lazy_itable_init=1,nodiscard"])
        .arg(file)
        .env_clear()
        .stdin(Stdio::null())
        .output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(io::Error::other(format!("`mkfs.ext4` failed: {}", said.lines().next().unwrap_or("it says nothing"))))
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
