//! The manifest files below a directory.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::{self, DirEntry};
use std::io;
use std::path::{Path, PathBuf};

/// A file to read.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Found {
    /// The path as the user would write it: it starts with what was asked for.
    pub(super) path: PathBuf,
    /// The same file by its one true path, so that it is read once however often it is named.
    pub(super) identity: PathBuf,
}

/// What a walk came upon.
#[derive(Debug, Default)]
pub(super) struct Walk {
    /// The files in path order.
    pub(super) files: Vec<Found>,
    /// What could not be looked at.
    pub(super) failed: Vec<(PathBuf, io::Error)>,
}

/// Returns the `*.yaml`, `*.yml` and `*.json` files at any depth below `root`, without hidden files and directories.
///
/// Links are followed. Each directory is entered once, by its true path, so that links in a circle come to an end.
pub(super) fn walk(root: &Path) -> Walk {
    let mut walk = Walk::default();
    let mut entered = HashSet::new();
    let mut waiting = vec![root.to_owned()];
    while let Some(path) = waiting.pop() {
        let listed = fs::canonicalize(&path).and_then(|identity| {
            if entered.insert(identity.clone()) { walk.directory(&path, &identity, &mut waiting) } else { Ok(()) }
        });
        if let Err(error) = listed {
            walk.failed.push((path, error));
        }
    }
    walk.files.sort();
    walk.failed.sort_by(|a, b| a.0.cmp(&b.0));
    walk
}

impl Walk {
    fn directory(&mut self, path: &Path, identity: &Path, waiting: &mut Vec<PathBuf>) -> io::Result<()> {
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            let name = entry.file_name();
            if name.as_encoded_bytes().starts_with(b".") {
                continue;
            }
            let path = path.join(&name);
            match self.entry(&entry, &path, identity) {
                Ok(true) => waiting.push(path),
                Ok(false) => {}
                Err(error) => self.failed.push((path, error)),
            }
        }
        Ok(())
    }

    /// Takes in a file; returns whether it is a directory instead.
    fn entry(&mut self, entry: &DirEntry, path: &Path, parent: &Path) -> io::Result<bool> {
        let is_manifest = is_manifest(path);
        let file_type = entry.file_type()?;
        if !file_type.is_symlink() {
            if file_type.is_file() && is_manifest {
                // The parent is canonical and this is no link, so the path is canonical without asking again.
                let identity = parent.join(entry.file_name());
                self.files.push(Found { path: path.to_owned(), identity });
            }
            return Ok(file_type.is_dir());
        }
        match fs::metadata(path) {
            Ok(target) if target.is_file() && is_manifest => {
                let identity = fs::canonicalize(path)?;
                self.files.push(Found { path: path.to_owned(), identity });
                Ok(false)
            }
            Ok(target) => Ok(target.is_dir()),
            // A dangling link is no concern of ours unless it is named like a manifest.
            Err(error) if is_manifest => Err(error),
            Err(_) => Ok(false),
        }
    }
}

fn is_manifest(path: &Path) -> bool {
    path.extension().and_then(OsStr::to_str).is_some_and(|extension| matches!(extension, "yaml" | "yml" | "json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(root: &Path) -> Vec<String> {
        let walk = walk(root);
        assert!(walk.failed.is_empty(), "{:?}", walk.failed);
        let relative = |found: &Found| found.path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
        walk.files.iter().map(relative).collect()
    }

    fn tree(files: &[&str]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for file in files {
            let path = root.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        root
    }

    #[test]
    fn takes_manifests_in_path_order() {
        let root = tree(&["b.yaml", "a/z.yml", "a/b/c.json", "a.yaml", "readme.md", "x.yaml.bak", "YAML"]);
        assert_eq!(names(root.path()), ["a/b/c.json", "a/z.yml", "a.yaml", "b.yaml"]);
    }

    #[test]
    fn skips_what_is_hidden_but_not_what_was_asked_for() {
        let root = tree(&[".git/a.yaml", ".b.yaml", "c/.d/e.yaml", "f.yaml", ".sub/g.yaml"]);
        assert_eq!(names(root.path()), ["f.yaml"]);
        assert_eq!(names(&root.path().join(".sub")), ["g.yaml"]);
    }

    #[cfg(unix)]
    #[test]
    fn links_in_a_circle_come_to_an_end() {
        use std::os::unix::fs::symlink;
        let root = tree(&["a/b/c.yaml"]);
        symlink(root.path(), root.path().join("a/b/up")).unwrap();
        symlink("self", root.path().join("self")).unwrap();
        symlink("nowhere", root.path().join("dangling")).unwrap();
        let found = walk(root.path());
        assert_eq!(found.files.len(), 1);
        assert!(found.failed.is_empty());
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_and_have_the_identity_of_their_target() {
        use std::os::unix::fs::symlink;
        let root = tree(&["a.yaml"]);
        symlink("a.yaml", root.path().join("b.yaml")).unwrap();
        symlink("gone.yaml", root.path().join("c.yaml")).unwrap();
        let found = walk(root.path());
        assert_eq!(found.files.len(), 2);
        assert_eq!(found.files[0].identity, found.files[1].identity);
        assert_eq!(found.failed.len(), 1, "a manifest that cannot be read is not passed over");
    }
}
