//! Lets the calls of a client go, all of them by one [`Throttle`].

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until};

use super::throttle::{Admission, Pace, Throttle, Ticket};

/// What all clones and views of a client share about how fast they may go.
#[derive(Debug)]
pub(super) struct Limiter {
    throttle: Mutex<Throttle>,
    /// Told whenever a call may have become possible.
    moved: Notify,
    pace: watch::Sender<Pace>,
}

/// A call's turn. Dropping it lets another one go.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    limiter: &'a Limiter,
    ticket: Ticket,
    n_passed_before: u64,
    is_given_back: bool,
}

impl Limiter {
    pub(super) fn new() -> Self {
        Self { throttle: Mutex::default(), moved: Notify::new(), pace: watch::Sender::new(Pace::default()) }
    }

    /// Waits until a call may be sent. Cancel-safe.
    pub(super) async fn turn(&self) -> Turn<'_> {
        loop {
            let mut moved = std::pin::pin!(self.moved.notified());
            // From here on nothing is missed, whatever happens before it is waited for.
            moved.as_mut().enable();
            let admission = self.lock().admit(Instant::now());
            match admission {
                Admission::Go(ticket) => {
                    let n_passed_before = self.lock().n_passed();
                    return Turn { limiter: self, ticket, n_passed_before, is_given_back: false };
                }
                Admission::WaitUntil(resumes_at) => sleep_until(resumes_at).await,
                Admission::WaitForOthers => moved.await,
            }
        }
    }

    /// Returns what is known of the pace, and whatever becomes of it.
    pub(super) fn watch(&self) -> watch::Receiver<Pace> {
        self.pace.subscribe()
    }

    fn lock(&self) -> MutexGuard<'_, Throttle> {
        self.throttle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state, and tells those who wait for it or watch it.
    fn change(&self, change: impl FnOnce(&mut Throttle)) {
        let pace = {
            let mut throttle = self.lock();
            change(&mut throttle);
            throttle.pace()
        };
        self.moved.notify_waiters();
        self.pace.send_if_modified(|known| {
            let has_changed = *known != pace;
            *known = pace;
            has_changed
        });
    }
}

impl Turn<'_> {
    /// Lets another call go before this one ends.
    pub(super) fn give_back(&mut self) {
        if !std::mem::replace(&mut self.is_given_back, true) {
            self.limiter.change(Throttle::release);
        }
    }

    /// Takes in that the server did not refuse the call.
    pub(super) fn pass(&self) {
        self.limiter.change(Throttle::pass);
    }

    /// Takes in that the server refused the call as one too many. Returns whether others got through meanwhile.
    pub(super) fn refuse(&self, asked: Duration) -> bool {
        self.limiter.change(|throttle| throttle.refuse(self.ticket, asked, Instant::now()));
        self.limiter.lock().n_passed() > self.n_passed_before
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.give_back();
    }
}
