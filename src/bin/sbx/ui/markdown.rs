//! A plan, an apply or what is wrong with manifests as a comment on a pull request.
//!
//! What destroys comes first, and the text stays below what GitHub takes, whatever the plan: what does not fit is
//! counted and never passed over. Whatever manifests and servers say stands in code, where it is nothing but text.

mod drift;
mod text;

use anstream::adapter::strip_str;
use sbx::manifest::{Diagnostics, Severity, Sources};
use sbx::reconcile::plan::{Action, Change};

pub(crate) use self::drift::drift;
use self::text::{code, comment_word, fence, html, prose};
use super::difference::{
    PartInWords, SAME_NAME, by_part, drift_first, drift_mark, drift_mark_of, given, lines_of, unified,
};
use super::names;
use super::outcome::Report;
use super::output::Subject;
use super::plan::{Sequence, View, sign, summary_line, whole_lines};
use crate::failure::Failure;

/// The most that GitHub takes in a comment is 65,536 characters; bytes are never fewer.
const MOST_BYTES: usize = 65_536;
/// What is kept free for the lines that count what did not fit: one for each section, and the end.
const RESERVE: usize = 2_048;
/// The most that is shown of what became of an apply.
const MOST_OF_OUTCOME: usize = MOST_BYTES / 4;
/// The most lines that are shown of one change, and the most characters of one line.
const MOST_LINES: usize = 40;
const MOST_CHARS: usize = 300;

/// A group of changes, in the order in which a reviewer wants to see them.
struct Section {
    title: &'static str,
    one: &'static str,
    has: fn(&Change) -> bool,
}

const SECTIONS: [Section; 8] = [
    Section {
        title: "Destroyed",
        one: "destroyed",
        has: |change| matches!(change.action, Action::Delete | Action::Replace) && !change.is_rolling(),
    },
    Section {
        title: "Replaced without a gap",
        one: "replaced",
        has: |change| matches!(change.action, Action::Delete | Action::Replace) && change.is_rolling(),
    },
    Section { title: "Blocked", one: "blocked", has: |change| change.action == Action::Blocked },
    Section { title: "Updated", one: "updated", has: |change| change.action == Action::Update },
    Section { title: "Renamed", one: "renamed", has: |change| change.action == Action::Rename },
    Section { title: "Created", one: "created", has: |change| change.action == Action::Create },
    Section { title: "Adopted", one: "adopted", has: |change| change.action == Action::Adopt },
    Section {
        title: "Kept, with a remark",
        one: "kept",
        has: |change| change.action == Action::Keep && !change.notes.is_empty(),
    },
];

/// Returns a plan, with what became of it if it was applied.
pub(crate) fn plan(view: &View<'_>, subject: &Subject<'_>, ended: Option<&Report<'_>>) -> String {
    let mut page = Page::new(subject);
    page.always(&format!("**{}**\n\n", prose(&plain(&summary_line(view.plan, view.purpose)))));
    for refusal in &view.plan.refusals {
        let refused = |text: &str| format!("> **Refused:** {}<br>{}\n\n", prose(text), prose(&refusal.help()));
        let text = refusal.to_string();
        if !page.offer(&refused(&text)) {
            page.always(&refused(&clipped(&text)));
        }
    }
    if let Some(ended) = ended {
        page.always(&block("text", &first_lines(&plain(&ended.to_text()))));
    }
    let undone = ended.map(Report::undone).unwrap_or_default();
    let whole = whole_lines(view.plan).iter().map(|line| prose(&plain(line)) + "\n\n").collect::<String>();
    page.reserve += whole.len();
    let sequence = Sequence::of(view.plan);
    for section in &SECTIONS {
        page.section(section, view, &sequence, &undone);
    }
    page.always(&whole);
    page.text
}

/// Returns what became of an apply: as much as leaves most of the page to the changes.
fn first_lines(text: &str) -> Vec<String> {
    let (mut lines, mut n_bytes) = (Vec::new(), 0);
    for line in text.lines().map(clipped) {
        n_bytes += line.len() + 1;
        if n_bytes > MOST_OF_OUTCOME {
            break;
        }
        lines.push(line);
    }
    let n_more = text.lines().count() - lines.len();
    if n_more > 0 {
        lines.push(format!("… and {n_more} more lines, not shown"));
    }
    lines
}

/// Returns why a command ended without a result.
pub(crate) fn failure(failure: &Failure, subject: &Subject<'_>) -> String {
    let mut page = Page::new(subject);
    page.always(&format!("**It failed:** {}\n\n", prose(&clipped(&failure.to_string()))));
    let hints = failure.hints().into_iter().map(|hint| format!("hint: {hint}"));
    for line in failure.causes().into_iter().chain(hints) {
        page.offer(&format!("- {}\n", prose(&clipped(&line))));
    }
    page.text
}

/// Returns what is wrong with manifests, below what can be said of them on the whole.
pub(crate) fn diagnostics(
    found: &Diagnostics,
    sources: &Sources,
    target: Option<&str>,
    verdict: Option<&str>,
) -> String {
    let workspace = target.unwrap_or("manifests");
    let mut page = Page::new(&Subject { command: "validate", target, workspace, against: None });
    let verdict = verdict.map_or_else(|| super::diagnostic::summary(found), ToOwned::to_owned);
    page.always(&format!("**{}**\n\n", prose(&verdict)));
    let mut n_left = 0;
    for diagnostic in found {
        let word = match diagnostic.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let place = diagnostic.span().map(|span| {
            let location = sources.location(span);
            format!(" at {}", code(&format!("{}:{}:{}", location.name, location.line, location.column)))
        });
        let help = diagnostic.help.as_ref().map(|help| format!("<br>help: {}", prose(&clipped(help))));
        let (place, help) = (place.unwrap_or_default(), help.unwrap_or_default());
        let item = format!("- **{word}**{place}: {}{help}\n", prose(&clipped(&diagnostic.message)));
        if n_left > 0 || !page.offer(&item) {
            n_left += 1;
        }
    }
    if n_left > 0 {
        page.always(&format!("\n… and {n_left} more, not shown\n"));
    }
    page.text
}

/// A page that knows how much more fits on it.
struct Page {
    text: String,
    /// What is kept free for what comes last.
    reserve: usize,
}

impl Page {
    /// The first line is invisible; whoever posts the comment finds the one to bring up to date by it. It is the same for
    /// each run, wherever the server is.
    fn new(subject: &Subject<'_>) -> Self {
        let target = subject.target.map_or_else(String::new, |target| comment_word(target) + " ");
        let marker = format!("<!-- sbx:{} {target}-->\n", subject.command);
        let title = format!("### `sbx {}`: {}\n\n", subject.command, code(&clipped(subject.workspace)));
        let saved = subject.against.map(|it| format!("The live state is as it was saved at {}.\n\n", it.at));
        Self { text: marker + &title + &saved.unwrap_or_default(), reserve: RESERVE }
    }

    fn always(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// Adds a text if it fits.
    fn offer(&mut self, text: &str) -> bool {
        let fits = self.text.len() + text.len() + self.reserve <= MOST_BYTES;
        if fits {
            self.text.push_str(text);
        }
        fits
    }

    /// Shows the changes of one kind; `undone` says which of them were tried, or to be, and are not made.
    fn section(
        &mut self,
        section: &Section,
        view: &View<'_>,
        sequence: &Sequence<'_>,
        undone: &[Option<&'static str>],
    ) {
        let fates = undone.iter().copied().chain(std::iter::repeat(None));
        let changes: Vec<_> = view.plan.changes.iter().zip(fates).filter(|(change, _)| (section.has)(change)).collect();
        if changes.is_empty() {
            return;
        }
        let mut n_shown = 0;
        let n_undone = match changes.iter().filter(|(_, fate)| fate.is_some()).count() {
            0 => String::new(),
            n => format!(", {n} not done"),
        };
        if self.offer(&format!("#### {} ({}{n_undone})\n\n", section.title, changes.len())) {
            let fits = |(change, fate): &&(&Change, Option<&str>)| {
                details(sequence, change, *fate).is_some_and(|details| self.offer(&details))
                    || self.offer(&head(change, *fate))
            };
            n_shown = changes.iter().take_while(fits).count();
        }
        let n_more = changes.len() - n_shown;
        if n_more > 0 {
            self.always(&format!("\n… and {n_more} more {}, not shown\n\n", section.one));
        }
    }
}

fn head(change: &Change, fate: Option<&str>) -> String {
    let (sign, _) = sign(change.action);
    let was = change.was.as_ref().map_or_else(String::new, |was| format!(", was {}", code(was.as_str())));
    let fate = fate.map_or_else(String::new, |fate| format!(": **{fate}**"));
    format!("- {} {}{was}{fate}\n", code(&format!("{sign} {}", change.action.as_str())), code(&change.key.to_string()))
}

/// Returns a change with its fields and notes, to be opened by a click; `None` if there is nothing to see there.
fn details(sequence: &Sequence<'_>, change: &Change, fate: Option<&str>) -> Option<String> {
    let (sign, _) = sign(change.action);
    let was = change.was.as_ref().map_or_else(String::new, |was| format!(" (was <code>{}</code>)", html(was.as_str())));
    let fate = fate.map_or_else(String::new, |fate| format!(": <b>{fate}</b>"));
    let title = html(&format!("{sign} {} {}", change.action.as_str(), change.key));
    let mut lines: Vec<_> = diff_lines(change).iter().map(|line| clipped(line)).collect();
    let n_more = lines.len().saturating_sub(MOST_LINES);
    lines.truncate(MOST_LINES);
    if n_more > 0 {
        lines.push(format!("… and {n_more} more lines, not shown"));
    }
    let diff = if lines.is_empty() { String::new() } else { block("diff", &lines) };
    let notes = change.notes.iter().take(MOST_LINES).map(|note| {
        let help = note.help().map_or_else(String::new, |help| format!("<br>help: {}", prose(&clipped(&help))));
        format!("- {}{help}\n", prose(&clipped(&note.to_string())))
    });
    let notes = notes.collect::<String>() + &in_order(sequence, change);
    if diff.is_empty() && notes.is_empty() {
        return None;
    }
    Some(format!("<details><summary><code>{title}</code>{was}{fate}</summary>\n\n{diff}{notes}\n</details>\n\n"))
}

/// Returns parts as lines of a diff.
fn signed_parts(parts: Vec<PartInWords>, mark: &str) -> Vec<String> {
    let lines = parts.into_iter().flat_map(|(path, from, to)| {
        let from = signed('-', &path, from.as_slice(), mark);
        from.into_iter().chain(signed('+', &path, to.as_slice(), ""))
    });
    lines.collect()
}

/// Returns the fields of a change as lines of a diff, each with its sign first.
fn diff_lines(change: &Change) -> Vec<String> {
    if let (Some(spec), Action::Create) = (&change.spec, change.action) {
        return given(spec).flat_map(|(path, value)| signed('+', path, &lines_of(value), "")).collect();
    }
    let fields = drift_first(change).into_iter().flat_map(|field| {
        let old = field.from.as_ref().map(lines_of).unwrap_or_default();
        let new = field.to.as_ref().map(lines_of).unwrap_or_default();
        let mark = drift_mark(field);
        if let Some(parts) = by_part(field.path, field.from.as_ref(), field.to.as_ref()) {
            return signed_parts(parts, &plain(&drift_mark_of(field)));
        }
        if field.from == field.to {
            return signed(' ', field.path, &old, &format!(" {SAME_NAME}"));
        }
        if old.len() > 1 || new.len() > 1 {
            let lines = unified(&old, &new).into_iter().map(|line| {
                let line = plain(&line);
                let (sign, rest) = line.split_at(line.chars().next().map_or(0, char::len_utf8));
                format!("{sign}  {}", rest.trim_start())
            });
            return std::iter::once(format!("  {}:{mark}", field.path)).chain(lines).collect();
        }
        let from = signed('-', field.path, &old, &mark);
        from.into_iter().chain(signed('+', field.path, &new, "")).collect::<Vec<_>>()
    });
    fields.collect()
}

/// Returns what a change comes after, or its steps where it takes several.
fn in_order(sequence: &Sequence<'_>, change: &Change) -> String {
    let steps = sequence.steps_of(change);
    if !steps.is_empty() {
        return format!("\nSteps, in this order:\n\n{}", numbered(&steps));
    }
    let before = sequence.before(change);
    if before.is_empty() { String::new() } else { format!("- after {}\n", prose(&names(before))) }
}

fn numbered(steps: &[String]) -> String {
    let line = |(index, step): (usize, &String)| format!("{}. {}", index + 1, prose(&plain(step)));
    steps.iter().enumerate().map(line).collect::<Vec<_>>().join("\n") + "\n"
}

fn signed(sign: char, path: &str, lines: &[String], mark: &str) -> Vec<String> {
    match lines {
        [] => Vec::new(),
        [line] => vec![format!("{sign} {path}: {line}{mark}")],
        lines => {
            let head = format!("{sign} {path}:{mark}");
            std::iter::once(head).chain(lines.iter().map(|line| format!("{sign}   {line}"))).collect()
        }
    }
}

/// Returns lines in a fence that none of them can close.
fn block(language: &str, lines: &[String]) -> String {
    let fence = fence(lines);
    let body: String = lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect();
    format!("{fence}{language}\n{body}{fence}\n\n")
}

fn plain(styled: &str) -> String {
    strip_str(styled).to_string()
}

fn clipped(text: &str) -> String {
    match text.char_indices().nth(MOST_CHARS) {
        Some((end, _)) => format!("{}… ({} characters)", &text[..end], text.chars().count()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests;
