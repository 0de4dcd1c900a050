//! The planner: what is declared and what is live become a complete list of steps.
//!
//! [`plan`] and [`plan_removal`] are functions of their arguments. A [`Plan`] is complete: each step has its call, its
//! place in the order and what it rests on; what cannot be done is a [`Change`] that is blocked, with its reason. The
//! executor has no choices left to make. Read `decide.rs` for how an action is chosen, `steps.rs` for the order.

mod adoption;
mod builds;
mod decide;
mod effects;
mod held;
mod matching;
mod note;
mod ownership;
mod parking;
mod policy;
mod quota;
mod rehearsal;
mod removal;
mod renames;
mod reserved;
mod rolling;
mod room;
pub mod saved;
mod steps;
#[cfg(test)]
mod tests;
mod undeclared;

pub use adoption::{Adoption, adopt};
pub use note::{Holder, NotRolling, Note};
pub use policy::{OnDrift, Policy, Refusal, Scope, TakeOver};

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use self::decide::Given;
use self::held::Held;
use self::matching::Matches;
use self::undeclared::Undeclared;
use super::diff::{Cause, FieldChange};
use super::inventory::{Effect, Entry, Inventory};
use super::world::{Desired, World};
use crate::kinds::{CreateOptions, Key, Live, Origin, Reference, Resource, SecretRef, Spec, Value};
use crate::types::{Name, ObjectId};

/// What has to happen for the live state to be what is declared.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// One entry for each declared object, each after those that it refers to.
    pub changes: Vec<Change>,
    /// What [`apply`](super::apply) does, each step after all that it waits for.
    pub steps: Vec<Step>,
    /// What changes in the inventory without a call: objects that are adopted, released, or found to be gone.
    pub effects: Vec<Effect>,
    /// Why no step of this plan may be performed. Empty means: they may.
    pub refusals: Vec<Refusal>,
    /// How many live objects nobody here owns, nor will once the plan is done.
    pub n_unmanaged: usize,
    /// How many owned objects are declared no longer, and stay since nobody asked for them to be pruned.
    pub n_undeclared: usize,
    /// What the plan takes of the quota, where that is limited and changes, or is more on the way than before and after.
    pub peaks: Vec<Peak>,
}

/// How much of a resource is in use before, during and after a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peak {
    /// What is in use.
    pub what: Resource,
    /// How much of it before.
    pub before: u64,
    /// How much of it at most on the way.
    pub peak: u64,
    /// How much of it after.
    pub after: u64,
    /// How much of it there may be, if that is limited.
    pub limit: Option<u64>,
}

/// What happens to one object, and why.
#[derive(Debug, Clone)]
pub struct Change {
    /// The object, by the name it is declared with.
    pub key: Key,
    /// What happens to it.
    pub action: Action,
    /// The id of the live object.
    pub id: Option<ObjectId>,
    /// The name of the live object, if it is another one.
    pub was: Option<Name>,
    /// The spec that is declared; `None` for an object that is removed.
    pub spec: Option<Spec>,
    /// The fields that change.
    pub fields: Vec<FieldChange>,
    /// Why, and what else there is to know.
    pub notes: Vec<Note>,
    /// What the inventory is to hold of it when its steps are done; `None` if nothing.
    pub record: Option<Entry>,
    /// What part it has in a replacement without a gap.
    pub rollout: Option<Rollout>,
    /// Where it is declared.
    pub origin: Option<Origin>,
}

/// What part an object has in a replacement without a gap.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rollout {
    /// It is made anew beside the old object, which then gives it its name.
    Replaces {
        /// The name under which the new object is built, or is found half way.
        incoming: Name,
        /// The id of the new object, if it is there already.
        incoming_id: Option<ObjectId>,
        /// The name that the old object gets.
        retired: Name,
        /// Whether the old object stays under that name, since others that stay refer to it.
        keeps_old: bool,
        /// Whether the old object was not ours, and becomes so.
        takes_over: bool,
        /// When it is built, where the quota has no room for all new objects at once: after the old ones of lower turns
        /// are gone. 0 for all where there is room.
        turn: usize,
    },
    /// It has a reserved name, since a replacement stopped half way, and gets its own.
    Returns,
    /// It was left under a reserved name by a replacement, which is over or was given up.
    Leftover {
        /// The object that was replaced, or was going to be.
        of: Key,
    },
}

/// What happens to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Action {
    /// Nothing live matches: it is made.
    Create,
    /// Only fields that the API can change in place differ.
    Update,
    /// It gets another name; fields that change in place may change too.
    Rename,
    /// A field differs that the API cannot change: it is deleted and made anew.
    Replace,
    /// It is deleted.
    Delete,
    /// It is live, equal and not owned yet: that is recorded, and nothing is sent.
    Adopt,
    /// It stays as it is.
    Keep,
    /// It cannot be done, or not safely.
    Blocked,
}

/// One call, with all that it takes.
#[derive(Debug, Clone)]
pub struct Step {
    /// The object, by the name that it has when the step runs.
    pub key: Key,
    /// The entry of [`Plan::changes`] that this step belongs to.
    pub change: usize,
    /// The call.
    pub verb: Verb,
    /// The steps, as indices of [`Plan::steps`], that must be done before.
    pub after: Vec<usize>,
    /// What the object must still look like for the step to be performed.
    pub expects: Option<Expectation>,
}

/// The call that a step makes.
#[derive(Debug, Clone)]
pub enum Verb {
    /// Creates the object and waits until it is ready.
    Create {
        /// What to make.
        spec: Spec,
        /// How.
        options: CreateOptions,
    },
    /// Changes fields in place.
    Update {
        /// The fields and their new values.
        changes: Vec<(&'static str, Value)>,
    },
    /// Gives the object another name.
    Rename {
        /// The new name.
        to: Name,
    },
    /// Deletes the object.
    Delete {
        /// Whether a later step takes its name, or deletes what it holds, so that it must be seen to be gone.
        is_waited_for: bool,
    },
    /// Takes the name away from the object that has it, if there is one, and gives it to another one: two renames that
    /// nothing comes between. If the second fails for good, the first is undone.
    Swap {
        /// The name that the object gets that has the step's name now; `None` if none has it.
        retired: Option<Name>,
        /// The name of the object that gets the step's name.
        incoming: Name,
        /// The id of that object, if it was there when the plan was made.
        incoming_id: Option<ObjectId>,
    },
    /// Looks whether what refers to the object that a swap renamed still refers to it; if not, takes the swap back.
    Verify {
        /// The objects that must refer to the step's object by its new name.
        holders: Vec<Key>,
        /// The swap to take back, as an index of [`Plan::steps`].
        swap: usize,
        /// Whether nobody has seen before what this server does to references, so that the answer is to be remembered.
        is_news: bool,
    },
}

/// What a step rests on: the object as the plan saw it. Never times or status.
#[derive(Debug, Clone, PartialEq)]
pub struct Expectation {
    /// Its id, if it had one.
    pub id: Option<ObjectId>,
    /// Its spec; `None` if it could not be read, so that its id alone has to tell.
    pub spec: Option<Spec>,
    /// What it refers to that the plan itself gives another name, before this step or beside it.
    pub renamed: Vec<(Reference, Arc<str>)>,
}

/// How many changes of a plan there are of each sort.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// How many objects are made.
    pub create: usize,
    /// How many change in place.
    pub update: usize,
    /// How many get another name.
    pub rename: usize,
    /// How many are made anew.
    pub replace: usize,
    /// How many are deleted.
    pub delete: usize,
    /// How many are recorded as ours, without a call.
    pub adopt: usize,
    /// How many stay as they are.
    pub keep: usize,
    /// How many cannot be brought to what is declared.
    pub blocked: usize,
}

/// Plans to bring the live state to what is declared.
pub fn plan(desired: &Desired, world: &World, policy: &Policy) -> Plan {
    if policy.scope.is_everything() {
        return plan_part(Cow::Borrowed(desired), desired, world, policy).0;
    }
    let mut part = desired.restricted_to(|object| policy.scope.has_declared(object));
    loop {
        let (plan, left_behind) = plan_part(Cow::Borrowed(&part), desired, world, policy);
        if left_behind.is_empty() {
            return plan;
        }
        part = desired.restricted_to(|object| part.get(&object.key).is_some() || left_behind.contains(&object.key));
    }
}

/// Plans a part of what is declared. Returns with it what else is declared and would be left serving what is replaced.
fn plan_part(part: Cow<'_, Desired>, desired: &Desired, world: &World, policy: &Policy) -> (Plan, BTreeSet<Key>) {
    let (held, in_scope) = Held::find(part, desired, world, policy);
    let given = Given { desired: &in_scope, all: desired, held: &held, world, policy };
    let matches = Matches::of(&in_scope, world);
    let undeclared = Undeclared::find(given, &matches);
    let decisions = decide::decide(given, &matches, &undeclared);
    let left_behind = rolling::left_behind(&decisions, given);
    let mut plan = steps::assemble(decisions, world);
    plan.n_undeclared = if policy.prune { 0 } else { undeclared.len() };
    plan.n_unmanaged = undeclared::n_unmanaged(given, &matches, &plan.changes);
    plan.refuse_beyond(policy, world);
    (plan, left_behind)
}

/// Plans to remove declared objects that are owned, those that hold data only if their manifest says so.
pub fn plan_destroy(desired: &Desired, world: &World) -> Plan {
    steps::assemble(removal::destroy(desired, world), world)
}

/// Plans to remove all that is owned, what holds data only if its manifest said so.
pub fn plan_destroy_owned(world: &World) -> Plan {
    steps::assemble(removal::destroy_owned(world), world)
}

/// Plans to remove what replacements that did not end, or were given up, left under reserved names.
///
/// What has a declared name stays, as does what others refer to.
pub fn plan_abort_rollouts(desired: &Desired, world: &World) -> Plan {
    steps::assemble(rolling::abort(desired, world), world)
}

/// Plans to remove these objects, whatever a manifest says.
pub fn plan_removal(keys: &[Key], world: &World) -> Plan {
    steps::assemble(removal::remove(keys, world), world)
}

impl Plan {
    /// Counts the changes of each sort.
    pub fn summary(&self) -> Summary {
        let mut summary = Summary::default();
        for change in &self.changes {
            *match change.action {
                Action::Create => &mut summary.create,
                Action::Update => &mut summary.update,
                Action::Rename => &mut summary.rename,
                Action::Replace => &mut summary.replace,
                Action::Delete => &mut summary.delete,
                Action::Adopt => &mut summary.adopt,
                Action::Keep => &mut summary.keep,
                Action::Blocked => &mut summary.blocked,
            } += 1;
        }
        summary
    }

    /// Returns the objects that somebody changed, deleted or renamed behind the manifests' back.
    pub fn drifted(&self) -> impl Iterator<Item = &Change> {
        self.changes.iter().filter(|change| change.is_drift())
    }

    /// Returns the objects whose protection refuses this plan.
    pub fn protected(&self) -> &[Key] {
        let protected = self.refusals.iter().find_map(|refusal| match refusal {
            Refusal::PreventDestroy { objects } => Some(objects.as_slice()),
            _ => None,
        });
        protected.unwrap_or_default()
    }

    /// Returns the secrets that its steps take.
    pub fn secrets(&self) -> impl Iterator<Item = &SecretRef> {
        self.steps.iter().flat_map(|step| match &step.verb {
            Verb::Create { spec, .. } => spec.secrets().collect(),
            Verb::Update { changes } => {
                let changed: Vec<_> = changes.iter().map(|(path, _)| *path).collect();
                let spec = self.changes.get(step.change).and_then(|change| change.spec.as_ref());
                spec.map(|spec| spec.secrets_of_update(&changed).collect()).unwrap_or_default()
            }
            _ => Vec::new(),
        })
    }

    /// Returns whether there is nothing to do and nothing in the way.
    pub fn is_empty(&self) -> bool {
        let is_kept = |change: &Change| matches!(change.action, Action::Keep | Action::Adopt);
        self.steps.is_empty() && self.changes.iter().all(is_kept)
    }
}

impl Peak {
    /// Returns whether more is in use on the way than before and after.
    pub fn is_passing(&self) -> bool {
        self.peak > self.before.max(self.after)
    }
}

impl Change {
    /// What becomes of a live object that no manifest in sight declares.
    fn of_live(live: &Live, action: Action) -> Self {
        Self {
            key: live.key.clone(),
            action,
            id: live.id.clone(),
            was: None,
            spec: None,
            fields: Vec::new(),
            notes: Vec::new(),
            record: None,
            rollout: None,
            origin: None,
        }
    }

    /// Tells of an object that somebody else renamed by the name that is recorded.
    fn told_as_recorded(self, recorded: &Key) -> Self {
        let was = self.key.name;
        let mut notes = self.notes;
        notes.splice(0..0, [Note::LiveAs { was: was.clone() }, Note::RenamedBehind]);
        Self { key: recorded.clone(), was: Some(was), notes, ..self }
    }

    /// Returns whether somebody changed the object behind the manifests' back.
    pub fn is_drift(&self) -> bool {
        let is_drift = |note: &Note| {
            matches!(
                note,
                Note::DeletedBehind | Note::RenamedBehind | Note::RecreatedBehind { .. } | Note::DriftHeld { .. }
            )
        };
        self.fields.iter().any(|field| field.cause.is_drift()) || self.notes.iter().any(is_drift)
    }

    /// Returns whether the manifests ask for something of it that was never applied, going by what is on record.
    pub fn is_ahead(&self, inventory: &Inventory) -> bool {
        let came_about = |note: &Note| {
            matches!(
                note,
                Note::DeletedBehind
                    | Note::RenamedBehind
                    | Note::RecreatedBehind { .. }
                    | Note::Expired { .. }
                    | Note::Failed { .. }
            )
        };
        let applied = inventory.get(&self.key).and_then(Entry::applied);
        match self.action {
            Action::Keep | Action::Adopt => false,
            Action::Delete => true,
            _ if !self.fields.is_empty() => self.fields.iter().any(|field| field.cause != Cause::Drift),
            // No field tells of what is not there.
            _ => applied != self.spec.as_ref() || !self.notes.iter().any(came_about),
        }
    }

    /// Returns whether nothing is lost by it: the object is replaced without a gap, or was left by such a replacement.
    /// Such changes count as no destruction.
    pub fn is_rolling(&self) -> bool {
        self.rollout.is_some()
    }
}

impl Summary {
    /// Returns how many objects change.
    pub fn n_changes(&self) -> usize {
        self.create + self.update + self.rename + self.replace + self.delete
    }
}

impl Action {
    /// Returns the action's word, as plans and JSON have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Rename => "rename",
            Self::Replace => "replace",
            Self::Delete => "delete",
            Self::Adopt => "adopt",
            Self::Keep => "keep",
            Self::Blocked => "blocked",
        }
    }
}

impl Verb {
    /// Returns the verb's word, as progress and JSON have it.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Create { .. } => "create",
            Self::Update { .. } => "update",
            Self::Rename { .. } => "rename",
            Self::Delete { .. } => "delete",
            Self::Swap { .. } => "swap",
            Self::Verify { .. } => "verify",
        }
    }
}

impl Expectation {
    /// Returns whether `live` is still what the plan saw.
    pub fn holds_for(&self, live: &Live) -> bool {
        let same_id = self.id.is_none() || self.id == live.id;
        let same_spec = match &self.spec {
            Some(seen) => live.spec.as_ref().is_ok_and(|now| self.same_values(seen, now)),
            None => live.spec.is_err(),
        };
        same_id && same_spec
    }

    /// A reference reads the same, or has the name that this plan gives to what it points at.
    fn same_values(&self, seen: &Spec, now: &Spec) -> bool {
        let same = |seen: &Reference, now: &Reference| {
            seen == now || self.renamed.iter().any(|(from, to)| from == seen && *to == now.name)
        };
        let pairs = seen.values().iter().zip(now.values());
        pairs.into_iter().all(|pair| match pair {
            (Some(seen), Some(now)) => seen.is_satisfied_by(now, &same),
            (seen, now) => seen == now,
        })
    }
}
