//! Reading bodies, with every problem of a body in one answer.
//!
//! Problems are worded and typed the way the real service's framework does (contract G15): `missing`, `string_type` and
//! the like for a wrong type, `value_error` for a value that is not allowed. `null` counts as absent where a field is
//! optional (contract G14), and unknown fields are left alone.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use serde_json::{Map, Value};

use crate::server::error::Failure;
use crate::wire::{LocationPart, ValidationItem};

/// What is read from the object of a request's body.
pub(crate) trait Decode: Sized {
    /// Reads the fields. Whatever is wrong is reported to `fields`; `None` only after such a report.
    fn decode(fields: &mut Fields<'_>) -> Option<Self>;
}

/// A decoded body.
pub(crate) struct Body<T>(pub(crate) T);

impl<S: Send + Sync, T: Decode> FromRequest<S> for Body<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Self::Rejection> {
        let bytes = Bytes::from_request(request, state).await.map_err(|error| Failure::unreadable_body(&error))?;
        let value = parse(&bytes)?;
        let mut problems = Problems::default();
        let decoded = decode_at(&value, &[LocationPart::Key("body".to_owned())], &mut problems);
        problems.none_or_fail(decoded).map(Self)
    }
}

fn parse(bytes: &[u8]) -> Result<Value, Failure> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(Failure::Invalid(vec![item(&[key("body")], "missing", "Field required")]));
    }
    serde_json::from_slice(bytes).map_err(|error| {
        let at = offset(bytes, &error);
        Failure::Invalid(vec![item(
            &[key("body"), LocationPart::Index(at)],
            "json_invalid",
            format!("JSON decode error: {error}"),
        )])
    })
}

/// Turns the line and column of a syntax error into the offset that the real service reports.
fn offset(bytes: &[u8], error: &serde_json::Error) -> u64 {
    let lines_before = error.line().saturating_sub(1);
    let start: usize = bytes.split_inclusive(|byte| *byte == b'\n').take(lines_before).map(<[u8]>::len).sum();
    (start + error.column().saturating_sub(1)) as u64
}

/// Decodes a value that must be an object, at a place of the body.
pub(crate) fn decode_at<T: Decode>(value: &Value, at: &[LocationPart], problems: &mut Problems) -> Option<T> {
    if let Value::Object(object) = value {
        return T::decode(&mut Fields { object, at: at.to_vec(), problems });
    }
    problems.0.push(item(
        at,
        "model_attributes_type",
        "Input should be a valid dictionary or object to extract fields from",
    ));
    None
}

/// What is wrong with a request.
#[derive(Debug, Default)]
pub(crate) struct Problems(Vec<ValidationItem>);

impl Problems {
    /// Adds one.
    pub(crate) fn add(&mut self, at: &[LocationPart], kind: &str, message: impl Display) {
        self.0.push(item(at, kind, message));
    }

    /// Returns the value when there is none.
    pub(crate) fn none_or_fail<T>(self, value: Option<T>) -> Result<T, Failure> {
        match value {
            Some(value) if self.0.is_empty() => Ok(value),
            _ => Err(Failure::Invalid(self.0)),
        }
    }
}

fn item(at: &[LocationPart], kind: &str, message: impl Display) -> ValidationItem {
    ValidationItem { loc: at.to_vec(), msg: message.to_string(), kind: kind.to_owned() }
}

/// Makes a step of a location from a key.
pub(crate) fn key(key: &str) -> LocationPart {
    LocationPart::Key(key.to_owned())
}

/// The fields of an object that is read.
pub(crate) struct Fields<'a> {
    object: &'a Map<String, Value>,
    at: Vec<LocationPart>,
    problems: &'a mut Problems,
}

impl<'a> Fields<'a> {
    /// Returns the object itself.
    pub(crate) fn object(&self) -> &'a Map<String, Value> {
        self.object
    }

    /// Reports a problem of a field.
    pub(crate) fn report(&mut self, field: &str, kind: &str, message: impl Display) {
        let mut at = self.at.clone();
        at.push(key(field));
        self.problems.add(&at, kind, message);
    }

    /// Reads a text that must be there.
    pub(crate) fn text(&mut self, field: &str) -> Option<&'a str> {
        match self.object.get(field) {
            Some(Value::String(text)) => Some(text),
            Some(_) => {
                self.report(field, "string_type", "Input should be a valid string");
                None
            }
            None => {
                self.report(field, "missing", "Field required");
                None
            }
        }
    }

    /// Reads a text that may be absent.
    pub(crate) fn optional_text(&mut self, field: &str) -> Option<&'a str> {
        self.present(field).and_then(|_| self.text(field))
    }

    /// Reads a text that must be there and parses it.
    pub(crate) fn parsed<T: FromStr<Err: Display>>(&mut self, field: &str) -> Option<T> {
        let text = self.text(field)?;
        text.parse().map_err(|error| self.report(field, "value_error", error)).ok()
    }

    /// Reads a text that may be absent and parses it.
    pub(crate) fn optional_parsed<T: FromStr<Err: Display>>(&mut self, field: &str) -> Option<T> {
        self.present(field).and_then(|_| self.parsed(field))
    }

    /// Reads a truth value, `default` when absent.
    pub(crate) fn flag(&mut self, field: &str, default: bool) -> bool {
        match self.present(field) {
            None => default,
            Some(Value::Bool(flag)) => *flag,
            Some(_) => {
                self.report(field, "bool_type", "Input should be a valid boolean");
                default
            }
        }
    }

    /// Reads a whole number that must be there.
    pub(crate) fn integer(&mut self, field: &str, range: RangeInclusive<i64>) -> Option<i64> {
        if self.object.contains_key(field) {
            let value = self.object.get(field)?;
            return self.checked_integer(field, value, range);
        }
        self.report(field, "missing", "Field required");
        None
    }

    /// Reads a whole number that may be absent.
    pub(crate) fn optional_integer(&mut self, field: &str, range: RangeInclusive<i64>) -> Option<i64> {
        let value = self.present(field)?;
        self.checked_integer(field, value, range)
    }

    /// Reads an object that may be absent.
    pub(crate) fn optional_object<T: Decode>(&mut self, field: &str) -> Option<T> {
        let value = self.present(field)?;
        let mut at = self.at.clone();
        at.push(key(field));
        decode_at(value, &at, self.problems)
    }

    /// Reads a list of objects, empty when absent.
    pub(crate) fn objects<T: Decode>(&mut self, field: &str) -> Vec<T> {
        let mut at = self.at.clone();
        at.push(key(field));
        match self.present(field) {
            None => Vec::new(),
            Some(Value::Array(values)) => {
                let mut decoded = Vec::with_capacity(values.len());
                for (index, value) in (0..).zip(values) {
                    at.push(LocationPart::Index(index));
                    decoded.extend(decode_at(value, &at, self.problems));
                    at.pop();
                }
                decoded
            }
            Some(_) => {
                self.report(field, "list_type", "Input should be a valid list");
                Vec::new()
            }
        }
    }

    /// Reads a list of texts that must be there.
    pub(crate) fn texts(&mut self, field: &str) -> Option<Vec<String>> {
        let Some(value) = self.object.get(field) else {
            self.report(field, "missing", "Field required");
            return None;
        };
        let texts = value.as_array().map(|values| values.iter().map(Value::as_str).collect::<Option<Vec<_>>>());
        match texts {
            Some(Some(texts)) => Some(texts.into_iter().map(str::to_owned).collect()),
            Some(None) => {
                self.report(field, "string_type", "Input should be a valid list of strings");
                None
            }
            None => {
                self.report(field, "list_type", "Input should be a valid list");
                None
            }
        }
    }

    /// Reads a truth value that may be absent.
    pub(crate) fn optional_flag(&mut self, field: &str) -> Option<bool> {
        self.present(field)?;
        Some(self.flag(field, false))
    }

    /// Reads an object of texts, which may be absent.
    pub(crate) fn optional_texts_by_name(&mut self, field: &str) -> Option<BTreeMap<String, String>> {
        let texts = self.present(field)?.as_object().and_then(|object| {
            object.iter().map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect()
        });
        if texts.is_none() {
            self.report(field, "dict_type", "Input should be a valid dictionary of strings");
        }
        texts
    }

    /// Returns a field that is there, and not `null`.
    pub(crate) fn present(&self, field: &str) -> Option<&'a Value> {
        self.object.get(field).filter(|value| !value.is_null())
    }

    fn checked_integer(&mut self, field: &str, value: &Value, range: RangeInclusive<i64>) -> Option<i64> {
        let number = match whole_number(value) {
            Ok(number) => number,
            Err((kind, message)) => {
                self.report(field, kind, message);
                return None;
            }
        };
        if range.contains(&number) {
            return Some(number);
        }
        self.report(field, "value_error", out_of_range(&range));
        None
    }
}

/// Words what a number should have been.
pub(crate) fn out_of_range(range: &RangeInclusive<i64>) -> String {
    match *range.end() {
        i64::MAX => format!("Input should be at least {}", range.start()),
        end => format!("Input should be from {} to {end}", range.start()),
    }
}

/// Reads a whole number as leniently as the real service: `5`, `5.0` and `"5"`.
fn whole_number(value: &Value) -> Result<i64, (&'static str, &'static str)> {
    const NOT_A_NUMBER: (&str, &str) = ("int_type", "Input should be a valid integer");
    const FRACTION: (&str, &str) =
        ("int_from_float", "Input should be a valid integer, got a number with a fractional part");
    match value {
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(number), _) => Ok(number),
            // Every whole number of this range is exact as a float.
            #[expect(clippy::cast_possible_truncation, reason = "checked to be whole and in range")]
            (None, Some(float)) if float.fract() == 0.0 && float.abs() < 9.0e15 => Ok(float as i64),
            // Beyond every range that the API knows, on the right side.
            (None, Some(float)) if float.fract() == 0.0 => Ok(if float > 0.0 { i64::MAX - 1 } else { i64::MIN }),
            _ => Err(FRACTION),
        },
        Value::String(text) => parse_integer(text),
        _ => Err(NOT_A_NUMBER),
    }
}

/// Reads a whole number from a text, as queries and lenient bodies have it.
pub(crate) fn parse_integer(text: &str) -> Result<i64, (&'static str, &'static str)> {
    text.trim()
        .parse()
        .map_err(|_| ("int_parsing", "Input should be a valid integer, unable to parse string as an integer"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    struct Sample {
        name: String,
        count: Option<i64>,
    }

    impl Decode for Sample {
        fn decode(fields: &mut Fields<'_>) -> Option<Self> {
            let name = fields.text("name").map(str::to_owned);
            let count = fields.optional_integer("count", 1..=10);
            Some(Self { name: name?, count })
        }
    }

    fn problems(value: &Value) -> Vec<(String, String)> {
        let mut problems = Problems::default();
        let _: Option<Sample> = decode_at(value, &[key("body")], &mut problems);
        let place = |item: &ValidationItem| serde_json::to_string(&item.loc).expect("plain data");
        problems.0.iter().map(|item| (place(item), item.kind.clone())).collect()
    }

    #[test]
    fn reads_leniently() {
        for count in [json!(5), json!(5.0), json!("5"), json!(" 5 ")] {
            let mut problems = Problems::default();
            let value = json!({"name": "a", "count": count, "unknown": 1});
            let sample: Option<Sample> = decode_at(&value, &[], &mut problems);
            assert!(sample.is_some_and(|sample| sample.name == "a" && sample.count == Some(5)), "{value}");
        }
        assert!(problems(&json!({"name": "a", "count": null})).is_empty());
    }

    #[test]
    fn reports_everything_at_once() {
        let cases = [
            (json!([]), vec![(r#"["body"]"#, "model_attributes_type")]),
            (json!({}), vec![(r#"["body","name"]"#, "missing")]),
            (json!({"name": null}), vec![(r#"["body","name"]"#, "string_type")]),
            (
                json!({"name": 1, "count": "x"}),
                vec![(r#"["body","name"]"#, "string_type"), (r#"["body","count"]"#, "int_parsing")],
            ),
            (json!({"name": "a", "count": 1.5}), vec![(r#"["body","count"]"#, "int_from_float")]),
            (json!({"name": "a", "count": []}), vec![(r#"["body","count"]"#, "int_type")]),
            (json!({"name": "a", "count": true}), vec![(r#"["body","count"]"#, "int_type")]),
            (json!({"name": "a", "count": 11}), vec![(r#"["body","count"]"#, "value_error")]),
            (json!({"name": "a", "count": 1e300}), vec![(r#"["body","count"]"#, "value_error")]),
        ];
        for (value, expected) in cases {
            let expected: Vec<_> = expected.into_iter().map(|(at, kind)| (at.to_owned(), kind.to_owned())).collect();
            assert_eq!(problems(&value), expected, "{value}");
        }
    }

    #[test]
    fn a_syntax_error_has_its_offset() {
        let Err(Failure::Invalid(items)) = parse(b"{\n  \"name\": }") else { panic!("it is no JSON") };
        assert_eq!(items[0].kind, "json_invalid");
        assert_eq!(items[0].loc, [key("body"), LocationPart::Index(12)]);
    }
}
