//! The record of what is owned, as a command uses it: found, locked, read with the live state, and written.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use sbx::kinds::KindId;
use sbx::reconcile::inventory::{Effect, Run, Stranger};
use sbx::reconcile::ledger::{self, Held, Lease, Ledger, Opening, Patience, Reading, Recording};
use sbx::reconcile::{Inventory, Outcome, Plan, Recorder, World};
use sbx::types::ObjectId;

use crate::args::Whereabouts;
use crate::author::Author;
use crate::context::Context;
use crate::contexts::Contexts;
use crate::duration;
use crate::env::{self, Environment};
use crate::failure::Failure;
use crate::perform::Consent;
use crate::project::{self, Access, Project};
use crate::settings::{Remote, Server, Settings, Source};
use crate::ui::outcome::Report;
use crate::ui::plan::InventorySeen;
use crate::ui::{Ui, escape};
use crate::workspace::Workspace;

/// Where the inventory is.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct RecordArgs {
    /// Keep the record of what is owned at URL: a path, s3://, gs://, az://, file://, or `none` for no record
    ///
    /// It ends with `.json`. Without this it is `.sbx/inventory/NAME.json` below the project, with the name of the
    /// target, else of the context, else of the endpoint; the local server has its own. Object stores are opened with the variables that their own tools read, such as `AWS_ACCESS_KEY_ID`.
    #[arg(long, value_name = "URL")]
    pub(crate) inventory: Option<String>,
    /// Go on although the inventory looks like that of another workspace
    #[arg(long)]
    pub(crate) accept_workspace: bool,
}

/// What is said about the lock and the record by commands that write.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct LockArgs {
    /// How long to wait for another apply, such as `5m`; 10m without a terminal, 1m on one
    #[arg(long, value_name = "DURATION", value_parser = wait)]
    lock_timeout: Option<Duration>,
    /// Number this run, and refuse if a later one was before it
    #[arg(long, value_name = "N")]
    pub(crate) serial: Option<u64>,
    /// How long to wait at most, whatever is said or by default.
    #[arg(skip)]
    at_most: Option<Duration>,
}

/// How long to wait for another apply where nobody watches, and where somebody does.
const WAIT_UNWATCHED: Duration = Duration::from_mins(10);
const WAIT_WATCHED: Duration = Duration::from_mins(1);
/// How long the end of a command waits for its lock to be given up. After that it dies by itself.
const RELEASE_WITHIN: Duration = Duration::from_secs(5);
/// The endpoint that is recorded for the server that is built in.
const LOCAL: &str = "local";

/// The record of what is owned in the workspace of a command.
pub(crate) struct Record {
    ledger: Ledger,
    endpoint: String,
    accepts_workspace: bool,
    /// Whether it is a file of a pipeline's machine that nobody named, and gone with that machine.
    is_passing: bool,
    /// What was read last, and what the live state said of it.
    seen: Mutex<Option<Seen>>,
    lease: OnceLock<Lease>,
    author: Author,
}

/// What other projects own, with the name of the record that says so.
type Siblings = HashMap<(KindId, ObjectId), Arc<str>>;

#[derive(Clone)]
struct Seen {
    reading: Reading,
    settled: Arc<Inventory>,
}

/// Returns the inventory that flags and variables name, for commands that work on nothing else.
///
/// # Errors
///
/// [`Failure::NoServer`] when nothing names one, and [`Failure::Inventory`] when its place makes no sense.
pub(crate) fn ledger(place: &Whereabouts, access: Access, cx: &mut Context) -> Result<Ledger, Failure> {
    let project = Project::of_objects(place, access, &mut cx.ui)?;
    let contexts = || Contexts::load(&cx.environment, &mut cx.ui);
    let settings = Settings::resolve(&place.connection.server, &project, contexts, &cx.environment)?;
    match self::place(&place.connection.record, &settings) {
        Some((place, _)) => open(&place, &cx.environment),
        None if settings.server.is_none() => Err(Failure::NoServer { has_stray_key: settings.has_stray_key }),
        None => Err(Failure::usage("`--inventory none` is no inventory")),
    }
}

fn open(place: &str, environment: &Environment) -> Result<Ledger, Failure> {
    let options = env::OBJECT_STORES.iter().filter_map(|name| Some((*name, environment.get(name)?)));
    Ok(Ledger::open(place, &options.collect::<Vec<_>>())?)
}

/// Returns where the inventory is, and what says so; `None` if there is to be none.
///
/// Without a word about it there is one for each target, else for each context, else for each endpoint.
pub(crate) fn place(args: &RecordArgs, settings: &Settings) -> Option<(String, Source)> {
    match (args.inventory.as_deref(), &settings.inventory) {
        (Some("none"), _) => return None,
        (Some(place), _) => return Some((place.to_owned(), Source::Flag("--inventory"))),
        (None, Some(place)) => {
            let target = settings.target.clone().unwrap_or_default();
            return Some((place.clone(), Source::Target(target)));
        }
        (None, None) => {}
    }
    let path = match settings.server.as_ref()? {
        // All that is local is one workspace, whatever it is called.
        Server::Local { data_dir, .. } => data_dir.join("inventory.json"),
        Server::Remote(remote) => {
            let name = settings.target.clone().or_else(|| settings.context.clone());
            project::inventory(&env::working_directory(), &name.unwrap_or_else(|| name_of(remote)))
        }
    };
    Some((path.display().to_string(), Source::Default))
}

/// Returns a file name for an endpoint: its host and port, and its path if that is not the API's own.
fn name_of(remote: &Remote) -> String {
    let label = remote.label();
    let rest = label.split_once("://").map_or(label.as_str(), |(_, rest)| rest);
    let own_path = sbx::wire::route::PREFIXES.iter().rev().find_map(|prefix| rest.strip_suffix(prefix));
    let kept = own_path.unwrap_or(rest).trim_matches('/');
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    // One that has no host is refused where it is called.
    let kept = if kept.is_empty() { "nowhere" } else { kept };
    kept.chars().map(|c| if is_plain(c) { c } else { '-' }).collect()
}

/// Not waiting at all is a wait too.
fn wait(text: &str) -> Result<Duration, String> {
    if text == "0" { Ok(Duration::ZERO) } else { duration::parse(text) }
}

impl LockArgs {
    /// Waits no longer than this, whatever is said or by default.
    pub(crate) fn within(self, at_most: Option<Duration>) -> Self {
        Self { at_most, ..self }
    }
}

impl Record {
    /// Opens the record of a server. Nothing is read yet.
    ///
    /// # Errors
    ///
    /// [`Failure::Inventory`] when its place makes no sense.
    pub(crate) fn open(
        args: &RecordArgs,
        settings: &Settings,
        server: &Server,
        environment: &Environment,
    ) -> Result<Option<Self>, Failure> {
        let Some((place, from)) = place(args, settings) else { return Ok(None) };
        let is_in_ci = environment.get(env::CI).is_some_and(|value| value == "true");
        Ok(Some(Self {
            ledger: open(&place, environment)?,
            is_passing: is_in_ci && from == Source::Default && matches!(server, Server::Remote(_)),
            endpoint: match server {
                Server::Local { .. } => LOCAL.to_owned(),
                Server::Remote(remote) => remote.label(),
            },
            accepts_workspace: args.accept_workspace,
            seen: Mutex::new(None),
            lease: OnceLock::new(),
            author: Author::of(environment, &env::working_directory()),
        }))
    }

    /// Returns where it is.
    pub(crate) fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Returns what names this record wherever one stands: the address of one in an object store.
    pub(crate) fn address(&self) -> Option<String> {
        (!self.ledger.is_file()).then(|| self.ledger.place())
    }

    /// Takes the lock, and tells whom it waits for.
    ///
    /// # Errors
    ///
    /// [`Failure::Inventory`] when it cannot be had.
    pub(crate) async fn lock(&self, command: &str, args: &LockArgs, ui: &mut Ui) -> Result<(), Failure> {
        self.ignore_files()?;
        let by_default = if ui.can_ask() { WAIT_WATCHED } else { WAIT_UNWATCHED };
        let mut on_wait = |held: &Held| {
            ui.status(&format!("Waiting for the lock of {}.", escape(&held.to_string())));
        };
        let timeout = args.lock_timeout.unwrap_or(by_default).min(args.at_most.unwrap_or(Duration::MAX));
        let patience = Patience { timeout, on_wait: &mut on_wait };
        let lease = self.ledger.lock(self.author.holder(command), patience).await?;
        self.lease.set(lease).expect("a command takes the lock once");
        Ok(())
    }

    fn ignore_files(&self) -> Result<(), Failure> {
        if !self.ledger.is_file() {
            return Ok(());
        }
        let place = self.ledger.place();
        Path::new(&place).parent().map_or(Ok(()), project::ignore_local_data)
    }

    /// Reads the record, and what others own.
    ///
    /// # Errors
    ///
    /// [`Failure::Inventory`].
    pub(crate) async fn read(&self) -> Result<(Reading, Siblings), Failure> {
        Ok(tokio::try_join!(self.ledger.read(), self.ledger.siblings())?)
    }

    /// Adds the record to the world that it is about, and remembers it for what is written later.
    ///
    /// # Errors
    ///
    /// [`Failure::OtherWorkspace`] when it looks like that of another one.
    pub(crate) fn settle(&self, mut world: World, mut reading: Reading, siblings: Siblings) -> Result<World, Failure> {
        if let Some(stranger) = reading.inventory.stranger_to(&self.endpoint, &world)
            && !self.accepts_workspace
        {
            return Err(self.other_workspace(stranger));
        }
        reading.inventory.endpoint = Some(self.endpoint.clone());
        world.siblings = siblings;
        world = world.with_inventory(&reading.inventory);
        let settled = world.inventory.clone().unwrap_or_default();
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(Seen { reading, settled });
        Ok(world)
    }

    fn other_workspace(&self, stranger: Stranger) -> Failure {
        Failure::OtherWorkspace { place: self.ledger.place(), source: stranger }
    }

    /// Refuses to prune by a record that a pipeline's next run will not find.
    ///
    /// # Errors
    ///
    /// [`Failure::PassingInventory`].
    pub(crate) fn check_prune(&self, prunes: bool) -> Result<(), Failure> {
        if prunes && self.is_passing { Err(Failure::PassingInventory) } else { Ok(()) }
    }

    /// Returns what is shown of it beside a plan.
    pub(crate) fn shown(&self) -> InventorySeen {
        let reading = self.seen().map(|seen| seen.reading);
        InventorySeen {
            location: Some(self.ledger.place()),
            serial: reading.as_ref().and_then(|reading| reading.inventory.serial),
            exists: reading.is_some_and(|reading| reading.exists),
        }
    }

    /// Refuses to go back to an earlier run than the last one.
    ///
    /// # Errors
    ///
    /// [`Failure::Superseded`].
    pub(crate) fn check_serial(&self, serial: Option<u64>) -> Result<(), Failure> {
        let last = self.seen().and_then(|seen| seen.reading.inventory.serial);
        match (serial, last) {
            (Some(serial), Some(last)) if serial < last => Err(Failure::Superseded { serial, last }),
            _ => Ok(()),
        }
    }

    /// Begins to record what becomes of a plan that was made from what was read; `None` if there is nothing to record.
    ///
    /// # Errors
    ///
    /// [`Failure::Inventory`], also when the lock was lost since it was taken.
    pub(crate) async fn begin(&self, plan: &Plan, run: &Run) -> Result<Option<Recording>, Failure> {
        let Some(Seen { reading, settled }) = self.seen() else { return Ok(None) };
        self.check_lock()?;
        let is_numbered = run.serial.is_some() && run.serial != reading.inventory.serial;
        let has_steps = !plan.steps.is_empty();
        if !has_steps && plan.effects.is_empty() && !reading.is_unfinished && !is_numbered {
            return Ok(None);
        }
        let opening = Opening {
            inventory: Inventory::clone(&settled),
            effects: plan.effects.clone(),
            intents: plan.intents(env::now()),
            has_steps,
            run: Some(run.clone()),
        };
        Ok(Some(self.ledger.begin(reading, opening).await?))
    }

    /// Writes down what changes without a call. The record has to be locked and read before.
    ///
    /// # Errors
    ///
    /// [`Failure::Inventory`].
    pub(crate) async fn note(&self, effects: Vec<Effect>, serial: Option<u64>, summary: String) -> Result<(), Failure> {
        let run = Run { outcome: "done".to_owned(), summary, ..self.run(serial) };
        let plan = Plan { effects, ..Plan::default() };
        let Some(recording) = self.begin(&plan, &run).await? else { return Ok(()) };
        recording.finish(run).await?;
        self.check_lock()
    }

    fn seen(&self) -> Option<Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns what is kept of a run that begins now; how it ends is filled in then.
    pub(crate) fn run(&self, serial: Option<u64>) -> Run {
        Run {
            at: env::now(),
            by: self.author.by.clone(),
            commit: self.author.commit.clone(),
            url: self.author.url.clone(),
            serial,
            outcome: String::new(),
            summary: String::new(),
            extra: serde_json::Map::new(),
        }
    }

    /// Fails if the lock was lost.
    ///
    /// # Errors
    ///
    /// [`Failure::Inventory`].
    pub(crate) fn check_lock(&self) -> Result<(), Failure> {
        match self.lease.get() {
            Some(lease) if lease.lost().is_cancelled() => {
                let held = lease.taken_by().cloned().map(Box::new);
                Err(ledger::Error::LockLost { place: self.ledger.place(), held }.into())
            }
            _ => Ok(()),
        }
    }

    /// Waits until the lock is lost, which it never is where there is none. Cancel-safe.
    pub(crate) async fn lock_lost(&self) {
        match self.lease.get() {
            Some(lease) => lease.lost().cancelled().await,
            None => std::future::pending().await,
        }
    }

    /// Gives the lock up.
    pub(crate) async fn close(self) {
        let Some(lease) = self.lease.into_inner() else { return };
        match tokio::time::timeout(RELEASE_WITHIN, lease.release()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the lock was not given up, and will die by itself"),
            Err(_) => tracing::warn!("the lock was not given up in time, and will die by itself"),
        }
    }
}

/// An apply, as the record takes it in. Where nothing is recorded it does nothing.
pub(crate) struct Entry<'a> {
    open: Option<(&'a Record, Recording, Run)>,
}

impl<'a> Entry<'a> {
    /// Begins to record what becomes of a plan.
    ///
    /// # Errors
    ///
    /// [`Failure::Inventory`].
    pub(crate) async fn begin(plan: &Plan, workspace: &'a Workspace, consent: &Consent) -> Result<Self, Failure> {
        let Some(record) = &workspace.record else { return Ok(Self { open: None }) };
        let run = record.run(consent.serial());
        let recording = record.begin(plan, &run).await?;
        Ok(Self { open: recording.map(|recording| (record, recording, run)) })
    }

    /// Returns who takes in what the steps do.
    pub(crate) fn recorder(&self) -> Option<Arc<dyn Recorder>> {
        self.open.as_ref().map(|(_, recording, _)| recording.recorder())
    }

    /// Waits for what makes it wrong to go on, and says what it is. Cancel-safe.
    pub(crate) async fn disturbed(&self) -> &'static str {
        let Some((record, recording, _)) = &self.open else { return std::future::pending().await };
        tokio::select! {
            () = record.lock_lost() => "the lock on the inventory was lost",
            () = recording.broken().cancelled() => "somebody else wrote the inventory",
        }
    }

    /// Writes down how it ended.
    ///
    /// # Errors
    ///
    /// [`Failure::Inventory`], also when the lock was lost meanwhile.
    pub(crate) async fn finish(self, plan: &Plan, outcome: &Outcome) -> Result<(), Failure> {
        let Some((record, recording, mut run)) = self.open else { return Ok(()) };
        let report = Report::new(plan, outcome);
        report.word().clone_into(&mut run.outcome);
        run.summary = report.to_line();
        recording.finish(run).await?;
        record.check_lock()
    }
}

#[cfg(test)]
mod tests {
    use sbx::types::Secret;

    use super::*;

    fn remote(base_url: &str) -> Remote {
        let key = Some(Secret::new("planted"));
        let (url_from, key_from) = (Source::Default, Source::Default);
        Remote { base_url: base_url.to_owned(), url_from, key, key_source: None, key_from }
    }

    #[test]
    fn an_endpoint_has_a_file_name() {
        for (endpoint, name) in [
            ("https://sandboxes.example.com/v2/sandboxes", "sandboxes.example.com"),
            ("http://127.0.0.1:7290/v2/sandboxes", "127.0.0.1-7290"),
            ("http://[::1]:80/api/v2/sandboxes?key=planted", "---1--80"),
            ("https://user:planted@a/x/", "a-x"),
        ] {
            assert_eq!(name_of(&remote(endpoint)), name);
        }
    }

    #[test]
    fn the_flag_wins_and_then_the_target() {
        let at = |inventory: Option<&str>, settings: &Settings| {
            let args = RecordArgs { inventory: inventory.map(ToOwned::to_owned), accept_workspace: false };
            place(&args, settings).map(|(place, from)| (place, from.to_string()))
        };
        let of = |server: Server| Settings { server: Some(server), ..Settings::default() };
        let local = of(Server::Local { data_dir: "/p/.sbx/local".into(), from: Source::Default });
        assert_eq!(at(None, &local), Some(("/p/.sbx/local/inventory.json".to_owned(), "default".to_owned())));
        assert_eq!(at(Some("s3://b/x.json"), &local), Some(("s3://b/x.json".to_owned(), "--inventory".to_owned())));
        assert_eq!(at(Some("none"), &local), None);
        let mut settings = of(Server::Remote(remote("http://a/v2/sandboxes")));
        for (target, context, file) in [(None, None, "a"), (None, Some("c"), "c"), (Some("t"), Some("c"), "t")] {
            settings.target = target.map(ToOwned::to_owned);
            settings.context = context.map(ToOwned::to_owned);
            let (path, _) = at(None, &settings).unwrap();
            assert!(path.ends_with(&format!(".sbx/inventory/{file}.json")), "{path}");
        }
        settings.inventory = Some("/state/t.json".to_owned());
        assert_eq!(at(None, &settings).unwrap().0, "/state/t.json");
    }

    #[test]
    fn a_wait_may_be_none() {
        assert_eq!(wait("5m"), Ok(Duration::from_mins(5)));
        assert_eq!(wait("0"), Ok(Duration::ZERO));
        assert!(wait("soon").is_err());
    }
}
