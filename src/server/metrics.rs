//! Counters, and their text for Prometheus.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::lifecycle::State;

/// What has been counted since the server started.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    requests: Mutex<BTreeMap<(&'static str, u16), u64>>,
    claims_hit: AtomicU64,
    claims_missed: AtomicU64,
    commands_started: AtomicU64,
    commands: Mutex<BTreeMap<&'static str, u64>>,
    starts: Mutex<BTreeMap<&'static str, (u64, Duration)>>,
}

/// What is counted at the moment of asking.
#[derive(Debug, Default)]
pub(crate) struct Gauges {
    /// How many sandboxes there are by state, replicas of pools (`true`) apart.
    pub(crate) census: Vec<(State, bool, u64)>,
    /// How many replicas pools should hold.
    pub(crate) desired_replicas: u64,
}

impl Metrics {
    /// Counts an answered request.
    pub(crate) fn count_request(&self, operation: &'static str, status: u16) {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        *requests.entry((operation, status)).or_default() += 1;
    }

    /// Counts a create that drew its sandbox from a pool.
    pub(crate) fn count_hit(&self) {
        self.claims_hit.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a create whose template has a pool, none of whose replicas was ready.
    pub(crate) fn count_miss(&self) {
        self.claims_missed.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a command that was started.
    pub(crate) fn count_command(&self) {
        self.commands_started.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a command that ended: how, in one word.
    pub(crate) fn count_command_end(&self, how: &'static str) {
        *self.commands.lock().unwrap_or_else(PoisonError::into_inner).entry(how).or_default() += 1;
    }

    /// Counts a start of a sandbox that succeeded or failed, in one word, and how long it took.
    pub(crate) fn count_start(&self, result: &'static str, took: Duration) {
        let mut starts = self.starts.lock().unwrap_or_else(PoisonError::into_inner);
        let (n, total) = starts.entry(result).or_default();
        *n += 1;
        *total += took;
    }

    /// Writes everything in the text format of Prometheus.
    pub(crate) fn render(&self, gauges: &Gauges) -> String {
        let mut text = String::new();
        header(&mut text, "sbx_requests_total", "counter", "Requests answered, by operation and status.");
        for ((operation, status), n) in self.requests.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            let _ = writeln!(text, "sbx_requests_total{{operation=\"{operation}\",status=\"{status}\"}} {n}");
        }
        header(
            &mut text,
            "sbx_pool_claims_total",
            "counter",
            "Creates on a template with a pool, by whether it had one.",
        );
        for (result, n) in [("hit", &self.claims_hit), ("miss", &self.claims_missed)] {
            let _ = writeln!(text, "sbx_pool_claims_total{{result=\"{result}\"}} {}", n.load(Ordering::Relaxed));
        }
        self.render_starts(&mut text);
        self.render_commands(&mut text);
        header(&mut text, "sbx_sandboxes", "gauge", "Sandboxes that somebody created, by status.");
        census(&mut text, "sbx_sandboxes", gauges, false);
        header(&mut text, "sbx_pool_replicas", "gauge", "Replicas that pools hold, by status.");
        census(&mut text, "sbx_pool_replicas", gauges, true);
        header(&mut text, "sbx_pool_replicas_desired", "gauge", "Replicas that pools should hold.");
        let _ = writeln!(text, "sbx_pool_replicas_desired {}", gauges.desired_replicas);
        text
    }
}

impl Metrics {
    fn render_starts(&self, text: &mut String) {
        let name = "sbx_sandbox_start_seconds";
        header(text, name, "summary", "How long starts of sandboxes took, replicas of pools included, by result.");
        for (result, (n, total)) in self.starts.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            let _ = writeln!(text, "{name}_sum{{result=\"{result}\"}} {}", total.as_secs_f64());
            let _ = writeln!(text, "{name}_count{{result=\"{result}\"}} {n}");
        }
    }

    fn render_commands(&self, text: &mut String) {
        let ended = self.commands.lock().unwrap_or_else(PoisonError::into_inner);
        header(text, "sbx_commands_total", "counter", "Commands that ended, by how.");
        for (how, n) in ended.iter() {
            let _ = writeln!(text, "sbx_commands_total{{end=\"{how}\"}} {n}");
        }
        let n_ended: u64 = ended.values().sum();
        let n_running = self.commands_started.load(Ordering::Relaxed).saturating_sub(n_ended);
        header(text, "sbx_commands_running", "gauge", "Commands that run.");
        let _ = writeln!(text, "sbx_commands_running {n_running}");
    }
}

fn header(text: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

fn census(text: &mut String, name: &str, gauges: &Gauges, pooled: bool) {
    for state in [State::Provisioning, State::Ready, State::Failed] {
        let of_state = gauges.census.iter().filter(|row| row.0 == state && row.1 == pooled);
        let n: u64 = of_state.map(|row| row.2).sum();
        let _ = writeln!(text, "{name}{{status=\"{}\"}} {n}", state.as_str());
    }
}
