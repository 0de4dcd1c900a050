//! `sbx destroy`: remove what is managed.

use sbx::reconcile::plan::{self, Change};

use crate::args::{Connection, ManifestArgs};
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::interrupt;
use crate::manifests::{self, Manifests};
use crate::perform::{Consent, perform, tell_oddities, tell_of_new_record};
use crate::project::{Access, Project};
use crate::ui::output::Outputs;
use crate::ui::plan::{Purpose, View};
use crate::workspace::Workspace;

/// Delete what is managed here, and nothing else
///
/// That is all that the inventory owns or, with -f, what those manifests declare of it. What holds data (volumes and
/// sandboxes) is let go of and stays, unless it was applied with `on_remove: delete` below `lifecycle`. It asks for the
/// name of the target, of the context or of the server. With --yes nobody writes that name: what destroys much or data
/// takes `--allow-destroy N` then, as it does for `sbx apply`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sbx destroy dev                          All that is managed in a target of sbx.yaml
  sbx destroy --local                      All that is managed on the server built into sbx
  sbx destroy -f manifests/pools.yaml --yes
  sbx destroy dev --yes --allow-destroy 12 Up to 12 objects, with nobody to ask, as in a pipeline")]
pub(crate) struct Destroy {
    #[command(flatten)]
    manifests: ManifestArgs,
    #[command(flatten)]
    consent: Consent,
    /// With --yes: let it destroy up to N objects, data with them
    ///
    /// Nobody writes the name then. Without this, --yes may destroy ten objects, and 30 % of what is owned, and nothing
    /// that holds data.
    #[arg(long = "allow-destroy", value_name = "N")]
    allowed: Option<usize>,
    #[command(flatten)]
    outputs: Outputs,
    #[command(flatten)]
    connection: Connection,
}

impl Destroy {
    pub(crate) async fn run(self, cx: &mut Context) -> Result<Exit, Failure> {
        self.outputs.begin("destroy", &mut cx.ui)?;
        let project = Project::of_either(&self.manifests, &self.connection, Access::Writes, &mut cx.ui)?;
        let manifests = if self.manifests.files.is_empty() {
            None
        } else {
            Some(manifests::read(&self.manifests, &project, &mut cx.ui)?)
        };
        let workspace = Workspace::open(&self.connection, &project, cx).await?;
        let result = self.destroy(manifests.as_ref(), &workspace, cx).await;
        workspace.finish(result, &mut cx.ui).await
    }

    async fn destroy(
        &self,
        manifests: Option<&Manifests>,
        workspace: &Workspace,
        cx: &mut Context,
    ) -> Result<Exit, Failure> {
        if manifests.is_none() {
            workspace.recorded()?;
        }
        workspace.lock("sbx destroy", &self.consent.lock(), &mut cx.ui).await?;
        let world = interrupt::or_stop(workspace.observe()).await?;
        tell_of_new_record(workspace.inventory().as_ref(), &world, &mut cx.ui);
        tell_oddities(&world, &mut cx.ui);
        let mut plan = match manifests {
            Some(manifests) => plan::plan_destroy(&manifests.desired, &world),
            None => plan::plan_destroy_owned(&world),
        };
        if self.consent.is_given() {
            plan.refuse_beyond_limit(self.allowed, &world);
        }
        let place = |change: &Change| manifests.and_then(|manifests| manifests.place_of(change));
        let view = View {
            plan: &plan,
            place: &place,
            purpose: Purpose::Destroy,
            show_unchanged: false,
            inventory: workspace.inventory(),
        };
        perform(&view, workspace, &self.consent, self.outputs.format(), &mut cx.ui).await
    }
}
