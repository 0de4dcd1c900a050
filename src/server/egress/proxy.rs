//! One connection of a sandbox to its proxy: HTTP/1.1, and `CONNECT` for everything else.

use std::convert::Infallible;
use std::io;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Body;
use http::header::{CONTENT_TYPE, HOST};
use http::uri::{PathAndQuery, Scheme};
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri};
use hyper::body::Incoming;
use hyper::ext::ReasonPhrase;
use hyper::service::service_fn;
use hyper::{client, server, upgrade};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::io::{InspectReader, InspectWriter};

use super::reach::{Reach, ReachError};
use crate::server::hop_by_hop;

/// How large the head of a request or an answer may be, in bytes.
const LARGEST_HEAD: usize = 64 << 10;

/// How many headers either may have.
const MOST_HEADERS: usize = 128;

/// How long a client may take for the head of a request.
const HEAD_PATIENCE: Duration = Duration::from_secs(30);

/// How long a connection may stand still.
const IDLE: Duration = Duration::from_mins(5);

/// How long a client that is turned away may take to notice.
const GOODBYE: Duration = Duration::from_secs(1);

/// Serves a connection until either side ends it, or it stands still.
pub(super) async fn serve<S>(reach: Arc<Reach>, client: S)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    serve_while(reach, client, IDLE).await;
}

/// The same, for tests with less time.
pub(super) async fn serve_while<S>(reach: Arc<Reach>, client: S, idle: Duration)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let moved = Arc::new(AtomicUsize::new(0));
    let (read, written) = (Arc::clone(&moved), Arc::clone(&moved));
    let client = InspectReader::new(client, move |bytes: &[u8]| count(&read, bytes));
    let client = InspectWriter::new(client, move |bytes: &[u8]| count(&written, bytes));
    tokio::select! {
        () = converse(reach, client) => {}
        () = stands_still(&moved, idle) => {}
    }
}

fn count(moved: &AtomicUsize, bytes: &[u8]) {
    moved.fetch_add(bytes.len(), Ordering::Relaxed);
}

/// Waits until nothing has moved for so long, or up to twice as long.
async fn stands_still(moved: &AtomicUsize, idle: Duration) {
    let mut before = None;
    loop {
        let now = moved.load(Ordering::Relaxed);
        if before.replace(now) == Some(now) {
            return;
        }
        sleep(idle).await;
    }
}

/// Answers the requests of a connection one after the other, and then is the tunnel that the last one asked for.
async fn converse<S>(reach: Arc<Reach>, client: S)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let exchange = Arc::new(Exchange { reach, work: Mutex::default() });
    let service = service_fn(|request| {
        let exchange = Arc::clone(&exchange);
        async move { Ok::<_, Infallible>(exchange.answer(request).await) }
    });
    let connection = server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_PATIENCE)
        .max_buf_size(LARGEST_HEAD)
        .max_headers(MOST_HEADERS)
        .serve_connection(TokioIo::new(client), service)
        .with_upgrades();
    if let Err(error) = connection.await {
        tracing::debug!(error = &error as &dyn std::error::Error, "a connection to the proxy ended early");
    }
    let Work { tunnel, .. } = std::mem::take(&mut *exchange.work());
    if let Some((client, outside)) = tunnel {
        carry(client, outside).await;
    }
}

/// What the requests of a connection share.
struct Exchange {
    reach: Arc<Reach>,
    work: Mutex<Work>,
}

/// What ends with the connection.
#[derive(Default)]
struct Work {
    /// The connections outside that requests were sent over.
    requests: JoinSet<()>,
    /// What the connection is to become.
    tunnel: Option<(upgrade::OnUpgrade, TcpStream)>,
}

impl Exchange {
    async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        let answer = if request.method() == Method::CONNECT {
            self.open_tunnel(request).await
        } else {
            self.forward(request).await
        };
        answer.unwrap_or_else(|refusal| refusal.answer())
    }

    async fn open_tunnel(&self, mut request: Request<Incoming>) -> Result<Response<Body>, Refusal> {
        let authority = request.uri().authority().ok_or(Refusal::NoProxyRequest)?;
        let port = authority.port_u16().ok_or(Refusal::NoProxyRequest)?;
        let outside = self.reach.connect(authority.host(), port).await?;
        self.work().tunnel = Some((upgrade::on(&mut request), outside));
        Ok(Response::new(Body::empty()))
    }

    async fn forward(&self, request: Request<Incoming>) -> Result<Response<Body>, Refusal> {
        let (host, port) = destination(request.uri())?;
        let outside = self.reach.connect(&host, port).await?;
        let handshake = client::conn::http1::Builder::new()
            .max_buf_size(LARGEST_HEAD)
            .max_headers(MOST_HEADERS)
            .handshake(TokioIo::new(outside))
            .await;
        let (mut sender, connection) = handshake.map_err(Refusal::BrokenAnswer)?;
        {
            let requests = &mut self.work().requests;
            while requests.try_join_next().is_some() {}
            requests.spawn(async move {
                // How it ends is seen by who reads the answer.
                let _ = connection.await;
            });
        }
        let answer = sender.send_request(onward(request, &host, port)?).await.map_err(Refusal::BrokenAnswer)?;
        let (mut parts, body) = answer.into_parts();
        if parts.status == StatusCode::SWITCHING_PROTOCOLS {
            return Err(Refusal::Switched);
        }
        hop_by_hop::strip(&mut parts.headers);
        Ok(Response::from_parts(parts, Body::new(body)))
    }

    fn work(&self) -> std::sync::MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns whom a request is for. Only the address of the request counts, and no header.
fn destination(uri: &Uri) -> Result<(String, u16), Refusal> {
    match (uri.scheme(), uri.authority()) {
        (Some(scheme), Some(authority)) if *scheme == Scheme::HTTP => {
            Ok((authority.host().to_owned(), authority.port_u16().unwrap_or(80)))
        }
        (Some(_), Some(_)) => Err(Refusal::Scheme),
        _ => Err(Refusal::NoProxyRequest),
    }
}

/// Makes the request that the host sees.
fn onward(request: Request<Incoming>, host: &str, port: u16) -> Result<Request<Body>, Refusal> {
    let (mut parts, body) = request.into_parts();
    parts.uri = parts.uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/")).into();
    parts.extensions.clear();
    hop_by_hop::strip(&mut parts.headers);
    let host = if port == 80 { host.to_owned() } else { format!("{host}:{port}") };
    parts.headers.insert(HOST, HeaderValue::try_from(host).map_err(|_| Refusal::NoProxyRequest)?);
    Ok(Request::from_parts(parts, Body::new(body)))
}

/// Copies both ways until both sides are closed, or one breaks.
async fn carry(client: upgrade::OnUpgrade, mut outside: TcpStream) {
    // One that is cut is an end like another.
    let _: io::Result<()> = async {
        let mut client = TokioIo::new(client.await.map_err(io::Error::other)?);
        copy_bidirectional(&mut client, &mut outside).await?;
        Ok(())
    }
    .await;
}

/// Why a request is not carried out.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error(transparent)]
    Reach(#[from] ReachError),
    #[error("this is a proxy: ask it for `http://HOST/…`, or to `CONNECT HOST:PORT`")]
    NoProxyRequest,
    #[error("this proxy fetches nothing but `http:`: use `CONNECT HOST:PORT` for the rest")]
    Scheme,
    #[error("the host gave no answer that can be read: {0}")]
    BrokenAnswer(#[source] hyper::Error),
    #[error("the host changed the protocol: use `CONNECT HOST:PORT` for that")]
    Switched,
}

impl Refusal {
    fn status(&self) -> StatusCode {
        match self {
            Self::Reach(ReachError::Denied(_)) => StatusCode::FORBIDDEN,
            Self::Reach(ReachError::Late { .. }) => StatusCode::GATEWAY_TIMEOUT,
            Self::Reach(_) | Self::BrokenAnswer(_) | Self::Switched => StatusCode::BAD_GATEWAY,
            Self::NoProxyRequest | Self::Scheme => StatusCode::BAD_REQUEST,
        }
    }

    fn answer(&self) -> Response<Body> {
        let message = self.to_string();
        if let Self::Reach(ReachError::Denied(_)) = self {
            tracing::info!(%message, "the proxy refuses");
        }
        let mut response = Response::new(Body::from(format!("{message}\n")));
        *response.status_mut() = self.status();
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        // Of an answer to CONNECT, programs show this line and nothing else.
        if let Ok(reason) = ReasonPhrase::try_from(message) {
            response.extensions_mut().insert(reason);
        }
        response
    }
}

/// Tells a client that there are too many of its kind.
pub(super) async fn turn_away<S: AsyncRead + AsyncWrite + Unpin>(mut client: S) {
    const ANSWER: &[u8] =
        b"HTTP/1.1 503 too many connections to the proxy\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    let told = async {
        client.write_all(ANSWER).await?;
        client.shutdown().await?;
        // A connection that is closed with something unread takes the answer back.
        let mut rest = pin!(client.take(LARGEST_HEAD as u64));
        tokio::io::copy(&mut rest, &mut tokio::io::sink()).await
    };
    // Who does not listen needs no answer.
    let _ = timeout(GOODBYE, told).await;
}
