//! A command that runs, followed over a WebSocket.

mod control;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use futures_util::Stream;
use futures_util::stream::try_unfold;
use tokio::time::{Instant, sleep_until};
use tracing::debug;

pub use self::control::CommandControl;
use self::wire::{Loss, Reader};
use super::run::{Offsets, Output};
use super::socket::{self, WebSocket, lost};
use crate::client::error::{Error, Kind};
use crate::client::link::Link;
use crate::client::request::{Request, Verb};
use crate::wire::{CommandEvent, CommandRequest};

/// How often in succession a connection may be lost.
pub(super) const MAX_LOSSES: u32 = 5;
/// The sleep after the first loss; each further one doubles it.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// The longest sleep after a loss.
const MAX_PAUSE: Duration = Duration::from_secs(8);

/// A command that runs.
///
/// Read it to follow the command: [`CommandHandle::next`] gives the output piece by piece, [`CommandHandle::result`]
/// all that is left of it. A connection that is lost is made again, without a gap, and up to five times in succession.
/// All this happens while the handle is read: it has no task of its own, and a command whose output nobody takes is
/// held up sooner or later.
///
/// Dropping it closes the connection. The command runs on, unless it was started to be killed then.
#[derive(Debug)]
#[must_use = "a handle that is dropped does not follow the command"]
pub struct CommandHandle {
    link: Link,
    request: Request,
    control: CommandControl,
    command_id: String,
    pid: Option<i64>,
    offsets: Offsets,
    state: State,
    losses: u32,
}

/// Where the handle stands.
#[derive(Debug)]
enum State {
    /// Connected.
    Live(Box<Reader>),
    /// Not connected, and to connect at this time.
    Lost { until: Instant },
    /// The command has ended.
    Exited(i32),
    /// The handle has said what went wrong, and will say no more.
    Failed,
}

/// Which of its two streams a command wrote to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputStream {
    /// Standard output; with a pseudo-terminal, everything.
    Stdout,
    /// Standard error.
    Stderr,
}

/// A piece of output.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Chunk {
    /// The stream that it was written to.
    pub stream: OutputStream,
    /// What was written.
    pub data: String,
    /// The position of its first byte in the stream. It is not the end of the chunk before if the server had to drop
    /// some output.
    pub offset: u64,
}

impl CommandHandle {
    /// Sends a command, and waits until it has started.
    pub(super) async fn start(
        link: &Link,
        request: Request,
        socket: WebSocket,
        first: &CommandRequest,
    ) -> Result<Self, Error> {
        let (writer, mut reader) = wire::split(socket, link.socket_timeouts());
        let unclear = |error: Error| error.with_ambiguous(true);
        if let Err(error) = writer.send(first).await {
            return Err(unclear(lost(&request, "the connection was lost as the command was sent").with_source(error)));
        }
        let mut handle = Self::new(link, request, String::new(), Offsets::default());
        match reader.next(&writer).await {
            Ok(CommandEvent::Started { command_id, pid }) => {
                handle.control.connect(Arc::new(writer));
                (handle.command_id, handle.pid) = (command_id, pid);
                handle.state = State::Live(Box::new(reader));
                Ok(handle)
            }
            Ok(CommandEvent::Error { error_type, error }) => Err(handle.failure(error_type, error)),
            Ok(_) => Err(unclear(handle.broken("the server did not say that the command had started"))),
            Err(Loss::Reload) => Err(unclear(lost(&handle.request, "the server restarts"))),
            Err(Loss::Broken(reason)) => Err(unclear(lost(&handle.request, reason))),
        }
    }

    /// Sends where to go on.
    pub(super) async fn resume(
        link: &Link,
        request: Request,
        socket: WebSocket,
        command_id: &str,
        offsets: Offsets,
    ) -> Result<Self, Error> {
        let mut handle = Self::new(link, request, command_id.to_owned(), offsets);
        match handle.take_up(socket).await {
            Ok(()) => Ok(handle),
            Err(reason) => Err(lost(&handle.request, reason)),
        }
    }

    fn new(link: &Link, request: Request, command_id: String, offsets: Offsets) -> Self {
        // What outlives the call is not bound by its deadline.
        let link = link.without_deadline();
        let control = CommandControl::default();
        Self { link, request, control, command_id, pid: None, offsets, state: State::Failed, losses: 0 }
    }

    /// Returns the id to reconnect with.
    pub fn command_id(&self) -> &str {
        &self.command_id
    }

    /// Returns the process id inside the sandbox. After [`Sandbox::reconnect`](crate::client::Sandbox::reconnect) it is
    /// `None`, in the second generation until the first output is read.
    pub fn pid(&self) -> Option<i64> {
        self.pid
    }

    /// Returns how much of the output has been handed out, to reconnect from.
    pub fn offsets(&self) -> Offsets {
        self.offsets
    }

    /// Returns how the command ended, once [`CommandHandle::next`] has returned `None`.
    pub fn exit_code(&self) -> Option<i32> {
        match self.state {
            State::Exited(code) => Some(code),
            _ => None,
        }
    }

    /// Returns what can steer the command while the handle is read elsewhere.
    pub fn control(&self) -> CommandControl {
        self.control.clone()
    }

    /// Kills the command's process group, see [`CommandControl::kill`]. The handle can be read on to the end.
    pub async fn kill(&self) {
        self.control.kill().await;
    }

    /// Writes to the command's standard input, see [`CommandControl::send_input`].
    ///
    /// # Errors
    ///
    /// Those of [`CommandControl::send_input`].
    pub async fn send_input(&self, data: impl Into<String>) -> std::io::Result<()> {
        self.control.send_input(data).await
    }

    /// Returns the next piece of output, or `None` when the command has ended.
    ///
    /// # Errors
    ///
    /// * [`Kind::CommandTimeout`]: the command took too long, and was killed.
    /// * [`Kind::Operation`]: the server has given up on it, or does not know it any more.
    /// * [`Kind::Connection`]: the connection was lost after the command was killed, or six times in succession.
    ///
    /// After an error there is nothing more to come.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost if the future is dropped.
    pub async fn next(&mut self) -> Result<Option<Chunk>, Error> {
        loop {
            let event = match &mut self.state {
                State::Exited(_) => return Ok(None),
                State::Failed => return Err(self.broken("the handle has failed before")),
                State::Lost { until } => {
                    sleep_until(*until).await;
                    self.come_back().await?;
                    continue;
                }
                State::Live(reader) => reader.next_of(&self.control).await,
            };
            match event {
                Ok(CommandEvent::Stdout { data, offset }) => {
                    return Ok(Some(self.take(OutputStream::Stdout, data, offset)));
                }
                Ok(CommandEvent::Stderr { data, offset }) => {
                    return Ok(Some(self.take(OutputStream::Stderr, data, offset)));
                }
                Ok(CommandEvent::Exit { exit_code }) => {
                    self.leave(State::Exited(exit_code));
                    return Ok(None);
                }
                Ok(CommandEvent::Error { error_type, error }) => {
                    self.leave(State::Failed);
                    return Err(self.failure(error_type, error));
                }
                // In the second generation this answers a reconnect, and tells what a handle that began with one does
                // not know.
                Ok(CommandEvent::Started { pid, .. }) => self.pid = pid.or(self.pid),
                Ok(CommandEvent::Unknown) => {}
                Err(loss) => self.lose(&loss)?,
            }
        }
    }

    /// Follows the command to its end, and returns the output that is still to come: pieces that were handed out
    /// before are not kept.
    ///
    /// # Errors
    ///
    /// Those of [`CommandHandle::next`].
    pub async fn result(mut self) -> Result<Output, Error> {
        let (mut stdout, mut stderr) = (String::new(), String::new());
        while let Some(chunk) = self.next().await? {
            match chunk.stream {
                OutputStream::Stdout => stdout.push_str(&chunk.data),
                OutputStream::Stderr => stderr.push_str(&chunk.data),
            }
        }
        Ok(Output { stdout, stderr, exit_code: self.exit_code().unwrap_or(-1) })
    }

    /// Returns the output as a stream, see [`CommandHandle::next`].
    pub fn into_stream(self) -> impl Stream<Item = Result<Chunk, Error>> {
        try_unfold(self, async |mut handle| Ok(handle.next().await?.map(|chunk| (chunk, handle))))
    }

    fn take(&mut self, stream: OutputStream, data: String, offset: u64) -> Chunk {
        self.losses = 0;
        let end = offset.saturating_add(data.len() as u64);
        match stream {
            OutputStream::Stdout => self.offsets.stdout = end,
            OutputStream::Stderr => self.offsets.stderr = end,
        }
        Chunk { stream, data, offset }
    }

    /// Notes a lost connection, and when to make it again.
    fn lose(&mut self, loss: &Loss) -> Result<(), Error> {
        self.leave(State::Failed);
        self.losses += 1;
        let reason = loss.reason();
        debug!(command_id = self.command_id, losses = self.losses, reason, "lost the connection to a command");
        if self.control.was_killed() {
            return Err(lost(&self.request, format!("the connection ended after the command was killed: {reason}")));
        }
        if self.losses > MAX_LOSSES {
            let message = format!("lost the connection {} times in succession, giving up: {reason}", self.losses);
            return Err(lost(&self.request, message).with_ambiguous(true));
        }
        let pause = match loss {
            Loss::Reload => Duration::ZERO,
            Loss::Broken(_) => pause_after(self.losses),
        };
        self.state = State::Lost { until: Instant::now() + pause };
        Ok(())
    }

    /// Connects again. Failing to is one more loss.
    async fn come_back(&mut self) -> Result<(), Error> {
        self.request.operation.verb = Verb::Reconnect;
        let taken_up = match socket::open_once(&self.link, &self.request, self.link.open_within()).await {
            Ok(socket) => self.take_up(socket).await,
            Err(error) if error.is_a(Kind::Connection) => Err(error.message().to_owned()),
            Err(error) => {
                self.state = State::Failed;
                return Err(error);
            }
        };
        taken_up.or_else(|reason| self.lose(&Loss::Broken(reason)))
    }

    async fn take_up(&mut self, socket: WebSocket) -> Result<(), String> {
        let Offsets { stdout, stderr } = self.offsets;
        let first = CommandRequest::Reconnect {
            command_id: self.command_id.clone(),
            stdout_offset: stdout,
            stderr_offset: stderr,
        };
        let (writer, reader) = wire::split(socket, self.link.socket_timeouts());
        writer.send(&first).await.map_err(|error| error.to_string())?;
        self.control.connect(Arc::new(writer));
        self.state = State::Live(Box::new(reader));
        Ok(())
    }

    fn leave(&mut self, state: State) {
        self.control.disconnect();
        self.state = state;
    }

    fn broken(&self, message: &str) -> Error {
        Error::new(Kind::Operation, &self.request, message)
    }

    /// What a server says with a message of type `error`.
    fn failure(&self, error_type: String, text: String) -> Error {
        let is_reconnect = self.request.operation.verb == Verb::Reconnect;
        let (kind, message) = match error_type.as_str() {
            "CommandTimeout" => (Kind::CommandTimeout, text),
            "CommandNotFound" if is_reconnect => {
                (Kind::Operation, format!("there is no command `{}`", self.command_id))
            }
            "SessionExpired" if is_reconnect => {
                (Kind::Operation, format!("command `{}` ended too long ago", self.command_id))
            }
            _ => (Kind::Operation, text),
        };
        Error::new(kind, &self.request, message).typed(error_type)
    }
}

/// Returns how long to sleep after so many losses in succession.
pub(super) fn pause_after(n_losses: u32) -> Duration {
    FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(n_losses.saturating_sub(1))).min(MAX_PAUSE)
}
