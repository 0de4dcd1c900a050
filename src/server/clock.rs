//! The time that objects are stamped with and that times to live run by.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::types::Timestamp;

/// Where the server reads the time.
pub trait Clock: Send + Sync + 'static {
    /// Returns the present time.
    fn now(&self) -> Timestamp;
}

/// Waits until a time has come; forever where there is none.
pub(super) async fn at(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => pending().await,
    }
}

/// The clock of the machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place where the server's time comes from")]
    fn now(&self) -> Timestamp {
        Timestamp::new(jiff::Timestamp::now())
    }
}

/// A clock that starts at a given time and moves with the async runtime's own, so that a test that pauses and advances
/// the latter moves both.
#[derive(Debug, Clone, Copy)]
pub struct PausedClock {
    start: Timestamp,
    since: Instant,
}

impl PausedClock {
    /// Makes a clock that now shows `start`.
    pub fn starting_at(start: Timestamp) -> Self {
        Self { start, since: Instant::now() }
    }
}

impl Clock for PausedClock {
    fn now(&self) -> Timestamp {
        self.start.saturating_add(self.since.elapsed())
    }
}

/// How long to sleep at most before looking at the clock again. The machine's own may be set meanwhile, or stand still
/// while the machine sleeps; neither wakes a timer.
const LONGEST_SLEEP: Duration = Duration::from_mins(1);

/// A clock together with how far somebody has moved it.
#[derive(Clone)]
pub(crate) struct Time {
    clock: Arc<dyn Clock>,
    ahead: watch::Sender<Duration>,
}

impl Time {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, ahead: watch::Sender::new(Duration::ZERO) }
    }

    /// Returns the present time.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now().saturating_add(*self.ahead.borrow())
    }

    /// Moves the time forward.
    pub(crate) fn advance(&self, by: Duration) {
        self.ahead.send_modify(|ahead| *ahead = ahead.saturating_add(by));
    }

    /// Takes back all that [`Time::advance`] did.
    pub(crate) fn reset(&self) {
        self.ahead.send_replace(Duration::ZERO);
    }

    /// Waits until `deadline`, also when somebody moves the time there. Where the clock jumps by itself, it is late by a
    /// minute at most. Cancel-safe.
    pub(crate) async fn sleep_until(&self, deadline: Timestamp) {
        let mut moves = self.ahead.subscribe();
        loop {
            let left = deadline.saturating_since(self.now());
            if left.is_zero() {
                return;
            }
            tokio::select! {
                () = tokio::time::sleep(left.min(LONGEST_SLEEP)) => {}
                moved = moves.changed() => moved.expect("this clock holds the sender"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    fn paused() -> Time {
        let start = "2026-03-24T12:00:00Z".parse().expect("a time");
        Time::new(Arc::new(PausedClock::starting_at(start)))
    }

    #[tokio::test(start_paused = true)]
    async fn sleeps_by_the_clock() {
        let time = paused();
        let deadline = time.now().saturating_add(Duration::from_mins(5));
        time.sleep_until(deadline).await;
        assert!(time.now() >= deadline);
    }

    /// A clock that jumps an hour ahead when told.
    #[derive(Clone)]
    struct Jumping(PausedClock, Arc<AtomicBool>);

    impl Clock for Jumping {
        fn now(&self) -> Timestamp {
            let ahead = if self.1.load(Ordering::Relaxed) { Duration::from_hours(1) } else { Duration::ZERO };
            self.0.now().saturating_add(ahead)
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_jumps_is_noticed_within_a_minute() {
        let jumps = Arc::new(AtomicBool::new(false));
        let start = PausedClock::starting_at("2026-03-24T12:00:00Z".parse().expect("a time"));
        let time = Time::new(Arc::new(Jumping(start, Arc::clone(&jumps))));
        let started = Instant::now();
        let deadline = time.now().saturating_add(Duration::from_mins(59));
        let jump = async {
            tokio::time::sleep(Duration::from_secs(90)).await;
            jumps.store(true, Ordering::Relaxed);
        };
        tokio::join!(time.sleep_until(deadline), jump);
        assert_eq!(started.elapsed(), Duration::from_mins(2));
    }

    #[tokio::test(start_paused = true)]
    async fn a_moved_clock_wakes_the_sleeper() {
        let time = paused();
        let started = Instant::now();
        let deadline = time.now().saturating_add(Duration::from_hours(1));
        tokio::join!(time.sleep_until(deadline), async { time.advance(Duration::from_hours(2)) });
        assert_eq!(started.elapsed(), Duration::ZERO);
    }
}
