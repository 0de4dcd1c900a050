//! Times, counted by how long they are.

use std::time::Duration;

/// Up to which time each bucket counts, in microseconds. They begin where a claim from a pool ends, and reach what
/// fetching an image takes.
const BOUNDS: [u64; 16] = [
    250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000,
    10_000_000, 60_000_000,
];

/// How many times there were, and how long they were.
#[derive(Debug, Clone, Default)]
pub(super) struct Histogram {
    /// Those of each bucket alone, and last those that are longer than all bounds.
    counts: [u64; BOUNDS.len() + 1],
    sum: Duration,
}

impl Histogram {
    /// Counts a time.
    pub(super) fn observe(&mut self, took: Duration) {
        // A bound belongs to its bucket, so that what is longer by a part of a microsecond does not.
        let bucket = BOUNDS.partition_point(|&bound| Duration::from_micros(bound) < took);
        self.counts[bucket] += 1;
        self.sum = self.sum.saturating_add(took);
    }

    /// Returns each bound in seconds, and how many times were at most that long.
    pub(super) fn cumulative(&self) -> impl Iterator<Item = (f64, u64)> {
        let bounds = BOUNDS.iter().map(|&bound| Duration::from_micros(bound).as_secs_f64());
        let counts = self.counts.iter().scan(0, |total, n| {
            *total += n;
            Some(*total)
        });
        bounds.zip(counts)
    }

    /// Returns how many times there were.
    pub(super) fn n(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Returns how long all of them were together.
    pub(super) fn sum(&self) -> Duration {
        self.sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_belongs_to_its_bucket_and_nothing_is_lost() {
        let mut histogram = Histogram::default();
        for micros in [0, 250, 251, 2_500, 3_000, 60_000_000, 60_000_001] {
            histogram.observe(Duration::from_micros(micros));
        }
        let counts: Vec<_> = histogram.cumulative().map(|(_, n)| n).collect();
        assert_eq!(counts, [2, 3, 3, 4, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 6]);
        assert_eq!((histogram.n(), histogram.sum()), (7, Duration::from_micros(120_006_002)));
    }
}
