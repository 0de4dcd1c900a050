//! What happens while a plan is applied, as values: the executor sends them, displays fold them.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::error::StepError;

/// Something that happened to a step of the plan.
#[derive(Debug, Clone)]
pub struct Event {
    /// The step, as an index of [`Plan::steps`](super::plan::Plan::steps).
    pub step: usize,
    /// What happened.
    pub phase: Phase,
}

/// How far a step is.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Phase {
    /// It began.
    Started,
    /// It waits for its object. Told when that is news, and now and then; not at all where nobody keeps up.
    Waiting {
        /// How far the object is, in the server's word.
        status: Arc<str>,
        /// How long the step has taken so far.
        elapsed: Duration,
    },
    /// It is done.
    Done {
        /// What it took.
        how: Done,
        /// How long it took.
        elapsed: Duration,
    },
    /// It failed.
    Failed {
        /// Why.
        error: Arc<StepError>,
        /// How long it took.
        elapsed: Duration,
    },
    /// It was not tried, since a step that it waits for is not done.
    Skipped {
        /// The step that failed, at the root of it.
        because_of: usize,
    },
    /// It was not begun, since the apply was told to stop.
    NotStarted,
}

/// How a step came to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Done {
    /// By its call.
    Acted,
    /// An equal object was there already.
    AlreadyThere,
    /// The object was gone already.
    AlreadyGone,
}

/// Where the executor sends its events, in order; a receiver that went away is no reason to stop.
#[derive(Debug, Clone)]
pub struct EventSink(Option<mpsc::Sender<Event>>);

impl EventSink {
    /// Sends events to a bounded channel. The executor waits while it is full: no event is dropped.
    pub fn new(sender: mpsc::Sender<Event>) -> Self {
        Self(Some(sender))
    }

    /// Sends events nowhere.
    pub fn none() -> Self {
        Self(None)
    }

    /// Sends what may be lost: nobody waits for it.
    pub(super) fn offer(&self, event: Event) {
        if let Some(sender) = &self.0 {
            // A full channel has more important things in it.
            let _ = sender.try_send(event);
        }
    }

    pub(super) async fn send(&self, event: Event) {
        if let Some(sender) = &self.0 {
            // A closed channel means that nobody looks any more.
            let _ = sender.send(event).await;
        }
    }
}

/// The state of each step: the fold of all events so far.
#[derive(Debug, Clone)]
pub struct RunState {
    phases: Vec<Option<Phase>>,
}

/// How many steps ended in which way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Steps that are done.
    pub done: usize,
    /// Steps that failed.
    pub failed: usize,
    /// Steps that were skipped because of one that failed.
    pub skipped: usize,
    /// Steps that were not begun.
    pub not_started: usize,
    /// Steps that are running.
    pub running: usize,
}

impl RunState {
    /// Returns the state before the first event of a plan with `n_steps` steps.
    pub fn new(n_steps: usize) -> Self {
        Self { phases: vec![None; n_steps] }
    }

    /// Takes an event in.
    pub fn fold(&mut self, event: Event) {
        self.phases[event.step] = Some(event.phase);
    }

    /// Returns the last phase of a step; `None` if it has not begun.
    pub fn phase(&self, step: usize) -> Option<&Phase> {
        self.phases[step].as_ref()
    }

    /// Returns each step that has a phase, with it.
    pub fn iter(&self) -> impl Iterator<Item = (usize, &Phase)> {
        self.phases.iter().enumerate().filter_map(|(step, phase)| Some((step, phase.as_ref()?)))
    }

    /// Counts the steps by how they ended.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for phase in &self.phases {
            *match phase {
                Some(Phase::Started | Phase::Waiting { .. }) => &mut counts.running,
                Some(Phase::Done { .. }) => &mut counts.done,
                Some(Phase::Failed { .. }) => &mut counts.failed,
                Some(Phase::Skipped { .. }) => &mut counts.skipped,
                Some(Phase::NotStarted) | None => &mut counts.not_started,
            } += 1;
        }
        counts
    }
}

impl Phase {
    /// Returns whether no other event of the step can follow.
    pub fn is_terminal(&self) -> bool {
        !matches!(self, Self::Started | Self::Waiting { .. })
    }
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Acted => "done",
            Self::AlreadyThere => "already there",
            Self::AlreadyGone => "already gone",
        })
    }
}
