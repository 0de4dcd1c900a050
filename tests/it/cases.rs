//! Plans as their readers see them: each folder of `tests/cases` has a manifest, a world, and the plan that the program
//! prints for the two, as text and as JSON, with its exit code.
//!
//! Where there is an `inventory.json`, it says what is owned; else nobody keeps a record. `sibling.json` is the inventory of
//! another project beside it. `flags.txt` has more flags, and `command.txt` another command than `plan`.
//!
//! `SBX_ACCEPT=1 cargo test --test it cases` writes the plans anew; read the difference before you keep it.

mod complete;

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use axum::Router;
use axum::extract::Path as UrlPath;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::get;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::cli::environment::Environment;
use crate::json_schema::violations;
use crate::tree;

#[tokio::test(flavor = "multi_thread")]
async fn every_case_prints_its_plan() {
    let cases = folders(&folders_of(&tree::root().join("tests/cases")));
    assert!(cases.len() > 8, "{} cases are too few", cases.len());
    let mut wrong = Vec::new();
    let schemas = ["plan", "saved-plan", "drift", "events"];
    let schemas: HashMap<_, _> = schemas.into_iter().map(|name| (name, schema(name))).collect();
    for case in cases {
        for (form, file) in [("text", "plan.txt"), ("json", "plan.json")] {
            let Printed { command, result: printed, saved } = printed_plan(&case, form).await;
            if form == "json" {
                let (json, _) = printed.rsplit_once("exit ").expect("it has an exit code");
                let shown = format!("{json}{}", saved.unwrap_or_default());
                for document in serde_json::Deserializer::from_str(&shown).into_iter::<Value>() {
                    let document = document.expect("it is JSON");
                    let is_saved = document["format"] == "sbx.plan";
                    let schema = if is_saved { "saved-plan" } else { schema_of(&command) };
                    let found = violations(&document, &schemas[schema]);
                    wrong.extend(found.into_iter().map(|what| format!("{}: {what}", case.display())));
                }
            }
            let file = case.join(file);
            if std::env::var_os("SBX_ACCEPT").is_some() {
                fs::write(&file, &printed).expect("the case's folder can be written to");
            } else if fs::read_to_string(&file).unwrap_or_default() != printed {
                wrong.push(format!("{}\n{printed}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What the program makes of a case.
struct Printed {
    command: String,
    /// What it prints, and its exit code.
    result: String,
    /// The plan that it saves, if it makes one.
    saved: Option<String>,
}

fn schema_of(command: &str) -> &'static str {
    match command {
        "plan" => "plan",
        "drift" => "drift",
        _ => "events",
    }
}

/// Returns the JSON Schema of an output, as the program prints it.
pub(crate) fn schema(name: &str) -> Value {
    let run = Environment::new().sbx(&["schema", name]);
    serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("{error}: {run}"))
}

/// Runs the command for the case's manifest against a server that has the case's world.
async fn printed_plan(case: &Path, form: &'static str) -> Printed {
    let world: Value = serde_json::from_str(&read(&case.join("world.json"))).expect("world.json is JSON");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let url = format!("http://{}/v2/sandboxes", listener.local_addr().expect("it is bound"));
    let server = async move { axum::serve(listener, canned(world)).await };
    let manifest = read(&case.join("manifest.yaml"));
    let inventory = fs::read_to_string(case.join("inventory.json")).ok();
    let flags = fs::read_to_string(case.join("flags.txt")).unwrap_or_default();
    let sibling = fs::read_to_string(case.join("sibling.json")).ok();
    let command = fs::read_to_string(case.join("command.txt")).unwrap_or_else(|_| "plan".to_owned());
    let command = command.trim().to_owned();
    let program = tokio::task::spawn_blocking(move || {
        let environment = Environment::new();
        environment.write("manifest.yaml", &manifest);
        let place = if inventory.is_some() { "inventory.json" } else { "none" };
        if let Some(inventory) = inventory {
            environment.write("inventory.json", &inventory);
        }
        if let Some(sibling) = sibling {
            environment.write("sibling.json", &sibling);
        }
        let mut args = vec![&*command, "-f", "manifest.yaml", "--endpoint", &url, "-o", form, "--inventory", place];
        args.extend(["--out", "saved.json"].into_iter().filter(|_| command == "plan"));
        args.extend(flags.split_whitespace());
        // The inventory's endpoint is not the port that happened to be free.
        args.extend((place != "none").then_some("--accept-workspace"));
        let run = environment.sbx(&args);
        let code = run.code.expect("it ends by itself");
        let stdout = run.stdout.replace(url.trim_end_matches("/v2/sandboxes"), "http://sandboxes.example");
        let saved = environment.work().join("saved.json").is_file().then(|| environment.read("saved.json"));
        Printed { result: format!("{stdout}exit {code}\n"), command, saved }
    });
    tokio::select! {
        ended = server => panic!("the server ended: {ended:?}"),
        printed = program => printed.expect("the program ran"),
    }
}

/// A server that answers lists with what the world has, and everything else with 404; so it does lists that are `false`.
fn canned(world: Value) -> Router {
    let list = move |UrlPath(route): UrlPath<String>| {
        let key = if route == "boxes" { "sandboxes" } else { route.as_str() };
        let answer = match (key, &world[key]) {
            ("usage", Value::Null) => (StatusCode::NOT_FOUND, String::new()),
            ("usage", usage) => (StatusCode::OK, usage.to_string()),
            (_, Value::Null) => (StatusCode::OK, json!({key: []}).to_string()),
            (_, Value::Bool(false)) => (StatusCode::NOT_FOUND, String::new()),
            (_, objects) => (StatusCode::OK, json!({key: objects}).to_string()),
        };
        async move { answer.into_response() }
    };
    // Of single objects it says that they are not there, as the API does: a bare 404 is that of another generation.
    let missing = json!({"detail": {"error": "NotFound", "message": "there is no such object"}}).to_string();
    let router = Router::new().route("/v2/sandboxes/{route}", get(list));
    router.fallback(move || async move { (StatusCode::NOT_FOUND, missing) })
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn folders_of(folder: &Path) -> Vec<PathBuf> {
    folders(&[folder.to_owned()])
}

/// Returns the folders in these folders, in order.
fn folders(parents: &[PathBuf]) -> Vec<PathBuf> {
    let entries = parents.iter().flat_map(|parent| fs::read_dir(parent).expect("the folder can be read"));
    let mut folders: Vec<_> =
        entries.map(|entry| entry.expect("it can be read").path()).filter(|path| path.is_dir()).collect();
    folders.sort();
    folders
}
