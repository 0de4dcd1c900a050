//! Registries, which snapshots pull private images from.

use rusqlite::{Connection, Row, params};

use super::value::parsed;
use super::{Error, ListOptions, Page, page};
use crate::types::{Name, RegistryId, Secret, Timestamp};

/// A registry.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Registry {
    pub(crate) id: RegistryId,
    pub(crate) name: Name,
    /// The host, maybe with a scheme before it and a path behind it.
    pub(crate) url: String,
    pub(crate) auth: Auth,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

/// How to log in.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Auth {
    /// With a name and a password.
    Password { username: Option<String>, password: Option<Secret> },
    /// By taking on a role, which this server only writes down.
    AwsRole { arn: Option<String> },
}

/// How `auth_type` is spelled.
const PASSWORD: &str = "DOCKER_CONFIG";
const AWS_ROLE: &str = "AWS_ROLE";

const SELECT: &str = "SELECT id, name, url, auth_type, username, password, aws_role_arn, created_at, updated_at
    FROM registries";

/// Adds a registry.
pub(crate) fn insert(connection: &Connection, registry: &Registry) -> Result<(), Error> {
    let (auth_type, username, password, arn) = columns(&registry.auth);
    connection.prepare_cached("INSERT INTO registries VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)")?.execute(params![
        registry.id,
        registry.name,
        registry.url,
        auth_type,
        username,
        password,
        arn,
        registry.created_at,
        registry.updated_at,
    ])?;
    Ok(())
}

/// Writes everything that can change.
pub(crate) fn update(connection: &Connection, registry: &Registry) -> Result<(), Error> {
    let (auth_type, username, password, arn) = columns(&registry.auth);
    connection
        .prepare_cached(
            "UPDATE registries SET name = ?, url = ?, auth_type = ?, username = ?, password = ?, aws_role_arn = ?,
             updated_at = ? WHERE id = ?",
        )?
        .execute(params![
            registry.name,
            registry.url,
            auth_type,
            username,
            password,
            arn,
            registry.updated_at,
            registry.id,
        ])?;
    Ok(())
}

/// Finds a registry by its name or, when none has that name, by its id.
pub(crate) fn find(connection: &Connection, name_or_id: &str) -> Result<Option<Registry>, Error> {
    one(connection, "name = ?1 OR id = ?1 ORDER BY name = ?1 DESC LIMIT 1", name_or_id)
}

/// Finds a registry by its id.
pub(crate) fn by_id(connection: &Connection, id: &RegistryId) -> Result<Option<Registry>, Error> {
    one(connection, "id = ?1", id.as_str())
}

/// Returns whether a registry has that name.
pub(crate) fn exists(connection: &Connection, name: &Name) -> Result<bool, Error> {
    Ok(connection.prepare_cached("SELECT 1 FROM registries WHERE name = ?")?.exists([name])?)
}

/// Removes a registry.
pub(crate) fn delete(connection: &Connection, id: &RegistryId) -> Result<(), Error> {
    connection.prepare_cached("DELETE FROM registries WHERE id = ?")?.execute([id])?;
    Ok(())
}

/// Reads a page.
pub(crate) fn list(connection: &Connection, options: &ListOptions) -> Result<Page<Registry>, Error> {
    page::read(connection, SELECT, "registries", "1", options, decode)
}

/// Returns how many registries there are.
pub(crate) fn count(connection: &Connection) -> Result<u64, Error> {
    Ok(connection.query_row("SELECT count(*) FROM registries", [], |row| row.get(0))?)
}

/// Removes all registries.
pub(crate) fn clear(connection: &Connection) -> Result<(), Error> {
    connection.execute("DELETE FROM registries", [])?;
    Ok(())
}

fn one(connection: &Connection, condition: &str, key: &str) -> Result<Option<Registry>, Error> {
    let mut statement = connection.prepare_cached(&format!("{SELECT} WHERE {condition}"))?;
    let mut rows = statement.query([key])?;
    rows.next()?.map(decode).transpose()
}

type AuthColumns<'a> = (&'static str, Option<&'a str>, Option<&'a str>, Option<&'a str>);

fn columns(auth: &Auth) -> AuthColumns<'_> {
    match auth {
        Auth::Password { username, password } => {
            (PASSWORD, username.as_deref(), password.as_ref().map(Secret::expose), None)
        }
        Auth::AwsRole { arn } => (AWS_ROLE, None, None, arn.as_deref()),
    }
}

fn decode(row: &Row<'_>) -> Result<Registry, Error> {
    let auth_type: String = row.get("auth_type")?;
    let auth = match auth_type.as_str() {
        PASSWORD => {
            let password: Option<String> = row.get("password")?;
            Auth::Password { username: row.get("username")?, password: password.map(Secret::new) }
        }
        AWS_ROLE => Auth::AwsRole { arn: row.get("aws_role_arn")? },
        _ => return Err(Error::Corrupt { column: "auth_type", text: auth_type }),
    };
    Ok(Registry {
        id: row.get("id")?,
        name: parsed(row, "name")?,
        url: row.get("url")?,
        auth,
        created_at: row.get("created_at")?,
        updated_at: row.get("updated_at")?,
    })
}
