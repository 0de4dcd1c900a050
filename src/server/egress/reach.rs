//! Finding a host and connecting to it.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::rule::{Denial, Policy, normal};

/// How long a host may take to be found, and each of its addresses to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// How many addresses of a host are tried.
const ATTEMPTS: usize = 4;

/// How many names are looked up at the same time, each on a thread that the server's other work needs too.
const LOOK_UPS: usize = 32;

/// Finds the addresses of hosts.
pub(super) trait Resolve: fmt::Debug + Send + Sync {
    fn resolve<'a>(&'a self, host: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>>;
}

/// The machine's own way.
#[derive(Debug)]
pub(super) struct SystemResolver(Arc<Semaphore>);

impl Default for SystemResolver {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(LOOK_UPS)))
    }
}

impl Resolve for SystemResolver {
    fn resolve<'a>(&'a self, host: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        Box::pin(async move {
            let permit = Arc::clone(&self.0).acquire_owned().await.map_err(io::Error::other)?;
            let host = host.to_owned();
            let found = tokio::task::spawn_blocking(move || {
                let addresses = (host.as_str(), 0).to_socket_addrs()?.map(|address| address.ip()).collect();
                // It cannot be stopped, so that its room is taken until it ends, whoever still waits for it.
                drop(permit);
                Ok(addresses)
            });
            found.await.unwrap_or_else(|error| Err(io::Error::other(error)))
        })
    }
}

/// Why a host was not reached.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReachError {
    #[error(transparent)]
    Denied(Denial),
    #[error("`{host}` is not found")]
    NotFound { host: String },
    #[error("`{host}:{port}` does not answer: {source}")]
    NoAnswer { host: String, port: u16, source: io::Error },
    #[error("`{host}:{port}` does not answer in time")]
    Late { host: String, port: u16 },
}

/// Reaches what the rules let through.
#[derive(Debug)]
pub(super) struct Reach {
    policy: Policy,
    resolver: Arc<dyn Resolve>,
}

impl Reach {
    pub(super) fn new(policy: Policy, resolver: Arc<dyn Resolve>) -> Self {
        Self { policy, resolver }
    }

    /// Connects to a host. What is checked is the address that is then connected to: nobody looks it up again.
    pub(super) async fn connect(&self, host: &str, port: u16) -> Result<TcpStream, ReachError> {
        let host = normal(host);
        let addresses = self.addresses(&host, port).await?;
        let mut result = Err(ReachError::NotFound { host: host.clone() });
        for address in addresses.into_iter().take(ATTEMPTS) {
            result = match timeout(PATIENCE, TcpStream::connect(SocketAddr::new(address, port))).await {
                Ok(Ok(stream)) => {
                    let _ = stream.set_nodelay(true);
                    return Ok(stream);
                }
                Ok(Err(source)) => Err(ReachError::NoAnswer { host: host.clone(), port, source }),
                Err(_) => Err(ReachError::Late { host: host.clone(), port }),
            };
        }
        result
    }

    /// Returns the addresses of a host that are let through; fails when it has none of these.
    async fn addresses(&self, host: &str, port: u16) -> Result<Vec<IpAddr>, ReachError> {
        self.policy.check_host(host, port).map_err(ReachError::Denied)?;
        let found = match host.parse() {
            Ok(address) => vec![address],
            Err(_) => match timeout(PATIENCE, self.resolver.resolve(host)).await {
                Ok(Ok(addresses)) => addresses,
                Ok(Err(_)) => return Err(ReachError::NotFound { host: host.to_owned() }),
                Err(_) => return Err(ReachError::Late { host: host.to_owned(), port }),
            },
        };
        let mut denial = None;
        let mut allowed = Vec::new();
        for address in found {
            match self.policy.check_address(host, port, address) {
                Ok(()) => allowed.push(address),
                Err(reason) => denial = denial.or(Some(reason)),
            }
        }
        match denial {
            Some(denial) if allowed.is_empty() => Err(ReachError::Denied(denial)),
            _ => Ok(allowed),
        }
    }
}
