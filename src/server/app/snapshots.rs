//! Snapshots: built from images, captured from sandboxes, reached by tags that move.

use std::sync::Arc;

use uuid::Uuid;

use super::capture::{self, NewCapture};
use super::{App, Error, Kind, Tx, Users};
use crate::server::runtime::SnapshotFiles;
use crate::server::store::settings::{RunConfig, SnapshotSettings};
use crate::server::store::snapshots::{self, Snapshot, Source, Status};
use crate::server::store::{ListOptions, Page, registries, sandboxes};
use crate::types::{Labels, RegistryId, SnapshotId};

/// A snapshot to build from an image.
#[derive(Debug)]
pub(crate) struct NewSnapshot {
    pub(crate) place: Place,
    pub(crate) image: String,
    pub(crate) registry: Option<RegistryId>,
    pub(crate) capacity_bytes: u64,
    pub(crate) labels: Labels,
    pub(crate) description: Option<String>,
    pub(crate) run_config: RunConfig,
    /// Whether a fault rule keeps it from being built.
    pub(crate) held: bool,
    /// Why a fault rule lets it fail to be built.
    pub(crate) failing: Option<Arc<str>>,
}

/// Where a snapshot is published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) name: String,
    pub(crate) tag: String,
}

/// The tag of those who name none.
pub(crate) const LATEST: &str = "latest";

/// The names that only the server itself publishes under (contract section 2.2 of the second generation).
const SYSTEM: &str = "system/";

/// What a sandbox is made from whose creator says nothing (contract S7).
const DEFAULT_NAME: &str = "system/default";
const DEFAULT_ID: &str = "00000000-0000-4000-8000-000000000001";
const DEFAULT_CAPACITY: u64 = 4 << 30;

impl App {
    /// Publishes the snapshots of the server's own, which are there before anything else.
    pub(super) async fn publish_system_snapshots(&self) -> Result<(), Error> {
        self.transact(|tx| {
            if snapshots::by_id(tx, DEFAULT_ID)?.is_some() {
                return Ok(());
            }
            let snapshot = Snapshot {
                id: SnapshotId::new(DEFAULT_ID),
                name: DEFAULT_NAME.to_owned(),
                tags: Vec::new(),
                status: Status::Ready,
                status_message: None,
                source: Source::Image { reference: "host".to_owned(), registry: None },
                is_system: true,
                capacity_bytes: DEFAULT_CAPACITY,
                used_bytes: None,
                image_digest: None,
                files: Some(SnapshotFiles { on_host: true, layers: Vec::new() }),
                labels: Labels::new(),
                settings: SnapshotSettings::default(),
                held: false,
                created_at: tx.now(),
                updated_at: tx.now(),
            };
            snapshots::insert(tx, &snapshot)?;
            Ok(snapshots::move_tag(tx, DEFAULT_NAME, LATEST, &snapshot.id)?)
        })
        .await
    }

    /// Begins to build a snapshot, and moves its tag there.
    ///
    /// The tag moves now, and stays there if the build fails. The contract has publishing move it (section 2.2 of the second
    /// generation), and whoever waits by the tag is to see this build and why it failed, rather than the one before as ready.
    /// Who needs that one has its id.
    pub(crate) async fn create_snapshot(&self, new: NewSnapshot) -> Result<Snapshot, Error> {
        self.transact(move |tx| {
            if let Some(id) = &new.registry
                && registries::by_id(tx, id)?.is_none()
            {
                return Err(Error::UnknownReference { kind: Kind::Registry, name: id.to_string() });
            }
            let settings = SnapshotSettings {
                description: new.description,
                run_config: new.run_config,
                ..SnapshotSettings::default()
            };
            let source = Source::Image { reference: new.image, registry: new.registry };
            let mut snapshot = publish(tx, &new.place, source, new.capacity_bytes, new.labels, settings, new.held)?;
            if let Some(reason) = new.failing {
                snapshot.status = Status::Failed;
                snapshot.status_message = Some(reason.to_string());
                snapshots::update(tx, &snapshot)?;
            }
            Ok(snapshot)
        })
        .await
    }

    /// Begins to keep what a sandbox has on its disk as a snapshot, and moves its tag there.
    pub(crate) async fn capture_snapshot(&self, sandbox: String, new: NewCapture) -> Result<Snapshot, Error> {
        self.transact(move |tx| {
            let sandbox = super::sandboxes::find(tx, &sandbox)?;
            let captured = capture::of(&sandbox, new)?;
            let source = Source::Sandbox { id: sandbox.id };
            let capture::Captured { place, capacity_bytes, labels, settings, held } = captured;
            publish(tx, &place, source, capacity_bytes, labels, settings, held)
        })
        .await
    }

    /// Returns a snapshot by its id, its name and tag, or its name alone.
    pub(crate) async fn snapshot(&self, reference: String) -> Result<Snapshot, Error> {
        self.transact(move |tx| find(tx, &reference)).await
    }

    /// Returns a page of the snapshots, those of the server itself included.
    pub(crate) async fn snapshots(&self, options: ListOptions) -> Result<Page<Snapshot>, Error> {
        self.transact(move |tx| Ok(snapshots::list(tx, &options)?)).await
    }

    /// Returns the tags of a name, and where they lead.
    pub(crate) async fn snapshot_tags(&self, name: String) -> Result<Vec<(String, SnapshotId)>, Error> {
        self.transact(move |tx| snapshots::tags_of_name(tx, &name)?.ok_or_else(|| not_found(&name))).await
    }

    /// Deletes a snapshot that no sandbox is made from, with all its tags (contract S1, S3).
    pub(crate) async fn delete_snapshot(&self, reference: String) -> Result<(), Error> {
        self.transact(move |tx| {
            let snapshot = find(tx, &reference)?;
            if snapshot.is_system {
                return Err(Error::Forbidden(format!("Snapshot '{reference}' is published by the server itself.")));
            }
            let users = Users { sandboxes: sandboxes::of_snapshot(tx, &snapshot.id)?, ..Users::default() };
            if !users.is_empty() {
                return Err(Error::InUse { kind: Kind::Snapshot, name: reference, users });
            }
            tx.sets_off_work();
            Ok(snapshots::delete(tx, &snapshot.id)?)
        })
        .await
    }
}

fn publish(
    tx: &Tx<'_>,
    place: &Place,
    source: Source,
    capacity_bytes: u64,
    labels: Labels,
    settings: SnapshotSettings,
    held: bool,
) -> Result<Snapshot, Error> {
    if place.name.starts_with(SYSTEM) {
        return Err(Error::Forbidden(format!("Names that begin with '{SYSTEM}' are the server's own.")));
    }
    let id = SnapshotId::new(Uuid::new_v4().to_string());
    let snapshot = Snapshot {
        id: id.clone(),
        name: place.name.clone(),
        tags: vec![place.tag.clone()],
        status: Status::Building,
        status_message: None,
        source,
        is_system: false,
        capacity_bytes,
        used_bytes: None,
        image_digest: None,
        files: None,
        labels,
        settings,
        held,
        created_at: tx.now(),
        updated_at: tx.now(),
    };
    snapshots::insert(tx, &snapshot)?;
    snapshots::move_tag(tx, &place.name, &place.tag, &id)?;
    tx.sets_off_work();
    Ok(snapshot)
}

fn not_found(reference: &str) -> Error {
    Error::NotFound { kind: Kind::Snapshot, name: reference.to_owned() }
}

fn find(tx: &Tx<'_>, reference: &str) -> Result<Snapshot, Error> {
    resolve(tx, reference)?.ok_or_else(|| not_found(reference))
}

/// Finds what a reference means: an id, a name and a tag, or a name alone, which is that of `latest` or else of the
/// newest one that has no tag (contract section 2.1 of the second generation).
fn resolve(tx: &Tx<'_>, reference: &str) -> Result<Option<Snapshot>, Error> {
    if let Some((name, tag)) = reference.rsplit_once(':') {
        return Ok(snapshots::by_tag(tx, name, tag)?);
    }
    if let Some(snapshot) = snapshots::by_id(tx, reference)? {
        return Ok(Some(snapshot));
    }
    if let Some(snapshot) = snapshots::by_tag(tx, reference, LATEST)? {
        return Ok(Some(snapshot));
    }
    Ok(snapshots::newest_untagged(tx, reference)?)
}

/// Finds the snapshot that a sandbox is to be made from: that of the reference, or the server's default.
pub(super) fn to_start_from(tx: &Tx<'_>, reference: Option<&str>) -> Result<Snapshot, Error> {
    let reference = reference.unwrap_or(DEFAULT_NAME);
    let unknown = || Error::UnknownReference { kind: Kind::Snapshot, name: reference.to_owned() };
    let snapshot = resolve(tx, reference)?.ok_or_else(unknown)?;
    match snapshot.status {
        Status::Ready => Ok(snapshot),
        status => Err(Error::SnapshotNotReady { name: reference.to_owned(), status: status.as_str() }),
    }
}
