//! `sbx run`: a command in a sandbox of its own.

use std::time::Duration;

use sbx::client::CreateSandboxOptions;
use sbx::types::Name;

use crate::args::Whereabouts;
use crate::attach::{CommandArgs, attach};
use crate::context::Context;
use crate::duration;
use crate::failure::{Exit, Failure};
use crate::interrupt::{self, Interrupts};
use crate::project::{Access, Project};
use crate::workspace::Workspace;

/// Run a command in a sandbox that is made for it and deleted afterwards
///
/// Input, output and the exit code are those of the command. Ctrl-C kills it and deletes the sandbox. Commands take and
/// give text; `sbx cp` copies other files.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sbx run python -- python3 -c 'print(6 * 7)'
  sbx run python -t -- bash
  echo hello | sbx run python --local -- cat")]
pub(crate) struct Run {
    /// The template of the sandbox
    #[arg(value_name = "TEMPLATE")]
    template: String,
    /// How long the sandbox may take to start
    #[arg(long, value_name = "DURATION", value_parser = duration::parse, default_value = "1m")]
    start_timeout: Duration,
    #[command(flatten)]
    command: CommandArgs,
    #[command(flatten)]
    place: Whereabouts,
}

impl Run {
    pub(crate) async fn run(self, cx: &mut Context) -> Result<Exit, Failure> {
        let project = Project::of_objects(&self.place, Access::Writes, &mut cx.ui)?;
        let workspace = Workspace::open(&self.place.connection, &project, cx).await?;
        let result = self.run_in(&workspace, cx).await;
        workspace.finish(result).await
    }

    async fn run_in(&self, workspace: &Workspace, cx: &mut Context) -> Result<Exit, Failure> {
        let mut interrupts = Interrupts::new().map_err(|source| Failure::Runtime { source })?;
        // Chosen here: a sandbox whose making is interrupted has to be deleted by name.
        let name =
            Name::parse(&format!("run-{:08x}", fastrand::u32(..))).expect("hex digits after a letter make a name");
        let options = CreateSandboxOptions::default().name(name.clone()).timeout(self.start_timeout);
        let work = async {
            let sandbox = tokio::select! {
                sandbox = workspace.client.create_sandbox(&self.template, options) => sandbox,
                () = interrupts.next() => return Err(Failure::Interrupted),
            };
            let sandbox = sandbox.map_err(|error| workspace.failure(error))?;
            attach(&sandbox, &self.command, workspace, &mut interrupts, &mut cx.ui).await
        };
        let result = work.await;
        let deleted = interrupt::or_stop(async {
            match workspace.client.delete_sandbox(name.as_str()).await {
                Err(error) if !error.is_not_found() => Err(workspace.failure(error)),
                _ => Ok(()),
            }
        });
        if let Err(failure) = deleted.await {
            cx.ui.warning(&format!("sandbox/{name} may be left: {failure}"));
        }
        result.map(Exit::Command)
    }
}
