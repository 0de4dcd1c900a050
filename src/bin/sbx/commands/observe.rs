//! `sbx observe`: write the live state down.

use std::path::PathBuf;

use sbx::reconcile::Observation;

use crate::args::Whereabouts;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::interrupt;
use crate::perform::tell_oddities;
use crate::project::{Access, Project};
use crate::ui::{escape, output};
use crate::workspace::Workspace;

/// Save the live state and the inventory, for plans without a key and a network
///
/// A pipeline that holds a key saves them; one that must not hold it, such as for a pull request from a fork, plans with
/// `sbx plan --against FILE`. Of fields that this version does not know, only the names are saved.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sbx observe --in prod -o live.json
  sbx plan prod --against live.json")]
pub(crate) struct Observe {
    /// The file to write; standard output when left out
    #[arg(long = "output", short = 'o', value_name = "FILE")]
    file: Option<PathBuf>,
    #[command(flatten)]
    place: Whereabouts,
}

impl Observe {
    pub(crate) async fn run(self, cx: &mut Context) -> Result<Exit, Failure> {
        let project = Project::of_objects(&self.place, Access::Reads, &mut cx.ui)?;
        let workspace = Workspace::open(&self.place.connection, &project, cx).await?;
        let endpoint = workspace.identity();
        workspace.tell_of_no_record(&mut cx.ui);
        let result = interrupt::or_stop(workspace.observe()).await;
        let world = workspace.finish(result, &mut cx.ui).await?;

        tell_oddities(&world, &mut cx.ui);
        let observation = Observation { world, endpoint, sbx_version: env!("CARGO_PKG_VERSION").to_owned() };
        let text = format!("{:#}\n", observation.to_json());
        match &self.file {
            Some(path) => {
                output::write(path, &text)?;
                let path = escape(&path.display().to_string()).into_owned();
                cx.ui.status(&format!("Saved the live state to {path}; `sbx plan --against {path}` plans with it."));
            }
            None => cx.ui.data(&text),
        }
        Ok(Exit::Done)
    }
}
