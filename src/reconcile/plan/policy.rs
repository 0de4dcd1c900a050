//! What a plan may do, as whoever asks for it says, and why a whole plan is refused.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use super::note::Note;
use super::{Action, Change, Plan, Step, Verb};
use crate::kinds::{self, Key, Object};
use crate::reconcile::inventory::Entry;
use crate::reconcile::world::World;
use crate::types::Selector;

/// What a plan may do.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    /// Whether what is owned and no longer declared is removed.
    pub prune: bool,
    /// What is planned at all, and may be pruned.
    pub scope: Scope,
    /// Which live objects that nobody here owns are brought to what is declared.
    pub take_over: TakeOver,
    /// What happens to what somebody changed behind the manifests' back.
    pub on_drift: OnDrift,
    /// The actions that may be performed; `None` for all of them.
    pub allow: Option<BTreeSet<Action>>,
    /// How many objects may be destroyed although the limit says otherwise; `None` where nobody said.
    pub allow_destroy: Option<usize>,
}

/// A part of what is declared and owned. Everything, by default.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    /// These objects and what they refer to; empty for all.
    pub targets: BTreeSet<Key>,
    /// Those with such labels, declared or recorded, and what they refer to.
    pub selector: Selector,
    /// Of what is owned and no longer declared, only what was declared in one of these files or folders; `None` for all.
    pub sources: Option<Vec<Arc<str>>>,
}

/// Which live objects that nobody here owns are brought to what is declared.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum TakeOver {
    /// None: what is equal is adopted, what differs is blocked.
    #[default]
    Nothing,
    /// These.
    These(BTreeSet<Key>),
    /// All that are declared.
    All,
}

/// What happens to what somebody changed behind the manifests' back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnDrift {
    /// It becomes what is declared.
    #[default]
    Revert,
    /// It stays as it is.
    Hold,
    /// The whole plan is refused.
    Fail,
}

/// Why a whole plan is refused before its first call.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// It would destroy objects that are protected.
    PreventDestroy {
        /// The objects.
        objects: Vec<Key>,
    },
    /// It would destroy more than goes without saying.
    DestroyLimit {
        /// How many objects it destroys.
        n: usize,
        /// How many objects are owned.
        n_owned: usize,
        /// Those among them whose data nothing can make again.
        data: Vec<Key>,
        /// How many were allowed.
        allowed: Option<usize>,
    },
    /// Somebody changed something, and that was to be an error.
    Drift {
        /// The objects.
        objects: Vec<Key>,
    },
    /// A step of it breaks a rule of the server that is written down, or waits for itself: the planner is wrong.
    Impossible {
        /// The step.
        step: String,
        /// The rule, or what else is wrong.
        why: String,
    },
    /// What a saved plan says, in its words.
    Saved {
        /// Why it was refused.
        text: String,
        /// How to go on all the same.
        help: String,
    },
}

impl Scope {
    /// Returns whether this is everything.
    pub fn is_everything(&self) -> bool {
        self.targets.is_empty() && self.selector.is_empty() && self.sources.is_none()
    }

    /// Returns whether a declared object is asked for by itself.
    pub fn has_declared(&self, object: &Object) -> bool {
        (self.targets.is_empty() || self.targets.contains(&object.key)) && self.selector.selects(&object.labels)
    }

    /// Returns whether an object that is owned and no longer declared may be pruned.
    pub fn has_owned(&self, entry: &Entry) -> bool {
        let is_below = |source: &Arc<str>, folder: &Arc<str>| {
            source.strip_prefix(&**folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let in_sources = self.sources.as_ref().is_none_or(|folders| {
            let source = entry.source.as_ref();
            source.is_some_and(|source| folders.iter().any(|folder| &**folder == "." || is_below(source, folder)))
        });
        self.targets.is_empty() && self.selector.selects(&entry.labels) && in_sources
    }
}

impl TakeOver {
    pub(super) fn has(&self, key: &Key) -> bool {
        match self {
            Self::Nothing => false,
            Self::These(keys) => keys.contains(key),
            Self::All => true,
        }
    }
}

impl Plan {
    /// Returns the changes that destroy a live object, rather than put another one in its place first.
    pub fn destroys(&self) -> impl Iterator<Item = &Change> {
        self.destroying().into_iter().map(|change| &self.changes[change])
    }

    fn destroying(&self) -> BTreeSet<usize> {
        let deletes = |step: &&Step| matches!(step.verb, Verb::Delete { .. }) && !kinds::is_reserved(&step.key.name);
        self.steps.iter().filter(deletes).map(|step| step.change).collect()
    }

    /// Refuses the plan if it destroys one of the changes' objects that are protected.
    pub(super) fn refuse_to_destroy(&mut self, is_protected: &[bool]) {
        let mut objects = Vec::new();
        for index in self.destroying().into_iter().filter(|&index| is_protected[index]) {
            let change = &mut self.changes[index];
            change.notes.push(Note::PreventsDestroy);
            objects.push(change.key.clone());
        }
        if !objects.is_empty() {
            self.refusals.push(Refusal::PreventDestroy { objects });
        }
    }

    /// Refuses the plan if it does more than the policy lets pass without a word.
    pub(super) fn refuse_beyond(&mut self, policy: &Policy, world: &World) {
        self.refuse_beyond_limit(policy.allow_destroy, world);
        if policy.on_drift == OnDrift::Fail {
            let objects: Vec<_> = self.drifted().map(|change| change.key.clone()).collect();
            if !objects.is_empty() {
                self.refusals.push(Refusal::Drift { objects });
            }
        }
    }

    /// Refuses the plan if it destroys more than goes without saying, and than `allowed`.
    pub fn refuse_beyond_limit(&mut self, allowed: Option<usize>, world: &World) {
        self.refusals.extend(self.beyond_limit(allowed, world));
    }

    fn beyond_limit(&self, allowed: Option<usize>, world: &World) -> Option<Refusal> {
        let n = self.destroys().count();
        let n_owned = world.inventory.as_ref().map(|inventory| inventory.n_owned());
        let has_failed = |change: &&Change| change.notes.iter().any(|note| matches!(note, Note::Failed { .. }));
        // What failed for good cannot be reached any more, whatever it held.
        let is_lost = |change: &&Change| has_failed(change) && !change.key.kind.info().recovers;
        let holds_data = |change: &&Change| change.key.kind.info().holds_data && !is_lost(change);
        let data: Vec<_> = self.destroys().filter(holds_data).map(|change| change.key.clone()).collect();
        let is_large_part =
            n_owned.is_some_and(|n_owned| n_owned >= SMALLEST_OWNED && n * 100 > n_owned * MOST_PERCENT);
        let is_beyond = n > MOST_DESTROYED || is_large_part || !data.is_empty();
        let is_allowed = allowed.is_some_and(|allowed| n <= allowed);
        let n_owned = n_owned.unwrap_or(world.iter().count());
        (is_beyond && !is_allowed).then_some(Refusal::DestroyLimit { n, n_owned, data, allowed })
    }
}

/// How many objects a plan may destroy without being told so.
const MOST_DESTROYED: usize = 10;
/// How large a part of what is owned, where that is not just a few objects.
const MOST_PERCENT: usize = 30;
const SMALLEST_OWNED: usize = 4;

impl Refusal {
    /// Returns how to go on all the same.
    pub fn help(&self) -> String {
        match self {
            Self::PreventDestroy { .. } => {
                "take `lifecycle.prevent_destroy` away first, in a change of its own; what is declared no longer can be declared \
                 once more without it, or let go of with `sbx forget`"
                    .to_owned()
            }
            Self::DestroyLimit { n, .. } => format!("look at what is destroyed, then add `--allow-destroy {n}`"),
            Self::Impossible { .. } => {
                "this is a bug in sbx, please report it with the plan (`-o json`); nothing was changed, and a part of it may \
                 go with `--target`"
                    .to_owned()
            }
            Self::Saved { help, .. } => help.clone(),
            Self::Drift { .. } => {
                "declare what is live (`sbx drift -o patch` prints how), or use `--on-drift revert` or `hold`"
                    .to_owned()
            }
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PreventDestroy { objects } => {
                let are = if objects.len() == 1 { "is" } else { "are" };
                write!(f, "{} {are} protected by `prevent_destroy`, and this plan would destroy ", list(objects))?;
                f.write_str(if objects.len() == 1 { "it" } else { "them" })
            }
            Self::DestroyLimit { n, data, .. } if !data.is_empty() => {
                write!(
                    f,
                    "this plan destroys {}, and with {} data that nothing can make again",
                    objects(*n),
                    list(data)
                )
            }
            Self::DestroyLimit { n, n_owned, .. } => {
                write!(f, "this plan destroys {} of the {n_owned} that are owned", objects(*n))
            }
            Self::Impossible { step, why } => write!(f, "a step of it cannot be performed, {step}: {why}"),
            Self::Saved { text, .. } => f.write_str(text),
            Self::Drift { objects } => write!(f, "{} changed behind the manifests' back", list(objects)),
        }
    }
}

fn objects(n: usize) -> String {
    if n == 1 { "1 object".to_owned() } else { format!("{n} objects") }
}

/// How many objects are named before the rest is counted.
const SHOWN: usize = 8;

fn list(keys: &[Key]) -> String {
    let shown: Vec<_> = keys.iter().take(SHOWN).map(ToString::to_string).collect();
    match keys.len().saturating_sub(SHOWN) {
        0 => shown.join(", "),
        n_more => format!("{} and {n_more} more", shown.join(", ")),
    }
}
