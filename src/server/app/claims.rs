//! Drawing a warm replica from a pool.

use super::Tx;
use super::{Error, sandboxes::NewSandbox};
use crate::server::lifecycle::{self, Event};
use crate::server::store::pools;
use crate::server::store::sandboxes::{self, Sandbox};
use crate::server::store::templates::Template;
use crate::types::Name;

/// What a create found in the pools of its template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Draw {
    /// A replica of this pool, which is now the caller's.
    Hit(Name),
    /// These pools, none of them with a replica that is ready.
    Miss(Vec<Name>),
    /// Nothing was drawn, since there is no pool.
    NoPool,
}

/// Turns the oldest ready replica of the template into the sandbox to create, if there is one (contract G21, G23).
///
/// It starts its life as a sandbox now: age and idleness count from the claim, not from when the pool was filled.
pub(super) fn draw(
    tx: &Tx<'_>,
    template: &Template,
    name: &Name,
    new: &NewSandbox,
) -> Result<(Draw, Option<Sandbox>), Error> {
    let replica = sandboxes::oldest_warm(tx, &template.id)?;
    let Some(mut sandbox) =
        replica.filter(|replica| lifecycle::next(replica.generation(), replica.state, Event::Claimed).is_ok())
    else {
        let warm = pools::to_draw_from(tx, &template.id)?;
        return Ok((if warm.is_empty() { Draw::NoPool } else { Draw::Miss(warm) }, None));
    };
    sandbox.name = Some(name.clone());
    let pool = sandbox.pool_id.take().map(|pool| pools::by_id(tx, &pool)).transpose()?.flatten();
    sandbox.ttl = new.ttl;
    sandbox.idle_ttl = new.idle_ttl;
    sandbox.waited_for = false;
    sandbox.created_at = tx.now();
    sandbox.updated_at = tx.now();
    sandbox.last_activity_at = tx.now();
    sandboxes::update(tx, &sandbox)?;
    Ok((pool.map_or(Draw::NoPool, |pool| Draw::Hit(pool.name)), Some(sandbox)))
}
