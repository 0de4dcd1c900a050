//! Performs one step: checks what it rests on, makes its call, and settles what a lost answer leaves open.

use std::time::Duration;

use tokio::time::sleep;

use super::swap::{self, Names, Sections};
use crate::client::{self, Client};
use crate::kinds::{CreateOptions, Health, Key, Live, Spec, is_reserved};
use crate::reconcile::diff::diff;
use crate::reconcile::error::StepError;
use crate::reconcile::event::Done;
use crate::reconcile::plan::{Step, Verb};
use crate::types::Name;

/// How often, and how long apart, an object that was deleted is looked for before its name is taken again, or what it
/// held is deleted. That a name is free at once is an assumption (contract G6).
const GONE_CHECKS: u32 = 20;
const GONE_PAUSE: Duration = Duration::from_millis(250);

/// What a step that is done has to say.
pub(super) struct Performed {
    /// What it took.
    pub(super) how: Done,
    /// The object that it made, or saw before it changed it.
    pub(super) live: Option<Live>,
}

impl From<Done> for Performed {
    fn from(how: Done) -> Self {
        Self { how, live: None }
    }
}

/// Performs a step; `swap` has the names of the swap that it is about, if there is one.
pub(super) async fn perform(
    step: &Step,
    swap: Option<Names>,
    client: &Client,
    sections: &Sections,
) -> Result<Performed, StepError> {
    match &step.verb {
        Verb::Create { spec, options } => create(step, spec, options, client).await,
        Verb::Update { changes } => {
            let live = check(step, client).await?.ok_or_else(|| StepError::Gone { key: step.key.clone() })?;
            step.key.kind.update(client, &step.key.name, changes).await?;
            Ok(Performed { how: Done::Acted, live: Some(live) })
        }
        Verb::Rename { to } => rename(step, to, client).await.map(Performed::from),
        Verb::Delete { is_waited_for } => delete(step, *is_waited_for, client).await.map(Performed::from),
        Verb::Swap { incoming_id, .. } => {
            let names = swap.ok_or(StepError::Aborted)?;
            swap::swap(step, names, incoming_id.as_ref(), client, sections).await
        }
        Verb::Verify { holders, .. } => {
            let names = swap.ok_or(StepError::Aborted)?;
            swap::verify(holders, &names, client, sections).await
        }
    }
}

async fn create(step: &Step, spec: &Spec, options: &CreateOptions, client: &Client) -> Result<Performed, StepError> {
    let performed = match step.key.kind.create(client, &step.key.name, spec, options.clone()).await {
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
pub(super) async fn check(step: &Step, client: &Client) -> Result<Option<Live>, StepError> {
    let Some(live) = look(&step.key, client).await? else { return Ok(None) };
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

async fn rename(step: &Step, to: &Name, client: &Client) -> Result<Done, StepError> {
    let renamed = Key { kind: step.key.kind, name: to.clone() };
    if check(step, client).await?.is_none() {
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

async fn delete(step: &Step, is_waited_for: bool, client: &Client) -> Result<Done, StepError> {
    if check(step, client).await?.is_none() {
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
