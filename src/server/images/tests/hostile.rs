//! Archives that were made to harm.

use std::fs;
use std::io::{self, Read};
use std::path::Path;

use proptest::prelude::*;
use tar::EntryType;

use super::build::{Compress, Entry, archive, entry, file, folder, gzip, hard, pax, symbolic, zstd};
use crate::server::images::options::Limits;
use crate::server::images::tree::Owners;
use crate::server::images::unpack;

/// A folder to unpack in, beside one that nobody may touch.
struct Range {
    dir: tempfile::TempDir,
}

impl Range {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        fs::create_dir_all(dir.path().join("outside/folder")).expect("can be made");
        fs::write(dir.path().join("outside/secret"), "secret").expect("can be written");
        fs::create_dir(dir.path().join("root")).expect("can be made");
        Self { dir }
    }

    fn unpack(&self, entries: &[Entry]) -> io::Result<()> {
        self.unpack_bytes(&archive(entries)[..], Limits::default())
    }

    fn unpack_bytes(&self, bytes: impl Read, limits: Limits) -> io::Result<()> {
        unpack::unpack(bytes, &self.dir.path().join("root"), limits, Owners::of_this_process())
    }

    /// Returns all that is outside of the root, with what could be changed of it.
    fn outside(&self) -> Vec<(String, u64, u32, String)> {
        use std::os::unix::fs::MetadataExt as _;
        let mut found = Vec::new();
        for name in [".", "outside", "outside/folder", "outside/secret"] {
            let path = self.dir.path().join(name);
            let metadata = fs::symlink_metadata(&path).expect("is still there");
            found.push((name.to_owned(), metadata.nlink(), metadata.mode(), listing(&path)));
        }
        found
    }
}

fn listing(path: &Path) -> String {
    match fs::read_dir(path) {
        Ok(entries) => {
            let mut names: Vec<_> = entries.map(|entry| entry.expect("is one").file_name()).collect();
            names.sort();
            format!("{names:?}")
        }
        Err(_) => fs::read_to_string(path).expect("is a file"),
    }
}

#[test]
fn no_known_trick_gets_out() {
    let outside = "../outside";
    let tricks: &[&[Entry]] = &[
        &[file("../outside/new", "x")],
        &[file("a/../../outside/new", "x")],
        &[symbolic("out", outside), file("out/secret", "x")],
        &[symbolic("out", outside), folder("out/new")],
        &[symbolic("out", outside), symbolic("out/new", "x")],
        &[symbolic("out", outside), hard("out/new", "out")],
        &[symbolic("out", "../outside/secret"), file("out", "x")],
        &[hard("in", "../outside/secret"), file("in", "x")],
        &[symbolic("out", outside), hard("in", "out/secret"), file("in", "x")],
        &[symbolic("out", outside), file("out/.wh.secret", "")],
        &[symbolic("out", outside), file("out/.wh..wh..opq", "")],
        &[file(".wh...", "")],
        &[file("a/.wh...", "")],
        &[file(".wh..", "")],
        &[pax("path", "../outside/new"), file("x", "x")],
        &[pax("linkpath", "../outside/secret"), hard("in", "x")],
        &[folder("a"), symbolic("a/b", "../../outside"), file("a/b/new", "x")],
        &[symbolic("a", "b"), symbolic("b", "a"), file("a/x", "x")],
        &[Entry { mode: 0o777, ..folder("..") }],
        &[symbolic("out", outside), Entry { mode: 0o777, ..folder("out") }],
    ];
    for (number, trick) in tricks.iter().enumerate() {
        let range = Range::new();
        let before = range.outside();
        let result = range.unpack(trick);
        assert_eq!(range.outside(), before, "trick {number}: {result:?}");
    }
}

#[test]
fn an_absolute_name_is_one_below_the_root() {
    let range = Range::new();
    let outside = range.dir.path().join("outside/new").display().to_string();
    range.unpack(&[file(&outside, "x"), symbolic("abs", "/"), file("abs/inside", "x")]).expect("is read");
    assert!(range.dir.path().join("root").join(&outside[1..]).exists());
    assert!(range.dir.path().join("root/inside").exists());
    assert!(!Path::new(&outside).exists());
}

#[test]
fn what_cannot_be_honest_is_refused_with_its_name() {
    for (entries, reason) in [
        (vec![file("../x", "")], "`../x`: its path climbs with `..`"),
        (vec![hard("a", "missing")], "`a`: the target of the hard link is no file of this layer"),
        (vec![folder("a"), file("a", "")], "`a`: a directory of this layer has the same name"),
        (vec![file("a", ""), file("a/b", "")], "`a/b`: Not a directory (os error 20)"),
        (vec![file(".wh.", "")], "`.wh.`: it removes what has no name"),
        (vec![pax("size", "99999999999"), file("a", "")], "files of more than 8 GiB are not read"),
        (vec![symbolic("a", "")], "`a`: it is a link to nothing"),
        (vec![entry(EntryType::GNUSparse, "a")], "`a`: sparse files are not read; write the archive without them"),
        (vec![file(&"a/".repeat(2050), "")], "its path is longer than 4096 bytes"),
    ] {
        let error = Range::new().unpack(&entries).expect_err(reason).to_string();
        assert!(error.ends_with(reason), "{error}");
    }
}

#[test]
fn an_archive_that_is_cut_off_is_no_layer() {
    let whole = archive(&[file("a", &"x".repeat(4096))]);
    assert!(Range::new().unpack_bytes(&whole[..1024], Limits::default()).is_err());
}

#[test]
fn bombs_end_at_the_limit() {
    let limits = Limits { layer_bytes: 1 << 20, layer_entries: 100 };
    let large = archive(&[file("a", &"x".repeat(2 << 20))]);
    for compress in [gzip as Compress, zstd, <[u8]>::to_vec] {
        let bytes = compress(&large);
        let decoded = unpack::decode(&bytes[..]).expect("begins well");
        let error = Range::new().unpack_bytes(decoded, limits).expect_err("is too large").to_string();
        assert!(error.contains("more than 1048576 bytes"), "{error}");
    }
    let many: Vec<_> = (0..101).map(|number| file(&number.to_string(), "")).collect();
    let error = Range::new().unpack_bytes(&archive(&many)[..], limits).expect_err("are too many").to_string();
    assert_eq!(error, "it has more than 100 entries, which is the limit");
    let name = file(&"n".repeat(2 << 20), "");
    let error = Range::new().unpack(&[name]).expect_err("is too long").to_string();
    assert!(error.contains("what is said of one entry is longer"), "{error}");
}

/// Names that meet each other, and links that lead everywhere.
fn hostile_entry() -> impl Strategy<Value = Entry> {
    let part =
        prop::sample::select(vec!["a", "b", "..", ".", "", "outside", "secret", ".wh.a", ".wh..wh..opq", ".wh..."]);
    let path = prop::collection::vec(part, 1..4).prop_map(|parts| parts.join("/"));
    let target = prop_oneof![
        path.clone(),
        path.clone().prop_map(|path| format!("../{path}")),
        path.clone().prop_map(|path| format!("/{path}")),
        Just("../outside/secret".to_owned()),
        Just("../outside".to_owned()),
    ];
    let kind = prop::sample::select(vec![
        EntryType::Regular,
        EntryType::Directory,
        EntryType::Symlink,
        EntryType::Link,
        EntryType::Fifo,
        EntryType::Char,
    ]);
    (kind, path, target, 0_u32..0o10000).prop_map(|(kind, path, target, mode)| {
        let content = if kind == EntryType::Regular { b"changed".to_vec() } else { Vec::new() };
        Entry { kind, path: path.into(), link: target.into(), mode, content }
    })
}

proptest! {
    #[test]
    fn nothing_outside_of_the_root_is_ever_touched(entries in prop::collection::vec(hostile_entry(), 1..12)) {
        let range = Range::new();
        let before = range.outside();
        // Entry by entry, as the first that is refused would end it all.
        for entry in &entries {
            let _ = range.unpack(std::slice::from_ref(entry));
        }
        let _ = range.unpack(&entries);
        prop_assert_eq!(range.outside(), before);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..2048)) {
        let range = Range::new();
        if let Ok(decoded) = unpack::decode(&bytes[..]) {
            let _ = range.unpack_bytes(decoded, Limits::default());
        }
    }
}
