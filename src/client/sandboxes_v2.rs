//! Sandboxes of the second generation (contract section 4 of the second generation).

mod options;

use std::time::Duration;

use http::Method;

pub use self::options::{CreateSandboxV2Options, UpdateSandboxV2Options};
use super::connect::{Client, WAIT_MARGIN};
use super::error::{Detail, Error, Kind, Mapped, Resource};
use super::filter::ListFilter;
use super::generation::Generation;
use super::guard::SandboxGuard;
use super::handle::SandboxV2;
use super::hiding::secrets_of;
use super::object::object;
use super::reader::Reader;
use super::request::{Operation, Request, Verb};
use super::sandboxes::{self, random_name};
use super::snapshots::has_labels;
use super::wait::WaitOptions;
use super::write::Created;
use crate::wire::{self, CreateSandboxV2, NoFields, SandboxStatus, SandboxV2List, UpdateSandboxV2, route};

impl Client {
    /// Creates a sandbox from a snapshot, or from the server's own if none is named (`POST /boxes`). The snapshot is
    /// an id, `name:tag`, or `name` for its tag `latest`.
    ///
    /// A name is always sent, so that a sandbox whose creation was not answered can be found.
    ///
    /// # Errors
    ///
    /// * [`Kind::AlreadyExists`]: there is a sandbox of this name, and this call did not create it.
    /// * [`Kind::NotFound`] of a [`Resource::Snapshot`]: the snapshot does not exist.
    /// * [`Kind::NotReady`] of a [`Resource::Snapshot`]: the snapshot is not built yet, or could not be.
    /// * [`Kind::Creation`]: it could not be started.
    /// * [`Kind::Timeout`]: it was not ready in time.
    /// * [`Kind::QuotaExceeded`]: the workspace has no room for it.
    /// * [`Kind::WrongGeneration`]: the server does not speak the second generation.
    pub async fn create_sandbox_v2(
        &self,
        snapshot: Option<&str>,
        options: CreateSandboxV2Options,
    ) -> Result<SandboxV2, Error> {
        let name = options.name.clone().unwrap_or_else(random_name);
        let (is_waited_for, timeout) = (options.wait_for_ready, options.timeout);
        let body = options.into_body(&name, snapshot);
        let wait = if is_waited_for { timeout } else { Duration::ZERO };
        let request = Request::create::<wire::SandboxV2>(&name, &body).timeout(wait.saturating_add(WAIT_MARGIN));
        let request = request.hiding(secrets_of(&body));
        self.link().require(Generation::Second, &request)?;
        let created = self.link().create(&request, |found: &wire::SandboxV2| is_asked(found, &body)).await?;
        if let Created::Found(sandbox) = &created
            && is_waited_for
            && sandbox.status != SandboxStatus::Ready
        {
            // The request that was cut off was also the wait.
            return self.wait_for_sandbox_v2(&sandbox.name, WaitOptions::default().timeout(timeout)).await;
        }
        Ok(SandboxV2::new(self, created.into_object()))
    }

    /// Creates a sandbox from a snapshot, waits until it is ready, and deletes it when the guard is closed or dropped.
    ///
    /// # Errors
    ///
    /// Those of [`Client::create_sandbox_v2`].
    pub async fn sandbox_v2(
        &self,
        snapshot: Option<&str>,
        options: CreateSandboxV2Options,
    ) -> Result<SandboxGuard<wire::SandboxV2>, Error> {
        let sandbox = self.create_sandbox_v2(snapshot, options.wait_for_ready(true)).await?;
        Ok(SandboxGuard::new(sandbox))
    }

    /// Returns all sandboxes of the second generation (`GET /boxes`, every page). On a server that has both, those that
    /// were made from templates are left out.
    pub async fn list_sandboxes_v2(&self) -> Result<Vec<SandboxV2>, Error> {
        self.search_sandboxes_v2(&ListFilter::default()).await
    }

    /// Returns the sandboxes of the second generation that pass a filter (`GET /boxes`, every page).
    pub async fn search_sandboxes_v2(&self, filter: &ListFilter) -> Result<Vec<SandboxV2>, Error> {
        let objects = self.reader().search_sandboxes_v2(filter).await?;
        Ok(objects.into_iter().map(|object| SandboxV2::new(self, object)).collect())
    }

    /// Returns a sandbox of the second generation (`GET /boxes/{name}`).
    ///
    /// # Errors
    ///
    /// * [`Kind::NotFound`]: there is no such sandbox.
    pub async fn get_sandbox_v2(&self, name: &str) -> Result<SandboxV2, Error> {
        Ok(SandboxV2::new(self, self.link().get(name).await?))
    }

    /// Changes a sandbox (`PATCH /boxes/{name}`). With no option set it is only read.
    ///
    /// # Errors
    ///
    /// * [`Kind::NotFound`]: there is no such sandbox.
    /// * [`Kind::NameConflict`]: the new name is taken.
    /// * [`Kind::Validation`]: the server refuses a value, such as a smaller disk.
    /// * [`Kind::NotReady`]: the proxy of a sandbox that does not run cannot be changed on this server.
    pub async fn update_sandbox_v2(&self, name: &str, options: UpdateSandboxV2Options) -> Result<SandboxV2, Error> {
        let new_name = options.new_name.clone();
        let body = options.into_body();
        if body == UpdateSandboxV2::default() {
            return self.get_sandbox_v2(name).await;
        }
        let mut request = Request::update::<wire::SandboxV2>(name, new_name.as_ref(), &body)?.hiding(secrets_of(&body));
        if body.proxy_config.is_some() {
            request.operation.rules = rules_of_proxy;
        }
        Ok(SandboxV2::new(self, self.link().update(&request).await?))
    }

    /// Starts a sandbox that is stopped or has failed, and waits until it is ready (`POST /boxes/{name}/start`).
    ///
    /// # Errors
    ///
    /// * [`Kind::NotFound`]: there is no such sandbox.
    /// * [`Kind::Client`]: it runs already, or is about to.
    /// * [`Kind::Creation`] and [`Kind::Timeout`]: those of [`Client::wait_for_sandbox_v2`].
    /// * [`Kind::WrongGeneration`]: the server does not speak the second generation.
    pub async fn start_sandbox_v2(&self, name: &str, options: WaitOptions) -> Result<SandboxV2, Error> {
        let request = switch(Verb::Start, name, route::SANDBOX_START)?;
        let is_begun = |status: &SandboxStatus| matches!(status, SandboxStatus::Provisioning | SandboxStatus::Ready);
        self.link().switch(&request, is_begun).await?;
        self.wait_for_sandbox_v2(name, options).await
    }

    /// Stops a sandbox, whose disk stays unless it is not persistent (`POST /boxes/{name}/stop`).
    ///
    /// # Errors
    ///
    /// * [`Kind::NotFound`]: there is no such sandbox.
    /// * [`Kind::Client`]: it is not ready, such as when it is stopped already.
    /// * [`Kind::WrongGeneration`]: the server does not speak the second generation.
    pub async fn stop_sandbox_v2(&self, name: &str) -> Result<(), Error> {
        let request = switch(Verb::Stop, name, route::SANDBOX_STOP)?;
        self.link().switch(&request, |status| *status == SandboxStatus::Stopped).await
    }

    /// Deletes a sandbox of the second generation (`DELETE /boxes/{name}`).
    ///
    /// # Errors
    ///
    /// Those of [`Client::delete_sandbox`], which does the same: the generations share their sandboxes' names.
    pub async fn delete_sandbox_v2(&self, name: &str) -> Result<(), Error> {
        self.delete_sandbox(name).await
    }
}

impl Reader {
    /// Returns all sandboxes of the second generation, see [`Client::list_sandboxes_v2`].
    pub async fn list_sandboxes_v2(&self) -> Result<Vec<wire::SandboxV2>, Error> {
        self.search_sandboxes_v2(&ListFilter::default()).await
    }

    /// Returns the sandboxes of the second generation that pass a filter (`GET /boxes`, every page).
    pub async fn search_sandboxes_v2(&self, filter: &ListFilter) -> Result<Vec<wire::SandboxV2>, Error> {
        let mut sandboxes: Vec<wire::SandboxV2> = self.link().search(&filter.to_query()).await?;
        sandboxes.retain(|sandbox| !has_template(sandbox));
        Ok(sandboxes)
    }

    /// Returns a sandbox of the second generation (`GET /boxes/{name}`).
    ///
    /// # Errors
    ///
    /// Those of [`Client::get_sandbox_v2`], and [`Kind::NotFound`] if the one of this name is of the first generation.
    pub async fn get_sandbox_v2(&self, name: &str) -> Result<wire::SandboxV2, Error> {
        let sandbox = self.link().get(name).await?;
        if has_template(&sandbox) { Err(Error::of_other_generation::<wire::SandboxV2>(name)) } else { Ok(sandbox) }
    }
}

fn switch(verb: Verb, name: &str, route: &str) -> Result<Request, Error> {
    let mut operation = Operation::on::<wire::SandboxV2>(verb, name);
    operation.generation = Some(Generation::Second);
    Ok(Request::on_item(operation, Method::POST, route)?.json(&NoFields {}))
}

/// A sandbox made from a template is one of the first generation.
fn has_template(sandbox: &wire::SandboxV2) -> bool {
    sandbox.extra.get("template_name").and_then(|name| name.as_str()).is_some_and(|name| !name.is_empty())
}

/// What was not asked for can be anything. The snapshot is given back as its id, which tells of a reference nothing.
fn is_asked(found: &wire::SandboxV2, asked: &CreateSandboxV2) -> bool {
    fn agree<T: PartialEq>(found: Option<&T>, asked: Option<&T>) -> bool {
        asked.is_none_or(|asked| found == Some(asked))
    }
    agree(found.vcpus.as_ref(), asked.vcpus.as_ref())
        && agree(found.cpu_millicores.as_ref(), asked.cpu_millicores.as_ref())
        && agree(found.mem_bytes.as_ref(), asked.mem_bytes.as_ref())
        && agree(found.fs_capacity_bytes.as_ref(), asked.fs_capacity_bytes.as_ref())
        && agree(found.idle_ttl_seconds.as_ref(), asked.idle_ttl_seconds.as_ref())
        && agree(found.delete_after_stop_seconds.as_ref(), asked.delete_after_stop_seconds.as_ref())
        && has_labels(&found.labels, &asked.labels)
        && !has_template(found)
}

object!(wire::SandboxV2, Sandbox, SandboxV2List, sandboxes, route::SANDBOXES, route::SANDBOX, rules,
    cursor in next_cursor);

fn rules(operation: &Operation, status: u16, detail: &Detail) -> Option<Mapped> {
    let mapped = match (operation.verb, status) {
        (Verb::Create, 400 | 404) if detail.misses("snapshot") => Mapped::new(Kind::NotFound).about(Resource::Snapshot),
        (Verb::Create, 400) if detail.is("SnapshotNotReady") => Mapped::new(Kind::NotReady).about(Resource::Snapshot),
        // The official SDK has no meaning for it, but the API's reference has this one.
        (Verb::Create, 504) => Mapped::new(Kind::Timeout).about(Resource::Sandbox),
        (Verb::Create, 422) if detail.field().is_some_and(|field| field == "template_name") => {
            Mapped::new(Kind::WrongGeneration).about(Resource::Sandbox).saying(
                "this server makes sandboxes from templates: it does not speak the API's second generation".to_owned(),
            )
        }
        _ => return sandboxes::rules(operation, status, detail),
    };
    Some(mapped)
}

/// The rules of an update that changes the proxy: older servers do so only while the sandbox runs.
fn rules_of_proxy(operation: &Operation, status: u16, detail: &Detail) -> Option<Mapped> {
    if status == 400 && detail.is("InvalidRequest") {
        return Some(Mapped::new(Kind::NotReady).about(Resource::Sandbox));
    }
    rules(operation, status, detail)
}
