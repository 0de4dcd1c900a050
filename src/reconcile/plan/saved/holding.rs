//! Which steps of a saved plan still rest on what they rested on when it was made.

mod condition;
mod judge;

use std::collections::BTreeMap;

use self::judge::{Judge, Verdict};
use super::SavedPlan;
use crate::kinds::{Key, Live};
use crate::reconcile::diff;
use crate::reconcile::inventory::Effect;
use crate::reconcile::plan::{Action, Change, Note, Plan, Step, Verb, rehearsal};
use crate::reconcile::world::World;

/// What is left of a saved plan.
#[derive(Debug, Clone)]
pub struct Held {
    /// The steps that still hold. What is held back is blocked in it, and what is done already is kept.
    pub plan: Plan,
    /// The changes that are held back, in the order of the plan.
    pub held_back: Vec<HeldBack>,
    /// The objects that already are as the plan makes them.
    pub done: Vec<Key>,
}

/// A change that is not performed, since it rests on something that is not so any more.
#[derive(Debug, Clone)]
pub struct HeldBack {
    /// The change, as it was planned.
    pub change: Change,
    /// What was going to be done.
    pub planned: String,
    /// What was seen then.
    pub then: String,
    /// What is seen now.
    pub now: String,
}

impl SavedPlan {
    /// Returns what is left of the plan in this world: a change is held back with all that depends on it if an object
    /// that it changes or deletes is not what the plan saw, if a name that it gives is taken, or if what it refers to is
    /// gone.
    pub fn still_holds(&self, world: &World) -> Held {
        let plan = &self.plan;
        let judge = Judge { plan, world };
        let (verdicts, moved) = judge.judge_all();
        let mut out =
            Held { plan: Plan { steps: Vec::new(), ..plan.clone() }, held_back: Vec::new(), done: Vec::new() };
        for (index, change) in plan.changes.iter().enumerate() {
            if let Some(moved) = moved.get(&index) {
                let held_back = HeldBack {
                    change: change.clone(),
                    planned: planned(change),
                    then: moved.then.clone(),
                    now: moved.now.clone(),
                };
                out.plan.changes[index] = blocked(&held_back);
                out.held_back.push(held_back);
            } else if is_done(index, plan, &verdicts) || judge.is_adopted(change) {
                out.done.push(change.key.clone());
                out.plan.effects.extend(unrecorded(change, world));
                out.plan.changes[index] = done(change);
            }
        }
        out.plan.steps = remaining(&judge, &verdicts, &moved);
        out.plan.effects.retain(|effect| is_true_still(effect, world));
        // A part of a plan may do what the whole would not have to; the server has the last word on it.
        out.plan.peaks = rehearsal::perform(&out.plan, world).unwrap_or_default();
        out
    }
}

fn is_done(change: usize, plan: &Plan, verdicts: &[Verdict]) -> bool {
    let mut own = plan.steps.iter().zip(verdicts).filter(|(step, _)| step.change == change).peekable();
    own.peek().is_some() && own.all(|(_, verdict)| matches!(verdict, Verdict::Done))
}

/// Returns the steps that hold, with their places among themselves.
fn remaining(judge: &Judge<'_>, verdicts: &[Verdict], moved: &BTreeMap<usize, judge::Moved>) -> Vec<Step> {
    let mut place = BTreeMap::new();
    let mut steps: Vec<Step> = Vec::new();
    for (index, step) in judge.plan.steps.iter().enumerate() {
        if !matches!(verdicts[index], Verdict::Holds) || moved.contains_key(&step.change) {
            continue;
        }
        place.insert(index, steps.len());
        let mut step = step.clone();
        step.after = step.after.iter().filter_map(|earlier| place.get(earlier).copied()).collect();
        match &mut step.verb {
            Verb::Create { options, .. } => judge.fill(index, &mut options.carry),
            Verb::Verify { swap, .. } => *swap = place.get(swap).copied().unwrap_or_default(),
            _ => {}
        }
        steps.push(step);
    }
    steps
}

fn planned(change: &Change) -> String {
    let fields = change.fields.iter().map(|field| {
        let side = |value: &Option<_>| value.as_ref().map_or_else(|| "nothing".to_owned(), ToString::to_string);
        format!("{}: {} -> {}", field.path, side(&field.from), side(&field.to))
    });
    let fields: Vec<_> = fields.collect();
    let verb = match &change.was {
        Some(was) if change.action == Action::Rename => format!("rename from {was}"),
        _ => change.action.as_str().to_owned(),
    };
    if fields.is_empty() { verb } else { format!("{verb} ({})", fields.join(", ")) }
}

fn blocked(held_back: &HeldBack) -> Change {
    let HeldBack { change, planned, then, now } = held_back;
    let say = |text: String| Note::Saved { text, help: None, is_obstacle: true };
    let help = Some("plan again, and have the new plan reviewed".to_owned());
    let last = Note::Saved { text: format!("now: {now}"), help, is_obstacle: true };
    let notes = vec![say(format!("held back: planned was {planned}")), say(format!("then: {then}")), last];
    Change { action: Action::Blocked, fields: Vec::new(), notes, ..change.clone() }
}

fn done(change: &Change) -> Change {
    let text = match change.action {
        Action::Delete => "it is gone already",
        _ => "it already is as planned",
    };
    let notes = vec![Note::Saved { text: text.to_owned(), help: None, is_obstacle: false }];
    Change { action: Action::Keep, fields: Vec::new(), notes, ..change.clone() }
}

/// Somebody else may have done what the plan was going to do: then it is adopted.
fn unrecorded(change: &Change, world: &World) -> Option<Effect> {
    let (live, entry) = (world.get(&change.key)?, change.record.as_ref()?);
    let inventory = world.inventory.as_ref()?;
    if inventory.entry_of(live).is_some() {
        return None;
    }
    let mut entry = entry.clone();
    entry.id.clone_from(&live.id);
    entry.expires_at = live.expires_at;
    Some(Effect::Put { key: change.key.clone(), entry })
}

/// Returns whether a change of the inventory without a call is still one.
fn is_true_still(effect: &Effect, world: &World) -> bool {
    match effect {
        Effect::Put { key, entry } => world.get(key).is_some_and(|live| entry.id.is_none() || live.id == entry.id),
        Effect::Move { to, .. } => world.get(to).is_some(),
        Effect::Drop { key, .. } => {
            let recorded = world.inventory.as_ref().and_then(|inventory| inventory.get(key)?.id.clone());
            match recorded {
                Some(id) => world.by_id(key.kind, &id).is_none(),
                None => world.get(key).is_none(),
            }
        }
        Effect::Learn(_) => true,
    }
}

/// Returns whether a live object is what is declared, where names are the only references that are known.
fn is_as_declared(change: &Change, live: &Live) -> bool {
    match (&change.spec, &live.spec) {
        (Some(spec), Ok(live)) => diff::diff(spec, live, &|declared, live| declared == live).is_empty(),
        _ => false,
    }
}
