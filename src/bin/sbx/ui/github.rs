//! Annotations on the lines of a pull request, as workflow commands of GitHub Actions.

use std::fmt::Write as _;

use sbx::kinds::Value;
use sbx::manifest::{Diagnostics, Severity, Sources};
use sbx::reconcile::plan::{Action, Change, Note};

use super::difference::{SAME_NAME, by_part, drift_mark};
use super::outcome::Report;
use super::plan::{Place, View};
use super::progress::to_do;
use super::{drift, escape};
use crate::failure::Failure;

/// How bad an annotation is.
#[derive(Debug, Clone, Copy)]
enum Level {
    Error,
    Warning,
}

/// Returns the annotations of a plan: what is refused or blocked, what is destroyed, and what drifted.
pub(crate) fn plan(view: &View<'_>) -> String {
    let mut out = String::new();
    for refusal in &view.plan.refusals {
        let message = format!("{refusal}\nhelp: {}", refusal.help());
        annotate(&mut out, Level::Error, None, "the plan is refused", &message);
    }
    for change in &view.plan.changes {
        let Some(level) = level_of(change) else { continue };
        let title = format!("{} {}", change.action.as_str(), change.key);
        annotate(&mut out, level, (view.place)(change).as_ref(), &title, &message_of(change));
    }
    out
}

fn level_of(change: &Change) -> Option<Level> {
    match change.action {
        Action::Blocked => Some(Level::Error),
        Action::Delete | Action::Replace => Some(Level::Warning),
        _ => change.is_drift().then_some(Level::Warning),
    }
}

fn message_of(change: &Change) -> String {
    let fields = change
        .fields
        .iter()
        .map(|field| change_of(field.path, field.from.as_ref(), field.to.as_ref()) + &drift_mark(field));
    let notes = change.notes.iter().flat_map(|note| {
        let help = Note::help(note).map(|help| format!("help: {help}"));
        std::iter::once(note.to_string()).chain(help)
    });
    let lines: Vec<_> = fields.chain(notes).collect();
    if lines.is_empty() { change.action.as_str().to_owned() } else { lines.join("\n") }
}

/// Returns the annotations of drift: each object that is not as it was applied.
pub(crate) fn drift(view: &drift::View<'_>) -> String {
    let mut out = String::new();
    for found in view.report.drifted.iter().filter(|found| found.is_meddling()) {
        let fields =
            found.fields.iter().map(|field| change_of(field.path, field.applied.as_ref(), field.live.as_ref()));
        let lines: Vec<_> = std::iter::once(drift::what(&found.event)).chain(fields).collect();
        let title = format!("drift of {}", found.key);
        annotate(&mut out, Level::Warning, (view.place)(&found.key).as_ref(), &title, &lines.join("\n"));
    }
    out
}

fn change_of(path: &str, from: Option<&Value>, to: Option<&Value>) -> String {
    if let Some(parts) = by_part(path, from, to).filter(|parts| !parts.is_empty()) {
        let side = |text: Option<String>| text.unwrap_or_else(|| "(none)".to_owned());
        let lines: Vec<_> =
            parts.into_iter().map(|(path, from, to)| format!("{path}: {} -> {}", side(from), side(to))).collect();
        return lines.join("\n");
    }
    let value = |value: Option<&Value>| value.map_or_else(|| "(none)".to_owned(), ToString::to_string);
    if from == to {
        return format!("{path}: {} {SAME_NAME}", value(from));
    }
    format!("{path}: {} -> {}", value(from), value(to))
}

/// Returns the annotations of an apply: what failed.
pub(crate) fn outcome(view: &View<'_>, report: &Report<'_>) -> String {
    let mut out = String::new();
    for (step, error) in report.failures() {
        let place = (view.place)(&view.plan.changes[step.change]);
        annotate(&mut out, Level::Error, place.as_ref(), &format!("could not {}", to_do(step)), &error);
    }
    out
}

/// Returns the annotation of a command that ended without a result.
pub(crate) fn failure(failure: &Failure, command: &str) -> String {
    let hints = failure.hints().into_iter().map(|hint| format!("hint: {hint}"));
    let lines: Vec<_> = std::iter::once(failure.to_string()).chain(failure.causes()).chain(hints).collect();
    let mut out = String::new();
    annotate(&mut out, Level::Error, None, &format!("`sbx {command}` failed"), &lines.join("\n"));
    out
}

/// Returns the annotations of what is wrong with manifests.
pub(crate) fn diagnostics(found: &Diagnostics, sources: &Sources) -> String {
    let mut out = String::new();
    for diagnostic in found {
        let level = match diagnostic.severity {
            Severity::Error => Level::Error,
            Severity::Warning => Level::Warning,
        };
        let place = diagnostic.span().map(|span| {
            let location = sources.location(span);
            Place { file: location.name.to_owned(), line: location.line, column: location.column }
        });
        let labels = diagnostic.labels.iter().filter(|label| label.primary && !label.text.is_empty());
        let labels = labels.map(|label| label.text.clone());
        let help = diagnostic.help.iter().map(|help| format!("help: {help}"));
        let lines: Vec<_> = std::iter::once(diagnostic.message.clone()).chain(labels).chain(help).collect();
        annotate(&mut out, level, place.as_ref(), diagnostic.code, &lines.join("\n"));
    }
    out
}

fn annotate(out: &mut String, level: Level, place: Option<&Place>, title: &str, message: &str) {
    let word = match level {
        Level::Error => "error",
        Level::Warning => "warning",
    };
    let place = place.map_or_else(String::new, |Place { file, line, column }| {
        format!("file={},line={line},col={column},", property(file))
    });
    writeln!(out, "::{word} {place}title={}::{}", property(title), data(message)).expect("a string takes everything");
}

/// A message keeps its line breaks, in the form that the runner decodes again; all else that does harm is shown as what
/// it is.
fn data(text: &str) -> String {
    let lines: Vec<_> = text.split('\n').map(|line| escape(line).replace('%', "%25")).collect();
    lines.join("%0A")
}

/// The value of a property ends at a comma or a colon.
fn property(text: &str) -> String {
    escape(text).replace('%', "%25").replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use sbx::reconcile::plan::{Policy, plan as plan_of};
    use sbx::reconcile::{Event, Outcome, Phase, RunState, StepError};

    use super::*;
    use crate::ui::plan::Purpose;
    use crate::ui::progress::tests::{desired, world};

    #[test]
    fn what_needs_a_look_is_on_its_line() {
        let live = "{apiVersion: sbx/v1, kind: Volume, metadata: {name: a}, spec: {size: 2Gi}}\n---\n\
                    {apiVersion: sbx/v1, kind: Pool, metadata: {name: p}, spec: {template_name: t, replicas: 1}}\n---\n\
                    {apiVersion: sbx/v1, kind: Template, metadata: {name: t}, spec: {image: x}}";
        let declared = live.replace("2Gi", "1Gi").replace("image: x", "image: y");
        let plan_made = plan_of(&desired(&declared), &world(live), &Policy::default());
        let place = |_: &Change| Some(Place { file: "a,b.yaml".to_owned(), line: 3, column: 9 });
        let view =
            View { plan: &plan_made, place: &place, purpose: Purpose::Apply, show_unchanged: false, inventory: None };
        let shown = plan(&view);
        let first = shown.lines().next().unwrap();
        insta::assert_snapshot!(first, @"::error file=a%2Cb.yaml,line=3,col=9,title=blocked volume/a::size: 2Gi -> 1Gi%0Asize cannot shrink from 2Gi to 1Gi%0Ahelp: declare at least the live size, or make a new object and move the data");
        assert!(shown.lines().all(|line| line.starts_with("::error ") || line.starts_with("::warning ")), "{shown}");
    }

    #[test]
    fn what_failed_is_on_its_line() {
        let declared = "{apiVersion: sbx/v1, kind: Volume, metadata: {name: a}, spec: {size: 2Gi}}";
        let plan_made = plan_of(&desired(declared), &world(""), &Policy::default());
        let mut state = RunState::new(1);
        let phase = Phase::Failed { error: Arc::new(StepError::Aborted), elapsed: Duration::ZERO };
        state.fold(Event { step: 0, phase });
        let made = Outcome { state, is_interrupted: false, is_out_of_time: false };
        let place = |_: &Change| Some(Place { file: "a.yaml".to_owned(), line: 3, column: 9 });
        let view =
            View { plan: &plan_made, place: &place, purpose: Purpose::Apply, show_unchanged: false, inventory: None };
        insta::assert_snapshot!(outcome(&view, &Report::new(&plan_made, &made)), @"::error file=a.yaml,line=3,col=9,title=could not create volume/a::it was stopped half way: whether it had its effect is not known");
    }

    #[test]
    fn a_name_that_stands_for_another_object_says_so() {
        let live = "{apiVersion: sbx/v1, kind: Template, metadata: {name: t}, spec: {image: x}, lifecycle: {replace: recreate}}\n---\n\
                    {apiVersion: sbx/v1, kind: Pool, metadata: {name: p}, spec: {template_name: t, replicas: 1}}";
        let plan_made = plan_of(&desired(&live.replace("image: x", "image: y")), &world(live), &Policy::default());
        let pool = plan_made.changes.iter().find(|change| change.key.name.as_str() == "p").expect("it is made anew");
        insta::assert_snapshot!(message_of(pool), @r"
        template_name: t (made anew)
        template `t` is replaced
        deleted first, then made anew, as template `t` is
        ");
    }

    #[test]
    fn nothing_ends_a_command_early() {
        let mut out = String::new();
        let place = Place { file: "a\n::error::b:c,d%0A".to_owned(), line: 1, column: 1 };
        annotate(&mut out, Level::Error, Some(&place), "t::u,v\r\nw", "100%\n::set-env x\r\u{1b}[31m");
        assert_eq!(
            out,
            "::error file=a\\n%3A%3Aerror%3A%3Ab%3Ac%2Cd%250A,line=1,col=1,title=t%3A%3Au%2Cv\\u{d}\\nw::100%25%0A\
             ::set-env x\\u{d}\\u{1b}[31m\n"
        );
    }
}
