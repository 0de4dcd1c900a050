//! A plan is performed on a model of the server before anybody sees it.
//!
//! That finds steps that the server would refuse, and what the plan takes of the quota on its way. Of the orders that the
//! steps allow it takes the one that gives back last: whatever may stand side by side does.

use std::collections::BTreeSet;

use super::policy::Refusal;
use super::{Peak, Plan, Step, Verb};
use crate::kinds::{Key, Quota, Spec};
use crate::reconcile::graph;
use crate::reconcile::model::Model;
use crate::reconcile::world::World;

/// Fills in the plan's peaks, and refuses it if a step is one that the server's documented rules forbid.
pub(super) fn rehearse(plan: &mut Plan, world: &World) {
    match perform(plan, world) {
        Ok(peaks) => plan.peaks = peaks,
        Err(refusal) => plan.refusals.push(refusal),
    }
}

/// Returns what the plan takes of the quota on its way.
///
/// # Errors
///
/// [`Refusal::Impossible`].
pub(super) fn perform(plan: &Plan, world: &World) -> Result<Vec<Peak>, Refusal> {
    if plan.steps.is_empty() {
        return Ok(Vec::new());
    }
    let mut stage = Stage { model: Model::of(world), used: Quota::default(), most: Quota::default() };
    stage.used = world.capacity.map(|capacity| capacity.used).unwrap_or_default();
    stage.most = stage.used;
    for index in latest_gifts(&plan.steps) {
        let step = &plan.steps[index];
        if let Err(why) = stage.perform(step) {
            let step = format!("{} {}", step.verb.as_str(), step.key);
            return Err(Refusal::Impossible { step, why: format!("the server refuses it, as {why}") });
        }
    }
    Ok(peaks(world, &stage))
}

struct Stage {
    model: Model,
    used: Quota,
    most: Quota,
}

impl Stage {
    fn perform(&mut self, step: &Step) -> Result<(), crate::reconcile::model::Refusal> {
        let key = match &step.verb {
            Verb::Create { .. } | Verb::Update { .. } | Verb::Delete { .. } => &step.key,
            // A name takes nothing.
            Verb::Rename { .. } | Verb::Swap { .. } | Verb::Verify { .. } => return self.model.perform(step),
        };
        let before = self.takes(key);
        self.model.perform(step)?;
        let during = match &step.verb {
            Verb::Create { spec, .. } => spec.kind().takes_to_make(spec, &self.model),
            _ => Quota::default(),
        };
        self.most = self.most.max((self.used + during).saturating_sub(before));
        self.used = (self.used + self.takes(key)).saturating_sub(before);
        self.most = self.most.max(self.used);
        Ok(())
    }

    fn takes(&self, key: &Key) -> Quota {
        let takes = |spec: &Spec| spec.kind().takes(spec, &self.model);
        self.model.get(key).map_or_else(Quota::default, takes)
    }
}

/// Returns all steps in an order in which each comes after those that it waits for, and deletes as late as it can be.
fn latest_gifts(steps: &[Step]) -> Vec<usize> {
    let after: Vec<_> = steps.iter().map(|step| step.after.clone()).collect();
    let followers = graph::followers(&after);
    let mut n_awaited: Vec<_> = after.iter().map(Vec::len).collect();
    let gives = |step: usize| matches!(steps[step].verb, Verb::Delete { .. });
    let ready = (0..steps.len()).filter(|&step| n_awaited[step] == 0);
    let (mut gifts, mut others): (BTreeSet<_>, BTreeSet<_>) = ready.partition(|&step| gives(step));
    let mut order = Vec::with_capacity(steps.len());
    while let Some(step) = others.pop_first().or_else(|| gifts.pop_first()) {
        order.push(step);
        for &follower in &followers[step] {
            n_awaited[follower] -= 1;
            if n_awaited[follower] == 0 {
                if gives(follower) { &mut gifts } else { &mut others }.insert(follower);
            }
        }
    }
    order
}

/// Returns what is worth a word: what is limited and changes, and what is more on the way than before and after.
fn peaks(world: &World, stage: &Stage) -> Vec<Peak> {
    let Some(capacity) = world.capacity else { return Vec::new() };
    let ends = stage.most.amounts().into_iter().zip(stage.used.amounts());
    let all = ends.zip(capacity.used.amounts().into_iter().zip(capacity.limit.amounts()));
    let peaks = all.map(|(((what, peak), (_, after)), ((_, before), (_, limit)))| {
        let limit = (limit > 0).then_some(limit);
        Peak { what, before, peak, after, limit }
    });
    let changes = |peak: &Peak| peak.peak != peak.before || peak.after != peak.before;
    peaks.filter(|peak| (peak.limit.is_some() && changes(peak)) || peak.is_passing()).collect()
}
