//! As much of GitHub Actions as the workflows use: jobs, steps, conditions, variables, expressions.
//!
//! What is not known here is an error of the test, so that no step is passed over.

use std::fmt;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::process::Command;

use serde_yaml::Value as Yaml;

use crate::cli::environment::Environment;
use crate::cli::server::Server;
use crate::tree;

const KEY: &str = "the-key";
const PROJECT: &str = "targets: {prod: {manifests: [manifests], inventory: state/prod.json}}\n";

/// Takes down how it is called, keeps the text that it would post, and answers what `answer` has.
const GH: &str = r#"#!/bin/bash
echo "gh $*" >> calls
while (($#)); do
  case $1 in
    --body-file) cp "$2" posted.md ;;
    body=@*) cp "${1#body=@}" posted.md ;;
    --jq) [ ! -e answer ] || cat answer ;;
    download) cp ../artifact/* . ;;
  esac
  shift
done
"#;

/// A repository, the workspace that it declares, and a runner.
pub(super) struct Runner {
    environment: Environment,
    server: Server,
    number: u32,
}

impl Runner {
    pub(super) fn start() -> Self {
        let environment = Environment::new();
        environment.write("../key", KEY).write("sbx.yaml", PROJECT);
        let server = Server::start(&environment, &["--api-key-file", "../key", "--data-dir", "../data"]);
        let bin = environment.work().join("../bin");
        for (name, text) in [("gh", GH), ("cargo", "#!/bin/bash\necho \"cargo $*\" >> calls\n")] {
            environment.write(format!("../bin/{name}"), text);
            fs::set_permissions(bin.join(name), fs::Permissions::from_mode(0o755)).expect("it is ours");
        }
        symlink(env!("CARGO_BIN_EXE_sbx"), bin.join("sbx")).expect("the folder is empty");
        Self { environment, server, number: 1 }
    }

    pub(super) fn write(&mut self, path: &str, text: &str) -> &mut Self {
        self.environment.write(path, text);
        self
    }

    /// Sets the number of the runs that follow.
    pub(super) fn number(&mut self, number: u32) -> &mut Self {
        self.number = number;
        self
    }

    /// Sets what `gh` finds from now on.
    pub(super) fn answer(&self, text: &str) {
        self.environment.write("answer", text);
    }

    pub(super) fn read(&self, path: &str) -> String {
        self.environment.read(path)
    }

    /// Returns how programs other than `sbx` were called.
    pub(super) fn calls(&self) -> String {
        self.read("calls")
    }

    /// Makes the workspace what a manifest says, unknown to the repository.
    pub(super) fn by_hand(&self, manifest: &str) {
        self.environment.write("../by-hand.yaml", manifest);
        let mut command = self.environment.command();
        command.args(["apply", "--yes", "--quiet", "--inventory", "none", "-f", "../by-hand.yaml", "--endpoint"]);
        let output = command.arg(self.server.url()).env("SBX_API_KEY", KEY).output();
        assert!(output.expect("the program can be started").status.success());
    }

    /// Runs a job: each step after the other, and after one that failed only those that always run.
    pub(super) fn run(&self, workflow: &str, job: &str) -> Job {
        let workflow = Workflow::read(workflow);
        let job = &workflow.text["jobs"][job];
        let _ = fs::remove_file(self.environment.work().join("summary.md"));
        let mut done = Job { steps: Vec::new() };
        for step in items(&job["steps"]) {
            let is_due = match step["if"].as_str() {
                None => done.is_good(),
                Some("always()") => true,
                Some(other) => panic!("`{other}` is not known here"),
            };
            match step["run"].as_str() {
                Some(script) if is_due => done.steps.push(self.script(script, &[&workflow.text, job, step])),
                Some(_) => {}
                None if step["uses"].as_str() == Some("actions/upload-artifact@v4") => {
                    if is_due {
                        self.upload(step["with"]["path"].as_str().expect("it says what to upload"));
                    }
                }
                None => assert!(is_known(step["uses"].as_str()), "{step:?}"),
            }
        }
        done
    }

    /// Takes a file out of the job's folder, for `gh run download` to bring it back.
    fn upload(&self, file: &str) {
        let work = self.environment.work();
        fs::create_dir_all(work.join("../artifact")).expect("the folder is ours");
        fs::rename(work.join(file), work.join("../artifact").join(file)).expect("a step has written it");
    }

    fn script(&self, script: &str, scopes: &[&Yaml; 3]) -> Step {
        let work = self.environment.work();
        let mut command = Command::new("bash");
        command.args(["--noprofile", "--norc", "-eo", "pipefail", "-c", script]).current_dir(&work).env_clear();
        let path = format!("{}:/usr/local/bin:/usr/bin:/bin", work.join("../bin").display());
        command.env("PATH", path).env("HOME", work.join("../home")).env("GITHUB_STEP_SUMMARY", work.join("summary.md"));
        command.env("GITHUB_RUN_NUMBER", self.number.to_string()).envs(GITHUB);
        for (name, value) in scopes.iter().flat_map(|scope| scope["env"].as_mapping().into_iter().flatten()) {
            let [name, value] = [name, value].map(|text| text.as_str().expect("variables are text"));
            command.env(name, self.evaluated(value));
        }
        let output = command.output().expect("there is a `bash`");
        let text = [output.stdout, output.stderr].concat();
        Step {
            name: scopes[2]["name"].as_str().expect("a step with a script has a name").to_owned(),
            code: output.status.code().expect("it ends by itself"),
            text: String::from_utf8(text).expect("it prints UTF-8"),
        }
    }

    fn evaluated(&self, text: &str) -> String {
        let Some(expression) = text.strip_prefix("${{ ") else { return text.to_owned() };
        match expression.strip_suffix(" }}") {
            Some("vars.SBX_ENDPOINT") => self.server.url(),
            Some("secrets.SBX_API_KEY") => KEY.to_owned(),
            Some("github.token") => "a-token".to_owned(),
            Some("github.event.pull_request.number") => "7".to_owned(),
            _ => panic!("`{text}` is not known here"),
        }
    }
}

const GITHUB: [(&str, &str); 5] = [
    ("CI", "true"),
    ("GITHUB_ACTIONS", "true"),
    ("GITHUB_REPOSITORY", "acme/sandboxes"),
    ("GITHUB_RUN_ID", "99"),
    ("GITHUB_SERVER_URL", "https://github.com"),
];

fn is_known(action: Option<&str>) -> bool {
    matches!(action, Some("actions/checkout@v4" | "aws-actions/configure-aws-credentials@v4"))
}

fn items(list: &Yaml) -> &[Yaml] {
    list.as_sequence().expect("it is a list")
}

/// A job that has run.
pub(super) struct Job {
    steps: Vec<Step>,
}

struct Step {
    name: String,
    code: i32,
    text: String,
}

impl Job {
    /// Returns which steps have run, and how they ended.
    pub(super) fn codes(&self) -> Vec<(&str, i32)> {
        self.steps.iter().map(|step| (step.name.as_str(), step.code)).collect()
    }

    pub(super) fn is_good(&self) -> bool {
        self.steps.iter().all(|step| step.code == 0)
    }
}

impl fmt::Display for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.steps.iter().try_for_each(|step| writeln!(f, "--- {}: {}\n{}", step.name, step.code, step.text))
    }
}

/// A file in `examples/ci`.
pub(super) struct Workflow {
    pub(super) name: String,
    text: Yaml,
}

/// Returns all of them.
pub(super) fn workflows() -> Vec<Workflow> {
    let files = tree::files("examples/ci", "yml");
    files.iter().map(|file| Workflow::read(&file.file_stem().expect("it has a name").to_string_lossy())).collect()
}

impl Workflow {
    pub(super) fn read(name: &str) -> Self {
        let text = tree::read(format!("examples/ci/{name}.yml"));
        let text = serde_yaml::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        Self { name: name.to_owned(), text }
    }

    /// Returns the scripts of all jobs.
    pub(super) fn scripts(&self) -> Vec<&str> {
        let jobs = self.text["jobs"].as_mapping().expect("there are jobs");
        let steps = jobs.values().flat_map(|job| items(&job["steps"]));
        steps.filter_map(|step| step["run"].as_str()).collect()
    }

    /// Returns whether anything of a job is a secret.
    pub(super) fn has_secrets(&self, job: &str) -> bool {
        let job = serde_yaml::to_string(&self.text["jobs"][job]).expect("it was read from YAML");
        job.contains("secrets.")
    }

    /// Returns whether a script ends when a program in a pipe fails, as it does here.
    pub(super) fn fails_in_pipes(&self) -> bool {
        self.text["defaults"]["run"]["shell"].as_str() == Some("bash")
    }
}
