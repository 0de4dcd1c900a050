//! Deletes sandboxes whose time is up.

use std::future::pending;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::app::{App, Error};
use super::store::sandboxes;

/// How long to wait after a failure of the store before trying again.
const AFTER_FAILURE: Duration = Duration::from_secs(1);

/// Sleeps until the next deadline, lets it take effect, and so on until `stop`.
///
/// Nothing is polled: the sleep ends when the deadline comes, when the clock is moved, or when a deadline changes.
pub(crate) async fn run(app: App, stop: CancellationToken) {
    loop {
        // Each transaction removes first what has expired, so that asking for the next deadline does the work.
        let next = app.transact(|tx| Ok(sandboxes::next_expiry(tx)?)).await;
        let due = async {
            match next {
                Ok(Some(deadline)) => app.time().sleep_until(deadline).await,
                Ok(None) => pending().await,
                Err(error) => {
                    log(&error);
                    tokio::time::sleep(AFTER_FAILURE).await;
                }
            }
        };
        tokio::select! {
            () = due => {}
            () = app.signals().deadlines.notified() => {}
            () = stop.cancelled() => return,
        }
    }
}

fn log(error: &Error) {
    tracing::error!(error = error as &dyn std::error::Error, "the next deadline cannot be read");
}
