//! The program as its users run it: a real process, its output and exit code in one snapshot.
//!
//! ```text
//! let environment = Environment::new();
//! environment.write("manifests/volume.yaml", "…");
//! insta::assert_snapshot!(environment.sbx(&["validate", "-f", "manifests"]), @"");
//! ```

mod applying;
mod attaching;
mod contexts;
mod doctoring;
mod drifting;
mod egress;
pub(crate) mod environment;
mod exporting;
mod looking;
mod migrating;
mod nesting;
mod observing;
mod owning;
mod pacing;
mod patching;
mod piping;
mod planted;
mod projects;
mod recording;
mod reference;
mod refusing;
mod reviewing;
mod schemas;
mod second;
pub(crate) mod server;
mod serving;
mod validating;
