//! The project: the folder that `sbx.yaml` or `.sbx/` is in, and the target that a command is meant for.
//!
//! Start with [`Project`]; [`file`](ProjectFile) reads `sbx.yaml`, [`Target`] is what it says of one workspace.

mod file;
pub(crate) mod paths;
mod schema;
mod select;
mod target;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::failure::Failure;

pub(crate) use file::{ProjectFile, Reported, name_of, optional};
pub(crate) use schema::schema;
pub(crate) use select::{Access, Project};
pub(crate) use target::{Place, Target};

/// The project's file.
pub(crate) const FILE: &str = "sbx.yaml";
/// The project's own folder.
pub(crate) const FOLDER: &str = ".sbx";
/// The data of the local server, and what an apply leaves for as long as it runs.
const IGNORED: &str = "local/\ninventory/*.journal\ninventory/*.lock\ninventory/*.new\n";

/// Returns the project's file, looked for in `directory` and above.
pub(crate) fn find_file(directory: &Path) -> Option<PathBuf> {
    directory.ancestors().map(|ancestor| ancestor.join(FILE)).find(|path| path.is_file())
}

/// Returns the project that `directory` is in: the nearest folder above with `sbx.yaml` in it, else with `.sbx/`, else
/// `directory` itself.
pub(crate) fn root(directory: &Path) -> PathBuf {
    let file = find_file(directory);
    let with_file = file.as_deref().and_then(Path::parent);
    let with_folder = || directory.ancestors().find(|ancestor| ancestor.join(FOLDER).is_dir());
    with_file.or_else(with_folder).unwrap_or(directory).to_owned()
}

/// Returns the folder for the data of the local server.
pub(crate) fn local_data(directory: &Path) -> PathBuf {
    root(directory).join(FOLDER).join("local")
}

/// Returns the folder for what the local server's sandboxes have on the disk, within its data.
pub(crate) fn sandbox_data(local_data: &Path) -> PathBuf {
    local_data.join("runtime")
}

/// Returns the file of the inventory of this name.
pub(crate) fn inventory(directory: &Path, name: &str) -> PathBuf {
    root(directory).join(FOLDER).join("inventory").join(format!("{name}.json"))
}

/// Keeps what is of this machine only out of version control, for a folder in `.sbx/`. Files that are there stay as they are.
///
/// # Errors
///
/// [`Failure::File`] when the folder cannot be written.
pub(crate) fn ignore_local_data(local_data: &Path) -> Result<(), Failure> {
    let Some(folder) = local_data.parent().filter(|parent| parent.ends_with(FOLDER)) else { return Ok(()) };
    let path = folder.join(".gitignore");
    let written = fs::create_dir_all(folder).and_then(|()| write_new(&path, IGNORED));
    match written {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            Err(Failure::File { action: "write", path, source: error })
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Writes a file that must not be there yet.
pub(crate) fn write_new(path: &Path, text: &str) -> io::Result<()> {
    use io::Write as _;

    let mut file = fs::File::create_new(path)?;
    file.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_folder_wins_and_is_kept_out_of_version_control() {
        let outer = tempfile::tempdir().unwrap();
        let inner = outer.path().join("a/b");
        fs::create_dir_all(&inner).unwrap();
        assert_eq!(root(&inner), inner);
        ignore_local_data(&local_data(outer.path())).unwrap();
        assert_eq!(root(&inner), outer.path());
        let ignore = outer.path().join(".sbx/.gitignore");
        assert_eq!(fs::read_to_string(&ignore).unwrap(), IGNORED);

        fs::write(&ignore, "mine\n").unwrap();
        ignore_local_data(&local_data(&inner)).unwrap();
        assert_eq!(fs::read_to_string(&ignore).unwrap(), "mine\n");
    }

    #[test]
    fn a_folder_elsewhere_is_left_alone() {
        let outer = tempfile::tempdir().unwrap();
        ignore_local_data(&outer.path().join("data")).unwrap();
        assert_eq!(fs::read_dir(outer.path()).unwrap().count(), 0);
    }
}
