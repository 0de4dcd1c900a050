//! `sbx plan`: what would change?

use sbx::reconcile::plan::{self, Change};

use crate::args::{Connection, ManifestArgs};
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::interrupt;
use crate::manifests;
use crate::perform::{Format, plan_exit, show_plan, tell_oddities};
use crate::project::{Access, Project};
use crate::ui::plan::{Purpose, View};
use crate::workspace::Workspace;

/// Show what would change, and change nothing
///
/// The live state is read and compared with what the manifests declare. Signs: + create, ~ update, > rename, -/+
/// replace, - delete, = kept, ! blocked.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sbx plan prod                            A target of sbx.yaml
  sbx plan -f manifests
  sbx plan -f manifests --exit-code        Exit with 2 when something would change
  sbx plan -f manifests -o json | jq .summary")]
pub(crate) struct Plan {
    #[command(flatten)]
    manifests: ManifestArgs,
    /// How to show the plan: text or json
    #[arg(long, short, value_enum, default_value_t, value_name = "FORMAT", hide_possible_values = true)]
    output: Format,
    /// Exit with 2 when there are changes to make
    #[arg(long)]
    exit_code: bool,
    /// Show the objects that stay as they are too
    #[arg(long)]
    show_unchanged: bool,
    #[command(flatten)]
    connection: Connection,
}

impl Plan {
    /// Makes the plan of an apply that is only to be looked at.
    pub(crate) fn dry_run(manifests: ManifestArgs, output: Format, connection: Connection) -> Self {
        Self { manifests, output, exit_code: false, show_unchanged: false, connection }
    }

    pub(crate) async fn run(self, cx: &mut Context) -> Result<Exit, Failure> {
        let project = Project::of_manifests(&self.manifests, Access::Reads, &mut cx.ui)?;
        let manifests = manifests::read(&self.manifests, &project, &mut cx.ui)?;
        let workspace = Workspace::open(&self.connection, &project, cx).await?;
        workspace.tell_of_no_record(&mut cx.ui);
        let result = interrupt::or_stop(workspace.observe()).await;
        let world = workspace.finish(result).await?;

        tell_oddities(&world.misnamed, &mut cx.ui);
        let plan = plan::plan(&manifests.desired, &world, &manifests.policy(&project));
        let place = |change: &Change| manifests.place_of(change);
        let view = View { plan: &plan, place: &place, purpose: Purpose::Apply, show_unchanged: self.show_unchanged };
        show_plan(&view, self.output, &mut cx.ui);
        plan_exit(&plan, self.exit_code)
    }
}
