//! An apply in the inventory: what is going to happen in one write, what happened as it happens, and the end.

use std::fs::File;
use std::io::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::error::Error;
use super::folder::blocking;
use super::shelf::{Put, Shelf, Version};
use super::{Ledger, Reading, journal};
use crate::reconcile::apply::Recorder;
use crate::reconcile::inventory::{Effect, Intent, Inventory, Run};

/// How long effects gather for one write to an object store, which takes the whole inventory. What an end in between
/// loses, a later read finds out through the intents.
const GATHER: Duration = Duration::from_millis(250);

/// What is known when an apply begins.
#[derive(Debug, Clone, Default)]
pub struct Opening {
    /// The inventory that the plan was made from, with its intents settled.
    pub inventory: Inventory,
    /// What changes in it without a call.
    pub effects: Vec<Effect>,
    /// What the steps of the plan are going to do.
    pub intents: Vec<Intent>,
    /// Whether the plan has steps, so that what it is going to do is to be on record before the first of them.
    pub has_steps: bool,
    /// The apply itself, as far as it is known before it ends: should it be killed, its number counts all the same.
    pub run: Option<Run>,
}

/// What stands in the place of the outcome of an apply that goes on, or was killed.
const UNENDED: &str = "did not end";

/// An apply that is being recorded. Dropped without an end, what it wrote so far stands.
#[derive(Debug)]
pub struct Recording {
    desk: Arc<Desk>,
    closed: CancellationToken,
    broken: CancellationToken,
    task: JoinSet<Books>,
}

/// Where effects wait to be written.
#[derive(Debug, Default)]
struct Desk {
    effects: Mutex<Vec<Effect>>,
    arrived: Notify,
}

impl Recorder for Desk {
    fn record(&self, effects: Vec<Effect>) {
        self.effects.lock().unwrap_or_else(PoisonError::into_inner).extend(effects);
        self.arrived.notify_one();
    }
}

impl Desk {
    fn take(&self) -> Vec<Effect> {
        std::mem::take(&mut self.effects.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Ledger {
    /// Begins to record an apply whose plan was made from `reading`, under the lock.
    ///
    /// # Errors
    ///
    /// [`Error::Changed`] when somebody wrote the inventory since it was read, and [`Error::Store`].
    pub async fn begin(&self, reading: Reading, opening: Opening) -> Result<Recording, Error> {
        let Opening { mut inventory, effects, intents, has_steps, run } = opening;
        for effect in effects {
            inventory.apply(effect);
        }
        inventory.intend(intents);
        if let Some(run) = run.filter(|_| has_steps) {
            inventory.serial = run.serial.or(inventory.serial);
            inventory.remember(Run { outcome: UNENDED.to_owned(), ..run });
        }
        let mut books = Books {
            ledger: self.clone(),
            inventory,
            version: reading.version,
            journal: None,
            is_changed: false,
            failure: None,
        };
        if has_steps {
            let text = books.write().await?;
            books.begin_journal(&text).await?;
        }
        let desk = Arc::new(Desk::default());
        let (closed, broken) = (CancellationToken::new(), CancellationToken::new());
        let mut task = JoinSet::new();
        task.spawn(keep(books, Arc::clone(&desk), closed.clone(), broken.clone()));
        Ok(Recording { desk, closed, broken, task })
    }
}

impl Recording {
    /// Returns who takes effects in.
    pub fn recorder(&self) -> Arc<dyn Recorder> {
        Arc::clone(&self.desk) as Arc<dyn Recorder>
    }

    /// Returns a token that is cancelled when somebody else has written the inventory, so that nothing more should be
    /// begun.
    pub fn broken(&self) -> &CancellationToken {
        &self.broken
    }

    /// Writes all that was recorded, and the apply itself.
    ///
    /// # Errors
    ///
    /// [`Error::Changed`] and [`Error::Store`]. What was going to be done is on record then, so that a later read can
    /// find out what was.
    pub async fn finish(mut self, run: Run) -> Result<(), Error> {
        self.closed.cancel();
        let Some(Ok(mut books)) = self.task.join_next().await else {
            let error = std::io::Error::other("its writer stopped");
            return Err(Error::store("write", "the inventory", error));
        };
        books.close(run).await
    }
}

/// Writes what arrives until the recording is closed: one write at a time, each with all that arrived since the last.
async fn keep(mut books: Books, desk: Arc<Desk>, closed: CancellationToken, broken: CancellationToken) -> Books {
    loop {
        // Asked before the effects are taken: what arrives later is none of a closed recording.
        let is_last = closed.is_cancelled();
        let effects = desk.take();
        if is_last {
            // The write that closes the recording has them too.
            books.fulfil(effects);
            return books;
        }
        if !effects.is_empty() {
            books.take_in(effects).await;
            if books.is_changed {
                broken.cancel();
            }
        }
        tokio::select! {
            () = desk.arrived.notified() => {}
            () = closed.cancelled() => {}
        }
        if books.journal.is_none() {
            tokio::select! {
                () = sleep(GATHER) => {}
                () = closed.cancelled() => {}
            }
        }
    }
}

/// The inventory as it is, and as it was last written.
#[derive(Debug)]
struct Books {
    ledger: Ledger,
    inventory: Inventory,
    version: Option<Version>,
    /// Where effects go until the end, for an inventory in a file.
    journal: Option<File>,
    /// Whether somebody else wrote the inventory.
    is_changed: bool,
    /// Why the last write of effects failed.
    failure: Option<Error>,
}

impl Books {
    fn shelf(&self) -> &Shelf {
        &self.ledger.shelf
    }

    /// Writes the whole inventory and returns its text.
    async fn write(&mut self) -> Result<Arc<str>, Error> {
        let text: Arc<str> = self.inventory.to_text().into();
        let put = self.shelf().put(&self.ledger.name, Arc::clone(&text), self.version.clone()).await?;
        match put {
            Put::Written(version) => {
                self.version = Some(version);
                Ok(text)
            }
            Put::Changed => {
                self.is_changed = true;
                Err(self.ledger.changed())
            }
        }
    }

    async fn begin_journal(&mut self, text: &str) -> Result<(), Error> {
        let Some(folder) = self.shelf().as_folder().cloned() else { return Ok(()) };
        let name = journal::name_of(&self.ledger.name);
        let place = self.shelf().place(&name);
        let first_line = journal::first_line(text);
        let file = blocking(move || folder.begin_file(&name, &first_line)).await;
        self.journal = Some(file.map_err(|error| Error::store("write", &place, error))?);
        Ok(())
    }

    fn fulfil(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            self.inventory.fulfil(effect);
        }
    }

    async fn take_in(&mut self, effects: Vec<Effect>) {
        let lines = self.journal.as_ref().map(|_| journal::lines(&effects));
        self.fulfil(effects);
        if self.is_changed {
            return;
        }
        let written = match lines {
            Some(lines) => self.append(lines).await,
            None => self.write().await.map(drop),
        };
        self.failure = written.err();
    }

    /// Not brought to the disk line by line: a killed process loses nothing of it, and for a machine that fails there
    /// are the intents.
    async fn append(&mut self, lines: String) -> Result<(), Error> {
        let Some(mut file) = self.journal.take() else { return Ok(()) };
        let place = self.shelf().place(&journal::name_of(&self.ledger.name));
        let written = blocking(move || {
            let result = file.write_all(lines.as_bytes());
            Ok((file, result))
        });
        let (file, result) = written.await.map_err(|error| Error::store("write", &place, error))?;
        self.journal = Some(file);
        result.map_err(|error| Error::store("write", &place, error))
    }

    async fn close(&mut self, run: Run) -> Result<(), Error> {
        if self.is_changed {
            return Err(self.ledger.changed());
        }
        if run.serial.is_some() {
            self.inventory.serial = run.serial;
        }
        let begun =
            self.inventory.runs.pop_if(|last| last.outcome == UNENDED && last.at == run.at && last.by == run.by);
        drop(begun);
        self.inventory.remember(run);
        self.write().await?;
        if let Some(folder) = self.shelf().as_folder() {
            folder.remove(&journal::name_of(&self.ledger.name), None).await?;
        }
        Ok(())
    }
}
