//! Sandboxes, the replicas of pools among them.

use rusqlite::{Connection, Row, params};

use super::templates::{Resources, decode_resources};
use super::value::{parsed, ttl, ttl_seconds};
use super::{Error, ListOptions, Page, page};
use crate::server::lifecycle::State;
use crate::types::{Name, PoolId, SandboxId, TemplateId, Timestamp, Ttl};

/// A sandbox. The template is referred to by id; the name is its present one (contract G1).
#[derive(Debug, Clone)]
pub(crate) struct Sandbox {
    pub(crate) id: SandboxId,
    /// None for a replica that nobody has claimed.
    pub(crate) name: Option<Name>,
    pub(crate) template_id: TemplateId,
    pub(crate) template_name: Name,
    /// The pool of a replica that nobody has claimed.
    pub(crate) pool_id: Option<PoolId>,
    pub(crate) state: State,
    pub(crate) status_message: Option<String>,
    /// Whether its creator waits for it: then a failed start leaves nothing behind (contract G12).
    pub(crate) waited_for: bool,
    /// A fault rule keeps it from being started.
    pub(crate) held: bool,
    pub(crate) ttl: Option<Ttl>,
    pub(crate) idle_ttl: Option<Ttl>,
    pub(crate) last_activity_at: Timestamp,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

impl Sandbox {
    /// Returns when the sandbox will be deleted by itself: the earlier of its two deadlines (contract G36).
    pub(crate) fn expires_at(&self) -> Option<Timestamp> {
        let deadline = |ttl: Option<Ttl>, from: Timestamp| {
            ttl.and_then(Ttl::as_duration).map(|duration| from.saturating_add(duration))
        };
        let of_age = deadline(self.ttl, self.created_at);
        let of_idleness = deadline(self.idle_ttl, self.last_activity_at);
        of_age.into_iter().chain(of_idleness).min()
    }
}

const SELECT: &str = "SELECT sandboxes.id, sandboxes.name, sandboxes.template_id, templates.name AS template_name,
    sandboxes.pool_id, sandboxes.status, sandboxes.status_message, sandboxes.waited_for, sandboxes.held,
    sandboxes.ttl_seconds, sandboxes.idle_ttl_seconds, sandboxes.last_activity_at,
    sandboxes.created_at AS created_at, sandboxes.updated_at
    FROM sandboxes JOIN templates ON templates.id = sandboxes.template_id";

/// Adds a sandbox.
pub(crate) fn insert(connection: &Connection, sandbox: &Sandbox) -> Result<(), Error> {
    connection.prepare_cached("INSERT INTO sandboxes VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")?.execute(
        params![
            sandbox.id,
            sandbox.name,
            sandbox.template_id,
            sandbox.pool_id,
            sandbox.state,
            sandbox.status_message,
            sandbox.waited_for,
            sandbox.held,
            ttl_seconds(sandbox.ttl),
            ttl_seconds(sandbox.idle_ttl),
            sandbox.last_activity_at,
            sandbox.expires_at(),
            sandbox.created_at,
            sandbox.updated_at,
        ],
    )?;
    Ok(())
}

/// Writes everything that can change.
pub(crate) fn update(connection: &Connection, sandbox: &Sandbox) -> Result<(), Error> {
    connection
        .prepare_cached(
            "UPDATE sandboxes SET name = ?, pool_id = ?, status = ?, status_message = ?, waited_for = ?,
             ttl_seconds = ?, idle_ttl_seconds = ?, last_activity_at = ?, expires_at = ?, created_at = ?,
             updated_at = ? WHERE id = ?",
        )?
        .execute(params![
            sandbox.name,
            sandbox.pool_id,
            sandbox.state,
            sandbox.status_message,
            sandbox.waited_for,
            ttl_seconds(sandbox.ttl),
            ttl_seconds(sandbox.idle_ttl),
            sandbox.last_activity_at,
            sandbox.expires_at(),
            sandbox.created_at,
            sandbox.updated_at,
            sandbox.id,
        ])?;
    Ok(())
}

/// Finds a sandbox that somebody created, by its name or, when none has that name, by its id (contract G4).
pub(crate) fn find(connection: &Connection, name_or_id: &str) -> Result<Option<Sandbox>, Error> {
    let sql = format!(
        "{SELECT} WHERE (sandboxes.name = ?1 OR sandboxes.id = ?1) AND sandboxes.pool_id IS NULL
         ORDER BY sandboxes.name = ?1 DESC LIMIT 1"
    );
    one(connection, &sql, name_or_id)
}

/// Finds a sandbox by its id, replicas of pools included.
pub(crate) fn by_id(connection: &Connection, id: &SandboxId) -> Result<Option<Sandbox>, Error> {
    one(connection, &format!("{SELECT} WHERE sandboxes.id = ?1"), id.as_str())
}

/// Finds the oldest replica on a template that is ready to be claimed (contract G23).
pub(crate) fn oldest_warm(connection: &Connection, template: &TemplateId) -> Result<Option<Sandbox>, Error> {
    let sql = format!(
        "{SELECT} WHERE sandboxes.template_id = ?1 AND sandboxes.pool_id IS NOT NULL AND sandboxes.status = 'ready'
         ORDER BY sandboxes.created_at, sandboxes.id LIMIT 1"
    );
    one(connection, &sql, template.as_str())
}

/// Returns whether a sandbox has that name.
pub(crate) fn exists(connection: &Connection, name: &Name) -> Result<bool, Error> {
    Ok(connection.prepare_cached("SELECT 1 FROM sandboxes WHERE name = ?")?.exists([name])?)
}

/// Removes a sandbox; its remains are then due for removal.
pub(crate) fn delete(connection: &Connection, id: &SandboxId) -> Result<(), Error> {
    connection.prepare_cached("DELETE FROM sandboxes WHERE id = ?")?.execute([id])?;
    Ok(())
}

/// Returns the sandboxes whose time is up.
pub(crate) fn expired(connection: &Connection, now: Timestamp) -> Result<Vec<(SandboxId, State)>, Error> {
    let mut statement = connection.prepare_cached("SELECT id, status FROM sandboxes WHERE expires_at <= ?")?;
    let mut rows = statement.query([now])?;
    let mut expired = Vec::new();
    while let Some(row) = rows.next()? {
        expired.push((row.get("id")?, parsed(row, "status")?));
    }
    Ok(expired)
}

/// Returns when the next sandbox expires.
pub(crate) fn next_expiry(connection: &Connection) -> Result<Option<Timestamp>, Error> {
    let mut statement =
        connection.prepare_cached("SELECT min(expires_at) FROM sandboxes WHERE expires_at IS NOT NULL")?;
    Ok(statement.query_row([], |row| row.get(0))?)
}

/// Reads a page of the sandboxes that somebody created (contract G20).
pub(crate) fn list(connection: &Connection, options: &ListOptions) -> Result<Page<Sandbox>, Error> {
    page::read(connection, SELECT, "sandboxes", "sandboxes.pool_id IS NULL", options, decode)
}

/// Returns the names of the sandboxes that somebody created from a template, in order.
pub(crate) fn of_template(connection: &Connection, template: &TemplateId) -> Result<Vec<Name>, Error> {
    let mut statement = connection
        .prepare_cached("SELECT name FROM sandboxes WHERE template_id = ? AND name IS NOT NULL ORDER BY name")?;
    let names = statement.query_map([template], |row| row.get(0))?.collect::<Result<_, _>>()?;
    Ok(names)
}

/// Returns the sandboxes that wait to be started, with the pool of those that are replicas, oldest first.
pub(crate) fn to_start(connection: &Connection) -> Result<Vec<(SandboxId, Option<PoolId>)>, Error> {
    let mut statement = connection.prepare_cached(
        "SELECT id, pool_id FROM sandboxes WHERE status = 'provisioning' AND held = 0 ORDER BY created_at",
    )?;
    let sandboxes = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
    Ok(sandboxes)
}

/// Removes `n` replicas of a pool: those that are not ready first, then the youngest.
pub(crate) fn drop_replicas(connection: &Connection, pool: &PoolId, n: u32) -> Result<(), Error> {
    connection
        .prepare_cached(
            "DELETE FROM sandboxes WHERE id IN (SELECT id FROM sandboxes WHERE pool_id = ?
             ORDER BY status = 'ready', created_at DESC, id LIMIT ?)",
        )?
        .execute(params![pool, n])?;
    Ok(())
}

/// Removes all replicas that nobody has claimed, except those named.
pub(crate) fn drop_unclaimed(connection: &Connection, except: &[SandboxId]) -> Result<(), Error> {
    let mut statement = connection.prepare_cached("SELECT id FROM sandboxes WHERE pool_id IS NOT NULL")?;
    let replicas: Vec<SandboxId> = statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    for id in replicas.iter().filter(|id| !except.contains(id)) {
        delete(connection, id)?;
    }
    Ok(())
}

/// Returns the ids of all sandboxes.
pub(crate) fn ids(connection: &Connection) -> Result<Vec<SandboxId>, Error> {
    let mut statement = connection.prepare_cached("SELECT id FROM sandboxes")?;
    let ids = statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    Ok(ids)
}

/// Returns the ids of the sandboxes whose remains are due for removal.
pub(crate) fn removals(connection: &Connection) -> Result<Vec<SandboxId>, Error> {
    let mut statement = connection.prepare_cached("SELECT sandbox_id FROM removals")?;
    let ids = statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    Ok(ids)
}

/// Records that the remains of a sandbox are gone.
pub(crate) fn removed(connection: &Connection, id: &SandboxId) -> Result<(), Error> {
    connection.prepare_cached("DELETE FROM removals WHERE sandbox_id = ?")?.execute([id])?;
    Ok(())
}

/// Returns what each sandbox gets, and how many there are, for all that somebody created.
pub(crate) fn demands(connection: &Connection) -> Result<Vec<(Resources, u64)>, Error> {
    let mut statement = connection.prepare_cached(
        "SELECT t.cpu, t.memory, t.storage, count(*) AS n
         FROM sandboxes s JOIN templates t ON t.id = s.template_id WHERE s.pool_id IS NULL GROUP BY t.id",
    )?;
    let mut rows = statement.query([])?;
    let mut demands = Vec::new();
    while let Some(row) = rows.next()? {
        demands.push((decode_resources(row)?, row.get("n")?));
    }
    Ok(demands)
}

/// Counts the sandboxes that somebody created, by status.
pub(crate) fn census(connection: &Connection) -> Result<Vec<(State, u64)>, Error> {
    let mut statement = connection
        .prepare_cached("SELECT status, count(*) AS n FROM sandboxes WHERE pool_id IS NULL GROUP BY 1 ORDER BY 1")?;
    let mut rows = statement.query([])?;
    let mut census = Vec::new();
    while let Some(row) = rows.next()? {
        census.push((parsed(row, "status")?, row.get("n")?));
    }
    Ok(census)
}

/// Counts the replicas of each pool, by status.
pub(crate) fn replicas(connection: &Connection) -> Result<Vec<(Name, State, u64)>, Error> {
    let mut statement = connection.prepare_cached(
        "SELECT pools.name, sandboxes.status, count(*) AS n
         FROM sandboxes JOIN pools ON pools.id = sandboxes.pool_id GROUP BY 1, 2 ORDER BY 1, 2",
    )?;
    let mut rows = statement.query([])?;
    let mut replicas = Vec::new();
    while let Some(row) = rows.next()? {
        replicas.push((row.get("name")?, parsed(row, "status")?, row.get("n")?));
    }
    Ok(replicas)
}

/// Removes all sandboxes.
pub(crate) fn clear(connection: &Connection) -> Result<(), Error> {
    connection.execute("DELETE FROM sandboxes", [])?;
    Ok(())
}

fn one(connection: &Connection, sql: &str, key: &str) -> Result<Option<Sandbox>, Error> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([key])?;
    rows.next()?.map(decode).transpose()
}

fn decode(row: &Row<'_>) -> Result<Sandbox, Error> {
    Ok(Sandbox {
        id: row.get("id")?,
        name: row.get("name")?,
        template_id: row.get("template_id")?,
        template_name: row.get("template_name")?,
        pool_id: row.get("pool_id")?,
        state: parsed(row, "status")?,
        status_message: row.get("status_message")?,
        waited_for: row.get("waited_for")?,
        held: row.get("held")?,
        ttl: ttl(row, "ttl_seconds")?,
        idle_ttl: ttl(row, "idle_ttl_seconds")?,
        last_activity_at: row.get("last_activity_at")?,
        created_at: row.get("created_at")?,
        updated_at: row.get("updated_at")?,
    })
}
