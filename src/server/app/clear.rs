//! Emptying the whole workspace.

use super::{App, Error};
use crate::server::store::{pools, registries, sandboxes, snapshots, templates, volumes};

impl App {
    /// Deletes every object, and takes back how far the clock was moved.
    pub(crate) async fn reset(&self) -> Result<(), Error> {
        self.0.time.reset();
        self.transact(|tx| {
            pools::clear(tx)?;
            sandboxes::clear(tx)?;
            templates::clear(tx)?;
            volumes::clear(tx)?;
            snapshots::clear(tx)?;
            registries::clear(tx)?;
            tx.sets_off_work();
            tx.moves_deadline();
            Ok(())
        })
        .await?;
        // A pool that is gone gets no replica any more.
        self.0.pool_waiters.forget_all();
        Ok(())
    }
}
