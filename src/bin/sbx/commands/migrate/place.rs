//! Where new manifests may be written: never over the originals, nor among them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use sbx::manifest::Sources;

use crate::env;
use crate::failure::Failure;
use crate::folder::File;
use crate::project::paths;

/// Checks that these files may be written into a folder.
///
/// # Errors
///
/// [`Failure::Usage`] when originals are in the way, which no flag changes, and [`Failure::WouldOverwrite`] when the
/// folder is not empty and is not to be added to.
pub(super) fn check(
    folder: &Path,
    files: &[File],
    force: bool,
    inputs: &[PathBuf],
    originals: &Sources,
) -> Result<(), Failure> {
    if let Some(input) = inputs.iter().find(|input| input.is_dir() && true_path(folder).starts_with(true_path(input))) {
        let message = format!("`{}` is among the originals in `{}`", folder.display(), input.display());
        return usage(message, "name a folder beside them: whoever reads theirs would read both versions");
    }
    let originals: BTreeSet<_> = originals.iter().filter_map(|source| fs::canonicalize(source.name()).ok()).collect();
    let mut places = BTreeSet::new();
    for file in files {
        let place = folder.join(&file.path);
        if originals.contains(&true_path(&place)) {
            return usage(format!("`{}` is an original, which stays as it is", place.display()), "name another folder");
        }
        if !places.insert(place.clone()) {
            let message = format!("the manifests of two files would be in `{}`", place.display());
            return usage(message, "name the folder that both files are in, or move them one after the other");
        }
    }
    let is_empty = fs::read_dir(folder).map_or(true, |mut entries| entries.next().is_none());
    if is_empty || force { Ok(()) } else { Err(Failure::WouldOverwrite { files: vec![folder.to_owned()] }) }
}

fn usage(message: String, hint: &str) -> Result<(), Failure> {
    Err(Failure::Usage { message, hint: Some(hint.to_owned()) })
}

/// Returns a path without symbolic links, as far as it is there.
fn true_path(path: &Path) -> PathBuf {
    let path = paths::normal(&env::working_directory().join(path));
    let there = path.ancestors().find_map(|above| Some((above, fs::canonicalize(above).ok()?)));
    let below = |(above, found): (&Path, PathBuf)| Some(found.join(path.strip_prefix(above).ok()?));
    there.and_then(below).unwrap_or_else(|| path.clone())
}
