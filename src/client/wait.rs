//! Waiting for a sandbox.

use std::time::Duration;

use http::Method;
use tokio::time::sleep;

use super::connect::Client;
use super::deadline::Deadline;
use super::error::{Error, Kind};
use super::handle::Sandbox;
use super::request::{Operation, Request, Verb};
use crate::wire::{self, SandboxStatus, route};

/// How [`Client::wait_for_sandbox`] waits.
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
        let deadline = Deadline::after(options.timeout);
        // The scope's own deadline ends the sleep too, and then the next look fails with it.
        let end = self.link().deadline().map_or(deadline, |scope| scope.min(deadline));
        loop {
            let now = self.get_sandbox_status(name).await?;
            match now.status {
                SandboxStatus::Ready => return self.get_sandbox(name).await,
                SandboxStatus::Failed => return Err(failed(name, now.status_message)?),
                status if deadline.has_passed() => return Err(not_ready(name, status, options.timeout)?),
                _ => sleep(options.poll_interval.min(end.remaining())).await,
            }
        }
    }
}

fn failed(name: &str, message: Option<String>) -> Result<Error, Error> {
    let message = message.unwrap_or_else(|| "the sandbox could not be provisioned".to_owned());
    Ok(Error::new(Kind::Creation, &request(name)?, message))
}

fn not_ready(name: &str, status: SandboxStatus, timeout: Duration) -> Result<Error, Error> {
    let message = format!("it is not ready after {timeout:?}");
    Ok(Error::new(Kind::Timeout, &request(name)?, message).with_last_status(status))
}

/// What the errors of waiting are about.
fn request(name: &str) -> Result<Request, Error> {
    Request::on_item(Operation::on::<wire::Sandbox>(Verb::Wait, name), Method::GET, route::SANDBOX_STATUS)
}
