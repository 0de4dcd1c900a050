//! Makes the runtime equal to the store.
//!
//! One task looks at the store whenever something has changed, and starts what waits to be started, clears away what
//! was deleted, and fills or drains pools. It is driven by what the store says, not by which event woke it: a missed
//! event, a request given up and a killed server all lead here. It owns every task that it starts, and never works on
//! one sandbox twice at the same time.

use std::collections::{HashMap, HashSet};
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{AbortHandle, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::sandboxes::Settled;
use super::{App, Error, Tx};
use crate::server::lifecycle::{self, Event, State};
use crate::server::runtime::{Instance, LaunchError, LaunchErrorKind, LaunchSpec, Mount};
use crate::server::store::pools::{self, Adjustment};
use crate::server::store::sandboxes::{self, Sandbox};
use crate::server::store::templates;
use crate::types::{PoolId, SandboxId};

/// How many sandboxes start at the same time.
const STARTS: usize = 64;

/// How many replicas of pools start at the same time: a large pool must not crowd out who waits for a sandbox.
const REPLICA_STARTS: usize = 8;

/// How long a pool waits after a replica failed to start, doubled with each further failure up to the longest.
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LONGEST_RETRY: Duration = Duration::from_mins(1);

/// How long to wait after a failure of the store before looking again.
const AFTER_FAILURE: Duration = Duration::from_secs(1);

/// Runs until `stop`; then cancels what starts and waits for it.
pub(super) async fn run(app: App, recovered: Vec<SandboxId>, stop: CancellationToken) {
    let mut supervisor = Supervisor::new(app);
    for id in recovered {
        supervisor.watch(id);
    }
    loop {
        let retry_at = supervisor.work().await;
        tokio::select! {
            () = supervisor.app.0.signals.work.notified() => {}
            Some(done) = supervisor.tasks.join_next() => supervisor.note(done),
            () = at(retry_at) => {}
            () = stop.cancelled() => break,
        }
    }
    supervisor.finish().await;
}

async fn at(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => pending().await,
    }
}

struct Supervisor {
    app: App,
    /// The sandboxes that are being started.
    starting: HashMap<SandboxId, Start>,
    /// The sandboxes that are being cleared away.
    removing: HashSet<SandboxId>,
    /// Those who wait for a sandbox to end by itself.
    watching: HashMap<SandboxId, AbortHandle>,
    /// The pools whose last replica failed to start.
    failing: HashMap<PoolId, Failing>,
    tasks: JoinSet<Done>,
}

struct Start {
    pool: Option<PoolId>,
    cancel: CancellationToken,
}

struct Failing {
    n_failures: u32,
    retry_at: Instant,
}

/// What a task reports when it ends.
enum Done {
    Started(SandboxId, Outcome),
    Removed(SandboxId),
    Ended(SandboxId, String),
    EndRecorded,
}

/// How a start ended.
enum Outcome {
    Ready,
    Failed,
    Cancelled,
}

/// What the store wants done.
struct Work {
    start: Vec<(SandboxId, Option<PoolId>)>,
    remove: Vec<SandboxId>,
}

impl Supervisor {
    fn new(app: App) -> Self {
        Self {
            app,
            starting: HashMap::new(),
            removing: HashSet::new(),
            watching: HashMap::new(),
            failing: HashMap::new(),
            tasks: JoinSet::new(),
        }
    }

    /// Looks at the store and begins what is to be done. Returns when to look again though nothing happens.
    async fn work(&mut self) -> Option<Instant> {
        let now = Instant::now();
        let resting: HashSet<PoolId> =
            self.failing.iter().filter(|(_, failing)| failing.retry_at > now).map(|(id, _)| id.clone()).collect();
        let warming: Vec<(SandboxId, PoolId)> =
            self.starting.iter().filter_map(|(id, start)| Some((id.clone(), start.pool.clone()?))).collect();
        let budget = if self.app.0.warm_pools { REPLICA_STARTS.saturating_sub(warming.len()) } else { 0 };
        match self.app.transact(move |tx| look(tx, budget, resting, &warming)).await {
            Ok(work) => self.begin(work),
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "the supervisor cannot read the store");
                return Some(now + AFTER_FAILURE);
            }
        }
        self.failing.values().map(|failing| failing.retry_at).filter(|&at| at > now).min()
    }

    fn begin(&mut self, work: Work) {
        for id in work.remove {
            if let Some(start) = self.starting.get(&id) {
                // It is cleared away once its start has ended, which wakes the supervisor again.
                start.cancel.cancel();
            } else if self.removing.insert(id.clone()) {
                self.remove(id);
            }
        }
        for (id, pool) in work.start {
            if self.starting.len() >= STARTS {
                break;
            }
            if !self.starting.contains_key(&id) {
                self.start(id, pool);
            }
        }
    }

    fn start(&mut self, id: SandboxId, pool: Option<PoolId>) {
        let cancel = CancellationToken::new();
        self.starting.insert(id.clone(), Start { pool, cancel: cancel.clone() });
        let app = self.app.clone();
        self.tasks.spawn(async move {
            let outcome = app.start(&id, &cancel).await;
            Done::Started(id, outcome)
        });
    }

    fn remove(&mut self, id: SandboxId) {
        if let Some(watch) = self.watching.remove(&id) {
            watch.abort();
        }
        self.app.0.sandbox_waiters.forget(&id);
        let app = self.app.clone();
        self.tasks.spawn(async move {
            app.remove(&id).await;
            Done::Removed(id)
        });
    }

    fn watch(&mut self, id: SandboxId) {
        let Some(instance) = self.app.0.instances.of(&id) else { return };
        let watched = id.clone();
        let handle = self.tasks.spawn(async move {
            let reason = instance.ended().await;
            Done::Ended(watched, reason)
        });
        self.watching.insert(id, handle);
    }

    fn note(&mut self, done: Result<Done, tokio::task::JoinError>) {
        match done {
            Ok(Done::Started(id, outcome)) => {
                let start = self.starting.remove(&id);
                if let Some(pool) = start.and_then(|start| start.pool) {
                    self.note_replica(pool, &outcome);
                }
                if let Outcome::Ready = outcome {
                    self.watch(id);
                }
            }
            Ok(Done::Removed(id)) => {
                self.removing.remove(&id);
            }
            Ok(Done::Ended(id, reason)) => {
                self.watching.remove(&id);
                let app = self.app.clone();
                self.tasks.spawn(async move {
                    app.ended(&id, reason).await;
                    Done::EndRecorded
                });
            }
            Ok(Done::EndRecorded) => {}
            Err(error) if error.is_cancelled() => {}
            Err(error) => tracing::error!(%error, "a task of the supervisor panicked"),
        }
    }

    fn note_replica(&mut self, pool: PoolId, outcome: &Outcome) {
        match outcome {
            Outcome::Ready => {
                self.failing.remove(&pool);
            }
            Outcome::Failed => {
                let n_failures = self.failing.get(&pool).map_or(0, |failing| failing.n_failures);
                let wait = FIRST_RETRY.saturating_mul(2_u32.saturating_pow(n_failures)).min(LONGEST_RETRY);
                let failing = Failing { n_failures: n_failures.saturating_add(1), retry_at: Instant::now() + wait };
                self.failing.insert(pool, failing);
            }
            Outcome::Cancelled => {}
        }
    }

    async fn finish(mut self) {
        for start in self.starting.values() {
            start.cancel.cancel();
        }
        for watch in self.watching.values() {
            watch.abort();
        }
        while self.tasks.join_next().await.is_some() {}
    }
}

/// Reads what is to be done, after filling and draining the pools on paper.
///
/// A replica among `warming` that is not stored any more has failed, and its task will report so in a moment: its pool
/// is left alone until then.
fn look(
    tx: &Tx<'_>,
    budget: usize,
    mut resting: HashSet<PoolId>,
    warming: &[(SandboxId, PoolId)],
) -> Result<Work, Error> {
    let mut budget = u32::try_from(budget).unwrap_or(u32::MAX);
    for (id, pool) in warming {
        if sandboxes::find_any(tx, id)?.is_none() {
            resting.insert(pool.clone());
        }
    }
    for pool in pools::to_adjust(tx)? {
        if pool.members > pool.replicas {
            sandboxes::drop_replicas(tx, &pool.pool_id, pool.members - pool.replicas)?;
        } else if !pool.held && !resting.contains(&pool.pool_id) {
            let n_new = budget.min(pool.replicas - pool.members);
            budget -= n_new;
            for _ in 0..n_new {
                sandboxes::insert(tx, &replica(tx, &pool)?)?;
            }
        }
    }
    Ok(Work { start: sandboxes::to_start(tx)?, remove: sandboxes::removals(tx)? })
}

fn replica(tx: &Tx<'_>, pool: &Adjustment) -> Result<Sandbox, Error> {
    let template = super::templates::referred_to(tx, pool.template_id.as_str())?;
    Ok(Sandbox {
        id: SandboxId::new(Uuid::new_v4().to_string()),
        name: None,
        template_id: template.id,
        template_name: template.name,
        pool_id: Some(pool.pool_id.clone()),
        state: State::Provisioning,
        status_message: None,
        waited_for: false,
        held: false,
        ttl: None,
        idle_ttl: None,
        last_activity_at: tx.now(),
        created_at: tx.now(),
        updated_at: tx.now(),
    })
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
    async fn start(&self, id: &SandboxId, cancel: &CancellationToken) -> Outcome {
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
        self.0.runtime.prepare(&spec.image).await?;
        self.0.runtime.launch(id, spec).await
    }

    /// Reads what a sandbox is made from; `None` when it is gone.
    async fn launch_spec(&self, id: &SandboxId) -> Result<Option<LaunchSpec>, Error> {
        let id = id.clone();
        self.transact(move |tx| {
            let Some(sandbox) = sandboxes::find_any(tx, &id)? else { return Ok(None) };
            let template = templates::find(tx, sandbox.template_id.as_str())?;
            Ok(template.map(|template| LaunchSpec {
                image: template.image,
                cpu: template.resources.cpu,
                memory: template.resources.memory,
                storage: template.resources.storage,
                mounts: template
                    .mounts
                    .into_iter()
                    .map(|mount| Mount { volume: mount.volume_id, path: mount.mount_path })
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
        let Some(pool) = recorded else { return Ok(Outcome::Cancelled) };
        match error {
            None => {
                self.0.sandbox_waiters.tell(id, Settled::Ready);
                if let Some(pool) = pool {
                    self.0.pool_waiters.tell(&pool, ());
                }
                Ok(Outcome::Ready)
            }
            Some(error) => {
                tracing::warn!(sandbox.id = %id, kind = %error.kind, reason = %error, "a sandbox did not start");
                self.0.sandbox_waiters.tell(id, Settled::Failed(error));
                Ok(Outcome::Failed)
            }
        }
    }

    /// Records that a sandbox ended by itself: a replica is dropped, another one is `failed` from now on.
    async fn ended(&self, id: &SandboxId, reason: String) {
        if let Some(instance) = self.0.instances.take(id) {
            instance.destroy().await;
        }
        let of = id.clone();
        let recorded = self.transact(move |tx| {
            let Some(mut sandbox) = sandboxes::find_any(tx, &of)? else { return Ok(()) };
            let Ok(state) = lifecycle::next(sandbox.state, Event::Ended) else { return Ok(()) };
            tx.sets_off_work();
            if sandbox.pool_id.is_some() {
                return Ok(sandboxes::delete(tx, &of)?);
            }
            sandbox.state = state;
            sandbox.status_message = Some(reason);
            sandbox.updated_at = tx.now();
            Ok(sandboxes::update(tx, &sandbox)?)
        });
        if let Err(error) = recorded.await {
            tracing::error!(sandbox.id = %id, error = &error as &dyn std::error::Error, "an end is not recorded");
        }
    }

    /// Clears away what a deleted sandbox left.
    async fn remove(&self, id: &SandboxId) {
        match self.0.instances.take(id) {
            Some(instance) => instance.destroy().await,
            None => self.0.runtime.discard(id).await,
        }
        let of = id.clone();
        if let Err(error) = self.transact(move |tx| Ok(sandboxes::removed(tx, &of)?)).await {
            tracing::error!(sandbox.id = %id, error = &error as &dyn std::error::Error, "a removal is not recorded");
        }
    }
}

/// Moves a sandbox on after its start, and returns its pool; `None` when it is gone.
fn record_start(
    tx: &Tx<'_>,
    id: &SandboxId,
    started: bool,
    message: Option<String>,
) -> Result<Option<Option<PoolId>>, Error> {
    let Some(mut sandbox) = sandboxes::find_any(tx, id)? else { return Ok(None) };
    let event = if started { Event::Started } else { Event::StartFailed };
    let Ok(state) = lifecycle::next(sandbox.state, event) else { return Ok(None) };
    let pool = sandbox.pool_id.clone();
    if state == State::Failed && (sandbox.waited_for || pool.is_some()) {
        // Whoever waits is told, and a pool tries again: a failed sandbox stays for nobody to find (contract G12).
        sandboxes::delete(tx, id)?;
        tx.sets_off_work();
        return Ok(Some(pool));
    }
    sandbox.state = state;
    sandbox.status_message = message;
    sandbox.updated_at = tx.now();
    sandboxes::update(tx, &sandbox)?;
    Ok(Some(pool))
}
