//! `sbx apply`: make it so.

use sbx::reconcile::plan::{self, Change, Policy};

use super::plan::Plan;
use crate::args::{Connection, ManifestArgs};
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::interrupt;
use crate::manifests::{self, Manifests};
use crate::perform::{Consent, perform, tell_oddities};
use crate::ui::output::Outputs;
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
    #[command(flatten)]
    outputs: Outputs,
    #[command(flatten)]
    connection: Connection,
}

impl Apply {
    pub(crate) async fn run(self, cx: &mut Context) -> Result<Exit, Failure> {
        if self.dry_run {
            return Plan::dry_run(self.manifests, self.outputs, self.connection).run(cx).await;
        }
        self.outputs.begin(&mut cx.ui)?;
        let manifests = manifests::read(&self.manifests, &mut cx.ui)?;
        let workspace = Workspace::open(&self.connection, cx).await?;
        let result = self.apply(&manifests, &workspace, cx).await;
        workspace.finish(result).await
    }

    async fn apply(&self, manifests: &Manifests, workspace: &Workspace, cx: &mut Context) -> Result<Exit, Failure> {
        let world = interrupt::or_stop(workspace.observe()).await?;
        tell_oddities(&world.misnamed, &mut cx.ui);
        let plan = plan::plan(&manifests.desired, &world, &Policy::default());
        let place = |change: &Change| manifests.place_of(change);
        let view = View { plan: &plan, place: &place, purpose: Purpose::Apply, show_unchanged: false };
        perform(&view, workspace, &self.consent, self.outputs.format(), &mut cx.ui).await
    }
}
