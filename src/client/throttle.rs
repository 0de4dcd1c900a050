//! How many calls may be under way after a server has said that there are too many: a pure state, and what changes it.
//!
//! Half as many after a refusal, one more after as many successes as there may be calls. Nothing is limited before the
//! first refusal, nor once there may be as many calls as there were then.

use std::time::Duration;

use tokio::time::Instant;

/// How fast the server lets a client go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pace {
    /// How many calls may be under way at once; `None` while nothing limits them.
    pub limit: Option<usize>,
    /// Until when no call is sent, as the server asked for.
    pub resumes_at: Option<Instant>,
    /// How many calls the server has refused as too many.
    pub n_refused: u64,
}

/// The state that all calls of a client share.
#[derive(Debug, Default)]
pub(super) struct Throttle {
    pace: Pace,
    n_under_way: usize,
    /// How many have passed since the limit last changed.
    n_since_change: usize,
    n_passed: u64,
    /// How many calls there were when the limit came to be.
    ceiling: usize,
    /// Counts the cuts: what was sent before one says nothing about the limit after it.
    n_cuts: u64,
}

/// What to do with a call that is to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admission {
    /// It may be sent.
    Go(Ticket),
    /// No call is sent before this time.
    WaitUntil(Instant),
    /// Others have to end first.
    WaitForOthers,
}

/// A call that is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ticket {
    n_cuts: u64,
}

impl Throttle {
    /// Lets a call go, or says what it waits for.
    pub(super) fn admit(&mut self, now: Instant) -> Admission {
        if let Some(resumes_at) = self.pace.resumes_at.filter(|resumes_at| *resumes_at > now) {
            return Admission::WaitUntil(resumes_at);
        }
        if self.pace.limit.is_some_and(|limit| self.n_under_way >= limit) {
            return Admission::WaitForOthers;
        }
        self.n_under_way += 1;
        Admission::Go(Ticket { n_cuts: self.n_cuts })
    }

    /// Takes in that a call is not under way any more.
    pub(super) fn release(&mut self) {
        self.n_under_way = self.n_under_way.saturating_sub(1);
    }

    /// Takes in that the server did not refuse a call; to be told before its release.
    pub(super) fn pass(&mut self) {
        self.n_passed += 1;
        let Some(limit) = self.pace.limit else { return };
        self.n_since_change += 1;
        if self.n_since_change >= limit {
            self.n_since_change = 0;
            self.pace.limit = Some(limit + 1).filter(|limit| *limit < self.ceiling);
        }
    }

    /// Takes in that the server refused a call and asked for this pause; to be told before its release.
    ///
    /// The limit is cut once for all calls that were under way together: their refusals tell of one excess.
    pub(super) fn refuse(&mut self, ticket: Ticket, asked: Duration, now: Instant) {
        self.pace.n_refused += 1;
        self.pace.resumes_at = self.pace.resumes_at.max(now.checked_add(asked));
        if ticket.n_cuts != self.n_cuts {
            return;
        }
        self.n_cuts += 1;
        self.n_since_change = 0;
        if self.pace.limit.is_none() {
            self.ceiling = self.n_under_way;
        }
        let n_allowed = self.pace.limit.unwrap_or(usize::MAX).min(self.n_under_way);
        self.pace.limit = Some((n_allowed / 2).max(1));
    }

    /// Returns how many calls were not refused so far.
    pub(super) fn n_passed(&self) -> u64 {
        self.n_passed
    }

    /// Returns what others may know of it.
    pub(super) fn pace(&self) -> Pace {
        self.pace
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Lets calls go until one has to wait.
    fn fill(throttle: &mut Throttle, at_most: usize, now: Instant) -> Vec<Ticket> {
        let admissions = (0..at_most).map(|_| throttle.admit(now));
        let tickets = admissions.map_while(|admission| match admission {
            Admission::Go(ticket) => Some(ticket),
            _ => None,
        });
        tickets.collect()
    }

    fn release(throttle: &mut Throttle, tickets: &[Ticket]) {
        for _ in tickets {
            throttle.release();
        }
    }

    fn pass(throttle: &mut Throttle, n: usize, now: Instant) {
        for _ in 0..n {
            assert!(matches!(throttle.admit(now), Admission::Go(_)));
            throttle.pass();
            throttle.release();
        }
    }

    #[test]
    fn nothing_is_limited_at_first() {
        let mut throttle = Throttle::default();
        assert_eq!(fill(&mut throttle, 1000, Instant::now()).len(), 1000);
    }

    #[test]
    fn refusals_of_calls_sent_together_cut_the_limit_once_and_hold_all() {
        let (mut throttle, now) = (Throttle::default(), Instant::now());
        for ticket in fill(&mut throttle, 10, now) {
            throttle.refuse(ticket, 2 * SECOND, now);
            throttle.release();
        }
        assert_eq!(throttle.pace().limit, Some(5));
        assert_eq!(throttle.pace().n_refused, 10);
        assert_eq!(throttle.admit(now), Admission::WaitUntil(now + 2 * SECOND));
        let later = now + 2 * SECOND;
        assert_eq!(fill(&mut throttle, 10, later).len(), 5);
        assert_eq!(throttle.admit(later), Admission::WaitForOthers);
    }

    #[test]
    fn the_longest_pause_asked_for_holds() {
        let (mut throttle, now) = (Throttle::default(), Instant::now());
        let tickets = fill(&mut throttle, 2, now);
        throttle.refuse(tickets[0], 9 * SECOND, now);
        throttle.refuse(tickets[1], SECOND, now);
        assert_eq!(throttle.pace().resumes_at, Some(now + 9 * SECOND));
    }

    #[test]
    fn further_refusals_halve_it_down_to_one() {
        let (mut throttle, mut now) = (Throttle::default(), Instant::now());
        let mut limits = Vec::new();
        for _ in 0..4 {
            let tickets = fill(&mut throttle, 8, now);
            throttle.refuse(tickets[0], SECOND, now);
            release(&mut throttle, &tickets);
            limits.push(throttle.pace().limit);
            now += SECOND;
        }
        assert_eq!(limits, [Some(4), Some(2), Some(1), Some(1)]);
    }

    #[test]
    fn successes_raise_it_by_one_each_round_until_nothing_limits_again() {
        let (mut throttle, now) = (Throttle::default(), Instant::now());
        let tickets = fill(&mut throttle, 6, now);
        throttle.refuse(tickets[0], Duration::ZERO, now);
        release(&mut throttle, &tickets);
        assert_eq!(throttle.pace().limit, Some(3));
        pass(&mut throttle, 2, now);
        assert_eq!(throttle.pace().limit, Some(3));
        pass(&mut throttle, 1, now);
        assert_eq!(throttle.pace().limit, Some(4));
        pass(&mut throttle, 4, now);
        assert_eq!(throttle.pace().limit, Some(5));
        pass(&mut throttle, 5, now);
        assert_eq!(throttle.pace().limit, None, "there were six when it began");
    }
}
