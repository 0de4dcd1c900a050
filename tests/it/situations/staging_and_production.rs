//! One folder of manifests for two workspaces, which differ in size and in what they may lose.

use std::collections::BTreeMap;

use crate::cli::environment::{Environment, Run};
use crate::cli::server::Server;

const MANIFESTS: &str = "\
apiVersion: sbx/v1
kind: Volume
metadata: {name: datasets}
spec: {size: 1Gi}
---
apiVersion: sbx/v1
kind: Template
metadata: {name: python}
spec:
  image: python:3.12-slim
  resources: {cpu: 500m, memory: 512Mi}
---
apiVersion: sbx/v1
kind: Pool
metadata: {name: warm}
spec: {template_name: python, replicas: 1}
";

const PROJECT: &str = "\
targets:
  staging:
    context: staging
  production:
    context: production
    patches: [patches/production.yaml]
";

const PRODUCTION: &str = "\
kind: Template
name: python
patch: {spec: {resources: {cpu: '2', memory: null}}}
---
kind: Pool
name: warm
patch:
  spec: {replicas: 3}
";

/// Two servers, each with a key of its own, known as contexts.
struct Workspaces {
    environment: Environment,
    _servers: [Server; 2],
}

impl Workspaces {
    fn start() -> Self {
        let mut environment = Environment::new();
        let servers = ["staging", "production"].map(|name| {
            environment.write(format!("{name}.key"), &format!("key-of-{name}\n"));
            let (key, data) = (format!("{name}.key"), format!("servers/{name}"));
            Server::start(&environment, &["--api-key-file", &key, "--data-dir", &data])
        });
        environment.set("STAGING_KEY", "key-of-staging");
        environment.write_config(&format!(
            "contexts:\n  staging: {{endpoint: '{}', api_key_env: STAGING_KEY}}\n  \
             production: {{endpoint: '{}', api_key_command: cat production.key}}\n",
            servers[0].url(),
            servers[1].url()
        ));
        environment.write("sbx.yaml", PROJECT).write("patches/production.yaml", PRODUCTION);
        environment.write("manifests/all.yaml", MANIFESTS);
        Self { environment, _servers: servers }
    }

    fn sbx(&self, arguments: &[&str]) -> Run {
        self.environment.sbx(arguments)
    }

    fn applied(&self, target: &str) {
        let run = self.sbx(&["apply", target, "--yes", "--quiet"]);
        assert_eq!(run.code, Some(0), "{run}");
    }

    /// Returns the sizes that differ, by object.
    fn live(&self, target: &str) -> BTreeMap<String, String> {
        let run = self.sbx(&["get", "all", "--in", target, "-o", "json"]);
        let found: serde_json::Value = serde_json::from_str(&run.stdout).unwrap_or_else(|_| panic!("{run}"));
        let objects = found["objects"].as_array().unwrap_or_else(|| panic!("{run}")).iter();
        let name = |object: &serde_json::Value| object["name"].as_str().unwrap_or_default().to_owned();
        objects.map(|object| (name(object), object["spec"].to_string())).collect()
    }
}

#[test]
fn staging_and_production_from_one_folder() {
    let workspaces = Workspaces::start();
    workspaces.applied("staging");
    assert_eq!(workspaces.sbx(&["plan", "staging", "--exit-code"]).code, Some(0), "nothing is left to do");
    assert!(workspaces.live("production").is_empty(), "the other workspace is not touched");

    insta::assert_snapshot!(workspaces.sbx(&["apply", "production", "--yes", "--parallelism", "1"]), @r"
    $ sbx apply production --yes --parallelism 1
    --- stdout
    + create volume/datasets
        size: 1Gi

    + create template/python
        image:            python:3.12-slim
        resources.cpu:    2
        resources.memory: 512Mi

    + create pool/warm
        template_name: python
        replicas:      3
        after template/python

    Plan: 3 to create.
    Done: 3 created.
    --- stderr
    created template/python (<duration>)
    created volume/datasets (<duration>)
    created pool/warm (<duration>)
    --- exit code 0
    ");
    assert_eq!(workspaces.sbx(&["plan", "production", "--exit-code"]).code, Some(0), "nothing is left to do");

    let (staging, production) = (workspaces.live("staging"), workspaces.live("production"));
    assert_eq!(staging["datasets"], production["datasets"], "what no patch names is the same");
    insta::assert_snapshot!(format!("{}\n{}", staging["python"], production["python"]), @r#"
    {"image":"python:3.12-slim","resources":{"cpu":"500m","memory":"512Mi"}}
    {"image":"python:3.12-slim","resources":{"cpu":"2","memory":"512Mi"}}
    "#);
    insta::assert_snapshot!(format!("{}\n{}", staging["warm"], production["warm"]), @r#"
    {"replicas":1,"template_name":"python"}
    {"replicas":3,"template_name":"python"}
    "#);

    // A change of the folder reaches each of them when it is applied there, and not before.
    workspaces.environment.write("manifests/all.yaml", &MANIFESTS.replace("size: 1Gi", "size: 2Gi"));
    workspaces.applied("staging");
    assert!(workspaces.live("staging")["datasets"].contains("2Gi"));
    assert!(workspaces.live("production")["datasets"].contains("1Gi"));
    assert_eq!(workspaces.sbx(&["plan", "production", "--exit-code"]).code, Some(2));
}

#[test]
fn with_two_workspaces_none_goes_without_saying() {
    let workspaces = Workspaces::start();
    for arguments in [&["apply", "--yes"][..], &["destroy", "--yes"], &["delete", "pool/warm", "--yes"]] {
        let run = workspaces.sbx(arguments);
        assert_eq!(run.code, Some(64), "{run}");
        assert!(run.stderr.contains("which target?") && run.stderr.contains("staging, production"), "{run}");
    }
}

#[test]
fn a_key_is_shown_to_the_server_that_it_is_for() {
    let mut workspaces = Workspaces::start();
    // The strongest of variables does not get in between a target and its context, nor does its key.
    workspaces.environment.set("SBX_ENDPOINT", "http://127.0.0.1:1").set("SBX_API_KEY", "planted-key");
    workspaces.applied("staging");
    workspaces.environment.set("STAGING_KEY", "wrong-key");
    insta::assert_snapshot!(workspaces.sbx(&["plan", "staging"]), @r"
    $ sbx plan staging
    --- stderr
    error: cannot work with http://127.0.0.1:<port>/v2/sandboxes
    caused by: cannot <read>: An API key is required, in the header `X-Api-Key`
    hint: the key comes from STAGING_KEY, of context staging, the endpoint from context staging: do they belong together?
    --- exit code 1
    ");
    workspaces.environment.set("STAGING_KEY", "");
    insta::assert_snapshot!(workspaces.sbx(&["plan", "staging"]).stderr, @r"
    error: cannot get the key of context `staging`
    caused by: the variable `STAGING_KEY` is not set
    hint: set STAGING_KEY; the context names it as its `api_key_env`
    ");
    workspaces.environment.write("production.key", "planted-key and more");
    insta::assert_snapshot!(workspaces.sbx(&["plan", "production"]).stderr, @r"
    error: cannot get the key of context `production`
    caused by: the output of `api_key_command` holds no key: it is more than one word
    ");
}
