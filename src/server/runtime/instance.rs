//! A running sandbox, as the server handles it.

use std::collections::BTreeMap;
use std::fmt;
use std::io;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{Entry, EntrySearch, Found, Line, LineSearch};
use crate::types::Timestamp;

/// A running sandbox.
pub trait Instance: Send + Sync + 'static {
    /// Starts a command.
    fn exec(&self, spec: ExecSpec) -> BoxFuture<'_, Result<Session, ExecError>>;

    /// Opens a file to be read, at an absolute path.
    fn read<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<FileContent, FileError>>;

    /// Writes a file at an absolute path, with the folders above it; returns how many bytes it has.
    ///
    /// Whatever stops it half-way, `content` that fails included, leaves no half file under the name: what was there
    /// before stays.
    fn write<'a>(
        &'a self,
        path: &'a str,
        content: Box<dyn AsyncRead + Send + Unpin>,
    ) -> BoxFuture<'a, Result<u64, FileError>>;

    /// Finds files and folders by their paths. What cannot be read is passed over.
    fn glob<'a>(&'a self, search: &'a EntrySearch) -> BoxFuture<'a, Result<Found<Entry>, FileError>>;

    /// Finds lines in files. What cannot be read, and what is no text, is passed over.
    fn grep<'a>(&'a self, search: &'a LineSearch) -> BoxFuture<'a, Result<Found<Line>, FileError>>;

    /// Connects to a TCP port inside.
    fn dial(&self, port: u16) -> BoxFuture<'_, Result<Box<dyn Stream>, DialError>>;

    /// Returns what to tell whoever looks at the sandbox, such as which of its limits are not enforced.
    fn notice(&self) -> Option<&str> {
        None
    }

    /// Ends the sandbox and keeps its disk, for it to be launched again. Doing it twice does no harm.
    fn halt(&self) -> BoxFuture<'_, ()>;

    /// Ends the sandbox and clears away what belongs to it. Doing it twice does no harm.
    fn destroy(&self) -> BoxFuture<'_, ()>;

    /// Waits until the sandbox ends by itself, and says why it did. Cancel-safe.
    fn ended(&self) -> BoxFuture<'_, String>;

    /// Returns whether it has ended, in whatever way.
    fn has_ended(&self) -> bool;
}

/// A connection into a sandbox.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A file that is being read.
pub struct FileContent {
    /// How many bytes it has, when that is known before they are read.
    pub size: Option<u64>,
    /// When it was last written to, when that is known.
    pub modified: Option<Timestamp>,
    /// What it holds.
    pub bytes: Box<dyn AsyncRead + Send + Unpin>,
}

impl fmt::Debug for FileContent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileContent").field("size", &self.size).finish_non_exhaustive()
    }
}

/// A command to run.
#[derive(Debug, Clone, Default)]
pub struct ExecSpec {
    /// The program and its arguments.
    pub argv: Vec<String>,
    /// What is added to the sandbox's environment.
    pub env: BTreeMap<String, String>,
    /// The working directory; the sandbox's own when `None`, and relative to that when it does not begin with `/`.
    pub cwd: Option<String>,
    /// Whether to give it a pseudo-terminal, which merges the two output streams.
    pub pty: bool,
    /// Whom it runs as, in any form of a Dockerfile's `USER`; whom the image says when `None`, or else root.
    pub user: Option<String>,
}

/// A command that runs.
///
/// Its output ends with exactly one [`Frame::Exit`]. Both channels are bounded: a command whose output nobody takes is
/// held up.
#[derive(Debug)]
pub struct Session {
    /// The process id inside the sandbox.
    pub pid: u32,
    /// What it writes, in the order in which it wrote it.
    pub output: mpsc::Receiver<Frame>,
    /// What it is told. Input that the command does not read yet holds up what comes after.
    pub control: mpsc::Sender<Control>,
    /// Cancelling it kills the whole process group; on a way of its own, so that it works for a command that does not
    /// read its input.
    pub kill: CancellationToken,
}

/// A piece of what a command does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// It wrote to its standard output.
    Stdout(Bytes),
    /// It wrote to its standard error.
    Stderr(Bytes),
    /// It ended, with this code; a signal is 128 plus its number. The last frame.
    Exit(i32),
}

/// What a command is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Control {
    /// Bytes for its standard input.
    Input(Bytes),
    /// There is no more standard input: the command reads to its end.
    CloseInput,
    /// The size of its pseudo-terminal; nothing for a command that has none.
    Resize {
        /// How many lines.
        rows: u16,
        /// How many characters a line.
        columns: u16,
    },
}

/// Why a command did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExecError {
    /// This runtime runs no commands.
    #[error("this runtime runs no commands")]
    Unsupported,
    /// The sandbox has ended.
    #[error("the sandbox has ended")]
    Ended,
    /// The program could not be started.
    #[error("the command did not start")]
    Start(#[source] io::Error),
}

/// Why a file was not read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// This runtime has no files.
    #[error("this runtime has no files")]
    Unsupported,
    /// The sandbox has ended.
    #[error("the sandbox has ended")]
    Ended,
    /// Reading or writing failed.
    #[error("the file cannot be used")]
    Io(#[source] io::Error),
}

/// Why a port inside could not be reached.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DialError {
    /// This runtime has no network.
    #[error("this runtime has no network")]
    Unsupported,
    /// The sandbox has ended.
    #[error("the sandbox has ended")]
    Ended,
    /// Nothing listens there.
    #[error("nothing listens on port {port}")]
    Refused {
        /// The port.
        port: u16,
    },
}
