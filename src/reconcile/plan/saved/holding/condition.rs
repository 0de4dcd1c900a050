//! What must be true for a step to be performed as it was planned.

use serde_json::{Map, Value as Json};

use super::judge::{Judge, Moved, MovedChanges, Verdict, named, with_id};
use crate::kinds::{Key, KindId, Live, Lookup, Reference, Spec, Value};
use crate::reconcile::plan::{Action, Change, Expectation, Step, Verb};
use crate::types::{Name, ObjectId};

/// What is known when one step is judged.
pub(super) struct Holding<'a, 'b> {
    pub(super) judge: &'b Judge<'a>,
    pub(super) earlier: &'b [Verdict],
    pub(super) moved: &'b MovedChanges,
}

impl<'a> Holding<'a, '_> {
    pub(super) fn create(&self, step: &Step, spec: &Spec, carry: &Map<String, Json>) -> Result<(), Moved> {
        self.name_is_free(step, &step.key.name)?;
        for reference in spec.references() {
            self.is_there(reference)?;
        }
        if let Some(violation) = step.key.kind.check(spec, self).into_iter().next() {
            return Err(Moved { then: "it broke no rule".to_owned(), now: violation.message });
        }
        let change = &self.judge.plan.changes[step.change];
        let is_there = |name: &str| self.judge.carried(change, name).is_some();
        match carry.iter().find(|(name, value)| value.is_null() && !is_there(name)) {
            None => Ok(()),
            Some((name, _)) => {
                Err(Moved { then: format!("the object before it had a `{name}`"), now: "that is gone".to_owned() })
            }
        }
    }

    /// Returns the object that a step changes, if it is what the plan saw.
    pub(super) fn seen(&self, step: &Step) -> Result<&'a Live, Moved> {
        let change = &self.judge.plan.changes[step.change];
        let expects = step.expects.as_ref();
        let then = then(expects, change);
        let moved = |now: String| Moved { then: then.clone(), now };
        let Some(live) = self.judge.subject(step) else {
            let taken = self.judge.world.get(&step.key).map(|live| with_id(live.id.as_ref()));
            return Err(moved(
                taken.map_or_else(|| "it is not live".to_owned(), |id| format!("another object has its name{id}")),
            ));
        };
        // What is deleted is named by the step alone, which would find nothing under another name.
        let others = (change.action != Action::Delete).then_some([Some(&change.key.name), change.was.as_ref()]);
        let names: Vec<_> = others.into_iter().flatten().chain([Some(&step.key.name)]).collect();
        if !names.contains(&Some(&live.key.name)) {
            return Err(moved(format!("it is named {}", live.key.name)));
        }
        if let Some(expects) = expects.filter(|expects| !expects.holds_for(live)) {
            return Err(differing(expects, live).unwrap_or_else(|| moved("it is another object".to_owned())));
        }
        if let Some(now) = self.judge.owner(live) {
            return Err(moved(now));
        }
        self.judge.taken_back(change, live).map_or(Ok(live), Err)
    }

    /// The object that gives its name away must be what the plan saw, and the one that gets it must be there still.
    pub(super) fn swap(
        &self,
        step: &Step,
        retired: Option<&Name>,
        incoming_id: Option<&ObjectId>,
    ) -> Result<(), Moved> {
        match retired {
            Some(retired) => self.seen(step).and_then(|_| self.name_is_free(step, retired))?,
            None => self.name_is_free(step, &step.key.name)?,
        }
        match incoming_id {
            Some(id) if self.judge.world.by_id(step.key.kind, id).is_none() => {
                Err(Moved { then: format!("its successor was live, id {id}"), now: "that is gone".to_owned() })
            }
            _ => Ok(()),
        }
    }

    pub(super) fn name_is_free(&self, step: &Step, name: &Name) -> Result<(), Moved> {
        let key = named(step, name);
        let Some(live) = self.judge.world.get(&key) else { return Ok(()) };
        let is_vacated = self.performed().any(|earlier| {
            let takes_away = matches!(earlier.verb, Verb::Delete { .. } | Verb::Rename { .. } | Verb::Swap { .. });
            takes_away && earlier.key == key
        });
        if is_vacated {
            return Ok(());
        }
        let change = &self.judge.plan.changes[step.change];
        if let Some(id) =
            change.id.as_ref().filter(|id| change.action == Action::Replace && live.id.as_ref() != Some(id))
        {
            let now = format!("another object has its name{}", with_id(live.id.as_ref()));
            return Err(Moved { then: format!("{key} was live{}", with_id(Some(id))), now });
        }
        Err(Moved {
            then: format!("{key} was not live, or was to make room"),
            now: format!("it is live{}", with_id(live.id.as_ref())),
        })
    }

    fn is_there(&self, reference: &Reference) -> Result<(), Moved> {
        let Some(key) = reference.key() else { return Ok(()) };
        let is_provided = self.performed().any(|step| match &step.verb {
            Verb::Create { .. } | Verb::Swap { .. } => step.key == key,
            Verb::Rename { to } => named(step, to) == key,
            _ => false,
        });
        let seen = self.judge.plan.changes.iter().find(|change| change.key == key);
        let then = || format!("it was going to refer to {key}{}", with_id(seen.and_then(|change| change.id.as_ref())));
        let is_kept = |change: &&Change| matches!(change.action, Action::Keep | Action::Adopt | Action::Update);
        match self.judge.world.get(&key) {
            _ if is_provided => Ok(()),
            None => Err(Moved { then: then(), now: "that is not live".to_owned() }),
            Some(live) => match seen.filter(is_kept).and_then(|change| change.id.as_ref()) {
                Some(id) if live.id.as_ref() != Some(id) => {
                    let now = format!("another object has that name{}", with_id(live.id.as_ref()));
                    Err(Moved { then: then(), now })
                }
                _ => Ok(()),
            },
        }
    }

    /// Nothing may hold on to an object that is deleted, unless this plan deletes that before.
    pub(super) fn is_unused(&self, live: &Live) -> Result<(), Moved> {
        let is_deleted = |holder: &Live| {
            self.performed().any(|step| matches!(step.verb, Verb::Delete { .. }) && self.is_about(step, holder))
        };
        // A replacement without a gap moves its holders over before the old object is deleted.
        let is_replaced = |holder: &Live| {
            let mut swaps = self.performed().filter(|step| matches!(step.verb, Verb::Swap { .. }));
            swaps.any(|step| step.key == holder.key)
        };
        let mut holders = self.judge.world.holders(&live.key);
        match holders.find(|holder| !is_deleted(holder) && !is_replaced(holder)) {
            None => Ok(()),
            Some(holder) => {
                Err(Moved { then: "nothing else was using it".to_owned(), now: format!("{} is using it", holder.key) })
            }
        }
    }

    fn is_about(&self, step: &Step, live: &Live) -> bool {
        self.judge.subject(step).is_some_and(|subject| subject.key == live.key)
    }

    /// Returns the earlier steps that are done before this one, and not yet.
    fn performed(&self) -> impl Iterator<Item = &Step> {
        let steps = self.judge.plan.steps.iter().zip(self.earlier);
        let holding =
            steps.filter(|(step, verdict)| matches!(verdict, Verdict::Holds) && !self.moved.contains_key(&step.change));
        holding.map(|(step, _)| step)
    }
}

impl Lookup for Holding<'_, '_> {
    fn spec(&self, kind: KindId, name: &str) -> Option<&Spec> {
        let swapped = self.performed().find_map(|step| match &step.verb {
            Verb::Swap { incoming, .. } if step.key.kind == kind && step.key.name.as_str() == name => Some(incoming),
            _ => None,
        });
        let name = swapped.map_or(name, Name::as_str);
        let made = self.performed().find_map(|step| match &step.verb {
            Verb::Create { spec, .. } if step.key.kind == kind && step.key.name.as_str() == name => Some(spec),
            _ => None,
        });
        made.or_else(|| self.judge.world.spec(kind, name))
    }
}

fn then(expects: Option<&Expectation>, change: &Change) -> String {
    let id = expects.and_then(|expects| expects.id.as_ref());
    let name = change.was.clone().unwrap_or_else(|| change.key.name.clone());
    format!("{} was live{}", Key { kind: change.key.kind, name }, with_id(id))
}

/// Says which fields are not what the plan saw.
fn differing(expects: &Expectation, live: &Live) -> Option<Moved> {
    let (Some(seen), Ok(now)) = (&expects.spec, &live.spec) else {
        return live.spec.as_ref().err().map(|unreadable| Moved {
            then: "it could be read".to_owned(),
            now: format!("it cannot be read: {}", unreadable.why),
        });
    };
    let fields = seen.kind().fields().iter().zip(seen.values().iter().zip(now.values()));
    let shown = |value: &Option<Value>| value.as_ref().map_or_else(|| "nothing".to_owned(), ToString::to_string);
    let (mut then, mut later) = (Vec::new(), Vec::new());
    for (field, (seen, now)) in fields.filter(|(_, (seen, now))| seen != now) {
        then.push(format!("{} was {}", field.path, shown(seen)));
        later.push(format!("{} is {}", field.path, shown(now)));
    }
    (!then.is_empty()).then(|| Moved { then: then.join(", "), now: later.join(", ") })
}
