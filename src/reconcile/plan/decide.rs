//! Chooses an action for each declared object.
//!
//! Objects are decided in the order of their references, so that what an object is made from is decided before it.
//! Whether a live object can be deleted depends on what becomes of the objects that hold it, which come later: so all
//! are decided as if it could, then those that could not are blocked, and all are decided again, until nothing changes.
//! Each round blocks at least one more object, so it ends.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::builds::Builds;
use super::held::Held;
use super::matching::{Matches, Target};
use super::note::{Holder, NotRolling, Note};
use super::ownership::{Owner, attribute, is_renamed_behind};
use super::renames::old_key;
use super::rolling::{self, Leftovers, Rollouts};
use super::undeclared::Undeclared;
use super::{Action, Change, OnDrift, Policy, Rollout, quota};
use crate::kinds::{
    self, Health, Key, Live, Object, OnExpiry, OnSuperseded, Part, Reference, RenamedFrom, Tree, Violation,
};
use crate::reconcile::diff::{FieldChange, diff, untold, unverifiable};
use crate::reconcile::inventory::{Entry, Standing};
use crate::reconcile::world::{DeclaredOrLive, Desired, World};

/// A change together with the objects that it is about.
pub(super) struct Decision<'a> {
    pub(super) object: Option<&'a Object>,
    pub(super) live: Option<&'a Live>,
    /// Whether it is declared, or was when it was applied last, that the object must not be destroyed.
    pub(super) is_protected: bool,
    pub(super) change: Change,
}

/// Changes that cannot be made, with the reason, found by looking at all changes together.
pub(super) type Obstacles = HashMap<Key, Note>;

/// What decisions are made from.
#[derive(Clone, Copy)]
pub(super) struct Given<'a> {
    /// What is declared and in scope, with what is held in it.
    pub(super) desired: &'a Desired,
    /// What is declared.
    pub(super) all: &'a Desired,
    /// What stays as somebody else made it.
    pub(super) held: &'a Held,
    pub(super) world: &'a World,
    pub(super) policy: &'a Policy,
}

pub(super) fn decide<'a>(given: Given<'a>, matches: &Matches<'a>, undeclared: &Undeclared<'a>) -> Vec<Decision<'a>> {
    let Given { desired, all, world, policy, .. } = given;
    let leftovers = Leftovers::find(all, world);
    let builds = Builds::of(world);
    let mut obstacles = Obstacles::new();
    loop {
        let rollouts = Rollouts::new(desired, world, &leftovers);
        let round = Round {
            given,
            matches,
            undeclared,
            obstacles: &obstacles,
            builds: &builds,
            fates: HashMap::with_capacity(desired.len()),
            rollouts,
        };
        let mut decisions = round.decide();
        let pruned = undeclared.prune(given, &decisions, &obstacles);
        decisions.extend(pruned);
        rolling::collect(&mut decisions, &leftovers, &obstacles, world);
        if policy.prune && world.inventory.is_some() {
            rolling::collect_orphans(&mut decisions, all, world, &policy.scope);
        }
        let n_before = obstacles.len();
        obstacles.extend(not_allowed(&decisions, policy));
        obstacles.extend(held(&decisions, world));
        obstacles.extend(names_taken(&decisions, world));
        obstacles.extend(names_awaited(&decisions, desired));
        if obstacles.len() == n_before {
            obstacles.extend(quota::exceeded(&decisions, desired, world));
        }
        if obstacles.len() == n_before {
            obstacles.extend(rolling::give_turns(&mut decisions, desired, world));
        }
        if obstacles.len() == n_before {
            return decisions;
        }
    }
}

/// Returns the objects that would be deleted although live objects that stay refer to them.
pub(super) fn held(decisions: &[Decision<'_>], world: &World) -> Obstacles {
    let destroys = |decision: &&Decision<'_>| {
        let keeps_old = matches!(decision.change.rollout, Some(Rollout::Replaces { keeps_old: true, .. }));
        matches!(decision.change.action, Action::Replace | Action::Delete) && !keeps_old
    };
    let going: HashMap<&Key, &Key> = decisions
        .iter()
        .filter(destroys)
        .filter_map(|decision| Some((&decision.live?.key, &decision.change.key)))
        .collect();
    let mut obstacles = Obstacles::new();
    // What is replaced without a gap waits until nothing refers to it.
    let rolling: HashSet<&Key> = decisions
        .iter()
        .map(|decision| &decision.change)
        .filter(|change| change.is_rolling())
        .map(|change| &change.key)
        .collect();
    for (live, declared) in going.iter().filter(|(_, declared)| !rolling.contains(*declared)) {
        let holders: Vec<_> =
            world.holders(live).filter(|holder| !going.contains_key(&holder.key)).map(Holder::of).collect();
        if !holders.is_empty() {
            obstacles.insert((*declared).clone(), Note::HeldBy { holders, now: world.now });
        }
    }
    obstacles
}

/// Returns the objects whose new name stays with another live object, one whose own change is blocked.
fn names_taken(decisions: &[Decision<'_>], world: &World) -> Obstacles {
    let frees = |decision: &&Decision<'_>| {
        let change = &decision.change;
        matches!(change.action, Action::Replace | Action::Delete)
            || (change.action == Action::Rename && change.was.is_some())
    };
    let freed: HashSet<&Key> =
        decisions.iter().filter(frees).filter_map(|decision| Some(&decision.live?.key)).collect();
    let takes = |decision: &&Decision<'_>| {
        let is_new = decision.live.is_none_or(|live| live.key != decision.change.key);
        is_new && matches!(decision.change.action, Action::Create | Action::Rename | Action::Replace)
    };
    let mut takers: HashMap<&Key, &Decision<'_>> =
        decisions.iter().filter(takes).map(|decision| (&decision.change.key, decision)).collect();
    let wanted = takers.keys().filter_map(|key| world.get(key));
    let mut kept: Vec<&Live> = wanted.filter(|holder| !freed.contains(&holder.key)).collect();
    let mut obstacles = Obstacles::new();
    while let Some(holder) = kept.pop() {
        let Some(taker) = takers.remove(&holder.key) else { continue };
        obstacles.insert(taker.change.key.clone(), Note::NameTaken { id: holder.id.clone() });
        // One that cannot have its new name keeps its old one: a chain of renames is blocked in one go.
        kept.extend(taker.live);
    }
    obstacles
}

/// Returns the objects that would get a name from which another one, blocked and not live, is to be renamed, be it by
/// way of others: once it were there, a later plan would take it for that one's past.
fn names_awaited(decisions: &[Decision<'_>], desired: &Desired) -> Obstacles {
    let blocked = decisions.iter().filter(|decision| decision.change.action == Action::Blocked);
    let mut awaited: HashMap<Key, &Key> = HashMap::new();
    for later in blocked.filter(|decision| decision.live.is_none()).filter_map(|decision| decision.object) {
        let mut origin = old_key(later);
        while let Some(key) = origin.filter(|key| !awaited.contains_key(key)) {
            origin = desired.get(&key).and_then(old_key);
            awaited.insert(key, &later.key);
        }
    }
    // What is getting its own name back had it while that one was new all the same.
    let returns = |change: &Change| change.notes.contains(&Note::HalfReplaced);
    let appears = |change: &&Change| matches!(change.action, Action::Create | Action::Rename) && !returns(change);
    let appearing = decisions.iter().map(|decision| &decision.change).filter(appears);
    let early = appearing.filter_map(|change| {
        let later = (*awaited.get(&change.key)?).clone();
        Some((change.key.clone(), Note::RenamedFromHere { later }))
    });
    early.collect()
}

/// Returns the changes of kinds that are not to be made now.
fn not_allowed(decisions: &[Decision<'_>], policy: &Policy) -> Obstacles {
    let Some(allowed) = &policy.allow else { return Obstacles::new() };
    let held_back = decisions.iter().filter_map(|Decision { change, .. }| {
        let is_none = matches!(change.action, Action::Keep | Action::Adopt | Action::Blocked);
        // A rename may change fields beside the name.
        let updates = change.action == Action::Rename && !change.fields.is_empty();
        let actions = [(!is_none).then_some(change.action), updates.then_some(Action::Update)];
        let action = actions.into_iter().flatten().find(|action| !allowed.contains(action))?;
        Some((change.key.clone(), Note::NotAllowed { action }))
    });
    held_back.collect()
}

struct Round<'a, 'r> {
    given: Given<'a>,
    matches: &'r Matches<'a>,
    undeclared: &'r Undeclared<'a>,
    obstacles: &'r Obstacles,
    builds: &'r Builds<'a>,
    /// The actions of the objects decided so far.
    fates: HashMap<&'a Key, Action>,
    /// How those of them are replaced that are made anew.
    rollouts: Rollouts<'a, 'r>,
}

impl<'a> Round<'a, '_> {
    fn decide(mut self) -> Vec<Decision<'a>> {
        let mut decisions = Vec::with_capacity(self.given.desired.len());
        for object in self.given.desired.iter() {
            let decision = self.decide_one(object);
            self.fates.insert(&object.key, decision.change.action);
            self.rollouts.settle(object, decision.live, &decision.change);
            decisions.push(decision);
        }
        decisions
    }

    fn decide_one(&self, object: &'a Object) -> Decision<'a> {
        let world = self.given.world;
        let found = self.matches.of_declared(&object.key);
        let is_same = |declared: &Reference, live: &Reference| self.is_same(declared, live);
        let (half_replaced, live) = self.rollouts.look(object, found.and_then(|found| found.live), &is_same);
        let owner = live.map(|live| if half_replaced { Owner::Unrecorded } else { Owner::of(live, world) });
        let recorded = world.inventory.as_ref().and_then(|inventory| inventory.get(&object.key));
        let remade = live.and_then(|live| self.recovered(live, object));
        let entry = remade.as_ref().or_else(|| owner.and_then(Owner::entry)).or(recorded);
        // What is held is not on record as applied, so that it is still drift afterwards.
        let declared = self.given.all.get(&object.key).unwrap_or(object);
        let mut change = Change {
            key: object.key.clone(),
            action: Action::Keep,
            id: live.and_then(|live| live.id.clone()),
            was: live.map(|live| live.key.name.clone()).filter(|name| *name != object.key.name),
            spec: Some(declared.spec.clone()),
            fields: Vec::new(),
            record: Some(Entry::of(declared, live)),
            notes: found.and_then(|found| found.note.clone()).into_iter().collect(),
            rollout: None,
            origin: Some(object.origin),
        };
        if !world.speaks(object.key.kind) {
            change.action = Action::Blocked;
            change.notes.push(Note::not_spoken(object.key.kind, world));
            return Decision { object: Some(object), live: None, is_protected: false, change };
        }
        change.action = match live.zip(owner) {
            None if half_replaced => Action::Create,
            None => self.miss(object, recorded, &mut change),
            Some((live, owner)) => {
                let action = self.compare(object, live, entry, &mut change);
                self.claim(live, owner, action, &mut change)
            }
        };
        if let Some(live) = live.filter(|_| change.action == Action::Replace) {
            self.rollouts.choose(object, live, &mut change, &is_same);
        }
        change.notes.extend(half_replaced.then_some(Note::HalfReplaced));
        if half_replaced && change.action == Action::Rename {
            change.rollout = Some(Rollout::Returns);
        }
        self.look_for_obstacles(object, live, &mut change);
        if let Some(was) = change.was.clone().filter(|_| change.action != Action::Rename) {
            change.notes.insert(0, Note::LiveAs { was });
        }
        let is_protected =
            object.lifecycle.prevent_destroy || entry.is_some_and(|entry| entry.lifecycle.prevent_destroy);
        Decision { object: Some(object), live, is_protected, change }
    }

    /// Returns the entry of an object whose record was lost, where it says itself that it was made of what is declared now:
    /// whatever differs was changed since.
    fn recovered(&self, live: &Live, object: &Object) -> Option<Entry> {
        let is_recovered = self.given.world.recovered.contains(&live.key);
        let is_made_of = live.mark.as_ref().is_some_and(|mark| mark.is_made_of(&object.spec));
        (is_recovered && is_made_of).then(|| Entry::of(object, Some(live)))
    }

    /// Chooses the action for an object that is not live, and notes what became of it if it was.
    fn miss(&self, object: &'a Object, recorded: Option<&Entry>, change: &mut Change) -> Action {
        let Some(entry) = recorded.filter(|entry| entry.standing == Standing::Owned) else {
            change.notes.extend(self.undeclared.maybe_renamed(object, self.given.world));
            return Action::Create;
        };
        let lives_on = entry.id.as_ref().is_some_and(|id| self.given.world.by_id(object.key.kind, id).is_some());
        if !lives_on && entry.may_have_ended(self.given.world.now) {
            let is_recreated = object.lifecycle.on_expiry == OnExpiry::Recreate;
            change.notes.push(Note::Expired { is_recreated });
            return if is_recreated { Action::Create } else { Action::Keep };
        }
        change.notes.push(Note::DeletedBehind);
        if self.given.policy.on_drift == OnDrift::Hold {
            change.notes.push(Note::DriftHeld { paths: Vec::new() });
            return Action::Keep;
        }
        Action::Create
    }

    /// Settles whose the live object is, and what that makes of the action.
    fn claim(&self, live: &Live, owner: Owner<'_>, action: Action, change: &mut Change) -> Action {
        match owner {
            Owner::Unrecorded => action,
            Owner::Ours(recorded, entry) => {
                let is_renamed = is_renamed_behind(recorded, live);
                change.notes.extend(is_renamed.then_some(Note::RenamedBehind));
                if entry.standing == Standing::Owned {
                    let of = self.in_its_place(live, &change.key, recorded).cloned();
                    change.notes.extend(of.map(|of| Note::NameWithAnother { of }));
                }
                let is_recovered = self.given.world.recovered.contains(&live.key);
                change.notes.extend(is_recovered.then_some(Note::Recovered));
                let is_released = entry.standing == Standing::Released;
                change.notes.extend(is_released.then_some(Note::TakenUpAgain));
                let old_name = RenamedFrom::Name(change.key.name.clone());
                let is_taken_back = !is_renamed && entry.lifecycle.renamed_from.as_ref() == Some(&old_name);
                if is_taken_back && action == Action::Rename {
                    change.notes.push(Note::RenameTakenBack);
                }
                if is_renamed && action == Action::Rename && self.given.policy.on_drift == OnDrift::Hold {
                    change.notes.push(Note::DriftHeld { paths: Vec::new() });
                    return Action::Keep;
                }
                action
            }
            Owner::Sibling(record) => {
                change.record = None;
                let record = Arc::clone(record);
                let stays = action == Action::Keep;
                let note = if stays { Note::KeptForSibling { record } } else { Note::OwnedBySibling { record } };
                change.notes.push(note);
                action
            }
            Owner::Marked(owner) if self.given.policy.take_over.has(&change.key) => {
                change.notes.push(Note::TakenFrom { owner: Arc::clone(owner) });
                let is_recorded = self.given.world.inventory.is_some();
                if action == Action::Keep && is_recorded { Action::Adopt } else { action }
            }
            Owner::Marked(owner) => {
                change.record = None;
                change.notes.push(Note::marked(owner, &change.key, action != Action::Keep));
                action
            }
            // What a rollout of ours built says so by its name, also if nobody wrote it down.
            Owner::Nobody if super::reserved::is_for(&change.key, live) => action,
            Owner::Nobody => {
                let recorded = self.given.world.inventory.as_ref().and_then(|inventory| inventory.get(&change.key));
                let recorded = recorded.filter(|entry| entry.standing == Standing::Owned);
                let recreated = recorded.and_then(|entry| entry.id.clone()).map(|recorded| {
                    let lives_on = self.given.world.by_id(change.key.kind, &recorded);
                    Note::RecreatedBehind { lives_as: lives_on.map(|live| live.key.name.clone()), recorded }
                });
                change.notes.extend(recreated);
                if action == Action::Keep {
                    return Action::Adopt;
                }
                let is_taken_over = self.given.policy.take_over.has(&change.key);
                let not_owned = || Note::NotOwned { key: change.key.clone() };
                let note = if is_taken_over { Note::TakenOver } else { not_owned() };
                change.notes.push(note);
                action
            }
        }
    }

    /// Returns the recorded name of what has a declared one in the place of what is on record under that, or of what was not
    /// made yet, where they hold data: only a plan that has both can tell what is to become of them.
    fn in_its_place<'l>(&'l self, live: &'l Live, declared: &Key, recorded: &'l Key) -> Option<&'l Key> {
        let is_in_question = declared.kind.info().holds_data && live.key == *declared;
        if !is_in_question || !is_renamed_behind(recorded, live) {
            return None;
        }
        let own = self.given.world.inventory.as_ref()?.get(declared);
        let is_another_s = match own {
            Some(own) => own.standing == Standing::Owned,
            None => self.given.all.get(recorded).is_some(),
        };
        (is_another_s && self.given.desired.get(recorded).is_none()).then_some(recorded)
    }

    /// Chooses the action for an object that is live, and notes what differs and why.
    fn compare(&self, object: &'a Object, live: &Live, entry: Option<&Entry>, change: &mut Change) -> Action {
        let spec = match &live.spec {
            Ok(spec) => spec,
            Err(unreadable) => {
                change.notes.push(Note::Unreadable { why: unreadable.why.clone() });
                return Action::Blocked;
            }
        };
        let mut fields = diff(&object.spec, spec, &|declared, live| self.is_same(declared, live));
        if let Some(entry) = entry.filter(|_| !fields.is_empty()) {
            attribute(&mut fields, &object.spec, entry, self.given.all, self.given.world);
        }
        // What was applied is decoded only where something turns on it.
        let untellable = unverifiable(&object.spec);
        if !untellable.is_empty() || object.spec.secrets().next().is_some() {
            match entry.and_then(Entry::applied) {
                Some(applied) => {
                    let seen: Vec<_> = fields.iter().map(|field| field.path).collect();
                    let untold = untold(&object.spec, applied).into_iter();
                    fields.extend(untold.filter(|field| !seen.contains(&field.path)));
                }
                None if untellable.is_empty() => {}
                None => change.notes.push(Note::Unverifiable { paths: untellable }),
            }
        }
        change.notes.extend(self.given.held.note(&object.key));
        let (mut replacing, in_place): (Vec<_>, Vec<_>) =
            fields.into_iter().partition(|field| field.change.makes_anew());
        change.fields = in_place;

        if let Health::Failed(message) = &live.health {
            let kind = object.key.kind;
            change.notes.push(Note::Failed { message: message.clone() });
            change.notes.extend((kind.info().holds_data && kind.info().recovers).then_some(Note::DataLost { kind }));
            change.fields.append(&mut replacing);
            return Action::Replace;
        }
        if object.stays_outdated() {
            let choice = object.key.kind.info().on_superseded;
            remember_unsent(&replacing, entry, change);
            change.notes.extend(replacing.drain(..).map(|field| outdated(field, choice)));
        }
        if !replacing.is_empty() {
            change.notes.extend(self.reasons_to_replace(&replacing));
            let kind = object.key.kind;
            change.notes.extend(kind.info().holds_data.then_some(Note::DataLost { kind }));
            change.fields.append(&mut replacing);
            return Action::Replace;
        }
        if change.was.is_some() {
            return Action::Rename;
        }
        if !change.fields.is_empty() {
            return Action::Update;
        }
        if let Health::Pending(status) = &live.health {
            change.notes.push(Note::Pending { status: status.clone() });
        }
        self.look_at_build(object, live, change)
    }

    /// Notes that what an object was built from has moved on; by itself that is no reason to build it anew.
    fn look_at_build(&self, object: &Object, live: &Live, change: &mut Change) -> Action {
        let Some((last, of)) = self.builds.newer(live) else { return Action::Keep };
        let choice = object.key.kind.info().on_superseded;
        let is_followed = object.lifecycle.on_superseded == OnSuperseded::Replace;
        change.notes.push(Note::BuildMoved { build: last.clone(), seen_in: of.key.clone(), is_followed, choice });
        if is_followed { Action::Replace } else { Action::Keep }
    }

    fn reasons_to_replace(&self, replacing: &[FieldChange]) -> Vec<Note> {
        let mut notes = Vec::new();
        let (superseded, changed): (Vec<_>, Vec<_>) = replacing.iter().partition(|field| field.from == field.to);
        if !changed.is_empty() {
            notes.push(Note::CannotChangeInPlace { paths: changed.iter().map(|field| field.path).collect() });
        }
        // The names are the same on both sides, so it is what they stand for that differs.
        let sources = superseded.iter().filter_map(|field| field.to.as_ref()).flat_map(kinds::Value::references);
        notes.extend(sources.filter(|source| !self.is_same(source, source)).map(|source| {
            let source = source.clone();
            match self.fate(&source) {
                Some(Action::Replace) => Note::SourceReplaced { source },
                _ => Note::SourceIsAnother { source },
            }
        }));
        notes
    }

    /// Blocks the change where something stands in its way.
    fn look_for_obstacles(&self, object: &'a Object, live: Option<&Live>, change: &mut Change) {
        for field in &change.fields {
            if let (kinds::Change::GrowOnly, Some(from), Some(to)) = (field.change, &field.from, &field.to)
                && from.would_shrink_to(to)
            {
                change.notes.push(Note::WouldShrink { path: field.path, from: from.clone(), to: to.clone() });
            }
        }
        let makes_anew = matches!(change.action, Action::Create | Action::Replace);
        for reference in object.spec.references() {
            change.notes.extend(self.obstacle_in(reference, makes_anew));
        }
        let broken = if makes_anew {
            let others = DeclaredOrLive { desired: self.given.desired, world: self.given.world };
            let live = live.filter(|_| change.action == Action::Replace).and_then(|live| live.spec.as_ref().ok());
            let new = live.map_or_else(|| object.spec.settled(None), |live| object.spec.renewed(live, &others));
            let mut broken = object.key.kind.check(&object.spec, &others);
            broken.extend(object.key.kind.check_create(&new, &others));
            broken
        } else {
            let paths: Vec<_> = change.fields.iter().map(|field| field.path).collect();
            object.key.kind.check_update(&object.spec, &paths)
        };
        let broken: Vec<_> =
            broken.into_iter().chain(secrets_lost(object, live, change)).chain(broken_parts(change)).collect();
        change.notes.extend(broken.into_iter().map(|rule| Note::BrokenRule { message: rule.message, help: rule.help }));
        if change.action != Action::Keep {
            change.notes.extend(self.obstacles.get(&object.key).cloned());
        }
        if change.notes.iter().any(Note::is_obstacle) {
            change.action = Action::Blocked;
            // How it would be made anew is no news where it is not.
            let is_way = |note: &Note| match note {
                // That it would go without a gap is a way out.
                Note::Recreated { why } => *why != NotRolling::Renamed,
                _ => matches!(note, Note::BuiltBeside { .. } | Note::PublishedAnew { .. } | Note::TakesTurn { .. }),
            };
            change.notes.retain(|note| !is_way(note));
            change.rollout = None;
        }
    }

    fn obstacle_in(&self, reference: &Reference, makes_anew: bool) -> Option<Note> {
        match self.matches.target(reference, self.given.world) {
            Target::Missing => Some(Note::MissingReference { missing: reference.clone() }),
            Target::RenamedTo(new) => Some(Note::ReferenceRenamed { stale: reference.clone(), new: new.clone() }),
            Target::Live(_) | Target::Declared(_) if makes_anew && self.fate(reference) == Some(Action::Blocked) => {
                Some(Note::NeedsBlocked { needs: reference.key()? })
            }
            Target::Live(_) | Target::Declared(_) => None,
        }
    }

    /// Returns what has been decided for the declared object that a manifest's reference names.
    fn fate(&self, reference: &Reference) -> Option<Action> {
        self.fates.get(&reference.key()?).copied()
    }

    /// Returns whether a declared and a live reference point at one object, which this plan leaves in existence.
    fn is_same(&self, declared: &Reference, live: &Reference) -> bool {
        if let Some(is_same) = self.rollouts.is_same(declared, live) {
            return is_same;
        }
        let Target::Live(target) = self.matches.target(declared, self.given.world) else { return false };
        declared.kind == live.kind
            && target.name.as_str() == &*live.name
            && self.fate(declared) != Some(Action::Replace)
    }
}

/// Returns the secrets that a new object would have to have and that nobody tells.
fn secrets_lost(object: &Object, live: Option<&Live>, change: &Change) -> Vec<Violation> {
    if !matches!(change.action, Action::Create | Action::Replace) {
        return Vec::new();
    }
    let live = live.filter(|_| change.action == Action::Replace).and_then(|live| live.spec.as_ref().ok());
    let spec = object.spec.settled(live);
    let fields = object.key.kind.fields().iter().zip(spec.values());
    let lost = fields.filter(|(_, value)| value.as_ref().is_some_and(kinds::Value::has_untold));
    let lost = lost.map(|(field, _)| Violation {
        path: field.path,
        message: format!("a new one would have to have the secrets in its {}, which nobody tells", field.path),
        help: "declare it, and where its secrets are".to_owned(),
        other: None,
    });
    lost.collect()
}

/// Returns the parts that would change in place and cannot: those that stay as they were when the object was created, and
/// secrets that are to be kept and are not there.
fn broken_parts(change: &Change) -> Vec<Violation> {
    if !matches!(change.action, Action::Update | Action::Rename) {
        return Vec::new();
    }
    let broken = change.fields.iter().flat_map(|field| {
        let parts = kinds::Value::parts(field.from.as_ref(), field.to.as_ref()).unwrap_or_default();
        parts.into_iter().filter_map(|part| broken_part(field.path, &part))
    });
    broken.collect()
}

fn broken_part(path: &'static str, part: &Part) -> Option<Violation> {
    let place = part.in_field(path);
    let (message, help) = if part.is_fixed && part.from.is_some() {
        let help = "delete the object first, or leave that as it is";
        (format!("{place} stays as it was when the object was created"), help)
    } else if part.to == Some(Tree::Untold) {
        (
            format!("{place} keeps a secret that is not there"),
            "say where the secret is, as `{env: NAME}` or `{file: PATH}`",
        )
    } else {
        return None;
    };
    Some(Violation { path, message, help: help.to_owned(), other: None })
}

/// Lets the record say of fields that are not sent now, and that the server never tells, what was sent last: nothing else
/// tells the next plan that they are not as declared.
fn remember_unsent(unsent: &[FieldChange], entry: Option<&Entry>, change: &mut Change) {
    let untold: Vec<_> = unsent.iter().filter(|field| !field.change.is_told()).map(|field| field.path).collect();
    let (Some(sent), Some(record)) = (entry.and_then(Entry::applied), &mut change.record) else { return };
    let told = record.applied().filter(|_| !untold.is_empty()).map(|declared| declared.with_fields_of(sent, &untold));
    if let Some(told) = told {
        record.applied = told.into();
    }
}

fn outdated(field: FieldChange, choice: &'static str) -> Note {
    Note::Outdated { path: field.path, from: field.from, to: field.to, choice }
}
