//! `sbx drift`: what did somebody change behind the manifests' back?

use sbx::kinds::Key;
use sbx::reconcile::plan::{Change, plan};
use sbx::reconcile::{Desired, World, drift, drift_from};

use crate::args::{Connection, ManifestArgs};
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::interrupt;
use crate::manifests::{self, Manifests};
use crate::patch::Patch;
use crate::perform::tell_oddities;
use crate::project::{Access, Project};
use crate::record::Record;
use crate::ui::drift::{Basis, Report};
use crate::ui::{Ui, escape};
use crate::workspace::Workspace;

/// What is said where nothing says what was applied last.
const NOTHING_APPLIED: &str = "No inventory says what was applied last: what is declared is taken for it.";

/// Show what was changed behind the manifests' back
///
/// What was applied last is compared with what is live, and nothing is changed. With manifests it also says what they
/// ask for that was never applied. Signs: ~ changed, - deleted, > renamed, + made anew, ! failed or expired.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sbx drift prod                           A target of sbx.yaml
  sbx drift --endpoint https://sandboxes.example.com
  sbx drift prod --exit-code               Exit with 2 when the manifests are ahead, 4 on drift, 6 on both
  sbx drift prod -o patch | git apply      Bring the manifests to what is live")]
pub(crate) struct Drift {
    #[command(flatten)]
    manifests: ManifestArgs,
    /// How to show it: text, json, or patch for a diff that brings the manifests to what is live
    #[arg(long, short, value_enum, default_value_t, value_name = "FORMAT", hide_possible_values = true)]
    output: DriftFormat,
    /// Exit with 2 when the manifests are ahead, with 4 when something was changed, with 6 on both
    #[arg(long)]
    exit_code: bool,
    #[command(flatten)]
    connection: Connection,
}

/// How drift is shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
enum DriftFormat {
    /// For people.
    #[default]
    Text,
    /// For programs: stable, with a format version.
    Json,
    /// A diff of the manifests.
    Patch,
}

impl Drift {
    pub(crate) async fn run(self, cx: &mut Context) -> Result<Exit, Failure> {
        let project = Project::of_either(&self.manifests, &self.connection, Access::Reads, &mut cx.ui)?;
        let manifests = manifests::read_if_named(&self.manifests, &project, &mut cx.ui)?;
        if self.output == DriftFormat::Patch && manifests.is_none() {
            return Err(nothing_to_patch());
        }
        let workspace = Workspace::open(&self.connection, &project, cx).await?;
        let result = interrupt::or_stop(workspace.observe()).await;
        let is_recorded = workspace.record.as_ref().is_some_and(Record::exists);
        let world = workspace.finish(result).await?;

        tell_oddities(&world.misnamed, &mut cx.ui);
        let report = match &manifests {
            _ if is_recorded => recorded(&world, manifests.as_ref(), &project),
            Some(manifests) => {
                cx.ui.status(NOTHING_APPLIED);
                declared(world, &manifests.desired)
            }
            None => return Err(nothing_to_compare()),
        };
        self.show(&report, manifests.as_ref(), &project, &mut cx.ui);
        Ok(if self.exit_code { exit(&report) } else { Exit::Done })
    }

    fn show(&self, report: &Report, manifests: Option<&Manifests>, project: &Project, ui: &mut Ui) {
        match self.output {
            DriftFormat::Text => ui.data(&report.to_text()),
            DriftFormat::Json => ui.line(&format!("{:#}", report.to_json())),
            DriftFormat::Patch => {
                let Some(manifests) = manifests else { return };
                let patch = Patch::of(&report.drifted, manifests, &project.root);
                patch.left_out.iter().for_each(|why| ui.status(&format!("# {}", escape(why))));
                ui.data(&patch.diff);
            }
        }
    }
}

fn recorded(world: &World, manifests: Option<&Manifests>, project: &Project) -> Report {
    let plan = manifests.map(|manifests| plan(&manifests.desired, world, &manifests.policy(project)));
    let ahead = |change: &&Change| change.is_ahead();
    let ahead: Option<Vec<Key>> =
        plan.map(|plan| plan.changes.iter().filter(ahead).map(|change| change.key.clone()).collect());
    let n_objects = world.inventory.as_deref().map_or(0, |inventory| Desired::applied(inventory).len());
    Report { drifted: drift(world), ahead, n_objects, basis: Basis::Inventory }
}

/// Of what nobody keeps a record the name says what it is.
fn declared(mut world: World, desired: &Desired) -> Report {
    world.inventory = None;
    Report { drifted: drift_from(desired, &world), ahead: None, n_objects: desired.len(), basis: Basis::Manifests }
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
