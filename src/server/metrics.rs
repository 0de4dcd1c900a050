//! What is counted and timed, and its text for Prometheus.
//!
//! Names end in their unit, which is seconds for all times; what can only grow ends in `_total`. Labels have few values:
//! of what somebody names, only pools are told apart.

mod histogram;
mod text;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use self::histogram::Histogram;
use self::text::Text;
use super::lifecycle::State;
use crate::types::Name;

/// What has been counted since the server started.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    requests: Mutex<BTreeMap<(&'static str, u16), u64>>,
    claims: Mutex<BTreeMap<(Name, Claim), u64>>,
    commands_started: AtomicU64,
    commands: Mutex<BTreeMap<&'static str, u64>>,
    ready: Family,
    starts: Family,
    refills: Family,
    command_starts: Family,
    tunnel_connects: Family,
}

/// What is counted at the moment of asking.
#[derive(Debug, Default)]
pub(crate) struct Gauges {
    /// How many conversations go on after their request was answered.
    pub(crate) n_conversations: usize,
    /// How many sandboxes that somebody created there are, by state.
    pub(crate) sandboxes: Vec<(State, u64)>,
    /// The pools, and how many replicas each should hold.
    pub(crate) pools: Vec<(Name, u32)>,
    /// How many replicas each pool holds, by state.
    pub(crate) replicas: Vec<(Name, State, u64)>,
}

/// Whether a create on a template with a pool had a replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Claim {
    Hit,
    Miss,
}

/// On which way somebody got a sandbox that is ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Path {
    /// It waited in a pool.
    Pool,
    /// It was started from nothing.
    Cold,
    /// It had been ready before the server was restarted, and was needed again.
    Restart,
}

/// Times of one sort, by the value of a label.
type Family = Mutex<BTreeMap<&'static str, Histogram>>;

impl Metrics {
    /// Counts an answered request.
    pub(crate) fn count_request(&self, operation: &'static str, status: u16) {
        *lock(&self.requests).entry((operation, status)).or_default() += 1;
    }

    /// Counts a create on a template with pools: a hit for the one that it drew from, or a miss for each.
    pub(crate) fn count_claim(&self, pool: Name, claim: Claim) {
        *lock(&self.claims).entry((pool, claim)).or_default() += 1;
    }

    /// Counts a command that ended: how, in one word.
    pub(crate) fn count_command_end(&self, how: &'static str) {
        *lock(&self.commands).entry(how).or_default() += 1;
    }

    /// Counts a sandbox that somebody waited for and that is ready, and how long that took.
    pub(crate) fn time_ready(&self, path: Path, took: Duration) {
        let path = match path {
            Path::Pool => "pool",
            Path::Cold => "cold",
            Path::Restart => "restart",
        };
        observe(&self.ready, path, took);
    }

    /// Counts a start of a sandbox by the runtime, and how long it took.
    pub(crate) fn time_start(&self, succeeded: bool, took: Duration) {
        observe(&self.starts, if succeeded { "ready" } else { "failed" }, took);
    }

    /// Counts a replica that a pool was filled with, and how long that took.
    pub(crate) fn time_refill(&self, took: Duration) {
        observe(&self.refills, "", took);
    }

    /// Counts a command that was started, and how long that took.
    pub(crate) fn time_command_start(&self, took: Duration) {
        self.commands_started.fetch_add(1, Ordering::Relaxed);
        observe(&self.command_starts, "", took);
    }

    /// Counts a connection to a port of a sandbox, and how long it took to be there or to fail.
    pub(crate) fn time_tunnel_connect(&self, succeeded: bool, took: Duration) {
        observe(&self.tunnel_connects, if succeeded { "connected" } else { "failed" }, took);
    }

    /// Writes everything in the text format of Prometheus.
    pub(crate) fn render(&self, gauges: &Gauges) -> String {
        let mut text = Text::default();
        text.family("sbx_requests_total", "counter", "Requests answered, by operation and status.");
        for ((operation, status), n) in lock(&self.requests).iter() {
            text.sample(&[("operation", operation), ("status", &status.to_string())], n);
        }
        self.render_times(&mut text);
        self.render_commands(&mut text);
        text.family("sbx_sandboxes", "gauge", "Sandboxes that somebody created, by status.");
        for state in STATES {
            let n: u64 = gauges.sandboxes.iter().filter(|row| row.0 == state).map(|row| row.1).sum();
            text.sample(&[("status", state.as_str())], n);
        }
        text.family("sbx_conversations", "gauge", "WebSockets that are open, to commands, tunnels and services.");
        text.sample(&[], gauges.n_conversations);
        self.render_pools(&mut text, gauges);
        text.finish()
    }

    fn render_times(&self, text: &mut Text) {
        for (name, help, label, family) in [
            (
                "sbx_sandbox_ready_seconds",
                "How long whoever waited for a sandbox waited until it was ready, by where it came from.",
                "path",
                &self.ready,
            ),
            (
                "sbx_sandbox_start_seconds",
                "How long starts of sandboxes took, replicas of pools included, by result.",
                "result",
                &self.starts,
            ),
            (
                "sbx_pool_refill_seconds",
                "How long it took until a replica that a pool lacked was ready.",
                "",
                &self.refills,
            ),
            (
                "sbx_command_start_seconds",
                "How long it took until the process of a command ran.",
                "",
                &self.command_starts,
            ),
            (
                "sbx_tunnel_connect_seconds",
                "How long it took to connect to a port of a sandbox, by result.",
                "result",
                &self.tunnel_connects,
            ),
        ] {
            text.family(name, "histogram", help);
            for (value, histogram) in lock(family).iter() {
                let labels = [(label, *value)];
                text.histogram(if label.is_empty() { &[] } else { &labels }, histogram);
            }
        }
    }

    fn render_commands(&self, text: &mut Text) {
        let ended = lock(&self.commands);
        text.family("sbx_commands_total", "counter", "Commands that ended, by how.");
        for (how, n) in ended.iter() {
            text.sample(&[("end", how)], n);
        }
        let n_ended: u64 = ended.values().sum();
        let n_running = self.commands_started.load(Ordering::Relaxed).saturating_sub(n_ended);
        text.family("sbx_commands_running", "gauge", "Commands that run.");
        text.sample(&[], n_running);
    }

    fn render_pools(&self, text: &mut Text, gauges: &Gauges) {
        text.family("sbx_pool_claims_total", "counter", "Creates on a pool's template, by whether it had a replica.");
        let mut claims = lock(&self.claims).clone();
        for (pool, _) in &gauges.pools {
            // What has not been counted yet is there as 0, so that the first one is seen as a change.
            for claim in [Claim::Hit, Claim::Miss] {
                claims.entry((pool.clone(), claim)).or_default();
            }
        }
        for ((pool, claim), n) in &claims {
            let result = match claim {
                Claim::Hit => "hit",
                Claim::Miss => "miss",
            };
            text.sample(&[("pool", pool.as_str()), ("result", result)], n);
        }
        text.family("sbx_pool_replicas", "gauge", "Replicas that a pool holds, by status.");
        for (pool, _) in &gauges.pools {
            for state in STATES {
                let of_state = gauges.replicas.iter().filter(|row| row.0 == *pool && row.1 == state);
                let n: u64 = of_state.map(|row| row.2).sum();
                text.sample(&[("pool", pool.as_str()), ("status", state.as_str())], n);
            }
        }
        text.family("sbx_pool_replicas_desired", "gauge", "Replicas that a pool should hold.");
        for (pool, replicas) in &gauges.pools {
            text.sample(&[("pool", pool.as_str())], replicas);
        }
    }
}

/// The states that are told apart.
const STATES: [State; 3] = [State::Provisioning, State::Ready, State::Failed];

fn observe(family: &Family, value: &'static str, took: Duration) {
    lock(family).entry(value).or_default().observe(took);
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        Name::parse(text).expect("follows the rule")
    }

    #[test]
    fn pools_are_told_apart() {
        let metrics = Metrics::default();
        metrics.count_claim(name("a"), Claim::Miss);
        metrics.count_claim(name("b"), Claim::Hit);
        metrics.count_claim(name("b"), Claim::Hit);
        let gauges = Gauges {
            n_conversations: 4,
            sandboxes: vec![(State::Ready, 2)],
            pools: vec![(name("a"), 1), (name("b"), 3)],
            replicas: vec![(name("b"), State::Ready, 2), (name("b"), State::Provisioning, 1)],
        };
        let text = metrics.render(&gauges);
        for line in [
            "sbx_pool_claims_total{pool=\"a\",result=\"hit\"} 0",
            "sbx_pool_claims_total{pool=\"a\",result=\"miss\"} 1",
            "sbx_pool_claims_total{pool=\"b\",result=\"hit\"} 2",
            "sbx_pool_replicas{pool=\"a\",status=\"ready\"} 0",
            "sbx_pool_replicas{pool=\"b\",status=\"provisioning\"} 1",
            "sbx_pool_replicas{pool=\"b\",status=\"ready\"} 2",
            "sbx_pool_replicas_desired{pool=\"b\"} 3",
            "sbx_sandboxes{status=\"ready\"} 2",
            "sbx_conversations 4",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
    }

    #[test]
    fn every_family_says_what_it_is_once_and_before_its_samples() {
        let metrics = Metrics::default();
        metrics.time_ready(Path::Pool, Duration::from_millis(2));
        metrics.time_ready(Path::Cold, Duration::from_millis(7));
        metrics.time_ready(Path::Restart, Duration::from_millis(9));
        metrics.time_start(true, Duration::from_millis(6));
        metrics.time_start(false, Duration::from_mins(10));
        metrics.time_refill(Duration::from_millis(6));
        metrics.time_command_start(Duration::from_millis(1));
        metrics.time_tunnel_connect(true, Duration::from_micros(150));
        metrics.count_request("create_volume", 201);
        let text = metrics.render(&Gauges::default());
        let mut family = "";
        let mut seen = std::collections::HashSet::new();
        for line in text.lines() {
            if let Some(help) = line.strip_prefix("# HELP ") {
                family = help.split(' ').next().unwrap_or_default();
                assert!(seen.insert(family), "{family} is there twice");
                assert!(help.ends_with('.'), "{line}");
            } else if let Some(kind) = line.strip_prefix("# TYPE ") {
                assert_eq!(kind.split(' ').next(), Some(family), "{line}");
                // Prometheus' conventions for names: only what counts up is a total, and times are in seconds.
                assert_eq!(kind.ends_with(" counter"), family.ends_with("_total"), "{line}");
                assert_eq!(kind.ends_with(" histogram"), family.ends_with("_seconds"), "{line}");
            } else {
                let sample = line.split(['{', ' ']).next().unwrap_or_default();
                let part = sample.strip_prefix(family).unwrap_or_else(|| panic!("{line} under {family}"));
                assert!(["", "_bucket", "_sum", "_count"].contains(&part), "{line}");
            }
        }
        assert!(text.contains("sbx_sandbox_ready_seconds_bucket{path=\"pool\",le=\"0.0025\"} 1\n"), "{text}");
        assert!(text.contains("sbx_sandbox_start_seconds_bucket{result=\"failed\",le=\"60\"} 0\n"), "{text}");
        assert!(text.contains("sbx_pool_refill_seconds_bucket{le=\"0.01\"} 1\n"), "{text}");
    }
}
