//! `sbx exec`: a command in a sandbox that is there.

use crate::args::SandboxPlace;
use crate::attach::{CommandArgs, attach};
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::interrupt::Interrupts;
use crate::project::Access;
use crate::workspace::Workspace;

/// Run a command in a sandbox that is there
///
/// Input, output and the exit code are those of the command. Ctrl-C kills it; the sandbox stays.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sbx exec box-1 -- ls -l
  sbx exec box-1 -w /srv -e DEBUG=1 -- make test
  sbx exec box-1 -t -- bash")]
pub(crate) struct Exec {
    /// The sandbox
    #[arg(value_name = "SANDBOX")]
    sandbox: String,
    #[command(flatten)]
    command: CommandArgs,
    #[command(flatten)]
    place: SandboxPlace,
}

impl Exec {
    pub(crate) async fn run(self, cx: &mut Context) -> Result<Exit, Failure> {
        let workspace = Workspace::of_sandboxes(&self.place, Access::Writes, cx).await?;
        let work = async {
            let mut interrupts = Interrupts::new().map_err(|source| Failure::Runtime { source })?;
            let sandbox = tokio::select! {
                sandbox = workspace.sandbox(&self.sandbox) => sandbox?,
                _ = interrupts.next() => return Err(Failure::Interrupted),
            };
            attach(&sandbox, &self.command, &workspace, &mut interrupts, &cx.environment, &mut cx.ui).await
        };
        let result = work.await.map(Exit::Command);
        workspace.finish(result, &mut cx.ui).await
    }
}
