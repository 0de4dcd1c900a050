//! Plans as their readers see them: each folder of `tests/cases` has a manifest, a world, and what the program prints for
//! the two, as text and as JSON, with its exit code. The text has what is wrong and what can be done about it, too.
//!
//! Where there is an `inventory.json`, it says what is owned; else nobody keeps a record. `sibling.json` is the inventory of
//! another project beside it. `flags.txt` has more flags, and `command.txt` another command than `plan`.
//!
//! Cases of more than one command have them in `commands.txt`, one a line, each whole. The last one is shown; those before
//! it see the world of `before.json`. `environment.txt` has variables, one a line.
//!
//! `SBX_ACCEPT=1 cargo test --test it cases` writes the plans anew; read the difference before you keep it.

mod case;
mod complete;
mod server;

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use self::case::{Case, Printed};
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
            let Printed { command, result: printed, saved } = Case::new(&case).run(form).await;
            if form == "json" {
                let (json, _) = printed.rsplit_once("exit ").expect("it has an exit code");
                let shown = format!("{json}{}", saved.unwrap_or_default());
                for document in serde_json::Deserializer::from_str(&shown).into_iter::<Value>() {
                    let document = document.expect("it is JSON");
                    // What is wrong with manifests is told by all commands alike, and has no schema.
                    let Some(schema) = schema_of(&command, &document) else { continue };
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

fn schema_of(command: &str, document: &Value) -> Option<&'static str> {
    match command {
        _ if document["format"] == "sbx.plan" => Some("saved-plan"),
        _ if document.get("diagnostics").is_some() => None,
        "plan" => Some("plan"),
        "drift" => Some("drift"),
        _ => Some("events"),
    }
}

/// Returns the JSON Schema of an output, as the program prints it.
pub(crate) fn schema(name: &str) -> Value {
    let run = Environment::new().sbx(&["schema", name]);
    serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("{error}: {run}"))
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
