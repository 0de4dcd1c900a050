//! What of a plan comes after what, in words.

use std::collections::HashMap;

use sbx::kinds::Key;
use sbx::reconcile::Plan;
use sbx::reconcile::plan::{Change, Step, Verb};

use crate::ui::names;
use crate::ui::progress::to_do;

/// The steps of a plan, by the objects whose changes they belong to.
pub(crate) struct Sequence<'a> {
    plan: &'a Plan,
    own: HashMap<&'a Key, Vec<usize>>,
}

impl<'a> Sequence<'a> {
    pub(crate) fn of(plan: &'a Plan) -> Self {
        let mut own: HashMap<_, Vec<_>> = HashMap::new();
        for (index, step) in plan.steps.iter().enumerate() {
            if let Some(change) = plan.changes.get(step.change) {
                own.entry(&change.key).or_default().push(index);
            }
        }
        Self { plan, own }
    }

    /// Returns the steps of a change that takes several, each with what it waits for of other changes.
    pub(crate) fn steps_of(&self, change: &Change) -> Vec<String> {
        let own = self.own_of(change);
        let is_swap = own.iter().any(|&index| matches!(self.plan.steps[index].verb, Verb::Swap { .. }));
        own.iter().filter(|_| is_swap || own.len() > 1).map(|&index| self.in_words(index, own)).collect()
    }

    fn in_words(&self, index: usize, own: &[usize]) -> String {
        let step = &self.plan.steps[index];
        if let Verb::Verify { holders, swap, .. } = &step.verb {
            let place = own.iter().position(|index| index == swap).map_or(0, |place| place + 1);
            return format!("verify that {} followed it to its name; if not, undo step {place}", names(holders));
        }
        let awaited = self.awaited(index, own);
        let after = if awaited.is_empty() { String::new() } else { format!(", after {}", names(awaited)) };
        format!("{}{after}", to_do(step))
    }

    /// Returns what comes before a change that is one step.
    pub(crate) fn before(&self, change: &Change) -> Vec<String> {
        let own = self.own_of(change);
        own.iter().flat_map(|&index| self.awaited(index, own)).collect()
    }

    /// Returns what a step waits for of other changes.
    fn awaited(&self, index: usize, own: &[usize]) -> Vec<String> {
        let of_others = self.plan.steps[index].after.iter().filter(|earlier| !own.contains(earlier));
        of_others.map(|&earlier| end_of(&self.plan.steps[earlier])).collect()
    }

    fn own_of(&self, change: &Change) -> &[usize] {
        self.own.get(&change.key).map(Vec::as_slice).unwrap_or_default()
    }
}

/// Returns what another step waits for, once a step is done.
fn end_of(step: &Step) -> String {
    match &step.verb {
        Verb::Create { .. } => step.key.to_string(),
        Verb::Swap { .. } | Verb::Verify { .. } => format!("{} has its name", step.key),
        Verb::Rename { to } => format!("{} is {to}", step.key),
        Verb::Update { .. } => format!("{} is updated", step.key),
        Verb::Delete { .. } => format!("{} is gone", step.key),
    }
}
