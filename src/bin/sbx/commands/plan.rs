//! `sbx plan`: what would change?

use std::path::PathBuf;

use sbx::reconcile::plan::{self, Change};

use crate::args::{Connection, ManifestArgs};
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::manifests;
use crate::observation::Seen;
use crate::perform::{plan_exit, tell_oddities, tell_of_new_record};
use crate::policy::PolicyArgs;
use crate::project::{Access, Project};
use crate::saved;
use crate::selection;
use crate::ui::escape;
use crate::ui::output::{self, Outputs, Subject};
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
  sbx plan -f manifests -o json | jq .summary
  sbx plan -f manifests -o github -o markdown=plan.md
  sbx plan -f manifests --out plan.json    Save it; sbx apply plan.json performs it")]
pub(crate) struct Plan {
    #[command(flatten)]
    manifests: ManifestArgs,
    #[command(flatten)]
    outputs: Outputs,
    /// Save the plan, for review and for `sbx apply FILE`
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Plan against the live state that `sbx observe` saved, with no key and no network
    #[arg(long, value_name = "FILE", conflicts_with_all = ["local", "endpoint", "context", "inventory"])]
    against: Option<PathBuf>,
    /// Exit with 2 when there are changes to make
    #[arg(long)]
    exit_code: bool,
    /// Show the objects that stay as they are too
    #[arg(long)]
    show_unchanged: bool,
    #[command(flatten)]
    policy: PolicyArgs,
    #[command(flatten)]
    connection: Connection,
}

impl Plan {
    /// Makes the plan of an apply that is only to be looked at.
    pub(crate) fn dry_run(
        manifests: ManifestArgs,
        policy: PolicyArgs,
        outputs: Outputs,
        connection: Connection,
    ) -> Self {
        Self {
            manifests,
            outputs,
            out: None,
            against: None,
            exit_code: false,
            show_unchanged: false,
            policy,
            connection,
        }
    }

    pub(crate) async fn run(self, cx: &mut Context) -> Result<Exit, Failure> {
        self.outputs.begin("plan", &mut cx.ui)?;
        let project = Project::of_manifests(&self.manifests, Access::Reads, &mut cx.ui)?;
        let manifests = manifests::read(&self.manifests, &project, &mut cx.ui)?;
        let policy = self.policy.onto(manifests.policy(&project), &manifests.desired)?;
        let Seen { world, label, endpoint, inventory, against } = self.look(&project, policy.prune, cx).await?;

        tell_oddities(&world, &mut cx.ui);
        selection::tell_of_none(&policy, &manifests.desired, &world, &mut cx.ui);
        let plan = plan::plan(&manifests.desired, &world, &policy);
        let place = |change: &Change| manifests.place_of(change);
        let view = View {
            plan: &plan,
            place: &place,
            purpose: Purpose::Apply,
            show_unchanged: self.show_unchanged,
            inventory,
        };
        let subject = Subject { command: "plan", target: project.target_name(), workspace: &label, against };
        if let Some(path) = &self.out {
            let target = project.target.as_ref().map(|target| target.name.to_string());
            saved::write(path, plan.clone(), endpoint, target, world.now, &policy)?;
        }
        output::show_plan(&view, &subject, &mut cx.ui)?;
        if let Some(path) = &self.out {
            let path = escape(&path.display().to_string()).into_owned();
            let performs =
                if plan.refusals.is_empty() { format!("; `sbx apply {path}` performs it") } else { String::new() };
            cx.ui.status(&format!("Saved the plan to {path}{performs}."));
        }
        plan_exit(&plan, self.exit_code)
    }

    /// Reads what is live, or what was when it was saved.
    ///
    /// A plan that no apply would perform is refused as that would be, before it is reviewed.
    async fn look(&self, project: &Project, prunes: bool, cx: &mut Context) -> Result<Seen, Failure> {
        if let Some(path) = &self.against {
            return Seen::saved(path, &mut cx.ui);
        }
        let workspace = Workspace::open(&self.connection, project, cx).await?;
        workspace.check_prune(prunes)?;
        workspace.tell_of_no_record(&mut cx.ui);
        let seen = Box::pin(Seen::live(workspace, &mut cx.ui)).await?;
        tell_of_new_record(seen.inventory.as_ref(), &seen.world, &mut cx.ui);
        Ok(seen)
    }
}
