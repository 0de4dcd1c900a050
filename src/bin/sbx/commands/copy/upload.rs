//! From here into a sandbox.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use sbx::client::RunOptions;

use super::{Job, PARALLEL};
use crate::failure::Failure;
use crate::ui::Ui;

/// How many names one command line takes.
const BATCH: usize = 500;

/// A file on its way.
struct Item {
    from: PathBuf,
    to: String,
    is_executable: bool,
}

impl Job<'_> {
    /// Copies a file or a folder, and returns how many files that were.
    pub(super) async fn upload(&self, from: &Path, to: &str, ui: &mut Ui) -> Result<usize, Failure> {
        let to = match from.file_name() {
            Some(name) if to.ends_with('/') => format!("{to}{}", text(Path::new(name))?),
            _ => to.to_owned(),
        };
        let mut items = Vec::new();
        collect(from, to, &mut items, ui)?;
        stream::iter(&items).map(|item| self.send(item)).buffer_unordered(PARALLEL).try_collect::<Vec<()>>().await?;
        let programs: Vec<_> = items.iter().filter(|item| item.is_executable).map(|item| item.to.as_str()).collect();
        for batch in programs.chunks(BATCH) {
            self.make_executable(batch).await?;
        }
        Ok(items.len())
    }

    async fn send(&self, item: &Item) -> Result<(), Failure> {
        let file = tokio::fs::File::open(&item.from).await.map_err(|source| unreadable(&item.from, source))?;
        self.sandbox.write_from(&item.to, file).await.map_err(|error| self.workspace.failure(error))
    }

    /// An upload carries no permissions, and a script that is none any more is of little use.
    async fn make_executable(&self, paths: &[&str]) -> Result<(), Failure> {
        // Names end at a line break on the way in; those that have one stay as they are.
        let names: Vec<_> = paths.iter().copied().filter(|path| !path.contains('\n')).collect();
        let script = "printf '%s\\n' \"$SBX_PATHS\" | while IFS= read -r path; do chmod +x -- \"$path\"; done";
        let options = RunOptions::default().shell("/bin/sh").env("SBX_PATHS", names.join("\n"));
        self.sandbox.run(script, options).await.map_err(|error| self.workspace.failure(error))?;
        Ok(())
    }
}

fn collect(from: &Path, to: String, items: &mut Vec<Item>, ui: &mut Ui) -> Result<(), Failure> {
    // What is named on the command line may be a link; what is found below it is not followed.
    let metadata = if items.is_empty() { fs::metadata(from) } else { fs::symlink_metadata(from) };
    let metadata = metadata.map_err(|source| unreadable(from, source))?;
    if metadata.is_file() {
        let is_executable = metadata.permissions().mode() & 0o100 != 0;
        items.push(Item { from: from.to_owned(), to, is_executable });
        return Ok(());
    }
    if !metadata.is_dir() {
        ui.warning(&format!("`{}` is no file and no folder: left out", from.display()));
        return Ok(());
    }
    let entries: Result<Vec<_>, io::Error> = fs::read_dir(from).and_then(Iterator::collect);
    let mut entries = entries.map_err(|source| unreadable(from, source))?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        if entry.file_type().is_ok_and(|kind| kind.is_symlink()) {
            ui.warning(&format!("`{}` is a link: left out", path.display()));
            continue;
        }
        let name = entry.file_name();
        let below = format!("{}/{}", to.trim_end_matches('/'), text(Path::new(&name))?);
        collect(&path, below, items, ui)?;
    }
    Ok(())
}

fn text(path: &Path) -> Result<&str, Failure> {
    let message = || Failure::usage(format!("`{}` is not UTF-8, and cannot be a path in a sandbox", path.display()));
    path.to_str().ok_or_else(message)
}

fn unreadable(path: &Path, source: io::Error) -> Failure {
    Failure::File { action: "read", path: path.to_owned(), source }
}
