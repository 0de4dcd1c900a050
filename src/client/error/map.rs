//! An answer that is no success, as an error (contract sections 2 and 3.3).
//!
//! The rules of each kind of object stand in the file of that kind; here are those for all of them.

use http::StatusCode;

use super::super::request::{Operation, Request, Verb};
use super::{Detail, Error, Kind, QuotaType, Resource};

/// What an answer means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::client) struct Mapped {
    kind: Kind,
    resource: Option<Resource>,
    error_type: Option<String>,
    message: Option<String>,
}

impl Mapped {
    pub(in crate::client) fn new(kind: Kind) -> Self {
        Self { kind, resource: None, error_type: None, message: None }
    }

    /// Says what the error is about.
    #[must_use]
    pub(in crate::client) fn about(mut self, resource: Resource) -> Self {
        self.resource = Some(resource);
        self
    }

    /// Replaces the type that the body names.
    #[must_use]
    pub(in crate::client) fn typed(mut self, error_type: &str) -> Self {
        self.error_type = Some(error_type.to_owned());
        self
    }

    /// Replaces the server's message.
    #[must_use]
    pub(in crate::client) fn saying(mut self, message: String) -> Self {
        self.message = Some(message);
        self
    }
}

/// Makes the error of an answer with a status that is no success.
pub(in crate::client) fn from_answer(request: &Request, status: StatusCode, detail: Detail, attempts: u32) -> Error {
    let operation = &request.operation;
    let mapped = (operation.rules)(operation, status.as_u16(), &detail)
        .or_else(|| common(operation, status.as_u16(), &detail))
        .unwrap_or_else(|| generic(status, &detail));

    let message = mapped.message.or_else(|| detail.message.clone()).unwrap_or_else(|| fallback(status, &detail));
    let mut error = Error::new(mapped.kind, request, message).with_attempts(attempts).with_status(status);
    let inner = &mut *error.0;
    inner.resource = mapped.resource;
    if mapped.kind.is_a(Kind::QuotaExceeded) {
        inner.quota = detail.message.as_deref().and_then(QuotaType::from_message);
    }
    inner.field = detail.field();
    inner.error_type = mapped.error_type.or(detail.error_type);
    inner.details = detail.items;
    error
}

/// The rules that all kinds share. The first that fits holds.
fn common(operation: &Operation, status: u16, detail: &Detail) -> Option<Mapped> {
    let resource = operation.resource?;
    match (operation.verb, status) {
        (Verb::List, 404) => Some(wrong_generation(resource)),
        (_, 404) if operation.generation.is_some() && detail.is_of_router() => Some(wrong_generation(resource)),
        (Verb::Capture, 404) => {
            let message = format!("sandbox `{}` not found", operation.sandbox.as_deref().unwrap_or_default());
            Some(Mapped::new(Kind::NotFound).about(Resource::Sandbox).saying(message))
        }
        (verb, 404) if verb.is_on_one() => {
            let message = format!("{resource} `{}` not found", operation.name);
            Some(Mapped::new(Kind::NotFound).about(resource).saying(message))
        }
        (Verb::Create, 409) => Some(Mapped::new(Kind::AlreadyExists).about(resource)),
        (Verb::Update, 409) => Some(Mapped::new(Kind::NameConflict).about(resource)),
        _ => None,
    }
}

fn wrong_generation(resource: Resource) -> Mapped {
    Mapped::new(Kind::WrongGeneration).about(resource).saying(format!(
        "this server has no {}: it speaks another generation of the API, or the endpoint is not its base URL",
        resource.plural()
    ))
}

fn generic(status: StatusCode, detail: &Detail) -> Mapped {
    Mapped::new(match status.as_u16() {
        401 | 403 => Kind::Authentication,
        404 => Kind::NotFound,
        422 => Kind::Validation,
        429 if is_quota(detail) => Kind::QuotaExceeded,
        429 => Kind::RateLimited,
        502 if detail.is("ConnectionError") => Kind::Connection,
        500 => Kind::Api,
        _ => Kind::Client,
    })
}

/// Returns whether a 429 means that a quota is used up, so that asking again is of no use.
///
/// The API has one status for that and for asking too often; the message tells them apart. A message that names a
/// quota of contract section 3.2 is one. So is any talk of a limit, unless the server says when to come back.
pub(in crate::client) fn is_quota(detail: &Detail) -> bool {
    let about_rate = ["rate limit", "rate-limit", "too many requests", "throttl", "per second", "per minute"];
    if about_rate.iter().any(|words| detail.mentions(words)) {
        return false;
    }
    if detail.message.as_deref().and_then(QuotaType::from_message).is_some() {
        return true;
    }
    let names_a_limit = ["quota", "exceeded", "limit"].iter().any(|word| detail.mentions(word));
    names_a_limit && !detail.has_retry_after
}

/// What is said when the server says nothing.
fn fallback(status: StatusCode, detail: &Detail) -> String {
    match &detail.location {
        // Not followed, since that would take the credentials there; most often it is `https` that is meant.
        Some(location) if status.is_redirection() => format!("the server answered {status}, to `{location}`"),
        _ => format!("the server answered {status}"),
    }
}
