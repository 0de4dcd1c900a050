//! The server on a TCP port.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use http::StatusCode;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::Error;
use super::app::App;
use super::data_dir::DataDir;
use super::layers::faults::DroppedConnection;
use super::linger::{Lingering, Unread};
use super::open::{Opened, open};
use super::options::Options;
use super::router::{self, Access};

/// How long to wait after a failed accept: the usual reason is that the process has no file descriptor left.
const AFTER_ACCEPT_FAILURE: Duration = Duration::from_millis(100);

/// A server that runs.
///
/// Dropping it ends the server too, but waits for nothing: running requests are cut.
#[derive(Debug)]
pub struct Handle {
    address: SocketAddr,
    url: String,
    stop: CancellationToken,
    app: App,
    /// The one task that accepts connections.
    accepting: JoinSet<()>,
    data_dir: Option<Arc<DataDir>>,
}

/// Opens the data and serves the API on the address of the options.
///
/// # Errors
///
/// [`Error::KeyRequired`] for an address that other machines can reach, when there is no key; [`Error::Bind`];
/// [`Error::DataDirBusy`] when another process has the data, and the others that concern the data.
pub async fn start(options: Options) -> Result<Handle, Error> {
    if !options.listen.ip().is_loopback() && options.api_key.is_none() {
        return Err(Error::KeyRequired { address: options.listen });
    }
    // The data first: who has it is better to know than that its server has the port, too.
    let opened = open(&options, true).await?;
    let app = opened.app.clone();
    let listening = listen(options, opened).await;
    if listening.is_err() {
        app.close().await;
    }
    listening
}

async fn listen(options: Options, Opened { app, data_dir }: Opened) -> Result<Handle, Error> {
    let bind = |source| Error::Bind { address: options.listen, source };
    let listener = TcpListener::bind(options.listen).await.map_err(bind)?;
    let address = listener.local_addr().map_err(bind)?;
    let local_url = format!("http://{}", reachable(address));
    let url = options.public_url.map_or_else(|| local_url.clone(), |url| url.trim_end_matches('/').to_owned());
    app.set_base_url(url.clone());
    if let Some(dir) = &data_dir {
        dir.announce(Some(local_url))?;
    }
    let is_loopback = options.listen.ip().is_loopback();
    let access = Access { api_key: options.api_key, check_host: is_loopback, admin: is_loopback || options.admin };
    let router = router::build(app.clone(), access);
    let stop = CancellationToken::new();
    let mut accepting = JoinSet::new();
    accepting.spawn(accept(listener, router, stop.clone()));
    tracing::info!(%url, runtime = app.runtime().name(), "serving");
    Ok(Handle { address, url, stop, app, accepting, data_dir })
}

/// Returns an address that a client on this machine can connect to.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        let loopback = match address {
            SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        };
        address.set_ip(loopback);
    }
    address
}

impl Handle {
    /// Returns the address that the server listens on.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Returns the URL of the server, without the API's path.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns what its runtime leaves out, to be told to whoever starts the server.
    pub fn notice(&self) -> Option<&str> {
        self.app.runtime().notice()
    }

    /// Stops the server: new connections are refused, running requests finish, the data is given up.
    ///
    /// It takes as long as the longest request. Dropping the future cuts what is left.
    pub async fn shutdown(mut self) {
        if let Some(dir) = &self.data_dir {
            // Whoever wants the data now waits for the lock instead of calling a server that is going.
            if let Err(error) = dir.announce(None) {
                tracing::warn!(%error, "the data folder still names this server");
            }
        }
        self.stop.cancel();
        self.app.end_conversations().await;
        while self.accepting.join_next().await.is_some() {}
        self.app.close().await;
        self.data_dir.take();
    }

    /// Waits until the server ends by itself, which only a defect makes it do. Cancel-safe.
    pub async fn wait(&mut self) {
        while self.accepting.join_next().await.is_some() {}
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.stop.cancel();
        self.app.abandon();
    }
}

/// Accepts connections until `stop`, then waits for those that are open.
async fn accept(listener: TcpListener, router: Router, stop: CancellationToken) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    // Answers are small and written whole: holding them back for more to come only costs time.
                    let _ = stream.set_nodelay(true);
                    connections.spawn(serve(stream, router.clone(), stop.clone()));
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection was not accepted");
                    tokio::time::sleep(AFTER_ACCEPT_FAILURE).await;
                }
            },
            Some(_) = connections.join_next() => {}
            () = stop.cancelled() => break,
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// Serves one connection; after `stop` it finishes the request that runs, and no more.
pub(super) async fn serve<S>(stream: S, router: Router, stop: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let unread = Unread::new();
    let stream = Lingering::new(stream, unread.clone(), stop.clone());
    let service = service_fn(move |request: Request<Incoming>| {
        let unread = unread.clone();
        let request = request.map(|body| Body::new(unread.watch(body)));
        let answer = answer(router.clone(), request);
        async move {
            let response = answer.await?;
            if response.status() == StatusCode::SWITCHING_PROTOCOLS {
                unread.switch();
            }
            Ok::<_, Dropped>(response)
        }
    });
    let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service).with_upgrades();
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}

/// The connection is to be closed without an answer.
#[derive(Debug, thiserror::Error)]
#[error("a fault rule drops the connection")]
struct Dropped;

async fn answer(router: Router, request: Request) -> Result<axum::response::Response, Dropped> {
    let response = match router.oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    };
    // hyper closes the connection of a service that fails.
    if response.extensions().get::<DroppedConnection>().is_some() { Err(Dropped) } else { Ok(response) }
}
