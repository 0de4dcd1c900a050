//! A workspace on the server in the process, and attempts to bring it to what is declared.

use std::num::NonZeroUsize;
use std::sync::Arc;

use sbx::client::{Client, Config, Transport};
use sbx::kinds;
use sbx::manifest::{Input, Limits, load};
use sbx::reconcile::{ApplyCx, Desired, EventSink, Plan, World, apply, observe, plan};
use sbx::server::runtime::fake::FakeRuntime;
use sbx::server::runtime::{LaunchError, LaunchErrorKind};
use sbx::server::{Embedded, Options, embed};
use sbx::types::Timestamp;
use tokio_util::sync::CancellationToken;

use super::faults::{Fault, FaultPlan, FaultyTransport};
use super::generation::FAILING_IMAGE;
use super::passwords::Variables;

pub(crate) struct Workspace {
    transport: Arc<FaultyTransport>,
    client: Client,
    builds: FakeRuntime,
    _server: Embedded,
}

/// How an attempt to plan and apply ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Attempt {
    /// All steps are done.
    Complete,
    /// It could not be planned, or a step failed.
    Failed,
    /// The program was killed.
    Killed,
}

impl Workspace {
    pub(crate) async fn open(max_retries: u32) -> Self {
        Self::open_on(Options::new(), FakeRuntime::new(), max_retries).await
    }

    /// Opens one in which builds of snapshots can fail.
    pub(crate) async fn open_with_builds(max_retries: u32) -> Self {
        let builds = FakeRuntime::new();
        Self::open_on(Options::new().runtime(Arc::new(builds.clone())), builds, max_retries).await
    }

    async fn open_on(options: Options, builds: FakeRuntime, max_retries: u32) -> Self {
        let server = embed(options).await.expect("a server in memory opens");
        let transport = Arc::new(FaultyTransport::new(server.router()));
        let config = Config::new("http://in.process/v2/sandboxes").max_retries(max_retries);
        let client = Client::with_transport(config, Arc::clone(&transport) as _).expect("the URL is good");
        Self { transport, client, builds, _server: server }
    }

    /// Lets all builds of [`FAILING_IMAGE`] fail from now on, or none.
    pub(crate) fn fail_builds(&self, fail: bool) {
        let error = LaunchError::new(LaunchErrorKind::ImagePull, "there is no such image");
        self.builds.fail_image(FAILING_IMAGE, error, (!fail).then_some(0));
    }

    /// Returns the texts that the server took last, in the fields of an object that may have secrets.
    pub(crate) fn told_of(&self, id: &str) -> Vec<String> {
        self.transport.told.of(id)
    }

    pub(crate) fn begin(&self, fault: Option<(usize, Fault)>) -> FaultPlan {
        self.transport.begin(fault)
    }

    /// Begins to count calls anew; those with these indices go wrong.
    pub(crate) fn begin_all(&self, faults: Vec<(usize, Fault)>) -> FaultPlan {
        self.transport.begin_all(faults)
    }

    /// Counts calls with those of this plan from now on, and returns the one before.
    pub(crate) fn follow(&self, plan: FaultPlan) -> FaultPlan {
        self.transport.follow(plan)
    }

    /// Returns what is to go wrong with the calls of this attempt.
    pub(crate) fn faults(&self) -> FaultPlan {
        self.transport.plan()
    }

    pub(crate) fn n_writes(&self) -> usize {
        self.transport.n_writes()
    }

    /// Plans and applies once; nothing may be blocked.
    pub(crate) async fn attempt(&self, manifests: &str) -> Attempt {
        let four = NonZeroUsize::new(4).expect("4 is not 0");
        self.attempt_with(&desired(manifests), four, |plan| {
            assert!(plan.changes.iter().all(|change| change.action != plan::Action::Blocked), "{:?}", plan.changes);
        })
        .await
    }

    /// Plans, lets `check` see the plan, and applies once.
    pub(crate) async fn attempt_with(
        &self,
        desired: &Desired,
        parallelism: NonZeroUsize,
        check: impl FnOnce(&Plan),
    ) -> Attempt {
        let kill = self.faults().kill;
        let plan_and_apply = async {
            let Some(world) = self.world().await else { return Attempt::Failed };
            let plan = plan::plan(desired, &world, &policy());
            check(&plan);
            let outcome = apply(&plan, &self.cx(parallelism), EventSink::none(), CancellationToken::new()).await;
            if outcome.is_complete() { Attempt::Complete } else { Attempt::Failed }
        };
        tokio::select! {
            biased;
            () = kill.cancelled() => Attempt::Killed,
            attempt = plan_and_apply => attempt,
        }
    }

    pub(crate) async fn must_apply(&self, manifests: &str) {
        assert_eq!(self.attempt(manifests).await, Attempt::Complete, "{manifests}");
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// Returns a client whose requests go through what `wrap` makes of this workspace's transport.
    pub(crate) fn client_through<T: Transport>(&self, wrap: impl FnOnce(Arc<dyn Transport>) -> Arc<T>) -> Client {
        let config = Config::new("http://in.process/v2/sandboxes");
        Client::with_transport(config, wrap(Arc::clone(&self.transport) as _)).expect("the URL is good")
    }

    pub(crate) fn cx(&self, parallelism: NonZeroUsize) -> ApplyCx {
        ApplyCx { secrets: Arc::new(Variables), ..ApplyCx::new(self.client.clone(), parallelism) }
    }

    pub(crate) async fn world(&self) -> Option<World> {
        observe(&self.client.reader(), now()).await.ok()
    }

    pub(crate) async fn volume_ids(&self) -> Vec<String> {
        let world = self.world().await.expect("nothing goes wrong here");
        let volumes = world.iter().filter(|live| live.key.kind == kinds::VOLUME);
        volumes.filter_map(|live| live.id.as_ref().map(ToString::to_string)).collect()
    }

    /// Returns what is live: every object with its spec.
    pub(crate) async fn describe(&self) -> String {
        let world = self.world().await.expect("nothing goes wrong here");
        let lines: Vec<_> = world.iter().map(|live| format!("{} {:?}\n", live.key, live.spec)).collect();
        lines.concat()
    }
}

pub(crate) fn desired(manifests: &str) -> Desired {
    let input = Input::Text { name: "test.yaml".to_owned(), text: manifests.to_owned() };
    if manifests.is_empty() {
        return Desired::default();
    }
    let (documents, mut diagnostics) = load(&[input], &Limits::default());
    let objects = kinds::decode(&documents, &mut diagnostics);
    assert!(!diagnostics.has_errors(), "{diagnostics:?}");
    Desired::new(objects)
}

/// Returns the time at which everything happens.
pub(crate) fn now() -> Timestamp {
    "2026-03-24T12:00:00Z".parse().expect("a time")
}

/// What every simulated plan may do: the cases destroy as much as they like.
pub(crate) fn policy() -> plan::Policy {
    plan::Policy { allow_destroy: Some(usize::MAX), ..plan::Policy::default() }
}
