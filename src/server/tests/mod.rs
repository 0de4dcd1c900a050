//! The whole server in the process: requests in, answers out.

mod errors;
mod faults;
mod harness;
mod lifecycle;
mod objects;
