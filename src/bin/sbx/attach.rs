//! A command in a sandbox, as if it ran here: its output, its input, its code.

mod argv;
mod input;
mod raw;

use std::io::{self, IsTerminal as _};
use std::pin::pin;

use sbx::client::{Chunk, CommandControl, OutputStream, Sandbox};
use tokio::signal::unix::{SignalKind, signal};

use self::raw::RawTerminal;
use crate::env::Environment;
use crate::failure::Failure;
use crate::interrupt::{Interrupts, Stop};
use crate::ui::Ui;
use crate::workspace::Workspace;

pub(crate) use self::argv::CommandArgs;

/// What a shell has for a command that SIGTERM ended.
const TERMINATED: u8 = 128 + 15;

/// Runs a command in a sandbox to its end and returns its code. An interrupt kills it, and so does SIGTERM: then the code
/// is 143.
///
/// # Errors
///
/// [`Failure::Call`], [`Failure::Interrupted`], and [`Failure::Input`] and [`Failure::Output`] where this side fails;
/// the command is killed then, too.
pub(crate) async fn attach(
    sandbox: &Sandbox,
    command: &CommandArgs,
    workspace: &Workspace,
    interrupts: &mut Interrupts,
    environment: &Environment,
    ui: &mut Ui,
) -> Result<u8, Failure> {
    let line = command.line();
    let mut handle = tokio::select! {
        handle = sandbox.start(&line, command.options(environment)) => handle.map_err(|error| workspace.failure(error))?,
        _ = interrupts.next() => return Err(Failure::Interrupted),
    };
    let is_terminal = command.is_tty() && io::stdin().is_terminal();
    // Given back at the end, before anything is said.
    let _raw = is_terminal.then(RawTerminal::enter).transpose().map_err(|source| Failure::Input { source })?;
    let control = handle.control();
    let result = {
        let feeding = async {
            let fed = input::feed(control.clone(), command.is_tty()).await;
            fed.map_err(|source| Failure::Input { source })
        };
        let sizing = keep_size(control.clone(), is_terminal);
        let (mut feeding, mut sizing) = (pin!(feeding), pin!(sizing));
        let (mut is_fed, mut is_sized) = (false, false);
        loop {
            tokio::select! {
                stop = interrupts.next() => match stop {
                    Stop::Interrupt => break Err(Failure::Interrupted),
                    Stop::Terminate => break Ok(Some(TERMINATED)),
                },
                chunk = handle.next() => match chunk.map_err(|error| workspace.failure(error)).transpose() {
                    None => break Ok(None),
                    Some(chunk) => if let Err(failure) = chunk.and_then(|chunk| show(&chunk, ui)) {
                        break Err(failure);
                    },
                },
                fed = &mut feeding, if !is_fed => match fed {
                    Ok(()) => is_fed = true,
                    Err(failure) => break Err(failure),
                },
                () = &mut sizing, if !is_sized => is_sized = true,
            }
        }
    };
    match result {
        // As the shell has it: the low byte is the code.
        Ok(None) => Ok(handle.exit_code().unwrap_or(-1).to_le_bytes()[0]),
        Ok(Some(code)) => {
            handle.kill().await;
            Ok(code)
        }
        Err(failure) => {
            handle.kill().await;
            Err(failure)
        }
    }
}

fn show(chunk: &Chunk, ui: &mut Ui) -> Result<(), Failure> {
    let written = match chunk.stream {
        OutputStream::Stdout => ui.pass_out(&chunk.data),
        OutputStream::Stderr => ui.pass_err(&chunk.data),
    };
    written.map_err(|source| Failure::Output { source })
}

/// Tells the command how large the terminal is, whenever that changes.
async fn keep_size(control: CommandControl, is_terminal: bool) {
    let Some(mut changes) = is_terminal.then(|| signal(SignalKind::window_change()).ok()).flatten() else { return };
    loop {
        if let Some((rows, columns)) = raw::size() {
            // A lost connection shows where the output is read.
            let _ = control.resize(rows, columns).await;
        }
        changes.recv().await;
    }
}
