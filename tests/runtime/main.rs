//! Sandboxes that really run, made of Linux namespaces, with the real program as their agent.

#[macro_use]
mod missing;

mod bench;
mod client;
mod commands;
mod egress;
mod escapes;
mod exhaustion;
mod full_disk;
mod images;
mod kills;
mod lives;
mod packed;
mod pools;
mod program;
mod restarts;
mod searches;
mod served;
mod snapshots;
mod user;
mod volumes;
