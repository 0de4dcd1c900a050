//! `GET /tunnel`: connections to ports of a sandbox, many over one WebSocket (contract section 4.6).

use std::future::{poll_fn, ready};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::ws::{Message, WebSocket};
use axum::response::Response;
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_buf, split};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tokio_util::compat::{FuturesAsyncReadCompatExt, TokioAsyncReadCompatExt};
use tokio_util::io::{CopyToBytes, InspectReader, SinkWriter, StreamReader};
use tokio_util::sync::CancellationToken;
use yamux::{Config, Connection, Mode};

use super::Target;
use super::websocket::Upgrade;
use crate::server::app::App;
use crate::server::error::Failure;
use crate::server::layers::faults::Cut;
use crate::server::runtime::{Instance, Stream};
use crate::types::SandboxId;

/// How large a message of a client may be, in bytes.
const MAX_MESSAGE: usize = 1 << 20;

/// How many connections one tunnel carries at a time, each with a window of at least 256 KiB: as many as clients open.
const MAX_CONNECTIONS: usize = 512;

/// How much of all connections of a tunnel may wait here, in bytes: their least windows together, 128 MiB.
const MAX_WAITING: usize = MAX_CONNECTIONS * (256 << 10);

/// How long a client may take to say which port, and a sandbox to answer.
const OPENING: Duration = Duration::from_secs(15);

/// How long a connection that is closed on one side may stand still. The official client closes both sides at once and
/// takes nothing more, without saying so.
const LINGER: Duration = Duration::from_secs(30);

/// How much is copied at a time, in bytes.
const BUFFER: usize = 64 << 10;

/// The only version of the header that a client opens a connection with.
const VERSION: u8 = 1;

/// What a client is told about its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Status {
    Connected = 0,
    PortNotAllowed = 1,
    DialFailed = 2,
    UnsupportedVersion = 3,
}

pub(crate) async fn tunnel(State(app): State<App>, Target(id): Target, upgrade: Upgrade) -> Result<Response, Failure> {
    let instance = app.instance(&id).await?;
    app.touch(&id).await;
    let line = Arc::new(Line::new(app.clone(), id, instance, upgrade.cut));
    Ok(upgrade.accept(MAX_MESSAGE).on_upgrade(move |socket| app.conversation(carry(line, socket))))
}

/// What the connections of a tunnel share.
struct Line {
    app: App,
    id: SandboxId,
    instance: Arc<dyn Instance>,
    n_bytes: AtomicUsize,
    cut: Option<Cut>,
    is_cut: CancellationToken,
}

impl Line {
    fn new(app: App, id: SandboxId, instance: Arc<dyn Instance>, cut: Option<Cut>) -> Self {
        Self { app, id, instance, n_bytes: AtomicUsize::new(0), cut, is_cut: CancellationToken::new() }
    }

    async fn dial(&self, port: u16) -> Option<Box<dyn Stream>> {
        let begun = Instant::now();
        let service = timeout(OPENING, self.instance.dial(port)).await.ok().and_then(Result::ok);
        self.app.metrics().time_tunnel_connect(service.is_some(), begun.elapsed());
        service
    }

    /// Counts bytes that passed.
    fn passed(&self, n: usize) {
        self.app.note_use(&self.id);
        let total = self.n_bytes.fetch_add(n, Ordering::Relaxed) + n;
        if self.cut.is_some_and(|cut| total >= cut.after_bytes) {
            self.is_cut.cancel();
        }
    }
}

async fn carry(line: Arc<Line>, socket: WebSocket) {
    let (sink, stream) = socket.split();
    let pieces = stream.filter_map(|message| ready(bytes_of(message)));
    let sink =
        sink.sink_map_err(io::Error::other).with(|bytes: Bytes| ready(Ok::<_, io::Error>(Message::Binary(bytes))));
    let socket = tokio::io::join(StreamReader::new(pieces), SinkWriter::new(CopyToBytes::new(sink)));
    let mut config = Config::default();
    config.set_max_connection_receive_window(Some(MAX_WAITING)).set_max_num_streams(MAX_CONNECTIONS);
    // What is copied at once is one frame, and not four.
    config.set_split_send_size(BUFFER);
    let mut multiplexer = Connection::new(socket.compat(), config, Mode::Server);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            opened = poll_fn(|cx| multiplexer.poll_next_inbound(cx)) => match opened {
                Some(Ok(stream)) => {
                    connections.spawn(connect(Arc::clone(&line), stream));
                }
                Some(Err(error)) => {
                    tracing::debug!(sandbox.id = %line.id, %error, "a tunnel ended early");
                    return;
                }
                None => return,
            },
            Some(_) = connections.join_next() => {}
            () = line.is_cut.cancelled() => return,
            () = line.app.closing().cancelled() => return,
        }
    }
}

/// Returns the bytes of a message; `None` for one without any.
fn bytes_of(message: Result<Message, axum::Error>) -> Option<io::Result<Bytes>> {
    match message {
        Ok(Message::Binary(bytes)) => Some(Ok(bytes)),
        Ok(_) => None,
        Err(error) => Some(Err(io::Error::other(error))),
    }
}

/// Serves one connection: to which port, how that went, and then bytes both ways.
async fn connect(line: Arc<Line>, stream: yamux::Stream) {
    let mut client = stream.compat();
    let mut header = [0; 3];
    if !matches!(timeout(OPENING, client.read_exact(&mut header)).await, Ok(Ok(_))) {
        return;
    }
    let [version, port @ ..] = header;
    let (status, service) = match u16::from_be_bytes(port) {
        _ if version != VERSION => (Status::UnsupportedVersion, None),
        0 => (Status::PortNotAllowed, None),
        port => match line.dial(port).await {
            Some(service) => (Status::Connected, Some(service)),
            None => (Status::DialFailed, None),
        },
    };
    let told = client.write_all(&[status as u8]).await;
    let flushed = client.flush().await;
    match service {
        // Who has gone in the meantime needs no goodbye.
        Some(service) if told.is_ok() && flushed.is_ok() => exchange(&line, client, service).await,
        _ => drop(client.shutdown().await),
    }
}

/// Copies both ways, until both sides are closed or one is and nothing moves any more.
async fn exchange<C, S>(line: &Line, client: C, service: S)
where
    C: tokio::io::AsyncRead + tokio::io::AsyncWrite,
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite,
{
    let (from_client, to_client) = split(client);
    let (from_service, to_service) = split(service);
    let mut up = Box::pin(copy(line, from_client, to_service));
    let mut down = Box::pin(copy(line, from_service, to_client));
    tokio::select! {
        copied = &mut up => if copied.is_ok() { linger(line, down).await },
        copied = &mut down => if copied.is_ok() { linger(line, up).await },
    }
}

/// Copies one way to the end, and says that it was the end.
async fn copy(
    line: &Line,
    from: impl tokio::io::AsyncRead + Unpin,
    mut to: impl tokio::io::AsyncWrite + Unpin,
) -> io::Result<()> {
    let metered = InspectReader::new(from, |bytes| line.passed(bytes.len()));
    copy_buf(&mut tokio::io::BufReader::with_capacity(BUFFER, metered), &mut to).await?;
    to.shutdown().await
}

async fn linger(line: &Line, mut rest: Pin<Box<impl Future<Output = io::Result<()>>>>) {
    let mut before = line.n_bytes.load(Ordering::Relaxed);
    while timeout(LINGER, &mut rest).await.is_err() {
        let now = line.n_bytes.load(Ordering::Relaxed);
        if now == before {
            return;
        }
        before = now;
    }
}
