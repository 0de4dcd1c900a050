//! The JSON Schemas (draft 2020-12) of what programs read: plans, saved plans, the events of an apply, drift.
//!
//! Later versions may add fields, so that nothing is forbidden that is not named.

mod saved;

use sbx::kinds::{self, KindId};
use serde_json::{Map, Value as Json, json};

pub(crate) use self::saved::saved_plan;
use super::json::FORMAT_VERSION;

/// Returns the schema of what `plan -o json` prints.
pub(crate) fn plan() -> Json {
    let mut schema = with_against(document("sbx plan", plan_fields(change(), step(&[]))));
    schema["$defs"] = plan_definitions();
    schema
}

/// Returns the schema of each line that `apply -o json` prints, as `destroy` and `delete` do.
pub(crate) fn events() -> Json {
    let line = |word: &str, description: &str, mut fields: Json| {
        fields["format_version"] = json!({"const": FORMAT_VERSION});
        fields["type"] = json!({"const": word});
        described(record(fields), description)
    };
    let plan = record(with(plan_fields(change(), step(&[])), json!({"format_version": {"const": FORMAT_VERSION}})));
    let mut definitions = plan_definitions();
    definitions["plan"] = plan;
    let mut lines = vec![
        line(
            "plan",
            "What is going to be done.",
            json!({
                "plan": {"$ref": "#/$defs/plan"},
                "inventory": described(text_or_null(), "Where the record of what is owned is."),
            }),
        ),
        line(
            "begin",
            "The plan was agreed to.",
            json!({
                "workspace": text(),
                "parallelism": count(),
                "timeout_ms": count_or_null(),
            }),
        ),
        line(
            "throttled",
            "The server refuses calls as too many, or takes as many as before again.",
            json!({
                "wait_ms": described(count(), "How long nothing is sent."),
                "limit": described(count_or_null(), "How many calls there are at once; null: as many as before."),
                "refused": described(count(), "How many calls were refused so far."),
            }),
        ),
        line(
            "outcome",
            "How it ended.",
            json!({
                "is_complete": flag(),
                "is_interrupted": flag(),
                "is_out_of_time": flag(),
                "steps": record(json!({"done": count(), "failed": count(), "skipped": count(), "not_started": count()})),
                "blocked": count(),
            }),
        ),
    ];
    lines.extend(phases().into_iter().map(|(phase, fields)| {
        let own = json!({
            "step": described(count(), "The index of the step in the plan."),
            "kind": kind(),
            "name": text(),
            "verb": {"enum": VERBS},
            "phase": {"const": phase},
        });
        line("step", "A step began, waits, or ended.", with(own, fields))
    }));
    json!({"$schema": DRAFT, "title": "sbx event", "oneOf": lines, "$defs": definitions})
}

/// Returns each phase of a step, with the fields that are its own.
fn phases() -> [(&'static str, Json); 6] {
    [
        ("started", json!({})),
        (
            "waiting",
            json!({"status": described(text(), "How far the object is, in the server's word."), "elapsed_ms": count()}),
        ),
        ("done", json!({"how": {"enum": ["done", "already there", "already gone"]}, "elapsed_ms": count()})),
        (
            "failed",
            json!({
                "error": text(),
                "causes": list(text()),
                "is_stale": described(flag(), "Whether planning anew helps."),
                "elapsed_ms": count(),
            }),
        ),
        ("skipped", json!({"because_of": described(count(), "The step that failed.")})),
        ("not_started", json!({})),
    ]
}

/// Returns the schema of what `drift -o json` prints.
pub(crate) fn drift() -> Json {
    let own = [
        ("changed", json!({})),
        ("deleted", json!({})),
        ("renamed", json!({"to": text()})),
        ("made_anew", json!({"id": text_or_null(), "lives_as": text_or_null()})),
        ("failed", json!({"message": text()})),
        ("expired", json!({})),
        (
            "build_moved",
            json!({"source": text(), "digest": text(), "seen_in": record(json!({"kind": kind(), "name": text()}))}),
        ),
    ];
    let drifted: Vec<_> = own
        .into_iter()
        .map(|(event, fields)| {
            let all = json!({
                "kind": kind(),
                "name": text(),
                "event": {"const": event},
                "is_drift": described(flag(), "Whether somebody did it to the object; false for what its time to live ended, and for what was built from something that moved on."),
                "fields": list(with_parts(record(json!({"path": text(), "applied": {}, "live": {}})), record(json!({"path": text(), "applied": {}, "live": {}})))),
            });
            record(with(all, fields))
        })
        .collect();
    let mut schema = document(
        "sbx drift",
        json!({
            "inventory": {"$ref": "#/$defs/inventory"},
            "basis": described(json!({"enum": ["inventory", "manifests"]}), "What is compared with what is live."),
            "objects": described(count(), "How many objects were looked at."),
            "drifted": list(json!({"oneOf": drifted})),
            "ahead": {
                "type": ["array", "null"],
                "items": object_key(),
                "description": "Objects of which the manifests ask for something that was never applied.",
            },
            "is_in_sync": flag(),
        }),
    );
    schema["$defs"] = json!({"inventory": inventory()});
    with_against(schema)
}

const DRAFT: &str = "https://json-schema.org/draft/2020-12/schema";
const VERBS: [&str; 6] = ["create", "update", "rename", "delete", "swap", "verify"];
const ACTIONS: [&str; 8] = ["create", "update", "rename", "replace", "delete", "adopt", "keep", "blocked"];

fn document(title: &str, fields: Json) -> Json {
    let mut schema = record(with(fields, json!({"format_version": {"const": FORMAT_VERSION}})));
    schema["$schema"] = json!(DRAFT);
    schema["title"] = json!(title);
    schema
}

/// Returns what all forms of a plan have.
fn common_fields(change: Json, step: Json) -> Json {
    json!({
        "summary": record(ACTIONS.into_iter().map(|action| (action.to_owned(), count())).collect()),
        "changes": described(list(change), "One for each object, each after those that it refers to."),
        "steps": described(list(step), "The calls that an apply makes, each after all that it waits for."),
        "n_unmanaged": described(count(), "How many live objects nobody owns, nor will once the plan is done."),
        "n_undeclared": described(count(), "How many owned objects are declared no longer and stay."),
        "peaks": list(record(json!({
            "what": text(),
            "before": count(),
            "peak": count(),
            "after": count(),
            "limit": count_or_null(),
        }))),
    })
}

fn plan_fields(change: Json, step: Json) -> Json {
    with(
        common_fields(change, step),
        json!({
            "refusals": described(list(record(json!({"text": text(), "help": text()}))), "Why no step may be performed."),
            "refused_by": described(list(object_key()), "Objects whose `prevent_destroy` refuses the plan."),
            "inventory": {"$ref": "#/$defs/inventory"},
        }),
    )
}

fn plan_definitions() -> Json {
    json!({"note": note(), "rollout": rollout(), "inventory": inventory()})
}

fn change_fields(field: Json) -> Json {
    json!({
        "kind": kind(),
        "name": text(),
        "action": {"enum": ACTIONS},
        "id": described(text_or_null(), "The id of the live object."),
        "was": described(text_or_null(), "The name of the live object, if it is another one."),
        "spec": described(json!({"type": ["object", "null"]}), "What is declared, as a manifest has it."),
        "fields": list(field),
        "notes": list(json!({"$ref": "#/$defs/note"})),
        "rollout": {"$ref": "#/$defs/rollout"},
    })
}

fn change() -> Json {
    let field = with(field_fields(), json!({"change": {"enum": ["in_place", "grow_only", "replace"]}}));
    record(with(
        change_fields(with_parts(record(field), record(json!({"path": text(), "from": {}, "to": {}})))),
        json!({
            "steps": described(list(count()), "The indices of its steps."),
            "place": {
                "type": ["object", "null"],
                "description": "Where it is declared.",
                "required": ["file", "line", "column"],
                "properties": {"file": text(), "line": count(), "column": count()},
            },
        }),
    ))
}

fn field_fields() -> Json {
    json!({
        "path": text(),
        "from": {"description": "What is live."},
        "to": {"description": "What is declared."},
        "applied": {"description": "What was applied last."},
        "cause": {"enum": ["declared", "drift", "both"]},
    })
}

fn note() -> Json {
    record(json!({
        "text": text(),
        "help": described(text_or_null(), "What the reader can do about it."),
        "is_obstacle": described(flag(), "Whether it is in the way, rather than what happens."),
    }))
}

fn rollout() -> Json {
    let mut replaces = record(json!({
        "incoming": described(text(), "The name under which the new object is built."),
        "incoming_id": described(text_or_null(), "Its id, if it is there already."),
        "retired": described(text(), "The name that the old object gets."),
        "keeps_old": described(flag(), "Whether the old object stays, since others use it."),
        "turn": described(count(), "It is built when the old objects of lower turns are gone."),
    }));
    replaces["properties"]["takes_over"] =
        described(flag(), "Only in a saved plan: whether the old object was not managed, and is from then on.");
    json!({
        "description": "Its part in a replacement without a gap; null if it has none.",
        "oneOf": [
            {"type": "null"},
            {"const": "returns"},
            record(json!({"replaces": replaces})),
            record(json!({"left_of": object_key()})),
        ],
    })
}

fn inventory() -> Json {
    json!({
        "type": ["object", "null"],
        "description": "The record of what is owned; null where nobody keeps one.",
        "required": ["location", "serial", "exists"],
        "properties": {
            "location": described(text_or_null(), "Where it is; null where it came with a saved live state."),
            "serial": described(count_or_null(), "The number of the last apply that had one."),
            "exists": described(flag(), "Whether there is one yet."),
        },
    })
}

/// Returns the schema of a step, whose verb says which fields it has beside those that all have.
///
/// `more` are fields of verbs, added to those that a plan shows.
fn step(more: &[(&str, Json)]) -> Json {
    let step = |verb: &str| {
        let all = json!({
            "kind": kind(),
            "name": text(),
            "verb": {"const": verb},
            "change": described(count(), "The index of its change."),
            "after": described(list(count()), "The indices of the steps that it waits for."),
        });
        let own = match verb {
            "rename" => json!({"to": text()}),
            "swap" => json!({
                "retired": described(text_or_null(), "The name that the old object gets."),
                "incoming": described(text(), "The object that gets this one's name."),
            }),
            "verify" => {
                json!({"holders": described(list(object_key()), "What has to refer to it by its new name.")})
            }
            _ => json!({}),
        };
        let more = more.iter().filter(|(of, _)| *of == verb || of.is_empty()).map(|(_, fields)| fields.clone());
        record(more.fold(with(all, own), with))
    };
    json!({"oneOf": VERBS.map(step)})
}

fn object_key() -> Json {
    record(json!({"kind": kind(), "name": text()}))
}

/// A word, and no list of them: later versions know more kinds.
fn kind() -> Json {
    json!({"type": "string", "examples": kinds::all().map(KindId::recorded_as).collect::<Vec<_>>()})
}

/// Returns the schema of an object that always has all of its fields.
fn record(fields: Json) -> Json {
    let names: Vec<_> = fields.as_object().into_iter().flat_map(|fields| fields.keys().cloned()).collect();
    with(json!({"type": "object", "required": names}), wrapped("properties", fields))
}

/// Adds the parts that differ, which only values with parts have.
fn with_parts(mut field: Json, part: Json) -> Json {
    field["properties"]["parts"] = described(list(part), "The parts that differ, of a value that has parts.");
    field
}

/// Adds to a document what it has where it rests on a live state that was saved.
fn with_against(mut document: Json) -> Json {
    let against = record(json!({
        "observed_at": described(text(), "When the live state was read (RFC 3339)."),
        "age_seconds": described(count(), "How long ago that was."),
    }));
    document["properties"]["against"] = described(against, "The live state that `--against` names, if it was saved.");
    document
}

fn with(mut fields: Json, more: Json) -> Json {
    if let (Json::Object(fields), Json::Object(more)) = (&mut fields, more) {
        fields.extend(more);
    }
    fields
}

fn list(items: Json) -> Json {
    with(json!({"type": "array"}), wrapped("items", items))
}

fn wrapped(name: &str, schema: Json) -> Json {
    Json::Object(Map::from_iter([(name.to_owned(), schema)]))
}

fn text() -> Json {
    json!({"type": "string"})
}

fn text_or_null() -> Json {
    json!({"type": ["string", "null"]})
}

fn count() -> Json {
    json!({"type": "integer", "minimum": 0})
}

fn count_or_null() -> Json {
    json!({"type": ["integer", "null"], "minimum": 0})
}

fn flag() -> Json {
    json!({"type": "boolean"})
}

fn described(mut schema: Json, text: &str) -> Json {
    schema["description"] = json!(text);
    schema
}
