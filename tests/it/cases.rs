//! Plans as their readers see them: each folder of `tests/cases` has a manifest, a world, and the plan that the program
//! prints for the two, as text and as JSON, with its exit code.
//!
//! Where there is an `inventory.json`, it says what is owned; else nobody keeps a record. `flags.txt` has more flags.
//!
//! `SBX_ACCEPT=1 cargo test --test it cases` writes the plans anew; read the difference before you keep it.

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
    let schemas = ["plan", "saved-plan"].map(schema);
    for case in cases {
        for (form, file) in [("text", "plan.txt"), ("json", "plan.json")] {
            let Printed { plan: printed, saved } = printed_plan(&case, form).await;
            if form == "json" {
                let (json, _) = printed.rsplit_once("exit ").expect("it has an exit code");
                let found = [json, &saved].map(|text| serde_json::from_str(text).expect("it is JSON"));
                for (found, schema) in found.iter().zip(&schemas) {
                    wrong.extend(
                        violations(found, schema).into_iter().map(|what| format!("{}: {what}", case.display())),
                    );
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

/// What `sbx plan` makes of a case.
struct Printed {
    /// What it prints, and its exit code.
    plan: String,
    /// The plan that it saves.
    saved: String,
}

/// Returns the JSON Schema of an output, as the program prints it.
pub(crate) fn schema(name: &str) -> Value {
    let run = Environment::new().sbx(&["schema", name]);
    serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("{error}: {run}"))
}

/// Runs `sbx plan` for the case's manifest against a server that has the case's world.
async fn printed_plan(case: &Path, form: &'static str) -> Printed {
    let world: Value = serde_json::from_str(&read(&case.join("world.json"))).expect("world.json is JSON");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let url = format!("http://{}/v2/sandboxes", listener.local_addr().expect("it is bound"));
    let server = async move { axum::serve(listener, canned(world)).await };
    let manifest = read(&case.join("manifest.yaml"));
    let inventory = fs::read_to_string(case.join("inventory.json")).ok();
    let flags = fs::read_to_string(case.join("flags.txt")).unwrap_or_default();
    let program = tokio::task::spawn_blocking(move || {
        let environment = Environment::new();
        environment.write("manifest.yaml", &manifest);
        let place = if inventory.is_some() { "inventory.json" } else { "none" };
        environment.write("inventory.json", &inventory.unwrap_or_default());
        let mut args = vec![
            "plan",
            "-f",
            "manifest.yaml",
            "--endpoint",
            &url,
            "-o",
            form,
            "--inventory",
            place,
            "--out",
            "saved.json",
        ];
        args.extend(flags.split_whitespace());
        // The inventory's endpoint is not the port that happened to be free.
        args.extend((place != "none").then_some("--accept-workspace"));
        let run = environment.sbx(&args);
        let code = run.code.expect("it ends by itself");
        Printed { plan: format!("{}exit {code}\n", run.stdout), saved: environment.read("saved.json") }
    });
    tokio::select! {
        ended = server => panic!("the server ended: {ended:?}"),
        printed = program => printed.expect("the program ran"),
    }
}

/// A server that answers lists with what the world has, and everything else with 404.
fn canned(world: Value) -> Router {
    let list = move |UrlPath(route): UrlPath<String>| {
        let key = if route == "boxes" { "sandboxes" } else { route.as_str() };
        let answer = match (key, &world[key]) {
            ("usage", Value::Null) => (StatusCode::NOT_FOUND, String::new()),
            ("usage", usage) => (StatusCode::OK, usage.to_string()),
            (_, Value::Null) => (StatusCode::OK, json!({key: []}).to_string()),
            (_, objects) => (StatusCode::OK, json!({key: objects}).to_string()),
        };
        async move { answer.into_response() }
    };
    Router::new().route("/v2/sandboxes/{route}", get(list))
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
