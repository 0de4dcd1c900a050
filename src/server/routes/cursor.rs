//! Cursors: where a page of a list ended, as a text that means nothing to clients.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use serde_json::Value;

use crate::server::store::{Place, PlaceKey};

/// Writes the place after which the next page of a list begins.
pub(super) fn encode(list: &str, sort_by: &str, place: &Place) -> String {
    let key = match &place.key {
        PlaceKey::Nothing => Value::Null,
        PlaceKey::Number(number) => Value::from(*number),
        PlaceKey::Text(text) => Value::from(text.as_str()),
    };
    let parts = Value::from(vec![Value::from(list), Value::from(sort_by), key, Value::from(place.id.as_str())]);
    BASE64.encode(parts.to_string())
}

/// Reads a place; `None` for a text that is no cursor of that list in that order.
pub(super) fn decode(cursor: &str, list: &str, sort_by: &str) -> Option<Place> {
    let [of, by, key, id]: [Value; 4] = serde_json::from_slice(&BASE64.decode(cursor).ok()?).ok()?;
    if of != list || by != sort_by {
        return None;
    }
    let key = match key {
        Value::Null => PlaceKey::Nothing,
        Value::Number(number) => PlaceKey::Number(number.as_i64()?),
        Value::String(text) => PlaceKey::Text(text),
        Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
    };
    Some(Place { key, id: id.as_str()?.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_of_one_list_in_one_order() {
        for key in [PlaceKey::Nothing, PlaceKey::Number(-5), PlaceKey::Text("a".to_owned())] {
            let place = Place { key, id: "i".to_owned() };
            let cursor = encode("registries", "created_at", &place);
            assert_eq!(decode(&cursor, "registries", "created_at"), Some(place));
            assert_eq!(decode(&cursor, "snapshots", "created_at"), None);
            assert_eq!(decode(&cursor, "registries", "name"), None);
        }
        for text in ["", "x", "W10", "bnVsbA", "WyJhIiwiYiIsdHJ1ZSwiYyJd"] {
            assert_eq!(decode(text, "a", "b"), None, "{text}");
        }
    }
}
