//! Reads the live state: all lists at once, with a client that cannot write.

use futures_util::future::{try_join, try_join_all};

use super::world::World;
use crate::client::{Error, Reader};
use crate::kinds::{self, KindId};
use crate::types::Timestamp;

/// Reads every kind's list and the workspace's quota, in parallel.
///
/// # Errors
///
/// Whatever the client reports for the first call that failed; a server without this API is said to be one.
pub async fn observe(reader: &Reader, now: Timestamp) -> Result<World, Error> {
    let lists = try_join_all(kinds::all().map(|kind| list(kind, reader)));
    let (lists, capacity) = try_join(lists, kinds::capacity(reader)).await?;

    let (mut live, mut misnamed) = (Vec::new(), Vec::new());
    for object in lists.into_iter().flatten() {
        match object {
            Ok(object) => live.push(object),
            Err(object) => misnamed.push(object),
        }
    }
    let mut world = World::new(live, now);
    world.misnamed = misnamed;
    world.capacity = capacity;
    Ok(world)
}

async fn list(kind: KindId, reader: &Reader) -> Result<Vec<Result<kinds::Live, kinds::Misnamed>>, Error> {
    kind.list(reader).await
}
