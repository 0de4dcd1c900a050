//! A point in time by which a call has to be done.

use std::time::Duration;

use tokio::time::Instant;

/// A point on tokio's clock by which a call, with all of its attempts, has to be done.
///
/// It is absolute, so that it can be passed down: each attempt gets what is left, never a fresh budget.
///
/// ```no_run
/// # async fn example(client: sbx::client::Client) -> Result<(), sbx::client::Error> {
/// use std::time::Duration;
/// use sbx::client::Deadline;
///
/// let client = client.with_deadline(Deadline::after(Duration::from_secs(30)));
/// let volumes = client.list_volumes().await?; // Both calls together take at most 30 s.
/// let templates = client.list_templates().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(Instant);

impl Deadline {
    /// Returns the deadline `duration` from now.
    pub fn after(duration: Duration) -> Self {
        // Longer than any process lives, and far from the point where adding to an instant overflows.
        const FOREVER: Duration = Duration::from_hours(100 * 365 * 24);
        Self(Instant::now() + duration.min(FOREVER))
    }

    /// Returns the deadline at `instant`.
    pub fn at(instant: Instant) -> Self {
        Self(instant)
    }

    /// Returns the point in time.
    pub fn instant(self) -> Instant {
        self.0
    }

    /// Returns how much time is left, zero once the deadline has passed.
    pub fn remaining(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }

    /// Returns whether the deadline has passed.
    pub fn has_passed(self) -> bool {
        self.remaining().is_zero()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn counts_down_and_stops_at_zero() {
        let deadline = Deadline::after(Duration::from_secs(10));
        tokio::time::advance(Duration::from_secs(4)).await;
        assert_eq!(deadline.remaining(), Duration::from_secs(6));
        assert!(!deadline.has_passed());
        tokio::time::advance(Duration::from_secs(7)).await;
        assert_eq!(deadline.remaining(), Duration::ZERO);
        assert!(deadline.has_passed());
    }

    #[tokio::test(start_paused = true)]
    async fn the_longest_duration_does_not_overflow() {
        assert!(!Deadline::after(Duration::MAX).has_passed());
    }
}
