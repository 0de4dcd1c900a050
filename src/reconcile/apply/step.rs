//! Performs one step: checks what it rests on, makes its call, and settles what a lost answer leaves open.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::checks::List;
use super::section::Section;
use super::swap::{self, Names};
use crate::client::{self, Client, Deadline};
use crate::kinds::{CreateOptions, Health, Key, Live, Mark, SecretSource, Secrets, Spec, Value, VerbCx, is_reserved};
use crate::reconcile::diff::diff;
use crate::reconcile::error::StepError;
use crate::reconcile::event::Done;
use crate::reconcile::plan::{Step, Verb};
use crate::types::Name;

/// How often, and how long apart, an object that was deleted is looked for before its name is taken again, or what it
/// held is deleted. That a name is free at once is an assumption (contract G6).
const GONE_CHECKS: u32 = 20;
const GONE_PAUSE: Duration = Duration::from_millis(250);

/// How long a step may take beside what it waits for an object to be ready: its looks, its calls with all their
/// attempts, and its turns behind other calls when the server takes only so many at a time.
const ALL_BUT_READY: Duration = Duration::from_mins(5);

/// What a step takes beside itself.
pub(super) struct StepCx {
    /// The workspace. Its calls have a deadline, which is the step's.
    pub(super) client: Client,
    /// Marks what of the step must not be cut in two.
    pub(super) section: Section,
    /// What may stand for the look at the object.
    pub(super) list: Option<List>,
    /// The names of the swap that it makes or looks at.
    pub(super) swap: Option<Names>,
    /// What is declared of its object.
    pub(super) declared: Option<Spec>,
    /// Where secrets are read.
    pub(super) secrets: Arc<dyn SecretSource>,
    /// Who an object that is made is to say that it belongs to.
    pub(super) owner: Option<Arc<str>>,
}

impl StepCx {
    pub(super) fn new(step: &Step, client: &Client, secrets: Arc<dyn SecretSource>) -> Self {
        let client = client.with_deadline(Deadline::after(budget(step)));
        Self { client, section: Section::new(), list: None, swap: None, declared: None, secrets, owner: None }
    }
}

/// Returns how long a step may take.
fn budget(step: &Step) -> Duration {
    let ready = match &step.verb {
        Verb::Create { options, .. } => options.ready_timeout.unwrap_or(step.key.kind.info().ready_timeout),
        _ => Duration::ZERO,
    };
    ready.saturating_add(ALL_BUT_READY)
}

/// What a step that is done has to say.
pub(super) struct Performed {
    /// What it took.
    pub(super) how: Done,
    /// The object that it made, or saw before it changed it, with the end that it has now.
    pub(super) live: Option<Live>,
}

impl From<Done> for Performed {
    fn from(how: Done) -> Self {
        Self { how, live: None }
    }
}

pub(super) async fn perform(step: &Step, cx: &StepCx) -> Result<Performed, StepError> {
    match &step.verb {
        Verb::Create { spec, options } => create(step, spec, options, cx).await,
        Verb::Update { changes } => {
            let live = check(step, cx).await?.ok_or_else(|| StepError::Gone { key: step.key.clone() })?;
            let spec = updated(&live, changes, cx.declared.as_ref())
                .ok_or_else(|| StepError::Changed { key: step.key.clone() })?;
            let changed: Vec<_> = changes.iter().map(|(path, _)| *path).collect();
            let secrets = Secrets::read(spec.secrets_of_update(&changed), &*cx.secrets)?;
            let verb_cx = VerbCx { client: &cx.client, secrets: &secrets, mark: None };
            step.key.kind.update(verb_cx, &step.key.name, &spec, changes).await?;
            Ok(Performed { how: Done::Acted, live: Some(with_end(live, changes, &cx.client).await) })
        }
        Verb::Rename { to } => rename(step, to, cx).await.map(Performed::from),
        Verb::Delete { is_waited_for } => delete(step, *is_waited_for, cx).await.map(Performed::from),
        Verb::Swap { incoming_id, .. } => {
            let names = cx.swap.clone().ok_or(StepError::Aborted)?;
            swap::swap(step, names, incoming_id.as_ref(), cx).await
        }
        Verb::Verify { holders, .. } => {
            let names = cx.swap.as_ref().ok_or(StepError::Aborted)?;
            swap::verify(holders, names, cx).await
        }
    }
}

/// Returns what an object is once fields have changed. What is never read back is as it is declared.
fn updated(live: &Live, changes: &[(&'static str, Value)], declared: Option<&Spec>) -> Option<Spec> {
    let Ok(spec) = &live.spec else { return declared.cloned() };
    let changed = spec.with_changes(changes);
    Some(match declared {
        Some(declared) => changed.with_unreadable_of(declared),
        None => changed,
    })
}

/// Returns an object that was changed with the end that it has now, for the record; without one where that is not told.
async fn with_end(live: Live, changes: &[(&'static str, Value)], client: &Client) -> Live {
    if !changes.iter().any(|(_, value)| matches!(value, Value::Ttl(_))) {
        return live;
    }
    let after = look(&live.key, client).await.ok().flatten().filter(|after| after.id == live.id);
    Live { expires_at: after.and_then(|after| after.expires_at), ..live }
}

async fn create(step: &Step, spec: &Spec, options: &CreateOptions, cx: &StepCx) -> Result<Performed, StepError> {
    let client = &cx.client;
    let secrets = Secrets::read(spec.secrets(), &*cx.secrets)?;
    let declared = cx.declared.as_ref().unwrap_or(spec);
    let mark = cx.owner.as_ref().map(|owner| Mark::new(owner, &step.key, declared));
    let verb_cx = VerbCx { client, secrets: &secrets, mark: mark.as_ref() };
    let performed = match step.key.kind.create(verb_cx, &step.key.name, spec, options.clone()).await {
        Ok(live) => Performed { how: Done::Acted, live: Some(live) },
        Err(error) if error.is_a(client::Kind::AlreadyExists) => adopt_if_equal(&step.key, spec, client).await?,
        Err(error) => return Err(error.into()),
    };
    // What is built beside another object takes its place only with all that was to be carried over.
    if is_reserved(&step.key.name) {
        swap::read_back(&step.key, &options.carry, client).await?;
    }
    Ok(performed)
}

/// Reads the object; an error if it is not what the plan saw, `None` if it is gone.
pub(super) async fn check(step: &Step, cx: &StepCx) -> Result<Option<Live>, StepError> {
    if let Some(list) = cx.list.clone()
        && let Some(live) = list.confirms(step).await
    {
        return Ok(Some(live));
    }
    let Some(live) = look(&step.key, &cx.client).await? else { return Ok(None) };
    match &step.expects {
        Some(expected) if !expected.holds_for(&live) => Err(StepError::Changed { key: step.key.clone() }),
        _ => Ok(Some(live)),
    }
}

pub(super) async fn look(key: &Key, client: &Client) -> Result<Option<Live>, client::Error> {
    match key.kind.get(&client.reader(), &key.name).await {
        Ok(live) => Ok(Some(live)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

/// An equal object under the name is what was asked for, whoever made it; a failed or different one is not.
async fn adopt_if_equal(key: &Key, spec: &Spec, client: &Client) -> Result<Performed, StepError> {
    let is_equal = |live: &Live| {
        let differs = |live: &Spec| !diff(spec, live, &|declared, live| declared == live).is_empty();
        !matches!(live.health, Health::Failed(_)) && live.spec.as_ref().is_ok_and(|live| !differs(live))
    };
    let live = look(key, client).await?.filter(is_equal);
    let live = live.ok_or_else(|| StepError::ExistsDifferent { key: key.clone() })?;
    Ok(Performed { how: Done::AlreadyThere, live: Some(live) })
}

async fn rename(step: &Step, to: &Name, cx: &StepCx) -> Result<Done, StepError> {
    let client = &cx.client;
    let renamed = Key { kind: step.key.kind, name: to.clone() };
    if check(step, cx).await?.is_none() {
        return match look(&renamed, client).await? {
            Some(live) if is_same(step, &live) => Ok(Done::AlreadyThere),
            _ => Err(StepError::Gone { key: step.key.clone() }),
        };
    }
    let error = match step.key.kind.rename(client, &step.key.name, to).await {
        // The client may have settled a lost answer by the new name alone; the id says whether it is the same object.
        Ok(()) => match look(&renamed, client).await? {
            Some(live) if is_same(step, &live) => return Ok(Done::Acted),
            _ => return Err(StepError::Changed { key: renamed }),
        },
        Err(error) if error.is_ambiguous() || error.is_not_found() => error,
        Err(error) => return Err(error.into()),
    };
    // The answer was lost: the object is under one of the two names, and its id tells.
    if look(&renamed, client).await?.is_some_and(|live| is_same(step, &live)) {
        return Ok(Done::Acted);
    }
    match look(&step.key, client).await? {
        Some(live) if is_same(step, &live) => Err(error.into()),
        _ => Err(StepError::RenameLost { key: step.key.clone(), to: to.clone(), cause: error }),
    }
}

fn is_same(step: &Step, live: &Live) -> bool {
    step.expects.as_ref().is_none_or(|expected| expected.holds_for(live))
}

async fn delete(step: &Step, is_waited_for: bool, cx: &StepCx) -> Result<Done, StepError> {
    let client = &cx.client;
    if check(step, cx).await?.is_none() {
        return Ok(Done::AlreadyGone);
    }
    let done = match step.key.kind.delete(client, &step.key.name).await {
        Ok(()) => Done::Acted,
        Err(error) if error.is_not_found() => Done::AlreadyGone,
        Err(error) => return Err(error.into()),
    };
    if is_waited_for {
        wait_until_gone(&step.key, client).await?;
    }
    Ok(done)
}

async fn wait_until_gone(key: &Key, client: &Client) -> Result<(), StepError> {
    for _ in 0..GONE_CHECKS {
        if look(key, client).await?.is_none() {
            return Ok(());
        }
        sleep(GONE_PAUSE).await;
    }
    Err(StepError::StillThere { key: key.clone() })
}
