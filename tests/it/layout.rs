//! No test file is forgotten: a file that no `mod` line names would silently not run.

use std::path::{Path, PathBuf};

use crate::tree;

#[test]
fn every_file_of_the_test_binaries_is_a_module() {
    for (folder, main) in [("tests/it", "main"), ("tests/sdk", "main")] {
        let forgotten: Vec<_> = tree::files(folder, "rs").into_iter().filter(|path| !is_declared(path, main)).collect();
        assert!(forgotten.is_empty(), "no `mod` line names {forgotten:?}");
    }
}

#[test]
fn no_snapshot_is_left_over() {
    let unaccepted = |folder: &&str| ["new", "pending-snap"].map(|ending| tree::files(folder, ending)).concat();
    let pending: Vec<_> = ["src", "tests"].iter().flat_map(unaccepted).collect();
    assert!(pending.is_empty(), "snapshots that nobody accepted: {pending:?}");
    let stored: Vec<_> = ["src", "tests"].iter().flat_map(|folder| tree::files(folder, "snap")).collect();
    let orphans: Vec<_> = stored.into_iter().filter(|path| !is_asserted(path)).collect();
    assert!(orphans.is_empty(), "snapshots that no test asserts: {orphans:?}");
}

/// Looks for the `mod` line in the file that must have it.
fn is_declared(path: &Path, main: &str) -> bool {
    let name = path.file_stem().expect("a file has a name").to_string_lossy();
    let folder = path.parent().expect("a file is in a folder");
    if name == main {
        return true;
    }
    let candidates = [folder.join(format!("{main}.rs")), folder.join("mod.rs"), folder.with_extension("rs")];
    let declares = |parent: &PathBuf| {
        let parent = tree::root().join(parent);
        let text = std::fs::read_to_string(parent).unwrap_or_default();
        text.lines().any(|line| line.trim_start_matches("pub(crate) ").trim() == format!("mod {name};"))
    };
    candidates.iter().any(declares)
}

/// Looks for the snapshot's name, which is that of a test or one given by hand, in the file that its header names.
fn is_asserted(path: &Path) -> bool {
    let text = tree::read(path);
    let source = text.lines().find_map(|line| line.strip_prefix("source: ")).unwrap_or_default();
    let stem = path.file_stem().expect("a file has a name").to_string_lossy();
    let name = stem.rsplit("__").next().unwrap_or_default();
    let base = name.trim_end_matches(|c: char| c.is_ascii_digit()).trim_end_matches('-');
    std::fs::read_to_string(tree::root().join(source)).is_ok_and(|code| code.contains(base))
}
