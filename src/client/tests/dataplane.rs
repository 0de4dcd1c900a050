//! Work inside a sandbox, against a server that plays the other side of a script.

mod commands;
mod files;
mod recorded;
mod second;
mod server;
