//! The JSON Schema of a written inventory.

use serde_json::{Value as Json, json};

use super::Inventory;
use crate::kinds::{self, KindId};

/// Returns the JSON Schema (draft 2020-12) of a written inventory.
///
/// Later versions may add fields, so that nothing is forbidden that is not named.
pub fn inventory_schema() -> Json {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "sbx inventory",
        "type": "object",
        "required": ["type", "format_version", "endpoint", "habits", "entries", "intents", "runs"],
        "properties": {
            "type": {"const": "sbx-inventory"},
            "format_version": {"const": Inventory::FORMAT_VERSION},
            "endpoint": {"type": ["string", "null"], "description": "The endpoint that it was recorded for."},
            "serial": {"type": "integer", "minimum": 0, "description": "The number of the last apply with --serial."},
            "habits": habits(),
            "entries": {"type": "array", "items": {"$ref": "#/$defs/entry"}},
            "intents": {"type": "array", "items": {"$ref": "#/$defs/intent"}},
            "runs": {"type": "array", "maxItems": Inventory::MAX_RUNS, "items": {"$ref": "#/$defs/run"}},
        },
        "$defs": {"entry": entry(), "intent": intent(), "run": run()},
    })
}

fn habits() -> Json {
    json!({
        "type": "object",
        "description": "What is known of the server's unwritten rules.",
        "properties": {"references_follow_renames": {"type": "boolean"}},
    })
}

fn entry() -> Json {
    let kinds: Vec<_> = kinds::all().map(KindId::recorded_as).collect();
    json!({
        "type": "object",
        "description": "An object that is owned, or was.",
        "required": ["kind", "name", "spec"],
        "properties": {
            "kind": {"type": "string", "examples": kinds, "description": "With `.v2` behind it for one of sbx/v2."},
            "name": {"type": "string"},
            "id": {"type": "string", "description": "Its id, if the server gave one."},
            "standing": {"enum": ["owned", "released"], "default": "owned"},
            "spec": {"description": "What was applied last, as a manifest has it."},
            "lifecycle": {"type": "object", "description": "How it was declared, in the words of a manifest."},
            "labels": {"type": "object", "additionalProperties": {"type": "string"}},
            "source": {"type": "string", "description": "The file that it was declared in."},
            "expires_at": {"type": "string", "format": "date-time"},
        },
    })
}

/// An intent holds what the entry was to be, beside what was to be done.
fn intent() -> Json {
    let mut schema = entry();
    schema["description"] = json!("What an apply was going to do, and nobody has seen done.");
    schema["required"] = json!(["deed", "kind", "name", "at", "spec"]);
    let properties = &mut schema["properties"];
    properties["deed"] = json!({"enum": ["create", "update", "rename", "delete"]});
    properties["at"] = json!({"type": "string", "format": "date-time"});
    properties["sends"] = json!({"type": "object", "description": "What was to be sent to make it."});
    properties["carry"] = json!({"type": "object", "description": "Unknown fields of the object that it replaces."});
    schema
}

fn run() -> Json {
    json!({
        "type": "object",
        "description": "An apply that was.",
        "required": ["at", "by", "outcome", "summary"],
        "properties": {
            "at": {"type": "string", "format": "date-time"},
            "by": {"type": "string", "description": "user@host"},
            "commit": {"type": "string"},
            "url": {"type": "string"},
            "serial": {"type": "integer", "minimum": 0},
            "outcome": {"type": "string", "examples": ["done", "partial", "failed", "interrupted", "did not end"]},
            "summary": {"type": "string"},
        },
    })
}
