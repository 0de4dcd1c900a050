//! Replacement without a gap, on the server in the process: what it looks like from outside after every single call, and
//! what becomes of a swap that goes wrong.

mod gaps;
mod site;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use sbx::client::CreateTemplateOptions;
use sbx::reconcile::inventory::{Effect, Habits};
use sbx::reconcile::{Outcome, Phase, StepError};
use sbx::types::Name;

use self::site::Site;

fn manifests(image: &str) -> String {
    format!(
        "{{apiVersion: sbx/v1, kind: Template, metadata: {{name: t}}, spec: {{image: {image}}}}}
---
{{apiVersion: sbx/v1, kind: Pool, metadata: {{name: p}}, spec: {{template_name: t, replicas: 2}}}}
---
{{apiVersion: sbx/v1, kind: Pool, metadata: {{name: q}}, spec: {{template_name: t, replicas: 3}}}}
---
{{apiVersion: sbx/v1, kind: Sandbox, metadata: {{name: s}}, spec: {{template_name: t}}}}
"
    )
}

fn error_of(outcome: &Outcome) -> Arc<StepError> {
    let failed = outcome.state.iter().find_map(|(_, phase)| match phase {
        Phase::Failed { error, .. } => Some(Arc::clone(error)),
        _ => None,
    });
    failed.unwrap_or_else(|| panic!("{outcome:?}"))
}

#[tokio::test]
async fn nothing_is_ever_missing_but_a_name_between_its_two_renames() {
    let site = Site::open().await;
    site.must_apply(&manifests("a")).await;
    site.samples();
    site.must_apply(&manifests("b")).await;

    let samples = site.samples();
    assert!(samples.len() > 9, "{} calls are too few", samples.len());
    let mut n_missing = 0;
    for sample in &samples {
        // Steps on different objects run side by side, so that two names may be between their renames at once.
        for (name, replicas) in [("p", 2), ("q", 3)] {
            match sample.pools.iter().find(|pool| pool.0 == name) {
                Some(pool) => assert!(pool.2 >= replicas, "{pool:?}"),
                None => n_missing += 1,
            }
        }
        if !sample.templates.iter().any(|name| name == "t") {
            n_missing += 1;
            continue;
        }
        let warm: u64 = sample.pools.iter().filter(|pool| pool.1 == "t").map(|pool| pool.2).sum();
        assert!(warm >= 5, "who creates from `t` finds {warm} of 5: {:?}", sample.pools);
    }
    assert!((3..=5).contains(&n_missing), "each of three names is missing once: {n_missing}");
    assert_eq!(site.image().await, "b");
    let again = site.must_apply(&manifests("b")).await;
    assert!(again.steps.is_empty(), "{:?}", again.steps);
}

#[tokio::test]
async fn a_second_rename_that_fails_for_good_takes_the_first_one_back() {
    let site = Site::open().await;
    site.must_apply(&manifests("a")).await;
    site.transport.n_refused.store(1, Ordering::SeqCst);
    let (_, outcome) = site.apply(&manifests("b")).await;
    let error = error_of(&outcome);
    assert!(matches!(*error, StepError::SwapFailed { is_undone: true, .. }), "{error:?}");
    assert_eq!(error.to_string(), "template/t has its name again");
    assert_eq!(site.image().await, "a");
    let plan = site.must_apply(&manifests("b")).await;
    assert!(plan.steps.iter().all(|step| step.verb.as_str() != "create"), "what was built is used: {:?}", plan.steps);
    assert_eq!(site.image().await, "b");
}

/// What lies between two renames is worth more than one try.
#[tokio::test]
async fn a_second_rename_that_the_server_fails_at_is_tried_again() {
    let site = Site::open().await;
    site.must_apply(&manifests("a")).await;
    site.transport.n_failing.store(2, Ordering::SeqCst);
    site.must_apply(&manifests("b")).await;
    assert_eq!(site.image().await, "b");
    // Where that is of no use, the way back is tried as often.
    site.transport.n_failing.store(5, Ordering::SeqCst);
    let (_, outcome) = site.apply(&manifests("a")).await;
    assert!(matches!(*error_of(&outcome), StepError::SwapFailed { is_undone: true, .. }), "{outcome:?}");
    assert_eq!(site.image().await, "b");
}

#[tokio::test]
async fn a_name_that_could_not_be_given_back_is_said_and_comes_back_with_the_next_apply() {
    let site = Site::open().await;
    site.must_apply(&manifests("a")).await;
    site.transport.n_refused.store(2, Ordering::SeqCst);
    let (_, outcome) = site.apply(&manifests("b")).await;
    let error = error_of(&outcome);
    assert!(matches!(*error, StepError::SwapFailed { is_undone: false, .. }), "{error:?}");
    let text = error.to_string();
    assert!(
        text.starts_with("template/t is named `t--sbx-") && text.ends_with("` until it is applied again"),
        "{text}"
    );
    assert!(site.client.get_template("t").await.is_err());
    site.must_apply(&manifests("b")).await;
    assert_eq!(site.image().await, "b");
}

#[tokio::test]
async fn where_references_stay_behind_the_swap_is_taken_back_and_that_is_remembered() {
    let site = Site::open().await;
    site.must_apply(&manifests("a")).await;
    site.transport.references_stay.store(true, Ordering::SeqCst);
    let (_, outcome) = site.apply(&manifests("b")).await;
    let error = error_of(&outcome);
    assert!(matches!(*error, StepError::ReferenceStayed { is_taken_back: true, .. }), "{error:?}");
    assert_eq!(site.image().await, "a");
    let learnt = Effect::Learn(Habits { references_follow_renames: Some(false) });
    assert!(site.notebook.0.lock().expect("not poisoned").contains(&learnt));
}

#[tokio::test]
async fn where_references_follow_that_is_remembered() {
    let site = Site::open().await;
    site.must_apply(&manifests("a")).await;
    site.must_apply(&manifests("b")).await;
    let learnt = Effect::Learn(Habits { references_follow_renames: Some(true) });
    assert!(site.notebook.0.lock().expect("not poisoned").contains(&learnt));
}

#[tokio::test]
async fn what_cannot_be_read_back_is_not_swapped_in() {
    let site = Site::open().await;
    let extra = serde_json::json!({"proxy_config": {"rules": []}});
    let extra = extra.as_object().expect("it is an object").clone();
    let name = Name::parse("t").expect("a name");
    let options = CreateTemplateOptions::default().extra(extra);
    site.client.create_template(&name, "a", options).await.expect("it is created");
    site.must_apply(&manifests("a")).await;
    site.transport.forgets.store(true, Ordering::SeqCst);
    let (_, outcome) = site.apply(&manifests("b")).await;
    let error = error_of(&outcome);
    assert!(matches!(*error, StepError::NotCarriedOver { .. }), "{error:?}");
    assert_eq!(site.image().await, "a", "nothing is lost");
}
