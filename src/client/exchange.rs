//! One call as a series of attempts.

use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use tokio::time::{sleep, timeout};

use super::deadline::Deadline;
use super::error::Error;
use super::limiter::Turn;
use super::link::Link;
use super::request::Request;
use super::retry::{Pause, Verdict, judge};
use super::transport::TransportError;

/// How long an unanswered call counts as one that the server is busy with. After that it is one that the server lets
/// wait for something else, for minutes maybe, and others need not wait with it.
const LONGEST_TURN: Duration = Duration::from_secs(2);

/// The attempts of one call. They share a budget, also when something is looked up between them.
pub(super) struct Exchange<'a> {
    link: &'a Link,
    request: &'a Request,
    attempts: u32,
    /// How many attempts were refused only because others were faster: they cost the call nothing.
    n_outrun: u32,
    doubtful: bool,
}

/// Where a series of attempts came to a halt.
pub(super) enum Outcome {
    /// With a success.
    Answered(Response<Bytes>),
    /// With an error, after which nothing is to be tried again.
    Failed(Error),
    /// With an attempt that may have had its effect. The error is what to report if the caller cannot go on.
    Doubtful(Error),
}

/// One attempt that ended by itself.
struct Attempt {
    result: Result<Response<Bytes>, TransportError>,
    verdict: Verdict,
}

impl<'a> Exchange<'a> {
    pub(super) fn new(link: &'a Link, request: &'a Request) -> Self {
        Self { link, request, attempts: 0, n_outrun: 0, doubtful: false }
    }

    /// Returns how many requests have been sent.
    pub(super) fn attempts(&self) -> u32 {
        self.attempts
    }

    /// Returns whether any attempt so far may have had its effect.
    pub(super) fn is_doubtful(&self) -> bool {
        self.doubtful
    }

    /// Returns whether the budget allows another attempt.
    pub(super) fn can_go_on(&self) -> bool {
        self.attempts - self.n_outrun <= self.link.max_retries()
    }

    /// Sends the request until an answer is final or doubtful. What the server refused without doing anything is sent
    /// again right here.
    ///
    /// Not cancel-safe: dropping the future leaves open whether the last attempt had its effect.
    pub(super) async fn advance(&mut self) -> Outcome {
        loop {
            let Some(Attempt { result, verdict }) = self.attempt().await else {
                let error = Error::deadline_exceeded(self.request, self.attempts);
                return Outcome::Failed(error.with_ambiguous(self.request.writes() && self.doubtful));
            };
            match verdict {
                Verdict::Final => return self.settle(result),
                Verdict::Refused(pause) => {
                    if !self.can_go_on() || !self.sleep(pause).await {
                        return self.settle(result);
                    }
                }
                Verdict::Doubtful => {
                    self.doubtful = true;
                    return Outcome::Doubtful(self.error(result));
                }
            }
        }
    }

    /// Sleeps before another attempt, or gives `error` back where there can be none.
    pub(super) async fn pause_or(&self, error: Error) -> Result<(), Error> {
        if self.can_go_on() && self.sleep(Pause::Backoff).await { Ok(()) } else { Err(error) }
    }

    /// Sends the request once, when it is its turn, or returns `None` if the deadline passed.
    async fn attempt(&mut self) -> Option<Attempt> {
        if self.link.deadline().is_some_and(Deadline::has_passed) {
            return None;
        }
        let turn = if self.link.max_retries() > 0 {
            Some(self.link.within_deadline(self.link.limiter().turn()).await?)
        } else {
            None
        };
        self.attempts += 1;
        let Some((result, turn)) = self.link.within_deadline(self.send(turn)).await else {
            self.doubtful = true;
            return None;
        };
        let verdict = judge(&result, self.link.now());
        if turn.is_some_and(|turn| self.was_outrun(&turn, verdict)) {
            self.n_outrun += 1;
        }
        Some(Attempt { result, verdict })
    }

    async fn send(&self, turn: Option<Turn<'a>>) -> (Result<Response<Bytes>, TransportError>, Option<Turn<'a>>) {
        let mut answer = pin!(self.link.attempt(self.request, self.attempts));
        let Some(mut turn) = turn else { return (answer.await, None) };
        let result = if let Ok(result) = timeout(LONGEST_TURN, &mut answer).await {
            result
        } else {
            turn.give_back();
            answer.await
        };
        (result, Some(turn))
    }

    /// Tells the others what an attempt says about the server's pace. Returns whether it was refused as one too many
    /// while others got through.
    fn was_outrun(&self, turn: &Turn<'_>, verdict: Verdict) -> bool {
        match verdict {
            Verdict::Refused(Pause::RateLimit(asked)) => turn.refuse(asked.min(self.link.max_rate_limit_wait())),
            Verdict::Final => {
                turn.pass();
                false
            }
            Verdict::Refused(_) | Verdict::Doubtful => false,
        }
    }

    /// Sleeps, or returns `false` at once if the deadline would pass meanwhile.
    async fn sleep(&self, pause: Pause) -> bool {
        let duration = pause.duration(
            (self.attempts - self.n_outrun).saturating_sub(1),
            fastrand::f64(),
            self.link.max_rate_limit_wait(),
        );
        if self.link.deadline().is_some_and(|deadline| deadline.remaining() <= duration) {
            return false;
        }
        sleep(duration).await;
        true
    }

    fn settle(&self, result: Result<Response<Bytes>, TransportError>) -> Outcome {
        match result {
            Ok(response) if response.status().is_success() => Outcome::Answered(response),
            result => Outcome::Failed(self.error(result)),
        }
    }

    fn error(&self, result: Result<Response<Bytes>, TransportError>) -> Error {
        let error = match result {
            Ok(response) => self.link.refusal(self.request, &response, self.attempts),
            Err(error) => Error::from_transport(self.request, error, self.attempts),
        };
        // A server that failed is not asked again, but may have failed after the effect.
        let failed_inside = error.status().is_some_and(|status| status.as_u16() == 500);
        error.with_ambiguous(self.request.writes() && (self.doubtful || failed_inside))
    }
}
