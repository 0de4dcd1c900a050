//! What a server says is wrong: the three shapes of an error's body, read leniently.

use bytes::Bytes;
use http::Response;
use http::header::{LOCATION, RETRY_AFTER};

use crate::wire::{ErrorBody, ErrorDetail, LocationPart, ProblemDetails, ValidationItem};

/// The body of an error, whatever its shape; everything is absent when it was in none (contract section 3.1).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::client) struct Detail {
    /// The type, such as `Conflict`.
    pub(in crate::client) error_type: Option<String>,
    /// The text for people.
    pub(in crate::client) message: Option<String>,
    /// What is wrong with which field.
    pub(in crate::client) items: Vec<ValidationItem>,
    /// Whether the answer says when to come back.
    pub(in crate::client) has_retry_after: bool,
    /// Where the answer leads, without the query.
    pub(in crate::client) location: Option<String>,
    /// Whether the server is known to have such paths, so that it is an object that a 404 misses.
    pub(in crate::client) is_spoken: bool,
}

impl Detail {
    /// Reads an answer.
    pub(in crate::client) fn of(response: &Response<Bytes>) -> Self {
        let has_retry_after = response.headers().contains_key(RETRY_AFTER);
        let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
        let location = location.and_then(|text| text.split(['?', '#']).next()).map(ToOwned::to_owned);
        Self { has_retry_after, location, ..Self::parse(response.body()) }
    }

    /// Reads a body. What is not an error's body has no detail, and is no error here: the status says enough.
    fn parse(body: &[u8]) -> Self {
        match serde_json::from_slice(body).map(|ErrorBody { detail }| detail) {
            Ok(ErrorDetail::Standard(standard)) => {
                let message = filled(standard.message).map(|text| with(text, "error_id=", standard.error_id));
                Self { error_type: standard.error, message, ..Self::default() }
            }
            Ok(ErrorDetail::Validation(items)) => {
                let messages: Vec<&str> = items.iter().map(|item| item.msg.as_str()).collect();
                Self { error_type: None, message: filled(Some(messages.join("; "))), items, ..Self::default() }
            }
            Ok(ErrorDetail::Text(text)) => {
                // Of another shape it has nothing more to say.
                let problem: ProblemDetails = serde_json::from_slice(body).unwrap_or_default();
                let message = filled(Some(text)).map(|text| with(text, "", problem.remedy));
                Self { error_type: problem.error_class, message, ..Self::default() }
            }
            Err(_) => Self::default(),
        }
    }

    /// Takes a credential out of every text, in case the server quotes what it was sent.
    pub(in crate::client) fn redact(&mut self, credential: &str) {
        if credential.is_empty() {
            return;
        }
        let items = self.items.iter_mut().map(|item| &mut item.msg);
        for text in self.message.iter_mut().chain(self.error_type.iter_mut()).chain(items) {
            *text = text.replace(credential, "<redacted>");
        }
    }

    /// Returns the field that the first item is about: the last step of its location.
    pub(in crate::client) fn field(&self) -> Option<String> {
        self.items.first()?.loc.last().map(|step| match step {
            LocationPart::Index(index) => index.to_string(),
            LocationPart::Key(key) => key.clone(),
        })
    }

    /// Returns whether the type is `error_type`.
    pub(in crate::client) fn is(&self, error_type: &str) -> bool {
        self.error_type.as_deref() == Some(error_type)
    }

    /// Returns whether the answer says that an object does not exist, of the kind that is called `kind` in lower case.
    /// Servers differ in the type, but all say so.
    pub(in crate::client) fn misses(&self, kind: &str) -> bool {
        let named = |it: &String| it.to_lowercase() == format!("{kind}notfound");
        self.error_type.as_ref().is_some_and(named) || (self.mentions(kind) && self.mentions("not found"))
    }

    /// Returns whether a 404 comes from a router that knows no such path, rather than from an API that knows no such
    /// object: the API gives its errors a type, or names in the message what is missing.
    pub(in crate::client) fn is_of_router(&self) -> bool {
        let routers = ["not found", "404 page not found"];
        let is_routers = |message: &String| routers.contains(&message.trim().to_lowercase().as_str());
        let says_more = self.error_type.is_some() || !self.items.is_empty();
        !self.is_spoken && !says_more && self.message.as_ref().is_none_or(is_routers)
    }

    /// Returns whether the message has `word` in it, in any case.
    pub(in crate::client) fn mentions(&self, word: &str) -> bool {
        self.message.as_ref().is_some_and(|message| message.to_lowercase().contains(word))
    }
}

/// Adds a further text, in brackets as the official SDK has it.
fn with(text: String, label: &str, further: Option<String>) -> String {
    match filled(further) {
        Some(further) => format!("{text} ({label}{further})"),
        None => text,
    }
}

fn filled(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(body: &str) -> (Option<String>, Option<String>, Option<String>) {
        let detail = Detail::parse(body.as_bytes());
        let field = detail.field();
        (detail.error_type, detail.message, field)
    }

    #[test]
    fn shapes() {
        let some = |text: &str| Some(text.to_owned());
        let cases = [
            (r#"{"detail":{"error":"Conflict","message":"taken"}}"#, (some("Conflict"), some("taken"), None)),
            (r#"{"detail":{"error":"Conflict"}}"#, (some("Conflict"), None, None)),
            (r#"{"detail":{"error":null,"message":"taken"}}"#, (None, some("taken"), None)),
            (
                r#"{"detail":[{"loc":["body","cpu"],"msg":"too much","type":"value_error"},{"loc":[],"msg":"b"}]}"#,
                (None, some("too much; b"), some("cpu")),
            ),
            (r#"{"detail":[{"loc":["body",3],"msg":"x"}]}"#, (None, some("x"), some("3"))),
            (r#"{"detail":"gone"}"#, (None, some("gone"), None)),
            (
                r#"{"detail":{"error":"Api","message":"oops","error_id":"e1"}}"#,
                (some("Api"), some("oops (error_id=e1)"), None),
            ),
            (
                r#"{"type":"about:blank","title":"T","status":409,"detail":"held","remedy":"wait","error_class":"Held"}"#,
                (some("Held"), some("held (wait)"), None),
            ),
            (r#"{"detail":""}"#, (None, None, None)),
            (r#"{"detail":[]}"#, (None, None, None)),
            (r#"{"error":"NotFound","message":"file not found"}"#, (None, None, None)),
            ("[1]", (None, None, None)),
            ("<html>", (None, None, None)),
            ("", (None, None, None)),
        ];
        for (body, expected) in cases {
            assert_eq!(parse(body), expected, "{body}");
        }
    }
}
