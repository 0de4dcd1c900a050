//! What an honest layer becomes.

use std::fs;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use tar::EntryType;
use tempfile::TempDir;

use super::build::{Entry, archive, entry, file, folder, hard, pax, symbolic};
use crate::server::images::options::Limits;
use crate::server::images::tree::Owners;
use crate::server::images::unpack;

fn unpacked(entries: &[Entry]) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let root = dir.path().join("root");
    fs::create_dir(&root).expect("can be made");
    unpack::unpack(&archive(entries)[..], &root, Limits::default(), Owners::of_this_process()).expect("is honest");
    (dir, root)
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).expect("is there")
}

fn is_whiteout(path: &Path) -> bool {
    let metadata = fs::symlink_metadata(path).expect("is there");
    metadata.file_type().is_char_device() && metadata.rdev() == 0
}

fn is_opaque(path: &Path) -> bool {
    let has = |name: &str| rustix::fs::getxattr(path, name, &mut [0_u8; 1]).is_ok();
    has("user.overlay.opaque") || has("trusted.overlay.opaque")
}

#[test]
fn files_links_and_folders_are_as_written() {
    let script = Entry { mode: 0o6755, ..file("usr/bin/run", "#!") };
    let closed = Entry { mode: 0o500, ..folder("closed/") };
    let (_dir, root) = unpacked(&[
        closed,
        file("closed/inside", "filled before it is closed"),
        script,
        symbolic("bin", "usr/bin"),
        hard("usr/bin/again", "usr/bin/run"),
        entry(EntryType::Fifo, "run/pipe"),
        file("./a//b/./c", "plain"),
    ]);
    assert_eq!(read(&root.join("closed/inside")), "filled before it is closed");
    let run = fs::metadata(root.join("bin/run")).expect("is there");
    // Without the bits that give rights.
    assert_eq!((run.mode() & 0o7777, run.nlink(), run.mtime()), (0o755, 2, 1_700_000_000));
    assert_eq!(read(&root.join("a/b/c")), "plain");
    assert!(fs::metadata(root.join("run/pipe")).expect("is there").file_type().is_fifo());
    assert_eq!(fs::metadata(root.join("closed")).expect("is there").mtime(), 1_700_000_000);
}

#[test]
fn a_link_to_a_folder_is_a_way_into_it() {
    let (_dir, root) = unpacked(&[folder("usr/lib"), symbolic("lib", "/usr/lib"), file("lib/x", "below")]);
    assert_eq!(read(&root.join("usr/lib/x")), "below");
}

#[test]
fn names_may_be_long() {
    let long = format!("{}/{}", "d".repeat(150), "f".repeat(200));
    let target = "t".repeat(300);
    let (_dir, root) =
        unpacked(&[file(&long, "gnu"), symbolic("s", &target), pax("path", "by/pax"), file("short", "pax")]);
    assert_eq!(read(&root.join(long)), "gnu");
    assert_eq!(fs::read_link(root.join("s")).expect("is one"), Path::new(&target));
    assert_eq!(read(&root.join("by/pax")), "pax");
    assert!(!root.join("short").exists());
}

#[test]
fn what_a_layer_removes_is_marked() {
    let (_dir, root) = unpacked(&[
        file("etc/.wh.gone", ""),
        file("var/.wh..wh..opq", ""),
        file("var/new", "new"),
        file(".wh.again", ""),
        file("again/inside", "made anew"),
        file("kept", "in this layer"),
        file(".wh.kept", ""),
        file(".wh..wh.plnk", ""),
    ]);
    assert!(is_whiteout(&root.join("etc/gone")));
    assert!(is_opaque(&root.join("var")) && root.join("var/new").exists());
    assert!(is_opaque(&root.join("again")) && root.join("again/inside").exists());
    assert_eq!(read(&root.join("kept")), "in this layer");
    assert!(!is_opaque(&root.join("etc")));
    let names = fs::read_dir(&root).expect("is a folder").map(|entry| entry.expect("is one").file_name());
    assert!(names.into_iter().all(|name| !name.to_string_lossy().starts_with(".wh.")));
}

#[test]
fn of_two_entries_with_one_name_the_last_counts() {
    let (_dir, root) = unpacked(&[file("a", "first"), file("a", "second"), symbolic("b", "a"), file("b", "no link")]);
    assert_eq!(read(&root.join("a")), "second");
    assert!(fs::symlink_metadata(root.join("b")).expect("is there").is_file());
}

#[test]
fn devices_are_left_out() {
    let (_dir, root) =
        unpacked(&[entry(EntryType::Char, "dev/mem"), entry(EntryType::Block, "dev/sda"), file("x", "")]);
    assert_eq!(fs::read_dir(&root).expect("is a folder").count(), 1);
}
