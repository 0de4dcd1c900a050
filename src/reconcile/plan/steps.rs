//! Turns decisions into steps, and orders them.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::decide::Decision;
use super::parking::parking_name;
use super::policy::Refusal;
use super::renames::old_key;
use super::{Action, Change, Expectation, Plan, Rollout, Step, Verb, ownership, rehearsal, rolling, room};
use crate::kinds::{CreateOptions, Key, KindId, Live, Lookup, Object, Reference, Spec};
use crate::reconcile::graph;
use crate::reconcile::world::World;

pub(super) fn assemble<'a>(decisions: Vec<Decision<'a>>, world: &'a World) -> Plan {
    let circles = circles(&decisions);
    let rolled = decisions.iter().flat_map(|decision| rolling::renamed(decision, world));
    let renamed: Vec<_> = decisions.iter().filter_map(|decision| renamed(decision, &circles)).collect();
    let ends = renamed.iter().filter_map(|(from, names)| Some((from.clone(), Arc::clone(names.last()?)))).collect();
    let renamed = renamed.into_iter().chain(rolled).collect();
    let plot = rolling::Plot::new(&decisions, world);
    let others = Others::new(&decisions, world);
    let mut draft = Draft { ends, renamed, circles, plot, others, ..Draft::default() };
    for (index, decision) in decisions.iter().enumerate() {
        draft.add(index, decision, world);
    }
    draft.connect(world);
    room::make_room(&mut draft.steps, world);
    let protected = decisions.iter().map(|decision| decision.is_protected).collect::<Vec<_>>();
    let changes: Vec<_> = decisions.into_iter().map(|decision| decision.change).collect();
    let (steps, refusal) = match draft.into_steps() {
        Ok(steps) => (steps, None),
        Err(refusal) => (Vec::new(), Some(refusal)),
    };
    let mut plan = Plan { changes, steps, refusals: refusal.into_iter().collect(), ..Plan::default() };
    plan.refuse_to_destroy(&protected);
    if let Some(inventory) = &world.inventory {
        // What is gone goes first: another object may be recorded under its name by now.
        plan.effects = ownership::gone(&plan.changes, inventory, world);
        plan.effects.extend(ownership::refreshed(&plan, world));
    }
    rehearsal::rehearse(&mut plan, world);
    plan
}

/// Steps in no particular order yet, with an index of what they do to names.
#[derive(Default)]
pub(super) struct Draft<'a> {
    pub(super) steps: Vec<Step>,
    /// The names that live objects are declared to have instead of the ones that they have.
    ends: HashMap<Reference, Arc<str>>,
    /// The new names of all live objects that get one, one after the other.
    renamed: HashMap<Reference, Vec<Arc<str>>>,
    /// The step that makes a name stand for the object that is declared with it.
    pub(super) provides: HashMap<Key, usize>,
    /// The step that takes a name away from the object that has it now.
    pub(super) frees: HashMap<Key, usize>,
    /// The step that deletes the live object with this name.
    pub(super) deletes: HashMap<Key, usize>,
    /// The objects, one of each circle of renames, that step aside for the others.
    circles: HashSet<Key>,
    /// The names from which objects that are made are declared to be renamed, though nothing is live there.
    origins: HashMap<Key, Key>,
    /// What replacements without a gap have to do with one another.
    pub(super) plot: rolling::Plot,
    /// What there will be beside an object.
    others: Others<'a>,
}

/// The objects that decisions are about, as they are declared, and all that is live.
#[derive(Default)]
struct Others<'a> {
    declared: HashMap<&'a Key, &'a Spec>,
    world: Option<&'a World>,
}

impl<'a> Others<'a> {
    fn new(decisions: &[Decision<'a>], world: &'a World) -> Self {
        let declared = decisions.iter().filter_map(|decision| decision.object);
        Self { declared: declared.map(|object| (&object.key, &object.spec)).collect(), world: Some(world) }
    }
}

impl Lookup for Others<'_> {
    fn spec(&self, kind: KindId, name: &str) -> Option<&Spec> {
        let key = Key { kind, name: kind.name(name).ok()? };
        self.declared.get(&key).copied().or_else(|| self.world?.spec(kind, name))
    }
}

impl Draft<'_> {
    fn add(&mut self, change: usize, decision: &Decision<'_>, world: &World) {
        let (object, live) = (decision.object, decision.live);
        match (decision.change.action, object, live) {
            (Action::Replace, ..) if decision.change.is_rolling() => self.add_replacement(change, decision, world),
            (Action::Rename, Some(object), Some(live)) if rolling::is_returning(decision) => {
                self.add_return(change, object, live);
            }
            (Action::Create, Some(object), _) => {
                self.add_create(change, object, None);
                let is_live = |origin: &Key| self.others.world.is_some_and(|world| world.get(origin).is_some());
                let origin = old_key(object).filter(|origin| !is_live(origin));
                self.origins.extend(origin.map(|origin| (object.key.clone(), origin)));
            }
            (Action::Replace, Some(object), Some(live)) => {
                self.add_delete(change, live);
                self.add_create(change, object, Some(live));
            }
            (Action::Delete, _, Some(live)) => {
                let delete = self.add_delete(change, live);
                if let Some(Rollout::Leftover { of }) = &decision.change.rollout {
                    self.note_published_before(delete, of);
                }
            }
            (Action::Rename, Some(object), Some(live)) => {
                let renaming = self.add_rename(change, object, live);
                self.provides.insert(object.key.clone(), renaming);
                if !decision.change.fields.is_empty() {
                    let update = self.add_update(change, &object.key, &decision.change, live);
                    self.steps[update].after.push(renaming);
                }
            }
            (Action::Update, Some(object), Some(live)) => {
                self.add_update(change, &object.key, &decision.change, live);
            }
            _ => {}
        }
    }

    /// Adds the rename, and one before it where the object has to step aside for others first.
    fn add_rename(&mut self, change: usize, object: &Object, live: &Live) -> usize {
        let to = Verb::Rename { to: object.key.name.clone() };
        let aside = live.id.as_ref().filter(|_| self.circles.contains(&live.key)).map(|id| parking_name(&live.key, id));
        let Some(aside) = aside else {
            let renaming = self.push(change, &live.key, to, Some(self.expect(live)));
            self.frees.insert(live.key.clone(), renaming);
            return renaming;
        };
        let waiting = Key { kind: live.key.kind, name: aside.clone() };
        let stepping = self.push(change, &live.key, Verb::Rename { to: aside }, Some(self.expect(live)));
        self.frees.insert(live.key.clone(), stepping);
        let renaming = self.push(change, &waiting, to, Some(self.expect(live)));
        self.steps[renaming].after.push(stepping);
        renaming
    }

    fn add_create(&mut self, change: usize, object: &Object, replaced: Option<&Live>) {
        // What an apply deleted to make it anew, and did not come to, is nowhere else by now.
        let begun = self.others.world.and_then(|world| world.inventory.as_ref()?.begun(&object.key));
        let begun = begun.filter(|_| replaced.is_none());
        let carry = replaced.map(|live| &live.extra).or(begun.map(|(_, carry)| carry)).into_iter().flatten();
        let carry = carry.filter(|(_, value)| !value.is_null());
        let carry = carry.map(|(name, value)| (name.clone(), value.clone())).collect();
        let options = CreateOptions { ready_timeout: object.lifecycle.timeout.map(|timeout| timeout.0), carry };
        let spec = begun.map_or_else(|| self.settled(object, replaced), |(spec, _)| self.renewed(object, spec));
        let verb = Verb::Create { spec, options };
        let step = self.push(change, &object.key, verb, None);
        self.provides.insert(object.key.clone(), step);
    }

    /// Returns what to make in the place of a live object. What is left alone of that one may refer to an object that gets
    /// another name first.
    pub(super) fn settled(&self, object: &Object, replaced: Option<&Live>) -> Spec {
        let live = replaced.and_then(|live| live.spec.as_ref().ok());
        live.map_or_else(|| object.spec.settled(None), |live| self.renewed(object, live))
    }

    fn renewed(&self, object: &Object, old: &Spec) -> Spec {
        let old = old.with_renamed_references(&|from| self.ends.get(from).cloned());
        object.spec.renewed(&old, &self.others)
    }

    fn add_delete(&mut self, change: usize, live: &Live) -> usize {
        let step = self.push(change, &live.key, Verb::Delete { is_waited_for: false }, Some(self.expect(live)));
        self.frees.insert(live.key.clone(), step);
        self.deletes.insert(live.key.clone(), step);
        step
    }

    fn add_update(&mut self, index: usize, key: &Key, change: &Change, live: &Live) -> usize {
        let changes = change.fields.iter().filter_map(|field| Some((field.path, field.to.clone()?))).collect();
        self.push(index, key, Verb::Update { changes }, Some(self.expect(live)))
    }

    pub(super) fn expect(&self, live: &Live) -> Expectation {
        let new_names = |from: &Reference| self.renamed.get(from).into_iter().flatten().cloned();
        let renamed = live.references().flat_map(|from| new_names(from).map(|to| (from.clone(), to)));
        Expectation { id: live.id.clone(), spec: live.spec.as_ref().ok().cloned(), renamed: renamed.collect() }
    }

    pub(super) fn push(&mut self, change: usize, key: &Key, verb: Verb, expects: Option<Expectation>) -> usize {
        self.steps.push(Step { key: key.clone(), change, verb, after: Vec::new(), expects });
        self.steps.len() - 1
    }

    /// Adds to each step what it waits for.
    fn connect(&mut self, world: &World) {
        for index in 0..self.steps.len() {
            let after = match &self.steps[index].verb {
                Verb::Create { spec, .. } => {
                    let sources = spec.references().filter_map(Reference::key);
                    let provided = sources.filter_map(|key| self.provides.get(&key).copied());
                    provided.chain(self.frees.get(&self.steps[index].key).copied()).collect()
                }
                Verb::Rename { to } => {
                    let taken = Key { kind: self.steps[index].key.kind, name: to.clone() };
                    self.frees.get(&taken).copied().into_iter().collect()
                }
                Verb::Delete { .. } => self.before_delete(index, world),
                Verb::Swap { .. } => self.before_swap(index),
                Verb::Update { .. } | Verb::Verify { .. } => Vec::new(),
            };
            self.add_after(index, after);
        }
        self.connect_turns();
        self.connect_origins();
    }

    /// Lets an object that is declared to be renamed be made before the one that gets its old name: were only that one
    /// there after a failure, the next plan would take it for the one to rename. Chains are followed from their ends;
    /// in a circle no order is better than another.
    fn connect_origins(&mut self) {
        let origins = std::mem::take(&mut self.origins);
        let inner: HashSet<_> = origins.values().collect();
        for end in origins.keys().filter(|key| !inner.contains(key)) {
            let mut key = end;
            while let Some(origin) = origins.get(key) {
                if let (Some(&first), Some(&second)) = (self.provides.get(key), self.provides.get(origin)) {
                    self.steps[second].after.push(first);
                }
                key = origin;
            }
        }
    }

    pub(super) fn add_after(&mut self, index: usize, after: Vec<usize>) {
        let mut seen = HashSet::new();
        let after = after.into_iter().filter(|&earlier| seen.insert(earlier));
        for earlier in after {
            if let Verb::Delete { is_waited_for } = &mut self.steps[earlier].verb {
                *is_waited_for = true;
            }
            self.steps[index].after.push(earlier);
        }
    }

    /// Sorts the steps so that each comes after all that it waits for.
    ///
    /// References go down the list of kinds, and names are freed along chains, so that there is such an order. Were there
    /// none, the planner would be wrong, and whoever plans is told, in the place of a panic.
    fn into_steps(self) -> Result<Vec<Step>, Refusal> {
        let after: Vec<_> = self.steps.iter().map(|step| step.after.clone()).collect();
        let order = graph::order(&after).map_err(|index| {
            let Step { verb, key, .. } = &self.steps[index];
            Refusal::Impossible { step: format!("{} {key}", verb.as_str()), why: "it waits for itself".to_owned() }
        })?;
        let mut place = vec![0; order.len()];
        for (new, &old) in order.iter().enumerate() {
            place[old] = new;
        }
        let mut steps: Vec<_> = self.steps.into_iter().map(Some).collect();
        let sorted = order.iter().filter_map(|&old| steps[old].take());
        let placed = sorted.map(|mut step| {
            for earlier in &mut step.after {
                *earlier = place[*earlier];
            }
            if let Verb::Verify { swap, .. } = &mut step.verb {
                *swap = place[*swap];
            }
            step
        });
        Ok(placed.collect())
    }
}

/// Returns one object of each circle of renames.
fn circles(decisions: &[Decision<'_>]) -> HashSet<Key> {
    let renames = decisions.iter().filter(|decision| decision.change.action == Action::Rename);
    let next: HashMap<&Key, &Key> =
        renames.filter_map(|decision| Some((&decision.live?.key, &decision.change.key))).collect();
    let mut circles = HashSet::new();
    for &start in next.keys() {
        let mut smallest = start;
        let mut key = start;
        let is_circle = (0..next.len()).find_map(|_| match next.get(key) {
            None => Some(false),
            Some(&to) if to == start => Some(true),
            Some(&to) => {
                smallest = smallest.min(to);
                key = to;
                None
            }
        });
        if is_circle == Some(true) {
            circles.insert(smallest.clone());
        }
    }
    circles
}

/// Returns the names that a live object gets, one after the other.
fn renamed(decision: &Decision<'_>, circles: &HashSet<Key>) -> Option<(Reference, Vec<Arc<str>>)> {
    let live = decision.live.filter(|_| decision.change.action == Action::Rename)?;
    let from = Reference { kind: live.key.kind, name: live.key.name.as_str().into() };
    let aside = live.id.as_ref().filter(|_| circles.contains(&live.key)).map(|id| parking_name(&live.key, id));
    let names = aside.iter().chain([&decision.change.key.name]).map(|name| name.as_str().into());
    Some((from, names.collect()))
}
