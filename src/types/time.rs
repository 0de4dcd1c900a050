//! Points in time and times to live.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

/// A point in time, RFC 3339 on the wire.
///
/// Read leniently: a text without a zone is UTC (contract section 4.7). Written in UTC with a `Z` and at most
/// microseconds (contract G41).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Timestamp(jiff::Timestamp);

/// A text that is not a point in time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a time in RFC 3339, such as `2026-03-24T12:00:00Z`")]
pub struct TimestampError {
    text: String,
}

impl Timestamp {
    /// Wraps a point in time, cut to whole microseconds, which is all that the wire carries.
    pub fn new(time: jiff::Timestamp) -> Self {
        Self(jiff::Timestamp::from_microsecond(time.as_microsecond()).unwrap_or(time))
    }

    /// Returns the microseconds since 1970-01-01T00:00:00Z.
    pub fn as_microseconds(self) -> i64 {
        self.0.as_microsecond()
    }

    /// Returns the point in time that many microseconds after 1970-01-01T00:00:00Z, or `None` outside the years -9999
    /// to 9999.
    pub fn from_microseconds(microseconds: i64) -> Option<Self> {
        jiff::Timestamp::from_microsecond(microseconds).ok().map(Self)
    }

    /// Returns the point in time `duration` later, or the last one there is.
    #[must_use]
    pub fn saturating_add(self, duration: Duration) -> Self {
        let micros = i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
        Self::from_microseconds(self.as_microseconds().saturating_add(micros))
            .unwrap_or_else(|| Self::new(jiff::Timestamp::MAX))
    }

    /// Returns how long after `earlier` this is; zero if it is not after.
    pub fn saturating_since(self, earlier: Self) -> Duration {
        let micros = self.as_microseconds().saturating_sub(earlier.as_microseconds());
        Duration::from_micros(u64::try_from(micros).unwrap_or(0))
    }

    /// Returns the time as HTTP has it (RFC 9110, section 5.6.7), such as `Sun, 06 Nov 1994 08:49:37 GMT`.
    pub fn to_http_date(self) -> String {
        self.0.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
    }

    /// Reads what [`Timestamp::to_http_date`] writes.
    pub fn from_http_date(text: &str) -> Option<Self> {
        jiff::fmt::rfc2822::parse(text).ok().map(|time| Self::new(time.timestamp()))
    }

    /// Returns the time in UTC to the second, such as `2026-03-24T12:00:00Z`, for people.
    pub fn to_second_text(self) -> String {
        self.0.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
    }

    /// Returns the time of day in UTC to the minute, such as `14:05`, for messages about the near future.
    pub fn to_clock_text(self) -> String {
        self.0.strftime("%H:%M").to_string()
    }
}

impl FromStr for Timestamp {
    type Err = TimestampError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let time = text.parse::<jiff::Timestamp>().or_else(|_| {
            let civil: DateTime = text.parse()?;
            civil.to_zoned_datetime(TimeZone::UTC).map(|zoned| zoned.timestamp())
        });
        time.map(Self::new).map_err(|_| TimestampError { text: text.to_owned() })
    }
}

impl TryFrom<String> for Timestamp {
    type Error = TimestampError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Timestamp> for String {
    fn from(time: Timestamp) -> Self {
        time.to_string()
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// A time to live of a sandbox: whole minutes, where zero means "disabled".
///
/// On the wire it is in seconds and a multiple of 60 (contract section 2.8). "Not given" is `Option::<Ttl>::None`: the
/// API tells the two apart, and so do manifests.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ttl {
    minutes: u64,
}

/// Why a number of seconds is not a [`Ttl`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a time to live is zero (disabled) or a positive multiple of 60 seconds, not {seconds}")]
pub struct TtlError {
    seconds: i64,
}

impl Ttl {
    /// The time to live that switches the limit off.
    pub const DISABLED: Self = Self { minutes: 0 };

    /// The shortest time to live.
    pub const MINUTE: Self = Self { minutes: 1 };

    /// Reads a number of seconds, as manifests and the wire have it.
    pub fn from_seconds(seconds: i64) -> Result<Self, TtlError> {
        let error = TtlError { seconds };
        let whole = u64::try_from(seconds).map_err(|_| error)?;
        if whole % 60 == 0 { Ok(Self { minutes: whole / 60 }) } else { Err(error) }
    }

    /// Returns the number of seconds, zero when disabled.
    pub fn as_seconds(self) -> u64 {
        self.minutes * 60
    }

    /// Returns the duration, or `None` when disabled.
    pub fn as_duration(self) -> Option<Duration> {
        (self.minutes > 0).then(|| Duration::from_secs(self.as_seconds()))
    }
}

impl fmt::Display for Ttl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.as_seconds(), f)
    }
}

impl fmt::Debug for Ttl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}s", self.as_seconds())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_times_with_and_without_a_zone() {
        let utc: Timestamp = "2026-03-24T12:00:00Z".parse().expect("a plain UTC time");
        assert_eq!("2026-03-24T14:00:00+02:00".parse(), Ok(utc));
        assert_eq!("2026-03-24T12:00:00".parse(), Ok(utc));
        assert_eq!(utc.to_string(), "2026-03-24T12:00:00Z");
        assert_eq!(utc.to_clock_text(), "12:00");
        assert!("noon".parse::<Timestamp>().is_err());
    }

    #[test]
    fn keeps_microseconds_and_no_more() {
        let time: Timestamp = "2026-03-24T12:00:00.123456789Z".parse().expect("nanoseconds are readable");
        assert_eq!(time.to_string(), "2026-03-24T12:00:00.123456Z");
    }

    #[test]
    fn ttl_is_whole_minutes() {
        assert_eq!(Ttl::from_seconds(0), Ok(Ttl::DISABLED));
        assert_eq!(Ttl::from_seconds(120).map(Ttl::as_seconds), Ok(120));
        assert_eq!(Ttl::from_seconds(61), Err(TtlError { seconds: 61 }));
        assert_eq!(Ttl::from_seconds(-60), Err(TtlError { seconds: -60 }));
        assert_eq!(Ttl::DISABLED.as_duration(), None);
    }
}
