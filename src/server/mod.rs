//! The Sandbox Server API, served locally.
//!
//! [`start`] serves it on a TCP port, [`embed`] gives a router to call in the process. State is in SQLite, in a folder
//! that belongs to one process at a time ([`running`] finds who has it) or in memory; an acknowledged write survives the
//! death of the process. What runs the sandboxes is a [`runtime::Runtime`].
//!
//! Inside, arrows point down: routes read requests and write answers, `app` holds the rules and knows no HTTP, below it
//! are the store (the only SQL) and the runtime (the only processes). The routes of the API are one table, from which
//! the router, the metrics, the fault rules and the coverage page are made.
//!
//! # Example
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), sbx::server::Error> {
//! use sbx::server::{self, Options};
//!
//! let server = server::start(Options::new()).await?;
//! assert!(server.url().starts_with("http://127.0.0.1:"));
//! server.shutdown().await;
//! # Ok(())
//! # }
//! ```

mod app;
mod clock;
mod data_dir;
pub mod egress;
mod embed;
mod error;
mod hop_by_hop;
pub mod images;
mod layers;
mod lifecycle;
mod linger;
mod listen;
mod metrics;
mod open;
mod options;
mod reaper;
mod router;
mod routes;
pub mod runtime;
mod store;
#[cfg(test)]
mod tests;

pub use clock::{Clock, PausedClock, SystemClock};
pub use data_dir::{RunningServer, running};
pub use embed::{Embedded, embed};
pub use layers::faults::DroppedConnection;
pub use listen::{Handle, start};
pub use open::Error;
pub use options::{Limits, Options};
pub use store::Error as StoreError;
