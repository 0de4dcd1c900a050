//! `sbx wait`: until sandboxes are ready.

use std::time::Duration;

use sbx::client::WaitOptions;

use crate::args::Whereabouts;
use crate::context::Context;
use crate::duration;
use crate::failure::{Exit, Failure};
use crate::interrupt;
use crate::project::{Access, Project};
use crate::workspace::Workspace;

/// Wait until sandboxes are ready
///
/// It ends when all are, or as soon as one has failed.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sbx wait box-1 box-2
  sbx wait box-1 --timeout 5m && sbx exec box-1 -- make test")]
pub(crate) struct Wait {
    /// The sandboxes
    #[arg(required = true, value_name = "SANDBOX")]
    sandboxes: Vec<String>,
    /// How long to wait for each of them
    #[arg(long, value_name = "DURATION", value_parser = duration::parse, default_value = "2m")]
    timeout: Duration,
    #[command(flatten)]
    place: Whereabouts,
}

impl Wait {
    pub(crate) async fn run(self, cx: &mut Context) -> Result<Exit, Failure> {
        let project = Project::of_objects(&self.place, Access::Reads, &mut cx.ui)?;
        let workspace = Workspace::open(&self.place.connection, &project, cx).await?;
        let waiting = async {
            for name in &self.sandboxes {
                let options = WaitOptions::default().timeout(self.timeout);
                let waited = workspace.client.wait_for_sandbox(name, options).await;
                waited.map_err(|error| workspace.failure(error))?;
            }
            Ok(Exit::Done)
        };
        let result = interrupt::or_stop(waiting).await;
        workspace.finish(result, &mut cx.ui).await
    }
}
