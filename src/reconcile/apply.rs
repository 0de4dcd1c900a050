//! The executor: performs a plan's steps, each as soon as what it waits for is done.
//!
//! It is one attempt. Whatever happens, running plan and apply again goes on from there: a step checks what it rests
//! on just before it acts, and finds its effect already there if an earlier attempt had it.

mod step;
mod swap;

use std::collections::BinaryHeap;
use std::num::NonZeroUsize;
use std::sync::Arc;

use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::step::Performed;
use self::swap::Names;
pub use self::swap::Sections;
use super::error::StepError;
use super::event::{Counts, Event, EventSink, Phase, RunState};
use super::graph;
use super::inventory::Effect;
use super::plan::{Plan, Step, Verb};
use crate::client::Client;

/// What applying a plan takes beside the plan.
#[derive(Clone)]
pub struct ApplyCx {
    /// The workspace.
    pub client: Client,
    /// How many steps run at once, at most.
    pub parallelism: NonZeroUsize,
    /// Who writes down what becomes of what is owned; `None` where nobody keeps a record.
    pub recorder: Option<Arc<dyn Recorder>>,
    /// What is begun and must not be left half done, also if the apply is; to be waited for before the program ends.
    pub sections: Sections,
}

impl ApplyCx {
    /// Makes a context in which `parallelism` steps run at once, at most, and nobody keeps a record.
    pub fn new(client: Client, parallelism: NonZeroUsize) -> Self {
        Self { client, parallelism, recorder: None, sections: Sections::default() }
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
/// that run are waited for. A plan that is refused ([`Plan::refusals`]) has all its steps reported as not started.
///
/// # Cancel safety
///
/// Dropping the future aborts the running steps where they are: their calls may or may not have had their effect, and a
/// later run finds out.
pub async fn apply(plan: &Plan, cx: &ApplyCx, out: EventSink, stop: CancellationToken) -> Outcome {
    let mut run = Run::new(plan, cx, out);
    if plan.refusals.is_empty() {
        run.drive(&stop).await;
    }
    let is_interrupted = run.finish().await;
    Outcome { state: run.state, is_interrupted: is_interrupted && plan.refusals.is_empty() }
}

type Ended = (usize, Result<Performed, StepError>, std::time::Duration);

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
        };
        for step in (0..plan.steps.len()).filter(|&step| plan.steps[step].after.is_empty()) {
            run.make_ready(step);
        }
        run
    }

    async fn drive(&mut self, stop: &CancellationToken) {
        loop {
            while self.running.len() < self.cx.parallelism.get() && !stop.is_cancelled() {
                let Some(Ready { step: std::cmp::Reverse(step), .. }) = self.ready.pop() else { break };
                self.start(step).await;
            }
            match self.running.join_next().await {
                None => return,
                Some(Ok((step, result, elapsed))) => self.end(step, result, elapsed).await,
                // A step that panicked: `finish` reports it, and the steps that wait for it stay unbegun.
                Some(Err(_)) => {}
            }
        }
    }

    fn make_ready(&mut self, step: usize) {
        self.ready.push(Ready { height: self.heights[step], step: std::cmp::Reverse(step) });
    }

    async fn start(&mut self, index: usize) {
        self.report(index, Phase::Started).await;
        let step = self.plan.steps[index].clone();
        let swap = self.swap_of(&step);
        let (client, sections) = (self.cx.client.clone(), self.cx.sections.clone());
        self.running.spawn(async move {
            let started = Instant::now();
            let result = step::perform(&step, swap, &client, &sections).await;
            (index, result, started.elapsed())
        });
    }

    fn swap_of(&self, step: &Step) -> Option<Names> {
        match &step.verb {
            Verb::Verify { swap, .. } => Names::of(&self.plan.steps[*swap]),
            _ => Names::of(step),
        }
    }

    async fn end(&mut self, step: usize, result: Result<Performed, StepError>, elapsed: std::time::Duration) {
        match result {
            Ok(Performed { how, live }) => {
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
            Err(error) => {
                if let Some(recorder) = self.cx.recorder.as_ref().filter(|_| !error.effects().is_empty()) {
                    recorder.record(error.effects().to_vec());
                }
                self.report(step, Phase::Failed { error: Arc::new(error), elapsed }).await;
                self.skip_followers(step).await;
            }
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

    /// Ends every step that has not ended; returns whether one had not begun.
    async fn finish(&mut self) -> bool {
        let mut is_interrupted = false;
        for step in 0..self.plan.steps.len() {
            match self.state.phase(step) {
                None => {
                    is_interrupted = true;
                    self.report(step, Phase::NotStarted).await;
                }
                Some(Phase::Started) => {
                    let error = Arc::new(StepError::Aborted);
                    self.report(step, Phase::Failed { error, elapsed: std::time::Duration::ZERO }).await;
                    self.skip_followers(step).await;
                }
                Some(_) => {}
            }
        }
        is_interrupted
    }

    async fn report(&mut self, step: usize, phase: Phase) {
        let event = Event { step, phase };
        self.state.fold(event.clone());
        self.out.send(event).await;
    }
}
