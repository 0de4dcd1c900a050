//! The executor: order, parallelism, failures, interruption.

use std::num::NonZeroUsize;

use sbx::reconcile::{Counts, Event, EventSink, Outcome, Phase, RunState, World, apply, plan};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::simulation::faults::Fault;
use crate::simulation::workspace::{Workspace, desired};

const CHAIN_AND_MORE: &str = "
{apiVersion: sbx/v1, kind: Volume, metadata: {name: v}, spec: {size: 1Gi}}
---
{apiVersion: sbx/v1, kind: Template, metadata: {name: t}, spec: {image: a, volume_mounts: [{volume_name: v, mount_path: /v}]}}
---
{apiVersion: sbx/v1, kind: Sandbox, metadata: {name: s}, spec: {template_name: t}}
---
{apiVersion: sbx/v1, kind: Template, metadata: {name: u}, spec: {image: a}}
---
{apiVersion: sbx/v1, kind: Pool, metadata: {name: p}, spec: {template_name: u, replicas: 2}}
";

/// Applies the manifests and returns the outcome with every event that was sent.
async fn run(
    workspace: &Workspace,
    manifests: &str,
    parallelism: usize,
    stop: CancellationToken,
) -> (Outcome, Vec<Event>) {
    let world = workspace.world().await.expect("the lists can be read");
    run_in(workspace, world, manifests, parallelism, stop).await
}

/// Does so from what was read before.
async fn run_in(
    workspace: &Workspace,
    world: World,
    manifests: &str,
    parallelism: usize,
    stop: CancellationToken,
) -> (Outcome, Vec<Event>) {
    let plan = plan::plan(&desired(manifests), &world, &plan::Policy::default());
    let (sender, mut receiver) = mpsc::channel(4);
    let cx = workspace.cx(NonZeroUsize::new(parallelism).expect("it is not 0"));
    let collect = async {
        let mut events = Vec::new();
        while let Some(event) = receiver.recv().await {
            events.push(event);
        }
        events
    };
    tokio::join!(apply(&plan, &cx, EventSink::new(sender), stop), collect)
}

#[tokio::test]
async fn every_step_starts_once_and_ends_once_and_the_fold_is_the_outcome() {
    let workspace = Workspace::open(0).await;
    let (outcome, events) = run(&workspace, CHAIN_AND_MORE, 10, CancellationToken::new()).await;
    assert!(outcome.is_complete());
    let mut state = RunState::new(5);
    for (index, event) in events.iter().enumerate() {
        let earlier: Vec<_> = events[..index].iter().filter(|other| other.step == event.step).collect();
        assert_eq!(earlier.len(), usize::from(event.phase.is_terminal()), "{event:?} after {earlier:?}");
        state.fold(event.clone());
    }
    assert_eq!(state.counts(), outcome.counts());
    assert_eq!(state.counts(), Counts { done: 5, ..Counts::default() });
}

#[tokio::test]
async fn no_more_steps_run_at_once_than_allowed() {
    for parallelism in [1, 2] {
        let workspace = Workspace::open(0).await;
        let (_, events) = run(&workspace, CHAIN_AND_MORE, parallelism, CancellationToken::new()).await;
        let (mut running, mut most) = (0_usize, 0);
        for event in events {
            running = if event.phase.is_terminal() { running - 1 } else { running + 1 };
            most = most.max(running);
        }
        assert_eq!(most, parallelism);
    }
}

#[tokio::test]
async fn a_failure_stops_only_what_waits_for_it() {
    let workspace = Workspace::open(0).await;
    let world = workspace.world().await.expect("the lists can be read");
    // The first call creates the volume, which begins the longest chain.
    workspace.begin(Some((0, Fault::Broken)));
    let (outcome, events) = run_in(&workspace, world, CHAIN_AND_MORE, 1, CancellationToken::new()).await;
    assert_eq!(outcome.counts(), Counts { done: 2, failed: 1, skipped: 2, ..Counts::default() });
    assert!(!outcome.is_interrupted);
    let failed = events.iter().find(|event| matches!(event.phase, Phase::Failed { .. })).expect("one failed").step;
    let blamed = events.iter().filter_map(|event| match event.phase {
        Phase::Skipped { because_of } => Some(because_of),
        _ => None,
    });
    assert_eq!(blamed.collect::<Vec<_>>(), [failed, failed]);
}

#[tokio::test]
async fn an_interrupt_lets_running_steps_finish_and_starts_no_more() {
    let workspace = Workspace::open(0).await;
    let world = workspace.world().await.expect("the lists can be read");
    let plan = plan::plan(&desired(CHAIN_AND_MORE), &world, &plan::Policy::default());
    let (sender, mut receiver) = mpsc::channel::<Event>(1);
    let stop = CancellationToken::new();
    let cx = workspace.cx(NonZeroUsize::MIN);
    let interrupt_at_first_start = async {
        while let Some(event) = receiver.recv().await {
            if matches!(event.phase, Phase::Started) {
                stop.cancel();
            }
        }
    };
    let (outcome, ()) = tokio::join!(apply(&plan, &cx, EventSink::new(sender), stop.clone()), interrupt_at_first_start);
    assert!(outcome.is_interrupted);
    assert_eq!(outcome.counts(), Counts { done: 1, not_started: 4, ..Counts::default() });
    workspace.must_apply(CHAIN_AND_MORE).await;
}

#[tokio::test]
async fn a_plan_that_is_refused_starts_nothing() {
    let workspace = Workspace::open(0).await;
    let protected = |image: &str| {
        format!(
            "{{apiVersion: sbx/v1, kind: Template, metadata: {{name: t}}, spec: {{image: {image}}}, \
             lifecycle: {{prevent_destroy: true, replace: recreate}}}}"
        )
    };
    workspace.must_apply(&protected("a")).await;
    let (outcome, _) = run(&workspace, &protected("b"), 10, CancellationToken::new()).await;
    assert_eq!(outcome.counts(), Counts { not_started: 2, ..Counts::default() });
    assert!(!outcome.is_interrupted);
}

#[tokio::test]
async fn what_changed_since_the_plan_is_not_touched() {
    let size =
        |size: &str| format!("{{apiVersion: sbx/v1, kind: Volume, metadata: {{name: v}}, spec: {{size: {size}}}}}");
    let workspace = Workspace::open(0).await;
    workspace.must_apply(&size("1Gi")).await;
    let world = workspace.world().await.expect("the lists can be read");
    let stale = plan::plan(&desired(&size("2Gi")), &world, &plan::Policy::default());
    workspace.must_apply(&size("3Gi")).await;
    let cx = workspace.cx(NonZeroUsize::MIN);
    let outcome = apply(&stale, &cx, EventSink::none(), CancellationToken::new()).await;
    let Some(Phase::Failed { error, .. }) = outcome.state.phase(0) else { panic!("{outcome:?}") };
    assert!(error.is_stale());
    assert_eq!(error.to_string(), "volume/v has changed since it was planned");
    assert!(workspace.describe().await.contains("3Gi"));
}

#[tokio::test]
async fn fields_unknown_to_sbx_are_carried_over_into_a_replacement() {
    let template = |image: &str| {
        format!("{{apiVersion: sbx/v1, kind: Template, metadata: {{name: t}}, spec: {{image: {image}}}}}")
    };
    let workspace = Workspace::open(0).await;
    let extra = serde_json::json!({"proxy_config": {"rules": [{"host": "a.example"}]}, "registry_id": null});
    let extra = extra.as_object().expect("it is an object").clone();
    let options =
        sbx::client::CreateTemplateOptions::default().storage("4Gi".parse().expect("a size")).extra(extra.clone());
    let name = sbx::types::Name::parse("t").expect("a name");
    workspace.client().create_template(&name, "a", options).await.expect("it is created");
    workspace.must_apply(&template("b")).await;
    let live = workspace.client().get_template("t").await.expect("it is there");
    assert_eq!(live.image, "b");
    assert_eq!(live.extra.get("proxy_config"), extra.get("proxy_config"));
    assert_eq!(live.resources.storage.as_deref(), Some("4Gi"), "what is left alone is kept as well");
}
