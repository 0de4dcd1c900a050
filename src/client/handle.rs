//! A sandbox as something to work with.

use std::ops::Deref;

use super::connect::Client;
use super::error::Error;
use super::sandboxes::UpdateSandboxOptions;
use super::service::{ServiceOptions, ServiceUrl};
use crate::wire;

/// A sandbox as it was last seen, with the client to work on it.
///
/// It derefs to the [`wire::Sandbox`] that the server described; [`Sandbox::refresh`] reads it again. Dropping it does
/// nothing to the sandbox.
#[derive(Debug, Clone)]
pub struct Sandbox {
    client: Client,
    object: wire::Sandbox,
}

impl Sandbox {
    pub(super) fn new(client: &Client, object: wire::Sandbox) -> Self {
        Self { client: client.without_deadline(), object }
    }

    /// Returns the client that it came from, in the scope that it came through but for a deadline.
    pub fn client(&self) -> &Client {
        &self.client
    }

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

    /// Deletes the sandbox (`DELETE /boxes/{name}`).
    ///
    /// # Errors
    ///
    /// Those of [`Client::delete_sandbox`].
    pub async fn delete(&self) -> Result<(), Error> {
        self.client.delete_sandbox(&self.object.name).await
    }

    /// Returns a URL for a port of the sandbox (`POST /boxes/{name}/service-url`).
    ///
    /// # Errors
    ///
    /// Those of [`Client::service`].
    pub async fn service(&self, port: u16, options: ServiceOptions) -> Result<ServiceUrl, Error> {
        self.client.service(&self.object.name, port, options).await
    }

    /// Returns the description alone.
    pub fn into_wire(self) -> wire::Sandbox {
        self.object
    }
}

impl Deref for Sandbox {
    type Target = wire::Sandbox;

    fn deref(&self) -> &wire::Sandbox {
        &self.object
    }
}
