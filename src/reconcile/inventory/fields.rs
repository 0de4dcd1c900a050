//! The fields of a JSON object as they are written, decoded one by one when they are asked for.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value as Json};

/// The fields of a JSON object that nobody has taken yet.
pub(super) struct Fields<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

/// A key, borrowed where it holds no escapes.
#[derive(serde::Deserialize)]
struct Word<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'a> Fields<'a> {
    /// Reads the fields of one object.
    pub(super) fn of(text: &'a str) -> Result<Self, String> {
        serde_json::from_str(text).map_err(|error| error.to_string())
    }

    /// Takes a field that may be left out; `null` counts as left out.
    pub(super) fn optional<T: Deserialize<'a>>(&mut self, name: &str) -> Result<Option<T>, String> {
        let Some(raw) = self.raw(name) else { return Ok(None) };
        serde_json::from_str(raw.get()).map_err(|error| format!("`{name}`: {error}"))
    }

    /// Takes a field that must be there.
    pub(super) fn required<T: Deserialize<'a>>(&mut self, name: &str) -> Result<T, String> {
        self.optional(name)?.ok_or_else(|| format!("`{name}` is missing"))
    }

    /// Takes a list that may be left out.
    pub(super) fn list(&mut self, name: &str) -> Result<Vec<&'a RawValue>, String> {
        Ok(self.optional(name)?.unwrap_or_default())
    }

    /// Takes a field as it is written.
    pub(super) fn raw(&mut self, name: &str) -> Option<&'a RawValue> {
        let index = self.0.iter().position(|(word, _)| word == name)?;
        Some(self.0.swap_remove(index).1)
    }

    /// Returns the fields that nobody took.
    pub(super) fn rest(self) -> Result<Map<String, Json>, String> {
        let decode = |(name, raw): (Cow<'a, str>, &RawValue)| {
            let value = serde_json::from_str(raw.get()).map_err(|error| format!("`{name}`: {error}"))?;
            Ok((name.into_owned(), value))
        };
        self.0.into_iter().map(decode).collect()
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
                let mut fields = Vec::with_capacity(12);
                while let Some((Word(name), raw)) = map.next_entry()? {
                    fields.push((name, raw));
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}

/// One JSON object on one line, field by field.
pub(super) struct Line(String);

impl Line {
    pub(super) fn new() -> Self {
        Self("{".to_owned())
    }

    /// Adds a field.
    pub(super) fn put(self, name: &str, value: impl Into<Json>) -> Self {
        let value: Json = value.into();
        self.put_raw(name, &value.to_string())
    }

    /// Adds a field where there is a value for it.
    pub(super) fn put_some(self, name: &str, value: Option<impl Into<Json>>) -> Self {
        match value {
            Some(value) => self.put(name, value),
            None => self,
        }
    }

    /// Adds a field whose value is JSON already. Line breaks, which JSON has between values only, become blanks.
    pub(super) fn put_raw(mut self, name: &str, value: &str) -> Self {
        if self.0.len() > 1 {
            self.0.push_str(", ");
        }
        self.0.push_str(&Json::from(name).to_string());
        self.0.push_str(": ");
        self.0.push_str(&on_one_line(value));
        self
    }

    /// Adds every field of a map.
    pub(super) fn put_all(self, fields: &Map<String, Json>) -> Self {
        fields.iter().fold(self, |line, (name, value)| line.put(name, value.clone()))
    }

    pub(super) fn end(mut self) -> String {
        self.0.push('}');
        self.0
    }
}

/// Returns JSON without line breaks.
pub(super) fn on_one_line(json: &str) -> Cow<'_, str> {
    if json.contains(['\n', '\r']) { json.replace(['\n', '\r'], " ").into() } else { json.into() }
}
