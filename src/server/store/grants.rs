//! Who gets in to the services of sandboxes.

use rusqlite::{Connection, params};

use super::Error;
use crate::types::{SandboxId, Timestamp};

/// That somebody gets in to a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Grant {
    pub(crate) port: u16,
    /// Since when. Older tokens do not get in.
    pub(crate) created_at: Timestamp,
    pub(crate) access: Access,
    /// The sites that may show it in a frame.
    pub(crate) embed_origins: Vec<String>,
}

/// Who gets in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Whoever has a token, until the last of them expires.
    Token { expires_at: Timestamp },
    /// Who is logged in, for good.
    LogIn(Audience),
}

/// Who of those that are logged in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Audience {
    /// Who may use the sandbox.
    Restricted,
    /// Who is in the workspace.
    Workspace,
}

const TOKEN: &str = "token";

impl Audience {
    /// Returns the API's word.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Restricted => "restricted",
            Self::Workspace => "workspace",
        }
    }

    /// Returns what a word of the API means, if it is one for this.
    pub(crate) fn of(word: &str) -> Option<Self> {
        [Self::Restricted, Self::Workspace].into_iter().find(|audience| audience.as_str() == word)
    }
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
            "INSERT INTO service_grants (sandbox_id, port, created_at, expires_at) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT DO UPDATE SET
             created_at = iif(expires_at <= ?3, ?3, created_at), expires_at = max(expires_at, ?4)",
        )?
        .execute(params![sandbox, port, now, expires_at])?;
    Ok(())
}

/// Lets those in to a port who are logged in, and nobody with a token any more.
pub(crate) fn give_to(
    connection: &Connection,
    sandbox: &SandboxId,
    port: u16,
    now: Timestamp,
    audience: Audience,
    embed_origins: &[String],
) -> Result<(), Error> {
    let origins = serde_json::to_string(embed_origins).expect("texts are plain data");
    // No time is later than this one.
    let never = now.saturating_add(std::time::Duration::MAX);
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO service_grants (sandbox_id, port, created_at, expires_at, access, embed_origins)
             VALUES (?, ?, ?, ?, ?, ?)",
        )?
        .execute(params![sandbox, port, now, never, audience.as_str(), origins])?;
    Ok(())
}

/// Returns who gets in to a sandbox now, by port.
pub(crate) fn of(connection: &Connection, sandbox: &SandboxId, now: Timestamp) -> Result<Vec<Grant>, Error> {
    let mut statement = connection.prepare_cached(
        "SELECT port, created_at, expires_at, access, embed_origins FROM service_grants
         WHERE sandbox_id = ? AND expires_at > ? ORDER BY port",
    )?;
    let grants = statement
        .query_map(params![sandbox, now], |row| {
            let (access, origins): (String, String) = (row.get(3)?, row.get(4)?);
            let access = match Audience::of(&access) {
                Some(audience) => Access::LogIn(audience),
                None => Access::Token { expires_at: row.get(2)? },
            };
            let embed_origins = serde_json::from_str(&origins).unwrap_or_default();
            Ok(Grant { port: row.get(0)?, created_at: row.get(1)?, access, embed_origins })
        })?
        .collect::<Result<_, _>>()?;
    Ok(grants)
}

/// Returns whether those get in to a port who are logged in.
pub(crate) fn has_log_in(connection: &Connection, sandbox: &SandboxId, port: u16) -> Result<bool, Error> {
    let mut statement =
        connection.prepare_cached("SELECT 1 FROM service_grants WHERE sandbox_id = ? AND port = ? AND access <> ?")?;
    Ok(statement.exists(params![sandbox, port, TOKEN])?)
}

/// Lets nobody in any more, to one port or to all.
pub(crate) fn take(connection: &Connection, sandbox: &SandboxId, port: Option<u16>) -> Result<(), Error> {
    connection
        .prepare_cached("DELETE FROM service_grants WHERE sandbox_id = ?1 AND (?2 IS NULL OR port = ?2)")?
        .execute(params![sandbox, port])?;
    Ok(())
}
