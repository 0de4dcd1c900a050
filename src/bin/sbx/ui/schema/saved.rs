//! The schema of what `plan --out` writes.

use serde_json::{Value as Json, json};

use super::{
    DRAFT, change_fields, common_fields, count, count_or_null, described, field_fields, flag, list, note, object_key,
    record, rollout, step, text, text_or_null, with,
};

/// Returns the schema of a saved plan.
pub(crate) fn saved_plan() -> Json {
    let change = with(
        change_fields(record(field_fields())),
        json!({
            "is_taken_over": described(flag(), "Whether it takes over an object that was not managed."),
            "record": {"oneOf": [{"type": "null"}, {"$ref": "#/$defs/entry"}]},
        }),
    );
    let own = json!({
        "format": {"const": "sbx.plan"},
        "format_version": {"const": sbx::reconcile::plan::saved::FORMAT_VERSION},
        "sbx_version": text(),
        "made_at": described(time(), "When the live state was read."),
        "endpoint": described(text(), "The workspace that it is for."),
        "target": described(text_or_null(), "The target that it is for."),
        "policy": described(list(text()), "What the plan was allowed to do, in words."),
        "effects": described(list(effect()), "What changes in the inventory without a call."),
        "digest": described(text(), "Of all other fields: a plan that was edited is refused."),
        "refusals": described(list(json!({"$ref": "#/$defs/note"})), "Why no step may be performed."),
    });
    let mut schema = record(with(common_fields(record(change), step(&of_verbs())), own));
    schema["$schema"] = json!(DRAFT);
    schema["title"] = json!("sbx saved plan");
    schema["$defs"] = json!({"note": note(), "rollout": rollout(), "entry": entry()});
    schema
}

/// Returns what a saved step has beside what a plan shows: what its call takes, and what it rests on.
fn of_verbs() -> [(&'static str, Json); 6] {
    [
        ("", json!({"expects": described(expectation(), "The object as the plan saw it: never times or a status.")})),
        (
            "create",
            json!({
                "spec": spec(),
                "ready_timeout_ms": count_or_null(),
                "carry": described(list(text()), "The fields that it takes over from the object that it replaces."),
            }),
        ),
        ("update", json!({"values": list(record(json!({"path": text(), "to": {}})))})),
        ("delete", json!({"is_waited_for": flag()})),
        ("swap", json!({"incoming_id": text_or_null()})),
        (
            "verify",
            json!({
                "swap": described(count(), "The swap to take back."),
                "is_news": described(flag(), "Whether the answer is to be remembered."),
            }),
        ),
    ]
}

fn expectation() -> Json {
    let mut schema = record(json!({
        "id": text_or_null(),
        "spec": {"type": ["object", "null"]},
        "renamed": list(record(json!({"from": object_key(), "to": text()}))),
    }));
    schema["type"] = json!(["object", "null"]);
    schema
}

fn effect() -> Json {
    let effect = |word: &str, fields: Json| record(with(json!({"effect": {"const": word}}), fields));
    json!({"oneOf": [
        effect("put", json!({"object": object_key(), "entry": {"$ref": "#/$defs/entry"}})),
        effect("move", json!({"from": object_key(), "to": object_key()})),
        effect("drop", json!({"object": object_key(), "id": text_or_null()})),
        effect("learn", json!({"references_follow_renames": {"type": ["boolean", "null"]}})),
    ]})
}

fn entry() -> Json {
    let entry = record(json!({
        "id": text_or_null(),
        "is_released": flag(),
        "spec": spec(),
        "lifecycle": described(json!({"type": "object"}), "How it was declared, in the words of a manifest."),
        "labels": {"type": "object", "additionalProperties": text()},
        "source": text_or_null(),
        "expires_at": {"type": ["string", "null"], "format": "date-time"},
        "extra": {"type": "object"},
    }));
    described(entry, "What the inventory is to hold of it.")
}

fn spec() -> Json {
    described(json!({"type": "object"}), "As a manifest has it.")
}

fn time() -> Json {
    json!({"type": "string", "format": "date-time"})
}
