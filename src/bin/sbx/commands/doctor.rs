//! `sbx doctor`: is everything there that an apply needs, what is known of the server, and what does this machine offer?

mod probe;

use std::fs;
use std::path::Path;

use sbx::client::{Client, Error, Generation, Generations, Kind};
use sbx::kinds::{self, Capacity};
use sbx::reconcile::inventory::{Effect, Habits};
use sbx::reconcile::{Plan, World};
use sbx::server::runtime::machine::{self, Finding};
use sbx::types::Name;
use serde_json::json;

use self::probe::Probe;
use crate::args::Whereabouts;
use crate::context::Context;
use crate::env;
use crate::failure::{Exit, Failure, causes_of};
use crate::interrupt;
use crate::perform::Format;
use crate::project::{Access, Project};
use crate::record::{LockArgs, Record};
use crate::ui::diagnostic::counted;
use crate::ui::escape;
use crate::ui::json::FORMAT_VERSION;
use crate::workspace::Workspace;

/// Look whether the server, the inventory and this machine are as they are needed
///
/// Without --probe it only reads, but for a sandbox that it starts on this machine and ends again. It says which limits
/// of sandboxes are enforced here, and of what is not, why, and what to do. Exits with 1 if something is wrong with the
/// server or the inventory.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sbx doctor
  sbx doctor --in prod
  sbx doctor --probe                       Find out whether pools follow a template that is renamed
  sbx doctor -o json | jq -r '.checks[] | select(.state == \"bad\") | .text'")]
pub(crate) struct Doctor {
    /// Ask the server for its unwritten rules, with a template and a pool that are thrown away
    ///
    /// They are named `sbx-probe-…`, the pool has one replica, and both are removed at the end, with those that a probe
    /// left that was killed. What is found out is recorded in the inventory. Let no two probes run at once.
    #[arg(long)]
    probe: bool,
    /// How to show it: text or json
    #[arg(long, short, value_enum, default_value_t, value_name = "FORMAT", hide_possible_values = true)]
    output: Format,
    #[command(flatten)]
    place: Whereabouts,
}

/// How something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Good,
    /// Nothing is wrong, and yet it is worth a look.
    Notable,
    Bad,
}

impl State {
    fn as_str(self) -> &'static str {
        match self {
            Self::Good => "ok",
            Self::Notable => "note",
            Self::Bad => "bad",
        }
    }
}

/// What was looked at, and how it is.
#[derive(Debug)]
struct Check {
    name: &'static str,
    state: State,
    text: String,
    hint: Option<String>,
}

impl Check {
    fn new(name: &'static str, state: State, text: impl Into<String>) -> Self {
        Self { name, state, text: text.into(), hint: None }
    }

    fn good(name: &'static str, text: impl Into<String>) -> Self {
        Self::new(name, State::Good, text)
    }

    fn bad(name: &'static str, failure: &Failure) -> Self {
        let reasons: Vec<_> = std::iter::once(failure.to_string()).chain(failure.causes()).collect();
        let hints = failure.hints();
        let hint = (!hints.is_empty()).then(|| hints.join("; or "));
        Self { hint, ..Self::new(name, State::Bad, reasons.join(": ")) }
    }

    fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

impl Doctor {
    pub(crate) async fn run(self, cx: &mut Context) -> Result<Exit, Failure> {
        let access = if self.probe { Access::Writes } else { Access::Reads };
        let project = Project::of_objects(&self.place, access, &mut cx.ui)?;
        let mut checks = match Workspace::open(&self.place.connection, &project, cx).await {
            Ok(workspace) => {
                let result = self.examine(&workspace, cx).await;
                workspace.finish(result, &mut cx.ui).await?
            }
            // This machine can be looked at all the same.
            Err(failure @ Failure::NoServer { .. }) if !self.probe => {
                vec![Check { state: State::Notable, ..Check::bad("endpoint", &failure) }]
            }
            Err(failure) => return Err(failure),
        };
        checks.extend(this_machine().await);
        self.show(&checks, cx);
        let is_good = checks.iter().all(|check| check.state != State::Bad);
        Ok(if is_good { Exit::Done } else { Exit::Failed })
    }

    async fn examine(&self, workspace: &Workspace, cx: &mut Context) -> Result<Vec<Check>, Failure> {
        if self.probe {
            workspace.lock("doctor", &LockArgs::default(), &mut cx.ui).await?;
        }
        let mut checks = vec![Check::good("endpoint", workspace.label())];
        let live = match interrupt::or_stop(workspace.live()).await {
            Ok(live) => live,
            Err(Failure::Interrupted) => return Err(Failure::Interrupted),
            Err(failure) => {
                checks.push(unreachable(&failure));
                return Ok(checks);
            }
        };
        checks.push(Check::good("server", format!("it answers, and has {}", counted(live.iter().count(), "object"))));
        checks.push(api(&workspace.client).await);
        checks.push(capacity(live.capacity));
        let (inventory, world) = interrupt::or_stop(inventory(workspace, live)).await?;
        checks.extend(inventory);
        checks.extend(leftovers(&world));
        let known = world.inventory.as_ref().map(|inventory| inventory.habits).unwrap_or_default();
        if self.probe {
            checks.extend(probe(workspace, known).await?);
        } else {
            checks.push(habits(known, "as seen before"));
        }
        Ok(checks)
    }

    fn show(&self, checks: &[Check], cx: &mut Context) {
        match self.output {
            Format::Text => {
                let width = checks.iter().map(|check| check.name.len()).max().unwrap_or(0);
                for Check { name, state, text, hint } in checks {
                    cx.ui.line(&format!("{:<4}  {name:<width$}  {}", state.as_str(), escape(text)));
                    if let Some(hint) = hint {
                        cx.ui.hint(hint);
                    }
                }
            }
            Format::Json => {
                let checks: Vec<_> = checks
                    .iter()
                    .map(|check| {
                        let Check { name, state, text, hint } = check;
                        json!({"name": name, "state": state.as_str(), "text": text, "hint": hint})
                    })
                    .collect();
                cx.ui.line(&format!("{:#}", json!({"format_version": FORMAT_VERSION, "checks": checks})));
            }
        }
    }
}

/// Looks at what this machine offers to the sandboxes of a local server. Nothing of that is bad: those of another server
/// do not run here.
async fn this_machine() -> Vec<Check> {
    let folder = env::temporary_folder().join(format!("sbx-doctor-{}", std::process::id()));
    let findings = machine::examine(&folder, Path::new("/proc/self/exe")).await;
    // It is empty, or not there; a folder that stays in such a place is nobody's concern.
    let _ = fs::remove_dir_all(folder);
    let check = |finding: Finding| {
        let state = if finding.is_good { State::Good } else { State::Notable };
        Check { hint: finding.hint, ..Check::new(finding.name, state, finding.text) }
    };
    findings.into_iter().map(check).collect()
}

fn unreachable(failure: &Failure) -> Check {
    match failure {
        Failure::Call { source, .. } if source.kind() == Kind::WrongGeneration => Check::bad("api", failure),
        _ => Check::bad("server", failure),
    }
}

/// Returns the generations that a server speaks, in words.
pub(crate) fn spoken(found: Generations) -> String {
    let spoken = [Generation::First, Generation::Second].into_iter().filter(|one| found.speaks(*one));
    let spoken: Vec<_> = spoken.map(|one| format!("the {one}")).collect();
    if spoken.is_empty() { "no".to_owned() } else { spoken.join(" and ") }
}

/// Says which generations of the API the server speaks. What was listed before has shown it, mostly.
async fn api(client: &Client) -> Check {
    match client.generations().await {
        Ok(found) => Check::good("api", format!("it speaks {} generation of the Sandbox Server API", spoken(found))),
        Err(error) => Check::new("api", State::Notable, format!("which generations it speaks: {}", reasons(&error))),
    }
}

fn capacity(capacity: Option<Capacity>) -> Check {
    let Some(Capacity { used, limit }) = capacity else {
        return Check::new("capacity", State::Notable, "the server does not tell what is in use and what may be");
    };
    let amounts = used.amounts().into_iter().zip(limit.amounts());
    let shown = |what: kinds::Resource, used: u64, limit: u64| match limit {
        0 => format!("{what} {}, no limit", what.spell(used)),
        limit => format!("{what} {} of {}", what.spell(used), what.spell(limit)),
    };
    let is_over = amounts.clone().any(|((_, used), (_, limit))| limit > 0 && used > limit);
    let text: Vec<_> = amounts.map(|((what, used), (_, limit))| shown(what, used, limit)).collect();
    Check::new("capacity", if is_over { State::Notable } else { State::Good }, text.join("; "))
}

/// Looks at the inventory, and adds what it says to what is live.
async fn inventory(workspace: &Workspace, live: World) -> Result<(Vec<Check>, World), Failure> {
    let Some(record) = &workspace.record else {
        return Ok((vec![Check::new("inventory", State::Notable, "none is kept")], live));
    };
    let place = record.ledger().place();
    let read = record.read().await.and_then(|(reading, siblings)| {
        let world = record.settle(live.clone(), reading.clone(), siblings)?;
        Ok((reading, world))
    });
    let (reading, world) = match read {
        Ok(read) => read,
        Err(failure) => return Ok((vec![Check::bad("inventory", &failure)], live)),
    };
    let n_owned = reading.inventory.n_owned();
    let text = if reading.exists { format!("{place}: {n_owned} owned") } else { format!("{place}: there is none yet") };
    let mut checks = vec![if reading.is_unfinished {
        Check::new("inventory", State::Notable, format!("{text}, and an apply did not end"))
            .hint("the next `sbx apply` finds out what became of it, and goes on")
    } else {
        Check::good("inventory", text)
    }];
    if let Some(held) = record.ledger().holder().await?.filter(|held| held.holder.pid != std::process::id()) {
        let held = Check::new("lock", State::Notable, format!("held by {held}"));
        checks.push(held.hint("it dies by itself half a minute after its holder; `sbx unlock` breaks it"));
    }
    Ok((checks, world))
}

/// Finds what rollouts and probes left.
fn leftovers(world: &World) -> Vec<Check> {
    let named = |is_one: &dyn Fn(&Name) -> bool| {
        let found = world.iter().filter(|live| is_one(&live.key.name));
        found.map(|live| live.key.to_string()).collect::<Vec<_>>().join(", ")
    };
    let of_rollouts = named(&kinds::is_reserved);
    let of_probes = named(&|name| probe::is_of_probe(name.as_str()));
    let mut checks = Vec::new();
    if !of_rollouts.is_empty() {
        let check = Check::new("rollouts", State::Notable, format!("left, or in use still: {of_rollouts}"));
        checks.push(check.hint("`sbx apply` goes on with them and removes what nothing uses any more"));
    }
    if !of_probes.is_empty() {
        let check = Check::new("probes", State::Notable, format!("left by a probe: {of_probes}"));
        checks.push(check.hint("`sbx doctor --probe` removes them"));
    }
    checks
}

fn habits(habits: Habits, how: &str) -> Check {
    const NAME: &str = "renames";
    match habits.references_follow_renames {
        Some(true) => Check::good(NAME, format!("pools follow a template that is renamed, {how}")),
        Some(false) => Check::new(
            NAME,
            State::Notable,
            format!("pools do not follow a template that is renamed, {how}: such templates are recreated, with a gap"),
        ),
        None => Check::new(NAME, State::Notable, "nobody has seen yet whether pools follow a template that is renamed")
            .hint("`sbx doctor --probe` finds out, with a template and a pool that are thrown away"),
    }
}

/// Probes, cleans up whatever came of it, and records what was found out.
async fn probe(workspace: &Workspace, known: Habits) -> Result<Vec<Check>, Failure> {
    let client = &workspace.client;
    let probe = Probe::new(env::now());
    let asked = interrupt::or_stop(async { Ok(probe.references_follow_renames(client).await) }).await;
    // Also after an interrupt, which from here on waits: somebody pays for a pool that is forgotten.
    let cleaned = Probe::clean_up(client).await;
    let mut checks = Vec::new();
    match asked? {
        Ok(follows) => {
            let found = Habits { references_follow_renames: Some(follows) };
            if let Some(record) = workspace.record.as_ref().filter(|_| found != known) {
                remember(record, found).await?;
            }
            checks.push(habits(found, "as a probe has just seen"));
        }
        Err(error) => checks.push(Check::new("renames", State::Bad, format!("the probe failed: {}", reasons(&error)))),
    }
    match cleaned {
        Ok(n) => checks.push(Check::good("probes", format!("{} of probes removed", counted(n, "object")))),
        Err(error) => {
            let check = Check::new("probes", State::Bad, format!("not all was removed: {}", reasons(&error)));
            checks.push(
                check.hint(format!("`sbx doctor --probe` tries again; their names begin with `{}`", probe::PREFIX)),
            );
        }
    }
    Ok(checks)
}

fn reasons(error: &Error) -> String {
    std::iter::once(error.to_string()).chain(causes_of(error)).collect::<Vec<_>>().join(": ")
}

async fn remember(record: &Record, habits: Habits) -> Result<(), Failure> {
    let plan = Plan { effects: vec![Effect::Learn(habits)], ..Plan::default() };
    let mut run = record.run(None);
    let Some(recording) = record.begin(&plan, &run).await? else { return Ok(()) };
    "done".clone_into(&mut run.outcome);
    "Probed the server.".clone_into(&mut run.summary);
    recording.finish(run).await?;
    record.check_lock()
}
