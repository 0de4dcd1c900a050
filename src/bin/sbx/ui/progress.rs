//! What is going on while a plan is applied: a line for each step that ends, and on a terminal one for each that runs.
//!
//! Everything here is folded from events; whoever feeds them in says when to draw what runs.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use sbx::client::Pace;
use sbx::reconcile::plan::{Step, Verb};
use sbx::reconcile::{Done, Event, Phase, Plan, RunState};
use tokio::time::Instant;

use super::style::{self, paint};
use super::{Ui, escape, json};
use crate::failure::causes_of;

/// How long a run stays unseen before its running steps are drawn: what is quick needs no display.
pub(crate) const REVEAL_AFTER: Duration = Duration::from_millis(250);
/// How often what runs is drawn again.
pub(crate) const REDRAW_EVERY: Duration = Duration::from_millis(100);

/// How often a step that takes long is told of where nothing is drawn, so that a log does not look stuck.
const TELL_EVERY: Duration = Duration::from_mins(1);

/// The progress of a run.
pub(crate) struct Progress<'p> {
    plan: &'p Plan,
    state: RunState,
    /// The server's pace as it was last told.
    pace: Pace,
    display: Display,
}

enum Display {
    /// A line for each step that ends, and one now and then for each that takes long.
    Lines(Slow),
    /// The same, with the running steps below.
    Live(Live),
    /// Each event as a line of JSON.
    Json,
}

impl<'p> Progress<'p> {
    /// Starts showing the progress of a plan.
    pub(crate) fn new(plan: &'p Plan, as_json: bool, ui: &Ui) -> Self {
        let display = match (as_json, ui.is_live()) {
            (true, _) => Display::Json,
            (false, true) => Display::Live(Live::new(plan.steps.len())),
            (false, false) => Display::Lines(Slow::default()),
        };
        Self { plan, state: RunState::new(plan.steps.len()), pace: Pace::default(), display }
    }

    /// Takes in what happened, and shows it.
    pub(crate) fn fold(&mut self, event: &Event, ui: &mut Ui) {
        self.state.fold(event.clone());
        match &mut self.display {
            Display::Json => ui.line(&json::event(self.plan, event).to_string()),
            Display::Lines(slow) => {
                slow.fold(event, Instant::now());
                if let Some(line) = line(self.plan, event) {
                    ui.status(&line);
                }
            }
            Display::Live(live) => {
                live.fold(self.plan, event);
                if let Some(line) = line(self.plan, event) {
                    live.bars.suspend(|| ui.status(&line));
                }
            }
        }
    }

    /// Takes in how fast the server lets go, and tells it where it makes a difference.
    pub(crate) fn pace(&mut self, pace: Pace, ui: &mut Ui) {
        let Some(change) = PaceChange::between(&self.pace, &pace, Instant::now()) else { return };
        self.pace = pace;
        match &self.display {
            Display::Json => ui.line(&json::throttled(change, &pace).to_string()),
            Display::Lines(_) | Display::Live(_) => self.note(&change.to_string(), ui),
        }
    }

    /// Draws what runs, with the time that it has taken so far.
    pub(crate) fn redraw(&mut self, ui: &mut Ui) {
        match &mut self.display {
            Display::Live(live) => live.redraw(),
            Display::Lines(slow) => slow.lines(self.plan, Instant::now()).iter().for_each(|line| ui.status(line)),
            Display::Json => {}
        }
    }

    /// Tells something beside the steps.
    pub(crate) fn note(&self, text: &str, ui: &mut Ui) {
        match &self.display {
            Display::Live(live) => live.bars.suspend(|| ui.status(text)),
            Display::Lines(_) | Display::Json => ui.status(text),
        }
    }

    /// Returns how many steps run.
    pub(crate) fn n_running(&self) -> usize {
        self.state.counts().running
    }

    /// Takes the display away.
    pub(crate) fn finish(&mut self) {
        if let Display::Live(live) = &mut self.display {
            // A terminal that is gone needs no clearing.
            let _ = live.bars.clear();
        }
    }
}

/// The running steps, where nothing shows them all the time.
#[derive(Default)]
struct Slow {
    running: BTreeMap<usize, Running>,
}

/// One of them.
struct Running {
    began: Instant,
    /// When it is told of next.
    next: Instant,
    /// How far its object is, where it waits for that.
    status: Option<Arc<str>>,
}

impl Slow {
    fn fold(&mut self, event: &Event, now: Instant) {
        match &event.phase {
            Phase::Waiting { status, .. } => {
                if let Some(running) = self.running.get_mut(&event.step) {
                    running.status = Some(Arc::clone(status));
                }
            }
            phase if phase.is_terminal() => drop(self.running.remove(&event.step)),
            _ => drop(self.running.insert(event.step, Running { began: now, next: now + TELL_EVERY, status: None })),
        }
    }

    /// Returns a line for each step that it is time to tell of.
    fn lines(&mut self, plan: &Plan, now: Instant) -> Vec<String> {
        let due = self.running.iter_mut().filter(|(_, running)| running.next <= now);
        let line = |(step, running): (&usize, &mut Running)| {
            running.next += TELL_EVERY;
            let elapsed = now.saturating_duration_since(running.began);
            let took = paint(style::DIM, format_args!("({})", seconds(elapsed)));
            format!("still {} {took}", so_far(&plan.steps[*step], running.status.as_deref()))
        };
        due.map(line).collect()
    }
}

/// A change of pace that is worth telling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PaceChange {
    /// The server refused calls as too many.
    Slower {
        /// How long nothing is sent.
        wait: Duration,
        /// How many calls there are at once afterwards, at most.
        limit: usize,
    },
    /// As fast as before.
    Restored,
}

impl PaceChange {
    /// Compares what was told last with what holds now. Refusals of calls that were sent together are told once.
    fn between(told: &Pace, pace: &Pace, now: Instant) -> Option<Self> {
        const AS_GOOD_AS_THE_SAME: Duration = Duration::from_millis(500);
        let Some(limit) = pace.limit else { return told.limit.map(|_| Self::Restored) };
        let resumes_at = pace.resumes_at.unwrap_or(now);
        let is_cut = told.limit.is_none_or(|told| limit < told);
        let is_later = told.resumes_at.is_none_or(|told| resumes_at > told + AS_GOOD_AS_THE_SAME);
        (is_cut || is_later).then(|| Self::Slower { wait: resumes_at.saturating_duration_since(now), limit })
    }
}

impl fmt::Display for PaceChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Slower { wait, limit } => {
                let wait = seconds(*wait);
                write!(f, "The server takes no more requests for {wait}; after that, at most {limit} at once.")
            }
            Self::Restored => f.write_str("The server takes as many requests as before."),
        }
    }
}

/// The running steps on a terminal.
struct Live {
    bars: MultiProgress,
    running: HashMap<usize, ProgressBar>,
    total: ProgressBar,
}

impl Live {
    fn new(n_steps: usize) -> Self {
        let bars = MultiProgress::with_draw_target(ProgressDrawTarget::hidden());
        let total = bars.add(ProgressBar::new(n_steps as u64));
        total.set_style(template("{pos}/{len} done, {elapsed}"));
        Self { bars, running: HashMap::new(), total }
    }

    fn fold(&mut self, plan: &Plan, event: &Event) {
        match &event.phase {
            Phase::Waiting { status, .. } => {
                if let Some(bar) = self.running.get(&event.step) {
                    bar.set_message(so_far(&plan.steps[event.step], Some(status)));
                }
            }
            phase if phase.is_terminal() => {
                if let Some(bar) = self.running.remove(&event.step) {
                    bar.finish_and_clear();
                    self.bars.remove(&bar);
                }
            }
            _ => {
                let bar = self.bars.insert_before(&self.total, ProgressBar::new_spinner());
                bar.set_style(template("{spinner} {msg} ({elapsed})"));
                bar.set_message(so_far(&plan.steps[event.step], None));
                self.running.insert(event.step, bar);
            }
        }
        if matches!(event.phase, Phase::Done { .. }) {
            self.total.inc(1);
        }
    }

    fn redraw(&mut self) {
        if self.bars.is_hidden() {
            self.bars.set_draw_target(ProgressDrawTarget::stderr());
        }
        self.running.values().chain([&self.total]).for_each(ProgressBar::tick);
    }
}

fn template(text: &str) -> ProgressStyle {
    ProgressStyle::with_template(text).expect("the templates are written in this file")
}

/// Returns the line about a step that ended, or `None` for other events.
pub(crate) fn line(plan: &Plan, event: &Event) -> Option<String> {
    let step = &plan.steps[event.step];
    let took = |elapsed: &Duration| paint(style::DIM, format_args!("({})", seconds(*elapsed)));
    Some(match &event.phase {
        Phase::Done { how: Done::Acted, elapsed } => {
            format!("{} {}", paint(style_of(&step.verb), did(step)), took(elapsed))
        }
        Phase::Done { how, elapsed } => format!("{} was {how} {}", step.key, took(elapsed)),
        Phase::Failed { error, elapsed } => {
            let failed = paint(style::ALERT, format_args!("failed to {}", to_do(step)));
            let reasons: Vec<_> = std::iter::once(error.to_string()).chain(causes_of(&**error)).collect();
            format!("{failed} {}: {}", took(elapsed), escape(&reasons.join(": ")))
        }
        Phase::Skipped { because_of } => {
            let cause = to_do(&plan.steps[*because_of]);
            format!("{} {}: could not {cause}", paint(style::CHANGE, "did not"), to_do(step))
        }
        _ => return None,
    })
}

/// Returns what a step did: `created pool/a`.
pub(crate) fn did(step: &Step) -> String {
    match &step.verb {
        Verb::Create { .. } => format!("created {}", step.key),
        Verb::Update { .. } => format!("updated {}", step.key),
        Verb::Rename { to } => format!("renamed {} to {to}", step.key),
        Verb::Delete { .. } => format!("deleted {}", step.key),
        Verb::Swap { incoming, .. } => format!("put {incoming} in the place of {}", step.key),
        Verb::Verify { .. } => format!("verified {}", step.key),
    }
}

/// Returns what a step is to do: `create pool/a`.
pub(crate) fn to_do(step: &Step) -> String {
    match &step.verb {
        Verb::Rename { to } => format!("rename {} to {to}", step.key),
        Verb::Swap { incoming, .. } => format!("put {incoming} in the place of {}", step.key),
        verb => format!("{} {}", verb.as_str(), step.key),
    }
}

/// Returns what a step does, and how far that is: `creating snapshot/a, building`.
fn so_far(step: &Step, status: Option<&str>) -> String {
    let status = status.map(|status| format!(", {}", escape(status))).unwrap_or_default();
    format!("{}{status}", doing(step))
}

/// Returns what a step does while it runs: `creating pool/a`.
fn doing(step: &Step) -> String {
    match &step.verb {
        Verb::Create { .. } => format!("creating {}", step.key),
        Verb::Update { .. } => format!("updating {}", step.key),
        Verb::Rename { to } => format!("renaming {} to {to}", step.key),
        Verb::Delete { .. } => format!("deleting {}", step.key),
        Verb::Swap { incoming, .. } => format!("putting {incoming} in the place of {}", step.key),
        Verb::Verify { .. } => format!("verifying {}", step.key),
    }
}

fn style_of(verb: &Verb) -> anstyle::Style {
    match verb {
        Verb::Create { .. } => style::ADD,
        Verb::Update { .. } | Verb::Rename { .. } | Verb::Swap { .. } | Verb::Verify { .. } => style::CHANGE,
        Verb::Delete { .. } => style::REMOVE,
    }
}

/// Returns a duration for people, with two or three digits that matter.
pub(crate) fn seconds(duration: Duration) -> String {
    match duration.as_secs() {
        0 => format!("{}ms", duration.as_millis()),
        1..60 => format!("{:.1}s", duration.as_secs_f64()),
        whole => format!("{}m {:02}s", whole / 60, whole % 60),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use anstream::adapter::strip_str;
    use sbx::kinds::{self, Health, Live as LiveObject, Object};
    use sbx::manifest::{self, Input, Limits};
    use sbx::reconcile::plan::{Policy, plan};
    use sbx::reconcile::{Desired, StepError, World};
    use sbx::types::Timestamp;

    use super::*;

    fn objects(text: &str) -> Vec<Object> {
        if text.is_empty() {
            return Vec::new();
        }
        let input = Input::Text { name: "test.yaml".to_owned(), text: text.to_owned() };
        let (documents, mut diagnostics) = manifest::load(&[input], &Limits::default());
        let objects = kinds::decode(&documents, &mut diagnostics);
        assert!(!diagnostics.has_errors(), "{diagnostics:?}");
        objects
    }

    /// Returns what manifests declare.
    pub(crate) fn desired(text: &str) -> Desired {
        Desired::new(objects(text))
    }

    /// Returns a world in which live is what manifests declare.
    pub(crate) fn world(text: &str) -> World {
        let live = objects(text).into_iter().map(|object| LiveObject {
            key: object.key,
            id: None,
            spec: Ok(object.spec),
            health: Health::Good,
            created_at: None,
            expires_at: None,
            mark: None,
            build: None,
            extra: serde_json::Map::new(),
        });
        World::new(live, Timestamp::from_microseconds(0).expect("the epoch is a time"))
    }

    #[test]
    fn what_takes_long_is_told_of_every_minute() {
        let declared = "{apiVersion: sbx/v1, kind: Volume, metadata: {name: data}, spec: {size: 10Gi}}";
        let plan = plan(&desired(declared), &world(""), &Policy::default());
        let (mut slow, began) = (Slow::default(), Instant::now());
        slow.fold(&Event { step: 0, phase: Phase::Started }, began);
        let mut lines_after = |seconds| slow.lines(&plan, began + Duration::from_secs(seconds)).concat();
        assert_eq!(lines_after(59), "");
        assert_eq!(strip_str(&lines_after(60)).to_string(), "still creating volume/data (1m 00s)");
        assert_eq!(lines_after(61), "");
        assert_eq!(strip_str(&lines_after(125)).to_string(), "still creating volume/data (2m 05s)");
        let waiting = Phase::Waiting { status: "building".into(), elapsed: Duration::from_secs(126) };
        slow.fold(&Event { step: 0, phase: waiting }, began + Duration::from_secs(126));
        let lines = slow.lines(&plan, began + Duration::from_mins(3)).concat();
        assert_eq!(strip_str(&lines).to_string(), "still creating volume/data, building (3m 00s)");
        slow.fold(&Event { step: 0, phase: Phase::Done { how: Done::Acted, elapsed: Duration::ZERO } }, began);
        assert!(slow.lines(&plan, began + Duration::from_hours(1)).is_empty());
    }

    #[test]
    fn a_change_of_pace_is_told_once() {
        let now = Instant::now();
        let pace = |limit, seconds| Pace { limit, resumes_at: Some(now + Duration::from_secs(seconds)), n_refused: 1 };
        let slower = |seconds, limit| Some(PaceChange::Slower { wait: Duration::from_secs(seconds), limit });
        let change = |told: Pace, pace: Pace| PaceChange::between(&told, &pace, now);
        assert_eq!(change(Pace::default(), Pace::default()), None);
        assert_eq!(change(Pace::default(), pace(Some(5), 2)), slower(2, 5));
        assert_eq!(change(pace(Some(5), 2), pace(Some(5), 2)), None);
        assert_eq!(change(pace(Some(5), 2), pace(Some(6), 2)), None);
        assert_eq!(change(pace(Some(5), 2), pace(Some(2), 2)), slower(2, 2));
        assert_eq!(change(pace(Some(1), 2), pace(Some(1), 9)), slower(9, 1));
        assert_eq!(change(pace(Some(9), 2), pace(None, 2)), Some(PaceChange::Restored));
        assert_eq!(
            slower(2, 5).map(|change| change.to_string()).as_deref(),
            Some("The server takes no more requests for 2.0s; after that, at most 5 at once.")
        );
    }

    #[test]
    fn a_recorded_run_in_lines() {
        let declared = "
{apiVersion: sbx/v1, kind: Volume, metadata: {name: data}, spec: {size: 10Gi}}
---
{apiVersion: sbx/v1, kind: Template, metadata: {name: a}, spec: {image: x, volume_mounts: [{volume_name: data, mount_path: /a}]}}
---
{apiVersion: sbx/v1, kind: Sandbox, metadata: {name: box}, spec: {template_name: a}}
";
        let plan = plan(&desired(declared), &world(""), &Policy::default());
        let elapsed = Duration::from_millis(1234);
        let error = || Arc::new(StepError::ExistsDifferent { key: plan.steps[1].key.clone() });
        let events = [
            (0, Phase::Started),
            (0, Phase::Done { how: Done::Acted, elapsed }),
            (1, Phase::Started),
            (1, Phase::Done { how: Done::AlreadyThere, elapsed }),
            (1, Phase::Failed { error: error(), elapsed: Duration::from_secs(65) }),
            (2, Phase::Skipped { because_of: 1 }),
            (2, Phase::NotStarted),
        ];
        let lines: Vec<_> =
            events.into_iter().filter_map(|(step, phase)| line(&plan, &Event { step, phase })).collect();
        insta::assert_snapshot!(strip_str(&lines.join("\n")).to_string(), @r"
        created volume/data (1.2s)
        template/a was already there (1.2s)
        failed to create template/a (1m 05s): template/a exists already, and is not what is declared
        did not create sandbox/box: could not create template/a
        ");
    }
}
