//! A sandbox that runs, as the server handles it.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::BoxFuture;
use rustix::pipe::{PipeFlags, pipe_with};
use tokio::io::{AsyncRead, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::net::unix::pipe;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::cgroup::Group;
use super::changes::Folder;
use super::disk::Disk;
use super::link::{Answered, CallError, Link};
use super::process::Process;
use super::protocol::{Answer, Call, Exec};
use super::session::{self, Streams};
use crate::server::runtime::{
    DialError, Entry, EntrySearch, ExecError, ExecSpec, FileContent, FileError, Found, Instance, Line, LineSearch,
    Session, Stream,
};
use crate::types::Timestamp;

/// How many pieces of output wait for who takes them, and how many orders for the command.
const FRAMES: usize = 16;

/// How much of a file is copied at once on its way in, in bytes.
const COPIED_AT_ONCE: usize = 64 << 10;

/// How much of a file waits between the server and the agent, in bytes: several times what either takes at once, so that
/// neither waits for the other to be woken.
const FILE_PIPE: usize = 512 << 10;

/// A sandbox. When it is dropped its processes are killed, and its disk stays.
#[derive(Debug)]
pub(super) struct Sandbox {
    pub(super) link: Link,
    pub(super) process: Process,
    /// After the process: it is in them.
    pub(super) group: Group,
    pub(super) disk: Arc<Disk>,
    /// What it changes, as long as it runs, where only it sees that.
    pub(super) changes: Mutex<Option<Folder>>,
    /// What every command has in its environment, unless it says otherwise.
    pub(super) env: BTreeMap<String, String>,
    /// Which of its limits do not hold.
    pub(super) notice: Option<String>,
    /// The link's task and those of commands.
    pub(super) tasks: Mutex<JoinSet<()>>,
}

impl Sandbox {
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(task);
    }

    async fn start(&self, spec: ExecSpec) -> Result<Session, ExecError> {
        let mut env = self.env.clone();
        env.extend(spec.env);
        let exec = Exec { argv: spec.argv, env, cwd: spec.cwd.map(PathBuf::from), pty: spec.pty, user: spec.user };
        let (streams, fds) = if spec.pty {
            (None, Vec::new())
        } else {
            let (streams, fds) = Streams::pipes().map_err(ExecError::Start)?;
            (Some(streams), fds)
        };
        let answered = self.link.call(Call::Exec(exec), fds).await;
        let Answered { id, answer, fds, exit } = answered.map_err(|error| match error {
            CallError::Ended => ExecError::Ended,
            CallError::Failed(source) => ExecError::Start(source),
        })?;
        let Answer::Started { pid } = answer else { return Err(ExecError::Start(unexpected())) };
        let streams = match streams {
            Some(streams) => streams,
            None => only(fds).and_then(Streams::terminal).map_err(ExecError::Start)?,
        };
        let (frames, output) = mpsc::channel(FRAMES);
        let (control, orders) = mpsc::channel(FRAMES);
        let kill = CancellationToken::new();
        self.spawn(session::carry(streams, (self.link.clone(), id, exit), frames, orders, kill.clone()));
        Ok(Session { pid, output, control, kill })
    }

    async fn open(&self, path: &str) -> Result<FileContent, FileError> {
        let (ours, theirs) = pipe_with(PipeFlags::CLOEXEC).map_err(|error| FileError::Io(error.into()))?;
        widen(&ours);
        let bytes = receiver(ours).map_err(FileError::Io)?;
        let answered = self.link.call(Call::Read { path: path.into() }, vec![theirs]).await;
        let Answer::File { size, modified } = answered.map_err(file_error)?.answer else {
            return Err(FileError::Io(unexpected()));
        };
        let modified = modified.and_then(Timestamp::from_microseconds);
        Ok(FileContent { size: Some(size), modified, bytes: Box::new(bytes) })
    }

    async fn fill(&self, path: &str, content: Box<dyn AsyncRead + Send + Unpin>) -> Result<u64, FileError> {
        let (theirs, mut ours) = pipes().map_err(FileError::Io)?;
        widen(&theirs);
        let (their_end, mut end) = pipes().map_err(FileError::Io)?;
        let mut call = pin!(self.link.call(Call::Write { path: path.into() }, vec![theirs, their_end]));
        let send = async {
            tokio::io::copy_buf(&mut BufReader::with_capacity(COPIED_AT_ONCE, content), &mut ours).await?;
            drop(ours);
            end.write_all(&[1]).await
        };
        let answered = tokio::select! {
            biased;
            sent = send => {
                // Without the byte at the end the agent gives up. Content that fails says more about why than that.
                drop(end);
                let answered = call.await;
                match sent {
                    Err(error) if error.kind() != io::ErrorKind::BrokenPipe => return Err(FileError::Io(error)),
                    _ => answered,
                }
            }
            answered = &mut call => answered,
        };
        match answered.map_err(file_error)?.answer {
            Answer::Written { size } => Ok(size),
            _ => Err(FileError::Io(unexpected())),
        }
    }

    async fn connect(&self, port: u16) -> Result<Box<dyn Stream>, DialError> {
        let answered = self.link.call(Call::Dial { port }, Vec::new()).await;
        let answered = answered.map_err(|error| match error {
            CallError::Ended => DialError::Ended,
            CallError::Failed(_) => DialError::Refused { port },
        })?;
        let stream = only(answered.fds).and_then(|socket| {
            rustix::io::ioctl_fionbio(&socket, true)?;
            TcpStream::from_std(socket.into())
        });
        Ok(Box::new(stream.map_err(|_| DialError::Refused { port })?))
    }

    async fn end(&self) {
        self.process.kill();
        self.process.ended().await;
        drop(self.changes.lock().unwrap_or_else(PoisonError::into_inner).take());
        self.group.remove().await;
    }

    async fn clear(&self) {
        self.end().await;
        let disk = Arc::clone(&self.disk);
        // There may be very much on it.
        let removed = tokio::task::spawn_blocking(move || disk.remove()).await;
        if let Err(error) = removed.unwrap_or_else(|error| Err(io::Error::other(error))) {
            tracing::warn!(error = &error as &dyn std::error::Error, "the disk of a sandbox stays behind");
        }
    }
}

impl Instance for Sandbox {
    fn exec(&self, spec: ExecSpec) -> BoxFuture<'_, Result<Session, ExecError>> {
        Box::pin(self.start(spec))
    }

    fn read<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<FileContent, FileError>> {
        Box::pin(self.open(path))
    }

    fn write<'a>(
        &'a self,
        path: &'a str,
        content: Box<dyn AsyncRead + Send + Unpin>,
    ) -> BoxFuture<'a, Result<u64, FileError>> {
        Box::pin(self.fill(path, content))
    }

    fn glob<'a>(&'a self, search: &'a EntrySearch) -> BoxFuture<'a, Result<Found<Entry>, FileError>> {
        Box::pin(async move {
            let answered = self.link.call(Call::Glob(search.clone()), Vec::new()).await;
            match answered.map_err(file_error)?.answer {
                Answer::Entries(found) => Ok(found),
                _ => Err(FileError::Io(unexpected())),
            }
        })
    }

    fn grep<'a>(&'a self, search: &'a LineSearch) -> BoxFuture<'a, Result<Found<Line>, FileError>> {
        Box::pin(async move {
            let answered = self.link.call(Call::Grep(search.clone()), Vec::new()).await;
            match answered.map_err(file_error)?.answer {
                Answer::Lines(found) => Ok(found),
                _ => Err(FileError::Io(unexpected())),
            }
        })
    }

    fn dial(&self, port: u16) -> BoxFuture<'_, Result<Box<dyn Stream>, DialError>> {
        Box::pin(self.connect(port))
    }

    fn halt(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.end())
    }

    fn destroy(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.clear())
    }

    fn has_ended(&self) -> bool {
        // The socket is closed a moment before the process is gone.
        self.link.is_closed() || self.process.has_ended()
    }

    fn notice(&self) -> Option<&str> {
        self.notice.as_deref()
    }

    fn ended(&self) -> BoxFuture<'_, String> {
        Box::pin(async {
            self.process.ended().await;
            "the sandbox's first process ended".to_owned()
        })
    }
}

fn file_error(error: CallError) -> FileError {
    match error {
        CallError::Ended => FileError::Ended,
        CallError::Failed(source) => FileError::Io(source),
    }
}

/// Makes a pipe; returns the agent's end, to read from, and ours.
fn pipes() -> io::Result<(OwnedFd, pipe::Sender)> {
    let (theirs, ours) = pipe_with(PipeFlags::CLOEXEC)?;
    Ok((theirs, pipe::Sender::from_owned_fd(ours)?))
}

/// Makes a pipe hold more than the kernel's 64 KiB. A user who has many pipes may have to do with those, see pipe(7).
fn widen(pipe: &OwnedFd) {
    let _ = rustix::pipe::fcntl_setpipe_size(pipe, FILE_PIPE);
}

fn receiver(ours: OwnedFd) -> io::Result<pipe::Receiver> {
    pipe::Receiver::from_owned_fd(ours)
}

fn only(fds: Vec<OwnedFd>) -> io::Result<OwnedFd> {
    fds.into_iter().next().ok_or_else(unexpected)
}

fn unexpected() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the agent gave an answer to another question")
}
