//! Creators that wait for what they created.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

/// Those who wait, by the id of what they wait for. An object has one creator, so at most one waits for it.
pub(super) struct Waiters<K, V>(Mutex<HashMap<K, oneshot::Sender<V>>>);

impl<K, V> Default for Waiters<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

/// How a wait ended.
pub(super) enum Waited<V> {
    /// Somebody told.
    Told(V),
    /// What was waited for is gone.
    Forgotten,
    /// The time was up.
    TimedOut,
}

impl<K: Eq + Hash + Clone, V> Waiters<K, V> {
    /// Announces that somebody will wait; to be done before the object can be seen by anybody who could tell.
    pub(super) fn announce(&self, key: K) -> Waiter<'_, K, V> {
        let (sender, told) = oneshot::channel();
        self.lock().insert(key.clone(), sender);
        Waiter { waiters: self, key, told }
    }

    /// Tells whoever waits for `key`, if anybody does.
    pub(super) fn tell(&self, key: &K, value: V) {
        if let Some(sender) = self.lock().remove(key) {
            // The waiter may have given up in this very moment.
            let _ = sender.send(value);
        }
    }

    /// Ends the wait for `key`, if anybody waits: it is gone.
    pub(super) fn forget(&self, key: &K) {
        self.lock().remove(key);
    }

    /// Lets go of everybody who waits.
    pub(super) fn forget_all(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<K, oneshot::Sender<V>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An announced wait; dropping it takes the announcement back.
pub(super) struct Waiter<'a, K: Eq + Hash + Clone, V> {
    waiters: &'a Waiters<K, V>,
    key: K,
    told: oneshot::Receiver<V>,
}

impl<K: Eq + Hash + Clone, V> Waiter<'_, K, V> {
    /// Waits, at most for `timeout`.
    pub(super) async fn wait(mut self, timeout: Duration) -> Waited<V> {
        match tokio::time::timeout(timeout, &mut self.told).await {
            Ok(Ok(value)) => Waited::Told(value),
            Ok(Err(_)) => Waited::Forgotten,
            Err(_) => Waited::TimedOut,
        }
    }
}

impl<K: Eq + Hash + Clone, V> Drop for Waiter<'_, K, V> {
    fn drop(&mut self) {
        self.waiters.forget(&self.key);
    }
}
