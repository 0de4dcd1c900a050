//! Makes the runtime equal to the store.
//!
//! One task looks at the store whenever something has changed, and starts what waits to be started, clears away what
//! was deleted, and fills or drains pools. It is driven by what the store says, not by which event woke it: a missed
//! event, a request given up and a killed server all lead here. It owns every task that it starts, and never works on
//! one sandbox twice at the same time.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use tokio::task::{AbortHandle, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::starts::Outcome;
use super::{App, Error, Tx};
use crate::server::clock::at;
use crate::server::lifecycle::State;
use crate::server::store::pools::{self, Adjustment};
use crate::server::store::sandboxes::{self, Origin, Sandbox};
use crate::server::store::{snapshots, volumes};
use crate::types::{Labels, PoolId, SandboxId, SnapshotId, VolumeId};

/// How many sandboxes start at the same time.
const STARTS: usize = 64;

/// How many replicas of pools start at the same time: a large pool must not crowd out who waits for a sandbox.
const REPLICA_STARTS: usize = 8;

/// How many snapshots are built at the same time.
const BUILDS: usize = 4;

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
            // In this order: what was asked for before the server stops is begun, and waited for.
            biased;
            () = supervisor.app.0.signals.work.notified() => {}
            Some(done) = supervisor.tasks.join_next() => supervisor.note(done),
            () = at(retry_at) => {}
            () = stop.cancelled() => break,
        }
    }
    supervisor.finish().await;
}

struct Supervisor {
    app: App,
    /// The sandboxes that are being started.
    starting: HashMap<SandboxId, Start>,
    /// The sandboxes that are being cleared away.
    removing: HashSet<SandboxId>,
    /// The sandboxes whose processes are being ended.
    halting: HashSet<SandboxId>,
    /// The snapshots that are being built.
    building: HashSet<SnapshotId>,
    /// Whether the room of a snapshot is being given back.
    is_freeing: bool,
    /// The volumes that are being cleared away, and those that could not be.
    removing_volumes: HashSet<VolumeId>,
    /// Those who wait for a sandbox to end by itself.
    watching: HashMap<SandboxId, AbortHandle>,
    /// The pools whose last replica failed to start.
    failing: HashMap<PoolId, Failing>,
    tasks: JoinSet<Done>,
}

struct Start {
    pool: Option<PoolId>,
    begun: Instant,
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
    Halted(SandboxId),
    Built(SnapshotId),
    Freed,
    VolumeRemoved(VolumeId, bool),
    Ended(SandboxId, String),
    EndRecorded,
}

/// What the store wants done.
struct Work {
    start: Vec<(SandboxId, Option<PoolId>)>,
    remove: Vec<SandboxId>,
    halt: Vec<SandboxId>,
    build: Vec<SnapshotId>,
    /// Whether deleted snapshots left something.
    free: bool,
    remove_volumes: Vec<VolumeId>,
}

impl Supervisor {
    fn new(app: App) -> Self {
        Self {
            app,
            starting: HashMap::new(),
            removing: HashSet::new(),
            halting: HashSet::new(),
            building: HashSet::new(),
            is_freeing: false,
            removing_volumes: HashSet::new(),
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
            } else if !self.halting.contains(&id) && self.removing.insert(id.clone()) {
                self.remove(id);
            }
        }
        for id in work.halt {
            if let Some(start) = self.starting.get(&id) {
                start.cancel.cancel();
            } else if !self.removing.contains(&id) && self.halting.insert(id.clone()) {
                self.halt(id);
            }
        }
        for id in work.build {
            if self.building.len() < BUILDS && self.building.insert(id.clone()) {
                self.build(id);
            }
        }
        if work.free && !self.is_freeing {
            self.free();
        }
        for id in work.remove_volumes {
            if self.removing_volumes.insert(id.clone()) {
                let app = self.app.clone();
                self.tasks.spawn(async move {
                    let is_removed = app.remove_volume(&id).await;
                    Done::VolumeRemoved(id, is_removed)
                });
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
        for id in self.app.0.instances.wanted() {
            if !self.starting.contains_key(&id) && !self.removing.contains(&id) && !self.halting.contains(&id) {
                self.start(id, None);
            }
        }
    }

    fn start(&mut self, id: SandboxId, pool: Option<PoolId>) {
        let cancel = CancellationToken::new();
        self.starting.insert(id.clone(), Start { pool, begun: Instant::now(), cancel: cancel.clone() });
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

    fn halt(&mut self, id: SandboxId) {
        // That it ends now is no news.
        if let Some(watch) = self.watching.remove(&id) {
            watch.abort();
        }
        let app = self.app.clone();
        self.tasks.spawn(async move {
            app.halt(&id).await;
            Done::Halted(id)
        });
    }

    fn build(&mut self, id: SnapshotId) {
        let (app, stop) = (self.app.clone(), self.app.0.stop.clone());
        self.tasks.spawn(async move {
            // What is cut short is begun anew by the next server.
            let _ = stop.run_until_cancelled(app.build(&id)).await;
            Done::Built(id)
        });
    }

    fn free(&mut self) {
        self.is_freeing = true;
        let app = self.app.clone();
        self.tasks.spawn(async move {
            app.free().await;
            Done::Freed
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
                if let Some(Start { pool: Some(pool), begun, .. }) = self.starting.remove(&id) {
                    self.note_replica(pool, begun, &outcome);
                }
                match outcome {
                    Outcome::Ready => self.watch(id),
                    Outcome::Failed | Outcome::Cancelled => self.app.0.instances.give_up(&id),
                }
            }
            Ok(Done::Removed(id)) => {
                self.removing.remove(&id);
            }
            Ok(Done::Halted(id)) => {
                self.halting.remove(&id);
            }
            Ok(Done::Built(id)) => {
                self.building.remove(&id);
            }
            Ok(Done::Freed) => self.is_freeing = false,
            Ok(Done::VolumeRemoved(id, is_removed)) => {
                if is_removed {
                    self.removing_volumes.remove(&id);
                }
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

    fn note_replica(&mut self, pool: PoolId, begun: Instant, outcome: &Outcome) {
        match outcome {
            Outcome::Ready => {
                self.app.metrics().time_refill(begun.elapsed());
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
        if sandboxes::by_id(tx, id)?.is_none() {
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
    Ok(Work {
        start: sandboxes::to_start(tx)?,
        remove: sandboxes::removals(tx)?,
        halt: sandboxes::to_halt(tx)?,
        build: snapshots::to_build(tx)?,
        free: snapshots::left(tx)?.is_some(),
        remove_volumes: volumes::removals(tx)?,
    })
}

fn replica(tx: &Tx<'_>, pool: &Adjustment) -> Result<Sandbox, Error> {
    let template = super::templates::of_stored(tx, &pool.template_id)?;
    Ok(Sandbox {
        id: SandboxId::new(Uuid::new_v4().to_string()),
        name: None,
        origin: Origin::Template { id: template.id, name: template.name },
        pool_id: Some(pool.pool_id.clone()),
        state: State::Provisioning,
        status_message: None,
        waited_for: false,
        held: false,
        to_halt: false,
        ttl: None,
        idle_ttl: None,
        delete_after_stop: None,
        last_activity_at: tx.now(),
        stopped_at: None,
        labels: Labels::new(),
        created_at: tx.now(),
        updated_at: tx.now(),
    })
}
