//! `sbx drift`: what did somebody change behind the manifests' back?

use std::path::PathBuf;

use sbx::kinds::Key;
use sbx::reconcile::plan::plan;
use sbx::reconcile::{Desired, World, drift, drift_from};

use crate::args::{Connection, ManifestArgs};
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::manifests::{self, Manifests};
use crate::observation::Seen;
use crate::patch::Patch;
use crate::perform::tell_oddities;
use crate::project::{Access, Project};
use crate::ui::drift::{Basis, Report, View};
use crate::ui::escape;
use crate::ui::output::{self, DriftOutputs, Outputs, Subject};
use crate::ui::plan::InventorySeen;
use crate::workspace::Workspace;

/// What is said where nothing says what was applied last.
const NOTHING_APPLIED: &str = "No inventory says what was applied last: what is declared is taken for it.";

/// Show what was changed behind the manifests' back
///
/// What was applied last is compared with what is live, and nothing is changed. With manifests it also says what they
/// ask for that was never applied. Signs: ~ changed, - deleted, > renamed, + made anew, ! failed, expired, or built from
/// what has moved on since.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sbx drift prod                           A target of sbx.yaml
  sbx drift --endpoint https://sandboxes.example.com
  sbx drift prod --exit-code               Exit with 2 when the manifests are ahead, 4 on drift, 6 on both
  sbx drift prod -o patch | git apply      Bring the manifests to what is live
  sbx drift prod -o github -o markdown=drift.md")]
pub(crate) struct Drift {
    #[command(flatten)]
    manifests: ManifestArgs,
    #[command(flatten)]
    outputs: DriftOutputs,
    /// Look at the live state that `sbx observe` saved, with no key and no network
    #[arg(long, value_name = "FILE", conflicts_with_all = ["local", "endpoint", "context", "inventory"])]
    against: Option<PathBuf>,
    /// Exit with 2 when the manifests are ahead, with 4 when something was changed, with 6 on both
    #[arg(long)]
    exit_code: bool,
    #[command(flatten)]
    connection: Connection,
}

impl Drift {
    pub(crate) async fn run(self, cx: &mut Context) -> Result<Exit, Failure> {
        let outputs = Outputs::from(self.outputs.clone());
        outputs.begin("drift", &mut cx.ui)?;
        let project = Project::of_either(&self.manifests, &self.connection, Access::Reads, &mut cx.ui)?;
        let manifests = manifests::read_if_named(&self.manifests, &project, &mut cx.ui)?;
        if outputs.has_patch() && manifests.is_none() {
            return Err(nothing_to_patch());
        }
        let Seen { world, label, inventory, against, .. } = self.look(&project, cx).await?;
        let is_recorded = inventory.as_ref().is_some_and(|inventory| inventory.exists);

        tell_oddities(&world, &mut cx.ui);
        let report = match &manifests {
            _ if is_recorded => recorded(&world, manifests.as_ref(), &project, inventory),
            Some(manifests) => {
                cx.ui.status(NOTHING_APPLIED);
                declared(world, &manifests.desired, inventory)
            }
            None => return Err(nothing_to_compare()),
        };
        let place = |key: &Key| manifests.as_ref().and_then(|manifests| manifests.place_of_key(key));
        let patch = manifests.as_ref().filter(|_| outputs.has_patch());
        let patch = patch.map(|manifests| Patch::of(&report.drifted, manifests, &project.root)).unwrap_or_default();
        patch.left_out.iter().for_each(|why| cx.ui.status(&format!("# {}", escape(why))));
        let view = View { report: &report, place: &place, patch: &patch.diff };
        let subject = Subject { command: "drift", target: project.target_name(), workspace: &label, against };
        output::show_drift(&view, &subject, &mut cx.ui)?;
        Ok(if self.exit_code { exit(&report) } else { Exit::Done })
    }

    /// Reads what is live, or what was when it was saved.
    async fn look(&self, project: &Project, cx: &mut Context) -> Result<Seen, Failure> {
        if let Some(path) = &self.against {
            return Seen::saved(path, &mut cx.ui);
        }
        let workspace = Workspace::open(&self.connection, project, cx).await?;
        Box::pin(Seen::live(workspace, &mut cx.ui)).await
    }
}

fn recorded(
    world: &World,
    manifests: Option<&Manifests>,
    project: &Project,
    inventory: Option<InventorySeen>,
) -> Report {
    let record = world.inventory.as_deref();
    let ahead = manifests.zip(record).map(|(manifests, record)| {
        let plan = plan(&manifests.desired, world, &manifests.policy(project));
        let ahead = plan.changes.iter().filter(|change| change.is_ahead(record));
        ahead.map(|change| change.key.clone()).collect()
    });
    let n_objects = record.map_or(0, |record| Desired::applied(record).len());
    Report { drifted: drift(world), ahead, n_objects, basis: Basis::Inventory, inventory }
}

/// Of what nobody keeps a record the name says what it is.
fn declared(mut world: World, desired: &Desired, inventory: Option<InventorySeen>) -> Report {
    world.inventory = None;
    Report {
        drifted: drift_from(desired, &world),
        ahead: None,
        n_objects: desired.len(),
        basis: Basis::Manifests,
        inventory,
    }
}

fn exit(report: &Report) -> Exit {
    let is_ahead = report.ahead.as_ref().is_some_and(|ahead| !ahead.is_empty());
    match (is_ahead, report.is_drift()) {
        (false, false) => Exit::Done,
        (true, false) => Exit::Pending,
        (false, true) => Exit::Drifted,
        (true, true) => Exit::PendingAndDrifted,
    }
}

fn nothing_to_compare() -> Failure {
    Failure::Usage {
        message: "nothing says what was applied: there is no inventory, and no manifests are named".to_owned(),
        hint: Some("name the manifests with -f PATH, to take what they declare for it".to_owned()),
    }
}

fn nothing_to_patch() -> Failure {
    Failure::Usage {
        message: "there are no manifests to patch".to_owned(),
        hint: Some("name a target, or the manifests with -f PATH".to_owned()),
    }
}
