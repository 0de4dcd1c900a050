//! What a plan's steps mean for the inventory: what is written down before them, and after each.

use super::{Change, Plan, Rollout, Step, Verb};
use crate::kinds::{self, Key, Live};
use crate::reconcile::inventory::{Deed, Effect, Entry, Habits, Intent};
use crate::types::{Name, Timestamp};

impl Plan {
    /// Returns what is to be written down before the first call, so that whatever happens after it can be told from what
    /// somebody else did.
    pub fn intents(&self, now: Timestamp) -> Vec<Intent> {
        let intent = |step: &Step| {
            let change = &self.changes[step.change];
            let mut key = step.key.clone();
            let mut entry = change.record.clone()?;
            let deed = match &step.verb {
                Verb::Create { spec, options } => Deed::Create { spec: spec.clone(), carry: options.carry.clone() },
                Verb::Update { .. } => Deed::Update,
                Verb::Delete { .. } => Deed::Delete,
                Verb::Rename { to } if *to == change.key.name => {
                    key.name.clone_from(to);
                    entry.id.clone_from(&change.id);
                    Deed::Rename
                }
                // An object keeps its id under any name.
                Verb::Rename { .. } | Verb::Swap { .. } | Verb::Verify { .. } => return None,
            };
            let is_built_beside = matches!(deed, Deed::Create { .. }) && key != change.key;
            let becomes = is_built_beside.then(|| change.key.name.clone());
            Some(Intent { key, deed, entry, becomes, at: now })
        };
        self.steps.iter().filter_map(intent).collect()
    }

    /// Returns what changes in the inventory once a step is done, where `live` is the object that it made or changed.
    pub fn effects_of(&self, step: &Step, live: Option<&Live>) -> Vec<Effect> {
        let change = &self.changes[step.change];
        let renamed = |name: &Name| Key { kind: step.key.kind, name: name.clone() };
        match &step.verb {
            Verb::Create { .. } if change.publishes(step) => {
                let out = change.retired().map(|retired| Effect::Move { from: step.key.clone(), to: renamed(retired) });
                let record = change.record.iter().map(|record| put(&step.key, record, change, step, live));
                out.into_iter().chain(record).collect()
            }
            Verb::Create { .. } | Verb::Update { .. } => {
                change.record.iter().map(|record| put(&step.key, record, change, step, live)).collect()
            }
            Verb::Rename { to } => {
                let to = renamed(to);
                let moved = Effect::Move { from: step.key.clone(), to: to.clone() };
                // It may never have been recorded under its old name, and its labels may be new.
                let record = change.record.iter().filter(|_| to == change.key);
                let record = record.map(|record| put(&to, &self.without_unsent(record, step), change, step, live));
                std::iter::once(moved).chain(record).collect()
            }
            Verb::Delete { .. } => {
                let id = step.expects.as_ref().and_then(|seen| seen.id.clone());
                vec![Effect::Drop { key: step.key.clone(), id }]
            }
            Verb::Swap { retired, incoming, .. } => {
                let out = retired.iter().map(|retired| Effect::Move { from: step.key.clone(), to: renamed(retired) });
                let taken = retired.iter().filter_map(|retired| change.taken_over(step, renamed(retired)));
                let back_in = Effect::Move { from: renamed(incoming), to: step.key.clone() };
                // It may have been made when nobody kept a record.
                let record = change.record.iter().map(|record| put(&step.key, record, change, step, live));
                taken.chain(out).chain([back_in]).chain(record).collect()
            }
            Verb::Verify { is_news, .. } => {
                let habits = Habits { references_follow_renames: Some(true) };
                is_news.then_some(Effect::Learn(habits)).into_iter().collect()
            }
        }
    }

    /// Returns the record of an object without what a later step sends it and the server never tells: should that step
    /// fail, nothing but the record says that it is to be sent again.
    fn without_unsent(&self, record: &Entry, step: &Step) -> Entry {
        let Some(applied) = record.applied() else { return record.clone() };
        let updates =
            self.steps.iter().filter(|later| later.change == step.change).filter_map(|later| match &later.verb {
                Verb::Update { changes } => Some(changes),
                _ => None,
            });
        let sent: Vec<_> = updates.flatten().map(|(path, _)| *path).collect();
        let never_told = applied.kind().fields().iter().filter(|field| field.change == kinds::Change::WriteOnly);
        let unsent: Vec<_> = never_told.map(|field| field.path).filter(|path| sent.contains(path)).collect();
        if unsent.is_empty() {
            return record.clone();
        }
        Entry { applied: applied.without(&unsent).into(), ..record.clone() }
    }
}

impl Change {
    /// Returns whether a step takes the name of this object by making another one.
    fn publishes(&self, step: &Step) -> bool {
        matches!(&self.rollout, Some(Rollout::Replaces { incoming, .. }) if *incoming == self.key.name)
            && step.key == self.key
    }

    /// Returns the name that what is replaced goes on to have.
    fn retired(&self) -> Option<&Name> {
        match &self.rollout {
            Some(Rollout::Replaces { retired, .. }) => Some(retired),
            _ => None,
        }
    }

    /// Returns the entry of an object that was not ours, and whose name a swap gives to another one: nothing has it on
    /// record yet.
    fn taken_over(&self, swap: &Step, retired: Key) -> Option<Effect> {
        let is_new = matches!(self.rollout, Some(Rollout::Replaces { takes_over: true, .. }));
        let seen = swap.expects.as_ref().filter(|_| is_new)?;
        let applied = seen.spec.clone()?.into();
        let entry = Entry { id: seen.id.clone(), applied, ..self.record.clone()? };
        Some(Effect::Put { key: retired, entry })
    }
}

fn put(key: &Key, record: &Entry, change: &Change, step: &Step, live: Option<&Live>) -> Effect {
    let is_made = matches!(step.verb, Verb::Create { .. });
    let id = live.and_then(|live| live.id.clone());
    // What is changed keeps the id that the plan saw.
    let id = if is_made { id } else { id.or_else(|| change.id.clone()) };
    let expires_at = live.map_or(record.expires_at, |live| live.expires_at);
    Effect::Put { key: key.clone(), entry: Entry { id, expires_at, ..record.clone() } }
}
