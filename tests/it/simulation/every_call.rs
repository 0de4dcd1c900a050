//! A fault at every single call in turn, to the server and to the store of the record.
//!
//! The attempt with the fault is followed by the same commit, or by the previous one: each fault at each call by one of
//! the two in a plain run of the tests, and by both where `SBX_SIMULATION_CASES` asks for more.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;

use super::cases::{Tally, is_long, run_all};
use super::faults::Fault;
use super::histories::{HISTORIES, History};
use super::invariants::{Before, FOREIGN, check, policy};
use super::recorded::{Disk, Writes};
use super::workspace::{Attempt, Workspace, desired};

#[test]
fn a_fault_at_every_call_of_every_history() {
    let clean = run_all(HISTORIES.iter().map(|history| Case::of(history, None, false)), Case::check, |case| {
        eprintln!("{}", case.text());
    });
    assert_eq!(clean.len(), HISTORIES.len());
    let mut cases = Vec::new();
    for (history, n_calls) in clean {
        assert!(n_calls > 10, "{}: {n_calls} calls are too few to mean something", history.name);
        for (number, fault) in Fault::ALL.into_iter().enumerate() {
            for call in 0..n_calls {
                let is_reverted = (number + call) % 2 == 1;
                cases.push(Case::of(history, Some((call, fault)), is_reverted));
                cases.extend(is_long().then(|| Case::of(history, Some((call, fault)), !is_reverted)));
            }
        }
    }
    let mut tally = Tally::default();
    cases.iter().filter_map(|case| case.fault).for_each(|(_, fault)| tally.add(fault));
    let n_cases = cases.len();
    let ends = run_all(cases.into_iter(), Case::check, |case| eprintln!("{}", case.text()));
    println!("{n_cases} cases with one fault: {tally}");
    assert_eq!(ends.len(), n_cases);
}

struct Case {
    history: &'static History,
    fault: Option<(usize, Fault)>,
    /// Whether the previous commit follows.
    is_reverted: bool,
    disk: Disk,
}

impl Case {
    fn of(history: &'static History, fault: Option<(usize, Fault)>, is_reverted: bool) -> Self {
        Self { history, fault, is_reverted, disk: Disk::new() }
    }

    /// Returns how many calls the attempt with the fault made.
    async fn check(&self) -> (&'static History, usize) {
        // The pauses between tries are drawn from the thread's generator.
        fastrand::seed(0);
        let workspace = Workspace::open(0).await;
        workspace.must_apply(FOREIGN).await;
        assert_eq!(self.attempt(&workspace, self.history.before).await, Attempt::Complete, "nothing goes wrong yet");
        let before = Before {
            world: self.disk.world(&workspace).await,
            deleted: BTreeSet::new(),
            unmanaged: BTreeSet::new(),
            on_ours: None,
        };

        let calls = workspace.begin(self.fault);
        let first = self.attempt(&workspace, self.history.after).await;
        let n_calls = calls.so_far();
        workspace.begin(None);
        if self.fault.is_none() {
            assert_eq!(first, Attempt::Complete, "nothing goes wrong");
        }
        let goal = if self.is_reverted { self.history.before } else { self.history.after };
        for _ in 0..2 {
            self.attempt(&workspace, goal).await;
        }
        check(&before, &desired(goal), &self.disk, &workspace).await;
        (self.history, n_calls)
    }

    async fn attempt(&self, workspace: &Workspace, manifests: &str) -> Attempt {
        // One at a time, so that a call has the same number in each run.
        self.disk.attempt(workspace, &desired(manifests), &policy(), NonZeroUsize::MIN, Writes::AtOnce).await
    }

    fn text(&self) -> String {
        let goal = if self.is_reverted { "previous" } else { "same" };
        format!("{}: {:?}, then the {goal} commit\n{}", self.history.name, self.fault, self.disk.story())
    }
}
