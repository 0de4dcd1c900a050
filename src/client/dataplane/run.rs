//! Running commands, and how.

use std::collections::BTreeMap;
use std::time::Duration;

use http::Method;
use tokio::time::sleep;

use super::command::{CommandHandle, MAX_LOSSES, pause_after};
use super::command_id::new_command_id;
use super::socket;
use crate::client::connect::whole_seconds;
use crate::client::error::{Error, Kind};
use crate::client::exchange::{Exchange, Outcome};
use crate::client::generation::Generation;
use crate::client::handle::{Sandbox, SandboxObject};
use crate::client::link::decode;
use crate::client::request::{Request, Verb};
use crate::types::Timestamp;
use crate::wire::{CommandRequest, Execute, ExecuteStream, Executed, RunConfig, route};

/// What a request may take on top of the time that the command has (contract section 1.4).
const HTTP_MARGIN: Duration = Duration::from_secs(10);

/// How [`Sandbox::run`] and [`Sandbox::start`] run a command.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RunOptions {
    /// After how long the command is killed: 60 s by default, sent in seconds; `None` is never.
    pub timeout: Option<Duration>,
    /// What is added to the sandbox's environment; nothing by default.
    pub env: BTreeMap<String, String>,
    /// The working directory; the sandbox's own by default.
    pub cwd: Option<String>,
    /// The shell that runs the command: `/bin/bash` by default.
    pub shell: String,
    /// After how long without a connection the command is killed: 300 s by default; `None` is never.
    pub idle_timeout: Option<Duration>,
    /// Whether the command is killed as soon as the connection ends; by default it runs on.
    pub kill_on_disconnect: bool,
    /// For how long one can reconnect to the finished command: 600 s by default; `None` is forever.
    pub ttl: Option<Duration>,
    /// Whether it gets a pseudo-terminal, which merges its output into one stream; by default it does not.
    pub pty: bool,
    /// The id to reconnect with. By default the server makes one up, and in the second generation the client: there, a
    /// command that is sent again under the same id is taken up, and not started twice. Older servers ignore it.
    pub command_id: Option<String>,
    /// As whom, where and with what environment it runs, over what the sandbox says; nothing by default. `env` and
    /// `cwd` win over it. Servers of the first generation ignore it.
    pub run_config: Option<RunConfig>,
    /// Whether its standard input is closed from the start. By default it is not, but for a [`Sandbox::run`] without a
    /// pseudo-terminal in the second generation: nobody could write to it. Servers of the first ignore it.
    pub close_stdin: Option<bool>,
}

impl Default for RunOptions {
    fn default() -> Self {
        Self {
            timeout: Some(Duration::from_mins(1)),
            env: BTreeMap::new(),
            cwd: None,
            shell: "/bin/bash".to_owned(),
            idle_timeout: Some(Duration::from_mins(5)),
            kill_on_disconnect: false,
            ttl: Some(Duration::from_mins(10)),
            pty: false,
            command_id: None,
            run_config: None,
            close_stdin: None,
        }
    }
}

impl RunOptions {
    /// Sets after how long the command is killed; `None` is never.
    #[must_use]
    pub fn timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.timeout = timeout.into();
        self
    }

    /// Adds a variable to the sandbox's environment.
    #[must_use]
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.env.insert(name.into(), value.into());
        self
    }

    /// Sets the working directory.
    #[must_use]
    pub fn cwd(mut self, path: impl Into<String>) -> Self {
        self.cwd = Some(path.into());
        self
    }

    /// Sets the shell that runs the command.
    #[must_use]
    pub fn shell(mut self, path: impl Into<String>) -> Self {
        self.shell = path.into();
        self
    }

    /// Sets after how long without a connection the command is killed; `None` is never.
    #[must_use]
    pub fn idle_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.idle_timeout = timeout.into();
        self
    }

    /// Sets whether the command is killed as soon as the connection ends.
    #[must_use]
    pub fn kill_on_disconnect(mut self, kill: bool) -> Self {
        self.kill_on_disconnect = kill;
        self
    }

    /// Sets for how long one can reconnect to the finished command; `None` is forever.
    #[must_use]
    pub fn ttl(mut self, ttl: impl Into<Option<Duration>>) -> Self {
        self.ttl = ttl.into();
        self
    }

    /// Sets whether it gets a pseudo-terminal.
    #[must_use]
    pub fn pty(mut self, pty: bool) -> Self {
        self.pty = pty;
        self
    }

    /// Sets the id to reconnect with.
    #[must_use]
    pub fn command_id(mut self, id: impl Into<String>) -> Self {
        self.command_id = Some(id.into());
        self
    }

    /// Sets as whom, where and with what environment it runs.
    #[must_use]
    pub fn run_config(mut self, config: RunConfig) -> Self {
        self.run_config = Some(config);
        self
    }

    /// Sets whether its standard input is closed from the start.
    #[must_use]
    pub fn close_stdin(mut self, close: bool) -> Self {
        self.close_stdin = Some(close);
        self
    }

    /// Decides what is left open, for a sandbox of the second generation.
    fn settle(mut self, now: Timestamp) -> Self {
        self.command_id.get_or_insert_with(|| new_command_id(now));
        self
    }

    fn to_stream(&self, command: &str) -> CommandRequest {
        let forever_or = |time: Option<Duration>| time.map_or(-1, |time| whole_seconds(time).try_into().unwrap_or(-1));
        CommandRequest::Execute(ExecuteStream {
            command: command.to_owned(),
            // A time of no seconds is "never" on the wire, and certainly not what was meant.
            timeout_seconds: self.timeout.map_or(0, |timeout| whole_seconds(timeout).max(1)),
            shell: self.shell.clone(),
            idle_timeout_seconds: forever_or(self.idle_timeout),
            kill_on_disconnect: self.kill_on_disconnect,
            ttl_seconds: forever_or(self.ttl),
            env: self.env.clone(),
            cwd: self.cwd.clone().filter(|cwd| !cwd.is_empty()),
            pty: self.pty,
            command_id: self.command_id.clone(),
            run_config: self.run_config.clone().map(Box::new),
            close_stdin: self.close_stdin.unwrap_or(false),
        })
    }

    /// Returns the command as plain HTTP carries it, unless it needs more than that.
    fn to_request(&self, command: &str) -> Option<Execute> {
        let timeout = self.timeout?;
        let needs_more = self.pty || self.kill_on_disconnect;
        (!needs_more).then(|| Execute {
            command: command.to_owned(),
            timeout: whole_seconds(timeout).max(1),
            shell: self.shell.clone(),
            env: (!self.env.is_empty()).then(|| self.env.clone()),
            cwd: self.cwd.clone(),
        })
    }
}

/// What a command that ended has written, and how it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Output {
    /// What it wrote to standard output. Bytes that are no UTF-8 were replaced.
    pub stdout: String,
    /// What it wrote to standard error.
    pub stderr: String,
    /// How it ended: 0 is success, 128 and more a signal.
    pub exit_code: i32,
}

impl Output {
    /// Returns whether the command says that it succeeded.
    pub fn is_success(&self) -> bool {
        self.exit_code == 0
    }
}

/// How much of a command's output is there already, in bytes of each stream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Offsets {
    /// Of standard output.
    pub stdout: u64,
    /// Of standard error.
    pub stderr: u64,
}

impl<O: SandboxObject> Sandbox<O> {
    /// Runs a command to its end, and returns what it wrote. A code other than 0 is no error.
    ///
    /// It goes over a WebSocket. In the first generation, a command that needs no more goes over plain HTTP if none can
    /// be opened; one that may have been started is never started again. In the second, it is asked for again under the
    /// same id, which takes up what has been started; opening the WebSocket, which starts a sandbox that is stopped,
    /// may take 120 s.
    ///
    /// # Errors
    ///
    /// * [`Kind::NotReady`] and [`Kind::NoDataPlane`]: the sandbox cannot be worked in; nothing was sent.
    /// * [`Kind::CommandTimeout`]: it took longer than [`RunOptions::timeout`], and was killed.
    /// * [`Kind::Operation`]: it could not be run.
    /// * [`Kind::Connection`]: no connection could be made, or it was lost for good; [`Error::is_ambiguous`] tells
    ///   whether the command may have run.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the connection, and the command runs on unless [`RunOptions::kill_on_disconnect`] is
    /// set.
    pub async fn run(&self, command: &str, options: RunOptions) -> Result<Output, Error> {
        let link = self.client().link();
        let request = self.stream_request(Verb::Run)?;
        let mut options = options;
        if O::GENERATION == Generation::Second {
            options.close_stdin = Some(options.close_stdin.unwrap_or(!options.pty));
        }
        // On the heap: callers move the future, and this one is large.
        let running = Box::pin(async {
            match self.begin(&request, command, options.clone()).await {
                Ok(handle) => handle.result().await,
                Err(error) if has_no_socket(&error) && O::GENERATION == Generation::First => {
                    match options.to_request(command) {
                        Some(body) => self.execute(&body).await,
                        None => Err(error),
                    }
                }
                Err(error) => Err(error),
            }
        });
        let result = link.within_deadline(running).await;
        result.unwrap_or_else(|| Err(Error::deadline_exceeded(&request, 1).with_ambiguous(true)))
    }

    /// Starts a command, and returns a handle to follow and steer it.
    ///
    /// # Errors
    ///
    /// Those of [`Sandbox::run`].
    pub async fn start(&self, command: &str, options: RunOptions) -> Result<CommandHandle, Error> {
        self.begin(&self.stream_request(Verb::Run)?, command, options).await
    }

    /// Starts a command. Where its id makes that safe, it is asked for again if the connection was lost before the
    /// server said that it has started.
    async fn begin(&self, request: &Request, command: &str, options: RunOptions) -> Result<CommandHandle, Error> {
        let link = self.client().link();
        let options = if O::GENERATION == Generation::Second { options.settle(link.now()) } else { options };
        let first = options.to_stream(command);
        let patience = self.patience(link.open_within());
        let mut n_losses = 0;
        loop {
            let socket = socket::open(link, request, patience).await.map_err(|error| {
                // What was asked for before may have been started.
                let ambiguous = error.is_ambiguous() || n_losses > 0;
                error.with_ambiguous(ambiguous)
            })?;
            match CommandHandle::start(link, request.clone(), socket, &first).await {
                Err(error) if error.is_a(Kind::Connection) => {
                    n_losses += 1;
                    let pause = pause_after(n_losses);
                    if n_losses > MAX_LOSSES || !patience.is_left(link, pause) {
                        return Err(error);
                    }
                    sleep(pause).await;
                }
                result => return result,
            }
        }
    }

    /// Takes up a command again, from `offsets` on. The handle can be used at once, and does not know the process id.
    ///
    /// # Errors
    ///
    /// Those of [`Sandbox::start`]. Whether there is such a command, reading the handle tells: [`Kind::Operation`] with
    /// the type `CommandNotFound` or `SessionExpired`.
    pub async fn reconnect(&self, command_id: &str, offsets: Offsets) -> Result<CommandHandle, Error> {
        let link = self.client().link();
        let request = self.stream_request(Verb::Reconnect)?;
        let socket = socket::open(link, &request, self.patience(link.open_within())).await?;
        CommandHandle::resume(link, request, socket, command_id, offsets).await
    }

    /// Runs a command over plain HTTP, sent again only where the server refused it.
    async fn execute(&self, body: &Execute) -> Result<Output, Error> {
        let request = self.inside(self.operation(Verb::Run), Method::POST, route::EXECUTE.to_owned())?;
        let limit = Duration::from_secs(body.timeout).saturating_add(HTTP_MARGIN);
        let request = request.json(body).timeout(limit);
        let mut exchange = Exchange::new(self.client().link(), &request);
        match exchange.advance().await {
            Outcome::Answered(response) => {
                let Executed { stdout, stderr, exit_code } = decode(&request, &response, exchange.attempts())?;
                Ok(Output { stdout, stderr, exit_code })
            }
            Outcome::Failed(error) | Outcome::Doubtful(error) => Err(error),
        }
    }

    fn stream_request(&self, verb: Verb) -> Result<Request, Error> {
        self.inside(self.operation(verb), Method::GET, route::EXECUTE_STREAM.to_owned())
    }
}

/// Returns whether a command failed before anything was asked for, for want of a WebSocket.
fn has_no_socket(error: &Error) -> bool {
    error.is_a(Kind::Connection) && !error.is_ambiguous()
}
