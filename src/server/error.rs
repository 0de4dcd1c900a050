//! The one place where a refusal gets its status and its body.
//!
//! The texts are the contract's wherever it gives one: the official client builds typed errors from them.

use axum::Json;
use axum::extract::rejection::BytesRejection;
use axum::response::{IntoResponse, Response};
use http::header::RETRY_AFTER;
use http::{HeaderValue, StatusCode};

use super::app::{Error, Kind, Quota, Users};
use super::runtime::LaunchErrorKind;
use crate::types::{ByteSize, Name};
use crate::wire::{ErrorBody, ErrorDetail, LocationPart, Skipped, StandardError, ValidationItem};

/// Why a request is not answered as asked.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The rules refuse it.
    App(Error),
    /// It cannot be read (shape B).
    Invalid(Vec<ValidationItem>),
    /// Anything else: a status, a type and a text (shape A).
    Refused(StatusCode, &'static str, String),
}

impl Failure {
    /// Says why the bytes of a body did not arrive.
    pub(crate) fn unreadable_body(rejection: &BytesRejection) -> Self {
        match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => {
                Self::Refused(StatusCode::PAYLOAD_TOO_LARGE, "PayloadTooLarge", "The body is too large.".to_owned())
            }
            status => Self::Refused(status, "BadRequest", rejection.body_text()),
        }
    }

    /// Says that something is not served here, by its name.
    pub(crate) fn not_implemented(what: &str) -> Self {
        let message = format!("`{what}` is not implemented by this server.");
        Self::Refused(StatusCode::NOT_IMPLEMENTED, "NotImplemented", message)
    }

    /// Turns a refusal to delete one object of many into its entry of the answer; a defect of the server stays one.
    pub(crate) fn into_skipped(self, name: String) -> Result<Skipped, Self> {
        match self {
            Self::App(error) if !matches!(error, Error::Store(_)) => {
                Ok(Skipped { name, reason: Answer::of(error).text() })
            }
            other => Err(other),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::App(error)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        match self {
            Self::App(error) => Answer::of(error).into_response(),
            Self::Invalid(items) => Answer {
                status: StatusCode::UNPROCESSABLE_ENTITY,
                detail: ErrorDetail::Validation(items),
                retry_after: None,
            }
            .into_response(),
            Self::Refused(status, kind, message) => Answer::standard(status, kind, message).into_response(),
        }
    }
}

/// What a refusal looks like on the wire.
struct Answer {
    status: StatusCode,
    detail: ErrorDetail,
    retry_after: Option<HeaderValue>,
}

impl Answer {
    /// Shape A.
    fn standard(status: StatusCode, kind: &str, message: impl Into<String>) -> Self {
        let detail =
            StandardError { error: Some(kind.to_owned()), message: Some(message.into()), ..StandardError::default() };
        Self { status, detail: ErrorDetail::Standard(detail), retry_after: None }
    }

    /// Shape C.
    fn text_only(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, detail: ErrorDetail::Text(message.into()), retry_after: None }
    }

    /// Shape B, with one problem of a field of the body.
    fn invalid(at: Vec<String>, message: String) -> Self {
        let loc = std::iter::once("body".to_owned()).chain(at).map(LocationPart::Key).collect();
        let item = ValidationItem { loc, msg: message, kind: "value_error".to_owned() };
        let detail = ErrorDetail::Validation(vec![item]);
        Self { status: StatusCode::UNPROCESSABLE_ENTITY, detail, retry_after: None }
    }

    /// The whole mapping.
    fn of(error: Error) -> Self {
        match error {
            Error::NotFound { kind, name } => {
                Self::standard(StatusCode::NOT_FOUND, "NotFound", format!("{kind} '{name}' not found"))
            }
            Error::AlreadyExists { kind: Kind::Pool, name } => {
                Self::text_only(StatusCode::CONFLICT, format!("Pool '{name}' already exists"))
            }
            Error::AlreadyExists { kind, name } => {
                Self::standard(StatusCode::CONFLICT, "Conflict", format!("{kind} '{name}' already exists"))
            }
            Error::NameTaken { kind, name } => {
                Self::standard(StatusCode::CONFLICT, "Conflict", format!("{kind} name '{name}' is already in use"))
            }
            Error::InUse { kind, name, users } => {
                Self::standard(StatusCode::CONFLICT, "Conflict", in_use(kind, &name, &users))
            }
            Error::UnknownReference { kind, name } => {
                let word = format!("{kind}NotFound");
                Self::standard(StatusCode::BAD_REQUEST, &word, format!("{kind} '{name}' not found."))
            }
            Error::MountedTemplate { template } => Self::standard(
                StatusCode::BAD_REQUEST,
                "ValidationError",
                format!("Template '{template}' has volumes attached. Pools only support stateless templates."),
            ),
            Error::Shrink { name, current, requested } => Self::standard(
                StatusCode::BAD_REQUEST,
                "ResizeError",
                format!(
                    "Volume '{name}' resize failed: Storage cannot be decreased. Current: {}, Requested: {}",
                    in_gi(&current),
                    in_gi(&requested)
                ),
            ),
            Error::OverMaximum { field, maximum } => over_maximum(field, &maximum),
            Error::QuotaExceeded { quota, limit, used, requested } => Self {
                // The official client sends a quota refusal again three times: at once, if we say so.
                retry_after: Some(HeaderValue::from_static("0")),
                ..Self::text_only(StatusCode::TOO_MANY_REQUESTS, over_quota(quota, limit, used, requested))
            },
            Error::NotReadyInTime { kind, name, seconds } => not_ready_in_time(kind, &name, seconds),
            Error::Launch(error) => {
                let status = match error.kind {
                    LaunchErrorKind::Unschedulable => StatusCode::SERVICE_UNAVAILABLE,
                    _ => StatusCode::UNPROCESSABLE_ENTITY,
                };
                Self::standard(status, error.kind.as_str(), error.message)
            }
            Error::SnapshotNotReady { name, status } => {
                let message = format!("Snapshot '{name}' is {status}, and not ready");
                Self::standard(StatusCode::BAD_REQUEST, "SnapshotNotReady", message)
            }
            Error::StartTimedOut { name, seconds } => Self::standard(
                StatusCode::GATEWAY_TIMEOUT,
                "Timeout",
                format!("Sandbox '{name}' was not ready within {seconds} seconds"),
            ),
            Error::Creation(error) => {
                let status = match error.kind {
                    LaunchErrorKind::Unschedulable => StatusCode::SERVICE_UNAVAILABLE,
                    _ => StatusCode::INTERNAL_SERVER_ERROR,
                };
                Self::standard(status, error.kind.as_str(), error.message)
            }
            Error::InvalidRequest(message) => Self::standard(StatusCode::BAD_REQUEST, "InvalidRequest", message),
            Error::Conflict(message) => Self::standard(StatusCode::CONFLICT, "Conflict", message),
            Error::Forbidden(message) => Self::standard(StatusCode::FORBIDDEN, "Forbidden", message),
            Error::Unavailable(message) => {
                Self::standard(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable", message)
            }
            Error::Invalid { at, message } => Self::invalid(at, message),
            Error::NotImplemented(what) => Self::standard(
                StatusCode::NOT_IMPLEMENTED,
                "NotImplemented",
                format!("`{what}` is not implemented by this server."),
            ),
            Error::CannotBeHere(why) => Self::standard(StatusCode::NOT_IMPLEMENTED, "NotImplemented", why.to_owned()),
            Error::NotReady { name, reason } => {
                let reason = reason.map(|reason| format!(", it has failed: {reason}")).unwrap_or_default();
                Self::standard(StatusCode::BAD_REQUEST, "NotReady", format!("Sandbox '{name}' is not ready{reason}"))
            }
            Error::NoProcess { operation, runtime } => Self::standard(
                StatusCode::NOT_IMPLEMENTED,
                "NotImplemented",
                format!("`{operation}` is not available: the runtime `{runtime}` of this server starts no process."),
            ),
            Error::Store(error) if error.is_full() => Self::standard(
                StatusCode::INSUFFICIENT_STORAGE,
                "InsufficientStorage",
                "The disk of the server's data is full, so that nothing was changed. Make room on it and try again.",
            ),
            Error::Store(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "a request failed on the store");
                Self::standard(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "InternalError",
                    "The server failed; its log says why.",
                )
            }
        }
    }

    fn text(self) -> String {
        match self.detail {
            ErrorDetail::Text(text) => text,
            ErrorDetail::Standard(detail) => detail.message.unwrap_or_default(),
            ErrorDetail::Validation(items) => items.into_iter().map(|item| item.msg).collect::<Vec<_>>().join("; "),
        }
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(ErrorBody { detail: self.detail })).into_response();
        if let Some(value) = self.retry_after {
            response.headers_mut().insert(RETRY_AFTER, value);
        }
        response
    }
}

fn in_use(kind: Kind, name: &str, users: &Users) -> String {
    let listed = |word: &str, names: &[Name]| {
        let names: Vec<_> = names.iter().map(Name::as_str).collect();
        (!names.is_empty()).then(|| format!("{word}: {}", names.join(", ")))
    };
    let parts: Vec<_> =
        [listed("templates", &users.templates), listed("sandboxes", &users.sandboxes), listed("pools", &users.pools)]
            .into_iter()
            .flatten()
            .collect();
    let way_out = match kind {
        Kind::Volume => "Delete or update the templates first.",
        _ => "Delete the dependent resources first.",
    };
    format!("{kind} '{name}' is in use by {}. {way_out}", parts.join("; "))
}

/// Writes a size the way the real service does in this message: in Gi, with two decimals.
fn in_gi(size: &ByteSize) -> String {
    const GI: u128 = 1 << 30;
    let hundredths = (u128::from(size.bytes()) * 100 + GI / 2) / GI;
    format!("{}.{:02}Gi", hundredths / 100, hundredths % 100)
}

fn over_maximum(field: &'static str, maximum: &str) -> Answer {
    let places: &[&str] = if field == "size" { &["body", "size"] } else { &["body", "resources", field] };
    let item = ValidationItem {
        loc: places.iter().map(|place| LocationPart::Key((*place).to_owned())).collect(),
        msg: format!("{field} is more than this server allows, {maximum}"),
        kind: "value_error".to_owned(),
    };
    Answer { status: StatusCode::UNPROCESSABLE_ENTITY, detail: ErrorDetail::Validation(vec![item]), retry_after: None }
}

/// Words a refusal so that the client's search for words (contract section 3.2) finds the right quota.
fn over_quota(quota: Quota, limit: u64, used: u64, requested: u64) -> String {
    let exceeded = |what: &str, unit: &str| {
        format!(
            "{what} quota exceeded. Allowed: {limit}{unit}, Current usage: {used}{unit}, Requested: {requested}{unit} \
             additional."
        )
    };
    match quota {
        Quota::Sandboxes => format!(
            "Limit of {limit} sandbox(es) per organization exceeded. Current usage: {used} sandboxes, Requested: \
             {requested} additional."
        ),
        Quota::Volumes => exceeded("Volume count", ""),
        Quota::Cpu => exceeded("CPU", "m"),
        Quota::Memory => exceeded("Memory", " bytes"),
        Quota::Storage => exceeded("Storage", " bytes"),
    }
}

fn not_ready_in_time(kind: Kind, name: &Name, seconds: u64) -> Answer {
    match kind {
        Kind::Sandbox => Answer::text_only(StatusCode::REQUEST_TIMEOUT, "Timeout waiting for sandbox to be ready"),
        Kind::Pool => Answer::standard(
            StatusCode::GATEWAY_TIMEOUT,
            "Timeout",
            format!("Pool '{name}' did not reach 1 ready replica(s) within {seconds} seconds"),
        ),
        Kind::Volume | Kind::Template | Kind::Registry | Kind::Snapshot => Answer::standard(
            StatusCode::GATEWAY_TIMEOUT,
            "Timeout",
            format!("{kind} '{name}' was not ready within {seconds} seconds"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The official client's search for words, as contract section 3.2 has it.
    fn quota_type(message: &str) -> Option<&'static str> {
        let message = message.to_lowercase();
        let counted = message.contains("count") || message.contains("limit");
        match () {
            () if message.contains("sandbox") && counted => Some("sandbox_count"),
            () if message.contains("cpu") => Some("cpu"),
            () if message.contains("memory") => Some("memory"),
            () if message.contains("volume") && counted => Some("volume_count"),
            () if message.contains("storage") => Some("storage"),
            () => None,
        }
    }

    #[test]
    fn the_client_recognises_each_quota() {
        let cases = [
            (Quota::Sandboxes, "sandbox_count"),
            (Quota::Volumes, "volume_count"),
            (Quota::Cpu, "cpu"),
            (Quota::Memory, "memory"),
            (Quota::Storage, "storage"),
        ];
        for (quota, expected) in cases {
            assert_eq!(quota_type(&over_quota(quota, 1, 1, 1)), Some(expected));
        }
    }

    #[test]
    fn sizes_have_two_decimals() {
        for (text, expected) in [("10Gi", "10.00Gi"), ("5Gi", "5.00Gi"), ("1536Mi", "1.50Gi"), ("1", "0.00Gi")] {
            assert_eq!(in_gi(&text.parse().expect("a size")), expected);
        }
    }
}
