//! Where an [`Inventory`] is kept, and how it changes there: read, locked, written only if nobody else did.
//!
//! A [`Ledger`] is one inventory in a file or an object store. Whoever is going to change the workspace takes the
//! [`Lease`], reads the inventory under it, plans from that, and begins a [`Recording`]: one write says what is going to
//! happen, effects are written while it happens, and one write closes it. Whatever is left of a recording that nobody
//! closed is taken in by the next read. Readers need no lock.

mod error;
mod folder;
mod journal;
mod lease;
mod objects;
mod place;
mod recording;
mod shelf;
#[cfg(test)]
mod tests;

pub use error::Error;
pub use lease::{Held, Holder, Lease, Patience};
pub use recording::{Opening, Recording};

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::future::try_join_all;

use self::shelf::{Shelf, Version};
use super::inventory::{FormatError, Inventory, Standing};
use crate::kinds::KindId;
use crate::types::ObjectId;

/// One inventory in a file or an object store. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct Ledger {
    shelf: Shelf,
    /// The name of the inventory on its shelf, which ends with `.json`.
    name: Arc<str>,
}

/// An inventory as it was read.
#[derive(Debug, Clone)]
pub struct Reading {
    /// What it says; empty if there is none yet.
    pub inventory: Inventory,
    /// Whether there is one.
    pub exists: bool,
    /// Whether an apply that did not end left something behind.
    pub is_unfinished: bool,
    version: Option<Version>,
}

impl Ledger {
    /// Returns where the inventory is, for messages.
    pub fn place(&self) -> String {
        self.shelf.place(&self.name)
    }

    /// Returns whether it is a file.
    pub fn is_file(&self) -> bool {
        self.shelf.as_folder().is_some()
    }

    /// Reads the inventory, with what an apply that did not end had done.
    ///
    /// # Errors
    ///
    /// [`Error::Unreadable`] when it makes no sense, and [`Error::Store`] when it cannot be had.
    pub async fn read(&self) -> Result<Reading, Error> {
        let Some(blob) = self.shelf.get(&self.name).await? else {
            return Ok(Reading { inventory: Inventory::default(), exists: false, is_unfinished: false, version: None });
        };
        let mut inventory = Inventory::from_text(&blob.text).map_err(|error| self.unreadable(&self.name, error))?;
        let journal = journal::name_of(&self.name);
        let mut n_folded = 0;
        // Only files have one: an object store takes every effect in at once.
        if let Some(folder) = self.shelf.as_folder()
            && let Some(lines) = folder.get(&journal).await?
        {
            let folded = journal::fold(&mut inventory, &blob.text, &lines.text);
            n_folded = folded.map_err(|error| self.unreadable(&journal, error))?;
        }
        let is_unfinished = n_folded > 0 || inventory.is_unsettled();
        Ok(Reading { inventory, exists: true, is_unfinished, version: Some(blob.version) })
    }

    /// Reads which objects the other inventories in the same folder, or below the same prefix, own, with the name of
    /// each. A file that is no inventory, or one that cannot be read, owns nothing.
    ///
    /// # Errors
    ///
    /// [`Error::Store`].
    pub async fn siblings(&self) -> Result<HashMap<(KindId, ObjectId), Arc<str>>, Error> {
        let names = self.shelf.list().await?;
        let others = names.into_iter().filter(|name| **name != *self.name);
        let read = others.map(async |name| Ok::<_, Error>((self.shelf.get(&name).await?, name)));
        let mut owned = HashMap::new();
        for (blob, name) in try_join_all(read).await? {
            let inventory = blob.filter(|blob| Inventory::is_one(&blob.text));
            let Some(Ok(inventory)) = inventory.map(|blob| Inventory::from_text(&blob.text)) else { continue };
            let label: Arc<str> = name.trim_end_matches(".json").into();
            let ours = inventory.iter().filter(|(_, entry)| entry.standing == Standing::Owned);
            owned.extend(ours.filter_map(|(key, entry)| Some(((key.kind, entry.id.clone()?), Arc::clone(&label)))));
        }
        Ok(owned)
    }

    fn unreadable(&self, name: &str, source: FormatError) -> Error {
        Error::Unreadable { place: self.shelf.place(name), source }
    }

    fn changed(&self) -> Error {
        Error::Changed { place: self.place() }
    }
}
