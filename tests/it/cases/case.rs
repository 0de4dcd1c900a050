//! One case: the files of its folder, and what the program makes of them.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::server::Canned;
use crate::cli::environment::{Environment, Run};

/// How the files of cases, and what is printed for them, name the server, whose port is another one each time.
const SERVER: &str = "http://sandboxes.example";

/// The files of a folder that say how a case goes, or what came out of it. All others are there when the program runs.
const NOT_GIVEN: [&str; 8] = [
    "before.json",
    "command.txt",
    "commands.txt",
    "environment.txt",
    "flags.txt",
    "plan.json",
    "plan.txt",
    "world.json",
];

/// A folder that says what is there and what is asked for.
#[derive(Clone)]
pub(super) struct Case {
    folder: PathBuf,
}

/// What the program makes of a case.
pub(super) struct Printed {
    /// The command that was shown.
    pub(super) command: String,
    /// What it prints, and its exit code.
    pub(super) result: String,
    /// The plan that was saved, if one was.
    pub(super) saved: Option<String>,
}

impl Case {
    pub(super) fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// Runs the case's commands against a server that has the case's world, and shows the last one in this form.
    pub(super) async fn run(&self, form: &'static str) -> Printed {
        let (server, serving) = Canned::start().await;
        let case = self.clone();
        let program = tokio::task::spawn_blocking(move || case.play(&server, form));
        tokio::select! {
            ended = serving => panic!("the server ended: {ended:?}"),
            printed = program => printed.expect("the program ran"),
        }
    }

    fn play(&self, server: &Canned, form: &str) -> Printed {
        let environment = self.environment(server.address());
        let world = self.json("world.json").expect("each case has a world");
        let commands = self.commands();
        let (last, first) = commands.split_last().expect("there is a command");
        server.show(self.json("before.json").unwrap_or_else(|| world.clone()));
        for command in first {
            let run = environment.sbx(&words(command));
            assert_ne!(run.code, Some(64), "{run}");
        }
        server.show(world);
        let run = environment.sbx_of(&[&words(last)[..], &["-o", form]].concat(), |id| server.expect(id));
        Printed {
            command: words(last)[0].to_owned(),
            result: printed(&run, form).replace(server.address(), SERVER),
            saved: environment.work().join("saved.json").is_file().then(|| environment.read("saved.json")),
        }
    }

    /// Returns a place with the case's files and variables.
    fn environment(&self, address: &str) -> Environment {
        let mut environment = Environment::new();
        environment.set("SBX_ENDPOINT", &format!("{address}/v2/sandboxes"));
        for line in self.text("environment.txt").unwrap_or_default().lines() {
            let (name, value) = line.split_once('=').expect("a variable has a value");
            environment.set(name, value);
        }
        for entry in fs::read_dir(&self.folder).expect("the folder can be read") {
            let name = entry.expect("it can be read").file_name().into_string().expect("names are UTF-8");
            if !NOT_GIVEN.contains(&name.as_str()) {
                let text = self.text(&name).expect("it is there");
                environment.write(name, &text.replace(SERVER, address));
            }
        }
        environment
    }

    /// Returns the command lines, of which the last is the one that is shown.
    fn commands(&self) -> Vec<String> {
        if let Some(lines) = self.text("commands.txt") {
            return lines.lines().map(str::to_owned).collect();
        }
        let command = self.text("command.txt").unwrap_or_else(|| "plan".to_owned());
        let flags = self.text("flags.txt").unwrap_or_default();
        let has_inventory = self.folder.join("inventory.json").is_file();
        let inventory = if has_inventory { "inventory.json" } else { "none" };
        let out = if command.trim() == "plan" { "--out saved.json" } else { "" };
        vec![format!("{} -f manifest.yaml --inventory {inventory} {out} {flags}", command.trim())]
    }

    fn json(&self, file: &str) -> Option<Value> {
        Some(serde_json::from_str(&self.text(file)?).unwrap_or_else(|error| panic!("{file}: {error}")))
    }

    fn text(&self, file: &str) -> Option<String> {
        fs::read_to_string(self.folder.join(file)).ok()
    }
}

fn words(command: &str) -> Vec<&str> {
    command.split_whitespace().collect()
}

/// Returns what a command says to those who read it in this form: for people with what is wrong, and what they can do.
fn printed(run: &Run, form: &str) -> String {
    let is_told = |line: &&str| ["error: ", "caused by: ", "hint: ", "warning: "].iter().any(|it| line.starts_with(it));
    let told = run.stderr.lines().filter(is_told).filter(|_| form == "text");
    let told: String = told.flat_map(|line| [line, "\n"]).collect();
    let code = run.code.unwrap_or_else(|| panic!("it ends by itself\n{run}"));
    format!("{}{told}exit {code}\n", run.stdout)
}
