//! Connections that end before their last request was read.
//!
//! Who answers early (no such path, a disk that is full) and closes the connection resets it as soon as more of the request
//! arrives, and a client that is still sending may never see the answer (RFC 9112, section 9.6). So only the server's own
//! direction is closed first, and what still comes is read and dropped until the client closes the other one.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Bytes, HttpBody};
use hyper::body::{Frame, Incoming, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// How long a client that was answered early may go on sending.
const GOODBYE: Duration = Duration::from_secs(30);

/// How much is dropped at once, in bytes.
const PIECE: usize = 16 << 10;

/// Whether the last request on a connection may be unread in part: its body was not taken to its end, or none of it made
/// sense.
#[derive(Debug, Clone)]
pub(super) struct Unread(Arc<AtomicBool>);

impl Unread {
    /// Returns that of a connection on which no request came yet.
    pub(super) fn new() -> Self {
        Self(Arc::new(AtomicBool::new(true)))
    }

    /// Watches the body of the next request.
    pub(super) fn watch(&self, body: Incoming) -> Watched {
        self.0.store(false, Ordering::Relaxed);
        Watched { body, has_ended: false, unread: self.clone() }
    }

    /// Takes note that the connection is no more one of HTTP, and has no requests.
    pub(super) fn switch(&self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

/// The body of a request. Where it is dropped before its end, that is known.
#[derive(Debug)]
pub(super) struct Watched {
    body: Incoming,
    has_ended: bool,
    unread: Unread,
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        self.has_ended = frame.is_none();
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if !self.has_ended && !self.body.is_end_stream() {
            self.unread.0.store(true, Ordering::Relaxed);
        }
    }
}

/// A connection that is closed only when the client has had its say: where its last request is unread in part, what is
/// still sent is read and dropped, for [`GOODBYE`] at most and not after `stop`.
pub(super) struct Lingering<S> {
    stream: S,
    unread: Unread,
    stop: Pin<Box<WaitForCancellationFutureOwned>>,
    state: State,
}

enum State {
    Open,
    Dropping(Pin<Box<Sleep>>),
    Closed,
}

impl<S> Lingering<S> {
    pub(super) fn new(stream: S, unread: Unread, stop: CancellationToken) -> Self {
        Self { stream, unread, stop: Box::pin(stop.cancelled_owned()), state: State::Open }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Lingering<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Lingering<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            match &mut this.state {
                State::Open => {
                    ready!(Pin::new(&mut this.stream).poll_shutdown(cx))?;
                    this.state = if this.unread.0.load(Ordering::Relaxed) {
                        State::Dropping(Box::pin(tokio::time::sleep(GOODBYE)))
                    } else {
                        State::Closed
                    };
                }
                State::Dropping(goodbye) => {
                    let mut piece = [0; PIECE];
                    let mut piece = ReadBuf::new(&mut piece);
                    let is_over = this.stop.as_mut().poll(cx).is_ready() || goodbye.as_mut().poll(cx).is_ready();
                    let is_more = !is_over
                        && ready!(Pin::new(&mut this.stream).poll_read(cx, &mut piece)).is_ok()
                        && !piece.filled().is_empty();
                    if !is_more {
                        this.state = State::Closed;
                    }
                }
                State::Closed => return Poll::Ready(Ok(())),
            }
        }
    }
}
