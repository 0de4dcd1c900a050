//! The objects in SQLite: typed rows and the statements over them.
//!
//! [`Store`] owns the one connection and runs closures on it, one after the other. The modules of the kinds hold the
//! statements, as plain functions over a connection; what they mean together (which checks, in which order, in which
//! transaction) is the business of `app`. No other module contains SQL.

mod connection;
mod error;
pub(crate) mod grants;
mod migrate;
mod page;
pub(crate) mod pools;
pub(crate) mod registries;
pub(crate) mod sandboxes;
pub(crate) mod settings;
pub(crate) mod snapshots;
pub(crate) mod templates;
mod value;
pub(crate) mod volumes;

pub(crate) use connection::Store;
pub use error::Error;
pub(crate) use page::{Direction, LabelFilter, ListOptions, Page, Place, PlaceKey};

pub(crate) use rusqlite::{Connection, Transaction};
