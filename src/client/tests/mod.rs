//! Tests of whole calls, against a transport that expects a script of requests.

mod answers;
mod creates;
mod dataplane;
mod errors;
mod generations;
mod lists;
mod mock;
mod network;
mod property;
mod registries;
mod requests;
mod retries;
mod sandboxes;
mod sandboxes_v2;
mod secrets;
mod snapshots;
mod throttling;
mod writes;

use crate::types::Name;

fn name(text: &str) -> Name {
    Name::parse(text).expect("a valid name")
}
