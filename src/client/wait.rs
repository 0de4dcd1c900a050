//! Waiting for a sandbox, or for a snapshot.

use std::sync::Arc;
use std::time::Duration;

use http::Method;
use tokio::time::sleep;

use super::connect::Client;
use super::deadline::Deadline;
use super::error::{Error, Kind};
use super::handle::{Sandbox, SandboxV2};
use super::link::Link;
use super::object::Object;
use super::request::{Operation, Request, Verb};
use crate::wire::{self, SandboxStatus, Snapshot, SnapshotStatus, route};

/// How [`Client::wait_for_sandbox`] and its likes wait.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct WaitOptions {
    /// For how long, 120 s by default. The status is read at least once, even with zero.
    pub timeout: Duration,
    /// How long to sleep between two looks, 1 s by default.
    pub poll_interval: Duration,
}

impl Default for WaitOptions {
    fn default() -> Self {
        Self { timeout: Duration::from_mins(2), poll_interval: Duration::from_secs(1) }
    }
}

impl WaitOptions {
    /// Returns what suits the build of a snapshot: 300 s, and 2 s between two looks.
    pub fn for_snapshots() -> Self {
        Self { timeout: Duration::from_mins(5), poll_interval: Duration::from_secs(2) }
    }

    /// Sets for how long to wait.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets how long to sleep between two looks.
    #[must_use]
    pub fn poll_interval(mut self, interval: Duration) -> Self {
        self.poll_interval = interval;
        self
    }
}

/// Who is told at each look of a wait how far an object is.
#[derive(Clone)]
pub(super) struct Watcher(Arc<dyn Fn(&str) + Send + Sync>);

impl Watcher {
    pub(super) fn new(tell: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self(Arc::new(tell))
    }
}

impl Client {
    /// Waits until a sandbox is ready (`GET /boxes/{name}/status`, then `GET /boxes/{name}`).
    ///
    /// # Errors
    ///
    /// * [`Kind::Creation`]: it failed; the message is the sandbox's own.
    /// * [`Kind::Timeout`]: it was not ready in time; [`Error::last_status`] is what it was.
    /// * [`Kind::NotFound`]: there is no such sandbox.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future stops the waiting and changes nothing.
    pub async fn wait_for_sandbox(&self, name: &str, options: WaitOptions) -> Result<Sandbox, Error> {
        self.wait_until_ready(name, options).await?;
        self.get_sandbox(name).await
    }

    /// Waits until a sandbox of the second generation is ready, like [`Client::wait_for_sandbox`]. One that is stopped
    /// does not become ready by itself, and is waited for to no end but that of the time.
    ///
    /// # Errors
    ///
    /// Those of [`Client::wait_for_sandbox`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future stops the waiting and changes nothing.
    pub async fn wait_for_sandbox_v2(&self, name: &str, options: WaitOptions) -> Result<SandboxV2, Error> {
        self.wait_until_ready(name, options).await?;
        self.get_sandbox_v2(name).await
    }

    /// Waits until a snapshot is built (`GET /snapshots/{ref}`). The reference is an id, `name:tag` or `name`; an id
    /// stays with the snapshot when the tag moves. The build goes on when nobody waits any more.
    ///
    /// # Errors
    ///
    /// * [`Kind::Creation`]: it failed; the message is the snapshot's own.
    /// * [`Kind::Timeout`]: it was not built in time; [`Error::last_status`] is what it was.
    /// * [`Kind::NotFound`]: there is no such snapshot.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future stops the waiting and changes nothing.
    pub async fn wait_for_snapshot(&self, reference: &str, options: WaitOptions) -> Result<Snapshot, Error> {
        let request = waiting_for::<Snapshot>(reference, route::SNAPSHOT)?;
        let wait = Wait::new(self.link(), options);
        loop {
            let snapshot = self.get_snapshot(reference).await?;
            match snapshot.status {
                SnapshotStatus::Ready => return Ok(snapshot),
                SnapshotStatus::Failed => {
                    let message = snapshot.status_message.unwrap_or_else(|| "the snapshot could not be built".into());
                    return Err(Error::new(Kind::Creation, &request, message));
                }
                status => wait.pause(&request, String::from(status).into()).await?,
            }
        }
    }

    /// Waits until a sandbox of either generation is ready.
    async fn wait_until_ready(&self, name: &str, options: WaitOptions) -> Result<(), Error> {
        let request = waiting_for::<wire::Sandbox>(name, route::SANDBOX_STATUS)?;
        let wait = Wait::new(self.link(), options);
        loop {
            let now = self.get_sandbox_status(name).await?;
            match now.status {
                SandboxStatus::Ready => return Ok(()),
                SandboxStatus::Failed => {
                    let message =
                        now.status_message.unwrap_or_else(|| "the sandbox could not be provisioned".to_owned());
                    return Err(Error::new(Kind::Creation, &request, message));
                }
                status => wait.pause(&request, status).await?,
            }
        }
    }
}

/// A wait that goes on.
struct Wait {
    options: WaitOptions,
    deadline: Deadline,
    /// The end of the time, or of the scope's if that is earlier: it ends the sleep too, and then the next look fails.
    end: Deadline,
    watcher: Option<Watcher>,
}

impl Wait {
    fn new(link: &Link, options: WaitOptions) -> Self {
        let deadline = Deadline::after(options.timeout);
        let end = link.deadline().map_or(deadline, |scope| scope.min(deadline));
        Self { options, deadline, end, watcher: link.watcher().cloned() }
    }

    /// Sleeps until the next look, or gives up if the time is over.
    async fn pause(&self, request: &Request, status: SandboxStatus) -> Result<(), Error> {
        if let Some(Watcher(tell)) = &self.watcher {
            tell(status.as_str());
        }
        if self.deadline.has_passed() {
            let message = format!("it is not ready after {:?}", self.options.timeout);
            return Err(Error::new(Kind::Timeout, request, message).with_last_status(status));
        }
        sleep(self.options.poll_interval.min(self.end.remaining())).await;
        Ok(())
    }
}

/// What the errors of waiting are about.
fn waiting_for<T: Object>(name: &str, route: &str) -> Result<Request, Error> {
    Request::on_item(Operation::on::<T>(Verb::Wait, name), Method::GET, route)
}
