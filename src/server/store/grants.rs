//! Who gets in to the services of sandboxes.

use rusqlite::{Connection, params};

use super::Error;
use crate::types::{SandboxId, Timestamp};

/// That tokens get in to a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Grant {
    pub(crate) port: u16,
    /// Tokens older than this do not.
    pub(crate) created_at: Timestamp,
    /// When the last of the tokens expires.
    pub(crate) expires_at: Timestamp,
}

/// Lets a token that is made `now` in to a port until it expires. Those that get in already go on doing so.
pub(crate) fn give(
    connection: &Connection,
    sandbox: &SandboxId,
    port: u16,
    now: Timestamp,
    expires_at: Timestamp,
) -> Result<(), Error> {
    connection
        .prepare_cached(
            "INSERT INTO service_grants VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE SET
             created_at = iif(expires_at <= ?3, ?3, created_at), expires_at = max(expires_at, ?4)",
        )?
        .execute(params![sandbox, port, now, expires_at])?;
    Ok(())
}

/// Returns who gets in to a sandbox now, by port.
pub(crate) fn of(connection: &Connection, sandbox: &SandboxId, now: Timestamp) -> Result<Vec<Grant>, Error> {
    let mut statement = connection.prepare_cached(
        "SELECT port, created_at, expires_at FROM service_grants WHERE sandbox_id = ? AND expires_at > ? ORDER BY port",
    )?;
    let grants = statement
        .query_map(params![sandbox, now], |row| {
            Ok(Grant { port: row.get(0)?, created_at: row.get(1)?, expires_at: row.get(2)? })
        })?
        .collect::<Result<_, _>>()?;
    Ok(grants)
}

/// Lets nobody in any more, to one port or to all.
pub(crate) fn take(connection: &Connection, sandbox: &SandboxId, port: Option<u16>) -> Result<(), Error> {
    connection
        .prepare_cached("DELETE FROM service_grants WHERE sandbox_id = ?1 AND (?2 IS NULL OR port = ?2)")?
        .execute(params![sandbox, port])?;
    Ok(())
}
