//! The verdict on each step of a saved plan.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json};

use super::condition::Holding;
use super::is_as_declared;
use crate::kinds::{Health, Key, Live, Reference, Spec, Value};
use crate::reconcile::diff;
use crate::reconcile::inventory::Standing;
use crate::reconcile::plan::{Action, Change, Note, Plan, Rollout, Step, Verb};
use crate::reconcile::world::World;
use crate::types::{Name, ObjectId};

/// What is true of a step.
#[derive(Debug, Clone)]
pub(super) enum Verdict {
    /// It is done.
    Done,
    /// It can be performed as it was planned.
    Holds,
    /// What it rests on is not so any more.
    Moved(Moved),
}

/// What a step rests on, then and now.
#[derive(Debug, Clone)]
pub(super) struct Moved {
    pub(super) then: String,
    pub(super) now: String,
}

pub(super) struct Judge<'a> {
    pub(super) plan: &'a Plan,
    pub(super) world: &'a World,
}

pub(super) type MovedChanges = BTreeMap<usize, Moved>;

impl<'a> Judge<'a> {
    /// Judges every step, and names the changes that are held back.
    ///
    /// A step may hold only because another one makes room for it, and that one may be held back since a later step of
    /// its change does not hold. So all are judged again until no more changes are held back; each round adds one.
    pub(super) fn judge_all(&self) -> (Vec<Verdict>, MovedChanges) {
        let mut moved = self.moved_adoptions();
        loop {
            let verdicts = self.judge_once(&moved);
            let n_before = moved.len();
            for (step, verdict) in self.plan.steps.iter().zip(&verdicts) {
                if let Verdict::Moved(why) = verdict {
                    moved.entry(step.change).or_insert_with(|| why.clone());
                }
            }
            if moved.len() == n_before {
                return (verdicts, moved);
            }
        }
    }

    fn judge_once(&self, moved: &MovedChanges) -> Vec<Verdict> {
        let mut verdicts = Vec::with_capacity(self.plan.steps.len());
        for step in &self.plan.steps {
            let verdict = self.judge(step, &verdicts, moved);
            verdicts.push(verdict);
        }
        verdicts
    }

    fn judge(&self, step: &Step, earlier: &[Verdict], moved: &MovedChanges) -> Verdict {
        if self.is_done(step, earlier) {
            return Verdict::Done;
        }
        let waits_for = step.after.iter().find(|&&index| {
            let is_done = matches!(earlier[index], Verdict::Done);
            let change = self.plan.steps[index].change;
            !is_done && change != step.change && moved.contains_key(&change)
        });
        if let Some(&index) = waits_for {
            let needs = &self.plan.changes[self.plan.steps[index].change].key;
            return moved_from(format!("it comes after {needs}"), "that is held back".to_owned());
        }
        let holds = Holding { judge: self, earlier, moved };
        let found = match &step.verb {
            Verb::Create { spec, options } => holds.create(step, spec, &options.carry),
            Verb::Update { .. } => holds.seen(step).map(drop),
            Verb::Rename { to } => holds.seen(step).and_then(|_| holds.name_is_free(step, to)),
            Verb::Delete { .. } => holds.seen(step).and_then(|live| holds.is_unused(live)),
            Verb::Swap { retired, incoming_id, .. } => holds.swap(step, retired.as_ref(), incoming_id.as_ref()),
            Verb::Verify { .. } => Ok(()),
        };
        found.map_or_else(Verdict::Moved, |()| Verdict::Holds)
    }

    fn is_done(&self, step: &Step, earlier: &[Verdict]) -> bool {
        let change = &self.plan.changes[step.change];
        let live = |key: &Key| self.world.get(key);
        match &step.verb {
            Verb::Create { spec, .. } => {
                self.is_made(change)
                    || (step.key != change.key && live(&step.key).is_some_and(|live| self.is_built(spec, live)))
            }
            Verb::Update { changes } => self.subject(step).is_some_and(|live| {
                let same = |planned: &Reference, live: &Reference| planned == live;
                let is_at = |(path, to): &(&'static str, Value)| {
                    let value = live.spec.as_ref().ok().and_then(|spec| value_at(spec, path));
                    value.map_or_else(|| to.is_satisfied_by_absence(), |value| to.is_satisfied_by(value, &same))
                };
                changes.iter().all(is_at)
            }),
            Verb::Rename { to } => {
                let id = step.expects.as_ref().and_then(|expects| expects.id.as_ref());
                let renamed = id.and_then(|id| self.world.by_id(step.key.kind, id));
                let by_name = || live(&step.key).is_none() && live(&named(step, to)).is_some();
                renamed.map_or_else(|| id.is_none() && by_name(), |live| live.key.name == *to)
            }
            Verb::Delete { .. } => self.subject(step).is_none(),
            Verb::Swap { incoming_id, .. } => {
                let holder = live(&step.key).and_then(|live| live.id.as_ref());
                self.is_made(change) || (incoming_id.is_some() && holder == incoming_id.as_ref())
            }
            Verb::Verify { swap, .. } => matches!(earlier.get(*swap), Some(Verdict::Done)),
        }
    }

    /// Returns whether the object that a change makes, or makes anew, is there.
    fn is_made(&self, change: &Change) -> bool {
        let Some(live) = self.world.get(&change.key) else { return false };
        let is_new = match change.action {
            // What the plan itself moves out of the way, or deletes, is no object that was made since.
            Action::Create => live.id.is_none() || !self.plan.changes.iter().any(|other| is_of(other, live)),
            Action::Replace => change.id.is_some() && live.id != change.id,
            _ => false,
        };
        is_new && !matches!(live.health, Health::Failed(_)) && is_as_declared(change, live)
    }

    /// Returns whether a live object is what was going to be made. What it refers to may have got its name since, by a swap
    /// of this plan.
    fn is_built(&self, spec: &Spec, live: &Live) -> bool {
        let is_swapped = |planned: &Reference, live: &Reference| {
            let swap = |step: &Step| match &step.verb {
                Verb::Swap { incoming, .. } => {
                    incoming.as_str() == &*planned.name && step.key.name.as_str() == &*live.name
                }
                _ => false,
            };
            planned.kind == live.kind && self.plan.steps.iter().any(|step| step.key.kind == live.kind && swap(step))
        };
        let same = |planned: &Reference, live: &Reference| planned == live || is_swapped(planned, live);
        live.spec.as_ref().is_ok_and(|live| diff::diff(spec, live, &same).is_empty())
    }

    /// Returns the live object that a step is about, whatever became of it.
    pub(super) fn subject(&self, step: &Step) -> Option<&'a Live> {
        if let Some(id) = step.expects.as_ref().and_then(|expects| expects.id.as_ref()) {
            return self.world.by_id(step.key.kind, id);
        }
        let was = self.plan.changes[step.change].was.as_ref().map(|was| named(step, was));
        self.world.get(&step.key).or_else(|| self.world.get(&was?))
    }

    /// Returns whether an adoption is recorded already.
    pub(super) fn is_adopted(&self, change: &Change) -> bool {
        let recorded = || {
            let inventory = self.world.inventory.as_ref()?;
            inventory.entry_of(self.world.get(&change.key)?)
        };
        change.action == Action::Adopt && recorded().is_some()
    }

    fn moved_adoptions(&self) -> MovedChanges {
        let changes = self.plan.changes.iter().enumerate();
        let adoptions = changes.filter(|(_, change)| change.action == Action::Adopt);
        let moved = adoptions.filter_map(|(index, change)| {
            let then = format!("it was live and as declared{}", with_id(change.id.as_ref()));
            let now = match self.world.get(&change.key) {
                None => "it is not live".to_owned(),
                Some(live) if change.id.is_some() && live.id != change.id => {
                    format!("another object has its name{}", with_id(live.id.as_ref()))
                }
                Some(live) if !is_as_declared(change, live) => "it is not as declared".to_owned(),
                Some(live) => self.owner(live)?,
            };
            Some((index, Moved { then, now }))
        });
        moved.collect()
    }

    /// Says who else owns an object, if somebody does.
    pub(super) fn owner(&self, live: &Live) -> Option<String> {
        let id = live.id.clone()?;
        let owner = self.world.siblings.get(&(live.key.kind, id))?;
        Some(format!("it belongs to {owner}"))
    }

    /// Says why a change is not one to make any more, if somebody said so since: the object was let go of, or is to stay.
    pub(super) fn taken_back(&self, change: &Change, live: &Live) -> Option<Moved> {
        let inventory = self.world.inventory.as_ref()?;
        let is_leftover = matches!(change.rollout, Some(Rollout::Leftover { .. }));
        if is_leftover || change.notes.iter().any(|note| matches!(note, Note::TakenOver)) {
            return None;
        }
        let moved = |then: &str, now: &str| Some(Moved { then: then.to_owned(), now: now.to_owned() });
        let is_deletion = change.action == Action::Delete;
        let Some((_, entry)) = inventory.entry_of(live) else {
            return moved("it was managed here", "it is not managed any more");
        };
        if is_deletion && entry.standing == Standing::Released {
            return moved("it was managed here", "it was let go of");
        }
        if is_deletion && entry.is_retained() {
            return moved("it was to be deleted once it is declared no longer", "it is to be kept then (`on_remove`)");
        }
        let is_destroyed = is_deletion || (change.action == Action::Replace && !change.is_rolling());
        if is_destroyed && entry.lifecycle.prevent_destroy {
            return moved("nothing protected it", "it is protected by `prevent_destroy`");
        }
        None
    }

    /// Takes what a new object carries over from the one that it takes the place of.
    pub(super) fn fill(&self, step: usize, carry: &mut Map<String, Json>) {
        let change = &self.plan.changes[self.plan.steps[step].change];
        for (name, value) in carry.iter_mut().filter(|(_, value)| value.is_null()) {
            if let Some(found) = self.carried(change, name) {
                value.clone_from(found);
            }
        }
    }

    /// Returns the unknown field of the object that a new one takes the place of, or of the one that an apply which did not
    /// end deleted for that.
    pub(super) fn carried(&self, change: &Change, name: &str) -> Option<&'a Json> {
        let found = match self.replaced(change) {
            Some(live) => live.extra.get(name),
            None => self.world.inventory.as_ref()?.begun(&change.key)?.1.get(name),
        };
        found.filter(|value| !value.is_null())
    }

    pub(super) fn replaced(&self, change: &Change) -> Option<&'a Live> {
        let was = change.was.as_ref().map(|was| Key { kind: change.key.kind, name: was.clone() });
        match &change.id {
            Some(id) => self.world.by_id(change.key.kind, id),
            None => self.world.get(&was.unwrap_or_else(|| change.key.clone())),
        }
    }
}

/// Returns whether a change was planned for exactly this live object.
fn is_of(change: &Change, live: &Live) -> bool {
    change.key.kind == live.key.kind && change.id == live.id
}

fn moved_from(then: String, now: String) -> Verdict {
    Verdict::Moved(Moved { then, now })
}

pub(super) fn named(step: &Step, name: &Name) -> Key {
    Key { kind: step.key.kind, name: name.clone() }
}

fn value_at<'a>(spec: &'a Spec, path: &str) -> Option<&'a Value> {
    let mut fields = spec.kind().fields().iter().zip(spec.values());
    fields.find(|(field, _)| field.path == path).and_then(|(_, value)| value.as_ref())
}

pub(super) fn with_id(id: Option<&ObjectId>) -> String {
    id.map_or_else(String::new, |id| format!(", id {id}"))
}
