//! The lock that keeps two applies apart: a text that its holder renews, and that is dead once nobody does.
//!
//! No two clocks are compared. Who waits measures on its own, monotonic clock for how long the lock has not been renewed,
//! so that clocks that differ or jump neither break a lock nor keep a dead one alive. Who holds it and could not renew it
//! for that long stops. A machine that slept meanwhile finds out at its next renewal, and all that it writes until then is
//! written on conditions.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::Ledger;
use super::error::Error;
use super::shelf::{Blob, Put, Shelf, Version};
use crate::types::Timestamp;

/// For how long a lock holds that nobody renews.
const LEASE: Duration = Duration::from_secs(30);
/// How often the holder renews it: a renewal may fail once or twice.
const RENEW_EVERY: Duration = Duration::from_secs(8);
/// When a holder that cannot renew gives up, so that it has stopped before anybody else may begin.
const GIVE_UP_AFTER: Duration = Duration::from_secs(24);
/// How often who waits looks.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Who holds a lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// `user@host`.
    pub by: String,
    /// The process.
    pub pid: u32,
    /// Names the machine, and the space its process ids are from, over its present run; `None` if that is not known.
    pub machine: Option<String>,
    /// What it runs, such as `sbx apply`.
    pub command: String,
    /// The page of the run, if there is one.
    pub url: Option<String>,
    /// Since when it holds the lock, by its own clock.
    pub since: Timestamp,
}

/// A lock that somebody holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Who holds it.
    pub holder: Holder,
    /// When it ends unless it is renewed, by the holder's clock; `None` if that cannot be read.
    pub expires_at: Option<Timestamp>,
}

/// How long to wait for a lock, and who is told that it is waited for.
pub struct Patience<'a> {
    /// How long.
    pub timeout: Duration,
    /// Is told once of each holder.
    pub on_wait: &'a mut (dyn FnMut(&Held) + Send),
}

/// A lock that is held. It is renewed until it is released; one that is dropped dies by itself.
#[derive(Debug)]
pub struct Lease {
    shelf: Shelf,
    name: String,
    released: CancellationToken,
    lost: CancellationToken,
    /// Who has it instead, once it is lost to somebody.
    taken_by: Arc<OnceLock<Held>>,
    task: JoinSet<Option<Version>>,
}

/// The written form of a lock.
#[derive(Debug, Serialize, Deserialize)]
struct Lock {
    /// Nobody for a lock that was released.
    holder: Option<Holder>,
    /// Tells one taking of the lock from another by the same holder.
    token: String,
    n_renewals: u64,
    /// For people who read it: see above.
    expires_at: Option<Timestamp>,
}

impl Ledger {
    /// Takes the lock, waiting for whoever has it.
    ///
    /// # Errors
    ///
    /// [`Error::Locked`] when its holder did not give it up in time, and [`Error::Store`].
    pub async fn lock(&self, holder: Holder, patience: Patience<'_>) -> Result<Lease, Error> {
        let name = self.lock_name();
        let version = self.take(&name, &holder, patience).await?;
        Ok(Lease::keep(self.shelf.clone(), name, version, Lock::new(holder)))
    }

    /// Returns who holds the lock, and until when.
    ///
    /// # Errors
    ///
    /// [`Error::Store`].
    pub async fn holder(&self) -> Result<Option<Held>, Error> {
        Ok(self.shelf.get(&self.lock_name()).await?.as_ref().and_then(held))
    }

    /// Takes the lock away from this holder. It finds out, and stops. Nothing happens if it is no longer the holder.
    ///
    /// # Errors
    ///
    /// [`Error::Store`].
    pub async fn break_lock(&self, holder: &Holder) -> Result<(), Error> {
        let name = self.lock_name();
        match self.shelf.get(&name).await? {
            Some(blob) if held(&blob).is_some_and(|held| held.holder == *holder) => {
                clear(&self.shelf, &name, blob.version).await
            }
            Some(_) | None => Ok(()),
        }
    }

    fn lock_name(&self) -> String {
        format!("{}.lock", self.name.trim_end_matches(".json"))
    }

    async fn take(&self, name: &str, holder: &Holder, patience: Patience<'_>) -> Result<Version, Error> {
        let started = Instant::now();
        let mut watch = Watch::default();
        let mut told = None;
        loop {
            let seen = self.shelf.get(name).await?;
            let other = seen.as_ref().and_then(held);
            let is_free = other.as_ref().is_none_or(|other| self.is_gone(&other.holder, holder));
            if is_free || watch.is_dead(seen.as_ref()) {
                let text = Lock::new(holder.clone()).to_text();
                let basis = seen.map(|blob| blob.version);
                if let Put::Written(version) = self.shelf.put(name, text.into(), basis).await? {
                    return Ok(version);
                }
            } else if let Some(other) = other {
                let waited = started.elapsed();
                if waited >= patience.timeout {
                    return Err(Error::Locked { place: self.place(), held: Box::new(other), waited });
                }
                if told.as_ref() != Some(&other.holder) {
                    (patience.on_wait)(&other);
                    told = Some(other.holder);
                }
            }
            sleep(LOOK_EVERY.min(patience.timeout)).await;
        }
    }

    /// A holder on this machine whose process is gone renews nothing any more. That is asked for files only: who shares
    /// an object store with this machine is rarely on it.
    fn is_gone(&self, other: &Holder, own: &Holder) -> bool {
        let processes = Path::new("/proc");
        self.is_file()
            && other.machine.is_some()
            && other.machine == own.machine
            && processes.join("self").exists()
            && !processes.join(other.pid.to_string()).exists()
    }
}

/// What who waits has seen of the lock.
#[derive(Default)]
struct Watch {
    last: Option<(Arc<str>, Instant)>,
}

impl Watch {
    /// Returns whether the lock has been the same for so long that nobody renews it.
    fn is_dead(&mut self, seen: Option<&Blob>) -> bool {
        let Some(blob) = seen else { return true };
        match &self.last {
            Some((text, since)) if *text == blob.text => since.elapsed() >= LEASE,
            _ => {
                self.last = Some((Arc::clone(&blob.text), Instant::now()));
                false
            }
        }
    }
}

impl Lease {
    fn keep(shelf: Shelf, name: String, version: Version, lock: Lock) -> Self {
        let (released, lost) = (CancellationToken::new(), CancellationToken::new());
        let taken_by = Arc::new(OnceLock::new());
        let keeper = Keeper {
            shelf: shelf.clone(),
            name: name.clone(),
            version,
            lock,
            renewed: Instant::now(),
            taken_by: Arc::clone(&taken_by),
        };
        let mut task = JoinSet::new();
        task.spawn(keeper.run(released.clone(), lost.clone()));
        Self { shelf, name, released, lost, taken_by, task }
    }

    /// Returns a token that is cancelled when the lock goes to somebody else, or can be renewed no longer.
    pub fn lost(&self) -> &CancellationToken {
        &self.lost
    }

    /// Returns who has the lock instead, where it was lost to somebody and not to the time.
    pub fn taken_by(&self) -> Option<&Held> {
        self.taken_by.get()
    }

    /// Gives the lock up. One that was lost is left alone.
    ///
    /// # Errors
    ///
    /// [`Error::Store`]; the lock then dies by itself.
    pub async fn release(mut self) -> Result<(), Error> {
        self.released.cancel();
        match self.task.join_next().await {
            Some(Ok(Some(version))) => clear(&self.shelf, &self.name, version).await,
            Some(Ok(None) | Err(_)) | None => Ok(()),
        }
    }
}

/// Renews a lock.
struct Keeper {
    shelf: Shelf,
    name: String,
    version: Version,
    lock: Lock,
    /// When the last renewal that worked was sent.
    renewed: Instant,
    taken_by: Arc<OnceLock<Held>>,
}

impl Keeper {
    /// Renews the lock until it is released, and returns its version then; `None` if it was lost.
    async fn run(mut self, released: CancellationToken, lost: CancellationToken) -> Option<Version> {
        loop {
            tokio::select! {
                () = released.cancelled() => return Some(self.version),
                () = sleep(RENEW_EVERY) => {}
            }
            if !self.renew().await {
                lost.cancel();
                return None;
            }
        }
    }

    /// Returns whether the lock is held still.
    async fn renew(&mut self) -> bool {
        let started = Instant::now();
        self.lock.n_renewals += 1;
        self.lock.expires_at = self.lock.expires_at.map(|time| time.saturating_add(RENEW_EVERY));
        let put = self.shelf.put(&self.name, self.lock.to_text().into(), Some(self.version.clone()));
        // Cut off, it may have its effect all the same: the next one then finds our own token.
        match timeout(RENEW_EVERY, put).await {
            Ok(Ok(Put::Written(version))) => {
                (self.version, self.renewed) = (version, started);
                true
            }
            Ok(Ok(Put::Changed)) => self.is_ours().await,
            Ok(Err(error)) => {
                tracing::warn!(error = %error, "the lock could not be renewed");
                self.renewed.elapsed() < GIVE_UP_AFTER
            }
            Err(_) => self.renewed.elapsed() < GIVE_UP_AFTER,
        }
    }

    async fn is_ours(&mut self) -> bool {
        match timeout(RENEW_EVERY, self.shelf.get(&self.name)).await {
            Ok(Ok(Some(blob))) if Lock::of(&blob).is_some_and(|lock| lock.token == self.lock.token) => {
                self.version = blob.version;
                true
            }
            Ok(Ok(blob)) => {
                if let Some(held) = blob.as_ref().and_then(held) {
                    // It is lost once.
                    let _ = self.taken_by.set(held);
                }
                false
            }
            Ok(Err(_)) | Err(_) => self.renewed.elapsed() < GIVE_UP_AFTER,
        }
    }
}

impl Lock {
    fn new(holder: Holder) -> Self {
        let expires_at = Some(holder.since.saturating_add(LEASE));
        Self { holder: Some(holder), token: format!("{:016x}", fastrand::u64(..)), n_renewals: 0, expires_at }
    }

    fn of(blob: &Blob) -> Option<Self> {
        serde_json::from_str(&blob.text).ok()
    }

    fn to_text(&self) -> String {
        let text = serde_json::to_string_pretty(self).expect("a lock is plain data with text keys");
        text + "\n"
    }
}

/// Returns who holds a lock, if anybody does; what cannot be read is held by somebody unknown, until it is dead.
fn held(blob: &Blob) -> Option<Held> {
    let unknown = || Holder {
        by: "somebody unknown, as the lock cannot be read".to_owned(),
        pid: 0,
        machine: None,
        command: String::new(),
        url: None,
        since: Timestamp::new(jiff::Timestamp::UNIX_EPOCH),
    };
    match Lock::of(blob) {
        Some(lock) => Some(Held { holder: lock.holder?, expires_at: lock.expires_at }),
        None => Some(Held { holder: unknown(), expires_at: None }),
    }
}

/// Object stores delete without conditions, and so might delete a lock that somebody took meanwhile: there, a lock without
/// a holder takes its place.
async fn clear(shelf: &Shelf, name: &str, version: Version) -> Result<(), Error> {
    if let Some(folder) = shelf.as_folder() {
        return folder.remove(name, Some(version)).await;
    }
    let free = Lock { holder: None, token: String::new(), n_renewals: 0, expires_at: None };
    shelf.put(name, free.to_text().into(), Some(version)).await.map(drop)
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { by, pid, command, url, .. } = self;
        if command.is_empty() {
            return f.write_str(by);
        }
        write!(f, "{by} (`{command}`, process {pid}")?;
        match url {
            Some(url) => write!(f, ", {url})"),
            None => f.write_str(")"),
        }
    }
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.holder)?;
        match self.expires_at {
            Some(time) => write!(f, " until {}, unless that is renewed", time.to_second_text()),
            None => Ok(()),
        }
    }
}
