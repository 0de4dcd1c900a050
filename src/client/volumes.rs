//! Volumes (contract section 2.3).

use std::time::Duration;

use super::connect::{Client, WAIT_MARGIN, whole_seconds};
use super::error::{Detail, Error, Kind, Mapped, Resource};
use super::object::object;
use super::request::{Operation, Request, Verb};
use crate::types::{ByteSize, Name};
use crate::wire::{CreateVolume, UpdateVolume, Volume, VolumeList, route};

/// How [`Client::create_volume`] creates.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CreateVolumeOptions {
    /// How long the server waits for the storage: 60 s by default, 5 s to 300 s as the server has it, sent in seconds.
    pub timeout: Duration,
    /// The storage class; the server's own choice by default.
    pub storage_class: Option<String>,
}

impl Default for CreateVolumeOptions {
    fn default() -> Self {
        Self { timeout: Duration::from_mins(1), storage_class: None }
    }
}

impl CreateVolumeOptions {
    /// Sets how long the server waits for the storage.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets the storage class.
    #[must_use]
    pub fn storage_class(mut self, class: impl Into<String>) -> Self {
        self.storage_class = Some(class.into());
        self
    }
}

/// What [`Client::update_volume`] changes.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct UpdateVolumeOptions {
    /// The new name, if it changes.
    pub new_name: Option<Name>,
    /// The new size, if it changes. A volume only grows.
    pub size: Option<ByteSize>,
}

impl UpdateVolumeOptions {
    /// Renames the volume.
    #[must_use]
    pub fn new_name(mut self, name: Name) -> Self {
        self.new_name = Some(name);
        self
    }

    /// Grows the volume.
    #[must_use]
    pub fn size(mut self, size: ByteSize) -> Self {
        self.size = Some(size);
        self
    }
}

impl Client {
    /// Creates a volume and waits until its storage is there (`POST /volumes`).
    ///
    /// # Errors
    ///
    /// * [`Kind::AlreadyExists`]: there is a volume of this name, and this call did not create it.
    /// * [`Kind::Creation`] and [`Kind::Timeout`]: the storage could not be provided, or not in time.
    /// * [`Kind::QuotaExceeded`]: too many volumes, or too much storage.
    pub async fn create_volume(
        &self,
        name: &Name,
        size: &ByteSize,
        options: CreateVolumeOptions,
    ) -> Result<Volume, Error> {
        let body = CreateVolume {
            name: name.to_string(),
            size: size.to_string(),
            wait_for_ready: true,
            timeout: Some(whole_seconds(options.timeout)),
            storage_class: options.storage_class,
        };
        let request = Request::create::<Volume>(name, &body).timeout(options.timeout.saturating_add(WAIT_MARGIN));
        let created = self.link().create(&request, |found: &Volume| is_asked(found, size, &body)).await?;
        Ok(created.into_object())
    }

    /// Grows or renames a volume (`PATCH /volumes/{name}`). With no option set it is only read.
    ///
    /// # Errors
    ///
    /// * [`Kind::NotFound`]: there is no such volume.
    /// * [`Kind::NameConflict`]: the new name is taken.
    /// * [`Kind::Validation`] of type `VolumeResize`: the volume would shrink.
    pub async fn update_volume(&self, name: &str, options: UpdateVolumeOptions) -> Result<Volume, Error> {
        let UpdateVolumeOptions { new_name, size } = options;
        if new_name.is_none() && size.is_none() {
            return self.get_volume(name).await;
        }
        let body =
            UpdateVolume { name: new_name.as_ref().map(ToString::to_string), size: size.map(|size| size.to_string()) };
        self.link().update(&Request::update::<Volume>(name, new_name.as_ref(), &body)?).await
    }

    /// Deletes a volume with its data (`DELETE /volumes/{name}`).
    ///
    /// # Errors
    ///
    /// * [`Kind::NotFound`]: there is no such volume.
    /// * [`Kind::InUse`]: templates mount it; the message names them.
    pub async fn delete_volume(&self, name: &str) -> Result<(), Error> {
        self.link().delete::<Volume>(name).await
    }
}

/// Sizes are compared by value: a server may write `10Gi` as `10.00Gi` (contract G31).
fn is_asked(found: &Volume, size: &ByteSize, body: &CreateVolume) -> bool {
    found.size.parse().is_ok_and(|found: ByteSize| found == *size)
        && body.storage_class.as_ref().is_none_or(|class| *class == found.storage_class)
}

object!(Volume, Volume, VolumeList, volumes, route::VOLUMES, route::VOLUME, rules);

fn rules(operation: &Operation, status: u16, _: &Detail) -> Option<Mapped> {
    let mapped = match (operation.verb, status) {
        (Verb::Create, 503) => Mapped::new(Kind::Creation).typed("VolumeProvisioning"),
        (Verb::Create, 504) => Mapped::new(Kind::Timeout),
        (Verb::Update, 400) => Mapped::new(Kind::Validation).typed("VolumeResize"),
        (Verb::Delete, 409) => Mapped::new(Kind::InUse),
        _ => return None,
    };
    Some(mapped.about(Resource::Volume))
}
