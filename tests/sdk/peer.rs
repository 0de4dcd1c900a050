//! One SDK against one server: what `sbx` made is what the SDK sees, and what the SDK changes is what `sbx` plans.

use std::path::Path;
use std::process::Command;

use serde::Deserialize;
use serde_json::Value;

use crate::first_program;
use crate::install::Sdk;
use crate::methods;
use crate::program::{run as run_program, suites};
use crate::report::{Outcome, Report};
use crate::server::{API_KEY, Server};
use crate::serving::{Owner, Serving};

/// What `sbx plan` has to say after the module `changes`: kind, name, action and, for a change, its fields.
const CHANGES: &[(&str, &str, &str, &[&str])] = &[
    ("Volume", "archive", "blocked", &["size"]),
    ("Volume", "scratch", "create", &[]),
    // It was renamed behind the manifests' back, and is known by its id; its pool follows it.
    ("Template", "plain", "rename", &[]),
    ("Pool", "worker-warm", "update", &["replicas"]),
    ("Sandbox", "box-1", "update", &["ttl_seconds"]),
];

/// Runs everything that there is for an SDK, in order, each part whatever the one before it said.
pub(crate) fn run(sdk: &Sdk, report: &mut Report) {
    let folder = match sdk.installed() {
        Ok(folder) => folder,
        Err(reason) => return report.add(sdk.name.to_owned(), Outcome::NotRun { reason }),
    };
    if !sdk.is_repetition {
        against_records(sdk, &folder, report);
    }
    against_sandboxes(sdk, &folder, report);
}

/// What `sbx` made and what the SDK sees of it, on a server whose sandboxes are records or play.
fn against_records(sdk: &Sdk, folder: &Path, report: &mut Report) {
    let server = match Server::start() {
        Ok(server) => server,
        Err(reason) => return report.add(format!("{}::serve", sdk.name), Outcome::Failed { reason }),
    };
    let peer = Peer { sdk, folder, url: server.url(), home: server.folder(), owner: Owner::Me };
    peer.sbx("apply", &["--yes"], report, |output| expect_code(output, 0));
    peer.module("workspace", report);
    peer.module("calls", report);
    peer.module("errors", report);
    peer.sbx("nothing_to_do", &["--exit-code"], report, |output| expect_code(output, 0));
    peer.module("changes", report);
    peer.sbx("plan_reports_the_changes", &["-o", "json"], report, |output| expect_changes(&output.stdout));

    match Server::with_fake_sandboxes() {
        Ok(server) => {
            let peer = Peer { url: server.url(), home: server.folder(), ..peer };
            peer.module("dataplane", report);
        }
        Err(reason) => report.add(format!("{}::serve", sdk.name), Outcome::Failed { reason }),
    }
}

/// What the SDK's documentation shows, in sandboxes that really run, of this user and of an ordinary one.
fn against_sandboxes(sdk: &Sdk, folder: &Path, report: &mut Report) {
    if let Some(program) = sdk.first_program {
        first_program::run(sdk, folder, program, report);
        let outcome = match methods::check(folder) {
            Ok(()) => Outcome::Passed,
            Err(reason) => Outcome::Failed { reason },
        };
        report.add(format!("{}::every_method_has_its_match", sdk.name), outcome);
    }
    let owners = if sdk.is_repetition { &[Owner::Me] } else { Owner::all() };
    for owner in owners {
        match Serving::start(*owner) {
            Ok(server) => {
                let peer = Peer { sdk, folder, url: server.url(), home: server.folder(), owner: *owner };
                let own: &[&str] = if *owner == Owner::Me { sdk.modules_with_servers } else { &[] };
                for module in sdk.modules_in_sandboxes.iter().chain(own) {
                    peer.module(module, report);
                }
            }
            Err(reason) => {
                report.add(format!("{}::{}", sdk.name, owner.name("sandboxes")), Outcome::NotRun { reason });
            }
        }
    }
}

pub(crate) struct Peer<'a> {
    pub(crate) sdk: &'a Sdk,
    pub(crate) folder: &'a Path,
    pub(crate) url: &'a str,
    /// Where programs that talk to the server may leave what they like.
    pub(crate) home: &'a Path,
    /// Whose the server is.
    pub(crate) owner: Owner,
}

/// A line that a suite prints about one of its tests.
#[derive(Deserialize)]
struct Line {
    name: String,
    outcome: String,
    reason: String,
}

struct Output {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Peer<'_> {
    /// Returns what the report calls a test.
    fn name(&self, test: &str) -> String {
        format!("{}::{}", self.sdk.name, self.owner.name(test))
    }

    /// Runs a module of the suite and reports each of its tests.
    fn module(&self, module: &str, report: &mut Report) {
        for (name, outcome) in self.outcomes(module) {
            report.add(name, outcome);
        }
    }

    /// Runs a module of the suite and returns how each of its tests ended.
    pub(crate) fn outcomes(&self, module: &str) -> Vec<(String, Outcome)> {
        let mut command = (self.sdk.runner)(self.folder);
        command.arg(self.sdk.module_name(module));
        let output = match self.output(&mut command) {
            Ok(output) => output,
            Err(reason) => return vec![(self.name(module), Outcome::Failed { reason })],
        };
        let mut outcomes = Vec::new();
        for line in output.stdout.lines().filter_map(|line| serde_json::from_str::<Line>(line).ok()) {
            let outcome = match line.outcome.as_str() {
                "passed" => Outcome::Passed,
                "skipped" => Outcome::NotRun { reason: line.reason },
                _ => Outcome::Failed { reason: line.reason },
            };
            outcomes.push((self.name(&line.name), outcome));
        }
        let n_tests = outcomes.len();
        if n_tests == 0 || output.code != Some(0) {
            let reason =
                format!("{n_tests} tests ran, exit code {:?}\n{}{}", output.code, output.stdout, output.stderr);
            outcomes.push((self.name(module), Outcome::Failed { reason }));
        }
        outcomes
    }

    /// Runs `sbx plan` or `sbx apply` on the manifests of the suites and reports it as one test.
    fn sbx(&self, test: &str, options: &[&str], report: &mut Report, check: fn(&Output) -> Result<(), String>) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sbx"));
        command.arg(if test == "apply" { "apply" } else { "plan" });
        command.arg("-f").arg(suites().join("workspace/workspace.yaml")).args(options);
        let outcome = match self.output(&mut command).and_then(|output| check(&output)) {
            Ok(()) => Outcome::Passed,
            Err(reason) => Outcome::Failed { reason },
        };
        report.add(format!("{}::sbx::{test}", self.sdk.name), outcome);
    }

    /// Runs a command in the environment that the SDK's users have: an endpoint and a key.
    fn output(&self, command: &mut Command) -> Result<Output, String> {
        for name in ["LANGCHAIN_ENDPOINT", "LANGCHAIN_API_KEY", "SBX_ENDPOINT", "SBX_API_KEY"] {
            command.env_remove(name);
        }
        command
            .current_dir(self.home)
            .env("HOME", self.home)
            .env("LANGSMITH_ENDPOINT", self.url)
            .env("LANGSMITH_API_KEY", API_KEY)
            .env("SBX_PROGRAM", env!("CARGO_BIN_EXE_sbx"))
            .env("SBX_EXPECTED", suites().join("workspace/expected.json"));
        let output = run_program(command)?;
        Ok(Output {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }
}

fn expect_code(output: &Output, code: i32) -> Result<(), String> {
    if output.code == Some(code) {
        return Ok(());
    }
    Err(format!("exit code {:?} instead of {code}\n{}{}", output.code, output.stdout, output.stderr))
}

/// Compares the plan's changes, without the objects that stay as they are, with [`CHANGES`].
fn expect_changes(plan: &str) -> Result<(), String> {
    let plan: Value = serde_json::from_str(plan).map_err(|error| format!("the plan is not JSON: {error}\n{plan}"))?;
    let changes = plan["changes"].as_array().ok_or_else(|| format!("the plan has no changes: {plan}"))?;
    let changes = changes.iter().filter(|change| change["action"] != "keep");
    let mut found: Vec<_> = changes.map(summary).collect();
    found.sort();
    let mut expected: Vec<_> =
        CHANGES.iter().map(|(kind, name, action, fields)| format!("{action} {kind}/{name} {fields:?}")).collect();
    expected.sort();
    if found == expected { Ok(()) } else { Err(format!("expected {expected:#?}\nfound {found:#?}\nin {plan:#}")) }
}

/// Says what a change is; the fields of an object that does not exist yet are no changes.
fn summary(change: &Value) -> String {
    let text = |key: &str| change[key].as_str().unwrap_or_default();
    let fields = change["fields"].as_array().map_or(&[][..], Vec::as_slice);
    let is_new = change["action"] == "create";
    let paths: Vec<_> = fields.iter().filter(|_| !is_new).filter_map(|field| field["path"].as_str()).collect();
    format!("{} {}/{} {paths:?}", text("action"), text("kind"), text("name"))
}
