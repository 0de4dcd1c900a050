//! Starting, ending and clearing away one sandbox, and recording what became of it.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::sandboxes::Settled;
use super::{App, Error, Tx};
use crate::server::lifecycle::{self, Event, State};
use crate::server::runtime::{Instance, LaunchError, LaunchErrorKind, LaunchSpec, Mount};
use crate::server::store::{sandboxes, templates, volumes};
use crate::types::{PoolId, SandboxId, VolumeId};

/// How long a start may take, fetching the image included. It is the longest that a create can wait: one that nobody
/// waits for must not be on its way for ever either.
const LONGEST_START: Duration = Duration::from_mins(10);

/// How a start ended.
pub(super) enum Outcome {
    Ready,
    Failed,
    Cancelled,
}

impl App {
    /// Finds the sandboxes of an earlier run again, before any request is served; tells which of them run.
    ///
    /// Replicas that do not run any more are dropped: nobody has claimed them, and a pool that is filled makes others.
    pub(super) async fn recover(&self) -> Result<Vec<SandboxId>, Error> {
        let ids = self.transact(|tx| Ok(sandboxes::ids(tx)?)).await?;
        let running = self.0.runtime.recover(&ids).await;
        let ids: Vec<SandboxId> = running.iter().map(|(id, _)| id.clone()).collect();
        for (id, instance) in running {
            self.0.instances.put(id, instance);
        }
        let keep = ids.clone();
        self.transact(move |tx| Ok(sandboxes::drop_unclaimed(tx, &keep)?)).await?;
        Ok(ids)
    }

    /// Starts a sandbox and records what became of it.
    ///
    /// Only the start can be cancelled: once it has ended, it is recorded and who waits is told.
    pub(super) async fn start(&self, id: &SandboxId, cancel: &CancellationToken) -> Outcome {
        let result = match self.launch_spec(id).await {
            Ok(Some(spec)) => match cancel.run_until_cancelled(self.launch(id, &spec)).await {
                Some(result) => result,
                None => return Outcome::Cancelled,
            },
            Ok(None) => return Outcome::Cancelled,
            Err(error) => Err(LaunchError::new(LaunchErrorKind::Unschedulable, error.to_string())),
        };
        match self.settle(id, result).await {
            Ok(outcome) => outcome,
            Err(error) => {
                tracing::error!(sandbox.id = %id, error = &error as &dyn std::error::Error, "a start is not recorded");
                Outcome::Failed
            }
        }
    }

    async fn launch(&self, id: &SandboxId, spec: &LaunchSpec) -> Result<Arc<dyn Instance>, LaunchError> {
        let launch = async {
            self.0.runtime.prepare(&spec.image).await?;
            self.0.runtime.launch(id, spec).await
        };
        let begun = Instant::now();
        let launched = tokio::time::timeout(LONGEST_START, launch).await.unwrap_or_else(|_| {
            let message = format!("not started within {} seconds", LONGEST_START.as_secs());
            Err(LaunchError::new(LaunchErrorKind::Unschedulable, message))
        });
        self.metrics().time_start(launched.is_ok(), begun.elapsed());
        launched
    }

    /// Reads what a sandbox is made from; `None` when it is gone.
    async fn launch_spec(&self, id: &SandboxId) -> Result<Option<LaunchSpec>, Error> {
        let id = id.clone();
        self.transact(move |tx| {
            let Some(sandbox) = sandboxes::by_id(tx, &id)? else { return Ok(None) };
            let template = templates::by_id(tx, &sandbox.template_id)?;
            Ok(template.map(|template| LaunchSpec {
                image: template.image,
                cpu: template.resources.cpu,
                memory: template.resources.memory,
                storage: template.resources.storage,
                mounts: template
                    .mounts
                    .into_iter()
                    .map(|mount| Mount { volume: mount.volume_id, path: mount.path })
                    .collect(),
            }))
        })
        .await
    }

    /// Records how a start ended, and tells who waits for it.
    async fn settle(&self, id: &SandboxId, result: Result<Arc<dyn Instance>, LaunchError>) -> Result<Outcome, Error> {
        let error = match result {
            Ok(instance) => {
                // Kept before the sandbox is seen to be ready: whoever sees that finds it running.
                self.0.instances.put(id.clone(), instance);
                None
            }
            Err(error) => Some(error),
        };
        let (started, message) = (error.is_none(), error.as_ref().map(|error| error.message.clone()));
        let of = id.clone();
        let recorded = self.transact(move |tx| record_start(tx, &of, started, message)).await?;
        let Some(Recorded { pool }) = recorded else { return Ok(Outcome::Cancelled) };
        match error {
            None => {
                self.0.sandbox_waiters.tell(id, Settled::Ready);
                if let Some(pool) = pool {
                    self.0.pool_waiters.tell(&pool, Settled::Ready);
                }
                Ok(Outcome::Ready)
            }
            Some(error) => {
                tracing::warn!(sandbox.id = %id, kind = %error.kind, reason = %error, "a sandbox did not start");
                self.0.instances.refuse(id, &error);
                // What there is no room for now may have room later; nothing else mends itself.
                if let Some(pool) = pool.filter(|_| error.kind != LaunchErrorKind::Unschedulable) {
                    self.0.pool_waiters.tell(&pool, Settled::Failed(error.clone()));
                }
                self.0.sandbox_waiters.tell(id, Settled::Failed(error));
                Ok(Outcome::Failed)
            }
        }
    }

    /// Records that the processes of a sandbox ended by themselves: a replica is dropped, another one is started again on
    /// its disk when somebody needs it.
    pub(super) async fn ended(&self, id: &SandboxId, reason: String) {
        self.0.sessions.end(id);
        if let Some(instance) = self.0.instances.of(id) {
            instance.halt().await;
        }
        let of = id.clone();
        if let Err(error) = self.transact(move |tx| record_end(tx, &of, &reason)).await {
            tracing::error!(sandbox.id = %id, error = &error as &dyn std::error::Error, "an end is not recorded");
        }
        // Whoever waits for it to be gone has it started again: that is recorded after the end.
        self.0.instances.take(id);
    }

    /// Clears away what a deleted sandbox left.
    pub(super) async fn remove(&self, id: &SandboxId) {
        self.0.sessions.end(id);
        self.0.instances.give_up(id);
        match self.0.instances.take(id) {
            Some(instance) => instance.destroy().await,
            None => self.0.runtime.discard(id).await,
        }
        let of = id.clone();
        if let Err(error) = self.transact(move |tx| Ok(sandboxes::removed(tx, &of)?)).await {
            tracing::error!(sandbox.id = %id, error = &error as &dyn std::error::Error, "a removal is not recorded");
        }
    }

    /// Clears away the files of a deleted volume; what fails is tried again by the next server.
    pub(super) async fn remove_volume(&self, id: &VolumeId) -> bool {
        if let Err(error) = self.0.runtime.discard_volume(id).await {
            tracing::warn!(volume.id = %id, %error, "the files of a volume stay behind");
            return false;
        }
        let of = id.clone();
        match self.transact(move |tx| Ok(volumes::removed(tx, &of)?)).await {
            Ok(()) => true,
            Err(error) => {
                tracing::error!(volume.id = %id, error = &error as &dyn std::error::Error, "a removal is not recorded");
                false
            }
        }
    }
}

fn record_end(tx: &Tx<'_>, id: &SandboxId, reason: &str) -> Result<(), Error> {
    let Some(mut sandbox) = sandboxes::by_id(tx, id)? else { return Ok(()) };
    let Ok(state) = lifecycle::next(sandbox.state, Event::Ended) else { return Ok(()) };
    if sandbox.pool_id.is_some() {
        tx.sets_off_work();
        return Ok(sandboxes::delete(tx, id)?);
    }
    sandbox.state = state;
    sandbox.status_message = Some(format!("{reason}; it is started again on its disk when it is used"));
    sandbox.updated_at = tx.now();
    Ok(sandboxes::update(tx, &sandbox)?)
}

/// A start that was recorded.
struct Recorded {
    /// The pool, if it was that of a replica.
    pool: Option<PoolId>,
}

/// Moves a sandbox on after its start; `None` when it is gone.
fn record_start(
    tx: &Tx<'_>,
    id: &SandboxId,
    started: bool,
    message: Option<String>,
) -> Result<Option<Recorded>, Error> {
    let Some(mut sandbox) = sandboxes::by_id(tx, id)? else { return Ok(None) };
    let event = if started { Event::Started } else { Event::StartFailed };
    let Ok(state) = lifecycle::next(sandbox.state, event) else { return Ok(None) };
    let pool = sandbox.pool_id.clone();
    if state == State::Failed && (sandbox.waited_for || pool.is_some()) {
        // Whoever waits is told, and a pool tries again: a failed sandbox stays for nobody to find (contract G12).
        sandboxes::delete(tx, id)?;
        tx.sets_off_work();
        return Ok(Some(Recorded { pool }));
    }
    sandbox.state = state;
    sandbox.waited_for = false;
    sandbox.status_message = message;
    sandbox.updated_at = tx.now();
    sandboxes::update(tx, &sandbox)?;
    Ok(Some(Recorded { pool }))
}
