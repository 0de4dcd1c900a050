//! The server's end of the socket to an agent.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};

use super::frame::{Incoming, Outgoing};
use super::protocol::{Answer, Call, Cause, Report, Request};
use crate::server::egress::Gate;

/// The connection to an agent that is set up. Cloning it is cheap.
#[derive(Debug, Clone)]
pub(super) struct Link(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// To the task that sends: a frame is sent whole, also when who asked for it is dropped half-way.
    outgoing: mpsc::Sender<Outgoing>,
    waiting: Mutex<Waiting>,
}

/// How many requests wait to be sent.
const REQUESTS: usize = 64;

#[derive(Debug, Default)]
struct Waiting {
    last: u64,
    is_closed: bool,
    replies: HashMap<u64, oneshot::Sender<Reply>>,
    exits: HashMap<u64, oneshot::Sender<i32>>,
}

/// What came back for a request.
type Reply = (Result<Answer, Cause>, Vec<OwnedFd>);

/// A request that was answered.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) id: u64,
    pub(super) answer: Answer,
    pub(super) fds: Vec<OwnedFd>,
    /// How the command ended, for one that was started.
    pub(super) exit: oneshot::Receiver<i32>,
}

/// Why a request has no answer.
#[derive(Debug)]
pub(super) enum CallError {
    /// The agent is not there any more.
    Ended,
    /// The request failed.
    Failed(io::Error),
}

impl Link {
    /// Makes a link, and what has to run for it: that ends with the agent.
    ///
    /// Connections to the sandbox's proxy go through `gate`, and end with the link.
    pub(super) fn new(
        socket: AsyncFd<OwnedFd>,
        incoming: Incoming,
        gate: Option<Gate>,
    ) -> (Self, impl Future<Output = ()> + Send) {
        let (outgoing, frames) = mpsc::channel(REQUESTS);
        let link = Self(Arc::new(Shared { outgoing, waiting: Mutex::default() }));
        (link.clone(), link.run(socket, incoming, frames, gate))
    }

    async fn run(
        self,
        socket: AsyncFd<OwnedFd>,
        mut incoming: Incoming,
        frames: mpsc::Receiver<Outgoing>,
        gate: Option<Gate>,
    ) {
        let result = tokio::select! {
            result = self.take_reports(&socket, &mut incoming, gate) => result,
            result = send_all(&socket, frames) => result,
        };
        if let Err(error) = result {
            tracing::debug!(error = &error as &dyn std::error::Error, "the link to an agent broke");
        }
        let mut waiting = self.waiting();
        waiting.is_closed = true;
        waiting.replies.clear();
        waiting.exits.clear();
    }

    async fn take_reports(
        &self,
        socket: &AsyncFd<OwnedFd>,
        incoming: &mut Incoming,
        mut gate: Option<Gate>,
    ) -> io::Result<()> {
        loop {
            while let Some((report, fds)) = incoming.take()? {
                match report {
                    Report::Proxied => admit(gate.as_mut(), fds)?,
                    report => self.take_report(report, fds)?,
                }
            }
            if !socket.async_io(Interest::READABLE, |socket| incoming.receive_some(socket.as_fd())).await? {
                return Ok(());
            }
        }
    }

    fn take_report(&self, report: Report, fds: Vec<OwnedFd>) -> io::Result<()> {
        let mut waiting = self.waiting();
        match report {
            Report::Reply { id, result } => {
                if let Some(reply) = waiting.replies.remove(&id) {
                    if !matches!(result, Ok(Answer::Started { .. })) {
                        waiting.exits.remove(&id);
                    }
                    // Who asked may be gone.
                    let _ = reply.send((result, fds));
                }
                Ok(())
            }
            Report::Exited { id, code } => {
                if let Some(exit) = waiting.exits.remove(&id) {
                    let _ = exit.send(code);
                }
                Ok(())
            }
            Report::Staged { .. }
            | Report::Shown
            | Report::Archived
            | Report::Ready
            | Report::Failed { .. }
            | Report::Proxied => {
                Err(io::Error::new(io::ErrorKind::InvalidData, "a report about the start, and it was over"))
            }
        }
    }

    /// Asks the agent for something, and waits for its answer.
    ///
    /// When the future is dropped, the agent may still do it.
    pub(super) async fn call(&self, call: Call, fds: Vec<OwnedFd>) -> Result<Answered, CallError> {
        let (reply, replied) = oneshot::channel();
        let (exit_sender, exit) = oneshot::channel();
        let id = {
            let mut waiting = self.waiting();
            if waiting.is_closed {
                return Err(CallError::Ended);
            }
            waiting.last += 1;
            let id = waiting.last;
            waiting.replies.insert(id, reply);
            waiting.exits.insert(id, exit_sender);
            id
        };
        if let Err(error) = self.send(&Request { id, call }, fds).await {
            let mut waiting = self.waiting();
            waiting.replies.remove(&id);
            waiting.exits.remove(&id);
            return Err(error);
        }
        let (result, fds) = replied.await.map_err(|_| CallError::Ended)?;
        let answer = result.map_err(|cause| CallError::Failed(cause.into()))?;
        Ok(Answered { id, answer, fds, exit })
    }

    /// Returns whether the agent is known to be gone.
    pub(super) fn is_closed(&self) -> bool {
        self.waiting().is_closed
    }

    /// Kills the process group of a command.
    pub(super) async fn kill(&self, id: u64) {
        // An agent that is gone has taken its commands with it.
        let _ = self.send(&Request { id, call: Call::Kill }, Vec::new()).await;
    }

    async fn send(&self, request: &Request, fds: Vec<OwnedFd>) -> Result<(), CallError> {
        let frame = Outgoing::new(request, fds).map_err(CallError::Failed)?;
        self.0.outgoing.send(frame).await.map_err(|_| CallError::Ended)
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes a connection to the proxy; a sandbox that has none does not report any.
fn admit(gate: Option<&mut Gate>, fds: Vec<OwnedFd>) -> io::Result<()> {
    let (Some(gate), [connection]) = (gate, <[OwnedFd; 1]>::try_from(fds).map_err(|_| io::ErrorKind::InvalidData)?)
    else {
        return Err(io::ErrorKind::InvalidData.into());
    };
    rustix::io::ioctl_fionbio(&connection, true)?;
    gate.admit(TcpStream::from_std(connection.into())?);
    Ok(())
}

async fn send_all(socket: &AsyncFd<OwnedFd>, mut frames: mpsc::Receiver<Outgoing>) -> io::Result<()> {
    while let Some(mut frame) = frames.recv().await {
        while !socket.async_io(Interest::WRITABLE, |socket| frame.send_some(socket.as_fd())).await? {}
    }
    Ok(())
}
