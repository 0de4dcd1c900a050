//! What can go wrong below the rules: the database itself.

use std::io;
use std::path::PathBuf;

use rusqlite::ErrorCode;

/// A failure of the database.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A statement failed.
    #[error("the database refused a statement")]
    Sqlite(#[source] rusqlite::Error),
    /// The database's file cannot be made, or closed to others.
    #[error("`{}` cannot be used", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The database was written by a newer version of the program.
    #[error("the database has schema version {found}, this program knows up to {known}")]
    TooNew {
        /// The version found in the file.
        found: u32,
        /// The newest version that this program knows.
        known: u32,
    },
    /// A value in the database cannot be read back.
    #[error("column `{column}` holds `{text}`, which cannot be read")]
    Corrupt {
        /// The column.
        column: &'static str,
        /// What stands there.
        text: String,
    },
    /// The store was closed, or a bug ended a statement half-way.
    #[error("the store is closed")]
    Closed,
}

impl Error {
    /// Returns whether there is no room left on the disk.
    pub(crate) fn is_full(&self) -> bool {
        matches!(self, Self::Sqlite(error) if error.sqlite_error_code() == Some(ErrorCode::DiskFull))
    }
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}
