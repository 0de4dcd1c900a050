//! Why an inventory could not be read, written or locked.

use std::error::Error as StdError;
use std::time::Duration;

use super::lease::Held;
use crate::reconcile::inventory::FormatError;

/// Why an inventory could not be read, written or locked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// It was read and makes no sense, or a later version wrote it. It is never written over.
    #[error("the inventory in {place} cannot be read")]
    Unreadable {
        /// Where it is.
        place: String,
        /// Why.
        source: FormatError,
    },
    /// Somebody else wrote it since it was read.
    #[error("the inventory in {place} was changed meanwhile")]
    Changed {
        /// Where it is.
        place: String,
    },
    /// A file or an object could not be read or written.
    #[error("cannot {action} {place}")]
    Store {
        /// What was to be done with it.
        action: &'static str,
        /// Which one.
        place: String,
        /// Why not.
        source: Box<dyn StdError + Send + Sync>,
    },
    /// What is to say where the inventory is says nothing.
    #[error("`{text}` is no place for an inventory")]
    BadPlace {
        /// What was said, without what could be a password.
        text: String,
        /// What is wrong with it.
        source: Box<dyn StdError + Send + Sync>,
    },
    /// Somebody else has it locked, and went on having it.
    #[error("the inventory in {place} is locked by {held}; it was waited for {} s", waited.as_secs())]
    Locked {
        /// Where it is.
        place: String,
        /// Who has it, and until when.
        held: Box<Held>,
        /// How long was waited.
        waited: Duration,
    },
    /// The lock went to somebody else while it was held.
    #[error("the lock on the inventory in {place} was lost{}", to(held.as_deref()))]
    LockLost {
        /// Where it is.
        place: String,
        /// Who has it now, and until when; `None` where nobody took it, but it was broken, or not renewed in time.
        held: Option<Box<Held>>,
    },
}

impl Error {
    pub(super) fn store(action: &'static str, place: &str, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::Store { action, place: place.to_owned(), source: source.into() }
    }
}

fn to(held: Option<&Held>) -> String {
    match held {
        Some(held) => format!(" to {held}"),
        None => ": it was broken, or could not be renewed in time".to_owned(),
    }
}
