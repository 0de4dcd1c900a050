//! Rollouts that are killed anywhere: whatever is declared next is reached, and nothing is left over.

use proptest::prelude::*;
use proptest::sample::Index;

use super::*;
use crate::kinds::{Capacity, Key, Lookup as _, PoolSpec, Quota};

#[derive(Debug, Clone)]
struct Declared {
    images: Vec<u8>,
    recreated: Vec<bool>,
    pools: Vec<Option<(usize, u32, bool)>>,
    sandboxes: Vec<Option<(usize, bool)>>,
}

const TEMPLATES: usize = 2;

fn declared() -> impl Strategy<Value = Declared> {
    let images = prop::collection::vec(0..3_u8, TEMPLATES);
    let recreated = prop::collection::vec(prop::bool::weighted(0.1), TEMPLATES);
    let pool = prop::option::weighted(0.8, (0..TEMPLATES, 0..4_u32, prop::bool::weighted(0.1)));
    let sandbox = prop::option::weighted(0.3, (0..TEMPLATES, any::<bool>()));
    let (pools, sandboxes) = (prop::collection::vec(pool, 3), prop::collection::vec(sandbox, 2));
    (images, recreated, pools, sandboxes).prop_map(|(images, recreated, pools, sandboxes)| Declared {
        images,
        recreated,
        pools,
        sandboxes,
    })
}

/// One template has a name of the greatest length.
fn template_name(index: usize) -> String {
    if index == 0 { "t".to_owned() } else { "t".repeat(63) }
}

fn manifests(declared: &Declared) -> Desired {
    let recreate = |yes: bool| if yes { ", lifecycle: {replace: recreate}" } else { "" };
    let mut text = String::new();
    for (index, image) in declared.images.iter().enumerate() {
        let image = format!("image-{image}");
        text += &template(&template_name(index), &image, recreate(declared.recreated[index]));
    }
    for (index, pooled) in declared.pools.iter().enumerate() {
        let Some((of, replicas, recreated)) = pooled else { continue };
        text += &pool(&format!("p{index}"), &template_name(*of), &replicas.to_string(), recreate(*recreated));
    }
    for (index, boxed) in declared.sandboxes.iter().enumerate() {
        let Some((of, follows)) = boxed else { continue };
        let follows = if *follows { ", lifecycle: {on_template_change: replace}" } else { "" };
        text += &sandbox(&format!("s{index}"), &template_name(*of), follows);
    }
    desired(&text)
}

fn replicas(live: &Live) -> u32 {
    let spec = live.spec.as_ref().ok().and_then(|spec| spec.downcast::<PoolSpec>());
    spec.map_or(0, |spec| spec.replicas.min)
}

fn warm_of(world: &World, template: &str) -> u32 {
    let of = |live: &&Live| live.references().any(|reference| &*reference.name == template);
    world.iter().filter(of).map(replicas).sum()
}

fn with_limit(mut world: World, limit: u64) -> World {
    let used: u64 = world
        .iter()
        .filter_map(|live| live.spec.as_ref().ok())
        .map(|spec| spec.kind().takes(spec, &world).sandboxes)
        .sum();
    let of = |sandboxes| Quota { sandboxes, ..Quota::default() };
    world.capacity = Some(Capacity { used: of(used), limit: of(limit) });
    world
}

/// Performs the plan in an order of its own choice, up to `n_steps`; `half` cuts the last swap in two.
fn perform(plan: &Plan, before: &World, choices: &[Index], n_steps: usize, half: bool) -> Result<World, TestCaseError> {
    prop_assert!(!is_impossible(plan), "{:?}\n{}", plan.refusals, text_of(plan));
    let mut model = Model::of(before);
    let mut done: Vec<usize> = Vec::new();
    for place in 0..n_steps {
        let is_ready = |index: &usize| {
            !done.contains(index) && plan.steps[*index].after.iter().all(|earlier| done.contains(earlier))
        };
        let ready: Vec<_> = (0..plan.steps.len()).filter(is_ready).collect();
        let index = *choices[place % choices.len()].get(&ready);
        let step = &plan.steps[index];
        let fail = |refusal| TestCaseError::fail(format!("{index}: {refusal} after {done:?}\n{}", text_of(plan)));
        match &step.verb {
            Verb::Swap { retired: Some(retired), .. } if half && place + 1 == n_steps => {
                let out = Step { verb: Verb::Rename { to: retired.clone() }, ..step.clone() };
                model.perform(&out).map_err(fail)?;
            }
            _ => {
                model.perform(step).map_err(fail)?;
                stays_warm(plan, before, &model.to_world(before), &done)?;
            }
        }
        done.push(index);
    }
    Ok(model.to_world(before))
}

/// No pool that is replaced without a gap has fewer warm replicas than it had and is to have; nor does who asks for one
/// by its template's name find none.
fn stays_warm(plan: &Plan, before: &World, now: &World, done: &[usize]) -> Result<(), TestCaseError> {
    let pools = || plan.changes.iter().filter(|change| change.key.kind == kinds::POOL && change.spec.is_some());
    for change in pools().filter(|change| change.was.is_none() && change.rollout.is_some()) {
        let least =
            change.spec.as_ref().and_then(|spec| spec.downcast::<PoolSpec>()).map_or(0, |spec| spec.replicas.min);
        let had = before.get(&change.key).map_or(0, replicas);
        let has = now.get(&change.key).map(replicas);
        prop_assert!(has >= Some(least.min(had)), "{} after {done:?}\n{}", change.key, text_of(plan));
    }
    for template in plan.changes.iter().filter(|change| change.key.kind == kinds::TEMPLATE && change.is_rolling()) {
        let name = template.key.name.as_str();
        let is_on = |spec: &kinds::Spec| spec.references().any(|reference| &*reference.name == name);
        let was_on = |key: &Key| before.get(key).is_some_and(|live| live.spec.as_ref().is_ok_and(is_on));
        let all_roll = pools()
            .filter(|change| was_on(&change.key))
            .all(|change| change.is_rolling() && change.spec.as_ref().is_some_and(is_on) && change.fields.len() == 1);
        let n_rolling = pools().filter(|change| was_on(&change.key)).count();
        let n_live = before.iter().filter(|live| was_on(&live.key) && live.key.kind == kinds::POOL).count();
        let takes_turns =
            plan.changes.iter().any(|change| matches!(change.rollout, Some(Rollout::Replaces { turn: 1.., .. })));
        let had = if takes_turns { u32::from(warm_of(before, name) > 0) } else { warm_of(before, name) };
        if template.was.is_none() && all_roll && n_rolling == n_live {
            prop_assert!(warm_of(now, name) >= had, "{name} after {done:?}\n{}", text_of(plan));
        }
    }
    Ok(())
}

/// What is left under a reserved name is held by something that is not.
fn nothing_is_orphaned(world: &World) -> Result<(), TestCaseError> {
    for live in world.iter().filter(|live| kinds::is_reserved(&live.key.name)) {
        prop_assert!(world.holders(&live.key).next().is_some(), "{} is an orphan", live.key);
        prop_assert!(world.spec(live.key.kind, live.key.name.as_str()).is_some());
    }
    Ok(())
}

/// Gives unfinished replacements up: what has a declared name is there still, and serves no less than before.
fn aborted(all: &Desired, live: &World, choices: &[Index]) -> Result<World, TestCaseError> {
    let abort = plan_abort_rollouts(all, live);
    let now = perform(&abort, live, choices, abort.steps.len(), false)?;
    let is_named = |live: &&Live| !kinds::is_reserved(&live.key.name);
    for named in live.iter().filter(is_named) {
        prop_assert!(now.get(&named.key).is_some(), "{} is gone\n{}", named.key, text_of(&abort));
    }
    for declared in all.iter().filter(|object| live.get(&object.key).is_none() && holds_name(live, &object.key)) {
        prop_assert!(holds_name(&now, &declared.key), "all of {} is gone\n{}", declared.key, text_of(&abort));
    }
    for template in (0..TEMPLATES).map(template_name) {
        let declared = Key { kind: kinds::TEMPLATE, name: Name::parse(&template).expect("a name") };
        let is_on = |pool: &&Live| {
            let mut sources = pool.references().filter_map(Reference::key).filter_map(|key| live.get(&key));
            sources.any(|source| source.key == declared || reserved::is_for(&declared, source))
        };
        let is_declared = |live: &&Live| all.get(&live.key).is_some();
        let of_named: u32 = live.iter().filter(is_declared).filter(is_on).map(replicas).sum();
        let least = warm_of(live, &template).min(of_named);
        let has = warm_of(&now, &template);
        prop_assert!(has >= least, "{template} has {has} of {least}\n{}", text_of(&abort));
    }
    Ok(now)
}

/// Returns whether there is an object under a name that replacements of this one give.
fn holds_name(world: &World, key: &Key) -> bool {
    world.iter().any(|live| reserved::is_for(key, live))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, max_shrink_iters: 400, ..ProptestConfig::default() })]

    #[test]
    fn killed_anywhere_it_is_reached_by_two_more_plans(
        first in declared(), second in declared(), goes_back in any::<bool>(),
        choices in prop::collection::vec(any::<Index>(), 40),
        cuts in prop::collection::vec((any::<Index>(), any::<bool>()), 1..4),
        room in prop::option::of(0..6_u64), aborts in prop::bool::weighted(0.3),
    ) {
        let (before, then) = (manifests(&first), manifests(&second));
        let limited = |world: World| match room {
            Some(room) => {
                let used = with_limit(after(&before, &World::new([], now())), 0).capacity.expect("it is set").used;
                with_limit(world, used.sandboxes + room)
            }
            None => world,
        };
        let mut live = limited(after(&before, &World::new([], now())));
        for (cut, half) in cuts {
            let plan = plan(&then, &live, &Policy::default());
            let n_steps = cut.index(plan.steps.len() + 1);
            live = limited(perform(&plan, &live, &choices, n_steps, half)?);
        }
        if aborts {
            live = limited(aborted(&then, &live, &choices)?);
        }
        let goal = if goes_back { &before } else { &then };
        let mut texts = Vec::new();
        // Where the quota is tight, what one apply gives back is there for the next.
        for _ in 0..if room.is_some() { 4 } else { 2 } {
            let plan = plan(goal, &live, &Policy::default());
            texts.push(text_of(&plan));
            live = limited(perform(&plan, &live, &choices, plan.steps.len(), false)?);
        }
        let last = plan(goal, &live, &Policy::default());
        prop_assert!(last.steps.is_empty(), "{}\nand then\n{}", texts.join("\nthen\n"), text_of(&last));
        if room.is_none() {
            // Nobody removes what is no longer declared here, and it may hold what says `recreate`.
            let is_held = |change: &Change| change.notes.iter().any(|note| matches!(note, Note::HeldBy { .. } | Note::NeedsBlocked { .. }));
            let blocked = last.changes.iter().filter(|change| change.action == Action::Blocked);
            prop_assert!(blocked.into_iter().all(is_held), "{}\nand then\n{}", texts.join("\nthen\n"), text_of(&last));
            if last.is_empty() {
                nothing_is_orphaned(&live)?;
            }
        }
    }
}
