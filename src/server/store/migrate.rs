//! The schema's versions: numbered files, applied in order.

use rusqlite::{Connection, TransactionBehavior};

use super::Error;

/// The migrations; the first one makes version 1. They are never edited once released, only added to.
const MIGRATIONS: [&str; 5] = [
    include_str!("migrations/0001_first.sql"),
    include_str!("migrations/0002_registries.sql"),
    include_str!("migrations/0003_snapshots.sql"),
    include_str!("migrations/0004_volume_removals.sql"),
    include_str!("migrations/0005_login_grants.sql"),
];

/// Applies the migrations that the database has not seen.
///
/// Each one is a transaction together with its new version number, so that a kill in between leaves no half schema.
pub(super) fn to_newest(connection: &mut Connection) -> Result<(), Error> {
    let found: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let known = u32::try_from(MIGRATIONS.len()).expect("there are few migrations");
    if found > known {
        return Err(Error::TooNew { found, known });
    }
    for (version, sql) in (1..=known).zip(MIGRATIONS).skip(found as usize) {
        let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        tx.execute_batch(sql)?;
        tx.pragma_update(None, "user_version", version)?;
        tx.commit()?;
    }
    Ok(())
}
