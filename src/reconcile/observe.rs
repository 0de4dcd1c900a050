//! Reads the live state: all lists at once, with a client that cannot write.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::{try_join, try_join_all};
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};

use super::inventory::{Entry, Inventory};
use super::lack::makings;
use super::world::World;
use crate::client::{self, Error, Reader};
use crate::kinds::{self, Key, KindId, Live, Misnamed};
use crate::types::Timestamp;

/// Reads every kind's list and the workspace's quota, in parallel.
///
/// A kind that the server does not have is noted as such ([`World::unspoken`]).
///
/// # Errors
///
/// Whatever the client reports for the first call that failed; a server that has none of the kinds is said to be one.
pub async fn observe(reader: &Reader, now: Timestamp) -> Result<World, Error> {
    // Kinds read each other's lists to turn ids into names.
    let reader = &reader.remembering();
    let lists = try_join_all(kinds::all().map(|kind| list_if_spoken(kind, reader)));
    let (lists, capacity) = try_join(lists, kinds::capacity(reader)).await?;

    let (mut live, mut misnamed) = (Vec::new(), Vec::new());
    let mut refused: BTreeMap<KindId, Error> = BTreeMap::new();
    for (kind, list) in kinds::all().zip(lists) {
        match list {
            Ok(objects) => objects.into_iter().for_each(|object| match object {
                Ok(object) => live.push(object),
                Err(object) => misnamed.push(object),
            }),
            Err(error) => drop(refused.insert(kind, error)),
        }
    }
    let unspoken = unspoken(&refused);
    if unspoken.len() == kinds::all().count()
        && let Some((_, error)) = refused.pop_first()
    {
        return Err(error);
    }
    let is_spoken = |kind: KindId| !unspoken.contains(&kind);
    let mut world = World::new(live.into_iter().filter(|live| is_spoken(live.key.kind)), now);
    world.misnamed = misnamed;
    world.misnamed.retain(|object| is_spoken(object.kind));
    world.unspoken = unspoken;
    world.capacity = capacity;
    Ok(world)
}

/// Returns the kinds that the server does not have, where these lists were refused.
///
/// Generations share collections: a server may list objects of a kind whose makings it does not have. So a kind is spoken
/// only if those are that it cannot be declared without. References go down the list of kinds, so one pass finds all.
fn unspoken(refused: &BTreeMap<KindId, Error>) -> BTreeSet<KindId> {
    let mut unspoken = BTreeSet::new();
    for kind in kinds::all() {
        if refused.contains_key(&kind) || makings(kind).any(|of| unspoken.contains(&of)) {
            unspoken.insert(kind);
        }
    }
    unspoken
}

/// Lists a kind; the error inside says that the server does not have it.
async fn list_if_spoken(kind: KindId, reader: &Reader) -> Result<Result<Listed, Error>, Error> {
    match list(kind, reader).await {
        Err(error) if error.kind() == client::Kind::WrongGeneration => Ok(Err(error)),
        listed => listed.map(Ok),
    }
}

/// How many objects are looked for at once.
const LOOKS_AT_ONCE: usize = 10;

/// Looks again for what is recorded and was in no list: a list may be older than what it lists, and nothing is taken for
/// gone on its word alone. Its kind is listed once more, and what is still missing is asked for by its name.
///
/// # Errors
///
/// Whatever the client reports for the first call that failed.
pub async fn look_again(mut world: World, inventory: &Inventory, reader: &Reader) -> Result<World, Error> {
    let kinds: BTreeSet<_> = missing(&world, inventory).map(|(key, _)| key.kind).collect();
    if kinds.is_empty() {
        return Ok(world);
    }
    let first = world.clone();
    let again = reader.remembering();
    for kind in kinds {
        world = world.with_list(kind, list(kind, &again).await?.into_iter().flatten());
    }
    let looks = missing(&world, inventory).map(|(key, entry)| {
        // The second list may be the older one: what the first one had is asked for by the name that it had there.
        let seen = entry.id.as_ref().and_then(|id| first.by_id(key.kind, id)).map(|live| &live.key);
        let recorded = Some(key).filter(|key| world.get(key).is_none());
        look(seen.into_iter().chain(recorded), entry, reader)
    });
    let found: Vec<_> = stream::iter(looks).buffer_unordered(LOOKS_AT_ONCE).try_collect().await?;
    let found: Vec<_> = found.into_iter().flatten().collect();
    Ok(if found.is_empty() { world } else { world.with_more(found) })
}

/// Returns the object of an entry, if it has one of these names.
async fn look(names: impl Iterator<Item = &Key>, entry: &Entry, reader: &Reader) -> Result<Option<Live>, Error> {
    for key in names {
        match key.kind.get(reader, &key.name).await {
            Ok(live) if live.id == entry.id => return Ok(Some(live)),
            Ok(_) => {}
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

/// Returns what is recorded with an id that nothing live has.
fn missing<'a>(world: &'a World, inventory: &'a Inventory) -> impl Iterator<Item = (&'a Key, &'a Entry)> {
    let is_missing =
        |(key, entry): &(&Key, &Entry)| entry.id.as_ref().is_some_and(|id| world.by_id(key.kind, id).is_none());
    let inventory = inventory.iter().filter(|(key, _)| world.speaks(key.kind));
    inventory.filter(is_missing)
}

type Listed = Vec<Result<Live, Misnamed>>;

async fn list(kind: KindId, reader: &Reader) -> Result<Listed, Error> {
    kind.list(reader).await
}
