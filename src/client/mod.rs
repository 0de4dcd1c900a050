//! The async client of the Sandbox Server API.
//!
//! ```no_run
//! use sbx::client::{Client, Config, CreateVolumeOptions};
//! use sbx::types::Name;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::new(Config::from_env())?;
//! let name = Name::parse("datasets")?;
//! if client.list_volumes().await?.iter().all(|volume| volume.name != name.as_str()) {
//!     let volume = client.create_volume(&name, &"20Gi".parse()?, CreateVolumeOptions::default()).await?;
//!     assert_eq!(volume.size, "20Gi");
//! }
//! client.close().await;
//! # Ok(())
//! # }
//! ```
//!
//! * [`Client`] has a method for each operation; [`Reader`] has those that change nothing.
//! * [`Client::with_headers`], [`Client::with_timeout`] and [`Client::with_deadline`] narrow what a call may do.
//! * [`Error::kind`] says what went wrong.
//! * [`Transport`] is the one port below: HTTP, or a server in the same process.
//!
//! A call is repeated where that is safe: the operation has the same effect twice, or the server refused it without
//! doing anything, or looking has shown that there was no effect. So nothing is created twice, and a create whose
//! answer was lost still succeeds. [`Error::is_ambiguous`] is left for what looking could not settle. Dropping the
//! future of a write leaves open whether it had its effect; dropping that of a read changes nothing.
//!
//! A server that answers "too many requests" slows all clones and views of a client down together: none sends anything
//! before the time that it asked for, and fewer calls are under way at once until they succeed again
//! ([`Client::pace`]).
//!
//! The API has two generations, and a server speaks one of them or both ([`Client::generations`]). What belongs to the
//! second is what has `registry`, `snapshot` or `_v2` in its name. A call of a generation that the server does not speak
//! fails with [`Kind::WrongGeneration`].
//!
//! Work inside a sandbox starts at its [`Sandbox`]: [`run`](Sandbox::run) and [`start`](Sandbox::start) for commands,
//! [`read`](Sandbox::read) and [`write`](Sandbox::write) for files, [`tunnel`](Sandbox::tunnel) and
//! [`service`](Sandbox::service) for its ports.

mod answers;
mod config;
mod connect;
mod dataplane;
mod deadline;
mod dockerfile;
mod error;
mod exchange;
mod filter;
mod generation;
mod guard;
mod handle;
mod hiding;
mod limiter;
mod link;
mod object;
mod page;
mod pools;
mod reader;
mod registries;
mod request;
mod retry;
mod sandboxes;
mod sandboxes_v2;
mod service;
mod services_v2;
mod setters;
mod snapshots;
mod socket_timeouts;
mod templates;
mod throttle;
mod transport;
mod volumes;
mod wait;
mod write;

#[cfg(test)]
mod tests;

pub use self::config::{API_KEY_VARIABLES, Config, ConfigError, DEFAULT_ENDPOINT, ENDPOINT_VARIABLES};
pub use self::connect::Client;
pub use self::dataplane::{
    Chunk, CommandControl, CommandHandle, FileStat, Offsets, Output, OutputStream, RunOptions, SearchOptions, Tunnel,
    TunnelOptions,
};
pub use self::deadline::Deadline;
pub use self::dockerfile::DockerfileOptions;
pub use self::error::{Error, Kind, QuotaType, Resource};
pub use self::filter::ListFilter;
pub use self::generation::{Generation, Generations};
pub use self::guard::SandboxGuard;
pub use self::handle::{Sandbox, SandboxObject, SandboxV2};
pub use self::pools::{CreatePoolOptions, UpdatePoolOptions};
pub use self::reader::Reader;
pub use self::registries::{CreateRegistryOptions, RegistryAuth, UpdateRegistryOptions};
pub use self::sandboxes::{CreateSandboxOptions, UpdateSandboxOptions};
pub use self::sandboxes_v2::{CreateSandboxV2Options, UpdateSandboxV2Options};
pub use self::service::{ServiceOptions, ServiceUrl};
pub use self::services_v2::DownloadUrlOptions;
pub use self::snapshots::{CaptureSnapshotOptions, CreateSnapshotOptions};
pub use self::socket_timeouts::SocketTimeouts;
pub use self::templates::CreateTemplateOptions;
pub use self::throttle::Pace;
pub use self::transport::{BoxConnection, Connection, Content, HttpTransport, Limits, Transport, TransportError};
pub use self::volumes::{CreateVolumeOptions, UpdateVolumeOptions};
pub use self::wait::WaitOptions;
