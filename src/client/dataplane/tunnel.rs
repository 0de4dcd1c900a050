//! Ports of a sandbox, on this machine (contract section 4.6).

mod multiplexer;
mod pipe;
#[cfg(test)]
mod tests;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http::Method;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional_with_sizes};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;
use tokio::time::sleep;
use tracing::debug;

use self::multiplexer::{Multiplexer, TunnelStream};
use super::socket;
use crate::client::error::{Error, Kind};
use crate::client::handle::{Sandbox, SandboxObject};
use crate::client::link::Link;
use crate::client::request::{Request, Verb};
use crate::wire::route;

/// How long opening the WebSocket may take (contract section 1.4).
const OPEN_WITHIN: Duration = Duration::from_secs(15);
/// The sleep after the first attempt to reconnect; each further one doubles it.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// The longest sleep between attempts to reconnect.
const MAX_PAUSE: Duration = Duration::from_secs(8);
/// What is taken from one side before the other has to take it.
const BUFFER: usize = 64 * 1024;
/// The version of what a stream begins with.
const VERSION: u8 = 1;
/// How many failures of connections wait to be asked for; more are dropped.
const MAX_FAILURES: usize = 16;

/// How [`Sandbox::tunnel`] opens a tunnel.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TunnelOptions {
    /// The port to listen on, on `127.0.0.1`: that of the sandbox by default; 0 is any that is free.
    pub local_port: Option<u16>,
    /// How often to try to reconnect when a connection comes in after the tunnel was lost: 3 by default.
    pub max_reconnects: u32,
}

impl Default for TunnelOptions {
    fn default() -> Self {
        Self { local_port: None, max_reconnects: 3 }
    }
}

impl TunnelOptions {
    /// Sets the port to listen on; 0 is any that is free.
    #[must_use]
    pub fn local_port(mut self, port: u16) -> Self {
        self.local_port = Some(port);
        self
    }

    /// Sets how often to try to reconnect.
    #[must_use]
    pub fn max_reconnects(mut self, n: u32) -> Self {
        self.max_reconnects = n;
        self
    }
}

/// A port of this machine that leads to one of a sandbox. Dropping it ends it, with all connections through it.
#[derive(Debug)]
#[must_use = "a tunnel that is dropped is closed"]
pub struct Tunnel {
    local_addr: SocketAddr,
    remote_port: u16,
    failures: mpsc::Receiver<Error>,
    /// One task, which ends with this, and all that it started.
    _task: JoinSet<()>,
}

impl<O: SandboxObject> Sandbox<O> {
    /// Opens a tunnel to a TCP port of the sandbox: whatever connects to [`Tunnel::local_addr`] is connected to the
    /// port. The connection to the server is made at once, and again when it is needed after it was lost.
    ///
    /// # Errors
    ///
    /// * [`Kind::InvalidArgument`]: the port is 0.
    /// * [`Kind::NotReady`] and [`Kind::NoDataPlane`]: the sandbox cannot be worked in; nothing was sent.
    /// * [`Kind::Connection`]: the server could not be reached.
    /// * [`Kind::Local`]: the local port is taken.
    pub async fn tunnel(&self, remote_port: u16, options: TunnelOptions) -> Result<Tunnel, Error> {
        let mut operation = self.operation(Verb::Tunnel);
        operation.port = Some(remote_port);
        if remote_port == 0 {
            return Err(Error::invalid_argument(operation, "remote_port", "a port is 1 to 65535, not 0"));
        }
        let request = self.inside(operation, Method::GET, route::TUNNEL.to_owned())?;
        let link = self.client().link();
        let multiplexer = Multiplexer::new(socket::open(link, &request, self.patience(OPEN_WITHIN)).await?);
        let address = (Ipv4Addr::LOCALHOST, options.local_port.unwrap_or(remote_port));
        let listening = async {
            let listener = TcpListener::bind(address).await?;
            listener.local_addr().map(|local_addr| (listener, local_addr))
        };
        let (listener, local_addr) = listening.await.map_err(|error| {
            let message = format!("nothing can listen on port {} of this machine", address.1);
            Error::new(Kind::Local, &request, message).with_source(error)
        })?;
        let (report, failures) = mpsc::channel(MAX_FAILURES);
        let way = Arc::new(Way {
            link: link.without_deadline(),
            request,
            remote_port,
            max_reconnects: options.max_reconnects,
            multiplexer: Mutex::new(multiplexer),
        });
        let mut task = JoinSet::new();
        task.spawn(accept(listener, way, report));
        Ok(Tunnel { local_addr, remote_port, failures, _task: task })
    }
}

impl Tunnel {
    /// Returns where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Returns the port inside the sandbox.
    pub fn remote_port(&self) -> u16 {
        self.remote_port
    }

    /// Waits until a connection fails to get through, and says why: [`Kind::PortRefused`], [`Kind::PortNotAllowed`],
    /// [`Kind::TunnelVersion`], or else [`Kind::Tunnel`]. The tunnel goes on. Cancel-safe.
    pub async fn next_failure(&mut self) -> Error {
        match self.failures.recv().await {
            Some(error) => error,
            // The sender lives as long as the task, and that as long as this.
            None => std::future::pending().await,
        }
    }
}

/// What leads to the port.
struct Way {
    link: Link,
    request: Request,
    remote_port: u16,
    max_reconnects: u32,
    /// Locked while it is replaced.
    multiplexer: Mutex<Multiplexer>,
}

async fn accept(listener: TcpListener, way: Arc<Way>, report: mpsc::Sender<Error>) {
    // Dropped with this future, and all connections with it.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((local, _)) => {
                    let (way, report) = (way.clone(), report.clone());
                    connections.spawn(async move {
                        if let Err(error) = way.carry(local).await {
                            debug!(port = way.remote_port, %error, "a connection did not get through a tunnel");
                            // Who does not ask does not want to know.
                            let _ = report.try_send(error);
                        }
                    });
                }
                // Too many open files, most likely: some will be closed.
                Err(_) => sleep(FIRST_PAUSE).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

impl Way {
    /// Carries what goes over a connection, until both sides are done.
    async fn carry(&self, mut local: TcpStream) -> Result<(), Error> {
        let mut stream = self.open().await?;
        let [high, low] = self.remote_port.to_be_bytes();
        let greeting = async {
            stream.write_all(&[VERSION, high, low]).await?;
            stream.flush().await?;
            stream.read_u8().await
        };
        let status = greeting.await.map_err(|error| {
            self.failure(Kind::Tunnel, "the tunnel ended before the port was reached").with_source(error)
        })?;
        match status {
            0 => {}
            1 => return Err(self.failure(Kind::PortNotAllowed, "the server does not allow it")),
            2 => return Err(self.failure(Kind::PortRefused, "nothing listens on it")),
            3 => return Err(self.failure(Kind::TunnelVersion, "the server does not speak this version of the tunnel")),
            other => return Err(self.failure(Kind::Tunnel, &format!("the server answered with status {other}"))),
        }
        let _ = local.set_nodelay(true);
        // A connection that breaks is for its two ends to notice.
        let _ = copy_bidirectional_with_sizes(&mut local, &mut stream, BUFFER, BUFFER).await;
        Ok(())
    }

    /// Opens a stream, on a new connection to the server if the last one was lost.
    async fn open(&self) -> Result<TunnelStream, Error> {
        let mut multiplexer = self.multiplexer.lock().await;
        if let Some(stream) = multiplexer.open().await {
            return Ok(stream);
        }
        let mut pause = FIRST_PAUSE;
        let mut cause = None;
        for n in 0..self.max_reconnects {
            if n > 0 {
                sleep(pause).await;
                pause = pause.saturating_mul(2).min(MAX_PAUSE);
            }
            match socket::open_once(&self.link, &self.request, OPEN_WITHIN).await {
                Ok(socket) => {
                    *multiplexer = Multiplexer::new(socket);
                    if let Some(stream) = multiplexer.open().await {
                        return Ok(stream);
                    }
                }
                Err(error) => cause = Some(error),
            }
        }
        let message = format!("the tunnel was lost, and not made again (attempts: {})", self.max_reconnects);
        let error = self.failure(Kind::Tunnel, &message);
        Err(match cause {
            Some(cause) => error.with_source(cause),
            None => error,
        })
    }

    fn failure(&self, kind: Kind, message: &str) -> Error {
        Error::new(kind, &self.request, message)
    }
}
