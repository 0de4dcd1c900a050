//! `sbx wait`: until sandboxes are ready.

use std::time::Duration;

use futures_util::future::try_join_all;
use sbx::client::WaitOptions;
use tokio::time::{Instant, sleep_until};

use crate::args::SandboxPlace;
use crate::context::Context;
use crate::duration;
use crate::failure::{Exit, Failure};
use crate::interrupt;
use crate::project::Access;
use crate::workspace::Workspace;

/// Wait until sandboxes are ready, or gone
///
/// It ends when all are, or as soon as one cannot be any more, because it has failed or there is none of that name.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sbx wait box-1 box-2
  sbx wait box-1 --timeout 5m && sbx exec box-1 -- make test
  sbx wait box-1 --for gone --timeout 2h     Until its time to live is over")]
pub(crate) struct Wait {
    /// The sandboxes
    #[arg(required = true, value_name = "SANDBOX")]
    sandboxes: Vec<String>,
    /// What to wait for
    #[arg(long = "for", value_enum, default_value_t, value_name = "WHAT")]
    condition: Condition,
    /// How long to wait
    #[arg(long, value_name = "DURATION", value_parser = duration::parse, default_value = "2m")]
    timeout: Duration,
    #[command(flatten)]
    place: SandboxPlace,
}

/// What to wait for.
#[derive(Debug, Clone, Copy, Default, clap::ValueEnum)]
enum Condition {
    /// They can be worked in
    #[default]
    Ready,
    /// They are deleted
    Gone,
}

/// How long to sleep between two looks at what is to go.
const POLL: Duration = Duration::from_millis(500);

impl Wait {
    pub(crate) async fn run(self, cx: &mut Context) -> Result<Exit, Failure> {
        let workspace = Workspace::of_sandboxes(&self.place, Access::Reads, cx).await?;
        let waiting = async {
            let waits = self.sandboxes.iter().map(async |name| match self.condition {
                Condition::Ready => self.until_ready(name, &workspace).await,
                Condition::Gone => self.until_gone(name, &workspace).await,
            });
            try_join_all(waits).await
        };
        let result = interrupt::or_stop(waiting).await;
        workspace.finish(result, &mut cx.ui).await?;
        for name in &self.sandboxes {
            let state = match self.condition {
                Condition::Ready => "ready",
                Condition::Gone => "gone",
            };
            cx.ui.status(&format!("sandbox/{name} is {state}."));
        }
        Ok(Exit::Done)
    }

    async fn until_ready(&self, name: &str, workspace: &Workspace) -> Result<(), Failure> {
        let options = WaitOptions::default().timeout(self.timeout);
        match workspace.client.wait_for_sandbox(name, options).await {
            Ok(_) => Ok(()),
            Err(error) => Err(workspace.failure_of(name, error).await),
        }
    }

    async fn until_gone(&self, name: &str, workspace: &Workspace) -> Result<(), Failure> {
        let deadline = Instant::now() + self.timeout;
        loop {
            match workspace.client.get_sandbox_status(name).await {
                Err(error) if error.is_not_found() => return Ok(()),
                Err(error) => return Err(workspace.failure(error)),
                Ok(_) if Instant::now() >= deadline => {
                    return Err(Failure::TooSlow {
                        what: format!("sandbox/{name} is still there"),
                        after: self.timeout,
                    });
                }
                Ok(_) => sleep_until(deadline.min(Instant::now() + POLL)).await,
            }
        }
    }
}
