//! The half of the API that changes nothing.

use std::time::Duration;

use http::{HeaderMap, Method};

use super::deadline::Deadline;
use super::error::Error;
use super::link::Link;
use super::request::{Operation, Request, Verb};
use crate::wire::{Pool, ResourceStatus, Sandbox, Template, Usage, Volume, route};

/// A client that has no method that writes: whoever holds it can look, and the compiler knows that this is all.
///
/// Cheap to clone; got with [`Client::reader`](super::Client::reader).
#[derive(Debug, Clone)]
pub struct Reader {
    link: Link,
}

impl Reader {
    pub(super) fn new(link: Link) -> Self {
        Self { link }
    }

    /// Returns a view whose requests carry `headers`, which win over all others of their names.
    #[must_use]
    pub fn with_headers(&self, headers: &HeaderMap) -> Self {
        Self::new(self.link.with_headers(headers))
    }

    /// Returns a view whose attempts take at most `timeout`.
    #[must_use]
    pub fn with_timeout(&self, timeout: Duration) -> Self {
        Self::new(self.link.with_timeout(timeout))
    }

    /// Returns a view whose calls are done, or given up, by `deadline`.
    #[must_use]
    pub fn with_deadline(&self, deadline: Deadline) -> Self {
        Self::new(self.link.with_deadline(deadline))
    }

    /// Returns a view for one round of reading: each list is asked for once, and answered from memory from then on.
    #[must_use]
    pub fn remembering(&self) -> Self {
        Self::new(self.link.remembering())
    }

    pub(super) fn link(&self) -> &Link {
        &self.link
    }

    /// Returns the base URL of the API, without a trailing slash.
    pub fn base_url(&self) -> &str {
        self.link.base_url()
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
        self.link.list().await
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
        self.link.get(name).await
    }

    /// Returns a sandbox that was made from a template (`GET /boxes/{name}`): another one of this name is not found.
    pub async fn get_sandbox_of_template(&self, name: &str) -> Result<Sandbox, Error> {
        let sandbox = self.get_sandbox(name).await?;
        let is_made_from_one = !sandbox.template_name.is_empty();
        is_made_from_one.then_some(sandbox).ok_or_else(|| Error::of_other_generation::<Sandbox>(name))
    }

    /// Returns how far a sandbox is (`GET /boxes/{name}/status`): less than the whole, to be asked often.
    pub async fn get_sandbox_status(&self, name: &str) -> Result<ResourceStatus, Error> {
        let operation = Operation::on::<Sandbox>(Verb::Status, name);
        self.link.fetch(&Request::on_item(operation, Method::GET, route::SANDBOX_STATUS)?).await
    }

    /// Returns the workspace's quotas, and what is used of them (`GET /usage`).
    pub async fn usage(&self) -> Result<Usage, Error> {
        self.link.fetch(&Request::usage()).await
    }
}
