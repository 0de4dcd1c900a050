//! Inventories in an object store that nobody here wrote: moto's S3, with two writers at a time.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use sbx::reconcile::Inventory;
use sbx::reconcile::ledger::{Error, Holder, Ledger, Opening, Patience, Reading};
use sbx::types::Timestamp;
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::install::{Sdk, python};
use crate::object_store::{self, ObjectStore};
use crate::program::run as run_program;
use crate::report::{Outcome, Report};
use crate::server::{API_KEY, Server};

/// A test, by its name.
type Test = (&'static str, fn(&Store) -> Result<(), String>);
const TEMPLATE: &str = "{apiVersion: sbx/v1, kind: Template, metadata: {name: t}, spec: {image: a}}";
/// How many applies run at the same time.
const N_WRITERS: usize = 3;

/// Runs every test, each on an inventory of its own.
pub(crate) fn run(sdk: &Sdk, report: &mut Report) {
    let store = match sdk.installed().and_then(|folder| Store::start(&folder)) {
        Ok(store) => store,
        Err(reason) => return report.add(sdk.name.to_owned(), Outcome::NotRun { reason }),
    };
    let tests: [Test; 3] = [
        ("of_two_writers_one_is_told", of_two_writers_one_is_told),
        ("applies_at_the_same_time_take_turns", applies_at_the_same_time_take_turns),
        ("a_lock_is_told_and_broken", a_lock_is_told_and_broken),
    ];
    for (name, test) in tests {
        let outcome = match test(&store) {
            Ok(()) => Outcome::Passed,
            Err(reason) => Outcome::Failed { reason },
        };
        report.add(format!("{}::{name}", sdk.name), outcome);
    }
}

/// What everything is kept under.
fn place() -> String {
    format!("{}/team/prod.json", object_store::BUCKET)
}

/// What the tests share.
struct Store(ObjectStore);

impl Store {
    fn start(folder: &Path) -> Result<Self, String> {
        ObjectStore::start(&python(folder)).map(Self)
    }

    fn variables(&self) -> Vec<(&'static str, String)> {
        self.0.variables()
    }

    fn sbx(&self, server: &Server, place: &str, arguments: &[&str]) -> Result<(Option<i32>, String, String), String> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sbx"));
        command.args(arguments).args(["--inventory", place]).env_clear().envs(self.variables());
        command.env("HOME", server.folder()).current_dir(server.folder());
        command.env("SBX_ENDPOINT", server.url()).env("SBX_API_KEY", API_KEY).env("USER", "mila");
        let output = run_program(&mut command)?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
        if format!("{stdout}{stderr}").contains("planted") {
            return Err(format!("a secret is shown:\n{stdout}{stderr}"));
        }
        Ok((output.status.code(), stdout, stderr))
    }
}

fn of_two_writers_one_is_told(store: &Store) -> Result<(), String> {
    let runtime = runtime()?;
    let ledger =
        Ledger::open("s3://inventories/two/prod.json", &store.variables()).map_err(|error| error.to_string())?;
    runtime.block_on(async {
        let begin = async |reading, endpoint: String| {
            let mut inventory = Inventory::default();
            inventory.endpoint = Some(endpoint);
            ledger.begin(reading, Opening { inventory, has_steps: true, ..Opening::default() }).await
        };
        // On nothing, and then on what the first of them wrote.
        for round in 0..2 {
            let (one, two) = (read(&ledger).await?, read(&ledger).await?);
            begin(one, format!("one {round}")).await.map_err(|error| format!("round {round}: {error:?}"))?;
            match begin(two, format!("two {round}")).await {
                Err(Error::Changed { .. }) => {}
                other => return Err(format!("round {round}: the second one was not told: {other:?}")),
            }
        }
        Ok(())
    })
}

async fn read(ledger: &Ledger) -> Result<Reading, String> {
    ledger.read().await.map_err(|error| format!("{error:?}"))
}

fn applies_at_the_same_time_take_turns(store: &Store) -> Result<(), String> {
    let server = Server::start()?;
    let files: Vec<PathBuf> = (0..N_WRITERS).map(|n| server.folder().join(format!("w{n}.yaml"))).collect();
    for (n, file) in files.iter().enumerate() {
        let text = TEMPLATE.replace("name: t", &format!("name: t{n}"));
        std::fs::write(file, text).map_err(|error| error.to_string())?;
    }
    let ended: Vec<_> = thread::scope(|scope| {
        let apply = |file: &PathBuf| {
            let (file, server) = (file.display().to_string(), &server);
            let apply = move || store.sbx(server, &place(), &["apply", "-f", &file, "--yes", "--lock-timeout", "2m"]);
            scope.spawn(apply)
        };
        let threads: Vec<_> = files.iter().map(apply).collect();
        threads.into_iter().map(|thread| thread.join().expect("the thread of a test ends")).collect()
    });
    for result in ended {
        let (code, stdout, stderr) = result?;
        if code != Some(0) {
            return Err(format!("exit code {code:?}\n{stdout}{stderr}"));
        }
    }
    let (_, history, stderr) = store.sbx(&server, &place(), &["history", "-o", "json"])?;
    let history: Value = serde_json::from_str(&history).map_err(|error| format!("{error}: {history}{stderr}"))?;
    let n_runs = history["runs"].as_array().map_or(0, Vec::len);
    if n_runs != N_WRITERS {
        return Err(format!("{n_runs} runs are remembered: {history}"));
    }
    let (_, plan, stderr) = store.sbx(&server, &place(), &["plan", "-f", &files[0].display().to_string()])?;
    if !plan.contains("No changes") {
        return Err(format!("a second plan has changes:\n{plan}{stderr}"));
    }
    Ok(())
}

fn a_lock_is_told_and_broken(store: &Store) -> Result<(), String> {
    let server = Server::start()?;
    let place = "s3://inventories/locked/prod.json";
    let runtime = runtime()?;
    let ledger = Ledger::open(place, &store.variables()).map_err(|error| error.to_string())?;
    let holder = Holder {
        by: "vera@elsewhere".to_owned(),
        pid: 7,
        machine: None,
        command: "sbx apply".to_owned(),
        url: None,
        since: Timestamp::from_microseconds(1_774_353_600_000_000).ok_or("a good time")?,
    };
    let patience = Patience { timeout: Duration::ZERO, on_wait: &mut |_| {} };
    let lease = runtime.block_on(ledger.lock(holder, patience)).map_err(|error| format!("{error:?}"))?;
    std::fs::write(server.folder().join("w.yaml"), TEMPLATE).map_err(|error| error.to_string())?;
    let apply = || store.sbx(&server, place, &["apply", "-f", "w.yaml", "--yes", "--lock-timeout", "0"]);

    expect(apply()?, 1, "is locked by vera@elsewhere")?;
    expect(store.sbx(&server, place, &["unlock", "--yes"])?, 0, "Took the lock from vera@elsewhere")?;
    expect(store.sbx(&server, place, &["unlock", "--yes"])?, 0, "Nobody holds the lock.")?;
    expect(apply()?, 0, "Done: 1 created.")?;
    // What was taken away is not given up: that would take it from whoever has it now.
    runtime.block_on(lease.release()).map_err(|error| format!("{error:?}"))
}

fn expect((code, stdout, stderr): (Option<i32>, String, String), expected: i32, text: &str) -> Result<(), String> {
    let output = format!("{stdout}{stderr}");
    if code == Some(expected) && output.contains(text) {
        return Ok(());
    }
    Err(format!("exit code {code:?} instead of {expected} with `{text}`:\n{output}"))
}

fn runtime() -> Result<Runtime, String> {
    Runtime::new().map_err(|error| error.to_string())
}
