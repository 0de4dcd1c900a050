//! The look before a change: what one list stands for, and what it does not.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use sbx::kinds::VOLUME;
use sbx::reconcile::{ApplyCx, Counts, EventSink, Outcome, Plan, apply, observe, plan};
use sbx::types::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::probe::{Act, Probe};
use crate::simulation::workspace::{Workspace, desired};

const LIST: &str = "GET /volumes?limit=500&offset=0";

const BOTH_GENERATIONS: &str = "\
{apiVersion: sbx/v1, kind: Template, metadata: {name: t}, spec: {image: x}}
---
{apiVersion: sbx/v1, kind: Sandbox, metadata: {name: old}, spec: {template_name: t}}
---
{apiVersion: sbx/v2, kind: Registry, metadata: {name: r}, spec: {url: a.example}}
---
{apiVersion: sbx/v2, kind: Snapshot, metadata: {name: s}, spec: {docker_image: x, fs_capacity_bytes: 4Gi, registry_name: r}}
---
{apiVersion: sbx/v2, kind: Sandbox, metadata: {name: new}, spec: {snapshot: s}}
";

fn volumes(n: usize, size: &str) -> String {
    let volume = |i| format!("{{apiVersion: sbx/v1, kind: Volume, metadata: {{name: v{i}}}, spec: {{size: {size}}}}}");
    (0..n).map(volume).collect::<Vec<_>>().join("\n---\n")
}

/// A workspace with `n` volumes, a plan that lets all of them grow, and a look at the requests.
async fn growing(
    n: usize,
    act: impl Fn(&str) -> Act + Send + Sync + 'static,
) -> (Workspace, Plan, Arc<Probe>, ApplyCx) {
    let workspace = Workspace::open(3).await;
    workspace.must_apply(&volumes(n, "1Gi")).await;
    let world = workspace.world().await.expect("the lists can be read");
    let plan = plan::plan(&desired(&volumes(n, "2Gi")), &world, &plan::Policy::default());
    let mut probe = None;
    let client = workspace.client_through(|inner| Arc::clone(probe.insert(Probe::new(inner, act))));
    let cx = ApplyCx::new(client, NonZeroUsize::new(4).expect("it is not 0"));
    (workspace, plan, probe.expect("it was just made"), cx)
}

async fn perform(plan: &Plan, cx: &ApplyCx) -> Outcome {
    apply(plan, cx, EventSink::none(), CancellationToken::new()).await
}

fn reads(log: &[String]) -> Vec<&str> {
    log.iter().map(String::as_str).filter(|line| line.starts_with("GET")).collect()
}

#[tokio::test]
async fn an_observation_asks_for_each_list_once() {
    let workspace = Workspace::open(3).await;
    workspace.must_apply(BOTH_GENERATIONS).await;
    let mut probe = None;
    let client = workspace.client_through(|inner| Arc::clone(probe.insert(Probe::new(inner, |_| Act::Pass))));
    let probe = probe.expect("it was just made");
    for _ in 0..2 {
        let world =
            observe(&client.reader(), Timestamp::from_microseconds(0).expect("a time")).await.expect("it answers");
        assert_eq!(world.iter().count(), 5, "{world:?}");
        let mut log = probe.take_log();
        log.sort_unstable();
        let page = |kind: &str| format!("GET /{kind}?limit=500&offset=0");
        let lists = ["boxes", "pools", "registries", "snapshots", "templates", "volumes"].map(page);
        let (usage, rest): (Vec<_>, Vec<_>) = log.into_iter().partition(|line| line == "GET /usage");
        assert_eq!((usage.len(), rest), (1, lists.to_vec()), "and the next one anew");
    }
}

#[tokio::test]
async fn one_list_stands_for_many_looks() {
    let (workspace, plan, probe, cx) = growing(20, |_| Act::Pass).await;
    assert!(perform(&plan, &cx).await.is_complete());
    assert_eq!(reads(&probe.take_log()), [LIST]);
    workspace.must_apply(&volumes(20, "2Gi")).await;
}

#[tokio::test]
async fn a_few_are_looked_at_one_by_one() {
    let (_workspace, plan, probe, cx) = growing(4, |_| Act::Pass).await;
    assert!(perform(&plan, &cx).await.is_complete());
    let log = probe.take_log();
    assert_eq!(reads(&log).len(), 4);
    assert!(!log.iter().any(|line| line == LIST));
}

#[tokio::test(start_paused = true)]
async fn a_list_is_believed_for_five_seconds() {
    // Each change takes two seconds, and four run at once: the third round is the first that needs a newer list.
    let slow = |line: &str| if line.starts_with("PATCH") { Act::After(Duration::from_secs(2)) } else { Act::Pass };
    let (_workspace, plan, probe, cx) = growing(24, slow).await;
    assert!(perform(&plan, &cx).await.is_complete());
    let log = probe.take_log();
    let n_lists = log.iter().filter(|line| *line == LIST).count();
    assert!((2..=3).contains(&n_lists), "{n_lists} lists for twelve seconds");
}

#[tokio::test]
async fn a_list_that_shows_something_else_is_no_proof() {
    let (workspace, plan, probe, cx) = growing(20, |_| Act::Pass).await;
    let somebody_else = workspace.client();
    let larger = sbx::client::UpdateVolumeOptions::default().size("9Gi".parse().expect("a size"));
    somebody_else.update_volume("v7", larger).await.expect("it grows");
    somebody_else.delete_volume("v8").await.expect("it is deleted");
    let outcome = perform(&plan, &cx).await;
    assert_eq!(outcome.counts(), Counts { done: 18, failed: 2, ..Counts::default() });
    let log = probe.take_log();
    assert_eq!(reads(&log), [LIST, "GET /volumes/v7", "GET /volumes/v8"]);
    let world = workspace.world().await.expect("the lists can be read");
    assert_eq!(world.iter().filter(|live| live.key.kind == VOLUME).count(), 19);
}

#[tokio::test]
async fn a_list_that_cannot_be_read_is_done_without() {
    let broken = |line: &str| if line == LIST { Act::Broken } else { Act::Pass };
    let (_workspace, plan, probe, cx) = growing(20, broken).await;
    assert!(perform(&plan, &cx).await.is_complete());
    assert_eq!(reads(&probe.take_log()).len(), 21);
}

#[tokio::test]
async fn what_the_apply_itself_changes_is_looked_at_anew() {
    let (workspace, _, probe, cx) = growing(20, |_| Act::Pass).await;
    let renamed = |i| {
        format!(
            "{{apiVersion: sbx/v1, kind: Volume, metadata: {{name: w{i}}}, spec: {{size: 2Gi}}, \
             lifecycle: {{renamed_from: v{i}}}}}"
        )
    };
    let renamed = (0..20).map(renamed).collect::<Vec<_>>().join("\n---\n");
    let world = workspace.world().await.expect("the lists can be read");
    let plan = plan::plan(&desired(&renamed), &world, &plan::Policy::default());
    assert_eq!(plan.steps.len(), 40, "a rename and an update for each");
    let outcome = perform(&plan, &cx).await;
    assert!(outcome.is_complete(), "{outcome:?}");
    assert!(!probe.take_log().iter().any(|line| line == LIST), "every object has two steps");
}
