//! That nothing is missing meanwhile, where a replacement is not a plain one: each sample is what somebody may have seen.

use sbx::server::Limits;

use super::site::{Sample, Site};

/// The pools of the workspaces here, with their replicas.
const POOLS: [(&str, u64); 2] = [("p", 2), ("q", 3)];

/// Returns a template of this name and image, and pools on it whose names begin with theirs and end as its name does.
fn manifests(template: &str, image: &str) -> String {
    let pool = |(name, replicas): (&str, u64)| {
        let name = pool_of(name, template);
        format!(
            "{{apiVersion: sbx/v1, kind: Pool, metadata: {{name: {name}}}, spec: {{template_name: {template}, replicas: \
             {replicas}}}}}\n---\n"
        )
    };
    let pools: String = POOLS.map(pool).concat();
    format!("{pools}{{apiVersion: sbx/v1, kind: Template, metadata: {{name: {template}}}, spec: {{image: {image}}}}}\n")
}

fn pool_of(name: &str, template: &str) -> String {
    format!("{name}{}", &template[1..])
}

/// Checks that each pool that has its name has its replicas, and that no name is gone more than `n_times`.
fn assert_pools_stay(samples: &[Sample], template: &str, n_times: usize) {
    for (pool, replicas) in POOLS {
        let name = pool_of(pool, template);
        let found = |sample: &Sample| sample.pools.iter().find(|pool| pool.0 == name).map(|pool| pool.2);
        let seen: Vec<_> = samples.iter().map(found).collect();
        assert!(seen.iter().flatten().all(|warm| *warm >= replicas), "{name} has fewer than {replicas}: {seen:?}");
        assert_back_soon(&name, &seen.iter().map(Option::is_some).collect::<Vec<_>>(), n_times);
    }
    let has_template = |sample: &Sample| sample.templates.iter().any(|name| name == template);
    assert_back_soon(template, &samples.iter().map(has_template).collect::<Vec<_>>(), n_times);
}

/// Checks that a name is gone no more often than that, and there at the end.
fn assert_back_soon(name: &str, seen: &[bool], n_times: usize) {
    let gone = seen.windows(2).filter(|pair| pair[0] && !pair[1]).count();
    assert!(gone <= n_times, "{name} is gone {gone} times: {seen:?}");
    assert_eq!(seen.last(), Some(&true), "{name} is gone in the end");
}

/// Checks that who creates from the template finds as many warm replicas as its pools are declared to have together.
fn assert_warm(samples: &[Sample], template: &str) {
    let declared: u64 = POOLS.iter().map(|(_, replicas)| replicas).sum();
    for sample in samples.iter().filter(|sample| sample.templates.iter().any(|name| name == template)) {
        let on_it = sample.pools.iter().filter(|pool| pool.1 == template);
        let warm: u64 = on_it.map(|pool| pool.2).sum();
        assert!(warm >= declared, "who creates from `{template}` finds {warm} of {declared}: {:?}", sample.pools);
    }
}

fn assert_nothing_is_left(samples: &[Sample]) {
    let last = samples.last().expect("something was done");
    let names = last.templates.iter().chain(last.pools.iter().map(|pool| &pool.0));
    let left: Vec<_> = names.filter(|name| name.contains("--sbx-")).collect();
    assert!(left.is_empty(), "{left:?}");
}

/// A rollout is killed at each of its calls, and then finished, or taken back by a revert.
#[tokio::test]
async fn nor_is_anything_while_a_rollout_that_was_killed_is_finished_or_taken_back() {
    let mut n_kills = 0;
    for n_calls in 1.. {
        let mut was_all = false;
        for next in ["b", "a"] {
            let site = Site::open().await;
            site.must_apply(&manifests("t", "a")).await;
            site.samples();
            was_all = site.apply_until(n_calls, &manifests("t", "b")).await;
            site.must_apply(&manifests("t", next)).await;
            let samples = site.samples();
            // One time there, and back again where it had its new object already.
            assert_pools_stay(&samples, "t", 2);
            assert_warm(&samples, "t");
            assert_nothing_is_left(&samples);
            assert_eq!(site.image().await, next);
            let again = site.must_apply(&manifests("t", next)).await;
            assert!(again.steps.is_empty(), "after {n_calls} calls, then {next}: {:?}", again.steps);
        }
        if was_all {
            break;
        }
        n_kills += 1;
    }
    assert!(n_kills > 9, "{n_kills} calls are too few");
}

#[tokio::test]
async fn nor_is_anything_where_names_are_as_long_as_they_can_be() {
    let template = "t".repeat(63);
    let site = Site::open().await;
    site.must_apply(&manifests(&template, "a")).await;
    site.samples();
    site.must_apply(&manifests(&template, "b")).await;
    let samples = site.samples();
    assert!(samples.len() > 9, "{} calls are too few", samples.len());
    assert_pools_stay(&samples, &template, 1);
    assert_warm(&samples, &template);
    assert_nothing_is_left(&samples);
}

/// Who creates by the template's name may find fewer then: the new pools are not all there when the first old one goes.
#[tokio::test]
async fn nor_is_a_pool_where_the_quota_has_room_for_one_at_a_time() {
    let declared: u64 = POOLS.iter().map(|(_, replicas)| replicas).sum();
    let largest = POOLS.iter().map(|(_, replicas)| *replicas).max().unwrap_or_default();
    let sandboxes = declared + largest;
    let site = Site::open_with(Limits { sandboxes, ..Limits::default() }).await;
    site.must_apply(&manifests("t", "a")).await;
    site.samples();
    site.must_apply(&manifests("t", "b")).await;
    let samples = site.samples();
    let most = samples.iter().map(|sample| sample.pools.iter().map(|pool| pool.2).sum::<u64>()).max();
    assert!(most.is_some_and(|most| most > declared && most <= sandboxes), "they take turns: {most:?}");
    assert_pools_stay(&samples, "t", 1);
    for sample in samples.iter().filter(|sample| sample.templates.iter().any(|name| name == "t")) {
        let warm: u64 = sample.pools.iter().filter(|pool| pool.1 == "t").map(|pool| pool.2).sum();
        assert!(warm >= POOLS[0].1, "the one that is built first serves: {:?}", sample.pools);
    }
    assert_nothing_is_left(&samples);
    assert_eq!(site.image().await, "b");
    let again = site.must_apply(&manifests("t", "b")).await;
    assert!(again.steps.is_empty(), "{:?}", again.steps);
}

/// A pool moves to another template, alone or while its old one, its new one or both are replaced.
#[tokio::test]
async fn nor_is_a_pool_whose_own_template_changes() {
    let other = |image: &str| {
        format!("---\n{{apiVersion: sbx/v1, kind: Template, metadata: {{name: u}}, spec: {{image: {image}}}}}\n")
    };
    for (image, image_of_other) in [("a", "a"), ("b", "a"), ("a", "b"), ("b", "b")] {
        let site = Site::open().await;
        site.must_apply(&(manifests("t", "a") + &other("a"))).await;
        site.samples();
        let moved = manifests("t", image).replacen("template_name: t", "template_name: u", 1) + &other(image_of_other);
        site.must_apply(&moved).await;
        let samples = site.samples();
        assert_pools_stay(&samples, "t", 1);
        let has_other = |sample: &Sample| sample.templates.iter().any(|name| name == "u");
        assert_back_soon("u", &samples.iter().map(has_other).collect::<Vec<_>>(), 1);
        // Who creates from the template that one leaves finds the other one.
        for sample in samples.iter().filter(|sample| sample.templates.iter().any(|name| name == "t")) {
            let warm: u64 = sample.pools.iter().filter(|pool| pool.1 == "t").map(|pool| pool.2).sum();
            assert!(warm >= POOLS[1].1, "{:?}", sample.pools);
        }
        assert_nothing_is_left(&samples);
        let last = samples.last().expect("something was done");
        assert!(last.pools.contains(&("p".to_owned(), "u".to_owned(), 2)), "{:?}", last.pools);
        let again = site.must_apply(&moved).await;
        assert!(again.steps.is_empty(), "{:?}", again.steps);
    }
}
