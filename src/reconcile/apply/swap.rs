//! Gives one object's name to another: two renames that nothing comes between, and a look at what refers to them.
//!
//! Between the two renames the name is nobody's, so they are one [`Section`](super::section::Section): an abort of the step lets it end, and a
//! second rename that fails for good takes the first one back.

use std::time::Duration;

use tokio::time::sleep;

use super::step::{Performed, StepCx, check, look};
use crate::client::{Client, Deadline};
use crate::kinds::{Key, Live, Reference};
use crate::reconcile::error::StepError;
use crate::reconcile::event::Done;
use crate::reconcile::inventory::{Effect, Habits};
use crate::reconcile::plan::{Step, Verb};
use crate::types::{Name, ObjectId};

/// The names of a swap.
#[derive(Debug, Clone)]
pub(super) struct Names {
    /// The name that changes hands.
    pub(super) key: Key,
    /// The name that its holder gets; `None` if none holds it.
    pub(super) retired: Option<Name>,
    /// The name of the object that gets it.
    pub(super) incoming: Name,
}

impl Names {
    /// Returns the names of a step that is a swap.
    pub(super) fn of(step: &Step) -> Option<Self> {
        let Verb::Swap { retired, incoming, .. } = &step.verb else { return None };
        Some(Self { key: step.key.clone(), retired: retired.clone(), incoming: incoming.clone() })
    }

    fn retired(&self) -> Option<Key> {
        Some(self.named(self.retired.as_ref()?))
    }

    fn incoming(&self) -> Key {
        self.named(&self.incoming)
    }

    fn named(&self, name: &Name) -> Key {
        Key { kind: self.key.kind, name: name.clone() }
    }
}

/// Performs a swap.
pub(super) async fn swap(
    step: &Step,
    names: Names,
    incoming_id: Option<&ObjectId>,
    cx: &StepCx,
) -> Result<Performed, StepError> {
    let incoming = look(&names.incoming(), &cx.client).await?;
    let Some(incoming) = incoming else { return already_swapped(step, &names, incoming_id, &cx.client).await };
    if incoming_id.is_some() && incoming.id.as_ref() != incoming_id {
        return Err(StepError::Changed { key: incoming.key });
    }
    let old = match &names.retired {
        Some(_) => check(step, cx).await?,
        None => None,
    };
    if names.retired.is_some() && old.is_none() {
        // An earlier attempt may have come this far.
        let retired = names.retired().expect("it has a name");
        let is_out = look(&retired, &cx.client).await?.is_some_and(|live| is_seen(step, &live));
        if !is_out {
            return Err(StepError::Gone { key: step.key.clone() });
        }
    }
    cx.section.run(Exchange { names, old, incoming }.run(&cx.client)).await
}

/// The object that was to come in is not there: the swap may be done.
async fn already_swapped(
    step: &Step,
    names: &Names,
    incoming_id: Option<&ObjectId>,
    client: &Client,
) -> Result<Performed, StepError> {
    let now = look(&names.key, client).await?;
    match now {
        Some(live) if incoming_id.is_some() && live.id.as_ref() == incoming_id => {
            Ok(Performed { how: Done::AlreadyThere, live: Some(live) })
        }
        _ => Err(StepError::Gone { key: Key { name: names.incoming.clone(), ..step.key.clone() } }),
    }
}

fn is_seen(step: &Step, live: &Live) -> bool {
    step.expects.as_ref().is_none_or(|expected| expected.id.is_none() || expected.id == live.id)
}

/// Two renames, with the objects as they were just before.
struct Exchange {
    names: Names,
    old: Option<Live>,
    incoming: Live,
}

impl Exchange {
    async fn run(self, client: &Client) -> Result<Performed, StepError> {
        let Self { names, old, incoming } = self;
        if let (Some(old), Some(retired)) = (&old, names.retired()) {
            rename(old, &retired, client).await?;
        }
        match rename(&incoming, &names.key, client).await {
            Ok(live) => Ok(Performed { how: Done::Acted, live: Some(live) }),
            Err(cause) => Err(undo(&names, old.as_ref(), cause, client).await),
        }
    }
}

/// Takes the first rename back, and says how that went.
async fn undo(names: &Names, old: Option<&Live>, cause: StepError, client: &Client) -> StepError {
    let (Some(old), Some(retired)) = (old, names.retired()) else { return cause };
    let there = Live { key: retired.clone(), ..old.clone() };
    let undone = rename(&there, &names.key, client).await;
    StepError::SwapFailed {
        key: names.key.clone(),
        retired: retired.name,
        is_undone: undone.is_ok(),
        cause: Box::new(cause),
    }
}

/// How often a rename is tried whose object did not move, and what is waited in between: what lies between two renames is
/// worth more than one try.
const TRIES: u32 = 3;
const PAUSE: Duration = Duration::from_millis(500);
/// How long one call of a swap may take with all its attempts: the name is nobody's meanwhile.
const LONGEST_CALL: Duration = Duration::from_secs(10);
/// How long a rename may take where each call is answered at the last moment: its tries with a look after each, and a last
/// look.
const LONGEST_RENAME: Duration =
    LONGEST_CALL.saturating_mul(2).saturating_add(PAUSE).saturating_mul(TRIES).saturating_add(LONGEST_CALL);
/// How long two renames and the way back may take.
pub(super) const LONGEST_EXCHANGE: Duration = LONGEST_RENAME.saturating_mul(3);

/// Gives an object another name, and looks whether it has it: of a lost answer, and of one that was settled by the name
/// alone, the id tells.
async fn rename(live: &Live, to: &Key, client: &Client) -> Result<Live, StepError> {
    let brief = || client.with_deadline(Deadline::after(LONGEST_CALL));
    let mut last = None;
    for nth in 0..TRIES {
        if nth > 0 {
            sleep(PAUSE).await;
        }
        let result = live.key.kind.rename(&brief(), &live.key.name, &to.name).await;
        match result {
            Err(error) if !(error.is_ambiguous() || error.is_not_found() || error.is_retryable()) => {
                return Err(error.into());
            }
            result => last = result.err().or(last),
        }
        match look(to, &brief()).await {
            Ok(Some(now)) if is_same(live, &now) => return Ok(now),
            Ok(Some(now)) => return Err(StepError::Changed { key: now.key }),
            Ok(None) | Err(_) => {}
        }
    }
    let is_as_before =
        || async { look(&live.key, &brief()).await.is_ok_and(|now| now.is_some_and(|now| is_same(live, &now))) };
    match last {
        Some(cause) if is_as_before().await => Err(cause.into()),
        Some(cause) => Err(StepError::RenameLost { key: live.key.clone(), to: to.name.clone(), cause }),
        None => Err(StepError::Gone { key: live.key.clone() }),
    }
}

fn is_same(before: &Live, now: &Live) -> bool {
    before.id == now.id
}

/// Looks whether the holders still refer to the object; takes the swap back if one does not.
pub(super) async fn verify(holders: &[Key], swap: &Names, cx: &StepCx) -> Result<Performed, StepError> {
    let wanted = Reference { kind: swap.key.kind, name: swap.key.name.as_str().into() };
    for holder in holders {
        let Some(live) = look(holder, &cx.client).await? else { continue };
        if !live.references().any(|reference| *reference == wanted) {
            let effects = take_back(swap, cx).await;
            let key = swap.key.clone();
            let is_taken_back = effects.len() > 1;
            return Err(StepError::ReferenceStayed { key, holder: holder.clone(), is_taken_back, effects });
        }
    }
    Ok(Performed::from(Done::Acted))
}

/// Returns what that changes in the record: what was learnt, and, where it worked, the names.
async fn take_back(swap: &Names, cx: &StepCx) -> Vec<Effect> {
    let mut effects = vec![Effect::Learn(Habits { references_follow_renames: Some(false) })];
    if cx.section.run(exchange_back(swap, &cx.client)).await.is_ok() {
        effects.push(Effect::Move { from: swap.key.clone(), to: swap.incoming() });
        effects.extend(swap.retired().map(|retired| Effect::Move { from: retired, to: swap.key.clone() }));
    }
    effects
}

async fn exchange_back(names: &Names, client: &Client) -> Result<(), StepError> {
    let gone = |key: Key| StepError::Gone { key };
    let now = look(&names.key, client).await?.ok_or_else(|| gone(names.key.clone()))?;
    let old = match names.retired() {
        Some(retired) => Some(look(&retired, client).await?.ok_or(gone(retired))?),
        None => None,
    };
    rename(&now, &names.incoming(), client).await?;
    if let Some(old) = old {
        rename(&old, &names.key, client).await?;
    }
    Ok(())
}

/// Reads a new object back, and looks whether it has the fields that were carried over into it.
pub(super) async fn read_back(
    key: &Key,
    carried: &serde_json::Map<String, serde_json::Value>,
    client: &Client,
) -> Result<(), StepError> {
    if carried.is_empty() {
        return Ok(());
    }
    let live = look(key, client).await?.ok_or_else(|| StepError::Gone { key: key.clone() })?;
    match carried.iter().find(|(name, value)| live.extra.get(*name) != Some(value)) {
        None => Ok(()),
        Some((field, _)) => Err(StepError::NotCarriedOver { key: key.clone(), field: field.clone() }),
    }
}
