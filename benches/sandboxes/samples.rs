//! What was measured, and how it is printed.

use std::time::Duration;

/// How long something took, each time that it was done.
#[derive(Debug, Clone, Default)]
pub(crate) struct Samples(Vec<Duration>);

impl Samples {
    /// Adds a time, if there is one.
    pub(crate) fn extend(&mut self, taken: Option<Duration>) {
        self.0.extend(taken);
    }

    /// Returns the time that `percent` of all are at most.
    fn percentile(&self, percent: usize) -> Option<Duration> {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let rank = (sorted.len() * percent).div_ceil(100).max(1);
        sorted.get(rank - 1).copied()
    }
}

/// One operation, with a row for each who does it.
pub(crate) struct Table {
    /// How a time is written.
    write: Box<dyn Fn(Duration) -> String>,
    lines: Vec<String>,
}

impl Table {
    /// Makes a table of times.
    pub(crate) fn of_times(name: &str, target: Option<&str>) -> Self {
        let milliseconds = |time: Duration| format!("{:.2} ms", time.as_secs_f64() * 1e3);
        Self::new(name, target, Box::new(milliseconds))
    }

    /// Makes a table of how much a second carries, when `mib` took the time.
    pub(crate) fn of_rates(name: &str, mib: usize, is_compared: bool) -> Self {
        let target = is_compared.then_some("ahead of the Python SDK");
        let bytes = u32::try_from(mib << 20).map_or(f64::INFINITY, f64::from);
        let rate = move |time: Duration| format!("{:.0} MB/s", bytes / time.as_secs_f64() / 1e6);
        Self::new(name, target, Box::new(rate))
    }

    fn new(name: &str, target: Option<&str>, write: Box<dyn Fn(Duration) -> String>) -> Self {
        let head = format!("\n{name}{}\n  {:24} {:>12} {:>12} {:>5}", suffix(target), "", "p50", "p95", "n");
        Self { write, lines: vec![head] }
    }

    /// Adds a row, unless nothing was measured.
    pub(crate) fn row(&mut self, name: &str, samples: &Samples) {
        if let (Some(half), Some(most)) = (samples.percentile(50), samples.percentile(95)) {
            let (half, most) = ((self.write)(half), (self.write)(most));
            self.lines.push(format!("  {name:24} {half:>12} {most:>12} {:>5}", samples.0.len()));
        }
    }

    /// Prints it, unless it is empty.
    pub(crate) fn print(&self) {
        if self.lines.len() > 1 {
            println!("{}", self.lines.join("\n"));
        }
    }
}

/// Returns what stands behind a heading that has a target.
pub(crate) fn suffix(target: Option<&str>) -> String {
    target.map(|target| format!(" (target: {target})")).unwrap_or_default()
}
