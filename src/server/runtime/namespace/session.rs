//! Carrying a command's bytes between its descriptors and the server.

use std::convert::Infallible;
use std::future::pending;
use std::io;
use std::os::fd::OwnedFd;

use bytes::{Buf as _, Bytes};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::termios::Winsize;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::link::Link;
use super::sys;
use crate::server::runtime::{Control, Frame};

const READ_AT_ONCE: usize = 64 << 10;

/// What a pipe holds at most, by pipe(7): what a command wrote before it ended is not more.
const PIPE_CAPACITY: usize = 64 << 10;

/// End of file, typed into a terminal (^D).
const END_OF_FILE: &[u8] = &[4];

/// The server's ends of a command's descriptors.
#[derive(Debug)]
pub(super) struct Streams {
    input: AsyncFd<OwnedFd>,
    output: AsyncFd<OwnedFd>,
    /// A terminal has none.
    errors: Option<AsyncFd<OwnedFd>>,
}

impl Streams {
    /// Makes the pipes for a command; returns its own ends too.
    pub(super) fn pipes() -> io::Result<(Self, Vec<OwnedFd>)> {
        let (their_input, input) = pipe_with(PipeFlags::CLOEXEC)?;
        let (output, their_output) = pipe_with(PipeFlags::CLOEXEC)?;
        let (errors, their_errors) = pipe_with(PipeFlags::CLOEXEC)?;
        let streams = Self { input: ours(input)?, output: ours(output)?, errors: Some(ours(errors)?) };
        Ok((streams, vec![their_input, their_output, their_errors]))
    }

    /// Takes the server's side of a terminal.
    pub(super) fn terminal(terminal: OwnedFd) -> io::Result<Self> {
        Ok(Self { input: ours(terminal.try_clone()?)?, output: ours(terminal)?, errors: None })
    }
}

fn ours(fd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    rustix::io::ioctl_fionbio(&fd, true)?;
    sys::watch(fd)
}

/// Carries a command's bytes until it has ended and all that it wrote was taken.
pub(super) async fn carry(
    streams: Streams,
    (link, id, exit): (Link, u64, oneshot::Receiver<i32>),
    output: mpsc::Sender<Frame>,
    control: mpsc::Receiver<Control>,
    kill: CancellationToken,
) {
    let ended = CancellationToken::new();
    let Streams { input, output: out, errors } = streams;
    let errors = async {
        if let Some(errors) = &errors {
            pump(errors, &output, Frame::Stderr, &ended).await;
        }
    };
    let is_terminal = rustix::termios::isatty(&input);
    let code = async {
        let orders = Orders { input: Some(input), is_terminal, pending: Bytes::new() };
        let code = tokio::select! {
            code = orders.obey(control, exit) => code,
            never = kill_when_told(&link, id, &kill) => match never {},
        };
        ended.cancel();
        code
    };
    let ((), (), code) = tokio::join!(pump(&out, &output, Frame::Stdout, &ended), errors, code);
    // Who started it may be gone.
    let _ = output.send(Frame::Exit(code)).await;
}

/// Passes on what a command writes, until nobody can write any more or, once it has `ended`, what is there.
///
/// What it left running may go on to write: that is not waited for.
async fn pump(from: &AsyncFd<OwnedFd>, to: &mpsc::Sender<Frame>, frame: fn(Bytes) -> Frame, ended: &CancellationToken) {
    let mut rest = PIPE_CAPACITY;
    while rest > 0 {
        let bytes = tokio::select! {
            biased;
            () = ended.cancelled() => {
                // Past the runtime's notes about what is readable: they may be older than the end of the command.
                let bytes = read(from.get_ref());
                rest = rest.saturating_sub(bytes.as_ref().map_or(0, Bytes::len));
                bytes
            }
            bytes = from.async_io(Interest::READABLE, read) => bytes,
        };
        // A terminal whose other side is closed fails instead of being at its end.
        let Ok(bytes) = bytes else { return };
        if bytes.is_empty() || to.send(frame(bytes)).await.is_err() {
            return;
        }
    }
}

fn read(from: &OwnedFd) -> io::Result<Bytes> {
    let mut buffer = Vec::with_capacity(READ_AT_ONCE);
    rustix::io::read(from, rustix::buffer::spare_capacity(&mut buffer))?;
    // What is kept of it for a while should not take more than it has.
    buffer.shrink_to_fit();
    Ok(buffer.into())
}

/// Kills a command when that is asked for; that it has ended is told elsewhere.
async fn kill_when_told(link: &Link, id: u64, kill: &CancellationToken) -> Infallible {
    kill.cancelled().await;
    link.kill(id).await;
    pending().await
}

/// What a command is told.
struct Orders {
    /// `None` once it is closed.
    input: Option<AsyncFd<OwnedFd>>,
    is_terminal: bool,
    /// Input that is not written yet.
    pending: Bytes,
}

impl Orders {
    /// Obeys until the command has ended; returns its exit code.
    async fn obey(mut self, mut control: mpsc::Receiver<Control>, mut exit: oneshot::Receiver<i32>) -> i32 {
        let mut is_open = true;
        loop {
            tokio::select! {
                code = &mut exit => return code.unwrap_or(KILLED),
                order = control.recv(), if is_open && self.pending.is_empty() => match order {
                    Some(order) => self.take(order),
                    None => is_open = false,
                },
                () = write(self.input.as_ref(), &mut self.pending), if !self.pending.is_empty() => {}
            }
        }
    }

    fn take(&mut self, order: Control) {
        match order {
            Control::Input(bytes) => self.pending = bytes,
            Control::CloseInput if self.is_terminal => self.pending = Bytes::from_static(END_OF_FILE),
            Control::CloseInput => self.input = None,
            Control::Resize { rows, columns } => {
                if let Some(terminal) = self.input.as_ref().filter(|_| self.is_terminal) {
                    let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
                    // A terminal that is closed has no size.
                    let _ = rustix::termios::tcsetwinsize(terminal.get_ref(), size);
                }
            }
        }
    }
}

/// What the command of a sandbox that was killed as a whole ends with.
const KILLED: i32 = 128 + 9;

/// Writes of the input what is taken. Cancel-safe.
async fn write(to: Option<&AsyncFd<OwnedFd>>, pending: &mut Bytes) {
    let written = match to {
        Some(to) => to.async_io(Interest::WRITABLE, |to| Ok(rustix::io::write(to, pending)?)).await.ok(),
        None => None,
    };
    match written {
        Some(length) => pending.advance(length),
        // It reads no more: what is left is for nobody.
        None => pending.clear(),
    }
}
