//! What the server does, without HTTP: the rules of the API over the store and the runtime.
//!
//! [`App`] is a cheap handle. The modules below add the operations of each kind to it; every one of them is a single
//! transaction, so that its checks and its effect cannot be torn apart by another request. What follows from a
//! transaction (starting a sandbox, filling a pool, clearing up) is never done by the request: [`supervisor`] makes the
//! runtime equal to the store, woken by each change, so that a request that is given up and a killed server end in the
//! same place.

mod activity;
mod builds;
mod capture;
mod claims;
mod clear;
mod error;
mod from_snapshot;
mod instances;
mod links;
mod pools;
mod power;
mod quota;
mod registries;
mod sandboxes;
pub(crate) mod secrets;
mod service_tokens;
pub(crate) mod sessions;
mod sizes;
mod snapshots;
mod starts;
mod supervisor;
mod templates;
mod transaction;
mod volumes;
mod waiters;

pub(crate) use capture::{INCLUDABLE, NewCapture, RESERVED_LABELS};
pub(crate) use error::{Error, Kind, Quota, Users};
pub(crate) use from_snapshot::{NewAttachment, NewFromSnapshot, Reconfiguration, Size};
pub(crate) use pools::{NewPool, PoolChange};
pub(crate) use registries::{Login, NewRegistry, RegistryChange};
pub(crate) use sandboxes::{NewSandbox, SandboxChange, Settled};
pub(crate) use service_tokens::{Download, Service, ServiceTokens};
pub(crate) use snapshots::{LATEST, NewSnapshot, Place};
pub(crate) use templates::{NewMount, NewTemplate};
pub(crate) use transaction::Tx;
pub(crate) use volumes::{NewVolume, VolumeChange};

use std::fmt;
use std::future::Future;
use std::sync::{Arc, OnceLock};

use futures_util::future::join_all;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::activity::Activity;
use self::instances::Instances;
use self::sessions::Sessions;
use self::waiters::Waiters;
use super::clock::Time;
use super::metrics::{Gauges, Metrics};
use super::options::Limits;
use super::reaper;
use super::runtime::Runtime;
use super::store::{self, Store};
use crate::types::{PoolId, SandboxId};

/// A handle to the whole server.
#[derive(Clone)]
pub(crate) struct App(Arc<Inner>);

struct Inner {
    store: Store,
    time: Time,
    limits: Limits,
    runtime: Arc<dyn Runtime>,
    instances: Instances,
    sessions: Sessions,
    activity: Activity,
    service_tokens: ServiceTokens,
    /// Creators that wait for their sandbox to become ready.
    sandbox_waiters: Waiters<SandboxId, Settled>,
    /// Shared while layers are there that no snapshot is recorded to need yet; alone, whoever frees layers.
    layers: tokio::sync::RwLock<()>,
    /// Tells those who wait for a snapshot that one was built.
    builds: watch::Sender<()>,
    /// Creators that wait for the first replica of their pool.
    pool_waiters: Waiters<PoolId, Settled>,
    signals: Arc<Signals>,
    metrics: Metrics,
    warm_pools: bool,
    /// The server's own address, known once it is bound.
    base_url: OnceLock<String>,
    /// Operations that go on when their request is given up.
    operations: TaskTracker,
    /// What goes on with a client after its request was answered, such as a WebSocket.
    conversations: TaskTracker,
    /// Tells conversations and long requests to end.
    closing: CancellationToken,
    /// The supervisor and the reaper.
    background: TaskTracker,
    stop: CancellationToken,
}

/// What wakes the background tasks.
#[derive(Default)]
pub(crate) struct Signals {
    /// The store and the runtime may differ.
    pub(crate) work: Notify,
    /// The next deadline may have changed.
    pub(crate) deadlines: Notify,
}

/// What an [`App`] is made of.
pub(crate) struct Parts {
    pub(crate) store: Store,
    pub(crate) time: Time,
    pub(crate) limits: Limits,
    pub(crate) runtime: Arc<dyn Runtime>,
    /// What the tokens of service URLs are signed with.
    pub(crate) secret: [u8; 32],
    /// Whether pools are filled. An embedded server leaves them empty: it ends with the command that opened it, so
    /// that a replica warmed here would be lost before anybody could claim it.
    pub(crate) warm_pools: bool,
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App").field("runtime", &self.0.runtime.name()).finish_non_exhaustive()
    }
}

impl App {
    /// Takes up what the store holds: settles times to live, finds running sandboxes again, and starts the background
    /// tasks.
    pub(crate) async fn open(parts: Parts) -> Result<Self, Error> {
        let app = Self(Arc::new(Inner {
            store: parts.store,
            time: parts.time,
            limits: parts.limits,
            runtime: parts.runtime,
            instances: Instances::default(),
            sessions: Sessions::default(),
            activity: Activity::default(),
            service_tokens: ServiceTokens::new(&parts.secret),
            sandbox_waiters: Waiters::default(),
            layers: tokio::sync::RwLock::default(),
            builds: watch::Sender::new(()),
            pool_waiters: Waiters::default(),
            signals: Arc::default(),
            metrics: Metrics::default(),
            warm_pools: parts.warm_pools,
            base_url: OnceLock::new(),
            operations: TaskTracker::new(),
            conversations: TaskTracker::new(),
            closing: CancellationToken::new(),
            background: TaskTracker::new(),
            stop: CancellationToken::new(),
        }));
        app.publish_system_snapshots().await?;
        let recovered = app.recover().await?;
        app.0.background.spawn(supervisor::run(app.clone(), recovered, app.0.stop.clone()));
        app.0.background.spawn(reaper::run(app.clone(), app.0.stop.clone()));
        app.0.background.spawn(activity::run(app.clone(), app.0.stop.clone()));
        Ok(app)
    }

    /// Asks conversations and long requests to end, and waits for the conversations.
    pub(crate) async fn end_conversations(&self) {
        self.0.closing.cancel();
        self.0.conversations.close();
        self.0.conversations.wait().await;
    }

    /// Returns what is cancelled when conversations and long requests are to end.
    pub(crate) fn closing(&self) -> &CancellationToken {
        &self.0.closing
    }

    /// Has closing wait for what goes on with a client after its request was answered.
    pub(crate) fn conversation<F: Future<Output = ()>>(&self, conversation: F) -> impl Future<Output = ()> + use<F> {
        self.0.conversations.track_future(conversation)
    }

    /// Runs a conversation on a task of its own; closing waits for it.
    pub(crate) fn spawn_conversation<F: Future<Output = ()> + Send + 'static>(&self, conversation: F) {
        self.0.conversations.spawn(conversation);
    }

    /// Returns what signs and checks the tokens of service URLs.
    pub(crate) fn service_tokens(&self) -> &ServiceTokens {
        &self.0.service_tokens
    }

    /// Waits for the operations that run, stops the background tasks, ends the sandboxes, and closes the store.
    pub(crate) async fn close(&self) {
        self.end_conversations().await;
        self.0.operations.close();
        self.0.operations.wait().await;
        self.0.stop.cancel();
        self.0.background.close();
        self.0.background.wait().await;
        let instances = self.0.instances.take_all();
        join_all(instances.iter().map(|instance| instance.halt())).await;
        self.0.store.close().await;
    }

    /// Makes the background tasks end soon, for whoever cannot wait for [`App::close`].
    pub(crate) fn abandon(&self) {
        self.0.closing.cancel();
        self.0.stop.cancel();
    }

    /// Sets the URL under which clients reach the server.
    pub(crate) fn set_base_url(&self, url: String) {
        self.0.base_url.set(url).expect("a server is bound once");
    }

    /// Returns the URL under which clients reach the server, without a trailing slash.
    pub(crate) fn base_url(&self) -> &str {
        self.0.base_url.get().map_or("http://localhost", String::as_str)
    }

    pub(crate) fn runtime(&self) -> &dyn Runtime {
        &*self.0.runtime
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    /// Counts what there is.
    pub(crate) async fn gauges(&self) -> Result<Gauges, Error> {
        let n_conversations = self.0.conversations.len();
        self.transact(move |tx| {
            Ok(Gauges {
                n_conversations,
                sandboxes: store::sandboxes::census(tx)?,
                pools: store::pools::sizes(tx)?,
                replicas: store::sandboxes::replicas(tx)?,
            })
        })
        .await
    }

    pub(crate) fn time(&self) -> &Time {
        &self.0.time
    }

    pub(crate) fn signals(&self) -> &Signals {
        &self.0.signals
    }

    /// Runs `job` as one transaction: all of it is stored, or nothing when it fails.
    ///
    /// Sandboxes whose time is up are removed first, so that no transaction sees them (contract G38).
    pub(crate) async fn transact<T, F>(&self, job: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&Tx<'_>) -> Result<T, Error> + Send + 'static,
    {
        let time = self.0.time.clone();
        let limits = self.0.limits.clone();
        let signals = Arc::clone(&self.0.signals);
        self.0
            .store
            .run(move |connection| transaction::run(connection, time.now(), &limits, &signals, job))
            .await
            .map_err(Error::Store)?
    }

    /// Runs an operation of several steps to its end, also when its request is given up half-way.
    async fn owned<T, F>(&self, operation: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Error>> + Send + 'static,
    {
        self.0.operations.spawn(operation).await.map_err(|_| Error::Store(store::Error::Closed))?
    }
}
