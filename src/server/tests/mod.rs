//! The whole server in the process: requests in, answers out.

mod clock;
mod dataplane;
mod errors;
mod faults;
pub(in crate::server) mod harness;
mod invariants;
mod lifecycle;
mod lists;
mod metrics;
mod objects;
mod registries;
mod restart;
mod second;
