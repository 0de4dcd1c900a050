//! Durations on the command line.

use std::time::Duration;

/// Reads a duration as people write it: `90s`, `30m`, `1h 30m`.
///
/// # Errors
///
/// Says what would be one.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let duration = text.parse::<jiff::SignedDuration>().ok().and_then(|duration| Duration::try_from(duration).ok());
    duration
        .filter(|duration| !duration.is_zero())
        .ok_or_else(|| "expected a time with its unit, more than zero, such as `30m`".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn with_a_unit_and_more_than_zero() {
        assert_eq!(parse("30m"), Ok(Duration::from_mins(30)));
        assert_eq!(parse("1h 30m"), Ok(Duration::from_mins(90)));
        for text in ["", "30", "0s", "-5m", "soon"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
