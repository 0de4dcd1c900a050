//! The command line of `sbx`.
//!
//! Start with [`args`] for what can be said, then [`commands`], one file each. [`settings`] resolves where the server is
//! and remembers why, [`failure`] alone knows exit codes, and [`ui`] alone writes to the terminal: data to standard
//! output, everything else to standard error.

mod args;
mod attach;
mod author;
mod commands;
mod context;
mod contexts;
mod duration;
mod env;
mod export;
mod failure;
mod folder;
mod interrupt;
mod local;
mod logging;
mod lookup;
mod manifests;
mod migrated;
mod naming;
mod observation;
mod patch;
mod perform;
mod policy;
mod project;
mod record;
mod saved;
mod secrets;
mod selection;
mod settings;
mod ui;
mod workspace;

use std::process::ExitCode;

use clap::Parser as _;
use sbx::server::runtime;

use crate::args::{Cli, Command};
use crate::context::Context;
use crate::env::Environment;
use crate::failure::{Exit, Failure};
use crate::ui::{Ui, output};

fn main() -> ExitCode {
    if let Some(exit) = runtime::run_agent() {
        return exit;
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help that somebody asked for is a success, and a pipe that closed is no reason to complain about it.
            let exit = if error.use_stderr() { Exit::Usage } else { Exit::Done };
            let _ = error.print();
            return exit.into();
        }
    };
    let environment = Environment::of_process();
    logging::start(&cli, &environment);
    let mut context = Context {
        ui: Ui::new(cli.output.color, cli.output.quiet, cli.output.verbose, &environment),
        environment,
        is_verbose: cli.output.verbose > 0,
    };
    let result = run(cli.command, &mut context);
    finish(result, &mut context.ui).into()
}

fn run(command: Command, cx: &mut Context) -> Result<Exit, Failure> {
    match command {
        Command::Init(command) => command.run(cx),
        Command::Validate(command) => command.run(cx),
        Command::Migrate(command) => command.run(cx),
        Command::Plan(command) => cx.block_on(async |cx| command.run(cx).await),
        Command::Apply(command) => cx.block_on(async |cx| Box::pin(command.run(cx)).await),
        Command::Destroy(command) => cx.block_on(async |cx| command.run(cx).await),
        Command::Drift(command) => cx.block_on(async |cx| command.run(cx).await),
        Command::Adopt(command) => cx.block_on(async |cx| command.run(cx).await),
        Command::Forget(command) => cx.block_on(async |cx| command.run(cx).await),
        Command::Get(command) => cx.block_on(async |cx| command.run(cx).await),
        Command::Describe(command) => cx.block_on(async |cx| command.run(cx).await),
        Command::Export(command) => cx.block_on(async |cx| command.run(cx).await),
        Command::Observe(command) => cx.block_on(async |cx| command.run(cx).await),
        Command::Delete(command) => cx.block_on(async |cx| command.run(cx).await),
        Command::History(command) => cx.block_on(async |cx| command.run(cx).await),
        Command::Unlock(command) => cx.block_on(async |cx| command.run(cx).await),
        Command::Run(command) => cx.block_on(async |cx| Box::pin(command.run(cx)).await),
        Command::Exec(command) => cx.block_on(async |cx| Box::pin(command.run(cx)).await),
        Command::Copy(command) => cx.block_on(async |cx| Box::pin(command.run(cx)).await),
        Command::Tunnel(command) => cx.block_on(async |cx| command.run(cx).await),
        Command::Service(command) => cx.block_on(async |cx| command.run(cx).await),
        Command::Wait(command) => cx.block_on(async |cx| command.run(cx).await),
        Command::Doctor(command) => cx.block_on(async |cx| command.run(cx).await),
        Command::Serve(command) => cx.block_on(async |cx| command.run(cx).await),
        Command::Context(command) => command.run(cx),
        Command::Schema(command) => command.run(cx),
        Command::Completion(command) => Ok(command.run(cx)),
        Command::Version(command) => command.run(cx),
    }
}

/// Reports what went wrong, if anything did, and returns the code to end with.
fn finish(result: Result<Exit, Failure>, ui: &mut Ui) -> Exit {
    let exit = match result {
        Ok(exit) => exit,
        Err(failure) => {
            ui.failure(&failure);
            if let Err(unwritten) = output::failure(&failure, ui) {
                ui.failure(&unwritten);
            }
            failure.exit()
        }
    };
    match ui.write_error() {
        Some(error) => {
            let failure = Failure::Output { source: error };
            ui.failure(&failure);
            failure.exit()
        }
        None => exit,
    }
}
