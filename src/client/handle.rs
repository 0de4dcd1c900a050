//! A sandbox as something to work with.

use std::fmt;
use std::ops::Deref;

use super::connect::Client;
use super::error::Error;
use super::generation::Generation;
use super::sandboxes::UpdateSandboxOptions;
use super::sandboxes_v2::UpdateSandboxV2Options;
use super::service::{ServiceOptions, ServiceUrl};
use super::wait::WaitOptions;
use crate::wire::{self, SandboxStatus};

/// A sandbox as it was last seen, with the client to work on it.
///
/// It derefs to the [`wire::Sandbox`] that the server described, or to the [`wire::SandboxV2`] of the second
/// generation: see [`SandboxV2`]. `refresh` reads it again. Dropping it does nothing to the sandbox.
#[derive(Debug, Clone)]
pub struct Sandbox<O = wire::Sandbox> {
    client: Client,
    object: O,
}

/// A sandbox of the second generation. All that goes on inside a sandbox is the same in both; this one can be worked in
/// whatever its status, since whatever is asked of a stopped one starts it.
pub type SandboxV2 = Sandbox<wire::SandboxV2>;

/// A sandbox of either generation as the server describes it.
pub trait SandboxObject: sealed::Sealed + fmt::Debug + Clone + Send + Sync + 'static {
    /// The generation.
    const GENERATION: Generation;

    /// Returns the display name.
    fn display_name(&self) -> &str;

    /// Returns where its data plane is.
    fn data_plane(&self) -> Option<&str>;

    /// Returns the status that keeps it from being worked in, as far as is known here, with what the server says of it.
    fn obstacle(&self) -> Option<(&SandboxStatus, Option<&str>)>;
}

mod sealed {
    pub trait Sealed {}

    impl Sealed for crate::wire::Sandbox {}
    impl Sealed for crate::wire::SandboxV2 {}
}

impl SandboxObject for wire::Sandbox {
    const GENERATION: Generation = Generation::First;

    fn display_name(&self) -> &str {
        &self.name
    }

    fn data_plane(&self) -> Option<&str> {
        self.dataplane_url.as_deref()
    }

    fn obstacle(&self) -> Option<(&SandboxStatus, Option<&str>)> {
        (self.status != SandboxStatus::Ready).then_some((&self.status, self.status_message.as_deref()))
    }
}

impl SandboxObject for wire::SandboxV2 {
    const GENERATION: Generation = Generation::Second;

    fn display_name(&self) -> &str {
        &self.name
    }

    fn data_plane(&self) -> Option<&str> {
        self.dataplane_url.as_deref()
    }

    /// A stopped sandbox wakes up, and of the others the server knows more than was last seen here.
    fn obstacle(&self) -> Option<(&SandboxStatus, Option<&str>)> {
        None
    }
}

impl<O: SandboxObject> Sandbox<O> {
    pub(super) fn new(client: &Client, object: O) -> Self {
        Self { client: client.without_deadline(), object }
    }

    /// Returns the client that it came from, in the scope that it came through but for a deadline.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Deletes the sandbox (`DELETE /boxes/{name}`).
    ///
    /// # Errors
    ///
    /// Those of [`Client::delete_sandbox`].
    pub async fn delete(&self) -> Result<(), Error> {
        self.client.delete_sandbox(self.object.display_name()).await
    }

    /// Returns a URL for a port of the sandbox (`POST /boxes/{name}/service-url`).
    ///
    /// # Errors
    ///
    /// Those of [`Client::service`].
    pub async fn service(&self, port: u16, options: ServiceOptions) -> Result<ServiceUrl, Error> {
        self.client.service(self.object.display_name(), port, options).await
    }

    /// Returns the description alone.
    pub fn into_wire(self) -> O {
        self.object
    }
}

impl Sandbox {
    /// Reads the sandbox again (`GET /boxes/{name}`).
    ///
    /// # Errors
    ///
    /// Those of [`Client::get_sandbox`]; the description is kept then.
    pub async fn refresh(&mut self) -> Result<(), Error> {
        self.object = self.client.get_sandbox(&self.object.name).await?.object;
        Ok(())
    }

    /// Changes the sandbox, and what is known of it here (`PATCH /boxes/{name}`).
    ///
    /// # Errors
    ///
    /// Those of [`Client::update_sandbox`]; the description is kept then.
    pub async fn update(&mut self, options: UpdateSandboxOptions) -> Result<(), Error> {
        self.object = self.client.update_sandbox(&self.object.name, options).await?.object;
        Ok(())
    }
}

impl SandboxV2 {
    /// Reads the sandbox again (`GET /boxes/{name}`).
    ///
    /// # Errors
    ///
    /// Those of [`Client::get_sandbox_v2`]; the description is kept then.
    pub async fn refresh(&mut self) -> Result<(), Error> {
        self.object = self.client.get_sandbox_v2(&self.object.name).await?.object;
        Ok(())
    }

    /// Changes the sandbox, and what is known of it here (`PATCH /boxes/{name}`).
    ///
    /// # Errors
    ///
    /// Those of [`Client::update_sandbox_v2`]; the description is kept then.
    pub async fn update(&mut self, options: UpdateSandboxV2Options) -> Result<(), Error> {
        self.object = self.client.update_sandbox_v2(&self.object.name, options).await?.object;
        Ok(())
    }

    /// Starts the sandbox, and waits until it is ready (`POST /boxes/{name}/start`).
    ///
    /// # Errors
    ///
    /// Those of [`Client::start_sandbox_v2`]; the description is kept then.
    pub async fn resume(&mut self, options: WaitOptions) -> Result<(), Error> {
        self.object = self.client.start_sandbox_v2(&self.object.name, options).await?.object;
        Ok(())
    }

    /// Stops the sandbox (`POST /boxes/{name}/stop`). What is known of it here stays as it is.
    ///
    /// # Errors
    ///
    /// Those of [`Client::stop_sandbox_v2`].
    pub async fn stop(&self) -> Result<(), Error> {
        self.client.stop_sandbox_v2(&self.object.name).await
    }
}

impl<O> Deref for Sandbox<O> {
    type Target = O;

    fn deref(&self) -> &O {
        &self.object
    }
}
