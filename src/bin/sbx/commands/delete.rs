//! `sbx delete`: remove objects by name.

use sbx::reconcile::plan;

use crate::args::Whereabouts;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::interrupt;
use crate::naming;
use crate::perform::{Consent, perform};
use crate::project::{Access, Project};
use crate::ui::output::Outputs;
use crate::ui::plan::{Purpose, View};
use crate::workspace::Workspace;

/// Delete objects by kind and name
///
/// Volumes and sandboxes are deleted with their data. What others still use is blocked; name those others too, and all
/// go in the right order.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sbx delete pool/python-warm
  sbx delete sandbox box-1 box-2
  sbx delete template/python volume/datasets --yes")]
pub(crate) struct Delete {
    /// What to delete: KIND/NAME…, or KIND NAME…
    #[arg(required = true, value_name = "KIND/NAME")]
    objects: Vec<String>,
    #[command(flatten)]
    consent: Consent,
    #[command(flatten)]
    outputs: Outputs,
    #[command(flatten)]
    place: Whereabouts,
}

impl Delete {
    pub(crate) async fn run(self, cx: &mut Context) -> Result<Exit, Failure> {
        self.outputs.begin("delete", &mut cx.ui)?;
        let named = naming::keys(&self.objects)?;
        let project = Project::of_objects(&self.place, Access::Writes, &mut cx.ui)?;
        let workspace = Workspace::open(&self.place.connection, &project, cx).await?;
        let result = async {
            workspace.lock("sbx delete", &self.consent.lock(), &mut cx.ui).await?;
            let world = interrupt::or_stop(workspace.observe()).await?;
            let keys = naming::among(&named, |key| world.get(key).is_some())?;
            // A mistyped name among several stops everything, before anything is gone.
            let missing: Vec<_> = keys.iter().filter(|key| world.get(key).is_none()).map(ToString::to_string).collect();
            if !missing.is_empty() {
                return Err(Failure::NotFound { objects: missing });
            }
            let plan = plan::plan_removal(&keys, &world);
            let view = View {
                plan: &plan,
                place: &|_| None,
                purpose: Purpose::Remove,
                show_unchanged: false,
                inventory: workspace.inventory(),
            };
            perform(&view, &workspace, &self.consent, self.outputs.format(), &mut cx.ui).await
        }
        .await;
        workspace.finish(result, &mut cx.ui).await
    }
}
