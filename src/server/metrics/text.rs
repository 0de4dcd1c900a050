//! The text format of Prometheus, version 0.0.4.

use std::fmt::{Display, Write as _};

use super::histogram::Histogram;

/// A text that grows by families and their samples.
#[derive(Debug, Default)]
pub(super) struct Text {
    text: String,
    family: &'static str,
}

impl Text {
    /// Begins a family: what follows are its samples.
    pub(super) fn family(&mut self, name: &'static str, kind: &str, help: &str) {
        self.family = name;
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    /// Adds a sample. Values of labels are names and words, in which nothing has to be escaped.
    pub(super) fn sample(&mut self, labels: &[(&str, &str)], value: impl Display) {
        self.line("", labels, value);
    }

    /// Adds the samples of a histogram.
    pub(super) fn histogram(&mut self, labels: &[(&str, &str)], histogram: &Histogram) {
        let with = |bound: &str, text: &mut Self, n: u64| {
            let labels: Vec<_> = labels.iter().copied().chain([("le", bound)]).collect();
            text.line("_bucket", &labels, n);
        };
        for (bound, n) in histogram.cumulative() {
            with(&bound.to_string(), self, n);
        }
        with("+Inf", self, histogram.n());
        self.line("_sum", labels, histogram.sum().as_secs_f64());
        self.line("_count", labels, histogram.n());
    }

    /// Returns the whole.
    pub(super) fn finish(self) -> String {
        self.text
    }

    fn line(&mut self, part: &str, labels: &[(&str, &str)], value: impl Display) {
        self.text.push_str(self.family);
        self.text.push_str(part);
        for (n, (name, value)) in labels.iter().enumerate() {
            let before = if n == 0 { '{' } else { ',' };
            let _ = write!(self.text, "{before}{name}=\"{value}\"");
        }
        let after = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(self.text, "{after} {value}");
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_histogram_ends_with_all_of_it() {
        let mut histogram = Histogram::default();
        histogram.observe(Duration::from_millis(7));
        histogram.observe(Duration::from_secs(90));
        let mut text = Text::default();
        text.family("x_seconds", "histogram", "X.");
        text.histogram(&[("a", "b")], &histogram);
        let text = text.finish();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[..2], ["# HELP x_seconds X.", "# TYPE x_seconds histogram"]);
        assert_eq!(lines[2], "x_seconds_bucket{a=\"b\",le=\"0.00025\"} 0");
        let last = [
            "x_seconds_bucket{a=\"b\",le=\"60\"} 1",
            "x_seconds_bucket{a=\"b\",le=\"+Inf\"} 2",
            "x_seconds_sum{a=\"b\"} 90.007",
            "x_seconds_count{a=\"b\"} 2",
        ];
        assert_eq!(lines[lines.len() - 4..], last);
    }
}
