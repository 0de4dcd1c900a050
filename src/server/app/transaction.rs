//! One transaction: the connection, the time at which it happens, and what it sets off.

use std::cell::Cell;
use std::ops::Deref;

use super::{Error, Signals, power};
use crate::server::options::Limits;
use crate::server::store::{self, Connection, Transaction};
use crate::types::Timestamp;

/// A transaction that runs.
pub(crate) struct Tx<'a> {
    sql: Transaction<'a>,
    now: Timestamp,
    limits: &'a Limits,
    work: Cell<bool>,
    deadlines: Cell<bool>,
}

impl Tx<'_> {
    /// Returns the time at which all of the transaction happens.
    pub(crate) fn now(&self) -> Timestamp {
        self.now
    }

    /// Returns the quotas.
    pub(crate) fn limits(&self) -> &Limits {
        self.limits
    }

    /// Wakes the supervisor once the transaction is stored: a sandbox or a pool has changed.
    pub(crate) fn sets_off_work(&self) {
        self.work.set(true);
    }

    /// Wakes the reaper once the transaction is stored: a deadline has changed.
    pub(crate) fn moves_deadline(&self) {
        self.deadlines.set(true);
    }
}

impl Deref for Tx<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.sql
    }
}

/// Runs `job` in a transaction on `connection`, and wakes who has to know once it is stored.
pub(super) fn run<T>(
    connection: &mut Connection,
    now: Timestamp,
    limits: &Limits,
    signals: &Signals,
    job: impl FnOnce(&Tx<'_>) -> Result<T, Error>,
) -> Result<T, Error> {
    let sql = connection.transaction().map_err(store::Error::from)?;
    let tx = Tx { sql, now, limits, work: Cell::new(false), deadlines: Cell::new(false) };
    power::settle(&tx)?;
    let result = job(&tx)?;
    let Tx { sql, work, deadlines, .. } = tx;
    sql.commit().map_err(store::Error::from)?;
    if work.get() {
        signals.work.notify_one();
    }
    if deadlines.get() {
        signals.deadlines.notify_one();
    }
    Ok(result)
}
