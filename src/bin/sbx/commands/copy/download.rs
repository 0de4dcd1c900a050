//! Out of a sandbox.

use std::io;
use std::path::{Component, Path, PathBuf};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use sbx::client::RunOptions;

use super::{Job, PARALLEL};
use crate::failure::Failure;

/// What the script below ends with where the path is no folder.
const NO_FOLDER: i32 = 3;
/// Lists the files of a folder, each with a NUL behind it.
const LIST: &str = "[ -d \"$SBX_PATH\" ] || exit 3; cd -- \"$SBX_PATH\" && find . -type f -print0";

impl Job<'_> {
    /// Copies a file or a folder, and returns how many files that were.
    pub(super) async fn download(&self, from: &str, to: &Path) -> Result<usize, Failure> {
        let name = from.trim_end_matches('/').rsplit('/').next().filter(|name| !matches!(*name, "" | "." | ".."));
        let is_folder_here = to.is_dir() || to.as_os_str().to_string_lossy().ends_with('/');
        let to = match name {
            Some(name) if is_folder_here => to.join(name),
            _ => to.to_owned(),
        };
        let Some(files) = self.list(from).await? else {
            self.fetch(from, &to).await?;
            return Ok(1);
        };
        let fetches = files.iter().map(|file| {
            let from = format!("{}/{file}", from.trim_end_matches('/'));
            let to = below(&to, file);
            async move { self.fetch(&from, &to?).await }
        });
        stream::iter(fetches).buffer_unordered(PARALLEL).try_collect::<Vec<()>>().await?;
        Ok(files.len())
    }

    /// Returns the files of a folder, or `None` if it is none.
    pub(super) async fn list(&self, path: &str) -> Result<Option<Vec<String>>, Failure> {
        let options = RunOptions::default().shell("/bin/sh").env("SBX_PATH", path);
        let output = self.sandbox.run(LIST, options).await.map_err(|error| self.workspace.failure(error))?;
        match output.exit_code {
            0 => Ok(Some(output.stdout.split_terminator('\0').map(ToOwned::to_owned).collect())),
            NO_FOLDER => Ok(None),
            _ => {
                let source = io::Error::other(output.stderr.trim().to_owned());
                Err(Failure::File { action: "list in the sandbox", path: path.into(), source })
            }
        }
    }

    async fn fetch(&self, from: &str, to: &Path) -> Result<(), Failure> {
        let unwritable = |source| Failure::File { action: "write", path: to.to_owned(), source };
        if let Some(folder) = to.parent() {
            tokio::fs::create_dir_all(folder).await.map_err(unwritable)?;
        }
        let part = PathBuf::from(format!("{}.part-{:08x}", to.display(), fastrand::u32(..)));
        let mut file = tokio::fs::File::create_new(&part).await.map_err(unwritable)?;
        let result = self.sandbox.read_to(from, &mut file).await.map_err(|error| self.workspace.failure(error));
        drop(file);
        let result = match result {
            Ok(_) => tokio::fs::rename(&part, to).await.map_err(unwritable),
            Err(failure) => Err(failure),
        };
        if result.is_err() {
            // A file that is only there in part is worse than none.
            let _ = tokio::fs::remove_file(&part).await;
        }
        result
    }
}

/// Puts a name that the sandbox told below a folder here, and never anywhere else.
fn below(folder: &Path, name: &str) -> Result<PathBuf, Failure> {
    let components = Path::new(name).components();
    let is_inside = components.clone().all(|it| matches!(it, Component::Normal(_) | Component::CurDir));
    if !is_inside {
        let source = io::Error::new(io::ErrorKind::InvalidInput, "the sandbox names a path outside the folder");
        return Err(Failure::File { action: "write", path: name.into(), source });
    }
    Ok(folder.join(components.filter(|it| matches!(it, Component::Normal(_))).collect::<PathBuf>()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_leads_out_of_the_folder() {
        let folder = Path::new("here");
        assert_eq!(below(folder, "./a/b").expect("it is inside"), Path::new("here/a/b"));
        for name in ["../a", "/etc/passwd", "a/../../b"] {
            assert!(below(folder, name).is_err(), "{name}");
        }
    }
}
