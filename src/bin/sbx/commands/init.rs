//! `sbx init`: something to begin with.

use std::io;
use std::path::{Path, PathBuf};

use super::schema;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::project::write_new;
use crate::ui::escape;

/// Write a commented starter folder of manifests
///
/// Files that are there already are never touched.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sbx init                                 Write `manifests/` into the current directory
  sbx init infra/sandboxes")]
pub(crate) struct Init {
    /// The folder to write
    #[arg(default_value = "manifests", value_name = "FOLDER")]
    folder: PathBuf,
}

/// The files of a starter folder. They are the package's own example, so that there is one text to keep good.
const FILES: [(&str, &str); 4] = [
    ("volumes.yaml", include_str!("../../../../manifests/volumes.yaml")),
    ("templates.yaml", include_str!("../../../../manifests/templates.yaml")),
    ("pools.yaml", include_str!("../../../../manifests/pools.yaml")),
    ("sandboxes.yaml", include_str!("../../../../manifests/sandboxes.yaml")),
];
/// The schema's file: hidden, so that it is not taken for a manifest.
const SCHEMA: &str = ".schema.json";

impl Init {
    pub(crate) fn run(self, cx: &mut Context) -> Result<Exit, Failure> {
        let folder = &self.folder;
        std::fs::create_dir_all(folder).map_err(|source| failed(folder, source))?;
        let schema = schema::text() + "\n";
        for (name, text) in FILES.into_iter().chain([(SCHEMA, schema.as_str())]) {
            let path = folder.join(name);
            let shown = path.display().to_string();
            match write_new(&path, text) {
                Ok(()) => cx.ui.line(&format!("wrote {}", escape(&shown))),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    cx.ui.line(&format!("kept  {}, which was there", escape(&shown)));
                }
                Err(source) => return Err(failed(&path, source)),
            }
        }
        let folder = folder.display();
        cx.ui.hint(&format!("`sbx apply -f {folder} --local` makes it so, on the server built into sbx"));
        Ok(Exit::Done)
    }
}

fn failed(path: &Path, source: io::Error) -> Failure {
    Failure::File { action: "write", path: path.to_owned(), source }
}
