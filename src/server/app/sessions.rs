//! Commands that run in sandboxes, and those who watch them.
//!
//! A command belongs to the server, not to the connection that started it: its output is kept for a while, and
//! anybody who knows its id can attach, from any offset, while it runs and for some time afterwards.

mod command;
mod log;
#[cfg(test)]
mod tests;
mod text;

use std::collections::{HashMap, VecDeque};
use std::future::pending;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;
use uuid::Uuid;

use self::command::Command;
pub(crate) use self::command::{Attachment, Controls, End, Event};
pub(crate) use self::log::{Piece, Stream};
use super::from_snapshot::set_up;
use super::{App, Error};
use crate::server::runtime::{ExecError, ExecSpec, Frame, Instance};
use crate::types::SandboxId;

/// How many ids of commands that are forgotten a sandbox remembers, to tell "over" from "never heard of".
const REMEMBERED: usize = 1024;

/// A command to run.
#[derive(Debug, Clone)]
pub(crate) struct NewCommand {
    pub(crate) exec: ExecSpec,
    /// The caller's own id; a command that has it already is attached to (contract G50).
    pub(crate) id: Option<String>,
    /// Kills it after this long.
    pub(crate) timeout: Option<Duration>,
    /// Kills it after this long without anybody attached.
    pub(crate) idle_timeout: Option<Duration>,
    /// Kills it when the last one detaches.
    pub(crate) kill_on_disconnect: bool,
    /// How long it can be attached to once it has ended; without end when `None`.
    pub(crate) keep_for: Option<Duration>,
}

/// Why a command was not started or attached to.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommandError {
    #[error("there is no command `{id}`")]
    NotFound { id: String },
    #[error("command `{id}` ended too long ago")]
    Expired { id: String },
    #[error("the sandbox cannot be used")]
    Sandbox(#[source] Error),
    #[error(transparent)]
    Exec(ExecError),
}

/// The commands of all sandboxes.
#[derive(Default)]
pub(crate) struct Sessions(Mutex<HashMap<SandboxId, Commands>>);

#[derive(Default)]
struct Commands {
    known: HashMap<String, Arc<Command>>,
    expired: VecDeque<String>,
}

impl Sessions {
    /// Ends the commands of a sandbox that is gone.
    pub(super) fn end(&self, sandbox: &SandboxId) {
        let commands = self.lock().remove(sandbox);
        for command in commands.into_iter().flat_map(|commands| commands.known.into_values()) {
            command.abandon();
        }
    }

    /// Finds a command.
    fn find(&self, sandbox: &SandboxId, id: &str) -> Result<Arc<Command>, CommandError> {
        let sandboxes = self.lock();
        let unknown = || CommandError::NotFound { id: id.to_owned() };
        let commands = sandboxes.get(sandbox).ok_or_else(unknown)?;
        match commands.known.get(id) {
            Some(command) => Ok(Arc::clone(command)),
            None if commands.expired.iter().any(|expired| expired == id) => {
                Err(CommandError::Expired { id: id.to_owned() })
            }
            None => Err(unknown()),
        }
    }

    /// Keeps a command, unless there is one of that id already: then returns that one.
    fn keep(&self, sandbox: &SandboxId, command: &Arc<Command>) -> Arc<Command> {
        let mut sandboxes = self.lock();
        let known = &mut sandboxes.entry(sandbox.clone()).or_default().known;
        Arc::clone(known.entry(command.id().to_owned()).or_insert_with(|| Arc::clone(command)))
    }

    /// Forgets a command that ended long enough ago.
    fn expire(&self, sandbox: &SandboxId, id: &str) {
        let mut sandboxes = self.lock();
        let Some(commands) = sandboxes.get_mut(sandbox) else { return };
        if commands.known.remove(id).is_some() {
            commands.expired.push_back(id.to_owned());
            if commands.expired.len() > REMEMBERED {
                commands.expired.pop_front();
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SandboxId, Commands>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl App {
    /// Starts a command in a sandbox and attaches to it.
    pub(crate) async fn run_command(
        &self,
        sandbox: &SandboxId,
        mut new: NewCommand,
    ) -> Result<Attachment, CommandError> {
        let id = new.id.clone().unwrap_or_else(|| Uuid::new_v4().to_string());
        match self.0.sessions.find(sandbox, &id) {
            Ok(command) => return Ok(command.attach(0, 0)),
            Err(CommandError::NotFound { .. }) => {}
            Err(error) => return Err(error),
        }
        let instance = self.instance(sandbox).await.map_err(CommandError::Sandbox)?;
        let used = self.sandbox_by_id(sandbox.clone()).await.map_err(CommandError::Sandbox)?;
        set_up(used, &mut new.exec);
        // Reserved before it starts: a second request with the same id finds it, and starts nothing.
        let command = Arc::new(Command::new(id));
        let kept = self.0.sessions.keep(sandbox, &command);
        let attachment = kept.attach(0, 0);
        if Arc::ptr_eq(&kept, &command) {
            let (app, sandbox) = (self.clone(), sandbox.clone());
            // Also when whoever asked is gone meanwhile: it starts, and somebody has to follow it.
            let begun = self.0.operations.spawn(async move { app.begin(sandbox, &*instance, command, new).await });
            begun.await.unwrap_or(Err(ExecError::Ended)).map_err(CommandError::Exec)?;
        }
        Ok(attachment)
    }

    async fn begin(
        &self,
        sandbox: SandboxId,
        instance: &dyn Instance,
        command: Arc<Command>,
        new: NewCommand,
    ) -> Result<(), ExecError> {
        let exec = async {
            let begun = Instant::now();
            let session = instance.exec(new.exec.clone()).await?;
            self.metrics().time_command_start(begun.elapsed());
            Ok(session)
        };
        // Side by side: a command need not wait until its use is recorded.
        let (started, ()) = tokio::join!(exec, self.touch(&sandbox));
        match started {
            Ok(session) => {
                command.started(session.pid, session.control, session.kill);
                let app = self.clone();
                self.0.background.spawn(async move { app.follow(sandbox, &command, new, session.output).await });
                Ok(())
            }
            Err(error) => {
                command.abandon();
                self.0.sessions.expire(&sandbox, command.id());
                Err(error)
            }
        }
    }

    /// Attaches to a command, from the offsets that the caller has seen.
    pub(crate) async fn attach(
        &self,
        sandbox: &SandboxId,
        id: &str,
        stdout_offset: u64,
        stderr_offset: u64,
    ) -> Result<Attachment, CommandError> {
        let command = self.0.sessions.find(sandbox, id)?;
        self.touch(sandbox).await;
        Ok(command.attach(stdout_offset, stderr_offset))
    }

    /// Stays with a command until it can be forgotten, or the server stops.
    async fn follow(&self, sandbox: SandboxId, command: &Command, new: NewCommand, output: mpsc::Receiver<Frame>) {
        tokio::select! {
            () = command.follow(&new, output, || self.note_use(&sandbox)) => {}
            () = command.abandoned() => {}
            () = self.0.stop.cancelled() => command.abandon(),
        }
        self.metrics().count_command_end(command.end_word());
        let keep = async {
            match new.keep_for {
                Some(time) => tokio::time::sleep(time).await,
                None => pending().await,
            }
            self.0.sessions.expire(&sandbox, command.id());
        };
        tokio::select! {
            () = keep => {}
            () = command.abandoned() => {}
            () = self.0.stop.cancelled() => {}
        }
    }
}
