//! The JSON Schema of `sbx.yaml`.

use serde_json::{Value as Json, json};

use super::file::ON_DRIFT;

/// Returns the JSON Schema (draft 2020-12) of a project's file.
pub(crate) fn schema() -> Json {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "sbx project",
        "type": "object",
        "additionalProperties": false,
        "required": ["targets"],
        "properties": {
            "name": described(name(), "The project's name, for what several projects share."),
            "default_target": described(name(), "The target of commands that only read, when none is named."),
            "targets": {
                "type": "object",
                "minProperties": 1,
                "propertyNames": name(),
                "additionalProperties": target(),
                "description": "The workspaces that the manifests are meant for, by name.",
            },
        },
    })
}

fn target() -> Json {
    let paths = json!({"type": "array", "items": {"type": "string", "minLength": 1}});
    let mut manifests = described(paths.clone(), "Files and folders of manifests, relative to this file.");
    manifests["default"] = json!(["manifests"]);
    manifests["minItems"] = json!(1);
    let on_drift = json!({"enum": ON_DRIFT.map(|(word, _)| word), "default": ON_DRIFT[0].0});
    let text = json!({"type": "string", "minLength": 1});
    json!({
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "context": described(name(), "The context of ~/.config/sbx/config.yaml with its server and key."),
            "local": described(json!({"type": "boolean"}), "Whether its server is the one built into sbx."),
            "manifests": manifests,
            "patches": described(paths, "What the target changes in the manifests, in this order."),
            "inventory": described(text.clone(), "Where its inventory is: a URL, or a path relative to this file."),
            "prune": described(json!({"type": "boolean"}), "Whether what is no longer declared is removed."),
            "selector": described(text, "Which objects are meant, by their labels: team=research,!old"),
            "on_drift": described(on_drift, "What becomes of what somebody changed behind the manifests' back."),
        },
        "not": {"required": ["context", "local"], "properties": {"local": {"const": true}}},
    })
}

fn name() -> Json {
    json!({"type": "string", "pattern": "^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$"})
}

fn described(mut schema: Json, text: &str) -> Json {
    schema["description"] = json!(text);
    schema
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use sbx::manifest::{Diagnostics, Input, Limits, load};

    use super::*;
    use crate::project::file;

    fn problems(text: String) -> Diagnostics {
        let (documents, mut out) = load(&[Input::Text { name: "sbx.yaml".to_owned(), text }], &Limits::default());
        file::decode(&documents.documents[0], Path::new("/"), &mut out);
        out
    }

    /// The names that a reader knows are in the help of its report of one that it does not.
    #[track_caller]
    fn knows_the_same(schema: &Json, text: &str) {
        let out = problems(text.to_owned());
        let help = out.iter().find_map(|problem| problem.help.clone()).unwrap();
        let mut known: Vec<_> = help.split('`').skip(1).step_by(2).filter(|word| !word.contains(' ')).collect();
        known.retain(|word| *word != "dev");
        known.sort_unstable();
        let named: Vec<_> = schema["properties"].as_object().unwrap().keys().cloned().collect();
        assert_eq!(known, named);
    }

    #[test]
    fn the_schema_has_the_fields_that_are_read() {
        knows_the_same(&schema(), "{targets: {dev: {}}, qqqqqqqqqqqqqqqqqq: 1}");
        knows_the_same(&target(), "{targets: {dev: {qqqqqqqqqqqqqqqqqqqq: 1}}}");
    }
}
