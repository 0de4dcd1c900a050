//! `sbx apply`: make it so.

use std::path::PathBuf;

use sbx::reconcile::plan::{self, Change, Policy};

use super::plan::Plan;
use crate::args::{Connection, ManifestArgs};
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::interrupt;
use crate::manifests::{self, Manifests};
use crate::perform::{Consent, perform, tell_oddities, tell_of_new_record};
use crate::policy::PolicyArgs;
use crate::project::{Access, Project};
use crate::saved;
use crate::selection;
use crate::ui::output::Outputs;
use crate::ui::plan::{Purpose, View};
use crate::workspace::Workspace;

/// Create, update and replace until live is what is declared
///
/// Shows the plan, asks, and performs it in the order of references, many operations at a time. What is blocked is left
/// alone, with what depends on it. Running it again goes on from wherever it stopped. What is live and not declared is
/// never touched. Ctrl-C lets running operations finish; twice stops at once.
///
/// In the place of a TARGET, the path of a saved plan (it ends in .json, has a slash in it, or is a file) performs those
/// of its changes that still rest on what was seen when it was made. The others are held back, with what depends on
/// them, and shown: planned, then, and now. What is planned was said when it was made, and cannot be said again.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sbx apply prod                           A target of sbx.yaml
  sbx apply -f manifests
  sbx apply -f manifests --local --yes     On the server built into sbx, without asking
  sbx apply -f manifests --dry-run         The same as sbx plan
  sbx apply plan.json                      What sbx plan --out plan.json saved, as far as it still holds")]
pub(crate) struct Apply {
    #[command(flatten)]
    manifests: ManifestArgs,
    #[command(flatten)]
    consent: Consent,
    /// Show the plan only
    #[arg(long)]
    dry_run: bool,
    /// With a saved plan: do nothing unless all of it still holds
    #[arg(long)]
    all_or_nothing: bool,
    /// Remove what replacements that did not end left under reserved names, and do nothing else
    ///
    /// What serves by now, or is the last of its object, stays and is named: applying the manifests ends the replacement.
    #[arg(long, conflicts_with = "dry_run")]
    abort_rollouts: bool,
    #[command(flatten)]
    outputs: Outputs,
    #[command(flatten)]
    policy: PolicyArgs,
    #[command(flatten)]
    connection: Connection,
}

impl Apply {
    pub(crate) async fn run(self, cx: &mut Context) -> Result<Exit, Failure> {
        if let Some(path) = saved::file_in(&self.manifests)? {
            return self.run_saved(path, cx).await;
        }
        if self.all_or_nothing {
            return Err(Failure::usage("--all-or-nothing goes with a saved plan"));
        }
        if let Some(flag) = self.policy.given().next().filter(|_| self.abort_rollouts) {
            let message = format!("--abort-rollouts does nothing else: it and {flag} do not go together");
            return Err(Failure::Usage { message, hint: None });
        }
        if self.dry_run {
            return Plan::dry_run(self.manifests, self.policy, self.outputs, self.connection).run(cx).await;
        }
        self.outputs.begin("apply", &mut cx.ui)?;
        let project = Project::of_manifests(&self.manifests, Access::Writes, &mut cx.ui)?;
        let manifests = manifests::read(&self.manifests, &project, &mut cx.ui)?;
        let policy = self.policy.onto(manifests.policy(&project), &manifests.desired)?;
        let workspace = Workspace::open(&self.connection, &project, cx).await?;
        let result = self.apply(&manifests, &policy, &workspace, cx).await;
        workspace.finish(result, &mut cx.ui).await
    }

    async fn run_saved(self, path: PathBuf, cx: &mut Context) -> Result<Exit, Failure> {
        if self.abort_rollouts {
            return Err(Failure::usage("a saved plan says what is done: it and --abort-rollouts do not go together"));
        }
        if let Some(flag) = self.policy.given().next() {
            return Err(Failure::Usage {
                message: format!("a saved plan says what is done: it and {flag} do not go together"),
                hint: Some(format!("give {flag} to the `sbx plan --out FILE` that makes the plan")),
            });
        }
        self.outputs.begin("apply", &mut cx.ui)?;
        let saved = saved::Saved { path, all_or_nothing: self.all_or_nothing };
        if self.dry_run {
            return saved.dry_run(self.connection, cx).await;
        }
        saved.apply(&self.consent, self.outputs.format(), self.connection, cx).await
    }

    async fn apply(
        &self,
        manifests: &Manifests,
        policy: &Policy,
        workspace: &Workspace,
        cx: &mut Context,
    ) -> Result<Exit, Failure> {
        workspace.check_prune(policy.prune)?;
        workspace.lock("sbx apply", &self.consent.lock(), &mut cx.ui).await?;
        let world = interrupt::or_stop(workspace.observe()).await?;
        tell_of_new_record(workspace.inventory().as_ref(), &world, &mut cx.ui);
        tell_oddities(&world, &mut cx.ui);
        selection::tell_of_none(policy, &manifests.desired, &world, &mut cx.ui);
        let (purpose, plan) = if self.abort_rollouts {
            (Purpose::AbortRollouts, plan::plan_abort_rollouts(&manifests.desired, &world))
        } else {
            (Purpose::Apply, plan::plan(&manifests.desired, &world, policy))
        };
        let place = |change: &Change| manifests.place_of(change);
        let view =
            View { plan: &plan, place: &place, purpose, show_unchanged: false, inventory: workspace.inventory() };
        perform(&view, workspace, &self.consent, self.outputs.format(), &mut cx.ui).await
    }
}
