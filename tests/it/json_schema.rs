//! As much of JSON Schema as our schemas use, and stricter: what a schema does not describe is wrong too.
//!
//! A keyword that is not known here is an error of the test, so that nothing is passed over.

use serde_json::Value;

/// Keywords that say something to people, or that hold without a check.
const NOT_CHECKED: [&str; 10] =
    ["$schema", "$defs", "title", "description", "examples", "default", "format", "minimum", "maxItems", "pattern"];

/// Returns what of a value its schema does not allow or describe, each with its place.
pub(crate) fn violations(value: &Value, schema: &Value) -> Vec<String> {
    let mut out = Vec::new();
    check(value, schema, schema, "$", &mut out);
    out
}

fn check(value: &Value, schema: &Value, root: &Value, place: &str, out: &mut Vec<String>) {
    for (keyword, rule) in schema.as_object().expect("a schema is an object") {
        match keyword.as_str() {
            "$ref" => {
                let pointer = rule.as_str().and_then(|text| text.strip_prefix('#')).expect("it refers to itself");
                check(value, root.pointer(pointer).expect("the definition is there"), root, place, out);
            }
            "type" => {
                if !one_or_many(rule).any(|name| is(value, name)) {
                    out.push(format!("{place}: {value} is not of type {rule}"));
                }
            }
            "const" if value != rule => out.push(format!("{place}: {value} is not {rule}")),
            "enum" if !list(rule).contains(value) => out.push(format!("{place}: {value} is none of {rule}")),
            "required" => {
                let is_missing = |name: &&Value| value.is_object() && value.get(text(name)).is_none();
                out.extend(list(rule).iter().filter(is_missing).map(|name| format!("{place}: {name} is missing")));
            }
            "oneOf" => {
                let found: Vec<_> = list(rule).iter().map(|schema| found_by(value, schema, root, place)).collect();
                if found.iter().filter(|found| found.is_empty()).count() != 1 {
                    out.push(format!("{place}: not one alternative fits: {found:?}"));
                }
            }
            "items" => {
                for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                    check(item, rule, root, &format!("{place}[{index}]"), out);
                }
            }
            "properties" => {
                for (name, value) in value.as_object().into_iter().flatten() {
                    match rule.get(name).or_else(|| schema.get("additionalProperties")) {
                        Some(schema) => check(value, schema, root, &format!("{place}.{name}"), out),
                        None => out.push(format!("{place}.{name} is not described")),
                    }
                }
            }
            "additionalProperties" if schema.get("properties").is_none() => {
                for (name, value) in value.as_object().into_iter().flatten() {
                    check(value, rule, root, &format!("{place}.{name}"), out);
                }
            }
            "const" | "enum" | "additionalProperties" => {}
            known => assert!(NOT_CHECKED.contains(&known), "the check does not know `{known}`"),
        }
    }
}

fn found_by(value: &Value, schema: &Value, root: &Value, place: &str) -> Vec<String> {
    let mut out = Vec::new();
    check(value, schema, root, place, &mut out);
    out
}

fn is(value: &Value, name: &str) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_u64() || value.is_i64(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        other => panic!("the check does not know the type `{other}`"),
    }
}

fn one_or_many(rule: &Value) -> impl Iterator<Item = &str> {
    rule.as_str().into_iter().chain(rule.as_array().into_iter().flatten().map(text))
}

fn list(rule: &Value) -> &[Value] {
    rule.as_array().expect("it is a list")
}

fn text(value: &Value) -> &str {
    value.as_str().expect("it is a text")
}
