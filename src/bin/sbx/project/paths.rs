//! Paths as they are written and as they are shown, without asking the file system.

use std::path::{Component, Path, PathBuf};

/// Returns a path without `.` and, where there is something to take away, without `..`.
pub(crate) fn normal(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir if matches!(out.components().next_back(), Some(Component::Normal(_))) => {
                out.pop();
            }
            // Above the root is the root.
            Component::ParentDir if out.has_root() => {}
            other => out.push(other),
        }
    }
    out
}

/// Returns `path` as it is written in the folder `base`; both are absolute.
pub(crate) fn seen_from(base: &Path, path: &Path) -> PathBuf {
    let (base, path) = (normal(base), normal(path));
    let n_shared = base.components().zip(path.components()).take_while(|(a, b)| a == b).count();
    // Nothing but the root is shared: that is no relation.
    if n_shared <= 1 {
        return path;
    }
    let up = base.components().skip(n_shared).map(|_| Component::ParentDir);
    let seen: PathBuf = up.chain(path.components().skip(n_shared)).collect();
    if seen.as_os_str().is_empty() { PathBuf::from(".") } else { seen }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_are_taken_out() {
        for (path, expected) in
            [("/a/./b/../c", "/a/c"), ("/../a", "/a"), ("a/../../b", "../b"), ("./a/", "a"), ("../../a", "../../a")]
        {
            assert_eq!(normal(Path::new(path)), Path::new(expected), "{path}");
        }
    }

    #[test]
    fn a_path_is_written_from_where_one_stands() {
        for (base, path, expected) in [
            ("/a/b", "/a/b/c.yaml", "c.yaml"),
            ("/a/b", "/a/c.yaml", "../c.yaml"),
            ("/a/b/c", "/a/d/e", "../../d/e"),
            ("/a/b", "/a/b", "."),
            ("/a/b", "/c/d", "/c/d"),
        ] {
            assert_eq!(seen_from(Path::new(base), Path::new(path)), Path::new(expected), "{base} {path}");
        }
    }
}
