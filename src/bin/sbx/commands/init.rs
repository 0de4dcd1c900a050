//! `sbx init`: something to begin with.

use std::io;
use std::path::{Path, PathBuf};

use super::schema;
use crate::context::Context;
use crate::env;
use crate::failure::{Exit, Failure};
use crate::project::{self, paths, write_new};
use crate::ui::{Ui, escape};

/// Write a commented `sbx.yaml` and a starter folder of manifests
///
/// Files that are there already are never touched. Inside a project, only the folder is written.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sbx init                                 Write `sbx.yaml` and `manifests/` into the current directory
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
/// The project's file, and the line of it that names the folder.
const PROJECT: &str = include_str!("init/sbx.yaml");
const FOLDER_LINE: &str = "manifests: [manifests]";
/// The schema of the project's file, in the project's own folder; the first line of the file names it.
const PROJECT_SCHEMA: &str = "project.schema.json";

impl Init {
    pub(crate) fn run(self, cx: &mut Context) -> Result<Exit, Failure> {
        let folder = &self.folder;
        std::fs::create_dir_all(folder).map_err(|source| failed(folder, source))?;
        let schema = schema::text() + "\n";
        for (name, text) in FILES.into_iter().chain([(SCHEMA, schema.as_str())]) {
            write(&folder.join(name), text, &mut cx.ui)?;
        }
        let is_ours = self.write_project(&mut cx.ui)?;
        let folder = folder.display();
        let target = if is_ours { "dev".to_owned() } else { format!("-f {folder} --local") };
        cx.ui.hint(&format!("`sbx apply {target}` makes it so, on the server built into sbx"));
        Ok(Exit::Done)
    }

    /// Writes the project's file and folder, unless the working directory is in a project. Returns whether the file is
    /// the one that is written here.
    fn write_project(&self, ui: &mut Ui) -> Result<bool, Failure> {
        let directory = env::working_directory();
        if let Some(file) = project::find_file(&directory) {
            let shown = paths::seen_from(&directory, &file).display().to_string();
            ui.line(&format!("kept  {}, which was there", escape(&shown)));
            return Ok(false);
        }
        let own = directory.join(project::FOLDER);
        project::ignore_local_data(&own.join("local"))?;
        let folder = paths::normal(&self.folder).display().to_string();
        let line = format!("manifests: [{}]", serde_json::Value::from(folder));
        let text = if self.folder.as_os_str() == "manifests" {
            PROJECT.to_owned()
        } else {
            PROJECT.replace(FOLDER_LINE, &line)
        };
        write(&PathBuf::from(project::FILE), &text, ui)?;
        write(&Path::new(project::FOLDER).join(PROJECT_SCHEMA), &(schema::project_text() + "\n"), ui)?;
        Ok(true)
    }
}

fn write(path: &Path, text: &str, ui: &mut Ui) -> Result<(), Failure> {
    let shown = path.display().to_string();
    match write_new(path, text) {
        Ok(()) => ui.line(&format!("wrote {}", escape(&shown))),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            ui.line(&format!("kept  {}, which was there", escape(&shown)));
        }
        Err(source) => return Err(failed(path, source)),
    }
    Ok(())
}

fn failed(path: &Path, source: io::Error) -> Failure {
    Failure::File { action: "write", path: path.to_owned(), source }
}
