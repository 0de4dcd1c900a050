//! The executor: performs a plan's steps, each as soon as what it waits for is done.
//!
//! It is one attempt. Whatever happens, running plan and apply again goes on from there: a step checks what it rests
//! on just before it acts, and finds its effect already there if an earlier attempt had it.

mod checks;
mod section;
mod step;
mod swap;
mod waiting;

use std::collections::{BinaryHeap, HashMap};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

pub use self::section::LONGEST as LONGEST_SECTION;

use self::checks::Checks;
use self::step::{Performed, StepCx};
use self::swap::Names;
use super::error::StepError;
use super::event::{Counts, Event, EventSink, Phase, RunState};
use super::graph;
use super::inventory::Effect;
use super::plan::{Plan, Step, Verb};
use crate::client::{Client, Deadline};
use crate::kinds::{NoSecrets, SecretSource};

/// What applying a plan takes beside the plan.
#[derive(Clone)]
pub struct ApplyCx {
    /// The workspace.
    pub client: Client,
    /// How many steps run at once, at most.
    pub parallelism: NonZeroUsize,
    /// Who writes down what becomes of what is owned; `None` where nobody keeps a record.
    pub recorder: Option<Arc<dyn Recorder>>,
    /// Where the secrets are read that manifests name, each just before the call that takes it.
    pub secrets: Arc<dyn SecretSource>,
    /// Who objects are to say that they belong to, if their kind has a place for that; `None` if nobody is named.
    pub owner: Option<Arc<str>>,
    /// When time is up: nothing starts after it, and what runs has [`GRACE`] to end.
    pub deadline: Option<Deadline>,
    /// Cuts running steps off where they are, but for calls that belong together, which have [`LONGEST_SECTION`] to end.
    pub abort: CancellationToken,
}

/// How long running steps may go on once the time of the whole apply is up.
pub const GRACE: Duration = Duration::from_secs(10);

impl ApplyCx {
    /// Makes a context in which `parallelism` steps run at once, at most, for as long as it takes, there are no secrets,
    /// and nobody keeps a record.
    pub fn new(client: Client, parallelism: NonZeroUsize) -> Self {
        let (secrets, abort) = (Arc::new(NoSecrets), CancellationToken::new());
        Self { client, parallelism, recorder: None, secrets, owner: None, deadline: None, abort }
    }
}

/// Writes down what becomes of what is owned.
///
/// What was going to be done is written down before ([`Plan::intents`]), so that nothing waits for these writes: they may
/// be put together, as long as the last of them is done before the program ends.
pub trait Recorder: Send + Sync {
    /// Takes in what a step changed. It must not wait.
    fn record(&self, effects: Vec<Effect>);
}

/// What became of each step.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// How each step ended.
    pub state: RunState,
    /// Whether the apply was told to stop before it was through.
    pub is_interrupted: bool,
    /// Whether its time was up before it was through.
    pub is_out_of_time: bool,
}

impl Outcome {
    /// Counts the steps by how they ended.
    pub fn counts(&self) -> Counts {
        self.state.counts()
    }

    /// Returns whether every step is done.
    pub fn is_complete(&self) -> bool {
        let Counts { done: _, failed, skipped, not_started, running } = self.counts();
        failed + skipped + not_started + running == 0
    }
}

/// Performs the steps of a plan.
///
/// A step that fails stops only those that wait for it. Once `stop` is cancelled no step begins any more, and those
/// that run are waited for; once [`ApplyCx::abort`] is, they are cut off where they are: their calls may or may not have
/// had their effect, and a later run finds out. Either way there is an outcome. A plan that is refused
/// ([`Plan::refusals`]) has all its steps reported as not started.
///
/// # Cancel safety
///
/// Dropping the future cuts the running steps off like `abort`, and also where their calls belong together.
pub async fn apply(plan: &Plan, cx: &ApplyCx, out: EventSink, stop: CancellationToken) -> Outcome {
    let mut run = Run::new(plan, cx, out);
    let why = if plan.refusals.is_empty() { run.drive(&stop).await } else { None };
    let is_through = run.finish().await;
    let is_cut_short = |by| !is_through && why == Some(by);
    let (is_interrupted, is_out_of_time) = (is_cut_short(Halt::Told), is_cut_short(Halt::OutOfTime));
    Outcome { state: run.state, is_interrupted, is_out_of_time }
}

/// Why nothing starts any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Halt {
    Told,
    OutOfTime,
}

type Ended = (usize, Option<Result<Performed, StepError>>, Duration);

struct Run<'a> {
    plan: &'a Plan,
    cx: &'a ApplyCx,
    out: EventSink,
    state: RunState,
    followers: Vec<Vec<usize>>,
    /// How many of the steps that each step waits for are not done yet.
    n_missing: Vec<usize>,
    heights: Vec<usize>,
    /// The steps that may begin, those at the start of the longest chains first.
    ready: BinaryHeap<Ready>,
    running: JoinSet<Ended>,
    /// The steps of the running tasks, for those that do not come back with it.
    tasks: HashMap<Id, usize>,
    checks: Checks,
    /// Cuts running steps off: told from outside, or out of time.
    cut: CancellationToken,
}

/// A step that may begin. The longest chain behind it comes first, then its place in the plan.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Ready {
    height: usize,
    step: std::cmp::Reverse<usize>,
}

impl<'a> Run<'a> {
    fn new(plan: &'a Plan, cx: &'a ApplyCx, out: EventSink) -> Self {
        let after: Vec<_> = plan.steps.iter().map(|step| step.after.clone()).collect();
        let n_missing: Vec<_> = after.iter().map(Vec::len).collect();
        let mut run = Self {
            plan,
            cx,
            out,
            state: RunState::new(plan.steps.len()),
            followers: graph::followers(&after),
            heights: graph::heights(&after),
            n_missing,
            ready: BinaryHeap::new(),
            running: JoinSet::new(),
            tasks: HashMap::new(),
            checks: Checks::new(plan, cx.client.reader()),
            cut: cx.abort.child_token(),
        };
        for step in (0..plan.steps.len()).filter(|&step| plan.steps[step].after.is_empty()) {
            run.make_ready(step);
        }
        run
    }

    /// Performs steps until none is left, or says why it does not go on.
    async fn drive(&mut self, stop: &CancellationToken) -> Option<Halt> {
        loop {
            let halt = self.halt(stop);
            while halt.is_none() && self.running.len() < self.cx.parallelism.get() {
                let Some(Ready { step: std::cmp::Reverse(step), .. }) = self.ready.pop() else { break };
                self.start(step).await;
            }
            let grace_ends = self.cx.deadline.map(|deadline| deadline.instant() + GRACE);
            tokio::select! {
                ended = self.running.join_next_with_id() => match ended {
                    None => return self.halt(stop),
                    Some(Ok((id, (step, result, elapsed)))) => {
                        self.tasks.remove(&id);
                        self.end(step, result, elapsed).await;
                    }
                    Some(Err(error)) => self.lose(&error).await,
                },
                () = at(grace_ends), if !self.cut.is_cancelled() => self.cut.cancel(),
            }
        }
    }

    fn halt(&self, stop: &CancellationToken) -> Option<Halt> {
        if stop.is_cancelled() || self.cx.abort.is_cancelled() {
            Some(Halt::Told)
        } else if self.cx.deadline.is_some_and(Deadline::has_passed) {
            Some(Halt::OutOfTime)
        } else {
            None
        }
    }

    fn make_ready(&mut self, step: usize) {
        self.ready.push(Ready { height: self.heights[step], step: std::cmp::Reverse(step) });
    }

    async fn start(&mut self, index: usize) {
        self.report(index, Phase::Started).await;
        let step = self.plan.steps[index].clone();
        let cx = StepCx {
            list: self.checks.list_for(&step),
            swap: self.swap_of(&step),
            declared: self.plan.changes.get(step.change).and_then(|change| change.spec.clone()),
            owner: self.cx.owner.clone(),
            ..StepCx::new(&step, &waiting::told(&self.cx.client, index, &self.out), Arc::clone(&self.cx.secrets))
        };
        let cut = self.cut.clone();
        let task = self.running.spawn(async move {
            let started = Instant::now();
            let result = cx.section.until_aborted(&cut, step::perform(&step, &cx)).await;
            (index, result, started.elapsed())
        });
        self.tasks.insert(task.id(), index);
    }

    /// Returns the names of the swap that a step makes or looks at.
    fn swap_of(&self, step: &Step) -> Option<Names> {
        match &step.verb {
            Verb::Verify { swap, .. } => Names::of(&self.plan.steps[*swap]),
            _ => Names::of(step),
        }
    }

    async fn end(&mut self, step: usize, result: Option<Result<Performed, StepError>>, elapsed: Duration) {
        match result {
            Some(Ok(Performed { how, live })) => {
                if let Some(recorder) = &self.cx.recorder {
                    recorder.record(self.plan.effects_of(&self.plan.steps[step], live.as_ref()));
                }
                self.report(step, Phase::Done { how, elapsed }).await;
                for follower in self.followers[step].clone() {
                    self.n_missing[follower] -= 1;
                    if self.n_missing[follower] == 0 {
                        self.make_ready(follower);
                    }
                }
            }
            Some(Err(error)) => {
                if let Some(recorder) = self.cx.recorder.as_ref().filter(|_| !error.effects().is_empty()) {
                    recorder.record(error.effects().to_vec());
                }
                self.report(step, Phase::Failed { error: Arc::new(error), elapsed }).await;
                self.skip_followers(step).await;
            }
            // What waits for it is not begun, rather than skipped: nothing went wrong.
            None => self.report(step, Phase::Failed { error: Arc::new(StepError::Aborted), elapsed }).await,
        }
    }

    /// Takes in that a step's task ended without a result: it panicked.
    async fn lose(&mut self, error: &JoinError) {
        if let Some(step) = self.tasks.remove(&error.id()) {
            let error = Arc::new(StepError::Panicked);
            self.report(step, Phase::Failed { error, elapsed: Duration::ZERO }).await;
            self.skip_followers(step).await;
        }
    }

    async fn skip_followers(&mut self, failed: usize) {
        let mut queue = self.followers[failed].clone();
        while let Some(step) = queue.pop() {
            if self.state.phase(step).is_none() {
                self.report(step, Phase::Skipped { because_of: failed }).await;
                queue.extend(&self.followers[step]);
            }
        }
    }

    /// Ends every step that was not begun; returns whether there was none, and none was cut off.
    async fn finish(&mut self) -> bool {
        let mut is_through = true;
        for step in 0..self.plan.steps.len() {
            match self.state.phase(step) {
                None => {
                    is_through = false;
                    self.report(step, Phase::NotStarted).await;
                }
                Some(Phase::Failed { error, .. }) if matches!(**error, StepError::Aborted) => is_through = false,
                Some(_) => {}
            }
        }
        is_through
    }

    async fn report(&mut self, step: usize, phase: Phase) {
        let event = Event { step, phase };
        self.state.fold(event.clone());
        self.out.send(event).await;
    }
}

/// Waits until a point in time; forever if there is none.
async fn at(instant: Option<Instant>) {
    match instant {
        Some(instant) => sleep_until(instant).await,
        None => std::future::pending().await,
    }
}
