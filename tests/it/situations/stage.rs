//! Where a situation is played: a server, a checkout of a project with a target `prod`, and what is true at the end.

use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};

use serde_json::Value as Json;

use crate::cli::environment::{Environment, Run};
use crate::cli::server::Server;

const PROJECT: &str = "targets: {prod: {manifests: [manifests], inventory: state/prod.json}}\n";
/// The same project with a name, which its labels have.
const NAMED: &str = "name: acme\ntargets: {prod: {manifests: [manifests], inventory: state/prod.json}}\n";
const INVENTORY: &str = "state/prod.json";

/// The workspace that a checkout declares. The server's data is beside the checkout, and not in it.
pub(super) struct Stage {
    pub(super) environment: Environment,
    pub(super) server: Server,
}

impl Stage {
    pub(super) fn start() -> Self {
        Self::start_as(PROJECT)
    }

    /// Starts one whose objects say on the server whose they are, where their kinds have a place for that.
    pub(super) fn start_named() -> Self {
        Self::start_as(NAMED)
    }

    fn start_as(project: &str) -> Self {
        let mut environment = Environment::new();
        environment.write("sbx.yaml", project);
        let server = Server::start(&environment, &["--data-dir", "../data"]);
        environment.set("SBX_ENDPOINT", &server.url());
        Self { environment, server }
    }

    /// Writes the manifests of the project, all in one file.
    pub(super) fn declare(&self, manifests: &str) -> &Self {
        self.environment.write("manifests/all.yaml", manifests);
        self
    }

    pub(super) fn sbx(&self, arguments: &[&str]) -> Run {
        self.environment.sbx(arguments)
    }

    /// Starts a command that nobody listens to.
    pub(super) fn spawn(&self, arguments: &[&str]) -> Child {
        let mut command = self.environment.command();
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().expect("the program can be started")
    }

    /// Runs a command that must succeed.
    pub(super) fn done(&self, arguments: &[&str]) -> Run {
        let run = self.sbx(arguments);
        assert_eq!(run.code, Some(0), "{run}");
        run
    }

    /// Applies what is declared, and leaves nothing to do.
    pub(super) fn applied(&self) -> &Self {
        self.done(&["apply", "prod", "--yes", "--quiet"]);
        self.is_settled();
        self
    }

    /// Sends a request to the API, below its prefix. Returns the body of the answer, which must be a success.
    pub(super) fn call(&self, method: &str, path: &str, body: &str) -> Json {
        let answer = self.server.request(method, &format!("/v2/sandboxes/{path}"), body);
        assert!(answer.starts_with("HTTP/1.1 2"), "{answer}");
        let (_, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer}"));
        serde_json::from_str(body).unwrap_or(Json::Null)
    }

    /// Returns what is live, by `KIND/NAME`.
    pub(super) fn live(&self) -> BTreeMap<String, Json> {
        let run = self.done(&["get", "all", "-o", "json"]);
        let found: Json = serde_json::from_str(&run.stdout).unwrap_or_else(|_| panic!("{run}"));
        by_name(&found["objects"])
    }

    /// Returns the name and the id of everything live.
    pub(super) fn ids(&self) -> BTreeMap<String, String> {
        ids(&self.live())
    }

    pub(super) fn inventory(&self) -> Json {
        serde_json::from_str(&self.environment.read(INVENTORY)).expect("an inventory is JSON")
    }

    /// Returns the name and the id of everything that the inventory has.
    pub(super) fn owned(&self) -> BTreeMap<String, String> {
        ids(&by_name(&self.inventory()["entries"]))
    }

    /// Holds when live is what is declared, and the inventory knows nothing that is not so.
    pub(super) fn is_settled(&self) {
        self.done(&["plan", "prod", "--exit-code"]);
        self.done(&["drift", "prod", "--exit-code"]);
        let (live, owned) = (self.ids(), self.owned());
        for (name, id) in &owned {
            assert_eq!(live.get(name), Some(id), "{name} is owned");
        }
        assert_eq!(self.inventory()["intents"], Json::Array(Vec::new()));
        for file in ["prod.lock", "prod.journal"] {
            assert!(!self.environment.work().join("state").join(file).exists(), "{file} is left");
        }
    }

    /// Runs `git` in the checkout, which must succeed. Returns what it prints.
    pub(super) fn git(&self, arguments: &[&str]) -> String {
        let mut command = Command::new("git");
        command.args(["-c", "user.name=mila", "-c", "user.email=mila@example.com", "-c", "commit.gpgsign=false"]);
        command.args(arguments).current_dir(self.environment.work());
        command.env("HOME", self.environment.work().join("../home")).env("GIT_CONFIG_NOSYSTEM", "1");
        let output = command.output().expect("there is a `git`");
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).expect("git prints UTF-8")
    }
}

fn by_name(objects: &Json) -> BTreeMap<String, Json> {
    let text = |object: &Json, field: &str| object[field].as_str().expect("each has a kind and a name").to_owned();
    let objects = objects.as_array().expect("it is a list").iter();
    objects.map(|it| (format!("{}/{}", text(it, "kind").to_lowercase(), text(it, "name")), it.clone())).collect()
}

fn ids(objects: &BTreeMap<String, Json>) -> BTreeMap<String, String> {
    let id = |object: &Json| object["id"].as_str().expect("each has an id").to_owned();
    objects.iter().map(|(name, object)| (name.clone(), id(object))).collect()
}
