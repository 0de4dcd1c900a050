//! Pools (contract section 2.5).

use std::time::Duration;

use super::connect::{Client, WAIT_MARGIN, whole_seconds};
use super::error::{Detail, Error, Kind, Mapped, Resource};
use super::object::{has_extra, object};
use super::request::{Operation, Request, Verb};
use crate::types::Name;
use crate::wire::{CreatePool, Extra, Pool, PoolList, UpdatePool, route};

/// How [`Client::create_pool`] creates.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CreatePoolOptions {
    /// How long the server waits for the first replica: 30 s by default, 10 s to 600 s as the server has it, sent in
    /// seconds.
    pub timeout: Duration,
    /// Further fields, sent as they are.
    pub extra: Extra,
}

impl Default for CreatePoolOptions {
    fn default() -> Self {
        Self { timeout: Duration::from_secs(30), extra: Extra::new() }
    }
}

impl CreatePoolOptions {
    /// Sets how long the server waits for the first replica.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets further fields, sent as they are.
    #[must_use]
    pub fn extra(mut self, extra: Extra) -> Self {
        self.extra = extra;
        self
    }
}

/// What [`Client::update_pool`] changes.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct UpdatePoolOptions {
    /// The new name, if it changes.
    pub new_name: Option<Name>,
    /// The new number of replicas, if it changes: 0 to 100, where 0 pauses the pool.
    pub replicas: Option<u32>,
}

impl UpdatePoolOptions {
    /// Renames the pool.
    #[must_use]
    pub fn new_name(mut self, name: Name) -> Self {
        self.new_name = Some(name);
        self
    }

    /// Scales the pool; 0 pauses it.
    #[must_use]
    pub fn replicas(mut self, n_replicas: u32) -> Self {
        self.replicas = Some(n_replicas);
        self
    }
}

impl Client {
    /// Creates a pool of 1 to 100 sandboxes and waits until one of them is ready (`POST /pools`).
    ///
    /// # Errors
    ///
    /// * [`Kind::AlreadyExists`]: there is a pool of this name, and this call did not create it.
    /// * [`Kind::NotFound`] of a [`Resource::Template`]: the template does not exist.
    /// * [`Kind::Validation`]: the template has volume mounts, or the number of replicas is refused.
    /// * [`Kind::Timeout`]: no replica became ready in time.
    /// * [`Kind::QuotaExceeded`]: the workspace has no room for the replicas.
    pub async fn create_pool(
        &self,
        name: &Name,
        template_name: &str,
        n_replicas: u32,
        options: CreatePoolOptions,
    ) -> Result<Pool, Error> {
        let body = CreatePool {
            name: name.to_string(),
            template_name: template_name.to_owned(),
            replicas: n_replicas,
            wait_for_ready: true,
            timeout: Some(whole_seconds(options.timeout)),
            extra: options.extra,
        };
        let request = Request::create::<Pool>(name, &body).timeout(options.timeout.saturating_add(WAIT_MARGIN));
        let created = self.link().create(&request, |found: &Pool| is_asked(found, &body)).await?;
        Ok(created.into_object())
    }

    /// Scales or renames a pool (`PATCH /pools/{name}`), without waiting. With no option set it is only read.
    ///
    /// # Errors
    ///
    /// * [`Kind::NotFound`]: there is no such pool, or, for a [`Resource::Template`], its template is gone.
    /// * [`Kind::NameConflict`]: the new name is taken.
    /// * [`Kind::QuotaExceeded`]: the workspace has no room for the replicas.
    pub async fn update_pool(&self, name: &str, options: UpdatePoolOptions) -> Result<Pool, Error> {
        let UpdatePoolOptions { new_name, replicas } = options;
        if new_name.is_none() && replicas.is_none() {
            return self.get_pool(name).await;
        }
        let body = UpdatePool { name: new_name.as_ref().map(ToString::to_string), replicas };
        self.link().update(&Request::update::<Pool>(name, new_name.as_ref(), &body)?).await
    }

    /// Deletes a pool and the sandboxes that wait in it (`DELETE /pools/{name}`).
    ///
    /// # Errors
    ///
    /// * [`Kind::NotFound`]: there is no such pool.
    pub async fn delete_pool(&self, name: &str) -> Result<(), Error> {
        self.link().delete::<Pool>(name).await
    }
}

fn is_asked(found: &Pool, asked: &CreatePool) -> bool {
    found.template_name == asked.template_name
        && found.replicas == asked.replicas
        && has_extra(&found.extra, &asked.extra)
}

object!(Pool, Pool, PoolList, pools, route::POOLS, route::POOL, rules, only in First);

fn rules(operation: &Operation, status: u16, detail: &Detail) -> Option<Mapped> {
    if !matches!(operation.verb, Verb::Create | Verb::Update) {
        return None;
    }
    match status {
        400 if detail.is("ValidationError") => Some(Mapped::new(Kind::Validation).about(Resource::Pool)),
        400 if detail.misses("template") => Some(Mapped::new(Kind::NotFound).about(Resource::Template)),
        504 => Some(Mapped::new(Kind::Timeout).about(Resource::Pool)),
        _ => None,
    }
}
