//! Secret values in configurations (contract section 5.2 of the second generation).
//!
//! A secret is an object whose `type` says how it is meant: `plaintext`, `opaque` or `workspace_secret`. They are found
//! wherever they stand, so that one in a field that this version does not know is kept as secret as any other.

use serde_json::{Map, Value};

/// What an opaque value is told by in answers.
const IS_SET: &str = "is_set";

/// Takes every opaque value out, and says instead that it is there.
pub(crate) fn redact(mut config: Value) -> Value {
    visit(&mut config, &mut |secret| {
        secret.remove("value");
        secret.insert(IS_SET.to_owned(), Value::Bool(true));
    });
    config
}

/// Returns whether a secret stands in the text itself, and not only its name.
pub(super) fn holds_literal(config: &Value) -> bool {
    let mut found = false;
    let mut config = config.clone();
    visit(&mut config, &mut |secret| found |= secret.contains_key("value"));
    found
}

/// Fills opaque values that are left out from where they stand in the present configuration: entries of lists are the
/// same when they have the same name. Returns the place of one that is nowhere.
pub(super) fn carry_over(config: &mut Value, present: Option<&Value>) -> Result<(), String> {
    carry(config, present, &mut Vec::new())
}

fn carry(value: &mut Value, present: Option<&Value>, at: &mut Vec<String>) -> Result<(), String> {
    match value {
        Value::Object(object) if is_opaque(object) => {
            object.remove(IS_SET);
            if object.get("value").is_some_and(|value| !value.is_null()) {
                return Ok(());
            }
            let kept = present.and_then(Value::as_object).filter(|present| is_opaque(present));
            let kept = kept.and_then(|present| present.get("value")).cloned();
            object.insert("value".to_owned(), kept.ok_or_else(|| at.join("."))?);
            Ok(())
        }
        Value::Object(object) => object.iter_mut().try_for_each(|(key, value)| {
            at.push(key.clone());
            carry(value, present.and_then(|present| present.get(key)), at)?;
            at.pop();
            Ok(())
        }),
        Value::Array(items) => items.iter_mut().enumerate().try_for_each(|(index, item)| {
            at.push(index.to_string());
            let same = present.and_then(Value::as_array).and_then(|items| items.iter().find(|old| is_same(old, item)));
            carry(item, same, at)?;
            at.pop();
            Ok(())
        }),
        _ => Ok(()),
    }
}

fn is_same(old: &Value, new: &Value) -> bool {
    ["name", "url"].iter().any(|key| new.get(key).is_some_and(|name| old.get(key) == Some(name)))
}

fn is_opaque(object: &Map<String, Value>) -> bool {
    object.get("type").and_then(Value::as_str) == Some("opaque")
}

fn visit(value: &mut Value, on_opaque: &mut impl FnMut(&mut Map<String, Value>)) {
    match value {
        Value::Object(object) if is_opaque(object) => on_opaque(object),
        Value::Object(object) => object.values_mut().for_each(|value| visit(value, on_opaque)),
        Value::Array(items) => items.iter_mut().for_each(|item| visit(item, on_opaque)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn opaque_values_are_told_by_their_being_set() {
        let config = json!({"rules": [{"name": "r", "headers": [
            {"name": "a", "type": "opaque", "value": "s"},
            {"name": "b", "type": "plaintext", "value": "p"},
            {"name": "c", "type": "workspace_secret", "value": "{NAME}"},
        ], "later": {"deep": [{"type": "opaque", "value": "t"}]}}]});
        assert!(holds_literal(&config));
        let shown = redact(config);
        assert!(!holds_literal(&shown));
        assert_eq!(shown["rules"][0]["headers"][0], json!({"name": "a", "type": "opaque", "is_set": true}));
        assert_eq!(shown["rules"][0]["headers"][1]["value"], "p");
        assert_eq!(shown["rules"][0]["headers"][2]["value"], "{NAME}");
        assert_eq!(shown["rules"][0]["later"]["deep"][0], json!({"type": "opaque", "is_set": true}));
    }

    #[test]
    fn one_can_be_rotated_without_knowing_the_others() {
        let rule = |name: &str, first: Value, second: Value| json!({"name": name, "aws": {"access_key_id": first, "secret_access_key": second}});
        let opaque = |value: &str| json!({"type": "opaque", "value": value});
        let kept = json!({"type": "opaque", "is_set": true});
        let present = json!({"rules": [rule("x", opaque("1"), opaque("2")), rule("y", opaque("3"), opaque("4"))]});
        let mut new = json!({"rules": [rule("y", kept.clone(), opaque("5"))]});
        carry_over(&mut new, Some(&present)).expect("is there");
        assert_eq!(new, json!({"rules": [rule("y", opaque("3"), opaque("5"))]}));
        let mut renamed = json!({"rules": [rule("z", kept, opaque("5"))]});
        assert_eq!(carry_over(&mut renamed, Some(&present)), Err("rules.0.aws.access_key_id".to_owned()));
    }
}
