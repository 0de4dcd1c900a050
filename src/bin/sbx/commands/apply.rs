//! `sbx apply`: make it so.

use sbx::reconcile::plan::{self, Change, Policy};

use super::plan::Plan;
use crate::args::{Connection, ManifestArgs};
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::interrupt;
use crate::manifests::{self, Manifests};
use crate::perform::{Consent, Format, perform, tell_oddities};
use crate::project::{Access, Project};
use crate::ui::plan::{Purpose, View};
use crate::workspace::Workspace;

/// Create, update and replace until live is what is declared
///
/// Shows the plan, asks, and performs it in the order of references, many operations at a time. What is blocked is left
/// alone, with what depends on it. Running it again goes on from wherever it stopped. What is live and not declared is
/// never touched. Ctrl-C lets running operations finish; twice stops at once.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sbx apply prod                           A target of sbx.yaml
  sbx apply -f manifests
  sbx apply -f manifests --local --yes     On the server built into sbx, without asking
  sbx apply -f manifests --dry-run         The same as sbx plan")]
pub(crate) struct Apply {
    #[command(flatten)]
    manifests: ManifestArgs,
    #[command(flatten)]
    consent: Consent,
    /// Show the plan only
    #[arg(long)]
    dry_run: bool,
    /// Remove what replacements that did not end left under reserved names, and do nothing else
    #[arg(long, conflicts_with = "dry_run")]
    abort_rollouts: bool,
    /// How to show the plan and what happens: text, or json with an event a line
    #[arg(long, short, value_enum, default_value_t, value_name = "FORMAT", hide_possible_values = true)]
    output: Format,
    #[command(flatten)]
    connection: Connection,
}

impl Apply {
    pub(crate) async fn run(self, cx: &mut Context) -> Result<Exit, Failure> {
        if self.dry_run {
            return Plan::dry_run(self.manifests, self.output, self.connection).run(cx).await;
        }
        let project = Project::of_manifests(&self.manifests, Access::Writes, &mut cx.ui)?;
        let manifests = manifests::read(&self.manifests, &project, &mut cx.ui)?;
        let workspace = Workspace::open(&self.connection, &project, cx).await?;
        let result = self.apply(&manifests, &manifests.policy(&project), &workspace, cx).await;
        workspace.finish(result).await
    }

    async fn apply(
        &self,
        manifests: &Manifests,
        policy: &Policy,
        workspace: &Workspace,
        cx: &mut Context,
    ) -> Result<Exit, Failure> {
        workspace.lock("sbx apply", &self.consent.lock, &mut cx.ui).await?;
        let world = interrupt::or_stop(workspace.observe()).await?;
        tell_oddities(&world.misnamed, &mut cx.ui);
        let plan = match self.abort_rollouts {
            true => plan::plan_abort_rollouts(&manifests.desired, &world),
            false => plan::plan(&manifests.desired, &world, policy),
        };
        let place = |change: &Change| manifests.place_of(change);
        let view = View { plan: &plan, place: &place, purpose: Purpose::Apply, show_unchanged: false };
        perform(&view, workspace, &self.consent, self.output, &mut cx.ui).await
    }
}
