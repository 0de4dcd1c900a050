//! Keeps a LangSmith sandbox workspace equal to a folder of YAML.
//!
//! The package is four things that stand on each other, each behind a cargo feature:
//!
//! * [`client`] (feature `client`): the async client of the Sandbox Server API;
//! * [`manifest`], [`kinds`] and [`reconcile`] (feature `reconcile`): YAML to a plan, and a plan to a workspace;
//! * [`server`] (feature `server`): the same API served locally;
//! * the binary `sbx` (feature `cli`): the command line, a separate target that sees only what is public here.
//!
//! [`types`] holds the words that all of them share, [`wire`] the API as plain data. `ARCHITECTURE.md` draws the
//! arrows between these modules and names the test that holds each of them in place.

pub mod types;
pub mod wire;

#[cfg(feature = "client")]
pub mod client;
#[cfg(feature = "reconcile")]
pub mod kinds;
#[cfg(feature = "reconcile")]
pub mod manifest;
#[cfg(feature = "reconcile")]
pub mod reconcile;
#[cfg(feature = "server")]
pub mod server;
