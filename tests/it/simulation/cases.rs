//! Many cases on all processors, each reproducible by itself, and the count of them.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use futures_util::FutureExt as _;

use super::faults::Fault;

/// Returns the cases to run: the one that `SBX_SIMULATION_SEED` names, or as many as `SBX_SIMULATION_CASES` says; with both,
/// so many from that one on.
pub(crate) fn seeds(by_default: u64) -> Range<u64> {
    let n_cases = number("SBX_SIMULATION_CASES");
    match number("SBX_SIMULATION_SEED") {
        Some(seed) => seed..seed + n_cases.unwrap_or(1),
        None => 0..n_cases.unwrap_or(by_default),
    }
}

/// Returns whether one case is run again, to see all that goes on in it.
pub(crate) fn is_replay() -> bool {
    number("SBX_SIMULATION_SEED").is_some() && !is_long()
}

/// Returns whether more cases are asked for than a plain run of the tests has.
pub(crate) fn is_long() -> bool {
    number("SBX_SIMULATION_CASES").is_some()
}

fn number(name: &str) -> Option<u64> {
    let text = std::env::var_os(name)?;
    Some(text.to_str().and_then(|text| text.parse().ok()).expect("the variable is a number"))
}

/// After so many cases a long run says that it goes on.
const CASES_PER_REPORT: usize = 5_000;

/// After so many failures a long run ends.
const MAX_FAILURES: usize = 10;

/// Runs every case, on as many threads as there are processors, each with a paused clock of its own.
///
/// The first case that panics ends a plain run, after `report` has said what it was. A long run goes on, says now and then
/// how far it is, and fails at its end.
#[expect(clippy::print_stderr, reason = "counts are for whoever runs it")]
pub(crate) fn run_all<C: Send, T: Send>(
    cases: impl Iterator<Item = C> + Send,
    run: impl AsyncFn(&C) -> T + Sync,
    report: impl Fn(&C) + Sync,
) -> Vec<T> {
    let max_failures = if is_long() { MAX_FAILURES } else { 1 };
    let cases = Mutex::new(cases);
    let failures = Mutex::new(Vec::new());
    let n_run = AtomicUsize::new(0);
    // No panic is raised under either lock.
    let next = || {
        let is_over = failures.lock().ok()?.len() >= max_failures;
        if is_over { None } else { cases.lock().ok()?.next() }
    };
    let work = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        let runtime = runtime.expect("a runtime needs nothing but threads");
        let mut ends = Vec::new();
        while let Some(case) = next() {
            match runtime.block_on(AssertUnwindSafe(run(&case)).catch_unwind()) {
                Ok(end) => ends.push(end),
                Err(panic) => {
                    report(&case);
                    failures.lock().expect("no panic is raised under the lock").push(panic);
                }
            }
            let n_run = n_run.fetch_add(1, Ordering::Relaxed) + 1;
            if n_run.is_multiple_of(CASES_PER_REPORT) && is_long() {
                eprintln!("{n_run} cases so far");
            }
        }
        ends
    };
    let ends = thread::scope(|scope| {
        let n_threads = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let threads: Vec<_> = (0..n_threads).map(|_| scope.spawn(work)).collect();
        let ends = threads.into_iter().map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)));
        ends.collect::<Vec<_>>().into_iter().flatten().collect()
    });
    let mut failures = failures.into_inner().expect("no panic is raised under the lock");
    if let Some(last) = failures.pop() {
        eprintln!("{} of {} cases failed", failures.len() + 1, n_run.into_inner());
        resume_unwind(last);
    }
    ends
}

/// How many faults of each kind there were.
#[derive(Default)]
pub(crate) struct Tally(BTreeMap<String, u64>);

impl Tally {
    pub(crate) fn add(&mut self, fault: Fault) {
        *self.0.entry(format!("{fault:?}")).or_default() += 1;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts: Vec<_> = self.0.iter().map(|(fault, count)| format!("{fault} {count}")).collect();
        f.write_str(&counts.join(", "))
    }
}
