//! What sandboxes reach of the world outside: nothing, or what a proxy lets through.
//!
//! A sandbox has a network of its own with nothing in it. With [`Egress::Proxy`] its agent listens on its loopback, and
//! hands each connection over; the server answers it as an HTTP proxy (`proxy`) and connects outside (`reach`). So
//! what decides is out of the sandbox's hands, and what it cannot talk HTTP to it does not reach at all.

mod address;
mod proxy;
mod reach;
mod rule;
#[cfg(test)]
mod tests;

pub use self::rule::{Rule, RuleError};

use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;

use self::reach::{Reach, Resolve, SystemResolver};
use self::rule::Policy;

/// What sandboxes reach of the world outside.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Egress {
    /// Nothing.
    #[default]
    None,
    /// These hosts, through an HTTP proxy; any that is public when there is no rule.
    Proxy(Vec<Rule>),
}

impl Egress {
    /// Returns what to tell whoever starts the server.
    pub(in crate::server) fn notice(&self) -> String {
        match self {
            Self::None => "sandboxes reach no network".to_owned(),
            Self::Proxy(rules) if rules.is_empty() => "sandboxes reach public hosts, through a proxy".to_owned(),
            Self::Proxy(rules) => {
                let rules: Vec<_> = rules.iter().map(ToString::to_string).collect();
                format!("sandboxes reach {} and nothing else, through a proxy", rules.join(", "))
            }
        }
    }
}

/// Where the proxy is, inside a sandbox: the port that proxies have had since Squid.
pub(in crate::server) const PORT: u16 = 3128;

/// How many connections a sandbox may have at the same time. Package managers and browsers open a few dozen.
const CONNECTIONS: usize = 128;

/// How many connections all sandboxes may have together, each of two descriptors: the API is to have some left.
const ALL_CONNECTIONS: usize = 1024;

/// The proxy of all sandboxes. Cloning it is cheap.
#[derive(Debug, Clone)]
pub(in crate::server) struct Proxy {
    reach: Arc<Reach>,
    room: Arc<Semaphore>,
}

impl Proxy {
    /// Returns the proxy that there is to be, if any.
    pub(in crate::server) fn of(egress: &Egress) -> Option<Self> {
        match egress {
            Egress::None => None,
            Egress::Proxy(rules) => Some(Self::new(rules.clone(), Arc::new(SystemResolver::default()))),
        }
    }

    fn new(rules: Vec<Rule>, resolver: Arc<dyn Resolve>) -> Self {
        let reach = Arc::new(Reach::new(Policy::new(rules), resolver));
        Self { reach, room: Arc::new(Semaphore::new(ALL_CONNECTIONS)) }
    }

    /// Returns what takes the connections of one sandbox.
    pub(in crate::server) fn gate(&self) -> Gate {
        Gate { proxy: self.clone(), room: Arc::new(Semaphore::new(CONNECTIONS)), connections: JoinSet::new() }
    }
}

/// Takes the connections of one sandbox to the proxy; they end when it is dropped.
#[derive(Debug)]
pub(in crate::server) struct Gate {
    proxy: Proxy,
    room: Arc<Semaphore>,
    connections: JoinSet<()>,
}

impl Gate {
    /// Serves a connection on a task of its own. One too many is told so.
    pub(in crate::server) fn admit<S>(&mut self, client: S)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        while self.connections.try_join_next().is_some() {}
        match self.permits() {
            Some(permits) => {
                let reach = Arc::clone(&self.proxy.reach);
                self.connections.spawn(async move {
                    proxy::serve(reach, client).await;
                    drop(permits);
                });
            }
            // As many as are being served may be on their way out; whoever is beyond that is cut off.
            None if self.connections.len() < 2 * CONNECTIONS => {
                self.connections.spawn(proxy::turn_away(client));
            }
            None => drop(client),
        }
    }

    fn permits(&self) -> Option<[OwnedSemaphorePermit; 2]> {
        let own = Arc::clone(&self.room).try_acquire_owned().ok()?;
        let shared = Arc::clone(&self.proxy.room).try_acquire_owned().ok()?;
        Some([own, shared])
    }
}
