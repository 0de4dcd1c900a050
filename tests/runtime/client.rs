//! Our own client does what the official SDK's documentation shows, in sandboxes that really run.
//!
//! The list is that of `tests/sdk/python/scenarios_commands.py` and `scenarios_sandboxes.py`.

mod commands;
mod ports;
mod times;
mod world;
