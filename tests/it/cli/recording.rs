//! The inventory, as the commands that write leave it behind and find it again.

use std::path::Path;
use std::process::Stdio;

use serde_json::Value as Json;

use super::environment::Environment;
use super::server::Server;

const DECLARED: &str = "
{apiVersion: sbx/v1, kind: Volume, metadata: {name: data, labels: {team: research}}, spec: {size: 10Gi}}
---
{apiVersion: sbx/v1, kind: Template, metadata: {name: plain}, spec: {image: a}, lifecycle: {prevent_destroy: true}}
---
{apiVersion: sbx/v1, kind: Pool, metadata: {name: warm}, spec: {template_name: plain, replicas: {min: 1, max: 5}}}
";

const LOCAL: &str = ".sbx/local/inventory.json";

fn apply(environment: &Environment, more: &[&str]) -> super::environment::Run {
    let arguments = ["apply", "-f", "w.yaml", "--yes", "--parallelism", "1"];
    environment.sbx(&[&arguments, more].concat())
}

fn json(environment: &Environment, path: &str) -> Json {
    serde_json::from_str(&environment.read(path)).expect("an inventory is JSON")
}

fn has_lines(path: &Path, n_lines: usize) -> bool {
    std::fs::read_to_string(path).is_ok_and(|text| text.lines().count() >= n_lines)
}

/// Returns the names in `entries` or `intents`.
fn names(inventory: &Json, list: &str) -> Vec<String> {
    let items = inventory[list].as_array().expect("it is a list");
    let text = |item: &Json, field: &str| item[field].as_str().expect("each has a kind and a name").to_owned();
    items.iter().map(|item| format!("{}/{}", text(item, "kind"), text(item, "name"))).collect()
}

#[test]
fn an_apply_leaves_a_record_of_what_it_did() {
    let mut environment = Environment::new();
    environment.set("USER", "mila").set("CI_COMMIT_SHA", "19dc497a").set("CI_JOB_URL", "https://ci.example.com/7");
    environment.write("w.yaml", DECLARED);
    let run = apply(&environment, &["--local"]);
    assert_eq!(run.code, Some(0), "{run}");

    let inventory = json(&environment, LOCAL);
    assert_eq!(names(&inventory, "entries"), ["Volume/data", "Template/plain", "Pool/warm"]);
    assert_eq!(inventory["endpoint"], "local");
    assert_eq!(inventory["intents"], Json::Array(Vec::new()));
    let [data, plain, warm] = [0, 1, 2].map(|index| &inventory["entries"][index]);
    assert!(data["id"].is_string() && data["labels"]["team"] == "research" && data["source"] == "w.yaml", "{data}");
    assert_eq!(plain["lifecycle"]["prevent_destroy"], true);
    assert_eq!(warm["spec"]["replicas"]["max"], 5, "what was declared, and not the number that was sent");
    let run = &inventory["runs"][0];
    assert!(run["by"].as_str().unwrap().starts_with("mila@"), "{run}");
    assert_eq!(run["commit"], "19dc497a");
    assert_eq!(run["url"], "https://ci.example.com/7");
    assert_eq!(run["outcome"], "done");
    assert_eq!(run["summary"], "3 created.");

    let before = environment.read(LOCAL);
    assert_eq!(apply(&environment, &["--local"]).code, Some(0));
    assert_eq!(environment.read(LOCAL), before, "an apply with nothing to do leaves no trace");
    let left: Vec<_> = std::fs::read_dir(environment.work().join(".sbx/local")).unwrap().collect();
    let left = left.into_iter().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let left: Vec<_> = left.filter(|name| name.starts_with("inventory")).collect();
    assert_eq!(left, ["inventory.json"], "no lock and no journal stays");
}

#[test]
fn what_is_deleted_is_recorded_no_longer() {
    let environment = Environment::new();
    environment.write("w.yaml", DECLARED);
    assert_eq!(apply(&environment, &["--local"]).code, Some(0));
    let run = environment.sbx(&["delete", "pool/warm", "--local", "--yes"]);
    assert_eq!(run.code, Some(0), "{run}");
    let inventory = json(&environment, LOCAL);
    assert_eq!(names(&inventory, "entries"), ["Volume/data", "Template/plain"]);
    assert_eq!(inventory["runs"][1]["summary"], "1 deleted.");
}

#[test]
fn what_failed_is_on_record_as_intended_and_settled_by_the_next_apply() {
    let environment = Environment::new();
    let server = Server::start(&environment, &[]);
    environment.write("w.yaml", DECLARED);
    server.fault(r#"{"operation": "create_pool", "count": null, "status": 400}"#);
    let run = apply(&environment, &["--endpoint", &server.url()]);
    assert_eq!(run.code, Some(1), "{run}");
    let path = format!(".sbx/inventory/{}.json", server.url().trim_start_matches("http://").replace(':', "-"));
    let inventory = json(&environment, &path);
    assert_eq!(names(&inventory, "entries"), ["Volume/data", "Template/plain"]);
    assert_eq!(names(&inventory, "intents"), ["Pool/warm"]);
    assert_eq!(inventory["runs"][0]["outcome"], "failed");

    server.request("DELETE", "/_sbx/faults", "");
    let run = apply(&environment, &["--endpoint", &server.url()]);
    assert_eq!(run.code, Some(0), "{run}");
    let inventory = json(&environment, &path);
    assert_eq!(names(&inventory, "entries"), ["Volume/data", "Template/plain", "Pool/warm"]);
    assert_eq!(names(&inventory, "intents"), Vec::<String>::new());
}

#[test]
fn what_was_deleted_to_be_made_anew_is_made_with_what_it_had() {
    for saves in [false, true] {
        let environment = Environment::new();
        let server = Server::start(&environment, &[]);
        let by_hand = "{\"name\": \"tools\", \"image\": \"a\", \"resources\": {\"storage\": \"3Gi\"}, \"proxy_config\": {\"x\": 1}}";
        let answer = server.request("POST", "/v2/sandboxes/templates", by_hand);
        assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
        let manifest = |image: &str| {
            format!(
                "{{apiVersion: sbx/v1, kind: Template, metadata: {{name: tools}}, spec: {{image: {image}}}, \
                 lifecycle: {{replace: recreate}}}}\n"
            )
        };
        let url = server.url();
        let sbx = |arguments: &[&str]| environment.sbx(&[arguments, &["--endpoint", &url]].concat());
        environment.write("w.yaml", &manifest("a"));
        assert_eq!(sbx(&["apply", "-f", "w.yaml", "--yes"]).code, Some(0));
        environment.write("w.yaml", &manifest("b"));
        server.fault(r#"{"operation": "create_template", "count": 1, "status": 403}"#);
        let failed = sbx(&["apply", "-f", "w.yaml", "--yes"]);
        assert_eq!(failed.code, Some(1), "{failed}");

        let again = if saves {
            let saved = sbx(&["plan", "-f", "w.yaml", "--out", "plan.json"]);
            assert_eq!(saved.code, Some(0), "{saved}");
            sbx(&["apply", "plan.json", "--yes"])
        } else {
            sbx(&["apply", "-f", "w.yaml", "--yes"])
        };
        assert_eq!(again.code, Some(0), "{again}");
        let template = server.request("GET", "/v2/sandboxes/templates/tools", "");
        assert!(template.contains("\"storage\":\"3Gi\"") && template.contains("\"x\":1"), "{template}");
    }
}

#[test]
fn a_pool_that_was_made_and_not_paused_yet_has_not_drifted() {
    let environment = Environment::new();
    let server = Server::start(&environment, &[]);
    let url = server.url();
    environment.write("w.yaml", &DECLARED.replace("replicas: {min: 1, max: 5}", "replicas: 0"));
    server.fault(r#"{"operation": "update_pool", "count": 1, "status": 403}"#);
    let failed = apply(&environment, &["--endpoint", &url]);
    assert_eq!(failed.code, Some(1), "{failed}");
    let drift = environment.sbx(&["drift", "-f", "w.yaml", "--endpoint", &url, "--exit-code"]);
    assert_eq!(drift.code, Some(2), "{drift}");
    let run = apply(&environment, &["--endpoint", &url, "--on-drift", "fail"]);
    assert_eq!(run.code, Some(0), "{run}");
    assert!(server.request("GET", "/v2/sandboxes/pools/warm", "").contains("\"replicas\":0"));
}

#[test]
fn an_apply_that_was_killed_is_taken_over_at_once() {
    let environment = Environment::new();
    let server = Server::start(&environment, &[]);
    environment.write("w.yaml", DECLARED);
    server.delay("create_pool", 60_000);
    let mut command = environment.command();
    command.args(["apply", "-f", "w.yaml", "--yes", "--inventory", "state/prod.json", "--endpoint", &server.url()]);
    command.args(["--serial", "7"]);
    let mut process = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let journal = environment.work().join("state/prod.journal");
    // The two that come first are done, and the third hangs.
    while !has_lines(&journal, 3) {
        assert_eq!(process.try_wait().unwrap(), None, "it waits for the server");
        std::thread::yield_now();
    }
    process.kill().unwrap();
    process.wait().unwrap();
    let inventory = json(&environment, "state/prod.json");
    assert_eq!(names(&inventory, "intents"), ["Volume/data", "Template/plain", "Pool/warm"]);
    assert!(environment.work().join("state/prod.lock").exists());
    assert_eq!((&inventory["serial"], &inventory["runs"][0]["outcome"]), (&7.into(), &"did not end".into()));

    let late = ["--inventory", "state/prod.json", "--endpoint", &server.url(), "--serial", "6"];
    let run = apply(&environment, &late);
    assert!(run.stderr.contains("run 6 comes too late: run 7 was here before"), "{run}");
    server.request("DELETE", "/_sbx/faults", "");
    let run =
        apply(&environment, &["--inventory", "state/prod.json", "--endpoint", &server.url(), "--lock-timeout", "5m"]);
    assert_eq!(run.code, Some(0), "{run}");
    let inventory = json(&environment, "state/prod.json");
    assert_eq!(names(&inventory, "entries"), ["Volume/data", "Template/plain", "Pool/warm"]);
    assert_eq!(names(&inventory, "intents"), Vec::<String>::new());
    assert!(!journal.exists() && !environment.work().join("state/prod.lock").exists());
}

#[test]
fn an_inventory_that_cannot_be_read_is_refused_and_kept() {
    let environment = Environment::new();
    environment.write("w.yaml", DECLARED);
    assert_eq!(apply(&environment, &["--local"]).code, Some(0));
    let conflict = environment.read(LOCAL).replace("\"habits\"", "<<<<<<< ours\n\"habits\"");
    environment.write(LOCAL, &conflict);
    insta::assert_snapshot!(environment.sbx(&["plan", "-f", "w.yaml", "--local"]), @r"
    $ sbx plan -f w.yaml --local
    --- stderr
    Local server, data in .sbx/local. Note: templates run on this machine's own files: no image is pulled, and what limits hold depends on this machine.
    error: the inventory in <work>/.sbx/local/inventory.json cannot be read
    caused by: key must be a string at line 5 column 3
    hint: restore an earlier version of <work>/.sbx/local/inventory.json: from version control, or from the object store
    hint: or move it away and run `sbx adopt`: what is live and declared is recorded anew
    --- exit code 1
    ");
    assert_eq!(apply(&environment, &["--local"]).code, Some(1));
    assert_eq!(environment.read(LOCAL), conflict);

    environment.write(LOCAL, r#"{"type": "sbx-inventory", "format_version": 2}"#);
    insta::assert_snapshot!(apply(&environment, &["--local"]), @r"
    $ sbx apply -f w.yaml --yes --parallelism 1 --local
    --- stderr
    Local server, data in .sbx/local. Note: templates run on this machine's own files: no image is pulled, and what limits hold depends on this machine.
    error: the inventory in <work>/.sbx/local/inventory.json cannot be read
    caused by: it has format version 2, and this version of sbx reads 1
    hint: use the version of sbx that wrote it, or a later one
    --- exit code 1
    ");
    assert_eq!(environment.read(LOCAL), r#"{"type": "sbx-inventory", "format_version": 2}"#);
}

#[test]
fn another_workspace_is_refused() {
    let environment = Environment::new();
    let server = Server::start(&environment, &["--data-dir", "one"]);
    environment.write("w.yaml", DECLARED);
    let at =
        |url: &str| ["--inventory".to_owned(), "state/prod.json".to_owned(), "--endpoint".to_owned(), url.to_owned()];
    let arguments = |url: &str, more: &[&str]| {
        let own = at(url);
        let all: Vec<_> = own.iter().map(String::as_str).chain(more.iter().copied()).collect();
        apply(&environment, &all)
    };
    assert_eq!(arguments(&server.url(), &[]).code, Some(0));

    let other = Server::start(&environment, &["--data-dir", "two"]);
    insta::assert_snapshot!(arguments(&other.url(), &[]), @r"
    $ sbx apply -f w.yaml --yes --parallelism 1 --inventory state/prod.json --endpoint http://127.0.0.1:<port>
    --- stderr
    error: this looks like another workspace than the one that state/prod.json is of
    caused by: the inventory was recorded for http://127.0.0.1:<port>/v2/sandboxes, and this is http://127.0.0.1:<port>/v2/sandboxes
    hint: is this the right endpoint, with the right key? --inventory URL names another record
    hint: pass --accept-workspace if the workspace moved here, with all that is in it
    --- exit code 1
    ");
    let run = arguments(&other.url(), &["--accept-workspace"]);
    assert_eq!(run.code, Some(0), "{run}");
    // It is recorded for this one now, so that the first is another one.
    assert_eq!(arguments(&server.url(), &[]).code, Some(1));
    assert_eq!(arguments(&other.url(), &[]).code, Some(0));
}

#[test]
fn without_an_inventory_nothing_is_written() {
    let environment = Environment::new();
    environment.write("w.yaml", "{apiVersion: sbx/v1, kind: Volume, metadata: {name: a}, spec: {size: 1Gi}}");
    insta::assert_snapshot!(apply(&environment, &["--local", "--inventory", "none"]), @r"
    $ sbx apply -f w.yaml --yes --parallelism 1 --local --inventory none
    --- stdout
    + create volume/a
        size: 1Gi

    Plan: 1 to create.
    Done: 1 created.
    --- stderr
    Local server, data in .sbx/local. Note: templates run on this machine's own files: no image is pulled, and what limits hold depends on this machine.
    No inventory: what is applied is not recorded, so that nothing can be pruned, and drift cannot be told from a change. What has a declared name is taken for what is declared, whoever made it.
    created volume/a (<duration>)
    --- exit code 0
    ");
    assert!(!environment.work().join(LOCAL).exists());
}

#[test]
fn what_makes_no_sense_as_a_place_is_refused() {
    let environment = Environment::new();
    environment.write("w.yaml", DECLARED);
    for place in ["state", "ftp://a/b.json", "s3://user:planted@bucket/folder/"] {
        let run = apply(&environment, &["--local", "--inventory", place]);
        assert_eq!(run.code, Some(64), "{run}");
        assert!(run.stderr.contains("is no place for an inventory") && !run.stderr.contains("planted"), "{run}");
    }
}

#[test]
fn a_run_that_comes_too_late_is_refused() {
    let environment = Environment::new();
    environment.write("w.yaml", DECLARED);
    assert_eq!(apply(&environment, &["--local", "--serial", "7"]).code, Some(0));
    environment.write("w.yaml", DECLARED.replace("10Gi", "20Gi").as_str());
    insta::assert_snapshot!(apply(&environment, &["--local", "--serial", "6"]), @r"
    $ sbx apply -f w.yaml --yes --parallelism 1 --local --serial 6
    --- stderr
    Local server, data in .sbx/local. Note: templates run on this machine's own files: no image is pulled, and what limits hold depends on this machine.
    error: run 6 comes too late: run 7 was here before
    hint: leave it at that, since a later run has been here; or number this run higher
    --- exit code 1
    ");
    let run = apply(&environment, &["--local", "--serial", "7"]);
    assert!(run.stdout.contains("Done: 1 updated."), "a retry: {run}");
    let run = apply(&environment, &["--local", "--serial", "9"]);
    assert_eq!(run.code, Some(0), "{run}");
    let inventory = json(&environment, LOCAL);
    assert_eq!(inventory["serial"], 9, "recorded although nothing else was done");
    assert_eq!(apply(&environment, &["--local", "--serial", "8"]).code, Some(1));
}

#[test]
fn the_history_says_who_did_what() {
    let mut environment = Environment::new();
    environment.set("USER", "mila").set("HOSTNAME", "lab").set("GITHUB_SHA", "0123456789abcdef");
    environment.write("w.yaml", DECLARED);
    assert_eq!(apply(&environment, &["--local", "--serial", "7"]).code, Some(0));
    assert_eq!(environment.sbx(&["delete", "pool/warm", "--local", "--yes"]).code, Some(0));
    insta::assert_snapshot!(environment.sbx(&["history", "--local"]), @r"
    $ sbx history --local
    --- stdout
    WHEN                   WHO        COMMIT         OUTCOME   WHAT         RUN
    <time>   mila@lab   0123456789ab   done      1 deleted.   -
    <time>   mila@lab   0123456789ab   done      3 created.   #7
    --- exit code 0
    ");
    let run = environment.sbx(&["history", "--inventory", LOCAL, "-o", "json"]);
    let history: Json = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!((&history["runs"][1]["serial"], &history["runs"][1]["outcome"]), (&Json::from(7), &Json::from("done")));
    insta::assert_snapshot!(environment.sbx(&["history"]), @r"
    $ sbx history
    --- stderr
    error: no server is configured
    hint: pass --local to use the server that is built into sbx
    hint: or set SBX_ENDPOINT and SBX_API_KEY, or LANGSMITH_ENDPOINT and LANGSMITH_API_KEY
    hint: or name the server once in ~/.config/sbx/config.yaml; see `sbx context --help`
    --- exit code 64
    ");
    insta::assert_snapshot!(environment.sbx(&["history", "--inventory", "none.json"]), @r"
    $ sbx history --inventory none.json
    --- stderr
    Nothing was applied yet.
    --- exit code 0
    ");
}

#[test]
fn a_lock_is_waited_for_and_can_be_broken() {
    let environment = Environment::new();
    environment.write("w.yaml", DECLARED);
    let lock = r#"{"holder": {"by": "mila@lab", "pid": 7, "machine": null, "command": "sbx apply", "url": null,
        "since": "2026-03-24T12:00:00Z"}, "token": "x", "n_renewals": 3, "expires_at": "2026-03-24T12:00:30Z"}"#;
    environment.write(".sbx/local/inventory.lock", lock);
    insta::assert_snapshot!(apply(&environment, &["--local", "--lock-timeout", "0"]), @r"
    $ sbx apply -f w.yaml --yes --parallelism 1 --local --lock-timeout 0
    --- stderr
    Local server, data in .sbx/local. Note: templates run on this machine's own files: no image is pulled, and what limits hold depends on this machine.
    error: the inventory in <work>/.sbx/local/inventory.json is locked by mila@lab (`sbx apply`, process 7) until <time>, unless that is renewed; it was waited for <duration>
    hint: wait longer with --lock-timeout 30m
    hint: a lock that nobody renews dies within half a minute; `sbx unlock` breaks one that is renewed
    --- exit code 1
    ");
    // What is waited is part of what the whole may take; without a terminal it would be ten minutes.
    let run = apply(&environment, &["--local", "--timeout", "1s"]);
    assert!(run.code == Some(1) && run.stderr.contains("is locked by mila@lab"), "{run}");
    insta::assert_snapshot!(environment.sbx(&["unlock", "--local"]), @r"
    $ sbx unlock --local
    --- stderr
    error: there is no terminal to ask on
    hint: pass --yes to go on without being asked
    --- exit code 1
    ");
    insta::assert_snapshot!(environment.sbx(&["unlock", "--local", "--yes"]), @r"
    $ sbx unlock --local --yes
    --- stdout
    Took the lock from mila@lab (`sbx apply`, process 7).
    --- exit code 0
    ");
    insta::assert_snapshot!(environment.sbx(&["unlock", "--local", "--yes"]), @r"
    $ sbx unlock --local --yes
    --- stderr
    Nobody holds the lock.
    --- exit code 0
    ");
    assert_eq!(apply(&environment, &["--local", "--lock-timeout", "0"]).code, Some(0));
}
