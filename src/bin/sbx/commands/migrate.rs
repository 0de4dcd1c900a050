//! `sbx migrate`: manifests of the API's first generation, written anew for its second.

mod place;
mod summary;

use std::path::{Path, PathBuf};

use sbx::kinds::Object;
use sbx::kinds::migration::{self, Migration};
use sbx::manifest::Document;

use crate::args::ManifestArgs;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::folder::Folder;
use crate::manifests::{self, Manifests};
use crate::migrated::{Migrated, path_below};
use crate::project::{Access, Project};

/// Write manifests anew for the second generation of the API
///
/// Templates become snapshots, and their cpu and memory go to the sandboxes made from them; pools and volumes have no
/// equivalent. The new manifests have a comment on each decision (`decided:`), on all that there is nothing like any more
/// (`lost:`), and on what only you can say (`to do:`). The originals are never touched, no server is asked, and what is on
/// disks and volumes stays where it is.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sbx migrate -f manifests --to snapshots                    Show the new manifests, as one stream
  sbx migrate -f manifests --to snapshots -o manifests-v2    Write a file for each file")]
pub(crate) struct Migrate {
    /// A file, a directory (read recursively), or `-` for standard input; may be repeated
    #[arg(long = "file", short = 'f', value_name = "PATH", required = true)]
    files: Vec<PathBuf>,
    /// What to move to: snapshots
    #[arg(long, value_name = "GENERATION", value_enum, hide_possible_values = true)]
    to: Destination,
    /// Write files into this folder, which must be empty or not be there yet, with the schema for editors
    #[arg(long = "output", short = 'o', value_name = "FOLDER")]
    folder: Option<PathBuf>,
    /// Write into a folder that is not empty, and replace files that are there already
    #[arg(long, requires = "folder")]
    force: bool,
}

/// What manifests are moved to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Destination {
    /// The second generation: registries, snapshots, and the sandboxes made from those.
    Snapshots,
}

impl Destination {
    fn migrate(self, objects: &[&Object]) -> Migration {
        match self {
            Self::Snapshots => migration::to_snapshots(objects),
        }
    }
}

impl Migrate {
    pub(crate) fn run(self, cx: &mut Context) -> Result<Exit, Failure> {
        let named = ManifestArgs { target: None, files: self.files.clone() };
        let project = Project::of_manifests(&named, Access::Reads, &mut cx.ui)?;
        let manifests = manifests::read(&named, &project, &mut cx.ui)?;
        let mut objects: Vec<_> = manifests.desired.iter().collect();
        objects.sort_by_key(|object| object.origin.document);
        let migration = self.to.migrate(&objects);
        let place_of = |document: &Document| self.place_of(document, &manifests);
        let migrated = Migrated::of(&migration.moved, &manifests.documents, place_of);
        let folder = self.folder.as_deref();
        if let Some(path) = folder {
            let files = migrated.files();
            place::check(path, &files, self.force, &self.files, &manifests.documents.sources)?;
            Folder { path, force: self.force }.write(&files, &mut cx.ui)?;
        } else {
            cx.ui.data(&migrated.to_stream());
        }
        summary::tell(&migration, &migrated, folder, &mut cx.ui);
        summary::tell_what_is_next(&migration, &self.files, folder, &project, &mut cx.ui);
        Ok(Exit::Done)
    }

    /// Returns where below the folder what takes the place of a document is written.
    fn place_of(&self, document: &Document, manifests: &Manifests) -> PathBuf {
        let input = &self.files[document.input];
        if input.as_os_str() == "-" {
            return PathBuf::from("manifests.yaml");
        }
        path_below(input, Path::new(manifests.documents.sources.get(document.source).name()))
    }
}
