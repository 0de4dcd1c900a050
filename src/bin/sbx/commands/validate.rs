//! `sbx validate`: is what the manifests say good?

use crate::args::ManifestArgs;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::manifests;
use crate::project::{Access, Project};
use crate::ui::diagnostic::counted;
use crate::ui::output::{self, Outputs};

/// Check manifests without a server
///
/// Everything wrong in all files is reported in one go, each problem with its place and, where there is one, a way out.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sbx validate -f manifests
  sbx validate prod                        A target of sbx.yaml, with its patches
  kustomize build overlays/prod | sbx validate -f -
  sbx validate -f manifests -o github      Annotate the lines of a pull request")]
pub(crate) struct Validate {
    #[command(flatten)]
    manifests: ManifestArgs,
    #[command(flatten)]
    outputs: Outputs,
}

impl Validate {
    pub(crate) fn run(self, cx: &mut Context) -> Result<Exit, Failure> {
        self.outputs.begin("validate", &mut cx.ui)?;
        let project = Project::of_manifests(&self.manifests, Access::Reads, &mut cx.ui)?;
        let manifests = manifests::read(&self.manifests, &project, &mut cx.ui)?;
        let objects = counted(manifests.desired.len(), "object");
        let files = counted(manifests.n_files(), "file");
        let verb = if manifests.desired.len() == 1 { "is" } else { "are" };
        let summary = format!("{objects} in {files} {verb} valid.");
        let (found, sources) = (&manifests.diagnostics, &manifests.documents.sources);
        output::valid(&summary, manifests.desired.len(), found, sources, project.target_name(), &mut cx.ui)?;
        Ok(Exit::Done)
    }
}
