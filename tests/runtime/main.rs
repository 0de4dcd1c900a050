//! Sandboxes that really run, made of Linux namespaces, with the real program as their agent.

mod bench;
mod commands;
mod egress;
mod escapes;
mod lives;
mod program;
mod snapshots;
mod user;
