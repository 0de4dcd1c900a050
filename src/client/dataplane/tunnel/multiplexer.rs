//! Many streams over one WebSocket.

use std::future::poll_fn;
use std::task::Poll;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio_util::compat::{Compat, FuturesAsyncReadCompatExt};
use tracing::debug;
use yamux::{Config, Connection, ConnectionError, Mode};

use super::super::socket::WebSocket;
use super::pipe::Pipe;

/// A stream to the server.
pub(super) type TunnelStream = Compat<yamux::Stream>;

/// Somebody who waits for a stream.
type Wish = oneshot::Sender<yamux::Stream>;

/// How much of a stream goes into one frame, in bytes: as much as is copied at once, so that a copy is one frame. Servers
/// take a mebibyte (contract section 4.6).
const FRAME: usize = 64 * 1024;

/// How many streams there are at a time, each with a window of at least 256 KiB.
const MAX_STREAMS: usize = 512;

/// How much of all streams may wait here for who reads it, in bytes: their least windows, and 64 MiB for those that are
/// found to need more.
const MAX_WAITING: usize = MAX_STREAMS * (256 << 10) + (64 << 20);

/// How many may wait for a stream.
const MAX_WISHES: usize = 128;

/// A WebSocket that carries streams. Dropping it ends them all.
#[derive(Debug)]
pub(super) struct Multiplexer {
    wishes: mpsc::Sender<Wish>,
    /// One task, which ends with this.
    _driver: JoinSet<()>,
}

impl Multiplexer {
    /// Must be called on a runtime.
    pub(super) fn new(socket: WebSocket) -> Self {
        let (wishes, receiver) = mpsc::channel(MAX_WISHES);
        let mut config = Config::default();
        config.set_max_num_streams(MAX_STREAMS).set_max_connection_receive_window(Some(MAX_WAITING));
        config.set_split_send_size(FRAME);
        let connection = Connection::new(Pipe::new(socket), config, Mode::Client);
        let mut driver = JoinSet::new();
        driver.spawn(drive(connection, receiver));
        Self { wishes, _driver: driver }
    }

    /// Opens a stream, or returns `None` if the WebSocket was lost.
    pub(super) async fn open(&self) -> Option<TunnelStream> {
        let (wish, stream) = oneshot::channel();
        self.wishes.send(wish).await.ok()?;
        stream.await.ok().map(FuturesAsyncReadCompatExt::compat)
    }
}

/// Moves the streams on until the WebSocket is lost.
async fn drive(mut connection: Connection<Pipe>, mut wishes: mpsc::Receiver<Wish>) {
    let mut wish: Option<Wish> = None;
    let end = poll_fn(|cx| {
        loop {
            if wish.is_none()
                && let Poll::Ready(Some(next)) = wishes.poll_recv(cx)
            {
                wish = Some(next);
            }
            if wish.is_some() {
                match connection.poll_new_outbound(cx) {
                    Poll::Ready(Ok(stream)) => {
                        // Who stopped waiting drops the stream, which closes it.
                        _ = wish.take().map(|wish| wish.send(stream));
                        continue;
                    }
                    Poll::Ready(Err(error)) => return Poll::Ready(Some(error)),
                    Poll::Pending => {}
                }
            }
            match connection.poll_next_inbound(cx) {
                // A server opens no streams; one that does gets it closed.
                Poll::Ready(Some(Ok(_))) => {}
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(error)),
                Poll::Ready(None) => return Poll::Ready(None::<ConnectionError>),
                Poll::Pending => return Poll::Pending,
            }
        }
    });
    let error = end.await.map(|error| error.to_string());
    debug!(error, "a tunnel has ended");
}
