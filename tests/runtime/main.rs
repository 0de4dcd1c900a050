//! Sandboxes that really run, made of Linux namespaces, with the real program as their agent.

mod bench;
mod commands;
mod egress;
mod escapes;
mod exhaustion;
mod lives;
mod program;
mod user;
