//! The client itself: connecting, views, and the reads.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use tokio::sync::watch;

use super::config::{Config, ConfigError};
use super::deadline::Deadline;
use super::error::Error;
use super::handle::Sandbox;
use super::link::Link;
use super::reader::Reader;
use super::throttle::Pace;
use super::transport::{HttpTransport, Transport};
use super::wait::Watcher;
use crate::wire::{Pool, ResourceStatus, Template, Usage, Volume};

/// What a request may take on top of the time that the server waits for it (contract section 1.4).
pub(super) const WAIT_MARGIN: Duration = Duration::from_secs(30);

/// A client of the Sandbox Server API. Cheap to clone; clones share the connections.
///
/// See the [module](super) for an example.
#[derive(Debug, Clone)]
pub struct Client {
    link: Link,
}

impl Client {
    /// Returns a client that speaks HTTP. No request is made yet.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] says what is wrong with the configuration.
    pub fn new(config: Config) -> Result<Self, ConfigError> {
        let transport = Arc::new(HttpTransport::new(&config)?);
        Self::with_transport(config, transport)
    }

    /// Returns a client whose requests go through `transport`.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] says what is wrong with the configuration.
    #[expect(clippy::needless_pass_by_value, reason = "the twin of `new`; what is left of it is dropped with the key")]
    pub fn with_transport(config: Config, transport: Arc<dyn Transport>) -> Result<Self, ConfigError> {
        Ok(Self { link: Link::new(&config, transport)? })
    }

    /// Returns a view whose requests carry `headers`, which win over all others of their names, whatever their case.
    #[must_use]
    pub fn with_headers(&self, headers: &HeaderMap) -> Self {
        Self { link: self.link.with_headers(headers) }
    }

    /// Returns a view whose attempts take at most `timeout`. Calls that let the server wait keep their own limit.
    #[must_use]
    pub fn with_timeout(&self, timeout: Duration) -> Self {
        Self { link: self.link.with_timeout(timeout) }
    }

    /// Returns a view whose calls, with all their attempts and sleeps, are done or given up by `deadline`; an earlier
    /// deadline of this view holds on. The sandboxes and service URLs that calls return are not bound by it.
    #[must_use]
    pub fn with_deadline(&self, deadline: Deadline) -> Self {
        Self { link: self.link.with_deadline(deadline) }
    }

    /// Returns a view whose waits tell `watcher` at each look how far the object is that they wait for.
    #[must_use]
    pub fn watched_by(&self, watcher: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self { link: self.link.watched(Watcher::new(watcher)) }
    }

    /// Returns a view that has all of the scope but its deadline.
    pub(super) fn without_deadline(&self) -> Self {
        Self { link: self.link.without_deadline() }
    }

    /// Returns the half of the client that can only read, in the same scope.
    pub fn reader(&self) -> Reader {
        Reader::new(self.link.clone())
    }

    /// Returns the base URL of the API, without a trailing slash.
    pub fn base_url(&self) -> &str {
        self.link.base_url()
    }

    /// Returns how fast the server lets this client, with all its clones and views, go, and whatever becomes of that.
    ///
    /// A client without retries ([`Config::max_retries`] of 0) leaves that to its caller, and is never slowed down.
    pub fn pace(&self) -> watch::Receiver<Pace> {
        self.link.limiter().watch()
    }

    /// Waits until the sandboxes whose guards were dropped are deleted. Call it before the program ends.
    ///
    /// It holds for all clones and views. They can still be used afterwards, and closed again.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future stops the waiting, not the clean-up.
    pub async fn close(&self) {
        self.link.tasks().wait().await;
    }

    /// Returns all volumes (`GET /volumes`, every page).
    pub async fn list_volumes(&self) -> Result<Vec<Volume>, Error> {
        self.link.list().await
    }

    /// Returns all templates (`GET /templates`, every page).
    pub async fn list_templates(&self) -> Result<Vec<Template>, Error> {
        self.link.list().await
    }

    /// Returns all pools (`GET /pools`, every page).
    pub async fn list_pools(&self) -> Result<Vec<Pool>, Error> {
        self.link.list().await
    }

    /// Returns all sandboxes (`GET /boxes`, every page), without those that wait in pools.
    pub async fn list_sandboxes(&self) -> Result<Vec<Sandbox>, Error> {
        let objects = self.link.list().await?;
        Ok(objects.into_iter().map(|object| Sandbox::new(self, object)).collect())
    }

    /// Returns a volume (`GET /volumes/{name}`).
    pub async fn get_volume(&self, name: &str) -> Result<Volume, Error> {
        self.link.get(name).await
    }

    /// Returns a template (`GET /templates/{name}`).
    pub async fn get_template(&self, name: &str) -> Result<Template, Error> {
        self.link.get(name).await
    }

    /// Returns a pool (`GET /pools/{name}`).
    pub async fn get_pool(&self, name: &str) -> Result<Pool, Error> {
        self.link.get(name).await
    }

    /// Returns a sandbox (`GET /boxes/{name}`).
    pub async fn get_sandbox(&self, name: &str) -> Result<Sandbox, Error> {
        Ok(Sandbox::new(self, self.link.get(name).await?))
    }

    /// Returns how far a sandbox is (`GET /boxes/{name}/status`): less than the whole, to be asked often.
    pub async fn get_sandbox_status(&self, name: &str) -> Result<ResourceStatus, Error> {
        self.reader().get_sandbox_status(name).await
    }

    /// Returns the workspace's quotas, and what is used of them (`GET /usage`).
    pub async fn usage(&self) -> Result<Usage, Error> {
        self.reader().usage().await
    }

    pub(super) fn link(&self) -> &Link {
        &self.link
    }
}

/// Returns the seconds that the wire carries: a part of a second is waited for in full.
pub(super) fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs().saturating_add(u64::from(duration.subsec_nanos() > 0))
}
