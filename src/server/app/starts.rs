//! Starting, ending and clearing away one sandbox, and recording what became of it.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::sandboxes::Settled;
use super::{App, Error, Tx, from_snapshot};
use crate::server::lifecycle::{self, Event, State};
use crate::server::runtime::{Instance, LaunchError, LaunchErrorKind, LaunchSpec, Mount};
use crate::server::store::sandboxes::Origin;
use crate::server::store::settings::Settings;
use crate::server::store::snapshots::{Snapshot, Source};
use crate::server::store::{sandboxes, snapshots, templates, volumes};
use crate::types::{ByteSize, PoolId, SandboxId, VolumeId};

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
            if spec.files.is_none() {
                self.0.runtime.prepare(&spec.image).await?;
            }
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
            Ok(match sandbox.origin {
                Origin::Template { id, .. } => templates::by_id(tx, &id)?.map(of_template),
                Origin::Snapshot { id, settings } => {
                    snapshots::by_id(tx, id.as_str())?.map(|snapshot| of_snapshot(snapshot, *settings))
                }
            })
        })
        .await
    }

    /// Records how a start ended, and tells who waits for it.
    async fn settle(&self, id: &SandboxId, result: Result<Arc<dyn Instance>, LaunchError>) -> Result<Outcome, Error> {
        let (error, message) = match result {
            Ok(instance) => {
                let notice = instance.notice().map(str::to_owned);
                // Kept before the sandbox is seen to be ready: whoever sees that finds it running.
                self.0.instances.put(id.clone(), instance);
                (None, notice)
            }
            Err(error) => {
                let message = error.message.clone();
                (Some(error), Some(message))
            }
        };
        let (of, started) = (id.clone(), error.is_none());
        let recorded = self.transact(move |tx| record_start(tx, &of, started, message)).await?;
        // Whoever waits for the sandbox to wake looks again.
        self.0.instances.changed();
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

    /// Ends the processes of a sandbox that is stopped; its disk goes too, unless it is to last.
    pub(super) async fn halt(&self, id: &SandboxId) {
        self.0.sessions.end(id);
        self.0.instances.give_up(id);
        if let Some(instance) = self.0.instances.take(id) {
            instance.halt().await;
        }
        let of = id.clone();
        let lasts = self.transact(move |tx| {
            let sandbox = sandboxes::by_id(tx, &of)?;
            Ok(!sandbox.is_some_and(|sandbox| match &sandbox.origin {
                Origin::Snapshot { settings, .. } => !settings.is_persistent,
                Origin::Template { .. } => false,
            }))
        });
        let halted = async {
            if !lasts.await? {
                self.0.runtime.discard(id).await;
            }
            let of = id.clone();
            self.transact(move |tx| {
                tx.sets_off_work();
                Ok(sandboxes::halted(tx, &of)?)
            })
            .await
        };
        if let Err::<(), Error>(error) = halted.await {
            tracing::error!(sandbox.id = %id, error = &error as &dyn std::error::Error, "a stop is not recorded");
        }
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
    let Ok(state) = lifecycle::next(sandbox.generation(), sandbox.state, Event::Ended) else { return Ok(()) };
    if sandbox.pool_id.is_some() {
        tx.sets_off_work();
        return Ok(sandboxes::delete(tx, id)?);
    }
    sandbox.state = state;
    sandbox.status_message = Some(format!("{reason}; it is started again on its disk when it is used"));
    sandbox.updated_at = tx.now();
    Ok(sandboxes::update(tx, &sandbox)?)
}

fn of_template(template: templates::Template) -> LaunchSpec {
    let mount = |mount: templates::Mount| Mount { volume: mount.volume_id, path: mount.path, read_only: false };
    LaunchSpec {
        image: template.image,
        cpu: template.resources.cpu,
        memory: template.resources.memory,
        storage: template.resources.storage,
        mounts: template.mounts.into_iter().map(mount).collect(),
        files: None,
        workdir: None,
        user: None,
    }
}

fn of_snapshot(snapshot: Snapshot, settings: Settings) -> LaunchSpec {
    let image = match snapshot.source {
        Source::Image { reference, .. } => reference,
        // Its files are there, so that nobody looks for an image.
        Source::Sandbox { id } => format!("captured from {id}"),
    };
    let bytes = |n: u64| n.to_string().parse::<ByteSize>().expect("a number of bytes is a size");
    let volumes = settings.volumes.into_iter();
    LaunchSpec {
        image,
        cpu: format!("{}m", settings.millicores).parse().expect("a number of millicores is an amount of CPU"),
        memory: bytes(settings.memory_bytes),
        storage: Some(bytes(settings.capacity_bytes)),
        mounts: volumes
            .map(|volume| Mount { volume: volume.volume, path: volume.path, read_only: volume.is_read_only })
            .collect(),
        files: snapshot.files,
        workdir: settings.run_config.work_dir,
        user: settings.run_config.user,
    }
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
    let Ok(state) = lifecycle::next(sandbox.generation(), sandbox.state, event) else { return Ok(None) };
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
    if let (Origin::Snapshot { settings, .. }, true) = (&sandbox.origin, started) {
        let parts = sandbox.status_message.take().into_iter().chain(from_snapshot::unenforced(settings));
        sandbox.status_message = Some(parts.collect::<Vec<_>>().join("; ")).filter(|text| !text.is_empty());
        // It begins to be idle now, and not when somebody asked for it.
        sandbox.last_activity_at = tx.now();
    }
    sandbox.updated_at = tx.now();
    sandboxes::update(tx, &sandbox)?;
    tx.moves_deadline();
    Ok(Some(Recorded { pool }))
}
