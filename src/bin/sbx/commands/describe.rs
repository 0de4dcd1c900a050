//! `sbx describe`: everything about some objects.

use crate::args::Whereabouts;
use crate::context::Context;
use crate::env;
use crate::failure::{Exit, Failure};
use crate::interrupt;
use crate::naming;
use crate::project::{Access, Project};
use crate::ui::listing;
use crate::workspace::Workspace;

/// Show everything known about objects, and what refers to them
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sbx describe volume/datasets
  sbx describe pool python-warm")]
pub(crate) struct Describe {
    /// What to describe: KIND/NAME…, or KIND NAME…
    #[arg(required = true, value_name = "KIND/NAME")]
    objects: Vec<String>,
    #[command(flatten)]
    place: Whereabouts,
}

impl Describe {
    pub(crate) async fn run(self, cx: &mut Context) -> Result<Exit, Failure> {
        let named = naming::keys(&self.objects)?;
        let project = Project::of_objects(&self.place, Access::Reads, &mut cx.ui)?;
        let workspace = Workspace::open(&self.place.connection, &project, cx).await?;
        let result = interrupt::or_stop(workspace.observe_leniently(&mut cx.ui)).await;
        let world = workspace.finish(result, &mut cx.ui).await?;

        let keys = naming::among(&named, |key| world.get(key).is_some())?;
        let found = keys.iter().filter_map(|key| world.get(key));
        let texts: Vec<_> = found.map(|live| listing::description(live, &world, env::now())).collect();
        cx.ui.data(&texts.join("\n"));
        let missing: Vec<_> = keys.iter().filter(|key| world.get(key).is_none()).map(ToString::to_string).collect();
        if missing.is_empty() { Ok(Exit::Done) } else { Err(Failure::NotFound { objects: missing }) }
    }
}
