//! What goes on inside a sandbox: commands, files, and connections to ports (contract section 4).
//!
//! All of it goes to the sandbox's own URL. Nothing here is a task in the background, but for a [`Tunnel`]'s own: a
//! command is followed while somebody reads its handle.

mod access;
mod command;
mod command_id;
mod files;
mod inspect;
mod run;
mod search;
mod socket;
mod tunnel;

pub use self::command::{Chunk, CommandControl, CommandHandle, OutputStream};
pub use self::inspect::FileStat;
pub use self::run::{Offsets, Output, RunOptions};
pub use self::search::SearchOptions;
pub use self::tunnel::{Tunnel, TunnelOptions};
