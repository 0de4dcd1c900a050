//! Volumes.

use std::time::Duration;

use uuid::Uuid;

use super::quota::{self, Demand};
use super::{App, Error, Kind, Tx, Users};
use crate::server::store::volumes::{self, Volume};
use crate::server::store::{ListOptions, Page, sandboxes, templates};
use crate::types::{ByteSize, Name, VolumeId};

/// A volume to create.
#[derive(Debug)]
pub(crate) struct NewVolume {
    pub(crate) name: Name,
    pub(crate) size: ByteSize,
    /// Whether to answer only when the storage is bound.
    pub(crate) wait: bool,
    pub(crate) timeout: Duration,
    /// Whether a fault rule keeps the storage from being bound.
    pub(crate) held: bool,
}

/// What to change of a volume.
#[derive(Debug, Default)]
pub(crate) struct VolumeChange {
    pub(crate) name: Option<Name>,
    pub(crate) size: Option<ByteSize>,
}

/// The only storage class that the API takes, and what a volume without one gets (contract G34).
pub(crate) const STORAGE_CLASS: &str = "standard";

impl App {
    /// Creates a volume.
    ///
    /// Storage is a folder that is made when a sandbox first mounts it, so that it is bound at once, unless a fault
    /// rule holds it: then the wait runs out and the volume is taken back (contract G11).
    pub(crate) async fn create_volume(&self, new: NewVolume) -> Result<Volume, Error> {
        let app = self.clone();
        self.owned(async move {
            let NewVolume { name, size, wait, timeout, held } = new;
            let volume = app.transact(move |tx| insert(tx, name, size)).await?;
            if !(held && wait) {
                return Ok(volume);
            }
            tokio::time::sleep(timeout).await;
            let (id, name) = (volume.id, volume.name);
            app.transact(move |tx| delete(tx, &id)).await?;
            Err(Error::NotReadyInTime { kind: Kind::Volume, name, seconds: timeout.as_secs() })
        })
        .await
    }

    /// Returns a volume by name or id.
    pub(crate) async fn volume(&self, name: String) -> Result<Volume, Error> {
        self.transact(move |tx| find(tx, &name)).await
    }

    /// Returns a page of the volumes.
    pub(crate) async fn volumes(&self, options: ListOptions) -> Result<Page<Volume>, Error> {
        self.transact(move |tx| Ok(volumes::list(tx, &options)?)).await
    }

    /// Renames or grows a volume.
    pub(crate) async fn update_volume(&self, name: String, change: VolumeChange) -> Result<Volume, Error> {
        self.transact(move |tx| update(tx, &name, change)).await
    }

    /// Deletes a volume that no template mounts (contract G25).
    pub(crate) async fn delete_volume(&self, name: String) -> Result<(), Error> {
        self.transact(move |tx| {
            let volume = find(tx, &name)?;
            let users = Users {
                templates: templates::mounting(tx, &volume.id)?,
                sandboxes: sandboxes::attaching(tx, &volume.id)?,
                ..Users::default()
            };
            if !users.is_empty() {
                return Err(Error::InUse { kind: Kind::Volume, name: volume.name.into(), users });
            }
            delete(tx, &volume.id)
        })
        .await
    }
}

fn find(tx: &Tx<'_>, name: &str) -> Result<Volume, Error> {
    volumes::find(tx, name)?.ok_or_else(|| Error::NotFound { kind: Kind::Volume, name: name.to_owned() })
}

/// Deletes a volume; what is in it is cleared away in the background.
fn delete(tx: &Tx<'_>, id: &VolumeId) -> Result<(), Error> {
    tx.sets_off_work();
    Ok(volumes::delete(tx, id)?)
}

fn insert(tx: &Tx<'_>, name: Name, size: ByteSize) -> Result<Volume, Error> {
    quota::check_volume_size(tx, &size)?;
    if volumes::exists(tx, &name)? {
        return Err(Error::AlreadyExists { kind: Kind::Volume, name });
    }
    quota::check(tx, &Demand { volumes: 1, storage: size.bytes(), ..Demand::default() })?;
    let volume = Volume {
        id: VolumeId::new(Uuid::new_v4().to_string()),
        name,
        size,
        storage_class: STORAGE_CLASS.to_owned(),
        created_at: tx.now(),
        updated_at: tx.now(),
    };
    volumes::insert(tx, &volume)?;
    Ok(volume)
}

fn update(tx: &Tx<'_>, name: &str, change: VolumeChange) -> Result<Volume, Error> {
    let mut volume = find(tx, name)?;
    let old = volume.clone();
    if let Some(size) = change.size {
        quota::check_volume_size(tx, &size)?;
        if size < volume.size {
            return Err(Error::Shrink { name: volume.name, current: volume.size, requested: size });
        }
        let growth = size.bytes() - volume.size.bytes();
        quota::check(tx, &Demand { storage: growth, ..Demand::default() })?;
        volume.size = size;
    }
    if let Some(name) = change.name {
        if name != volume.name && volumes::exists(tx, &name)? {
            return Err(Error::NameTaken { kind: Kind::Volume, name });
        }
        volume.name = name;
    }
    if volume.name != old.name || volume.size.as_str() != old.size.as_str() {
        volume.updated_at = tx.now();
        volumes::update(tx, &volume)?;
    }
    Ok(volume)
}
