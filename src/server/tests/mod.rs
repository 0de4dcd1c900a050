//! The whole server in the process: requests in, answers out.

mod errors;
mod faults;
pub(in crate::server) mod harness;
mod lifecycle;
mod objects;
mod restart;
