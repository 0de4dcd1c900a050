//! What forms say to editors and to people.

use serde_json::{Map, Value as Json, json};

use crate::kinds::form::{Form, Member, Secrecy};

/// Returns the JSON Schema of values of this form.
pub(in crate::kinds) fn schema(form: &Form) -> Json {
    match form {
        Form::Text(usize::MAX) => json!({"type": "string", "minLength": 1}),
        Form::Text(most) => json!({"type": "string", "minLength": 1, "maxLength": most}),
        Form::Path => json!({"type": "string", "pattern": "^/."}),
        Form::Choice(words) => json!({"enum": words}),
        Form::Number(least, u64::MAX) => json!({"type": "integer", "minimum": least}),
        Form::Number(least, most) => json!({"type": "integer", "minimum": least, "maximum": most}),
        Form::Flag => json!({"type": "boolean"}),
        Form::Size => json!({"type": ["string", "number"]}),
        Form::Secret(secrecy) => secret(*secrecy),
        Form::Map(form) => json!({"type": "object", "additionalProperties": schema(form)}),
        Form::List(form) => {
            let mut out = json!({"type": "array", "items": schema(&form.of)});
            if form.count.0 > 0 {
                out["minItems"] = json!(form.count.0);
            }
            if form.count.1 < usize::MAX {
                out["maxItems"] = json!(form.count.1);
            }
            out
        }
        Form::Object(form) => {
            let property = |member: &Member| {
                let mut out = schema(&member.form);
                out["description"] = json!(member.doc);
                (member.name.to_owned(), out)
            };
            let properties: Map<_, _> = form.members.iter().map(property).collect();
            let mut out = json!({"type": "object", "additionalProperties": false, "properties": properties});
            let required: Vec<_> = form.members.iter().filter(|member| member.is_required).map(|m| m.name).collect();
            if !required.is_empty() {
                out["required"] = json!(required);
            }
            out
        }
    }
}

fn secret(secrecy: Secrecy) -> Json {
    let text = json!({"type": "string", "minLength": 1});
    let mut properties = json!({"env": text, "file": text});
    if secrecy != Secrecy::Variable {
        properties["workspace_secret"] = text;
        properties["is_set"] = json!({"const": true});
    }
    let place = json!({
        "type": "object",
        "additionalProperties": false,
        "minProperties": 1,
        "maxProperties": 1,
        "properties": properties,
    });
    if secrecy == Secrecy::Credential { place } else { json!({"oneOf": [{"type": "string"}, place]}) }
}

/// Returns the members of a form, or of the items of a list of it, each with what is said about it.
pub(in crate::kinds) fn outline(form: &'static Form) -> Vec<&'static Member> {
    match form {
        Form::Object(form) => form.members.iter().collect(),
        Form::List(form) => outline(&form.of),
        Form::Map(form) => outline(form),
        _ => Vec::new(),
    }
}
