//! Snapshots and their tags.

use std::str::FromStr;

use rusqlite::{Connection, Row, params};

use super::settings::SnapshotSettings;
use super::value::{json, json_option, parsed, to_json};
use super::{Error, ListOptions, Page, page};
use crate::server::runtime::SnapshotFiles;
use crate::types::{Labels, RegistryId, SandboxId, SnapshotId, Timestamp};

/// A snapshot.
#[derive(Debug, Clone)]
pub(crate) struct Snapshot {
    pub(crate) id: SnapshotId,
    pub(crate) name: String,
    /// The tags of its name that lead to it, in order.
    pub(crate) tags: Vec<String>,
    pub(crate) status: Status,
    pub(crate) status_message: Option<String>,
    pub(crate) source: Source,
    /// Whether the server itself publishes it.
    pub(crate) is_system: bool,
    pub(crate) capacity_bytes: u64,
    pub(crate) used_bytes: Option<u64>,
    pub(crate) image_digest: Option<String>,
    pub(crate) files: Option<SnapshotFiles>,
    pub(crate) labels: Labels,
    pub(crate) settings: SnapshotSettings,
    /// A fault rule keeps it from being built.
    pub(crate) held: bool,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

/// What a snapshot is built from.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Source {
    Image { reference: String, registry: Option<RegistryId> },
    Sandbox { id: SandboxId },
}

/// How far a snapshot is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    Building,
    Ready,
    Failed,
}

impl Status {
    /// Returns the status as the wire and the store spell it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Building => "building",
            Self::Ready => "ready",
            Self::Failed => "failed",
        }
    }
}

/// A text that is no status.
pub(crate) struct UnknownStatus;

impl FromStr for Status {
    type Err = UnknownStatus;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "building" => Ok(Self::Building),
            "ready" => Ok(Self::Ready),
            "failed" => Ok(Self::Failed),
            _ => Err(UnknownStatus),
        }
    }
}

const SELECT: &str = "SELECT id, name, status, status_message, docker_image, registry_id, source_sandbox_id, is_system,
    fs_capacity_bytes, fs_used_bytes, image_digest, files, labels, settings, held, created_at, updated_at
    FROM snapshots";

/// Adds a snapshot, without its tags.
pub(crate) fn insert(connection: &Connection, snapshot: &Snapshot) -> Result<(), Error> {
    let (image, registry, sandbox) = match &snapshot.source {
        Source::Image { reference, registry } => (Some(reference), registry.as_ref(), None),
        Source::Sandbox { id } => (None, None, Some(id)),
    };
    connection
        .prepare_cached("INSERT INTO snapshots VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")?
        .execute(params![
            snapshot.id,
            snapshot.name,
            snapshot.status.as_str(),
            snapshot.status_message,
            image,
            registry,
            sandbox,
            snapshot.is_system,
            signed(snapshot.capacity_bytes),
            snapshot.used_bytes.map(signed),
            snapshot.image_digest,
            snapshot.files.as_ref().map(to_json),
            to_json(&snapshot.labels),
            to_json(&snapshot.settings),
            snapshot.held,
            snapshot.created_at,
            snapshot.updated_at,
        ])?;
    Ok(())
}

/// Writes what a build changes.
pub(crate) fn update(connection: &Connection, snapshot: &Snapshot) -> Result<(), Error> {
    connection
        .prepare_cached(
            "UPDATE snapshots SET status = ?, status_message = ?, fs_used_bytes = ?, image_digest = ?, files = ?,
             labels = ?, settings = ?, updated_at = ? WHERE id = ?",
        )?
        .execute(params![
            snapshot.status.as_str(),
            snapshot.status_message,
            snapshot.used_bytes.map(signed),
            snapshot.image_digest,
            snapshot.files.as_ref().map(to_json),
            to_json(&snapshot.labels),
            to_json(&snapshot.settings),
            snapshot.updated_at,
            snapshot.id,
        ])?;
    Ok(())
}

/// Finds a snapshot by its id.
pub(crate) fn by_id(connection: &Connection, id: &str) -> Result<Option<Snapshot>, Error> {
    one(connection, &format!("{SELECT} WHERE id = ?1"), &[id])
}

/// Finds the snapshot that a tag leads to.
pub(crate) fn by_tag(connection: &Connection, name: &str, tag: &str) -> Result<Option<Snapshot>, Error> {
    let sql = format!("{SELECT} WHERE id = (SELECT snapshot_id FROM snapshot_tags WHERE name = ?1 AND tag = ?2)");
    one(connection, &sql, &[name, tag])
}

/// Finds the newest snapshot of a name that is ready and that no tag leads to.
pub(crate) fn newest_untagged(connection: &Connection, name: &str) -> Result<Option<Snapshot>, Error> {
    let sql = format!(
        "{SELECT} WHERE name = ?1 AND status = 'ready'
         AND NOT EXISTS (SELECT 1 FROM snapshot_tags WHERE snapshot_id = snapshots.id)
         ORDER BY created_at DESC, id LIMIT 1"
    );
    one(connection, &sql, &[name])
}

/// Lets a tag lead to a snapshot from now on, wherever it led before.
pub(crate) fn move_tag(connection: &Connection, name: &str, tag: &str, to: &SnapshotId) -> Result<(), Error> {
    connection
        .prepare_cached("INSERT OR REPLACE INTO snapshot_tags (name, tag, snapshot_id) VALUES (?, ?, ?)")?
        .execute(params![name, tag, to])?;
    Ok(())
}

/// Returns the tags of a name and where they lead, in order; `None` when nothing was ever published under it.
pub(crate) fn tags_of_name(connection: &Connection, name: &str) -> Result<Option<Vec<(String, SnapshotId)>>, Error> {
    if !connection.prepare_cached("SELECT 1 FROM snapshot_names WHERE name = ?")?.exists([name])? {
        return Ok(None);
    }
    let mut statement =
        connection.prepare_cached("SELECT tag, snapshot_id FROM snapshot_tags WHERE name = ? ORDER BY tag")?;
    let tags = statement.query_map([name], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
    Ok(Some(tags))
}

/// Removes a snapshot with its tags; its files are then left for the runtime to look at.
pub(crate) fn delete(connection: &Connection, id: &SnapshotId) -> Result<(), Error> {
    connection.prepare_cached("DELETE FROM snapshots WHERE id = ?")?.execute([id])?;
    Ok(())
}

/// Reads a page.
pub(crate) fn list(connection: &Connection, options: &ListOptions) -> Result<Page<Snapshot>, Error> {
    page::read(connection, SELECT, "snapshots", "1", options, |row| decode(connection, row))
}

/// Returns the snapshots that wait to be built, oldest first.
pub(crate) fn to_build(connection: &Connection) -> Result<Vec<SnapshotId>, Error> {
    let mut statement = connection
        .prepare_cached("SELECT id FROM snapshots WHERE status = 'building' AND held = 0 ORDER BY created_at")?;
    let ids = statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    Ok(ids)
}

/// Leaves files for the runtime to look at that no snapshot needs.
pub(crate) fn leave(connection: &Connection, files: &SnapshotFiles) -> Result<(), Error> {
    connection.prepare_cached("INSERT INTO snapshot_remains (files) VALUES (?)")?.execute([to_json(files)])?;
    Ok(())
}

/// Returns one entry of what was left, if there is any.
pub(crate) fn left(connection: &Connection) -> Result<Option<(i64, SnapshotFiles)>, Error> {
    let mut statement = connection.prepare_cached("SELECT rowid, files FROM snapshot_remains LIMIT 1")?;
    let mut rows = statement.query([])?;
    rows.next()?.map(|row| Ok((row.get("rowid")?, json(row, "files")?))).transpose()
}

/// Records that an entry of what was left is seen to.
pub(crate) fn cleared(connection: &Connection, entry: i64) -> Result<(), Error> {
    connection.prepare_cached("DELETE FROM snapshot_remains WHERE rowid = ?")?.execute([entry])?;
    Ok(())
}

/// Returns the files that snapshots need.
pub(crate) fn used_files(connection: &Connection) -> Result<Vec<SnapshotFiles>, Error> {
    let mut statement = connection.prepare_cached("SELECT files FROM snapshots WHERE files IS NOT NULL")?;
    let mut rows = statement.query([])?;
    let mut used = Vec::new();
    while let Some(row) = rows.next()? {
        used.push(json(row, "files")?);
    }
    Ok(used)
}

/// Removes all snapshots but the server's own, and every memory of their names.
pub(crate) fn clear(connection: &Connection) -> Result<(), Error> {
    connection.execute("DELETE FROM snapshots WHERE is_system = 0", [])?;
    connection.execute("DELETE FROM snapshot_names WHERE name NOT IN (SELECT name FROM snapshots)", [])?;
    Ok(())
}

fn one(connection: &Connection, sql: &str, key: &[&str]) -> Result<Option<Snapshot>, Error> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(rusqlite::params_from_iter(key))?;
    rows.next()?.map(|row| decode(connection, row)).transpose()
}

fn decode(connection: &Connection, row: &Row<'_>) -> Result<Snapshot, Error> {
    let id: SnapshotId = row.get("id")?;
    let image: Option<String> = row.get("docker_image")?;
    let source = match image {
        Some(reference) => Source::Image { reference, registry: row.get("registry_id")? },
        None => Source::Sandbox { id: row.get("source_sandbox_id")? },
    };
    let mut statement =
        connection.prepare_cached("SELECT tag FROM snapshot_tags WHERE snapshot_id = ? ORDER BY tag")?;
    let tags = statement.query_map([&id], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let used_bytes: Option<i64> = row.get("fs_used_bytes")?;
    Ok(Snapshot {
        id,
        name: row.get("name")?,
        tags,
        status: parsed(row, "status")?,
        status_message: row.get("status_message")?,
        source,
        is_system: row.get("is_system")?,
        capacity_bytes: row.get::<_, i64>("fs_capacity_bytes")?.unsigned_abs(),
        used_bytes: used_bytes.map(i64::unsigned_abs),
        image_digest: row.get("image_digest")?,
        files: json_option(row, "files")?,
        labels: json(row, "labels")?,
        settings: json(row, "settings")?,
        held: row.get("held")?,
        created_at: row.get("created_at")?,
        updated_at: row.get("updated_at")?,
    })
}

/// Turns an amount into what a column can hold.
fn signed(amount: u64) -> i64 {
    i64::try_from(amount).unwrap_or(i64::MAX)
}
