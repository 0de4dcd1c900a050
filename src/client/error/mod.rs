//! What goes wrong in a call, with everything that is known about it.

mod detail;
mod kind;
mod map;

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use http::{Method, StatusCode};

pub(super) use self::detail::Detail;
pub use self::kind::{Kind, QuotaType, Resource};
pub(super) use self::map::{Mapped, from_answer, is_quota};
use super::object::Object;
use super::request::{Operation, Request, Verb};
use super::transport::TransportError;
use crate::wire::{SandboxStatus, ValidationItem};

/// A call that did not succeed.
///
/// [`Error::kind`] says what went wrong, the other methods whatever else is known. The text names the call and the
/// reason, in the server's own words where it gave any; causes below it are the error's source.
pub struct Error(Box<Inner>);

/// Behind a box, so that a `Result` of a call stays small.
struct Inner {
    kind: Kind,
    operation: Operation,
    method: Method,
    path: String,
    message: String,
    resource: Option<Resource>,
    status: Option<StatusCode>,
    error_type: Option<String>,
    field: Option<String>,
    details: Vec<ValidationItem>,
    quota: Option<QuotaType>,
    retry_after: Option<Duration>,
    last_status: Option<SandboxStatus>,
    attempts: u32,
    ambiguous: bool,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// Returns what went wrong.
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// Returns whether the kind is `kind` or stands below it in the tree of [`Kind`].
    pub fn is_a(&self, kind: Kind) -> bool {
        self.0.kind.is_a(kind)
    }

    /// Returns whether an object does not exist; [`Error::resource`] says of which kind.
    pub fn is_not_found(&self) -> bool {
        self.is_a(Kind::NotFound)
    }

    /// Returns whether the same call may succeed later with nothing changed.
    pub fn is_retryable(&self) -> bool {
        match self.0.kind {
            Kind::Connection
            | Kind::Timeout
            | Kind::RateLimited
            | Kind::TransportTimeout
            | Kind::Transport
            | Kind::DeadlineExceeded => true,
            _ => self.0.status.is_some_and(|status| matches!(status.as_u16(), 408 | 502 | 503 | 504)),
        }
    }

    /// Returns whether a write may have had its effect in spite of the error: its answer was lost, or the server failed
    /// in the midst of it, and looking did not settle it. If not, nothing was changed.
    pub fn is_ambiguous(&self) -> bool {
        self.0.ambiguous
    }

    /// Returns the kind of object that the error is about. This need not be the kind that was asked for: a pool whose
    /// template is missing is [`Kind::NotFound`] with [`Resource::Template`].
    pub fn resource(&self) -> Option<Resource> {
        self.0.resource
    }

    /// Returns the method of the request.
    pub fn method(&self) -> &Method {
        &self.0.method
    }

    /// Returns the path of the request below the base URL, with its query.
    pub fn path(&self) -> &str {
        &self.0.path
    }

    /// Returns the status of the last answer, if there was one.
    pub fn status(&self) -> Option<StatusCode> {
        self.0.status
    }

    /// Returns the type that the server gives the error, such as `ImagePull`.
    pub fn error_type(&self) -> Option<&str> {
        self.0.error_type.as_deref()
    }

    /// Returns what went on in the sandbox when a [`Kind::Operation`] failed: `command`, `read`, `write` or `reconnect`,
    /// as the official SDK has it.
    pub fn operation(&self) -> Option<&'static str> {
        if !self.is_a(Kind::Operation) {
            return None;
        }
        match (self.error_type(), self.0.operation.verb) {
            (Some("WriteError"), _) => Some("write"),
            (Some("ReadError"), _) => Some("read"),
            (Some("CommandError"), _) => Some("command"),
            (Some("PermissionDenied"), _) => None,
            (_, Verb::Reconnect) => Some("reconnect"),
            _ => Some("command"),
        }
    }

    /// Returns the port inside the sandbox that a tunnel was to reach.
    pub fn port(&self) -> Option<u16> {
        self.0.operation.port
    }

    /// Returns the reason, without the call.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Returns the field that the server refuses, or the argument that is wrong.
    pub fn field(&self) -> Option<&str> {
        self.0.field.as_deref()
    }

    /// Returns all that the server refuses.
    pub fn details(&self) -> &[ValidationItem] {
        &self.0.details
    }

    /// Returns the quota that is exceeded, if the server's message names one.
    pub fn quota_type(&self) -> Option<QuotaType> {
        self.0.quota
    }

    /// Returns after how long the server asked to be asked again, if it did.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// Returns the status that a sandbox or a snapshot had when waiting for it was given up, or when a sandbox was not
    /// ready to be worked in.
    pub fn last_status(&self) -> Option<&SandboxStatus> {
        self.0.last_status.as_ref()
    }

    /// Returns how many requests the call has cost, look-ups aside; 0 when nothing was sent.
    pub fn attempts(&self) -> u32 {
        self.0.attempts
    }
}

/// How the client itself makes errors. Nothing here is public: an error is what a call returns.
impl Error {
    pub(super) fn new(kind: Kind, request: &Request, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            operation: request.operation.clone(),
            method: request.method.clone(),
            path: request.path.clone(),
            message: message.into(),
            resource: request.operation.resource,
            status: None,
            error_type: None,
            field: None,
            details: Vec::new(),
            quota: None,
            retry_after: None,
            last_status: None,
            attempts: 0,
            ambiguous: false,
            source: None,
        }))
    }

    /// An argument that is refused before anything is sent.
    pub(super) fn invalid_argument(operation: Operation, argument: &str, message: impl Into<String>) -> Self {
        let request = Request::unsent(operation);
        let mut error = Self::new(Kind::InvalidArgument, &request, message);
        error.0.field = Some(argument.to_owned());
        error
    }

    /// What has the name was made the other generation's way. They share their names, and are nothing of one kind.
    pub(super) fn of_other_generation<T: Object>(name: &str) -> Self {
        let request = Request::unsent(Operation::on::<T>(Verb::Get, name));
        Self::new(Kind::NotFound, &request, "the one of this name is of the other generation")
    }

    /// A request that was never answered.
    pub(super) fn from_transport(request: &Request, error: TransportError, attempts: u32) -> Self {
        let ambiguous = request.writes() && error.may_have_reached_server();
        let kind = match &error {
            TransportError::Connect { .. } | TransportError::ConnectTimeout | TransportError::PoolTimeout => {
                Kind::Connection
            }
            TransportError::Timeout => Kind::TransportTimeout,
            TransportError::Dropped { .. } | TransportError::Other { .. } => Kind::Transport,
        };
        let message = match attempts {
            1 => "the request got no answer".to_owned(),
            n => format!("the request got no answer in {n} attempts"),
        };
        Self::new(kind, request, message).with_attempts(attempts).with_ambiguous(ambiguous).with_source(error)
    }

    /// A call that was given up.
    pub(super) fn deadline_exceeded(request: &Request, attempts: u32) -> Self {
        Self::new(Kind::DeadlineExceeded, request, "the deadline has passed").with_attempts(attempts)
    }

    pub(super) fn with_attempts(mut self, attempts: u32) -> Self {
        self.0.attempts = attempts;
        self
    }

    pub(super) fn with_ambiguous(mut self, ambiguous: bool) -> Self {
        self.0.ambiguous = ambiguous;
        self
    }

    pub(super) fn with_last_status(mut self, status: SandboxStatus) -> Self {
        self.0.last_status = Some(status);
        self
    }

    pub(super) fn with_retry_after(mut self, pause: Option<Duration>) -> Self {
        self.0.retry_after = pause;
        self
    }

    /// Gives the error a type as the server would.
    pub(super) fn typed(mut self, error_type: impl Into<String>) -> Self {
        self.0.error_type = Some(error_type.into());
        self
    }

    pub(super) fn with_status(mut self, status: StatusCode) -> Self {
        self.0.status = Some(status);
        self
    }

    pub(super) fn with_source(mut self, source: impl StdError + Send + Sync + 'static) -> Self {
        self.0.source = Some(Box::new(source));
        self
    }
}

impl fmt::Display for Error {
    /// Writes what was attempted and why it failed: ``cannot delete volume `data`: it is in use``.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { operation, message, error_type, last_status, kind, .. } = &*self.0;
        write!(f, "cannot {operation}: {}", message.trim_end_matches('.'))?;
        // As in the official SDK, and only there: elsewhere the type repeats what the message says.
        if let (Kind::Creation | Kind::Operation | Kind::CommandTimeout, Some(error_type)) = (kind, error_type) {
            write!(f, " [{error_type}]")?;
        }
        // Otherwise the message has it.
        if let (Kind::Timeout, Some(status)) = (kind, last_status) {
            write!(f, " (last status: {status})")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &*self.0;
        f.debug_struct("Error")
            .field("kind", &inner.kind)
            .field("resource", &inner.resource)
            .field("method", &inner.method)
            .field("path", &inner.path)
            .field("status", &inner.status)
            .field("error_type", &inner.error_type)
            .field("message", &inner.message)
            .field("field", &inner.field)
            .field("attempts", &inner.attempts)
            .field("ambiguous", &inner.ambiguous)
            .field("source", &inner.source)
            .finish_non_exhaustive()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}
