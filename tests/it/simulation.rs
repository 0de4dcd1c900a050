//! Plan and apply against the server in the process, with a fault at every single call in turn.
//!
//! Whatever becomes of one call (refused, lost before its effect, lost after it, cut short, never answered, or the
//! program killed in the middle of it), running again reaches what is declared: nothing exists twice, no volume loses
//! its id, and what nobody declared is not touched. Time is paused, so the pauses of the client's retries cost nothing.

mod against_model;
mod cases;
mod every_call;
pub(crate) mod faults;
mod generation;
mod histories;
mod invariants;
mod looking;
mod manifests;
mod owned;
mod passwords;
mod random;
mod recorded;
mod store;
pub(crate) mod workspace;

use faults::Fault;
use workspace::{Attempt, Workspace};

/// What is there before, and what becomes declared.
struct Scenario {
    name: &'static str,
    before: &'static str,
    after: &'static str,
}

/// An object that no manifest declares, made before everything else.
const UNMANAGED: &str = "
{apiVersion: sbx/v1, kind: Volume, metadata: {name: somebody-elses}, spec: {size: 3Gi}}
";

const FROM_NOTHING: Scenario = Scenario {
        name: "everything from nothing",
        before: "",
        after: "
{apiVersion: sbx/v1, kind: Volume, metadata: {name: data}, spec: {size: 1Gi}}
---
{apiVersion: sbx/v1, kind: Template, metadata: {name: mounting}, spec: {image: python, volume_mounts: [{volume_name: data, mount_path: /data}]}}
---
{apiVersion: sbx/v1, kind: Template, metadata: {name: plain}, spec: {image: python, resources: {storage: 4Gi}}}
---
{apiVersion: sbx/v1, kind: Pool, metadata: {name: warm}, spec: {template_name: plain, replicas: 2}}
---
{apiVersion: sbx/v1, kind: Pool, metadata: {name: paused}, spec: {template_name: plain, replicas: 0}}
---
{apiVersion: sbx/v1, kind: Sandbox, metadata: {name: box}, spec: {template_name: mounting, ttl_seconds: 3600}}
",
    };

const CHANGES: Scenario = Scenario {
        name: "changes in place, renames and replacements",
        before: "
{apiVersion: sbx/v1, kind: Volume, metadata: {name: data}, spec: {size: 1Gi}}
---
{apiVersion: sbx/v1, kind: Volume, metadata: {name: a}, spec: {size: 1Gi}}
---
{apiVersion: sbx/v1, kind: Volume, metadata: {name: b}, spec: {size: 2Gi}}
---
{apiVersion: sbx/v1, kind: Template, metadata: {name: plain}, spec: {image: python, resources: {storage: 4Gi}}}
---
{apiVersion: sbx/v1, kind: Template, metadata: {name: old}, spec: {image: node}}
---
{apiVersion: sbx/v1, kind: Pool, metadata: {name: warm}, spec: {template_name: plain, replicas: 2}}
---
{apiVersion: sbx/v1, kind: Pool, metadata: {name: other}, spec: {template_name: old, replicas: 2}}
---
{apiVersion: sbx/v1, kind: Sandbox, metadata: {name: box}, spec: {template_name: plain}}
",
        after: "
{apiVersion: sbx/v1, kind: Volume, metadata: {name: data}, spec: {size: 5Gi}}
---
{apiVersion: sbx/v1, kind: Volume, metadata: {name: b}, spec: {size: 1Gi}, lifecycle: {renamed_from: a}}
---
{apiVersion: sbx/v1, kind: Volume, metadata: {name: c}, spec: {size: 4Gi}, lifecycle: {renamed_from: b}}
---
{apiVersion: sbx/v1, kind: Template, metadata: {name: plain}, spec: {image: python:3, resources: {storage: 4Gi}}}
---
{apiVersion: sbx/v1, kind: Template, metadata: {name: new}, spec: {image: node}, lifecycle: {renamed_from: old}}
---
{apiVersion: sbx/v1, kind: Pool, metadata: {name: warm}, spec: {template_name: plain, replicas: 3}}
---
{apiVersion: sbx/v1, kind: Pool, metadata: {name: other}, spec: {template_name: new, replicas: {min: 3, max: 9}}}
---
{apiVersion: sbx/v1, kind: Sandbox, metadata: {name: box}, spec: {template_name: plain, idle_ttl_seconds: 600}, lifecycle: {on_template_change: replace}}
",
};

#[tokio::test(start_paused = true)]
async fn everything_from_nothing_without_retries() {
    try_every_fault(&FROM_NOTHING, 0).await;
}

#[tokio::test(start_paused = true)]
async fn everything_from_nothing_with_retries() {
    try_every_fault(&FROM_NOTHING, 3).await;
}

#[tokio::test(start_paused = true)]
async fn changes_renames_and_replacements_without_retries() {
    try_every_fault(&CHANGES, 0).await;
}

#[tokio::test(start_paused = true)]
async fn changes_renames_and_replacements_with_retries() {
    try_every_fault(&CHANGES, 3).await;
}

/// Runs the scenario once for each fault at each call, and compares the end with that of a run without one.
async fn try_every_fault(scenario: &Scenario, retries: u32) {
    let clean = run(scenario, retries, None).await;
    assert!(clean.n_calls > 10, "{} calls are too few to mean something", clean.n_calls);
    for fault in Fault::without_record() {
        for call in 0..clean.n_calls {
            let faulty = run(scenario, retries, Some((call, *fault))).await;
            let case = format!("{}, {retries} retries, {fault:?} at call {call}", scenario.name);
            assert_eq!(faulty.end, clean.end, "{case}: the workspace is what is declared");
        }
    }
}

/// How a scenario ended.
struct End {
    /// How many calls the attempt with the fault made.
    n_calls: usize,
    /// What is live, without what differs from run to run.
    end: String,
}

async fn run(scenario: &Scenario, retries: u32, fault: Option<(usize, Fault)>) -> End {
    let workspace = Workspace::open(retries).await;
    workspace.must_apply(UNMANAGED).await;
    workspace.must_apply(scenario.before).await;
    let ids_before = workspace.volume_ids().await;

    let n_calls = workspace.begin(fault);
    let first = workspace.attempt(scenario.after).await;
    let n_calls = n_calls.so_far();
    workspace.begin(None);
    if fault.is_none() {
        assert_eq!(first, Attempt::Complete, "{}", scenario.name);
    }
    // One attempt may find the world of the killed one still moving; two are enough (it is part of the promise).
    for _ in 0..2 {
        workspace.attempt(scenario.after).await;
    }
    workspace.begin(None);
    let writes = workspace.n_writes();
    assert_eq!(workspace.attempt(scenario.after).await, Attempt::Complete, "{}: {fault:?}", scenario.name);
    assert_eq!(
        workspace.n_writes(),
        writes,
        "{}: {fault:?}: nothing is left to do, and nothing is sent",
        scenario.name
    );

    let ids_after = workspace.volume_ids().await;
    for id in &ids_before {
        assert!(ids_after.contains(id), "{}: {fault:?}: a volume was lost", scenario.name);
    }
    End { n_calls, end: workspace.describe().await }
}
