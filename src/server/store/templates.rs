//! Templates and their mounts.

use rusqlite::{Connection, Row, params};

use super::value::{corrupt, parsed, parsed_option};
use super::{Error, ListOptions, Page, page};
use crate::types::{ByteSize, Cpu, Name, TemplateId, Timestamp, VolumeId};
use crate::wire::Extra;

/// A template.
#[derive(Debug, Clone)]
pub(crate) struct Template {
    pub(crate) id: TemplateId,
    pub(crate) name: Name,
    pub(crate) image: String,
    pub(crate) resources: Resources,
    pub(crate) mounts: Vec<Mount>,
    /// Fields of the create body that this version does not know, given back as they came.
    pub(crate) extra: Extra,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

/// What each sandbox of a template gets.
#[derive(Debug, Clone)]
pub(crate) struct Resources {
    pub(crate) cpu: Cpu,
    pub(crate) memory: ByteSize,
    pub(crate) storage: Option<ByteSize>,
}

/// A volume at a path. The reference is by id; the name is the volume's present one (contract G1).
#[derive(Debug, Clone)]
pub(crate) struct Mount {
    pub(crate) volume_id: VolumeId,
    pub(crate) volume_name: Name,
    pub(crate) path: String,
}

const SELECT: &str = "SELECT id, name, image, cpu, memory, storage, extra, created_at, updated_at FROM templates";

/// Adds a template with its mounts.
pub(crate) fn insert(connection: &Connection, template: &Template) -> Result<(), Error> {
    connection.prepare_cached("INSERT INTO templates VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)")?.execute(params![
        template.id,
        template.name,
        template.image,
        template.resources.cpu.as_str(),
        template.resources.memory.as_str(),
        template.resources.storage.as_ref().map(ByteSize::as_str),
        serde_json::Value::Object(template.extra.clone()).to_string(),
        template.created_at,
        template.updated_at,
    ])?;
    let mut statement = connection.prepare_cached("INSERT INTO template_mounts VALUES (?, ?, ?, ?)")?;
    for (position, mount) in template.mounts.iter().enumerate() {
        statement.execute(params![template.id, position, mount.volume_id, mount.path])?;
    }
    Ok(())
}

/// Finds a template by its name or, when no template has that name, by its id (contract G4).
pub(crate) fn find(connection: &Connection, name_or_id: &str) -> Result<Option<Template>, Error> {
    one(connection, "name = ?1 OR id = ?1 ORDER BY name = ?1 DESC LIMIT 1", name_or_id)
}

/// Finds a template by its name.
pub(crate) fn by_name(connection: &Connection, name: &str) -> Result<Option<Template>, Error> {
    one(connection, "name = ?1", name)
}

/// Finds a template by its id.
pub(crate) fn by_id(connection: &Connection, id: &TemplateId) -> Result<Option<Template>, Error> {
    one(connection, "id = ?1", id.as_str())
}

/// Returns whether a template has that name.
pub(crate) fn exists(connection: &Connection, name: &Name) -> Result<bool, Error> {
    Ok(connection.prepare_cached("SELECT 1 FROM templates WHERE name = ?")?.exists([name])?)
}

/// Writes name and time of change: nothing else of a template can change.
pub(crate) fn update(connection: &Connection, template: &Template) -> Result<(), Error> {
    connection.prepare_cached("UPDATE templates SET name = ?, updated_at = ? WHERE id = ?")?.execute(params![
        template.name,
        template.updated_at,
        template.id
    ])?;
    Ok(())
}

/// Removes a template with its mounts.
pub(crate) fn delete(connection: &Connection, id: &TemplateId) -> Result<(), Error> {
    connection.prepare_cached("DELETE FROM templates WHERE id = ?")?.execute([id])?;
    Ok(())
}

/// Reads a page.
pub(crate) fn list(connection: &Connection, options: &ListOptions) -> Result<Page<Template>, Error> {
    page::read(connection, SELECT, "templates", "1", options, |row| decode(connection, row))
}

/// Returns how many templates there are.
pub(crate) fn count(connection: &Connection) -> Result<u64, Error> {
    Ok(connection.query_row("SELECT count(*) FROM templates", [], |row| row.get(0))?)
}

/// Returns the names of the templates that mount a volume, in order.
pub(crate) fn mounting(connection: &Connection, volume: &VolumeId) -> Result<Vec<Name>, Error> {
    let mut statement = connection.prepare_cached(
        "SELECT DISTINCT t.name FROM template_mounts m JOIN templates t ON t.id = m.template_id
         WHERE m.volume_id = ? ORDER BY t.name",
    )?;
    let names = statement.query_map([volume], |row| row.get(0))?.collect::<Result<_, _>>()?;
    Ok(names)
}

/// Removes all templates.
pub(crate) fn clear(connection: &Connection) -> Result<(), Error> {
    connection.execute("DELETE FROM templates", [])?;
    Ok(())
}

/// Reads the columns `cpu`, `memory` and `storage`.
pub(super) fn decode_resources(row: &Row<'_>) -> Result<Resources, Error> {
    Ok(Resources { cpu: parsed(row, "cpu")?, memory: parsed(row, "memory")?, storage: parsed_option(row, "storage")? })
}

fn one(connection: &Connection, condition: &str, key: &str) -> Result<Option<Template>, Error> {
    let mut statement = connection.prepare_cached(&format!("{SELECT} WHERE {condition}"))?;
    let mut rows = statement.query([key])?;
    rows.next()?.map(|row| decode(connection, row)).transpose()
}

fn decode(connection: &Connection, row: &Row<'_>) -> Result<Template, Error> {
    let id: TemplateId = row.get("id")?;
    let extra: String = row.get("extra")?;
    Ok(Template {
        mounts: mounts(connection, &id)?,
        id,
        name: row.get("name")?,
        image: row.get("image")?,
        resources: decode_resources(row)?,
        extra: serde_json::from_str(&extra).map_err(|_| corrupt("extra", extra))?,
        created_at: row.get("created_at")?,
        updated_at: row.get("updated_at")?,
    })
}

fn mounts(connection: &Connection, id: &TemplateId) -> Result<Vec<Mount>, Error> {
    let mut statement = connection.prepare_cached(
        "SELECT m.volume_id, v.name, m.mount_path FROM template_mounts m JOIN volumes v ON v.id = m.volume_id
         WHERE m.template_id = ? ORDER BY m.position",
    )?;
    let mounts = statement
        .query_map([id], |row| Ok(Mount { volume_id: row.get(0)?, volume_name: row.get(1)?, path: row.get(2)? }))?
        .collect::<Result<_, _>>()?;
    Ok(mounts)
}
