//! Pools.

use rusqlite::{Connection, Row, params};

use super::templates::{Resources, decode_resources};
use super::{Error, ListOptions, Page, page};
use crate::types::{Name, PoolId, TemplateId, Timestamp};

/// A pool. The template is referred to by id; the name is its present one (contract G1).
#[derive(Debug, Clone)]
pub(crate) struct Pool {
    pub(crate) id: PoolId,
    pub(crate) name: Name,
    pub(crate) template_id: TemplateId,
    pub(crate) template_name: Name,
    pub(crate) replicas: u32,
    /// A fault rule keeps it from being filled.
    pub(crate) held: bool,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

/// A pool that holds more or fewer sandboxes than it should.
#[derive(Debug, Clone)]
pub(crate) struct Adjustment {
    pub(crate) pool_id: PoolId,
    pub(crate) template_id: TemplateId,
    pub(crate) replicas: u32,
    pub(crate) members: u32,
    pub(crate) held: bool,
}

const SELECT: &str = "SELECT pools.id, pools.name, pools.template_id, templates.name AS template_name, pools.replicas,
    pools.held, pools.created_at AS created_at, pools.updated_at
    FROM pools JOIN templates ON templates.id = pools.template_id";

/// Adds a pool.
pub(crate) fn insert(connection: &Connection, pool: &Pool) -> Result<(), Error> {
    connection
        .prepare_cached(
            "INSERT INTO pools (id, name, template_id, replicas, held, created_at, updated_at)
             VALUES (?, ?, ?, ?, ?, ?, ?)",
        )?
        .execute(params![
            pool.id,
            pool.name,
            pool.template_id,
            pool.replicas,
            pool.held,
            pool.created_at,
            pool.updated_at,
        ])?;
    Ok(())
}

/// Finds a pool by its name or, when no pool has that name, by its id (contract G4).
pub(crate) fn find(connection: &Connection, name_or_id: &str) -> Result<Option<Pool>, Error> {
    one(connection, "pools.name = ?1 OR pools.id = ?1 ORDER BY pools.name = ?1 DESC LIMIT 1", name_or_id)
}

/// Finds a pool by its id.
pub(crate) fn by_id(connection: &Connection, id: &PoolId) -> Result<Option<Pool>, Error> {
    one(connection, "pools.id = ?1", id.as_str())
}

/// Returns whether a pool has that name.
pub(crate) fn exists(connection: &Connection, name: &Name) -> Result<bool, Error> {
    Ok(connection.prepare_cached("SELECT 1 FROM pools WHERE name = ?")?.exists([name])?)
}

/// Writes name, replicas and time of change.
pub(crate) fn update(connection: &Connection, pool: &Pool) -> Result<(), Error> {
    connection
        .prepare_cached("UPDATE pools SET name = ?, replicas = ?, updated_at = ? WHERE id = ?")?
        .execute(params![pool.name, pool.replicas, pool.updated_at, pool.id])?;
    Ok(())
}

/// Removes a pool together with the replicas that nobody has claimed (contract G22).
pub(crate) fn delete(connection: &Connection, id: &PoolId) -> Result<(), Error> {
    connection.prepare_cached("DELETE FROM sandboxes WHERE pool_id = ?")?.execute([id])?;
    connection.prepare_cached("DELETE FROM pools WHERE id = ?")?.execute([id])?;
    Ok(())
}

/// Reads a page.
pub(crate) fn list(connection: &Connection, options: &ListOptions) -> Result<Page<Pool>, Error> {
    page::read(connection, SELECT, "pools", "1", options, decode)
}

/// Returns how many pools there are.
pub(crate) fn count(connection: &Connection) -> Result<u64, Error> {
    Ok(connection.query_row("SELECT count(*) FROM pools", [], |row| row.get(0))?)
}

/// Returns the names of the pools on a template, in order.
pub(crate) fn on_template(connection: &Connection, template: &TemplateId) -> Result<Vec<Name>, Error> {
    let mut statement = connection.prepare_cached("SELECT name FROM pools WHERE template_id = ? ORDER BY name")?;
    let names = statement.query_map([template], |row| row.get(0))?.collect::<Result<_, _>>()?;
    Ok(names)
}

/// Returns the names of a template's pools that should be warm, in order.
pub(crate) fn to_draw_from(connection: &Connection, template: &TemplateId) -> Result<Vec<Name>, Error> {
    let mut statement =
        connection.prepare_cached("SELECT name FROM pools WHERE template_id = ? AND replicas > 0 ORDER BY name")?;
    let names = statement.query_map([template], |row| row.get(0))?.collect::<Result<_, _>>()?;
    Ok(names)
}

/// Returns the names of all pools, in order, and how many replicas each should hold.
pub(crate) fn sizes(connection: &Connection) -> Result<Vec<(Name, u32)>, Error> {
    let mut statement = connection.prepare_cached("SELECT name, replicas FROM pools ORDER BY name")?;
    let sizes = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
    Ok(sizes)
}

/// Returns the pools that hold more or fewer sandboxes than they should.
pub(crate) fn to_adjust(connection: &Connection) -> Result<Vec<Adjustment>, Error> {
    let mut statement = connection.prepare_cached(
        "SELECT id, template_id, replicas, members, held FROM pools WHERE members <> replicas ORDER BY id",
    )?;
    let pools = statement
        .query_map([], |row| {
            Ok(Adjustment {
                pool_id: row.get(0)?,
                template_id: row.get(1)?,
                replicas: row.get(2)?,
                members: row.get(3)?,
                held: row.get(4)?,
            })
        })?
        .collect::<Result<_, _>>()?;
    Ok(pools)
}

/// Returns what each replica of a pool gets, and how many replicas it should hold, for all pools.
pub(crate) fn demands(connection: &Connection) -> Result<Vec<(Resources, u64)>, Error> {
    let mut statement = connection.prepare_cached(
        "SELECT t.cpu, t.memory, t.storage, sum(p.replicas) AS n
         FROM pools p JOIN templates t ON t.id = p.template_id GROUP BY t.id",
    )?;
    let mut rows = statement.query([])?;
    let mut demands = Vec::new();
    while let Some(row) = rows.next()? {
        demands.push((decode_resources(row)?, row.get("n")?));
    }
    Ok(demands)
}

/// Removes all pools and their replicas.
pub(crate) fn clear(connection: &Connection) -> Result<(), Error> {
    connection.execute_batch("DELETE FROM sandboxes WHERE pool_id IS NOT NULL; DELETE FROM pools")?;
    Ok(())
}

fn one(connection: &Connection, condition: &str, key: &str) -> Result<Option<Pool>, Error> {
    let mut statement = connection.prepare_cached(&format!("{SELECT} WHERE {condition}"))?;
    let mut rows = statement.query([key])?;
    rows.next()?.map(decode).transpose()
}

fn decode(row: &Row<'_>) -> Result<Pool, Error> {
    Ok(Pool {
        id: row.get("id")?,
        name: row.get("name")?,
        template_id: row.get("template_id")?,
        template_name: row.get("template_name")?,
        replicas: row.get("replicas")?,
        held: row.get("held")?,
        created_at: row.get("created_at")?,
        updated_at: row.get("updated_at")?,
    })
}
