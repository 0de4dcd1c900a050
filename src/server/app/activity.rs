//! Noticing that sandboxes are used, without a transaction for every byte that passes.

use std::collections::HashSet;
use std::mem;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::App;
use crate::types::SandboxId;

/// How exactly the last activity of a sandbox is recorded while bytes flow.
const RESOLUTION: Duration = Duration::from_secs(10);

/// The sandboxes that were used since this was last recorded.
#[derive(Default)]
pub(super) struct Activity {
    used: Mutex<HashSet<SandboxId>>,
    news: Notify,
}

impl Activity {
    fn take(&self) -> HashSet<SandboxId> {
        mem::take(&mut *self.used.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl App {
    /// Counts something as activity of a sandbox (contract G37). Cheap enough to be called for each piece of a stream.
    pub(crate) fn note_use(&self, id: &SandboxId) {
        let activity = &self.0.activity;
        let mut used = activity.used.lock().unwrap_or_else(PoisonError::into_inner);
        if !used.contains(id) {
            used.insert(id.clone());
            activity.news.notify_one();
        }
    }
}

/// Records what is noted, until `stop`.
pub(super) async fn run(app: App, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = app.0.activity.news.notified() => {}
            () = stop.cancelled() => return,
        }
        for id in app.0.activity.take() {
            app.touch(&id).await;
        }
        tokio::select! {
            () = tokio::time::sleep(RESOLUTION) => {}
            () = stop.cancelled() => return,
        }
    }
}
