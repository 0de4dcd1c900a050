//! Words that every other module shares: names, ids, quantities, times, secrets.
//!
//! Each type is parsed once, at the edge, and trusted from then on. Nothing here does I/O. Start with [`Name`] for
//! the shape that all of them have.

mod ids;
mod image;
mod labels;
mod name;
mod quantity;
mod secret;
mod time;

pub use ids::{ObjectId, PoolId, RegistryId, SandboxId, SnapshotId, TemplateId, VolumeId};
pub use image::Image;
pub use labels::{Labels, Selector, SelectorError};
pub use name::{Name, NameError};
pub use quantity::{ByteSize, Cpu, QuantityError};
pub use secret::Secret;
pub use time::{Timestamp, TimestampError, Ttl, TtlError};
