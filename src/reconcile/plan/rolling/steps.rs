//! The steps of replacements without a gap, and what they wait for.
//!
//! A source (a template) and what is made from it (its pools) go together: all new objects are built, the source gets its
//! name, what refers to it is looked at, then the others get theirs, and each old object goes when nothing refers to it
//! any more. Where there is room for one at a time only, the source gets its name with the first of them.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::named;
use crate::kinds::{CreateOptions, Key, Live, Naming, Object, Reference};
use crate::reconcile::diff::diff;
use crate::reconcile::plan::decide::Decision;
use crate::reconcile::plan::steps::Draft;
use crate::reconcile::plan::{Action, Rollout, Verb};
use crate::reconcile::world::World;
use crate::types::{Name, ObjectId};

/// What the replacements of a plan have to do with one another.
#[derive(Default)]
pub(in crate::reconcile::plan) struct Plot {
    /// The names under which sources are built.
    incoming: HashMap<Reference, Arc<str>>,
    /// The decisions whose new objects are built before their sources get their names.
    early: HashSet<usize>,
    /// What refers to a source when it gets its name, and must refer to it still.
    holders: HashMap<Key, Vec<Key>>,
    /// Whether it is not known what the server does to references when an object gets another name.
    is_news: bool,
    /// The steps that build new objects, with their turns.
    builds: Vec<(usize, usize)>,
    /// The steps that delete old objects, with their turns.
    ends_of_old: Vec<(usize, usize)>,
    /// The builds that a source's swap waits for.
    before_swap: HashMap<Key, Vec<usize>>,
    /// The last step before a name stands for the new object and nothing refers to the old one by it.
    taken_over: HashMap<Key, usize>,
    /// What the objects that get their names are made from.
    sources: HashMap<usize, Vec<Key>>,
    /// The deletions of what was published under names before, with the objects that have these.
    published_before: HashMap<usize, Key>,
    /// The live objects that steps delete under other names than they have now.
    live_keys: HashMap<usize, Key>,
}

/// One replacement, with all that it takes.
struct Replacement<'a, 'd> {
    index: usize,
    object: &'a Object,
    old: &'a Live,
    incoming: Key,
    incoming_id: Option<ObjectId>,
    retired: &'d Name,
    keeps_old: bool,
    turn: usize,
}

impl Replacement<'_, '_> {
    /// Returns whether the new object takes its name by being made.
    fn is_publishing(&self) -> bool {
        self.incoming == self.object.key
    }
}

fn replacement<'a, 'd>(index: usize, decision: &'d Decision<'a>) -> Option<Replacement<'a, 'd>> {
    let (object, old) = (decision.object?, decision.live?);
    let Some(Rollout::Replaces { incoming, incoming_id, retired, keeps_old, turn, .. }) = &decision.change.rollout
    else {
        return None;
    };
    let (incoming, incoming_id) = (named(object.key.kind, incoming), incoming_id.clone());
    let (keeps_old, turn) = (*keeps_old, *turn);
    Some(Replacement { index, object, old, incoming, incoming_id, retired, keeps_old, turn })
}

impl Plot {
    pub(in crate::reconcile::plan) fn new(decisions: &[Decision<'_>], world: &World) -> Self {
        let all = decisions.iter().enumerate().filter_map(|(index, one)| replacement(index, one));
        let mut all: Vec<_> = all.filter(|one| !one.is_publishing()).collect();
        all.sort_by_key(|one| (one.turn, one.index));
        let habits = world.inventory.as_ref().map(|inventory| inventory.habits).unwrap_or_default();
        let is_news = habits.references_follow_renames != Some(true);
        let mut plot = Self { is_news, ..Self::default() };
        plot.incoming = all.iter().map(|one| (reference(&one.object.key), text(&one.incoming.name))).collect();
        plot.find_early(&all, world);
        plot.find_holders(decisions, &all, world);
        plot
    }

    /// All are built before their sources are swapped, if they are all built at once; else the first of each source.
    fn find_early(&mut self, all: &[Replacement<'_, '_>], world: &World) {
        let mut led: HashSet<Reference> = HashSet::new();
        for one in all {
            let sources: Vec<_> = self.sources_of(one.object).cloned().collect();
            let is_there = world.get(&one.incoming).is_some();
            if !is_there && (one.turn == 0 || sources.iter().all(|source| !led.contains(source))) {
                self.early.insert(one.index);
            }
            led.extend(sources);
        }
    }

    fn find_holders(&mut self, decisions: &[Decision<'_>], all: &[Replacement<'_, '_>], world: &World) {
        let returning = decisions.iter().filter_map(|decision| {
            let live = decision.live.filter(|_| is_returning(decision))?;
            Some((reference(&live.key), decision.change.key.clone()))
        });
        let swapped = all.iter().map(|one| (reference(&one.incoming), one.object.key.clone()));
        let next: HashMap<Reference, Key> = returning.chain(swapped).collect();
        let is_there = all.iter().filter_map(|one| world.get(&one.incoming));
        let stays =
            |decision: &&Decision<'_>| matches!(decision.change.action, Action::Keep | Action::Adopt | Action::Update);
        let kept = decisions.iter().filter(stays).filter_map(|decision| decision.live);
        for live in is_there.chain(kept).filter(|live| !live.key.kind.info().outlives_its_source) {
            for source in live.references().filter_map(|reference| next.get(reference)) {
                self.holders.entry(source.clone()).or_default().push(live.key.clone());
            }
        }
        for one in all.iter().filter(|one| self.early.contains(&one.index)) {
            for source in one.object.spec.references().filter(|source| self.incoming.contains_key(source)) {
                self.holders.entry(source.key().expect("it is declared")).or_default().push(one.incoming.clone());
            }
        }
    }

    fn sources_of<'s>(&'s self, object: &'s Object) -> impl Iterator<Item = &'s Reference> {
        object.spec.references().filter(|source| self.incoming.contains_key(source))
    }
}

impl Draft<'_> {
    /// Adds the steps of a replacement: build or update the new object, swap, verify, delete the old one.
    pub(in crate::reconcile::plan) fn add_replacement(&mut self, index: usize, decision: &Decision<'_>, world: &World) {
        let Some(one) = replacement(index, decision) else { return };
        if one.is_publishing() {
            return self.add_publication(&one);
        }
        let prepared = match world.get(&one.incoming) {
            None => Some(self.add_build(&one)),
            Some(there) => self.add_adjustment(index, one.object, there),
        };
        let verb = Verb::Swap {
            retired: Some(one.retired.clone()),
            incoming: one.incoming.name.clone(),
            incoming_id: one.incoming_id.clone(),
        };
        let expects = self.expect(one.old);
        let swap = self.push(index, &one.object.key, verb, Some(expects));
        self.steps[swap].after.extend(prepared);
        let end = self.add_end(index, one.object, swap);
        self.plot.taken_over.insert(one.object.key.clone(), end);
        if !one.keeps_old {
            self.add_end_of_old(&one, end);
        }
    }

    /// Adds the step that makes the new object, which takes the name with that, and the end of the old one.
    fn add_publication(&mut self, one: &Replacement<'_, '_>) {
        let made = self.add_build(one);
        // Who follows gives up the old one only once there is a new one.
        self.plot.taken_over.insert(one.object.key.clone(), made);
        if !one.keeps_old {
            self.add_end_of_old(one, made);
        }
    }

    /// Adds the steps that give its name back to an object that lost it half way.
    pub(in crate::reconcile::plan) fn add_return(&mut self, index: usize, object: &Object, live: &Live) {
        let adjustment = self.add_adjustment(index, object, live);
        let verb = Verb::Swap { retired: None, incoming: live.key.name.clone(), incoming_id: live.id.clone() };
        let expects = self.expect(live);
        let swap = self.push(index, &object.key, verb, Some(expects));
        self.steps[swap].after.extend(adjustment);
        self.frees.insert(live.key.clone(), swap);
        self.add_end(index, object, swap);
    }

    fn add_build(&mut self, one: &Replacement<'_, '_>) -> usize {
        let Replacement { index, object, old, .. } = *one;
        let mut spec = self.settled(object, Some(old));
        let is_early = self.plot.early.contains(&index);
        let sources: Vec<_> = self.plot.sources_of(object).filter(|_| is_early).cloned().collect();
        for source in &sources {
            spec = spec.with_renamed_reference(source, &self.plot.incoming[source]);
        }
        let carry = old.extra.clone().into_iter().filter(|(_, value)| !value.is_null()).collect();
        let options = CreateOptions { ready_timeout: object.lifecycle.timeout.map(|timeout| timeout.0), carry };
        let build = self.push(index, &one.incoming, Verb::Create { spec, options }, None);
        self.provides.insert(one.incoming.clone(), build);
        for source in sources.iter().filter_map(Reference::key) {
            self.plot.before_swap.entry(source).or_default().push(build);
        }
        self.plot.builds.push((one.turn, build));
        build
    }

    /// Brings what is there already to what is declared, in what can change in place.
    fn add_adjustment(&mut self, index: usize, object: &Object, there: &Live) -> Option<usize> {
        let differing = diff(&object.spec, there.spec.as_ref().ok()?, &|_, _| true);
        let in_place = differing.into_iter().filter(|field| !field.change.makes_anew());
        let changes: Vec<_> = in_place.filter_map(|field| Some((field.path, field.to?))).collect();
        if changes.is_empty() {
            return None;
        }
        let expects = self.expect(there);
        Some(self.push(index, &there.key, Verb::Update { changes }, Some(expects)))
    }

    /// Adds the look at what refers to the object, if something does; returns the step after which its name stands for
    /// it.
    fn add_end(&mut self, index: usize, object: &Object, swap: usize) -> usize {
        let sources = object.spec.references().filter_map(Reference::key).collect();
        self.plot.sources.insert(swap, sources);
        let holders = self.plot.holders.get(&object.key).cloned().unwrap_or_default();
        let mut end = swap;
        if !holders.is_empty() {
            let verb = Verb::Verify { holders, swap, is_news: self.plot.is_news };
            end = self.push(index, &object.key, verb, None);
            self.steps[end].after.push(swap);
        }
        self.provides.insert(object.key.clone(), end);
        end
    }

    /// Notes that a step deletes what a name pointed to before.
    pub(in crate::reconcile::plan) fn note_published_before(&mut self, delete: usize, of: &Key) {
        if of.kind.info().naming == Naming::Published {
            self.plot.published_before.insert(delete, of.clone());
        }
    }

    fn add_end_of_old(&mut self, one: &Replacement<'_, '_>, end: usize) {
        let retired = named(one.object.key.kind, one.retired);
        let expects = self.expect(one.old);
        let delete = self.push(one.index, &retired, Verb::Delete { is_waited_for: false }, Some(expects));
        self.steps[delete].after.push(end);
        self.deletes.insert(one.old.key.clone(), delete);
        self.plot.live_keys.insert(delete, one.old.key.clone());
        if one.turn > 0 {
            self.plot.ends_of_old.push((one.turn, delete));
        }
    }

    /// Returns what a swap waits for, beside what it puts in place.
    pub(in crate::reconcile::plan) fn before_swap(&self, index: usize) -> Vec<usize> {
        let key = &self.steps[index].key;
        let builds = self.plot.before_swap.get(key).into_iter().flatten().copied();
        let sources = self.plot.sources.get(&index).into_iter().flatten();
        builds.chain(sources.filter_map(|source| self.provides.get(source).copied())).collect()
    }

    /// Returns what a deletion waits for: that all who refer to the object are gone, and that what it is made from, if it
    /// is replaced, has been: until then, who asks for that by its name is served by this object.
    pub(in crate::reconcile::plan) fn before_delete(&self, index: usize, world: &World) -> Vec<usize> {
        let retired = self.plot.live_keys.get(&index);
        let key = retired.unwrap_or(&self.steps[index].key);
        let holders = world.holders(key).filter_map(|holder| self.deletes.get(&holder.key).copied());
        // One that is replaced itself waits for its own swap, which knows what it waits for. It may leave its source for
        // another one; to wait for the old source as well would make circles where new objects take turns.
        let live = world.get(key).filter(|_| retired.is_none());
        let sources = live.into_iter().flat_map(Live::references).filter_map(Reference::key);
        let taken_over = sources.filter_map(|source| self.plot.taken_over.get(&source).copied());
        // Until there is a new one, the last good one may be what somebody goes back to.
        let successor = self.plot.published_before.get(&index).and_then(|of| self.provides.get(of).copied());
        holders.chain(taken_over).chain(successor).collect()
    }

    /// Lets what is built later wait for the room that others give back. What is built at once waits for nobody, unless it
    /// needs what others give back (`room.rs`).
    pub(in crate::reconcile::plan) fn connect_turns(&mut self) {
        let free_now = |step: &&usize| self.steps[**step].after.is_empty();
        let first: Vec<usize> = self.deletes.values().filter(free_now).copied().collect();
        for (turn, build) in std::mem::take(&mut self.plot.builds).into_iter().filter(|(turn, _)| *turn > 0) {
            let earlier = self.plot.ends_of_old.iter().filter(|(other, _)| *other < turn).map(|(_, delete)| *delete);
            let mut after: Vec<_> = first.iter().copied().chain(earlier).collect();
            after.sort_unstable();
            self.add_after(build, after);
        }
    }
}

/// Returns whether an object gets its name back that it lost half way.
pub(in crate::reconcile::plan) fn is_returning(decision: &Decision<'_>) -> bool {
    decision.change.rollout == Some(Rollout::Returns)
}

/// Returns the names that live objects get by replacements.
pub(in crate::reconcile::plan) fn renamed(decision: &Decision<'_>, world: &World) -> Vec<(Reference, Vec<Arc<str>>)> {
    let Some(one) = replacement(0, decision) else { return Vec::new() };
    let out = (reference(&one.old.key), vec![text(one.retired)]);
    let built = world.get(&one.incoming).filter(|_| !one.is_publishing());
    let back_in = built.map(|there| (reference(&there.key), vec![text(&one.object.key.name)]));
    std::iter::once(out).chain(back_in).collect()
}

fn reference(key: &Key) -> Reference {
    Reference { kind: key.kind, name: text(&key.name) }
}

fn text(name: &Name) -> Arc<str> {
    name.as_str().into()
}
