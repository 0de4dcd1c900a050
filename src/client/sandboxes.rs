//! Sandboxes (contract section 2.6).

use std::time::Duration;

use super::connect::{Client, WAIT_MARGIN, whole_seconds};
use super::error::{Detail, Error, Kind, Mapped, Resource};
use super::generation::Generation;
use super::guard::SandboxGuard;
use super::handle::Sandbox;
use super::object::{has_extra, object};
use super::request::{Operation, Request, Verb};
use super::wait::WaitOptions;
use super::write::Created;
use crate::types::{Name, Ttl};
use crate::wire::{self, BatchDelete, BatchDeleted, CreateSandbox, Extra, SandboxList, UpdateSandbox, route};

/// How [`Client::create_sandbox`] and [`Client::sandbox`] create.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CreateSandboxOptions {
    /// The name; made up by default.
    pub name: Option<Name>,
    /// How long the server waits until the sandbox is ready: 30 s by default, sent in seconds.
    pub timeout: Duration,
    /// Whether to wait at all; by default it does. [`Client::sandbox`] always does.
    pub wait_for_ready: bool,
    /// The time to live from creation; not sent by default.
    pub ttl: Option<Ttl>,
    /// The time to live from the last activity; not sent by default.
    pub idle_ttl: Option<Ttl>,
    /// Further fields, sent as they are.
    pub extra: Extra,
}

impl Default for CreateSandboxOptions {
    fn default() -> Self {
        Self {
            name: None,
            timeout: Duration::from_secs(30),
            wait_for_ready: true,
            ttl: None,
            idle_ttl: None,
            extra: Extra::new(),
        }
    }
}

impl CreateSandboxOptions {
    /// Names the sandbox.
    #[must_use]
    pub fn name(mut self, name: Name) -> Self {
        self.name = Some(name);
        self
    }

    /// Sets how long the server waits until the sandbox is ready.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets whether to wait until the sandbox is ready.
    #[must_use]
    pub fn wait_for_ready(mut self, wait: bool) -> Self {
        self.wait_for_ready = wait;
        self
    }

    /// Sets the time to live from creation.
    #[must_use]
    pub fn ttl(mut self, ttl: Ttl) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// Sets the time to live from the last activity.
    #[must_use]
    pub fn idle_ttl(mut self, ttl: Ttl) -> Self {
        self.idle_ttl = Some(ttl);
        self
    }

    /// Sets further fields, sent as they are.
    #[must_use]
    pub fn extra(mut self, extra: Extra) -> Self {
        self.extra = extra;
        self
    }
}

/// What [`Client::update_sandbox`] changes.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct UpdateSandboxOptions {
    /// The new name, if it changes.
    pub new_name: Option<Name>,
    /// The new time to live from creation, if it changes.
    pub ttl: Option<Ttl>,
    /// The new time to live from the last activity, if it changes.
    pub idle_ttl: Option<Ttl>,
}

impl UpdateSandboxOptions {
    /// Renames the sandbox.
    #[must_use]
    pub fn new_name(mut self, name: Name) -> Self {
        self.new_name = Some(name);
        self
    }

    /// Sets the time to live from creation; [`Ttl::DISABLED`] switches it off.
    #[must_use]
    pub fn ttl(mut self, ttl: Ttl) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// Sets the time to live from the last activity; [`Ttl::DISABLED`] switches it off.
    #[must_use]
    pub fn idle_ttl(mut self, ttl: Ttl) -> Self {
        self.idle_ttl = Some(ttl);
        self
    }
}

impl Client {
    /// Creates a sandbox that lives until somebody deletes it or its time is over (`POST /boxes`).
    ///
    /// A name is always sent, so that a sandbox whose creation was not answered can be found.
    ///
    /// # Errors
    ///
    /// * [`Kind::AlreadyExists`]: there is a sandbox of this name, and this call did not create it.
    /// * [`Kind::NotFound`] of a [`Resource::Template`]: the template does not exist.
    /// * [`Kind::Creation`]: it could not be started; [`Error::error_type`] is `ImagePull`, `CrashLoop`,
    ///   `SandboxConfig` or `Unschedulable`.
    /// * [`Kind::Timeout`]: it was not ready in time.
    /// * [`Kind::QuotaExceeded`]: the workspace has no room for it.
    pub async fn create_sandbox(&self, template_name: &str, options: CreateSandboxOptions) -> Result<Sandbox, Error> {
        let name = options.name.unwrap_or_else(random_name);
        let body = CreateSandbox {
            template_name: template_name.to_owned(),
            wait_for_ready: options.wait_for_ready,
            timeout: options.wait_for_ready.then(|| whole_seconds(options.timeout)),
            name: Some(name.to_string()),
            ttl_seconds: options.ttl.map(wire_seconds),
            idle_ttl_seconds: options.idle_ttl.map(wire_seconds),
            extra: options.extra,
        };
        let wait = if body.wait_for_ready { options.timeout } else { Duration::ZERO };
        let request = Request::create::<wire::Sandbox>(&name, &body).timeout(wait.saturating_add(WAIT_MARGIN));
        self.link().require(Generation::First, &request)?;
        let created = self.link().create(&request, |found: &wire::Sandbox| is_asked(found, &body)).await?;
        if let Created::Found(sandbox) = &created
            && body.wait_for_ready
            && sandbox.status != wire::SandboxStatus::Ready
        {
            // The request that was cut off was also the wait.
            let options = WaitOptions::default().timeout(options.timeout);
            return self.wait_for_sandbox(&sandbox.name, options).await;
        }
        Ok(Sandbox::new(self, created.into_object()))
    }

    /// Creates a sandbox, waits until it is ready, and deletes it when the guard is closed or dropped.
    ///
    /// # Errors
    ///
    /// Those of [`Client::create_sandbox`].
    pub async fn sandbox(&self, template_name: &str, options: CreateSandboxOptions) -> Result<SandboxGuard, Error> {
        let sandbox = self.create_sandbox(template_name, options.wait_for_ready(true)).await?;
        Ok(SandboxGuard::new(sandbox))
    }

    /// Changes the times to live of a sandbox, or renames it (`PATCH /boxes/{name}`). With no option set it is only
    /// read.
    ///
    /// # Errors
    ///
    /// * [`Kind::NotFound`]: there is no such sandbox.
    /// * [`Kind::NameConflict`]: the new name is taken.
    pub async fn update_sandbox(&self, name: &str, options: UpdateSandboxOptions) -> Result<Sandbox, Error> {
        let UpdateSandboxOptions { new_name, ttl, idle_ttl } = options;
        if new_name.is_none() && ttl.is_none() && idle_ttl.is_none() {
            return self.get_sandbox(name).await;
        }
        let body = UpdateSandbox {
            name: new_name.as_ref().map(ToString::to_string),
            ttl_seconds: ttl.map(wire_seconds),
            idle_ttl_seconds: idle_ttl.map(wire_seconds),
        };
        let request = Request::update::<wire::Sandbox>(name, new_name.as_ref(), &body)?;
        Ok(Sandbox::new(self, self.link().update(&request).await?))
    }

    /// Deletes a sandbox (`DELETE /boxes/{name}`).
    ///
    /// # Errors
    ///
    /// * [`Kind::NotFound`]: there is no such sandbox, which may have reached the end of its time.
    pub async fn delete_sandbox(&self, name: &str) -> Result<(), Error> {
        self.link().delete::<wire::Sandbox>(name).await
    }

    /// Deletes several sandboxes in one request (`POST /boxes/batch-delete`). What is skipped is said to be; after a
    /// lost answer, that may be what the first attempt deleted.
    pub async fn delete_sandboxes(&self, names: &[impl AsRef<str>]) -> Result<BatchDeleted, Error> {
        let body = BatchDelete { names: names.iter().map(|name| name.as_ref().to_owned()).collect() };
        self.link().fetch(&Request::delete_many::<wire::Sandbox>(route::SANDBOXES_BATCH_DELETE, &body)).await
    }
}

/// Returns a name as the server makes them up: `sandbox-` and eight hex digits (contract G3).
pub(super) fn random_name() -> Name {
    Name::parse(&format!("sandbox-{:08x}", fastrand::u32(..))).expect("hex digits after a letter make a name")
}

/// The wire has signed seconds; a time to live is far below where that matters.
pub(super) fn wire_seconds(ttl: Ttl) -> i64 {
    i64::try_from(ttl.as_seconds()).unwrap_or(i64::MAX)
}

/// A time to live that was not asked for can be anything.
fn is_asked(found: &wire::Sandbox, asked: &CreateSandbox) -> bool {
    found.template_name == asked.template_name
        && asked.ttl_seconds.is_none_or(|ttl| found.ttl_seconds == Some(ttl))
        && asked.idle_ttl_seconds.is_none_or(|ttl| found.idle_ttl_seconds == Some(ttl))
        && has_extra(&found.extra, &asked.extra)
}

object!(wire::Sandbox, Sandbox, SandboxList, sandboxes, route::SANDBOXES, route::SANDBOX, rules);

pub(super) fn rules(operation: &Operation, status: u16, detail: &Detail) -> Option<Mapped> {
    if operation.verb == Verb::Update && status == 409 {
        // The server's words are not repeated: they need not name the name (contract section 2.6).
        let new_name = operation.new_name.as_deref().unwrap_or(&operation.name);
        let message = format!("the name `{new_name}` is already in use");
        return Some(Mapped::new(Kind::NameConflict).about(Resource::Sandbox).saying(message));
    }
    if operation.verb != Verb::Create {
        return None;
    }
    let creation = || Mapped::new(Kind::Creation).about(Resource::Sandbox);
    match status {
        400 | 404 if detail.misses("template") => Some(Mapped::new(Kind::NotFound).about(Resource::Template)),
        408 => Some(Mapped::new(Kind::Timeout).about(Resource::Sandbox)),
        // The other meaning of a conflict: a volume of the template that another sandbox holds.
        409 if detail.mentions("volume") && !detail.mentions("exist") => {
            Some(Mapped::new(Kind::InUse).about(Resource::Volume))
        }
        422 if detail.items.iter().any(|item| item.kind == "value_error") => {
            Some(Mapped::new(Kind::Validation).about(Resource::Sandbox))
        }
        503 if detail.error_type.is_none() => Some(creation().typed("Unschedulable")),
        422 | 503 => Some(creation()),
        _ => None,
    }
}
