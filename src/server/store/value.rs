//! Our words as column values, and back.

use std::fmt::Display;
use std::str::FromStr;

use rusqlite::Row;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Error;
use crate::server::lifecycle::State;
use crate::types::{Name, PoolId, RegistryId, SandboxId, SnapshotId, TemplateId, Timestamp, Ttl, VolumeId};

/// Reads a text column and parses it.
pub(super) fn parsed<T: FromStr>(row: &Row<'_>, column: &'static str) -> Result<T, Error> {
    let text: String = row.get(column)?;
    text.parse().map_err(|_| Error::Corrupt { column, text })
}

/// Reads a text column that may be null and parses it.
pub(super) fn parsed_option<T: FromStr>(row: &Row<'_>, column: &'static str) -> Result<Option<T>, Error> {
    let text: Option<String> = row.get(column)?;
    text.map(|text| text.parse().map_err(|_| Error::Corrupt { column, text })).transpose()
}

/// Reads a column of JSON.
pub(super) fn json<T: DeserializeOwned>(row: &Row<'_>, column: &'static str) -> Result<T, Error> {
    let text: String = row.get(column)?;
    // What stands there may hold secrets: the error does not repeat it.
    serde_json::from_str(&text).map_err(|error| corrupt(column, error))
}

/// Reads a column of JSON that may be null.
pub(super) fn json_option<T: DeserializeOwned>(row: &Row<'_>, column: &'static str) -> Result<Option<T>, Error> {
    match row.get_ref(column)? {
        ValueRef::Null => Ok(None),
        _ => json(row, column).map(Some),
    }
}

/// Turns a value into its column.
pub(super) fn to_json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("it is plain data")
}

/// Reads a column of seconds that may be null.
pub(super) fn ttl(row: &Row<'_>, column: &'static str) -> Result<Option<Ttl>, Error> {
    let seconds: Option<i64> = row.get(column)?;
    seconds.map(|seconds| Ttl::from_seconds(seconds).map_err(|_| corrupt(column, seconds))).transpose()
}

/// Turns a time to live into its column.
pub(super) fn ttl_seconds(ttl: Option<Ttl>) -> Option<i64> {
    ttl.map(|ttl| i64::try_from(ttl.as_seconds()).expect("a time to live was read from an i64"))
}

/// Reports a value that cannot have been written by this program.
pub(super) fn corrupt(column: &'static str, value: impl Display) -> Error {
    Error::Corrupt { column, text: value.to_string() }
}

macro_rules! text_column {
    ($($name:ty),*) => {$(
        impl ToSql for $name {
            fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
                Ok(ToSqlOutput::from(self.as_str()))
            }
        }
    )*};
}

text_column!(Name, VolumeId, TemplateId, PoolId, SandboxId, RegistryId, SnapshotId, State);

macro_rules! id_column {
    ($($name:ident),*) => {$(
        impl FromSql for $name {
            fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
                value.as_str().map($name::new)
            }
        }
    )*};
}

id_column!(VolumeId, TemplateId, PoolId, SandboxId, RegistryId, SnapshotId);

impl FromSql for Name {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        Name::parse(value.as_str()?).map_err(|error| FromSqlError::Other(Box::new(error)))
    }
}

impl ToSql for Timestamp {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::from(self.as_microseconds()))
    }
}

impl FromSql for Timestamp {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let microseconds = value.as_i64()?;
        Timestamp::from_microseconds(microseconds).ok_or(FromSqlError::OutOfRange(microseconds))
    }
}
