//! One fresh list in the place of many checks.
//!
//! Each step that changes or deletes an object looks first whether it is still what the plan saw. Where many objects of a
//! kind are about to be changed, one list that is a few seconds old at most stands for all these looks. It only ever
//! confirms: an object that it shows otherwise, or does not show, is looked at by itself (a list that is read page by
//! page while objects go away may miss some). And it is not asked about an object that several steps are about, so that
//! what this very apply has changed is never judged by an earlier list.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};
use tokio::time::Instant;

use crate::client::Reader;
use crate::kinds::{Key, KindId, Live};
use crate::reconcile::plan::{Plan, Step, Verb};
use crate::types::Name;

/// How old a list may be.
const FRESH: Duration = Duration::from_secs(5);
/// How many checks a list has to stand for: with fewer, reading each object is no slower.
const ENOUGH: usize = 8;

type Reading = Shared<BoxFuture<'static, Option<Arc<HashMap<Key, Live>>>>>;

/// The checks of a plan's steps.
pub(super) struct Checks {
    reader: Reader,
    /// How many steps are about an object.
    n_steps: HashMap<Key, usize>,
    /// How many steps of a kind, not begun yet, a list could stand for.
    n_left: HashMap<KindId, usize>,
    lists: HashMap<KindId, List>,
}

/// The objects of a kind as they were not long ago, maybe still on their way.
#[derive(Clone)]
pub(super) struct List {
    asked_at: Instant,
    objects: Reading,
}

impl Checks {
    pub(super) fn new(plan: &Plan, reader: Reader) -> Self {
        let mut n_steps = HashMap::new();
        plan.steps.iter().flat_map(keys_of).for_each(|key| *n_steps.entry(key).or_default() += 1);
        let mut checks = Self { reader, n_steps, n_left: HashMap::new(), lists: HashMap::new() };
        for step in &plan.steps {
            if checks.is_of_use_for(step) {
                *checks.n_left.entry(step.key.kind).or_default() += 1;
            }
        }
        checks
    }

    /// Returns the list that may stand for the check of a step that begins now.
    pub(super) fn list_for(&mut self, step: &Step) -> Option<List> {
        if !self.is_of_use_for(step) {
            return None;
        }
        let kind = step.key.kind;
        let n_left = self.n_left.get_mut(&kind)?;
        let is_worth_it = *n_left > ENOUGH;
        *n_left -= 1;
        if !self.lists.get(&kind).is_some_and(List::is_fresh) {
            if !is_worth_it {
                return None;
            }
            self.lists.insert(kind, List::read(kind, self.reader.clone()));
        }
        self.lists.get(&kind).cloned()
    }

    fn is_of_use_for(&self, step: &Step) -> bool {
        let is_checked = matches!(step.verb, Verb::Update { .. } | Verb::Delete { .. } | Verb::Rename { .. });
        is_checked && step.expects.is_some() && keys_of(step).all(|key| self.n_steps.get(&key) == Some(&1))
    }
}

impl List {
    fn read(kind: KindId, reader: Reader) -> Self {
        let objects = async move {
            // A list that cannot be read stands for nothing; whatever is wrong, the single looks will find it too.
            let objects = kind.list(&reader).await.ok()?.into_iter().flatten();
            Some(Arc::new(objects.map(|live| (live.key.clone(), live)).collect()))
        };
        Self { asked_at: Instant::now(), objects: objects.boxed().shared() }
    }

    fn is_fresh(&self) -> bool {
        self.asked_at.elapsed() < FRESH
    }

    /// Returns the object if the list shows it as the step expects it, and is fresh enough to be believed.
    pub(super) async fn confirms(self, step: &Step) -> Option<Live> {
        let objects = self.objects.clone().await?;
        let live = objects.get(&step.key)?;
        let is_expected = step.expects.as_ref().is_some_and(|expected| expected.holds_for(live));
        (is_expected && self.is_fresh()).then(|| live.clone())
    }
}

/// Returns every name that a step takes, gives or reads an object by.
fn keys_of(step: &Step) -> impl Iterator<Item = Key> {
    let named = |name: &Name| Key { kind: step.key.kind, name: name.clone() };
    let others = match &step.verb {
        Verb::Rename { to } => vec![named(to)],
        Verb::Swap { retired, incoming, .. } => retired.iter().chain([incoming]).map(named).collect(),
        Verb::Create { .. } | Verb::Update { .. } | Verb::Delete { .. } | Verb::Verify { .. } => Vec::new(),
    };
    std::iter::once(step.key.clone()).chain(others)
}
