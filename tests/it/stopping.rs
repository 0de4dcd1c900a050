//! The executor when it is told to stop, runs out of time, or loses a step.

use std::num::NonZeroUsize;
use std::time::Duration;

use sbx::client::Deadline;
use sbx::reconcile::{ApplyCx, Counts, Event, EventSink, GRACE, Outcome, Phase, StepError, apply, plan};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::probe::{Act, Probe};
use crate::simulation::workspace::{Workspace, desired};

const TWO_CHAINS: &str = "
{apiVersion: sbx/v1, kind: Template, metadata: {name: a}, spec: {image: a}}
---
{apiVersion: sbx/v1, kind: Pool, metadata: {name: a}, spec: {template_name: a, replicas: 1}}
---
{apiVersion: sbx/v1, kind: Template, metadata: {name: b}, spec: {image: b}}
---
{apiVersion: sbx/v1, kind: Pool, metadata: {name: b}, spec: {template_name: b, replicas: 1}}
";

/// Applies the two chains through a transport that does this at the second creation of a template, which `b` is.
/// Everything that happens is given to `at_event`, with what it can stop.
async fn run(
    workspace: &Workspace,
    act: Act,
    deadline: Option<Duration>,
    at_event: impl Fn(&Event, &CancellationToken, &CancellationToken),
) -> (Outcome, Vec<Event>) {
    let world = workspace.world().await.expect("the lists can be read");
    let plan = plan::plan(&desired(TWO_CHAINS), &world, &plan::Policy::default());
    let seen = std::sync::atomic::AtomicUsize::new(0);
    let acts = move |line: &str| match line {
        "POST /templates" if seen.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 1 => act,
        _ => Act::Pass,
    };
    let client = workspace.client_through(|inner| Probe::new(inner, acts));
    let mut cx = ApplyCx::new(client, NonZeroUsize::new(2).expect("it is not 0"));
    cx.deadline = deadline.map(Deadline::after);
    let (stop, abort) = (CancellationToken::new(), cx.abort.clone());
    let (sender, mut receiver) = mpsc::channel(1);
    let look = async {
        let mut events = Vec::new();
        while let Some(event) = receiver.recv().await {
            at_event(&event, &stop, &abort);
            events.push(event);
        }
        events
    };
    tokio::join!(apply(&plan, &cx, EventSink::new(sender), stop.clone()), look)
}

fn is_aborted(phase: &Phase) -> bool {
    matches!(phase, Phase::Failed { error, .. } if matches!(**error, StepError::Aborted))
}

#[tokio::test]
async fn an_abort_cuts_running_steps_off_and_there_is_an_outcome() {
    let workspace = Workspace::open(3).await;
    // The first chain is done when the abort comes; the template of the second never comes back.
    let (outcome, events) = run(&workspace, Act::Hang, None, |event, stop, abort| {
        if event.step == 2 && event.phase.is_terminal() {
            stop.cancel();
            abort.cancel();
        }
    })
    .await;
    assert_eq!(outcome.counts(), Counts { done: 2, failed: 1, not_started: 1, ..Counts::default() });
    assert!(outcome.is_interrupted && !outcome.is_out_of_time);
    assert_eq!(events.iter().filter(|event| is_aborted(&event.phase)).count(), 1);
    workspace.must_apply(TWO_CHAINS).await;
}

#[tokio::test]
async fn what_is_done_when_the_abort_comes_is_done() {
    let workspace = Workspace::open(3).await;
    let (outcome, _) = run(&workspace, Act::Pass, None, |event, _, abort| {
        if event.step == 3 && event.phase.is_terminal() {
            abort.cancel();
        }
    })
    .await;
    assert!(outcome.is_complete() && !outcome.is_interrupted, "{outcome:?}");
}

#[tokio::test(start_paused = true)]
async fn once_time_is_up_nothing_starts_and_what_runs_has_a_grace() {
    const TIME: Duration = Duration::from_secs(30);
    let cases = [
        (Act::After(TIME + GRACE / 2), 0, "it ends within the grace"),
        (Act::Hang, 1, "it is cut off at the end of the grace"),
    ];
    for (act, n_failed, why) in cases {
        let workspace = Workspace::open(3).await;
        let started = Instant::now();
        let (outcome, _) = run(&workspace, act, Some(TIME), |_, _, _| {}).await;
        let expected = Counts { done: 3 - n_failed, failed: n_failed, not_started: 1, ..Counts::default() };
        assert_eq!(outcome.counts(), expected, "{why}");
        assert!(outcome.is_out_of_time && !outcome.is_interrupted, "{why}");
        assert!(started.elapsed() <= TIME + GRACE + Duration::from_secs(1), "{why}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_apply_that_is_through_in_time_is_not_out_of_it() {
    let workspace = Workspace::open(3).await;
    let (outcome, _) = run(&workspace, Act::Pass, Some(Duration::from_hours(1)), |_, _, _| {}).await;
    assert!(outcome.is_complete() && !outcome.is_out_of_time);
}

#[tokio::test]
async fn a_step_that_panics_is_told_at_once_and_stops_only_what_waits_for_it() {
    let workspace = Workspace::open(3).await;
    let (outcome, events) = run(&workspace, Act::Panic, None, |_, _, _| {}).await;
    assert_eq!(outcome.counts(), Counts { done: 2, failed: 1, skipped: 1, ..Counts::default() });
    assert!(!outcome.is_interrupted);
    let is_lost =
        |event: &Event| matches!(&event.phase, Phase::Failed { error, .. } if matches!(**error, StepError::Panicked));
    let lost = events.iter().position(is_lost).expect("it is told");
    assert!(lost < events.len() - 1, "before the end: {events:?}");
    workspace.must_apply(TWO_CHAINS).await;
}

#[tokio::test(start_paused = true)]
async fn a_step_has_a_deadline_of_its_own() {
    let workspace = Workspace::open(3).await;
    let started = Instant::now();
    let (outcome, _) = run(&workspace, Act::Hang, None, |_, _, _| {}).await;
    assert_eq!(outcome.counts(), Counts { done: 2, failed: 1, skipped: 1, ..Counts::default() });
    assert!(started.elapsed() < Duration::from_mins(10), "it is given up after {:?}", started.elapsed());
    let failed = outcome.state.iter().find_map(|(_, phase)| match phase {
        Phase::Failed { error, .. } => Some(error),
        _ => None,
    });
    let error = failed.expect("one failed");
    assert!(error.is_doubtful(), "nobody knows whether it was made: {error}");
    assert_eq!(error.to_string(), "cannot create template `b`: the deadline has passed");
    workspace.must_apply(TWO_CHAINS).await;
}
