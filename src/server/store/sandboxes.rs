//! Sandboxes, the replicas of pools among them.

use rusqlite::{Connection, Row, params};

use super::settings::Settings;
use super::templates::{Resources, decode_resources};
use super::value::{json, json_option, parsed, to_json, ttl, ttl_seconds};
use super::{Error, ListOptions, Page, page};
use crate::server::lifecycle::{Generation, State};
use crate::types::{Labels, Name, PoolId, SandboxId, SnapshotId, TemplateId, Timestamp, Ttl, VolumeId};

/// A sandbox.
#[derive(Debug, Clone)]
pub(crate) struct Sandbox {
    pub(crate) id: SandboxId,
    /// None for a replica that nobody has claimed.
    pub(crate) name: Option<Name>,
    pub(crate) origin: Origin,
    /// The pool of a replica that nobody has claimed.
    pub(crate) pool_id: Option<PoolId>,
    pub(crate) state: State,
    pub(crate) status_message: Option<String>,
    /// Whether its creator waits for it: then a failed start leaves nothing behind (contract G12).
    pub(crate) waited_for: bool,
    /// A fault rule keeps it from being started.
    pub(crate) held: bool,
    /// Whether its processes have still to be ended, which comes before anything else.
    pub(crate) to_halt: bool,
    pub(crate) ttl: Option<Ttl>,
    pub(crate) idle_ttl: Option<Ttl>,
    pub(crate) delete_after_stop: Option<Ttl>,
    pub(crate) last_activity_at: Timestamp,
    pub(crate) stopped_at: Option<Timestamp>,
    pub(crate) labels: Labels,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

/// What a sandbox is made from, which decides its generation.
#[derive(Debug, Clone)]
pub(crate) enum Origin {
    /// A template, referred to by id; the name is its present one (contract G1).
    Template { id: TemplateId, name: Name },
    /// A snapshot, and how the sandbox is set up beside.
    Snapshot { id: SnapshotId, settings: Box<Settings> },
}

impl Sandbox {
    /// Returns the generation that it belongs to.
    pub(crate) fn generation(&self) -> Generation {
        match self.origin {
            Origin::Template { .. } => Generation::First,
            Origin::Snapshot { .. } => Generation::Second,
        }
    }

    /// Returns when time alone does something to it.
    ///
    /// One of the first generation is deleted at the earlier of its two deadlines (contract G36); one of the second is
    /// stopped when it was idle for long enough, and deleted when it was stopped for long enough.
    pub(crate) fn expires_at(&self) -> Option<Timestamp> {
        let deadline = |ttl: Option<Ttl>, from: Option<Timestamp>| {
            ttl.and_then(Ttl::as_duration).zip(from).map(|(duration, from)| from.saturating_add(duration))
        };
        let of_idleness = deadline(self.idle_ttl, Some(self.last_activity_at));
        match (self.generation(), self.state) {
            (Generation::First, _) => deadline(self.ttl, Some(self.created_at)).into_iter().chain(of_idleness).min(),
            (Generation::Second, State::Ready) => of_idleness,
            (Generation::Second, State::Stopped) => deadline(self.delete_after_stop, self.stopped_at),
            (Generation::Second, State::Provisioning | State::Failed | State::Gone) => None,
        }
    }
}

const SELECT: &str = "SELECT sandboxes.id, sandboxes.name, sandboxes.template_id, templates.name AS template_name,
    sandboxes.snapshot_id, sandboxes.pool_id, sandboxes.status, sandboxes.status_message, sandboxes.waited_for,
    sandboxes.held, sandboxes.to_halt, sandboxes.ttl_seconds, sandboxes.idle_ttl_seconds,
    sandboxes.delete_after_stop_seconds, sandboxes.last_activity_at, sandboxes.stopped_at, sandboxes.labels,
    sandboxes.settings, sandboxes.created_at AS created_at, sandboxes.updated_at
    FROM sandboxes LEFT JOIN templates ON templates.id = sandboxes.template_id";

/// Adds a sandbox.
pub(crate) fn insert(connection: &Connection, sandbox: &Sandbox) -> Result<(), Error> {
    let (template, snapshot, settings) = match &sandbox.origin {
        Origin::Template { id, .. } => (Some(id), None, None),
        Origin::Snapshot { id, settings } => (None, Some(id), Some(to_json(settings))),
    };
    connection
        .prepare_cached("INSERT INTO sandboxes VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")?
        .execute(params![
            sandbox.id,
            sandbox.name,
            template,
            snapshot,
            sandbox.pool_id,
            sandbox.state,
            sandbox.status_message,
            sandbox.waited_for,
            sandbox.held,
            sandbox.to_halt,
            ttl_seconds(sandbox.ttl),
            ttl_seconds(sandbox.idle_ttl),
            ttl_seconds(sandbox.delete_after_stop),
            sandbox.last_activity_at,
            sandbox.stopped_at,
            sandbox.expires_at(),
            to_json(&sandbox.labels),
            settings,
            sandbox.created_at,
            sandbox.updated_at,
        ])?;
    Ok(())
}

/// Writes everything that can change.
pub(crate) fn update(connection: &Connection, sandbox: &Sandbox) -> Result<(), Error> {
    let settings = match &sandbox.origin {
        Origin::Template { .. } => None,
        Origin::Snapshot { settings, .. } => Some(to_json(settings)),
    };
    connection
        .prepare_cached(
            "UPDATE sandboxes SET name = ?, pool_id = ?, status = ?, status_message = ?, waited_for = ?, to_halt = ?,
             ttl_seconds = ?, idle_ttl_seconds = ?, delete_after_stop_seconds = ?, last_activity_at = ?,
             stopped_at = ?, expires_at = ?, settings = ?, created_at = ?, updated_at = ? WHERE id = ?",
        )?
        .execute(params![
            sandbox.name,
            sandbox.pool_id,
            sandbox.state,
            sandbox.status_message,
            sandbox.waited_for,
            sandbox.to_halt,
            ttl_seconds(sandbox.ttl),
            ttl_seconds(sandbox.idle_ttl),
            ttl_seconds(sandbox.delete_after_stop),
            sandbox.last_activity_at,
            sandbox.stopped_at,
            sandbox.expires_at(),
            settings,
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

/// Returns the sandboxes whose time is up, each with the moment at which it was.
pub(crate) fn expired(connection: &Connection, now: Timestamp) -> Result<Vec<(Sandbox, Timestamp)>, Error> {
    let mut statement = connection.prepare_cached(&format!("{SELECT} WHERE sandboxes.expires_at <= ?"))?;
    let mut rows = statement.query([now])?;
    let mut expired = Vec::new();
    while let Some(row) = rows.next()? {
        let sandbox = decode(row)?;
        let at = sandbox.expires_at().unwrap_or(now);
        expired.push((sandbox, at));
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
        "SELECT id, pool_id FROM sandboxes WHERE status = 'provisioning' AND held = 0 AND to_halt = 0
         ORDER BY created_at",
    )?;
    let sandboxes = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
    Ok(sandboxes)
}

/// Returns the sandboxes whose processes have to be ended.
pub(crate) fn to_halt(connection: &Connection) -> Result<Vec<SandboxId>, Error> {
    let mut statement = connection.prepare_cached("SELECT id FROM sandboxes WHERE to_halt = 1")?;
    let ids = statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    Ok(ids)
}

/// Records that the processes of a sandbox have ended.
pub(crate) fn halted(connection: &Connection, id: &SandboxId) -> Result<(), Error> {
    connection.prepare_cached("UPDATE sandboxes SET to_halt = 0 WHERE id = ?")?.execute([id])?;
    Ok(())
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

/// Returns how each sandbox of the second generation is set up.
pub(crate) fn settings(connection: &Connection) -> Result<Vec<Settings>, Error> {
    let mut statement = connection.prepare_cached("SELECT settings FROM sandboxes WHERE snapshot_id IS NOT NULL")?;
    let mut rows = statement.query([])?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        all.push(json(row, "settings")?);
    }
    Ok(all)
}

/// Returns the names of the sandboxes that are made from a snapshot, in order.
pub(crate) fn of_snapshot(connection: &Connection, snapshot: &SnapshotId) -> Result<Vec<Name>, Error> {
    let mut statement = connection.prepare_cached("SELECT name FROM sandboxes WHERE snapshot_id = ? ORDER BY name")?;
    let names = statement.query_map([snapshot], |row| row.get(0))?.collect::<Result<_, _>>()?;
    Ok(names)
}

/// Returns the names of the sandboxes that have a volume of their own accord, in order.
pub(crate) fn attaching(connection: &Connection, volume: &VolumeId) -> Result<Vec<Name>, Error> {
    let mut statement = connection.prepare_cached(
        "SELECT name FROM sandboxes WHERE snapshot_id IS NOT NULL AND EXISTS (
             SELECT 1 FROM json_each(settings, '$.volumes') AS attached
             WHERE json_extract(attached.value, '$.volume') = ?)
         ORDER BY name",
    )?;
    let names = statement.query_map([volume], |row| row.get(0))?.collect::<Result<_, _>>()?;
    Ok(names)
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
    let template: Option<TemplateId> = row.get("template_id")?;
    let origin = match (template, json_option(row, "settings")?) {
        (Some(id), _) => Origin::Template { id, name: row.get("template_name")? },
        (None, Some(settings)) => Origin::Snapshot { id: row.get("snapshot_id")?, settings },
        (None, None) => return Err(Error::Corrupt { column: "settings", text: "nothing".to_owned() }),
    };
    Ok(Sandbox {
        id: row.get("id")?,
        name: row.get("name")?,
        origin,
        pool_id: row.get("pool_id")?,
        state: parsed(row, "status")?,
        status_message: row.get("status_message")?,
        waited_for: row.get("waited_for")?,
        held: row.get("held")?,
        to_halt: row.get("to_halt")?,
        ttl: ttl(row, "ttl_seconds")?,
        idle_ttl: ttl(row, "idle_ttl_seconds")?,
        delete_after_stop: ttl(row, "delete_after_stop_seconds")?,
        last_activity_at: row.get("last_activity_at")?,
        stopped_at: row.get("stopped_at")?,
        labels: json(row, "labels")?,
        created_at: row.get("created_at")?,
        updated_at: row.get("updated_at")?,
    })
}
