//! The endpoints: each reads its request, calls `app`, and writes the answer. None knows SQL or a runtime.
//!
//! [`table`] lists the operations; [`decode`] is how bodies and queries are read.

pub(crate) mod admin;
mod boxes;
mod configs;
mod cursor;
mod dataplane;
mod decode;
mod downloads;
mod object;
mod pools;
mod query;
mod registries;
mod service;
mod snapshots;
pub(crate) mod system;
pub(crate) mod table;
mod templates;
mod usage;
mod volumes;

pub(crate) use decode::Body;
pub(crate) use object::{Failing, Held, Named};
