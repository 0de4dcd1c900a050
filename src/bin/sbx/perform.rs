//! Performing a plan: shown, agreed to, applied, summed up. All commands that write go this way.

use std::num::NonZeroUsize;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use sbx::client::Deadline;
use sbx::kinds::{KindId, Misnamed, Secrets};
use sbx::reconcile::plan::Plan;
use sbx::reconcile::{ApplyCx, EventSink, GRACE, LONGEST_SECTION, Lack, Outcome, World, apply};
use tokio::sync::mpsc;
use tokio::time::{Instant, interval_at, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::duration;
use crate::failure::{Exit, Failure};
use crate::interrupt::Interrupts;
use crate::record::{Entry, LockArgs};
use crate::ui::outcome::Report;
use crate::ui::output::{self, Subject};
use crate::ui::plan::{InventorySeen, Purpose, View};
use crate::ui::progress::{Progress, REDRAW_EVERY, REVEAL_AFTER};
use crate::ui::style::{self, paint};
use crate::ui::{Ui, escape, json};
use crate::workspace::Workspace;

/// How a plan, and what becomes of it, is shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// For people.
    #[default]
    Text,
    /// For programs: stable, with a format version.
    Json,
}

/// What the user agrees to beforehand, and how much happens at once.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Consent {
    /// Go on without asking
    #[arg(long, short)]
    yes: bool,
    /// How many operations run at once; fewer while the server answers 429, whose Retry-After is kept up to a minute
    #[arg(long, default_value = "10", value_name = "N", value_parser = at_least_one)]
    parallelism: NonZeroUsize,
    /// How long it may take in all, such as 30m; then nothing more starts, and it ends with 3 where something is done
    ///
    /// Waiting for another apply and reading what is live count, and the time until the plan is agreed to does not. What
    /// runs when time is up has 10 s to end; the two renames of a swap are not split even then.
    #[arg(long, value_name = "DURATION", value_parser = TimeLimit::parse)]
    timeout: Option<TimeLimit>,
    #[command(flatten)]
    lock: LockArgs,
}

/// How long a command may take, from when it was read on the command line.
#[derive(Debug, Clone, Copy)]
struct TimeLimit {
    length: Duration,
    since: Instant,
}

impl TimeLimit {
    fn parse(text: &str) -> Result<Self, String> {
        duration::parse(text).map(|length| Self { length, since: Instant::now() })
    }

    /// Returns when time is up, but for what does not count.
    fn deadline(self, uncounted: Duration) -> Deadline {
        Deadline::at(Deadline::after(self.length.saturating_add(uncounted)).instant() - self.since.elapsed())
    }
}

fn at_least_one(text: &str) -> Result<NonZeroUsize, String> {
    text.parse().map_err(|_| "expected a number from 1 on".to_owned())
}

impl Consent {
    /// Returns whether nothing is asked.
    pub(crate) fn is_given(&self) -> bool {
        self.yes
    }

    /// Returns the number of the run, if it has one.
    pub(crate) fn serial(&self) -> Option<u64> {
        self.lock.serial
    }

    /// Returns what was said about the lock, which is waited for no longer than the whole may take.
    pub(crate) fn lock(&self) -> LockArgs {
        let at_most = self.timeout.map(|limit| limit.deadline(Duration::ZERO).remaining());
        self.lock.clone().within(at_most)
    }
}

/// How many events may wait to be shown before the run waits for the display.
const EVENTS: usize = 64;

/// Tells of live objects that no manifest could name, and of kinds that the server does not have although it has others of
/// their version: what there is of those is not seen.
pub(crate) fn tell_oddities(world: &World, ui: &mut Ui) {
    tell_of_misnamed(&world.misnamed, ui);
    for Lack { version, missing, useless } in world.lacks() {
        let what = format!("this server has no {}", plurals(&missing));
        match useless.as_slice() {
            [] => ui.warning(&what),
            useless => ui.warning(&format!("{what}, so that {} of `{version}` are left alone", plurals(useless))),
        }
    }
}

fn plurals(kinds: &[KindId]) -> String {
    kinds.iter().map(|kind| kind.info().plural).collect::<Vec<_>>().join(" and ")
}

/// Tells of live objects that no manifest could name.
pub(crate) fn tell_of_misnamed(misnamed: &[Misnamed], ui: &mut Ui) {
    for object in misnamed {
        let kind = object.kind.info().singular;
        ui.warning(&format!("left alone: a {kind} named `{}`, which no manifest can declare", object.name));
    }
}

/// Tells what it means that there is no record yet of a workspace with something in it: it may have been lost.
pub(crate) fn tell_of_new_record(inventory: Option<&InventorySeen>, world: &World, ui: &mut Ui) {
    let Some(inventory) = inventory.filter(|inventory| !inventory.exists) else { return };
    if let (Some(location), Some(_)) = (&inventory.location, world.iter().next()) {
        let known = match world.recovered.len() {
            0 => String::new(),
            1 => " 1 object is known by its labels.".to_owned(),
            n => format!(" {n} objects are known by their labels."),
        };
        ui.status(&format!(
            "No inventory yet at {}: of what is live nothing can be pruned, and drift cannot be told from a change. \
             If it was lost, `sbx adopt` makes it again.{known}",
            escape(location)
        ));
    }
}

/// Returns the exit code of a plan that is only looked at.
///
/// # Errors
///
/// [`Failure::Refused`] when no step of it may be performed.
pub(crate) fn plan_exit(plan: &Plan, asks_for_pending: bool) -> Result<Exit, Failure> {
    refuse(plan)?;
    let summary = plan.summary();
    Ok(match (summary.blocked, summary.n_changes()) {
        (1.., _) => Exit::Failed,
        (0, 1..) if asks_for_pending => Exit::Pending,
        (0, _) => Exit::Done,
    })
}

fn refuse(plan: &Plan) -> Result<(), Failure> {
    if plan.refusals.is_empty() { Ok(()) } else { Err(Failure::Refused) }
}

/// Shows a plan, asks, performs it, and sums it up.
///
/// # Errors
///
/// [`Failure::Refused`], [`Failure::Secrets`], [`Failure::NoTerminal`] and [`Failure::Declined`], all before anything is changed. What goes
/// wrong in the run is part of its report.
pub(crate) async fn perform(
    view: &View<'_>,
    workspace: &Workspace,
    consent: &Consent,
    format: Format,
    ui: &mut Ui,
) -> Result<Exit, Failure> {
    let plan = view.plan;
    if let Some(record) = &workspace.record {
        record.check_serial(consent.serial())?;
    }
    let label = workspace.label();
    let subject =
        Subject { command: view.purpose.command(), target: workspace.target(), workspace: &label, against: None };
    show(view, &subject, format, ui)?;
    refuse(plan)?;
    let secrets = Arc::new(workspace.secrets(plan)?);
    let asking = Instant::now();
    if !plan.steps.is_empty() {
        agree(view, workspace, consent, ui).await?;
    }
    let deadline = consent.timeout.map(|limit| limit.deadline(asking.elapsed()));
    let mut interrupts = Interrupts::new().map_err(|source| Failure::Runtime { source })?;
    let entry = Entry::begin(plan, workspace, consent).await?;
    let cx = ApplyCx { deadline, ..context(workspace, &entry, secrets, consent) };
    if format == Format::Json {
        let timeout = consent.timeout.map(|limit| limit.length);
        ui.line(&json::begin(&label, cx.parallelism, timeout).to_string());
    }
    let outcome = run(plan, workspace, &entry, &cx, format, &mut interrupts, ui).await;
    let recorded = write_down(entry, plan, &outcome, &mut interrupts, ui).await;
    let report = Report::new(plan, &outcome);
    match format {
        Format::Json => ui.line(&json::outcome(plan, &outcome).to_string()),
        // What changes in the record alone is not done before it is written.
        Format::Text if report.has_news() && (recorded.is_ok() || !plan.steps.is_empty()) => {
            ui.data(&report.to_text());
        }
        Format::Text => {}
    }
    if let Some(hint) = report.hint() {
        ui.hint(hint);
    }
    output::also_outcome(view, &subject, &outcome, ui)?;
    recorded.map(|()| report.exit())
}

/// Shows a plan that is going to be performed, or might have been.
///
/// # Errors
///
/// [`Failure::File`].
pub(crate) fn show(view: &View<'_>, subject: &Subject<'_>, format: Format, ui: &mut Ui) -> Result<(), Failure> {
    match format {
        Format::Text => ui.data(&view.to_text()),
        Format::Json => ui.line(&json::planned(view).to_string()),
    }
    output::also_plan(view, subject, ui)
}

async fn agree(view: &View<'_>, workspace: &Workspace, consent: &Consent, ui: &mut Ui) -> Result<(), Failure> {
    let place = paint(style::STRONG, escape(&workspace.label()));
    let what = match view.purpose {
        Purpose::Apply => "Make these changes",
        Purpose::Remove | Purpose::AbortRollouts => "Delete these objects",
        // It may take everything: whoever agrees says where.
        Purpose::Destroy => {
            let name = workspace.name();
            let shown = escape(&name).into_owned();
            let question = format!("Delete these objects in {place}? Write `{shown}` to do so: ");
            return confirm_with(&name, &question, consent.yes, ui).await;
        }
    };
    confirm(&format!("{what} in {place}? Only `yes` means yes: "), consent.yes, ui).await
}

/// Asks a question that only `yes` answers, unless that was agreed to beforehand.
///
/// # Errors
///
/// [`Failure::NoTerminal`], [`Failure::Declined`] and [`Failure::Interrupted`].
pub(crate) async fn confirm(question: &str, is_agreed: bool, ui: &mut Ui) -> Result<(), Failure> {
    confirm_with("yes", question, is_agreed, ui).await
}

/// Asks a question that only one word answers.
async fn confirm_with(word: &str, question: &str, is_agreed: bool, ui: &mut Ui) -> Result<(), Failure> {
    if is_agreed {
        return Ok(());
    }
    if !ui.can_ask() {
        return Err(Failure::NoTerminal);
    }
    let mut interrupts = Interrupts::new().map_err(|source| Failure::Runtime { source })?;
    let answer = tokio::select! {
        answer = ui.ask(question) => answer.map_err(|source| Failure::Input { source })?,
        _ = interrupts.next() => {
            ui.end_line();
            return Err(Failure::Interrupted);
        }
    };
    if answer.trim() == word { Ok(()) } else { Err(Failure::Declined) }
}

/// Returns what an apply that begins now takes beside its plan.
fn context(workspace: &Workspace, entry: &Entry<'_>, secrets: Arc<Secrets>, consent: &Consent) -> ApplyCx {
    let mut cx = ApplyCx::new(workspace.client.clone(), consent.parallelism);
    cx.recorder = entry.recorder();
    cx.secrets = secrets;
    cx.owner.clone_from(&workspace.owner);
    cx
}

async fn run(
    plan: &Plan,
    workspace: &Workspace,
    entry: &Entry<'_>,
    cx: &ApplyCx,
    format: Format,
    interrupts: &mut Interrupts,
    ui: &mut Ui,
) -> Outcome {
    let stop = CancellationToken::new();
    let (sender, mut events) = mpsc::channel(EVENTS);
    let mut pace = workspace.client.pace();
    let mut progress = Progress::new(plan, format == Format::Json, ui);
    let mut outcome = None;
    let mut applying = Box::pin(apply(plan, cx, EventSink::new(sender), stop.clone()));
    let mut redraw = interval_at(Instant::now() + REVEAL_AFTER, REDRAW_EVERY);
    let mut time_is_up = Box::pin(until(cx.deadline));
    let mut is_told_of_time = false;
    loop {
        tokio::select! {
            event = events.recv() => match event {
                Some(event) => progress.fold(&event, ui),
                // The executor is gone, and with it its end of the channel.
                None => break,
            },
            ended = &mut applying, if outcome.is_none() => outcome = Some(ended),
            _ = redraw.tick() => progress.redraw(ui),
            Ok(()) = pace.changed() => {
                let pace = *pace.borrow_and_update();
                progress.pace(pace, ui);
            }
            () = &mut time_is_up, if !is_told_of_time => {
                is_told_of_time = true;
                if outcome.is_none() {
                    tell_that_time_is_up(&mut progress, ui);
                }
            }
            why = entry.disturbed(), if !stop.is_cancelled() => {
                stop.cancel();
                progress.note(&format!("Stopping: {why}. {} still running.", progress.n_running()), ui);
            }
            _ = interrupts.next() => interrupted(&stop, &cx.abort, &mut progress, ui),
        }
    }
    progress.finish();
    match outcome {
        Some(outcome) => outcome,
        None => applying.await,
    }
}

fn tell_that_time_is_up(progress: &mut Progress<'_>, ui: &mut Ui) {
    let (n_running, grace) = (progress.n_running(), GRACE.as_secs());
    if n_running > 0 {
        let text = format!("Time is up: nothing more starts. {n_running} still running, for {grace} s at most.");
        progress.note(&text, ui);
    }
}

/// Does what an interrupt asks for: the first lets what runs end, the second ends it, but for calls that belong together,
/// and more say what is waited for.
fn interrupted(stop: &CancellationToken, abort: &CancellationToken, progress: &mut Progress<'_>, ui: &mut Ui) {
    if !stop.is_cancelled() {
        stop.cancel();
        let n_running = progress.n_running();
        progress.note(&format!("Stopping: {n_running} still running. Interrupt again to stop now."), ui);
    } else if !abort.is_cancelled() {
        abort.cancel();
        progress.note("Stopped. What was running may or may not have been done.", ui);
    } else {
        let longest = LONGEST_SECTION.as_secs();
        let text = format!("Calls that belong together are let end, within {longest} s from when it was to stop.");
        progress.note(&text, ui);
    }
}

/// Writes down how an apply ended. Whoever does not want to wait for that says so twice.
///
/// # Errors
///
/// [`Failure::Inventory`] and [`Failure::Interrupted`].
async fn write_down(
    entry: Entry<'_>,
    plan: &Plan,
    outcome: &Outcome,
    interrupts: &mut Interrupts,
    ui: &mut Ui,
) -> Result<(), Failure> {
    let mut writing = pin!(entry.finish(plan, outcome));
    for is_last in [false, true] {
        tokio::select! {
            written = &mut writing => return written,
            _ = interrupts.next() => if !is_last {
                ui.status("What was done is being written down. Interrupt again to leave that to the next run.");
            },
        }
    }
    Err(Failure::Interrupted)
}

/// Waits until a deadline has passed; forever if there is none.
async fn until(deadline: Option<Deadline>) {
    match deadline {
        Some(deadline) => sleep_until(deadline.instant()).await,
        None => std::future::pending().await,
    }
}
