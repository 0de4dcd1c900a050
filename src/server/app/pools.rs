//! Pools.

use std::time::Duration;

use uuid::Uuid;

use super::quota::{self, Demand};
use super::sandboxes::Settled;
use super::templates::{of_stored, referred_to};
use super::waiters::Waited;
use super::{App, Error, Kind, Tx};
use crate::server::store::pools::{self, Pool};
use crate::server::store::{ListOptions, Page};
use crate::types::{Name, PoolId};

/// A pool to create.
#[derive(Debug)]
pub(crate) struct NewPool {
    pub(crate) name: Name,
    pub(crate) template_name: String,
    pub(crate) replicas: u32,
    /// Whether to answer only when one replica is ready.
    pub(crate) wait: bool,
    pub(crate) timeout: Duration,
    /// Whether a fault rule keeps it from being filled.
    pub(crate) held: bool,
}

/// What to change of a pool.
#[derive(Debug, Default)]
pub(crate) struct PoolChange {
    pub(crate) name: Option<Name>,
    pub(crate) replicas: Option<u32>,
}

impl App {
    /// Creates a pool and, if asked to, waits for its first replica; a pool that has none in time is taken back
    /// (contract G11), and so is one whose first replica cannot be: an image that cannot be pulled is told at once.
    ///
    /// Where pools are not filled there is nothing to wait for, and the pool is as ready as it will be.
    pub(crate) async fn create_pool(&self, new: NewPool) -> Result<Pool, Error> {
        let app = self.clone();
        self.owned(async move {
            let id = PoolId::new(Uuid::new_v4().to_string());
            let first_replica = app.0.pool_waiters.announce(id.clone());
            let (wait, timeout) = (new.wait && (app.0.warm_pools || new.held), new.timeout);
            let pool = app.transact(move |tx| insert(tx, id, new)).await?;
            if !wait {
                return Ok(pool);
            }
            match first_replica.wait(timeout).await {
                Waited::Told(Settled::Ready) => {
                    let id = pool.id;
                    app.transact(move |tx| pools::by_id(tx, &id)?.ok_or_else(|| not_found(pool.name.as_str()))).await
                }
                Waited::Forgotten => Err(not_found(pool.name.as_str())),
                Waited::Told(Settled::Failed(error)) => app.take_back_pool(pool, Error::Launch(error)).await,
                Waited::TimedOut => {
                    let (name, seconds) = (pool.name.clone(), timeout.as_secs());
                    app.take_back_pool(pool, Error::NotReadyInTime { kind: Kind::Pool, name, seconds }).await
                }
            }
        })
        .await
    }

    async fn take_back_pool(&self, pool: Pool, reason: Error) -> Result<Pool, Error> {
        let id = pool.id;
        self.transact(move |tx| {
            tx.sets_off_work();
            Ok(pools::delete(tx, &id)?)
        })
        .await?;
        Err(reason)
    }

    /// Returns a pool by name or id.
    pub(crate) async fn pool(&self, name: String) -> Result<Pool, Error> {
        self.transact(move |tx| find(tx, &name)).await
    }

    /// Returns a page of the pools.
    pub(crate) async fn pools(&self, options: ListOptions) -> Result<Page<Pool>, Error> {
        self.transact(move |tx| Ok(pools::list(tx, &options)?)).await
    }

    /// Renames a pool or changes how many replicas it holds. It is filled or drained in the background (contract G23).
    pub(crate) async fn update_pool(&self, name: String, change: PoolChange) -> Result<Pool, Error> {
        self.transact(move |tx| update(tx, &name, change)).await
    }

    /// Deletes a pool and the replicas that nobody has claimed (contract G22).
    pub(crate) async fn delete_pool(&self, name: String) -> Result<(), Error> {
        let id = self
            .transact(move |tx| {
                let pool = find(tx, &name)?;
                pools::delete(tx, &pool.id)?;
                tx.sets_off_work();
                Ok(pool.id)
            })
            .await?;
        self.0.pool_waiters.forget(&id);
        Ok(())
    }
}

fn not_found(name: &str) -> Error {
    Error::NotFound { kind: Kind::Pool, name: name.to_owned() }
}

fn find(tx: &Tx<'_>, name: &str) -> Result<Pool, Error> {
    pools::find(tx, name)?.ok_or_else(|| not_found(name))
}

fn insert(tx: &Tx<'_>, id: PoolId, new: NewPool) -> Result<Pool, Error> {
    if pools::exists(tx, &new.name)? {
        return Err(Error::AlreadyExists { kind: Kind::Pool, name: new.name });
    }
    let template = referred_to(tx, &new.template_name)?;
    if !template.mounts.is_empty() {
        return Err(Error::MountedTemplate { template: template.name });
    }
    quota::check(tx, &Demand::of_sandboxes(&template.resources, u64::from(new.replicas)))?;
    let pool = Pool {
        id,
        name: new.name,
        template_id: template.id,
        template_name: template.name,
        replicas: new.replicas,
        held: new.held,
        created_at: tx.now(),
        updated_at: tx.now(),
    };
    pools::insert(tx, &pool)?;
    tx.sets_off_work();
    Ok(pool)
}

fn update(tx: &Tx<'_>, name: &str, change: PoolChange) -> Result<Pool, Error> {
    let mut pool = find(tx, name)?;
    let old = pool.clone();
    if let Some(name) = change.name {
        if name != pool.name && pools::exists(tx, &name)? {
            return Err(Error::NameTaken { kind: Kind::Pool, name });
        }
        pool.name = name;
    }
    if let Some(replicas) = change.replicas {
        let template = of_stored(tx, &pool.template_id)?;
        let more = replicas.saturating_sub(pool.replicas);
        quota::check(tx, &Demand::of_sandboxes(&template.resources, u64::from(more)))?;
        pool.replicas = replicas;
    }
    if pool.name != old.name || pool.replicas != old.replicas {
        pool.updated_at = tx.now();
        pools::update(tx, &pool)?;
        tx.sets_off_work();
    }
    Ok(pool)
}
