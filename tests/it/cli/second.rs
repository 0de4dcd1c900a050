//! Manifests of the second generation, from the first apply to the last destroy, against `sbx serve`.

use std::cell::RefCell;
use std::fs;
use std::path::Path;

use serde_json::Value as Json;

use super::environment::{Environment, Run};
use super::server::Server;
use crate::cases::schema;
use crate::json_schema::violations;

/// What must be nowhere but on the server.
const PLANTED: [&str; 2] = ["planted-first-password", "planted-second-password"];

const DECLARED: &str = "\
apiVersion: sbx/v2
kind: Registry
metadata: {name: ghcr}
spec: {url: ghcr.io/acme, username: ci-bot, password: {env: GHCR_TOKEN}, secret_version: 1}
---
apiVersion: sbx/v2
kind: Snapshot
metadata: {name: team/python:3.12}
spec: {docker_image: 'ghcr.io/acme/python:3.12.1', fs_capacity_bytes: 4Gi, registry_name: ghcr, labels: {team: a}}
---
apiVersion: sbx/v2
kind: Sandbox
metadata: {name: box}
spec: {snapshot: team/python:3.12, vcpus: 500m, idle_ttl_seconds: 600, labels: {for: tests}}
";

/// A project whose server runs, and everything that its commands said.
struct Project {
    server: Server,
    environment: Environment,
    said: RefCell<String>,
}

impl Project {
    fn new() -> Self {
        let mut environment = Environment::new();
        let server = Server::start(&environment, &["--data-dir", "server"]);
        environment.set("SBX_ENDPOINT", &server.url()).set("GHCR_TOKEN", PLANTED[0]);
        environment.write("m/all.yaml", DECLARED);
        Self { server, environment, said: RefCell::default() }
    }

    fn sbx(&self, arguments: &[&str]) -> Run {
        let run = self.environment.sbx(arguments);
        *self.said.borrow_mut() += &run.to_string();
        run
    }

    /// Runs a command that is to end with this code.
    fn ends(&self, code: i32, arguments: &[&str]) -> Run {
        let run = self.sbx(arguments);
        assert_eq!(run.code, Some(code), "{run}");
        run
    }

    fn apply(&self, more: &[&str]) -> Run {
        self.ends(0, &[&["apply", "-f", "m", "--yes", "--quiet"], more].concat())
    }

    fn applied() -> Self {
        let project = Self::new();
        project.apply(&[]);
        project
    }

    /// Changes the manifests.
    fn edit(&self, from: &str, to: &str) {
        let text = self.environment.read("m/all.yaml");
        assert!(text.contains(from), "{text}");
        self.environment.write("m/all.yaml", &text.replace(from, to));
    }

    fn plan(&self) -> Run {
        self.sbx(&["plan", "-f", "m", "--exit-code", "--quiet"])
    }

    fn assert_nothing_to_do(&self) {
        self.ends(0, &["plan", "-f", "m", "--exit-code"]);
        let run = self.ends(0, &["drift", "-f", "m"]);
        assert!(run.stdout.contains("No drift"), "{run}");
    }
}

/// Reads all files below a folder, without what the server keeps for itself.
fn texts_below(folder: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("it can be read") {
        let path = entry.expect("it can be read").path();
        if path.is_dir() {
            if path.file_name().is_some_and(|name| name != "server") {
                found.extend(texts_below(&path));
            }
        } else {
            let bytes = fs::read(&path).expect("it can be read");
            found.push((path.display().to_string(), String::from_utf8_lossy(&bytes).into_owned()));
        }
    }
    found
}

#[test]
fn what_is_applied_is_as_declared() {
    let project = Project::new();
    project.ends(0, &["validate", "-f", "m"]);
    insta::assert_snapshot!(project.plan(), @r"
    $ sbx plan -f m --exit-code --quiet
    --- stdout
    + create registry/ghcr
        url:            ghcr.io/acme
        username:       ci-bot
        password:       $GHCR_TOKEN
        secret_version: 1

    + create snapshot/team/python:3.12
        docker_image:      ghcr.io/acme/python:3.12.1
        fs_capacity_bytes: 4Gi
        registry_name:     ghcr
        labels:            team=a
        after registry/ghcr

    + create sandbox/box
        snapshot:         team/python:3.12
        vcpus:            500m
        idle_ttl_seconds: 600
        labels:           for=tests
        after snapshot/team/python:3.12

    Plan: 3 to create.
    --- exit code 2
    ");
    project.apply(&[]);
    project.assert_nothing_to_do();
    let run = project.ends(0, &["get", "all", "-o", "name"]);
    assert_eq!(run.stdout, "registry/ghcr\nsnapshot/team/python:3.12\nsandbox/box\n");
    insta::assert_snapshot!(project.sbx(&["describe", "snapshot/team/python:3.12", "sandbox/box"]), @r"
    $ sbx describe snapshot/team/python:3.12 sandbox/box
    --- stdout
    Name:       team/python:3.12
    Kind:       Snapshot.v2
    Id:         <uuid>
    Created:    <time> (<duration> ago)
    Built from: ghcr: ghcr.io/acme/python:3.12.1, then sha256:707915440bc07a26885177540ac4015cc2601cd93517186c968fb46fdcaf2889
    Managed:    yes, declared in m/all.yaml
    Used by:    sandbox/box
    Spec:
      docker_image:      ghcr.io/acme/python:3.12.1
      fs_capacity_bytes: 4Gi
      registry_name:     ghcr
      labels:            team=a

    Name:    box
    Kind:    Sandbox.v2
    Id:      <uuid>
    Status:  ready
    Created: <time> (<duration> ago)
    Managed: yes, declared in m/all.yaml
    Used by: nothing
    Spec:
      snapshot:                  team/python:3.12
      vcpus:                     500m
      mem_bytes:                 2Gi
      fs_capacity_bytes:         4Gi
      idle_ttl_seconds:          600
      delete_after_stop_seconds: 1209600
      labels:                    for=tests, team=a
      preserve_memory_on_stop:   false
      persistent:                true
    --- exit code 0
    ");
    insta::assert_snapshot!(project.sbx(&["get", "sandbox/box", "-o", "yaml"]).stdout, @r"
    apiVersion: sbx/v2
    kind: Sandbox
    metadata:
      name: box
    spec:
      delete_after_stop_seconds: 1209600
      fs_capacity_bytes: 4Gi
      idle_ttl_seconds: 600
      labels:
        for: tests
        team: a
      mem_bytes: 2Gi
      persistent: true
      preserve_memory_on_stop: false
      snapshot: team/python:3.12
      vcpus: 500m
    ");

    project.ends(0, &["export", "-o", "exported", "--sandboxes"]);
    // Nobody's record says what of that is whose.
    project.ends(0, &["plan", "-f", "exported", "--exit-code"]);
    project.ends(0, &["plan", "-f", "exported", "--exit-code", "--inventory", "none"]);
}

#[test]
fn a_sandbox_changes_as_it_is() {
    let project = Project::applied();
    project.edit("vcpus: 500m, idle_ttl_seconds: 600", "vcpus: 1, fs_capacity_bytes: 6Gi, idle_ttl_seconds: 1200");
    insta::assert_snapshot!(project.apply(&[]).stdout, @r"
    ~ update sandbox/box
        vcpus:             500m -> 1
        fs_capacity_bytes: 4Gi -> 6Gi
        idle_ttl_seconds:  600 -> 1200

    Plan: 1 to update, 2 unchanged.
    Done: 1 updated.
    ");
    project.assert_nothing_to_do();

    project.edit("fs_capacity_bytes: 6Gi, ", "fs_capacity_bytes: 5Gi, ");
    let run = project.ends(3, &["apply", "-f", "m", "--yes"]);
    assert!(run.stdout.contains("fs_capacity_bytes cannot shrink from 6Gi to 5Gi"), "{run}");
    project.edit("fs_capacity_bytes: 5Gi, ", "");
    project.assert_nothing_to_do();

    let stopped = project.server.request("POST", "/v2/sandboxes/boxes/box/stop", "");
    assert!(stopped.starts_with("HTTP/1.1 2"), "{stopped}");
    project.assert_nothing_to_do();
    let run = project.ends(0, &["get", "sandboxes"]);
    assert!(run.stdout.contains(" stopped ") && !run.stdout.contains(" ready "), "{run}");

    project.edit("name: box}", "name: crate}");
    project.edit("labels: {for: tests}}\n", "labels: {for: tests}}\nlifecycle: {renamed_from: box}\n");
    let run = project.apply(&[]);
    assert!(run.stdout.contains("> rename sandbox/box to crate"), "{run}");
    assert_eq!(project.ends(0, &["get", "sandboxes", "-o", "name"]).stdout, "sandbox/crate\n");
    project.assert_nothing_to_do();
}

#[test]
fn a_snapshot_is_published_anew_and_a_sandbox_follows_only_if_it_may() {
    let project = Project::applied();
    project.edit("python:3.12.1", "python:3.12.2");
    insta::assert_snapshot!(project.apply(&[]).stdout, @r"
    -/+ replace snapshot/team/python:3.12
        docker_image: ghcr.io/acme/python:3.12.1 -> ghcr.io/acme/python:3.12.2
        docker_image cannot change in place
        it is published anew, beside the old one
        the old one stays as `team/python@<uuid>`, until a later apply: held by sandbox/box, no TTL

    = keep sandbox/box
        outdated: its snapshot team/python:3.12 is superseded; it is kept
        help: delete it when it is no longer needed, or let its manifest say `on_snapshot_change: replace`

    Plan: 1 to replace, 2 unchanged.
    Done: 1 replaced.
    ");
    let run = project.ends(0, &["get", "snapshots"]);
    assert!(run.stdout.contains("python:3.12.1") && run.stdout.contains("python:3.12.2"), "{run}");
    let run = project.plan();
    assert_eq!(run.code, Some(0), "{run}");
    assert!(run.stdout.contains("outdated: its snapshot is team/python@"), "{run}");

    project.edit("labels: {for: tests}}\n", "labels: {for: tests}}\nlifecycle: {on_snapshot_change: replace}\n");
    insta::assert_snapshot!(project.sbx(&["apply", "-f", "m", "--yes", "--quiet"]), @r"
    $ sbx apply -f m --yes --quiet
    --- stdout
    -/+ replace sandbox/box
        snapshot: team/python@<uuid> -> team/python:3.12
        snapshot cannot change in place
        the disk of this sandbox is lost, with everything on it
        steps, in this order:
          1. delete sandbox/box
          2. create sandbox/box

    - delete snapshot/team/python@<uuid>
        left by a replacement of snapshot/team/python:3.12
        after sandbox/box is gone

    ! refused: this plan destroys 1 object, and with sandbox/box data that nothing can make again
        help: look at what is destroyed, then add `--allow-destroy 1`

    Plan: 1 to replace, 1 to delete, 2 unchanged.
    --- stderr
    error: the plan is refused, and nothing was changed
    --- exit code 1
    ");
    let before = project.ends(0, &["get", "sandbox/box", "-o", "json"]).stdout;
    project.apply(&["--allow-destroy", "1"]);
    let after = project.ends(0, &["get", "sandbox/box", "-o", "json"]).stdout;
    assert_ne!(before, after);
    project.assert_nothing_to_do();
    let run = project.ends(0, &["get", "snapshots", "-o", "name"]);
    assert_eq!(run.stdout, "snapshot/team/python:3.12\n", "nothing uses the old one any more");
}

#[test]
fn a_build_that_fails_says_why_and_takes_nothing_away() {
    let project = Project::applied();
    let ids = || {
        let run = project.ends(0, &["get", "sandbox/box", "-o", "json"]);
        let found: Json = serde_json::from_str(&run.stdout).expect("it is JSON");
        found["objects"][0]["id"].clone()
    };
    let before = ids();
    project.edit("python:3.12.1", "python:3.12.2");
    let fails = "{\"operation\": \"create_snapshot\", \"build_fails\": \"the image has no manifest for linux/amd64\"}";
    project.server.fault(fails);
    insta::assert_snapshot!(project.sbx(&["apply", "-f", "m", "--yes"]).stderr, @r"
    failed to create snapshot/team/python:3.12 (<duration>): cannot wait for snapshot `<uuid>`: the image has no manifest for linux/amd64
    hint: its name stands for what failed now, and what had it before is still there, for all that is made from it: mend the cause and run the same again
    ");
    let run = project.ends(0, &["get", "snapshots"]);
    assert!(
        run.stdout.contains("python:3.12.1") && run.stdout.contains(" failed"),
        "the last good one is there: {run}"
    );

    // The next plan builds it anew, and keeps what the sandbox is made from.
    insta::assert_snapshot!(project.plan(), @r"
    $ sbx plan -f m --exit-code --quiet
    --- stdout
    -/+ replace snapshot/team/python:3.12
        it failed: the image has no manifest for linux/amd64
        it is published anew, beside the old one
        the old one stays as `team/python@<uuid>`, until a later apply: held by sandbox/box, no TTL
        steps, in this order:
          1. create snapshot/team/python:3.12
          2. delete snapshot/team/python@<uuid>

    = keep sandbox/box
        outdated: its snapshot is team/python@<uuid>, declared is team/python:3.12; it is kept
        help: delete it when it is no longer needed, or let its manifest say `on_snapshot_change: replace`

    Plan: 1 to replace, 2 unchanged.
    --- exit code 2
    ");
    project.server.fault(fails);
    project.ends(1, &["apply", "-f", "m", "--yes", "--quiet"]);
    assert_eq!(ids(), before, "it is as it was, however often that fails");
    project.apply(&[]);
    assert_eq!(ids(), before);
    project.assert_nothing_to_do();
    let run = project.ends(0, &["get", "snapshots"]);
    assert!(
        run.stdout.contains("python:3.12.2") && !run.stdout.contains(" failed"),
        "what failed is cleared away: {run}"
    );
}

#[test]
fn what_is_waited_for_is_told() {
    let project = Project::new();
    // What is stuck is looked at now and then until the time is up.
    project.server.fault("{\"operation\": \"create_snapshot\", \"stuck_provisioning\": true}");
    project.edit("labels: {team: a}}\n", "labels: {team: a}}\nlifecycle: {timeout: 3}\n");
    let run = project.ends(1, &["apply", "-f", "m", "--yes", "-o", "json"]);
    let lines: Vec<Json> = run.stdout.lines().map(|line| serde_json::from_str(line).expect("each is JSON")).collect();
    let schema = schema("events");
    let found: Vec<_> = lines.iter().flat_map(|line| violations(line, &schema)).collect();
    assert!(found.is_empty(), "{found:?}");
    let phases: Vec<_> = lines
        .iter()
        .filter(|line| line["type"] == "step" && line["kind"] == "Snapshot.v2")
        .map(|line| (line["phase"].as_str().expect("each has one"), line["status"].as_str()))
        .collect();
    assert_eq!(phases, [("started", None), ("waiting", Some("building")), ("failed", None)], "{run}");
}

#[test]
fn what_is_made_says_whose_it_is_and_is_known_by_that() {
    let project = Project::new();
    project
        .environment
        .write("sbx.yaml", "name: acme\ntargets: {prod: {manifests: [m], inventory: state/prod.json}}\n");
    let prod = |code, arguments: &[&str]| project.ends(code, &[&[arguments[0], "prod"], &arguments[1..]].concat());
    prod(0, &["apply", "--yes", "--quiet"]);
    let listed = project.server.request("GET", "/v2/sandboxes/boxes?label=sbx/owner=acme/prod", "");
    assert!(listed.contains("\"sbx/object\":\"sandbox/box\"") && listed.contains("\"sbx/spec-hash\""), "{listed}");

    // Nobody sees them as labels, in no output.
    prod(0, &["plan", "--exit-code"]);
    project.ends(0, &["export", "-o", "exported", "--sandboxes"]);
    for arguments in
        [&["get", "all", "-o", "yaml"] as &[_], &["get", "all", "-o", "json"], &["describe", "sandbox/box"]]
    {
        let run = project.ends(0, arguments);
        assert!(!run.stdout.contains("sbx/owner"), "{run}");
    }
    let exported = texts_below(&project.environment.work().join("exported"));
    assert!(exported.iter().all(|(_, text)| !text.contains("sbx/owner")), "{exported:?}");
    let run = project.ends(0, &["describe", "sandbox/box"]);
    assert!(run.stdout.contains("Owner:   acme/prod"), "{run}");

    // A program makes another one from the snapshot, and that is nobody's of ours.
    let made = project.server.request(
        "POST",
        "/v2/sandboxes/boxes",
        "{\"name\": \"own\", \"snapshot\": \"team/python:3.12\"}",
    );
    assert!(made.starts_with("HTTP/1.1 201") && made.contains("sbx/owner"), "it inherits the labels: {made}");
    assert_eq!(project.ends(0, &["get", "--unmanaged", "-o", "name"]).stdout, "sandbox/own\n");

    // The record is lost: what is declared is known, and changed without a word of permission.
    fs::remove_file(project.environment.work().join("state/prod.json")).expect("it is there");
    project.edit("idle_ttl_seconds: 600", "idle_ttl_seconds: 1200");
    insta::assert_snapshot!(prod(0, &["plan"]), @r"
    $ sbx plan prod
    --- stdout
    = adopt registry/ghcr
        username, password, secret_version cannot be compared: the server never tells what is set

    = keep snapshot/team/python:3.12
        it was on no record; its labels say that it is this project's

    ~ update sandbox/box
        idle_ttl_seconds: 600 -> 1200
        it was on no record; its labels say that it is this project's

    1 live object is not managed; `sbx get --unmanaged` lists them
    Plan: 1 to update, 1 to adopt, 1 unchanged.
    --- stderr
    No inventory yet at <work>/state/prod.json: of what is live nothing can be pruned, and drift cannot be told from a change. If it was lost, `sbx adopt` makes it again. 2 objects are known by their labels.
    --- exit code 0
    ");
    prod(0, &["apply", "--yes", "--quiet"]);
    prod(0, &["plan", "--exit-code"]);

    // Another project declares the same.
    project
        .environment
        .write("sbx.yaml", "name: other\ntargets: {prod: {manifests: [m], inventory: other/prod.json}}\n");
    project.edit("idle_ttl_seconds: 1200", "idle_ttl_seconds: 600");
    insta::assert_snapshot!(prod(1, &["plan"]).stdout, @r"
    = adopt registry/ghcr
        username, password, secret_version cannot be compared: the server never tells what is set

    = keep snapshot/team/python:3.12
        its labels say that it belongs to another project: acme/prod
        help: declare it in one project only, or add `--take-over snapshot/team/python:3.12` to make it this one's

    ! blocked sandbox/box
        idle_ttl_seconds: 1200 -> 600
        its labels say that it belongs to another project: acme/prod
        help: declare it in one project only, or add `--take-over sandbox/box` to make it this one's
        at m/all.yaml:13:18

    1 live object is not managed; `sbx get --unmanaged` lists them
    Plan: 1 blocked, 1 to adopt, 1 unchanged.
    ");
    prod(0, &["apply", "--yes", "--quiet", "--take-over", "all"]);
    prod(0, &["plan", "--exit-code"]);

    // What is let go of is not found again by its labels.
    project
        .environment
        .write("sbx.yaml", "name: acme\ntargets: {prod: {manifests: [m], inventory: state/prod.json}}\n");
    project.ends(0, &["forget", "sandbox/box", "--in", "prod"]);
    let run = project.ends(0, &["get", "--unmanaged", "-o", "name", "--in", "prod"]);
    assert!(run.stdout.contains("sandbox/box"), "{run}");
}

#[test]
fn what_is_declared_no_longer_follows_the_new_name_of_what_it_refers_to() {
    let project = Project::applied();
    let (registry, _) = DECLARED.split_once("---\n").expect("there are several");
    let renamed = registry.replace("name: ghcr}", "name: github}") + "lifecycle: {renamed_from: ghcr}\n";
    project.environment.write("m/all.yaml", &renamed);
    let run = project.apply(&[]);
    assert!(run.stdout.contains("> rename registry/ghcr to github"), "{run}");
    project.assert_nothing_to_do();
}

#[test]
fn labels_of_ours_are_not_declared() {
    let project = Project::new();
    project.edit("labels: {team: a}", "labels: {sbx/owner: me}");
    insta::assert_snapshot!(project.sbx(&["validate", "-f", "m"]).stderr, @r"
    error[bad-label]: the label `sbx/owner` is reserved
     --> m/all.yaml:9:106
      |
    9 | ...ry_name: ghcr, labels: {sbx/owner: me}}
      |                            ^^^^^^^^^ labels that begin with `sbx/` say whose an object is

    error: the manifests have 1 error in 1 file
    ");
}

#[test]
fn what_is_declared_no_longer_goes_when_it_may() {
    let project = Project::applied();
    let (registry, _) = DECLARED.split_once("---\n").expect("there are several");
    project.environment.write("m/all.yaml", registry);
    // It holds data, and is let go of; and what it was made from is in use.
    let run = project.ends(3, &["apply", "-f", "m", "--yes", "--prune", "--quiet"]);
    assert!(run.stdout.contains("= keep sandbox/box") && run.stdout.contains("held by sandbox/box"), "{run}");
    project.ends(0, &["delete", "sandbox/box", "--yes"]);
    project.apply(&["--prune"]);
    project.assert_nothing_to_do();
    let run = project.ends(0, &["get", "all", "-o", "name"]);
    assert_eq!(run.stdout, "registry/ghcr\n");
    project.ends(0, &["destroy", "-f", "m", "--yes"]);
    let run = project.ends(0, &["get", "all", "-o", "name"]);
    assert_eq!(run.stdout, "");
}

#[test]
fn a_name_stands_for_what_there_is() {
    let project = Project::applied();
    project.environment.write(
        "first.yaml",
        "{apiVersion: sbx/v1, kind: Template, metadata: {name: t}, spec: {image: x}}\n---\n\
         {apiVersion: sbx/v1, kind: Sandbox, metadata: {name: old}, spec: {template_name: t}}\n",
    );
    project.ends(0, &["apply", "-f", "first.yaml", "--yes", "--inventory", "none"]);
    for (name, of) in [("box", "SNAPSHOT"), ("old", "TEMPLATE")] {
        let run = project.ends(0, &["get", "sandbox", name]);
        assert!(run.stdout.contains(of), "{run}");
    }
    let run = project.ends(0, &["doctor", "--quiet"]);
    assert!(run.stdout.contains("it speaks the first and the second generation"), "{run}");
}

#[test]
fn a_password_is_told_to_nobody_but_the_server() {
    let mut project = Project::new();
    project.ends(0, &["plan", "-f", "m", "-vv", "--out", "plan.json", "-o", "markdown=plan.md", "-o", "json"]);
    let run = project.ends(0, &["apply", "./plan.json", "-vv", "--yes"]);
    assert!(run.stderr.contains("create_registry") || run.stderr.contains("/registries"), "the log shows it: {run}");
    project.environment.set("GHCR_TOKEN", PLANTED[1]);
    project.assert_nothing_to_do();
    project.edit("secret_version: 1", "secret_version: 2");
    let run = project.ends(0, &["apply", "-f", "m", "--yes", "-vv", "-o", "json"]);
    assert!(run.stdout.contains("secret_version"), "{run}");
    project.assert_nothing_to_do();
    for arguments in [
        &["get", "all", "-o", "json"] as &[_],
        &["get", "all", "-o", "yaml"],
        &["describe", "registry/ghcr"],
        &["export", "-o", "exported"],
        &["observe", "-o", "seen.json"],
        &["history"],
        &["doctor"],
    ] {
        project.ends(0, arguments);
    }

    // What the server refuses may come back in its answer.
    project.edit("secret_version: 2", "secret_version: 3");
    let body = format!("{{\"detail\": {{\"error\": \"X\", \"message\": \"no {} here\"}}}}", PLANTED[1]);
    project.server.fault(&format!("{{\"operation\": \"update_registry\", \"status\": 400, \"body\": {body}}}"));
    project.ends(1, &["apply", "-f", "m", "--yes", "-vv"]);

    assert_tells_nothing(&project);
    let keeps = fs::read_dir(project.environment.work().join("server")).expect("the server keeps its data there");
    assert!(keeps.count() > 0);
}

fn assert_tells_nothing(project: &Project) {
    let mut texts = texts_below(&project.environment.work());
    for made in ["plan.json", "plan.md", "seen.json", "inventory"] {
        assert!(texts.iter().any(|(path, _)| path.contains(made)), "{made}");
    }
    texts.push(("what was said".to_owned(), project.said.borrow().clone()));
    for (path, text) in texts {
        for planted in PLANTED {
            assert!(!text.contains(planted), "{path}: {text}");
        }
    }
}

#[test]
fn a_password_that_stands_in_a_manifest_is_refused_and_not_repeated() {
    let project = Project::new();
    project.edit("{env: GHCR_TOKEN}", "planted-first-password, usrname: x");
    for format in ["text", "json", "markdown", "github"] {
        project.ends(1, &["validate", "-f", "m", "-o", format]);
    }
    project.ends(1, &["apply", "-f", "m", "--yes", "-vv"]);
    insta::assert_snapshot!(project.sbx(&["validate", "-f", "m"]).stderr, @r"
    error[secret]: a password does not stand in a manifest itself
    --> m/all.yaml:4:55
     = help: name an environment variable, `{env: NAME}`, or a file, `{file: PATH}`

    error[unknown-field]: unknown field `usrname` in `spec`
    --> m/all.yaml:4:79
     = help: the fields of `spec` are `url`, `username`, `password`, `secret_version`, `aws_role_arn`

    error: the manifests have 2 errors in 1 file
    ");
    assert!(!project.said.borrow().contains(PLANTED[0]), "{}", project.said.borrow());
}

#[test]
fn without_its_password_nothing_is_changed() {
    let mut project = Project::new();
    project.environment.set("GHCR_TOKEN", "");
    project.edit("GHCR_TOKEN", "NOT_SET");
    let run = project.ends(1, &["apply", "-f", "m", "--yes", "--quiet"]);
    assert!(run.stderr.contains("NOT_SET"), "{run}");
    assert_eq!(project.ends(0, &["get", "all", "-o", "name"]).stdout, "");
}
