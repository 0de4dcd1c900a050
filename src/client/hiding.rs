//! Which texts of a body are secrets, so that no error passes one on that a server quotes.

use serde::Serialize;
use serde_json::Value;

use crate::types::Secret;

/// The shortest variable of an environment that is taken for a secret: any may be one, but to cut `1` or `true` out of
/// a message would leave nothing to understand.
const SHORTEST_VARIABLE: usize = 8;

/// Returns the secrets of a body, wherever they are in it: values that are not plain, and variables.
pub(super) fn secrets_of(body: &impl Serialize) -> Vec<Secret> {
    let mut secrets = Vec::new();
    let body = serde_json::to_value(body).expect("bodies are structs with text keys and no failing serializer");
    collect(&body, &mut secrets);
    secrets
}

fn collect(value: &Value, secrets: &mut Vec<Secret>) {
    match value {
        Value::Object(fields) => {
            let is_secret = fields.get("type").is_some_and(|kind| kind != "plaintext");
            if let Some(Value::String(text)) = fields.get("value").filter(|_| is_secret) {
                secrets.push(Secret::new(text.as_str()));
            }
            if let Some(Value::Object(variables)) = fields.get("env_vars") {
                let texts = variables.values().filter_map(Value::as_str);
                secrets.extend(texts.filter(|text| text.len() >= SHORTEST_VARIABLE).map(Secret::new));
            }
            fields.values().for_each(|value| collect(value, secrets));
        }
        Value::Array(values) => values.iter().for_each(|value| collect(value, secrets)),
        _ => {}
    }
}
