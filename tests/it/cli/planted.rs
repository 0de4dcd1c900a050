//! Secrets are planted wherever one can be given, every command is run, and all that is printed, logged and written is
//! searched for them, in every form that a secret takes on its way.
//!
//! Three places hold them rightly: the files and variables that the manifests name, which are the user's; the server's
//! own data, since it has to log in to registries by itself; and the requests between the two.

mod forms;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::environment::Environment;
use super::reference::commands;
use super::server::Server;
use forms::Forms;

/// A password from the environment, of no more than what a URL or a header may have.
const FROM_VARIABLE: &str = "planted+variable/p@ss=word";
/// A password from a file, with all that has to be escaped somewhere.
const FROM_FILE: &str = "planted \"file\" \\ p&ss <wörd>\tend";
/// What the password in the variable becomes.
const ROTATED: &str = "planted+rotated/p@ss=word";
/// The server's API key.
const API_KEY: &str = "planted-api-key/0+9==";

const MANIFEST: &str = "\
apiVersion: sbx/v2
kind: Registry
metadata: {name: ghcr}
spec: {url: ghcr.io/acme, username: ci-bot, password: {env: GHCR_TOKEN}, secret_version: 1}
---
apiVersion: sbx/v2
kind: Registry
metadata: {name: lab}
spec: {url: registry.example, username: ci-bot, password: {file: token.txt}}
---
apiVersion: sbx/v2
kind: Snapshot
metadata: {name: python}
spec: {docker_image: 'ghcr.io/acme/python:3.12', fs_capacity_bytes: 4Gi, registry_name: ghcr}
---
apiVersion: sbx/v2
kind: Sandbox
metadata: {name: box}
spec:
  snapshot: python
  secret_version: 1
  proxy_config:
    rules:
    - {name: ghcr, match_hosts: [ghcr.io], headers: [{name: Authorization, value: {env: GHCR_TOKEN}}]}
    - {name: lab, gcp: {service_account_json: {file: token.txt}}}
  mount_config:
    auth: {aws: {access_key_id: {env: GHCR_TOKEN}, secret_access_key: {file: token.txt}}}
    mounts: [{id: data, type: s3, mount_path: /data, s3: {bucket: b, region: r}}]
---
apiVersion: sbx/v2
kind: Sandbox
metadata: {name: kept}
spec: {snapshot: python, env_vars: {TOKEN: {env: GHCR_TOKEN}, OTHER: {file: token.txt}}}
---
apiVersion: sbx/v1
kind: Template
metadata: {name: plain}
spec: {image: python}
";

const CONTEXTS: &str = "\
current_context: here
contexts:
  here: {endpoint: 'http://127.0.0.1:9', api_key_file: '~/key.txt'}
  told: {endpoint: 'http://127.0.0.1:9', api_key_command: 'cat ~/key.txt'}
";

/// What is run, in this order. `serve` is what all of it runs against, so that the one here finds the data taken.
const RUNS: &[&[&str]] = &[
    &["version", "--verbose"],
    &["schema", "Registry.spec.password"],
    &["schema", "inventory"],
    &["completion", "bash"],
    &["context", "list"],
    &["context", "show", "told"],
    &["validate", "-f", "m"],
    &["validate", "-f", "m", "-o", "json"],
    &["validate", "-f", "m", "-o", "markdown"],
    &["validate", "-f", "m", "-o", "github"],
    &["doctor"],
    &["plan", "-f", "m"],
    &["plan", "-f", "m", "-o", "json", "-o", "markdown=plan.md", "--out", "saved.json"],
    &["plan", "-f", "m", "-o", "github"],
    &["apply", "./saved.json", "--yes", "-o", "json"],
    &["apply", "-f", "m", "--yes"],
    &["observe", "-o", "seen.json"],
    &["plan", "-f", "m", "--against", "seen.json", "--show-unchanged"],
    &["drift", "-f", "m"],
    &["drift", "-f", "m", "-o", "json"],
    &["get", "all"],
    &["get", "all", "-o", "name"],
    &["get", "all", "-o", "json"],
    &["get", "all", "-o", "yaml"],
    &["describe", "registry/ghcr", "registry/lab", "snapshot/python", "sandbox/box"],
    &["export", "-o", "exported", "--sandboxes"],
    &["migrate", "-f", "m", "--to", "snapshots", "-o", "migrated"],
    &["history"],
    &["wait", "box"],
    &["service", "box", "80"],
    &["exec", "box", "--", "env"],
    &["cp", "token.txt", "box:/token"],
    &["run", "plain", "--", "env"],
    &["tunnel", "nowhere", "80"],
    &["adopt", "-f", "m"],
    &["unlock"],
    &["serve", "--listen", "127.0.0.1:0", "--data-dir", "server", "--api-key-file", "key.txt"],
];

/// What is run at the end, since nothing is there afterwards.
const LAST: &[&[&str]] = &[
    &["delete", "sandbox/box", "--yes"],
    &["forget", "registry/lab"],
    &["destroy", "-f", "m", "--yes"],
    &["history", "-o", "json"],
    // What it writes says which server is meant from then on.
    &["init", "starter"],
];

/// How a server may answer a request with what was in it, as frameworks for servers do.
fn echoes() -> Vec<String> {
    let body = serde_json::json!({"name": "ghcr", "username": "ci-bot", "password": ROTATED});
    let answers = [
        serde_json::json!({"detail": {"error": "X", "message": format!("no {ROTATED} here")}}),
        serde_json::json!({"detail": [{"loc": ["body", "password"], "msg": "bad", "type": ROTATED, "input": body}]}),
        serde_json::json!({"detail": body.to_string()}),
        serde_json::json!(format!("cannot read {body}")),
        serde_json::json!({"message": {"request": body}}),
    ];
    let statuses = [400, 409, 422, 500];
    let answer = |(number, answer): (usize, &serde_json::Value)| {
        let status = statuses[number % statuses.len()];
        serde_json::json!({"operation": "update_registry", "status": status, "count": 9, "body": answer}).to_string()
    };
    answers.iter().enumerate().map(answer).collect()
}

/// A project with secrets in it, and all that was said in it.
struct Project {
    environment: Environment,
    server: Server,
    said: RefCell<Vec<String>>,
    was_run: RefCell<BTreeSet<String>>,
}

impl Project {
    fn open() -> Self {
        let mut environment = Environment::new();
        environment.write("m/all.yaml", MANIFEST).write("m/token.txt", FROM_FILE).write("token.txt", FROM_FILE);
        environment.write("key.txt", API_KEY).write("../home/key.txt", API_KEY);
        environment.write_config(CONTEXTS);
        environment.set("SBX_LOG", "trace").set("GHCR_TOKEN", FROM_VARIABLE).set("SBX_API_KEY", API_KEY);
        let server = Server::start_logging(
            &environment,
            &["--data-dir", "server", "--api-key-file", "key.txt", "-vv"],
            "server.log",
        )
        .with_key(API_KEY);
        environment.set("SBX_ENDPOINT", &server.url());
        Self { environment, server, said: RefCell::default(), was_run: RefCell::default() }
    }

    fn run(&self, arguments: &[&str]) -> Option<i32> {
        let run = self.environment.sbx(&[arguments, &["-vv"]].concat());
        assert!(run.code.is_some_and(|code| code != 64), "it was not run: {run}");
        self.was_run.borrow_mut().insert(arguments[0].to_owned());
        self.said.borrow_mut().push(run.to_string());
        run.code
    }

    fn runs(&self, code: i32, arguments: &[&str]) {
        let ended = self.run(arguments);
        assert_eq!(ended, Some(code), "{}", self.said.borrow().last().expect("it was run"));
    }

    /// Returns what was said, and all files that the commands or the server wrote, by their paths.
    fn texts(&self) -> Vec<(String, Vec<u8>)> {
        let root = self.environment.work().join("..");
        let mut texts: Vec<_> =
            self.said.borrow().iter().map(|said| ("printed".to_owned(), said.clone().into())).collect();
        read_below(&root, &mut texts);
        texts.retain(|(path, _)| !["token.txt", "key.txt"].iter().any(|name| path.ends_with(name)));
        texts
    }
}

/// Reads all files below a folder.
fn read_below(folder: &Path, texts: &mut Vec<(String, Vec<u8>)>) {
    for entry in fs::read_dir(folder).expect("it can be read") {
        let path = entry.expect("it can be read").path();
        if path.is_dir() {
            read_below(&path, texts);
        } else if path.is_file() {
            texts.push((path.display().to_string(), fs::read(&path).expect("it can be read")));
        }
    }
}

/// Whether a file is the server's own.
fn is_servers(path: &str) -> bool {
    Path::new(path).components().any(|part| part.as_os_str() == "server")
}

#[test]
fn a_planted_secret_is_found_nowhere() {
    let mut project = Project::open();
    for arguments in RUNS {
        project.run(arguments);
    }
    // What is rotated is sent again, and refused in many ways.
    project.environment.set("GHCR_TOKEN", ROTATED);
    let manifest = MANIFEST.replace("secret_version: 1", "secret_version: 2");
    project.environment.write("m/all.yaml", &manifest);
    for rule in echoes() {
        project.server.fault(&rule);
        project.runs(1, &["apply", "-f", "m", "--yes"]);
        project.run(&["apply", "-f", "m", "--yes", "-o", "json"]);
        project.server.no_faults();
    }
    project.runs(0, &["apply", "-f", "m", "--yes"]);
    let texts = project.texts();
    for arguments in LAST {
        project.run(arguments);
    }

    let known: BTreeSet<_> = {
        let help = project.environment.sbx(&["--help"]).stdout;
        commands(&help).into_iter().map(ToOwned::to_owned).collect()
    };
    assert_eq!(*project.was_run.borrow(), known, "each command has its run");

    let secrets = [FROM_VARIABLE, FROM_FILE, ROTATED, API_KEY].map(Forms::of);
    for made in ["saved.json", "plan.md", "seen.json", "inventory", "exported", "migrated", "server.log"] {
        assert!(texts.iter().any(|(path, text)| path.contains(made) && !text.is_empty()), "nothing wrote {made}");
    }
    let is_on_server = |forms: &Forms| texts.iter().any(|(path, text)| is_servers(path) && forms.find(text).is_some());
    for forms in &secrets[1..3] {
        assert!(is_on_server(forms), "{} did not reach the server: this test searches for nothing", forms.secret);
    }
    for (path, text) in texts.iter().chain(&project.texts()).filter(|(path, _)| !is_servers(path)) {
        for forms in &secrets {
            if let Some(form) = forms.find(text) {
                panic!("{path} has {:?}, {form}\n{}", forms.secret, String::from_utf8_lossy(text));
            }
        }
    }
}
