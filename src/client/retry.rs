//! When a request is sent again, and after how long: pure functions.

use std::time::Duration;

use bytes::Bytes;
use http::header::{HeaderName, RETRY_AFTER};
use http::{HeaderMap, Response};

use super::error::{Detail, is_quota};
use super::transport::TransportError;
use crate::types::Timestamp;

/// The longest sleep that the client chooses by itself (contract section 1.5).
const MAX_BACKOFF: Duration = Duration::from_secs(10);
/// What is assumed when a 429 does not say when to come back (contract section 1.5).
const DEFAULT_RETRY_AFTER: Duration = Duration::from_secs(1);

/// The header in which a server says whether to ask again.
const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

/// What one attempt means for the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The answer is the answer.
    Final,
    /// The server did nothing, and the same request may be sent again after this pause.
    Refused(Pause),
    /// Whether the server did anything is not known.
    Doubtful,
}

/// How long to sleep before the next attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pause {
    /// As the client chooses.
    Backoff,
    /// Longer with each attempt, starting from what a 429 asked for.
    RateLimit(Duration),
    /// At least as long as a 503 asked for.
    AtLeast(Duration),
}

/// Judges an attempt.
pub(super) fn judge(outcome: &Result<Response<Bytes>, TransportError>, now: Timestamp) -> Verdict {
    match outcome {
        Err(error) if error.may_have_reached_server() => Verdict::Doubtful,
        Err(_) => Verdict::Refused(Pause::Backoff),
        Ok(response) => judge_answer(response, now),
    }
}

fn judge_answer(response: &Response<Bytes>, now: Timestamp) -> Verdict {
    let asked = || retry_after(response.headers(), now);
    // The second generation says it aloud where asking again is of no use.
    if response.headers().get(SHOULD_RETRY).is_some_and(|value| value == "false") {
        return Verdict::Final;
    }
    match response.status().as_u16() {
        429 if is_quota(&Detail::of(response)) => Verdict::Final,
        429 => Verdict::Refused(Pause::RateLimit(asked().unwrap_or(DEFAULT_RETRY_AFTER))),
        // A server that says when to come back has not begun; a proxy that gave up waiting says no such thing.
        503 => asked().map_or(Verdict::Doubtful, |asked| Verdict::Refused(Pause::AtLeast(asked))),
        502 | 504 => Verdict::Doubtful,
        _ => Verdict::Final,
    }
}

impl Pause {
    /// Returns how long to sleep after the attempt number `attempt`, counted from 0. `random` is between 0 and 1, and
    /// spreads clients that failed together; `max_asked` caps what a server can ask for.
    pub(super) fn duration(self, attempt: u32, random: f64, max_asked: Duration) -> Duration {
        let random = Duration::from_secs_f64(random);
        let factor = 2_u32.saturating_pow(attempt);
        let backoff = Duration::from_secs(factor.into()).saturating_add(random).min(MAX_BACKOFF);
        match self {
            Self::Backoff => backoff,
            Self::RateLimit(asked) => asked.saturating_mul(factor).saturating_add(random).min(max_asked),
            Self::AtLeast(asked) => asked.min(max_asked).max(backoff),
        }
    }
}

/// Reads `Retry-After`: decimal seconds, or an HTTP date. What is in the past is zero, what is unreadable is `None`.
pub(super) fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<f64>() {
        // NaN and infinity parse as numbers too, and are no durations.
        return if seconds < 0.0 { Some(Duration::ZERO) } else { Duration::try_from_secs_f64(seconds).ok() };
    }
    let parser = jiff::fmt::rfc2822::DateTimeParser::new();
    let date = parser.parse_timestamp(text).ok()?;
    Some(Timestamp::new(date).saturating_since(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: &str = "2026-03-24T12:00:00Z";
    const MINUTE: Duration = Duration::from_mins(1);

    fn now() -> Timestamp {
        NOON.parse().expect("a plain UTC time")
    }

    fn secs(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    fn answer(status: u16, retry_after: Option<&str>, body: &'static str) -> Response<Bytes> {
        let mut response = Response::builder().status(status);
        if let Some(text) = retry_after {
            response = response.header(RETRY_AFTER, text);
        }
        response.body(Bytes::from_static(body.as_bytes())).expect("a plain response")
    }

    #[test]
    fn statuses() {
        let rate = |seconds| Verdict::Refused(Pause::RateLimit(secs(seconds)));
        let quota = r#"{"detail":"Limit of 10 sandbox(es) per organization exceeded."}"#;
        let cases = [
            (200, None, "", Verdict::Final),
            (302, None, "", Verdict::Final),
            (400, None, "", Verdict::Final),
            (404, None, "", Verdict::Final),
            (408, None, "", Verdict::Final),
            (409, None, "", Verdict::Final),
            (500, None, "", Verdict::Final),
            (502, None, "", Verdict::Doubtful),
            (504, None, "", Verdict::Doubtful),
            (504, Some("1"), "", Verdict::Doubtful),
            (503, None, "", Verdict::Doubtful),
            (503, Some("2"), "", Verdict::Refused(Pause::AtLeast(secs(2.0)))),
            (429, None, "", rate(1.0)),
            (429, Some("2.5"), "", rate(2.5)),
            (429, Some("-3"), "", rate(0.0)),
            (429, Some("soon"), "", rate(1.0)),
            (429, Some("NaN"), "", rate(1.0)),
            (429, Some("inf"), "", rate(1.0)),
            (429, Some("Tue, 24 Mar 2026 12:00:07 GMT"), "", rate(7.0)),
            (429, Some("Tue, 24 Mar 2026 11:00:00 GMT"), "", rate(0.0)),
            (429, None, quota, Verdict::Final),
            (429, Some("0"), quota, Verdict::Final),
            (429, None, r#"{"detail":"Registry limit exceeded"}"#, Verdict::Final),
            (429, Some("1"), r#"{"detail":"Request limit exceeded"}"#, rate(1.0)),
            (429, None, r#"{"detail":"Rate limit exceeded for sandbox requests"}"#, rate(1.0)),
        ];
        for (status, retry_after, body, expected) in cases {
            assert_eq!(
                judge(&Ok(answer(status, retry_after, body)), now()),
                expected,
                "{status} {retry_after:?} {body}"
            );
        }
    }

    #[test]
    fn a_server_may_say_that_asking_again_is_of_no_use() {
        for (says, expected) in [("false", Verdict::Final), ("true", Verdict::Doubtful)] {
            let mut response = answer(504, None, "");
            response.headers_mut().insert(SHOULD_RETRY, says.parse().expect("a value"));
            assert_eq!(judge(&Ok(response), now()), expected, "{says}");
        }
    }

    #[test]
    fn transport_errors() {
        let source = || std::io::Error::other("x").into();
        let refused = Verdict::Refused(Pause::Backoff);
        let cases = [
            (TransportError::Connect { source: source() }, refused),
            (TransportError::ConnectTimeout, refused),
            (TransportError::PoolTimeout, refused),
            (TransportError::Timeout, Verdict::Doubtful),
            (TransportError::Dropped { source: source() }, Verdict::Doubtful),
            (TransportError::Other { source: source() }, Verdict::Doubtful),
        ];
        for (error, expected) in cases {
            let text = error.to_string();
            assert_eq!(judge(&Err(error), now()), expected, "{text}");
        }
    }

    #[test]
    fn pauses() {
        let cases = [
            (Pause::Backoff, 0, 0.5, 1.5),
            (Pause::Backoff, 1, 0.5, 2.5),
            (Pause::Backoff, 3, 0.9, 8.9),
            (Pause::Backoff, 4, 0.5, 10.0),
            (Pause::Backoff, 99, 0.5, 10.0),
            (Pause::RateLimit(secs(2.0)), 0, 0.25, 2.25),
            (Pause::RateLimit(secs(2.0)), 3, 0.25, 16.25),
            (Pause::RateLimit(secs(0.0)), 3, 0.25, 0.25),
            (Pause::RateLimit(secs(50.0)), 1, 0.25, 60.0),
            (Pause::RateLimit(Duration::MAX), 40, 0.25, 60.0),
            (Pause::AtLeast(secs(5.0)), 0, 0.5, 5.0),
            (Pause::AtLeast(secs(0.0)), 1, 0.5, 2.5),
            (Pause::AtLeast(secs(3600.0)), 0, 0.5, 60.0),
        ];
        for (pause, attempt, random, expected) in cases {
            assert_eq!(pause.duration(attempt, random, MINUTE), secs(expected), "{pause:?} after attempt {attempt}");
        }
    }
}
