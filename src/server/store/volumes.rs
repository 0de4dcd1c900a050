//! Volumes.

use rusqlite::{Connection, Row, params};

use super::value::parsed;
use super::{Error, ListOptions, Page, page};
use crate::types::{ByteSize, Name, Timestamp, VolumeId};

/// A volume.
#[derive(Debug, Clone)]
pub(crate) struct Volume {
    pub(crate) id: VolumeId,
    pub(crate) name: Name,
    pub(crate) size: ByteSize,
    pub(crate) storage_class: String,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

const SELECT: &str = "SELECT id, name, size, storage_class, created_at, updated_at FROM volumes";

/// Adds a volume.
pub(crate) fn insert(connection: &Connection, volume: &Volume) -> Result<(), Error> {
    connection.prepare_cached("INSERT INTO volumes VALUES (?, ?, ?, ?, ?, ?)")?.execute(params![
        volume.id,
        volume.name,
        volume.size.as_str(),
        volume.storage_class,
        volume.created_at,
        volume.updated_at,
    ])?;
    Ok(())
}

/// Finds a volume by its name or, when no volume has that name, by its id (contract G4).
pub(crate) fn find(connection: &Connection, name_or_id: &str) -> Result<Option<Volume>, Error> {
    one(connection, "name = ?1 OR id = ?1 ORDER BY name = ?1 DESC LIMIT 1", name_or_id)
}

/// Finds a volume by its name.
pub(crate) fn by_name(connection: &Connection, name: &str) -> Result<Option<Volume>, Error> {
    one(connection, "name = ?1", name)
}

/// Returns whether a volume has that name.
pub(crate) fn exists(connection: &Connection, name: &Name) -> Result<bool, Error> {
    Ok(connection.prepare_cached("SELECT 1 FROM volumes WHERE name = ?")?.exists([name])?)
}

/// Writes name, size and time of change.
pub(crate) fn update(connection: &Connection, volume: &Volume) -> Result<(), Error> {
    connection
        .prepare_cached("UPDATE volumes SET name = ?, size = ?, updated_at = ? WHERE id = ?")?
        .execute(params![volume.name, volume.size.as_str(), volume.updated_at, volume.id])?;
    Ok(())
}

/// Removes a volume; what is in it is then due for removal.
pub(crate) fn delete(connection: &Connection, id: &VolumeId) -> Result<(), Error> {
    connection.prepare_cached("DELETE FROM volumes WHERE id = ?")?.execute([id])?;
    Ok(())
}

/// Reads a page.
pub(crate) fn list(connection: &Connection, options: &ListOptions) -> Result<Page<Volume>, Error> {
    page::read(connection, SELECT, "volumes", "1", options, decode)
}

/// Returns the sizes of all volumes.
pub(crate) fn sizes(connection: &Connection) -> Result<Vec<ByteSize>, Error> {
    let mut statement = connection.prepare_cached("SELECT size FROM volumes")?;
    let mut rows = statement.query([])?;
    let mut sizes = Vec::new();
    while let Some(row) = rows.next()? {
        sizes.push(parsed(row, "size")?);
    }
    Ok(sizes)
}

/// Returns the ids of the volumes whose files are due for removal.
pub(crate) fn removals(connection: &Connection) -> Result<Vec<VolumeId>, Error> {
    let mut statement = connection.prepare_cached("SELECT volume_id FROM volume_removals")?;
    let ids = statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    Ok(ids)
}

/// Records that the files of a volume are gone.
pub(crate) fn removed(connection: &Connection, id: &VolumeId) -> Result<(), Error> {
    connection.prepare_cached("DELETE FROM volume_removals WHERE volume_id = ?")?.execute([id])?;
    Ok(())
}

/// Removes all volumes.
pub(crate) fn clear(connection: &Connection) -> Result<(), Error> {
    connection.execute("DELETE FROM volumes", [])?;
    Ok(())
}

fn one(connection: &Connection, condition: &str, key: &str) -> Result<Option<Volume>, Error> {
    let mut statement = connection.prepare_cached(&format!("{SELECT} WHERE {condition}"))?;
    let mut rows = statement.query([key])?;
    rows.next()?.map(decode).transpose()
}

fn decode(row: &Row<'_>) -> Result<Volume, Error> {
    Ok(Volume {
        id: row.get("id")?,
        name: row.get("name")?,
        size: parsed(row, "size")?,
        storage_class: row.get("storage_class")?,
        created_at: row.get("created_at")?,
        updated_at: row.get("updated_at")?,
    })
}
