//! Many cases on all processors, each reproducible by itself, and the count of them.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::sync::Mutex;
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

/// Returns whether more cases are asked for than a plain run of the tests has.
pub(crate) fn is_long() -> bool {
    number("SBX_SIMULATION_CASES").is_some()
}

fn number(name: &str) -> Option<u64> {
    let text = std::env::var_os(name)?;
    Some(text.to_str().and_then(|text| text.parse().ok()).expect("the variable is a number"))
}

/// Runs every case, on as many threads as there are processors, each with a paused clock of its own.
///
/// The first case that panics ends the run, after `report` has said what it was.
pub(crate) fn run_all<C: Send, T: Send>(
    cases: impl Iterator<Item = C> + Send,
    run: impl AsyncFn(&C) -> T + Sync,
    report: impl Fn(&C) + Sync,
) -> Vec<T> {
    let cases = Mutex::new(cases);
    // A panic is never raised under the lock, and after one no more cases are wanted.
    let next = || cases.lock().ok()?.next();
    let work = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        let runtime = runtime.expect("a runtime needs nothing but threads");
        let mut ends = Vec::new();
        while let Some(case) = next() {
            match runtime.block_on(AssertUnwindSafe(run(&case)).catch_unwind()) {
                Ok(end) => ends.push(end),
                Err(panic) => {
                    report(&case);
                    let _stop = cases.lock().map(|mut cases| while cases.next().is_some() {});
                    resume_unwind(panic);
                }
            }
        }
        ends
    };
    thread::scope(|scope| {
        let n_threads = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let threads: Vec<_> = (0..n_threads).map(|_| scope.spawn(work)).collect();
        let ends = threads.into_iter().map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)));
        ends.collect::<Vec<_>>().into_iter().flatten().collect()
    })
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
