//! What a step sees while it waits for its object to be ready, as events.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::client::Client;
use crate::reconcile::event::{Event, EventSink, Phase};

/// How often a status that stays the same is told again.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// Returns a view of the client whose waits are told as events of a step that begins now.
pub(super) fn told(client: &Client, step: usize, out: &EventSink) -> Client {
    let (out, began, last) = (out.clone(), Instant::now(), Mutex::new(Last::default()));
    client.watched_by(move |status| {
        let elapsed = began.elapsed();
        let news = last.lock().unwrap_or_else(PoisonError::into_inner).news(status, elapsed);
        if let Some(status) = news {
            out.offer(Event { step, phase: Phase::Waiting { status, elapsed } });
        }
    })
}

/// What was told last, and when.
#[derive(Default)]
struct Last(Option<(Arc<str>, Duration)>);

impl Last {
    /// Returns the status if it is worth telling.
    fn news(&mut self, status: &str, elapsed: Duration) -> Option<Arc<str>> {
        let is_known = |(told, at): &(Arc<str>, Duration)| **told == *status && elapsed < *at + TELL_EVERY;
        if self.0.as_ref().is_some_and(is_known) {
            return None;
        }
        let status: Arc<str> = status.into();
        self.0 = Some((Arc::clone(&status), elapsed));
        Some(status)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stays_the_same_is_told_now_and_then() {
        let mut last = Last::default();
        let looks =
            [(0, "pulling"), (2, "pulling"), (4, "building"), (6, "building"), (14, "building"), (16, "building")];
        let told = looks.map(|(at, status)| last.news(status, Duration::from_secs(at)).is_some());
        assert_eq!(told, [true, false, true, false, true, false]);
    }
}
