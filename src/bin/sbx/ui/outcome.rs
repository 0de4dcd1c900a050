//! What became of a plan, in words.

use std::fmt::Write as _;

use sbx::client;
use sbx::kinds::Naming;
use sbx::reconcile::plan::{Action, Change, Note, Step, Verb};
use sbx::reconcile::{Outcome, Phase, Plan, StepError};

use super::plan::is_let_go_of;
use super::progress::{did, to_do};
use super::style::{self, paint};
use super::{escape, names};
use crate::failure::{Exit, causes_of};

/// What became of a plan.
pub(crate) struct Report<'a> {
    plan: &'a Plan,
    outcome: &'a Outcome,
}

/// What became of one change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Done,
    Failed,
    /// Some of its steps are done, and none failed.
    Halfway,
    Skipped,
    NotStarted,
}

impl<'a> Report<'a> {
    /// Makes the report on a plan that was applied.
    pub(crate) fn new(plan: &'a Plan, outcome: &'a Outcome) -> Self {
        Self { plan, outcome }
    }

    /// Returns the exit code that it comes to.
    pub(crate) fn exit(&self) -> Exit {
        let counts = self.outcome.counts();
        if self.outcome.is_interrupted {
            Exit::Interrupted
        } else if self.n_failed() > 0 {
            Exit::Failed
        } else if self.outcome.is_out_of_time {
            if counts.done > 0 { Exit::Partial } else { Exit::Failed }
        } else if counts.skipped > 0 || self.plan.summary().blocked > 0 {
            Exit::Partial
        } else {
            Exit::Done
        }
    }

    /// Counts the steps that failed. Where time was up, those that were cut off did not: the next run goes on with them.
    fn n_failed(&self) -> usize {
        let is_cut_off = |error: &StepError| self.outcome.is_out_of_time && matches!(error, StepError::Aborted);
        let has_failed = |phase: &Phase| matches!(phase, Phase::Failed { error, .. } if !is_cut_off(error));
        self.outcome.state.iter().filter(|(_, phase)| has_failed(phase)).count()
    }

    /// Returns the text, ending in a line break: what was done, then what was not and why.
    pub(crate) fn to_text(&self) -> String {
        let done = match self.recorded().filter(|_| self.plan.steps.is_empty()) {
            Some(recorded) => format!("{} {recorded}", paint(style::STRONG, "Recorded:")),
            None => self.done_line(),
        };
        let mut out = format!("{done}\n");
        let undone = self.undone_line();
        if !undone.is_empty() {
            writeln!(out, "{undone}").expect("a string takes everything");
        }
        for (index, phase) in self.outcome.state.iter() {
            let step = to_do(&self.plan.steps[index]);
            let line = match phase {
                Phase::Failed { error, .. } => {
                    let reasons: Vec<_> = std::iter::once(error.to_string()).chain(causes_of(&**error)).collect();
                    format!("  {} {step}: {}", paint(style::ALERT, "failed "), escape(&reasons.join(": ")))
                }
                Phase::Skipped { because_of } => {
                    let cause = to_do(&self.plan.steps[*because_of]);
                    format!("  {} {step}: could not {cause}", paint(style::CHANGE, "skipped"))
                }
                _ => continue,
            };
            writeln!(out, "{line}").expect("a string takes everything");
        }
        out.extend(self.not_begun_line());
        let fates = self.fates();
        let is_in_part = |step: &&Step| matches!(fates[step.change], Some(Fate::Halfway | Fate::Failed));
        // In the order of the plan's changes.
        let mut in_part: Vec<_> = self.done_steps().filter(is_in_part).collect();
        in_part.sort_by_key(|step| step.change);
        for step in in_part {
            writeln!(out, "  {} {}", paint(style::CHANGE, "half done:"), did(step)).expect("a string takes everything");
        }
        for change in self.blocked() {
            let reasons = change.notes.iter().filter(|note| note.is_obstacle()).map(Note::to_string);
            let reasons: Vec<_> = reasons.collect();
            writeln!(out, "  {} {}: {}", paint(style::ALERT, "blocked"), change.key, escape(&reasons.join("; ")))
                .expect("a string takes everything");
        }
        out
    }

    /// Names what was not begun, in one line however much it is.
    fn not_begun_line(&self) -> Option<String> {
        let phases = self.outcome.state.iter().filter(|(_, phase)| matches!(phase, Phase::NotStarted));
        let steps = names(phases.map(|(index, _)| to_do(&self.plan.steps[index])));
        let label = paint(style::CHANGE, "not begun:");
        (!steps.is_empty()).then(|| format!("  {label} {steps}\n"))
    }

    /// Returns the steps that failed, each with why.
    pub(crate) fn failures(&self) -> impl Iterator<Item = (&Step, String)> {
        self.outcome.state.iter().filter_map(|(index, phase)| {
            let Phase::Failed { error, .. } = phase else { return None };
            let reasons: Vec<_> = std::iter::once(error.to_string()).chain(causes_of(&**error)).collect();
            Some((&self.plan.steps[index], reasons.join(": ")))
        })
    }

    /// Returns what became of each change that was to be made and is not, in a word, in the order of the plan.
    pub(crate) fn undone(&self) -> Vec<Option<&'static str>> {
        let word = |fate: Option<Fate>| match fate? {
            Fate::Done => None,
            Fate::Failed => Some("failed"),
            Fate::Halfway => Some("half done"),
            Fate::Skipped => Some("skipped"),
            Fate::NotStarted => Some("not begun"),
        };
        self.fates().into_iter().map(word).collect()
    }

    /// Returns one word for how it ended, for the record.
    pub(crate) fn word(&self) -> &'static str {
        match self.exit() {
            Exit::Interrupted => "interrupted",
            Exit::Failed => "failed",
            Exit::Partial => "partial",
            _ => "done",
        }
    }

    /// Returns what was done and what was not in one line, for the record.
    pub(crate) fn to_line(&self) -> String {
        let line = match self.recorded() {
            None => self.done_line(),
            Some(recorded) if self.plan.steps.is_empty() => recorded,
            Some(recorded) => format!("{} {recorded}", self.done_line()),
        };
        let line = format!("{line} {}", self.undone_line());
        let line = anstream::adapter::strip_str(line.trim_end()).to_string();
        line.strip_prefix("Done: ").unwrap_or(&line).to_owned()
    }

    /// Returns whether there is more to say than that there was nothing to do.
    pub(crate) fn has_news(&self) -> bool {
        !self.plan.steps.is_empty() || self.recorded().is_some() || self.blocked().next().is_some()
    }

    /// Returns what changed in the record alone: `2 adopted, 1 let go of.`
    fn recorded(&self) -> Option<String> {
        let n_released = self.plan.changes.iter().filter(|change| is_let_go_of(change)).count();
        let counts = [(self.plan.summary().adopt, "adopted"), (n_released, "let go of")];
        let counts: Vec<_> = counts.iter().filter(|(n, _)| *n > 0).map(|(n, word)| format!("{n} {word}")).collect();
        (!counts.is_empty()).then(|| counts.join(", ") + ".")
    }

    /// Returns what the reader can do next, if something is left to do.
    pub(crate) fn hint(&self) -> Option<&'static str> {
        let counts = self.outcome.counts();
        let is_stale = |(_, phase): (usize, &Phase)| matches!(phase, Phase::Failed { error, .. } if error.is_stale());
        let is_doubtful =
            |(_, phase): (usize, &Phase)| matches!(phase, Phase::Failed { error, .. } if error.is_doubtful());
        if self.outcome.is_interrupted {
            Some("run the same again: it goes on from here")
        } else if self.outcome.is_out_of_time {
            Some(
                "its time was up: run the same again, which goes on from here; a longer `--timeout` gives it more at once",
            )
        } else if self.outcome.state.iter().any(is_stale) {
            Some("somebody else changed the workspace meanwhile: run the same again to plan anew")
        } else if self.has_failed_publication() {
            Some(
                "its name stands for what failed now, and what had it before is still there, for all that is made from it: \
                 mend the cause and run the same again",
            )
        } else if self.outcome.state.iter().any(is_doubtful) {
            Some(
                "whether what got no clear answer was done is not known: run the same again, it looks first and goes on from here",
            )
        } else if counts.failed + counts.skipped > 0 {
            Some("mend the cause and run the same again: it goes on from here")
        } else {
            None
        }
    }

    /// Returns whether something was published, and failed after it had got its name.
    fn has_failed_publication(&self) -> bool {
        let failed = self.outcome.state.iter().filter_map(|(index, phase)| match phase {
            Phase::Failed { error, .. } => Some((&self.plan.steps[index], error)),
            _ => None,
        });
        failed.into_iter().any(|(step, error)| {
            let is_its_own = matches!(&**error, StepError::Client(error) if error.kind() == client::Kind::Creation);
            is_its_own && step.key.kind.info().naming == Naming::Published
        })
    }

    fn done_line(&self) -> String {
        let actions = [
            (Action::Create, "created"),
            (Action::Update, "updated"),
            (Action::Rename, "renamed"),
            (Action::Replace, "replaced"),
            (Action::Delete, "deleted"),
        ];
        let fates = self.fates();
        let counts = actions.into_iter().filter_map(|(action, word)| {
            let is_done =
                |(change, fate): &(&Change, Option<Fate>)| change.action == action && *fate == Some(Fate::Done);
            let n = self.plan.changes.iter().zip(fates.iter().copied()).filter(is_done).count();
            (n > 0).then(|| format!("{n} {word}"))
        });
        let counts: Vec<_> = counts.collect();
        if counts.is_empty() {
            let may_have_changed =
                |phase: &Phase| matches!(phase, Phase::Failed { error, .. } if error.may_have_had_effect());
            let is_untouched =
                self.outcome.counts().done == 0 && !self.outcome.state.iter().any(|(_, phase)| may_have_changed(phase));
            return if is_untouched { "Nothing was changed." } else { "No change was done in full." }.to_owned();
        }
        format!("{} {}.", paint(style::STRONG, "Done:"), counts.join(", "))
    }

    fn undone_line(&self) -> String {
        let fates = self.fates();
        let count = |fate| fates.iter().filter(|found| **found == Some(fate)).count();
        let counts = [
            (count(Fate::Failed), "failed"),
            (count(Fate::Skipped), "skipped"),
            (count(Fate::Halfway), "half done"),
            (count(Fate::NotStarted), "not begun"),
            (self.blocked().count(), "blocked"),
        ];
        let counts: Vec<_> = counts.iter().filter(|(n, _)| *n > 0).map(|(n, word)| format!("{n} {word}")).collect();
        if counts.is_empty() {
            return String::new();
        }
        format!("{} {}.", paint(style::ALERT, "Not done:"), counts.join(", "))
    }

    fn blocked(&self) -> impl Iterator<Item = &Change> {
        self.plan.changes.iter().filter(|change| change.action == Action::Blocked)
    }

    /// Returns what became of each change that has steps: the worst of what became of them.
    fn fates(&self) -> Vec<Option<Fate>> {
        let mut fates: Vec<Option<Fate>> = vec![None; self.plan.changes.len()];
        for (index, step) in self.plan.steps.iter().enumerate() {
            let fate = match self.outcome.state.phase(index) {
                Some(Phase::Done { .. }) => Fate::Done,
                Some(Phase::Failed { .. }) => Fate::Failed,
                Some(Phase::Skipped { .. }) => Fate::Skipped,
                _ => Fate::NotStarted,
            };
            let worst = &mut fates[step.change];
            if worst.is_none_or(|known| severity(fate) > severity(known)) {
                *worst = Some(fate);
            }
        }
        for step in self.done_steps() {
            let fate = &mut fates[step.change];
            if matches!(fate, Some(Fate::NotStarted | Fate::Skipped)) {
                *fate = Some(Fate::Halfway);
            }
        }
        fates
    }

    /// Returns the steps that are done, and not taken back by a later one.
    fn done_steps(&self) -> impl Iterator<Item = &Step> {
        let undone = |(index, phase): (usize, &Phase)| match (&self.plan.steps[index].verb, phase) {
            (Verb::Verify { swap, .. }, Phase::Failed { error, .. }) => error.took_swap_back().then_some(*swap),
            _ => None,
        };
        let taken_back: Vec<_> = self.outcome.state.iter().filter_map(undone).collect();
        let phases = self.outcome.state.iter();
        let done =
            phases.filter(move |(index, phase)| matches!(phase, Phase::Done { .. }) && !taken_back.contains(index));
        done.map(|(index, _)| &self.plan.steps[index])
    }
}

fn severity(fate: Fate) -> u8 {
    match fate {
        Fate::Done => 0,
        Fate::NotStarted => 1,
        Fate::Skipped => 2,
        Fate::Halfway => 3,
        Fate::Failed => 4,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use anstream::adapter::strip_str;
    use sbx::reconcile::plan::{Policy, plan};
    use sbx::reconcile::{Done, Event, RunState, StepError};

    use super::*;
    use crate::ui::progress::tests::{desired, world};

    const DECLARED: &str = "
{apiVersion: sbx/v1, kind: Volume, metadata: {name: data}, spec: {size: 10Gi}}
---
{apiVersion: sbx/v1, kind: Template, metadata: {name: a}, spec: {image: x, volume_mounts: [{volume_name: data, mount_path: /a}]}}
---
{apiVersion: sbx/v1, kind: Sandbox, metadata: {name: box}, spec: {template_name: a}}
---
{apiVersion: sbx/v1, kind: Sandbox, metadata: {name: lost}, spec: {template_name: nothing}}
";

    fn report(phases: Vec<Phase>, is_interrupted: bool) -> (String, Exit) {
        let (text, exit, _) = report_with_hint(phases, is_interrupted);
        (text, exit)
    }

    fn report_with_hint(phases: Vec<Phase>, is_interrupted: bool) -> (String, Exit, Option<&'static str>) {
        let plan = plan(&desired(DECLARED), &world(""), &Policy::default());
        let mut state = RunState::new(plan.steps.len());
        for (step, phase) in phases.into_iter().enumerate() {
            state.fold(Event { step, phase });
        }
        let outcome = Outcome { state, is_interrupted, is_out_of_time: false };
        let report = Report::new(&plan, &outcome);
        (strip_str(&report.to_text()).to_string(), report.exit(), report.hint())
    }

    fn done() -> Phase {
        Phase::Done { how: Done::Acted, elapsed: Duration::ZERO }
    }

    #[test]
    fn what_is_blocked_makes_it_partial() {
        let (text, exit) = report(vec![done(), done(), done()], false);
        insta::assert_snapshot!(text, @r"
        Done: 3 created.
        Not done: 1 blocked.
          blocked sandbox/lost: template `nothing` is neither declared nor live
        ");
        assert_eq!(exit, Exit::Partial);
    }

    #[test]
    fn a_failure_says_why_and_what_it_stopped() {
        let error = Arc::new(StepError::Aborted);
        let failed = Phase::Failed { error, elapsed: Duration::ZERO };
        let (text, exit) = report(vec![done(), failed, Phase::Skipped { because_of: 1 }], false);
        insta::assert_snapshot!(text, @r"
        Done: 1 created.
        Not done: 1 failed, 1 skipped, 1 blocked.
          failed  create template/a: it was stopped half way: whether it had its effect is not known
          skipped create sandbox/box: could not create template/a
          blocked sandbox/lost: template `nothing` is neither declared nor live
        ");
        assert_eq!(exit, Exit::Failed);
    }

    #[test]
    fn what_somebody_else_changed_is_planned_anew() {
        let key = plan(&desired(DECLARED), &world(""), &Policy::default()).steps[1].key.clone();
        let error = Arc::new(StepError::Changed { key });
        let failed = Phase::Failed { error, elapsed: Duration::ZERO };
        let (.., hint) = report_with_hint(vec![done(), failed, Phase::Skipped { because_of: 1 }], false);
        assert!(hint.is_some_and(|hint| hint.contains("plan anew")), "{hint:?}");
        let (.., hint) = report_with_hint(vec![done(), done(), done()], false);
        assert_eq!(hint, None);
    }

    #[test]
    fn what_is_half_done_is_told() {
        let live = "{apiVersion: sbx/v1, kind: Template, metadata: {name: a}, spec: {image: x}}\n---\n\
                    {apiVersion: sbx/v1, kind: Pool, metadata: {name: p}, spec: {template_name: a, replicas: 1}}";
        let plan = plan(&desired(&live.replace("image: x", "image: y")), &world(live), &Policy::default());
        let failed = Phase::Failed { error: Arc::new(StepError::Aborted), elapsed: Duration::ZERO };
        let mut state = RunState::new(plan.steps.len());
        for (step, phase) in [done(), done(), failed, Phase::Skipped { because_of: 2 }].into_iter().enumerate() {
            state.fold(Event { step, phase });
        }
        let outcome = Outcome { state, is_interrupted: false, is_out_of_time: false };
        let text = strip_str(&Report::new(&plan, &outcome).to_text()).to_string();
        insta::assert_snapshot!(text, @r"
        No change was done in full.
        Not done: 1 failed, 1 half done.
          failed  put a--sbx-a8f749c1 in the place of template/a: it was stopped half way: whether it had its effect is not known
          skipped verify template/a: could not put a--sbx-a8f749c1 in the place of template/a
          half done: created template/a--sbx-a8f749c1
          half done: created pool/p--sbx-93278e3b
        ");
    }

    #[test]
    fn what_was_not_done_in_time_makes_it_partial_and_is_named() {
        let plan = plan(&desired(DECLARED), &world(""), &Policy::default());
        let cut_off = || Phase::Failed { error: Arc::new(StepError::Aborted), elapsed: Duration::ZERO };
        let exit = |phases: [Phase; 3]| {
            let mut state = RunState::new(plan.steps.len());
            for (step, phase) in phases.into_iter().enumerate() {
                state.fold(Event { step, phase });
            }
            let outcome = Outcome { state, is_interrupted: false, is_out_of_time: true };
            let report = Report::new(&plan, &outcome);
            assert!(report.hint().is_some_and(|hint| hint.contains("--timeout")));
            (report.exit(), strip_str(&report.to_text()).to_string())
        };
        let (code, text) = exit([done(), Phase::NotStarted, Phase::NotStarted]);
        assert_eq!(code, Exit::Partial);
        insta::assert_snapshot!(text, @r"
        Done: 1 created.
        Not done: 2 not begun, 1 blocked.
          not begun: create template/a, create sandbox/box
          blocked sandbox/lost: template `nothing` is neither declared nor live
        ");
        assert_eq!(exit([done(), cut_off(), Phase::NotStarted]).0, Exit::Partial, "it was cut off, and failed not");
        assert_eq!(exit([cut_off(), Phase::NotStarted, Phase::NotStarted]).0, Exit::Failed, "nothing is done");
        let (_, text) = exit([cut_off(), Phase::NotStarted, Phase::NotStarted]);
        assert!(text.starts_with("No change was done in full.\n"), "nobody knows that nothing was changed: {text}");
        let error = Arc::new(StepError::Panicked);
        let failed = Phase::Failed { error, elapsed: Duration::ZERO };
        assert_eq!(exit([done(), failed, Phase::NotStarted]).0, Exit::Failed, "something failed by itself");
    }

    #[test]
    fn an_interrupt_says_what_was_not_begun() {
        let (text, exit) = report(vec![done(), Phase::NotStarted, Phase::NotStarted], true);
        insta::assert_snapshot!(text, @r"
        Done: 1 created.
        Not done: 2 not begun, 1 blocked.
          not begun: create template/a, create sandbox/box
          blocked sandbox/lost: template `nothing` is neither declared nor live
        ");
        assert_eq!(exit, Exit::Interrupted);
    }
}
