//! Stopping, starting and waking sandboxes, and what time does to them.

use std::time::Duration;

use super::{App, Error, Tx, sandboxes as named};
use crate::server::lifecycle::{self, Event, Generation, State};
use crate::server::store::sandboxes::{self, Sandbox};
use crate::types::{SandboxId, Timestamp};

/// How long a request may wait for a sandbox that it wakes.
const WAKING: Duration = Duration::from_mins(2);

impl App {
    /// Stops a sandbox that is ready; its disk stays.
    pub(crate) async fn stop_sandbox(&self, name: String) -> Result<(), Error> {
        self.transact(move |tx| {
            let mut sandbox = named::find(tx, &name)?;
            match lifecycle::next(sandbox.generation(), sandbox.state, Event::StopAsked) {
                Ok(_) => stop(tx, &mut sandbox, tx.now()),
                Err(_) => Err(misplaced(&sandbox, "stopped")),
            }
        })
        .await
    }

    /// Begins to start a sandbox that is stopped or has failed.
    pub(crate) async fn start_sandbox(&self, name: String) -> Result<Sandbox, Error> {
        self.transact(move |tx| {
            let mut sandbox = named::find(tx, &name)?;
            match lifecycle::next(sandbox.generation(), sandbox.state, Event::StartAsked) {
                Ok(_) => start(tx, &mut sandbox)?,
                Err(_) => return Err(misplaced(&sandbox, "started")),
            }
            Ok(sandbox)
        })
        .await
    }

    /// Lets an operation inside a sandbox pass: one of the first generation has to be ready, one of the second is woken.
    pub(crate) async fn usable(&self, id: &SandboxId, operation: &'static str) -> Result<(), Error> {
        let mut sandbox = self.sandbox_by_id(id.clone()).await?;
        if sandbox.generation() == Generation::First {
            sandbox = Self::only_ready(sandbox)?;
        }
        self.needs_process(operation).await?;
        if sandbox.state == State::Ready { Ok(()) } else { self.awake(id).await }
    }

    /// Waits until a sandbox is ready, having started it if it was stopped; refuses one that will not become ready.
    pub(crate) async fn awake(&self, id: &SandboxId) -> Result<(), Error> {
        // One of the first generation is ready or refused, and so is most of the second: no clock is wound for them.
        if self.need(id.clone()).await?.state == State::Ready {
            return Ok(());
        }
        let mut changes = self.0.instances.changes();
        let waiting = async {
            loop {
                changes.borrow_and_update();
                if self.need(id.clone()).await?.state == State::Ready {
                    return Ok(());
                }
                changes.changed().await.expect("this server holds the sender");
            }
        };
        tokio::time::timeout(WAKING, waiting).await.unwrap_or_else(|_| {
            Err(Error::Unavailable(format!("Sandbox '{id}' was not ready within {} seconds", WAKING.as_secs())))
        })
    }

    /// Records that somebody needs a sandbox, which starts it if it was stopped.
    async fn need(&self, id: SandboxId) -> Result<Sandbox, Error> {
        self.transact(move |tx| {
            let sandbox = sandboxes::by_id(tx, &id)?.filter(|sandbox| sandbox.pool_id.is_none());
            let mut sandbox = sandbox.ok_or_else(|| named::not_found(id.as_str()))?;
            match lifecycle::next(sandbox.generation(), sandbox.state, Event::Needed) {
                Err(_) => return Err(named::not_ready(&sandbox)),
                Ok(State::Provisioning) if sandbox.state == State::Stopped => start(tx, &mut sandbox)?,
                Ok(_) => {}
            }
            Ok(sandbox)
        })
        .await
    }
}

fn misplaced(sandbox: &Sandbox, verb: &str) -> Error {
    let (name, status) = (named::display_name(sandbox), sandbox.state.as_str());
    Error::InvalidRequest(format!("Sandbox '{name}' is {status} and cannot be {verb}."))
}

fn start(tx: &Tx<'_>, sandbox: &mut Sandbox) -> Result<(), Error> {
    sandbox.state = State::Provisioning;
    sandbox.status_message = None;
    sandbox.stopped_at = None;
    sandbox.last_activity_at = tx.now();
    sandbox.updated_at = tx.now();
    tx.sets_off_work();
    tx.moves_deadline();
    Ok(sandboxes::update(tx, sandbox)?)
}

fn stop(tx: &Tx<'_>, sandbox: &mut Sandbox, at: Timestamp) -> Result<(), Error> {
    sandbox.state = State::Stopped;
    sandbox.status_message = None;
    sandbox.stopped_at = Some(at);
    sandbox.to_halt = true;
    sandbox.updated_at = tx.now();
    tx.sets_off_work();
    tx.moves_deadline();
    Ok(sandboxes::update(tx, sandbox)?)
}

/// Does to sandboxes what time does: some are stopped, some deleted. A server that was down for long does both to one.
pub(super) fn settle(tx: &Tx<'_>) -> Result<(), Error> {
    loop {
        let mut is_settled = true;
        for (mut sandbox, at) in sandboxes::expired(tx, tx.now())? {
            match lifecycle::next(sandbox.generation(), sandbox.state, Event::Expired) {
                Ok(State::Gone) => {
                    sandboxes::delete(tx, &sandbox.id)?;
                    tx.sets_off_work();
                }
                Ok(State::Stopped) => {
                    stop(tx, &mut sandbox, at)?;
                    is_settled = false;
                }
                Ok(_) | Err(_) => {}
            }
        }
        if is_settled {
            return Ok(());
        }
    }
}
