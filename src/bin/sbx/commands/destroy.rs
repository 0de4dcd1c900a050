//! `sbx destroy`: remove what is declared.

use sbx::reconcile::plan::{self, Change};

use crate::args::{Connection, ManifestArgs};
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::interrupt;
use crate::manifests::{self, Manifests};
use crate::perform::{Consent, Format, perform, tell_oddities};
use crate::project::{Access, Project};
use crate::ui::plan::{Purpose, View};
use crate::workspace::Workspace;

/// Delete what the manifests declare, and nothing else
///
/// What holds data (volumes and sandboxes) is kept, unless its manifest says `on_remove: delete` below `lifecycle`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sbx destroy dev                          A target of sbx.yaml
  sbx destroy -f manifests
  sbx destroy -f manifests/pools.yaml --yes")]
pub(crate) struct Destroy {
    #[command(flatten)]
    manifests: ManifestArgs,
    #[command(flatten)]
    consent: Consent,
    /// How to show the plan and what happens: text, or json with an event a line
    #[arg(long, short, value_enum, default_value_t, value_name = "FORMAT", hide_possible_values = true)]
    output: Format,
    #[command(flatten)]
    connection: Connection,
}

impl Destroy {
    pub(crate) async fn run(self, cx: &mut Context) -> Result<Exit, Failure> {
        let project = Project::of_manifests(&self.manifests, Access::Writes, &mut cx.ui)?;
        let manifests = manifests::read(&self.manifests, &project, &mut cx.ui)?;
        let workspace = Workspace::open(&self.connection, &project, cx).await?;
        let result = self.destroy(&manifests, &workspace, cx).await;
        workspace.finish(result).await
    }

    async fn destroy(&self, manifests: &Manifests, workspace: &Workspace, cx: &mut Context) -> Result<Exit, Failure> {
        workspace.lock("sbx destroy", &self.consent.lock, &mut cx.ui).await?;
        let world = interrupt::or_stop(workspace.observe()).await?;
        tell_oddities(&world.misnamed, &mut cx.ui);
        let plan = plan::plan_destroy(&manifests.desired, &world);
        let place = |change: &Change| manifests.place_of(change);
        let view = View { plan: &plan, place: &place, purpose: Purpose::Remove, show_unchanged: false };
        perform(&view, workspace, &self.consent, self.output, &mut cx.ui).await
    }
}
