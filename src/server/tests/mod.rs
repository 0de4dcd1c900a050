//! The whole server in the process: requests in, answers out.

mod harness;
mod objects;
