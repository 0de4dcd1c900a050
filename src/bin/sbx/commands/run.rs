//! `sbx run`: a command in a sandbox of its own.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use sbx::client::{Client, CreateSandboxOptions, UpdateSandboxOptions};
use sbx::types::{Name, Ttl};

use crate::args::SandboxPlace;
use crate::attach::{CommandArgs, attach};
use crate::context::Context;
use crate::duration;
use crate::failure::{Exit, Failure};
use crate::interrupt::{self, Interrupts};
use crate::project::Access;
use crate::workspace::Workspace;

/// Run a command in a sandbox that is made for it and deleted afterwards
///
/// Input, output and the exit code are those of the command. Ctrl-C kills it and deletes the sandbox. Where this program
/// is killed itself, the server deletes the sandbox within ten minutes. Commands take and give text; `sbx cp` copies other
/// files.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sbx run python -- python3 -c 'print(6 * 7)'
  sbx run python -t -- bash
  echo hello | sbx run python --local -- cat")]
pub(crate) struct Run {
    /// The template of the sandbox: one of the first generation, as there is no `run` from a snapshot
    #[arg(value_name = "TEMPLATE")]
    template: String,
    /// How long the sandbox may take to start
    #[arg(long, value_name = "DURATION", value_parser = duration::parse, default_value = "1m")]
    start_timeout: Duration,
    #[command(flatten)]
    command: CommandArgs,
    #[command(flatten)]
    place: SandboxPlace,
}

/// How long the sandbox outlives a program that was killed, at most.
const GRACE: Duration = Duration::from_mins(10);

/// How often its time is put off: one call may be lost, and even two.
const KEEP_ALIVE: Duration = Duration::from_mins(3);

impl Run {
    pub(crate) async fn run(self, cx: &mut Context) -> Result<Exit, Failure> {
        let workspace = Workspace::of_sandboxes(&self.place, Access::Writes, cx).await?;
        let result = self.run_in(&workspace, cx).await;
        workspace.finish(result, &mut cx.ui).await
    }

    async fn run_in(&self, workspace: &Workspace, cx: &mut Context) -> Result<Exit, Failure> {
        let mut interrupts = Interrupts::new().map_err(|source| Failure::Runtime { source })?;
        // Chosen here: a sandbox whose making is interrupted has to be deleted by name.
        let name =
            Name::parse(&format!("run-{:08x}", fastrand::u32(..))).expect("hex digits after a letter make a name");
        let begun = Instant::now();
        let options = CreateSandboxOptions::default().name(name.clone()).timeout(self.start_timeout);
        let options = options.ttl(whole_minutes(self.start_timeout.saturating_add(GRACE)));
        let work = async {
            let sandbox = tokio::select! {
                sandbox = workspace.client.create_sandbox(&self.template, options) => sandbox,
                _ = interrupts.next() => return Err(Failure::Interrupted),
            };
            let sandbox = match sandbox {
                Ok(sandbox) => sandbox,
                Err(error) => return Err(workspace.failure_of(&self.template, error).await),
            };
            tokio::select! {
                code = attach(&sandbox, &self.command, workspace, &mut interrupts, &cx.environment, &mut cx.ui) => code,
                never = keep_alive(&workspace.client, &name, begun) => match never {},
            }
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

/// Puts off the time at which the server deletes the sandbox, for as long as this is polled.
async fn keep_alive(client: &Client, name: &Name, begun: Instant) -> Infallible {
    loop {
        tokio::time::sleep(KEEP_ALIVE).await;
        let ttl = whole_minutes(begun.elapsed().saturating_add(GRACE));
        // The next call makes up for one that fails.
        let _ = client.update_sandbox(name.as_str(), UpdateSandboxOptions::default().ttl(ttl)).await;
    }
}

/// Rounds up to what the API takes.
fn whole_minutes(time: Duration) -> Ttl {
    let seconds = time.as_secs().div_ceil(60).saturating_mul(60);
    i64::try_from(seconds).ok().and_then(|seconds| Ttl::from_seconds(seconds).ok()).unwrap_or(Ttl::DISABLED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rounded_up() {
        for (time, seconds) in [(1, 60), (60, 60), (61, 120), (3600, 3600)] {
            assert_eq!(whole_minutes(Duration::from_secs(time)).as_seconds(), seconds);
        }
    }
}
