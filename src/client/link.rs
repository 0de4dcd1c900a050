//! What every handle holds: the connection, and the scope that a view narrows.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use futures_util::stream::iter;
use http::header::{AUTHORIZATION, CONTENT_LENGTH};
use http::{HeaderMap, Response};
use serde::de::DeserializeOwned;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::task::TaskTracker;
use tracing::{Instrument, debug, debug_span};

use super::answers::Answers;
use super::config::{API_KEY_HEADER, Config, ConfigError, WallClock};
use super::deadline::Deadline;
use super::error::{Detail, Error, Kind, from_answer};
use super::exchange::{Exchange, Outcome};
use super::generation::Known;
use super::limiter::Limiter;
use super::request::{Request, Verb, overlay};
use super::retry::retry_after;
use super::socket_timeouts::SocketTimeouts;
use super::transport::{Limits, Transport, TransportError};
use super::wait::Watcher;
use crate::types::{Secret, Timestamp};

/// A connection to a server, seen through a scope. Cheap to clone.
#[derive(Clone)]
pub(super) struct Link {
    shared: Arc<Shared>,
    scope: Scope,
}

/// What all clones and views have in common.
struct Shared {
    transport: Arc<dyn Transport>,
    base_url: String,
    headers: HeaderMap,
    timeout: Duration,
    max_retries: u32,
    max_rate_limit_wait: Duration,
    socket_timeouts: SocketTimeouts,
    clock: WallClock,
    limiter: Limiter,
    known: Known,
    tasks: TaskTracker,
}

/// What a view changes for the calls that go through it.
#[derive(Clone, Default)]
struct Scope {
    headers: Arc<HeaderMap>,
    timeout: Option<Duration>,
    deadline: Option<Deadline>,
    answers: Option<Answers>,
    watcher: Option<Watcher>,
}

impl Link {
    pub(super) fn new(config: &Config, transport: Arc<dyn Transport>) -> Result<Self, ConfigError> {
        let base_url = config.parse_base_url()?;
        let tasks = TaskTracker::new();
        // A closed tracker still takes tasks; closed, it can be waited for whenever it is empty.
        tasks.close();
        let shared = Shared {
            transport,
            // As the parser writes it, so that no request fails for a space or an umlaut in it.
            base_url: base_url.as_str().trim_end_matches('/').to_owned(),
            headers: config.base_headers()?,
            timeout: config.timeout,
            max_retries: config.max_retries,
            max_rate_limit_wait: config.max_rate_limit_wait,
            socket_timeouts: config.socket_timeouts,
            clock: config.clock.clone(),
            limiter: Limiter::new(),
            known: Known::default(),
            tasks,
        };
        Ok(Self { shared: Arc::new(shared), scope: Scope::default() })
    }

    pub(super) fn with_headers(&self, headers: &HeaderMap) -> Self {
        let mut merged = HeaderMap::clone(&self.scope.headers);
        overlay(&mut merged, headers);
        Self { scope: Scope { headers: Arc::new(merged), ..self.scope.clone() }, ..self.clone() }
    }

    pub(super) fn with_timeout(&self, timeout: Duration) -> Self {
        Self { scope: Scope { timeout: Some(timeout), ..self.scope.clone() }, ..self.clone() }
    }

    pub(super) fn with_deadline(&self, deadline: Deadline) -> Self {
        let deadline = Some(self.scope.deadline.map_or(deadline, |outer| outer.min(deadline)));
        Self { scope: Scope { deadline, ..self.scope.clone() }, ..self.clone() }
    }

    /// Returns a view that asks for each list once.
    pub(super) fn remembering(&self) -> Self {
        Self { scope: Scope { answers: Some(Answers::default()), ..self.scope.clone() }, ..self.clone() }
    }

    /// Returns a view whose waits tell somebody what they see.
    pub(super) fn watched(&self, watcher: Watcher) -> Self {
        Self { scope: Scope { watcher: Some(watcher), ..self.scope.clone() }, ..self.clone() }
    }

    /// Returns who is told what waits see.
    pub(super) fn watcher(&self) -> Option<&Watcher> {
        self.scope.watcher.as_ref()
    }

    /// Returns a view without a deadline, for what outlives the call that it bounds.
    pub(super) fn without_deadline(&self) -> Self {
        Self { scope: Scope { deadline: None, ..self.scope.clone() }, ..self.clone() }
    }

    pub(super) fn base_url(&self) -> &str {
        &self.shared.base_url
    }

    pub(super) fn deadline(&self) -> Option<Deadline> {
        self.scope.deadline
    }

    pub(super) fn max_retries(&self) -> u32 {
        self.shared.max_retries
    }

    pub(super) fn max_rate_limit_wait(&self) -> Duration {
        self.shared.max_rate_limit_wait
    }

    /// Returns the time limits of WebSockets.
    pub(super) fn socket_timeouts(&self) -> SocketTimeouts {
        self.shared.socket_timeouts
    }

    /// Returns how long one attempt to open the WebSocket of a command may take.
    pub(super) fn open_within(&self) -> Duration {
        self.shared.socket_timeouts.open.unwrap_or(Duration::MAX)
    }

    /// Returns what lets calls go, one for all views.
    pub(super) fn limiter(&self) -> &Limiter {
        &self.shared.limiter
    }

    /// Returns what is known of the server's generations, by all views.
    pub(super) fn known(&self) -> &Known {
        &self.shared.known
    }

    /// Returns the time of day.
    pub(super) fn now(&self) -> Timestamp {
        (self.shared.clock)()
    }

    /// Returns the tasks that outlive the call that started them, and that closing waits for.
    pub(super) fn tasks(&self) -> &TaskTracker {
        &self.shared.tasks
    }

    /// Sends a request that can be repeated without harm, as often as it takes, and reads the answer.
    pub(super) async fn fetch<T: DeserializeOwned>(&self, request: &Request) -> Result<T, Error> {
        let mut exchange = Exchange::new(self, request);
        let response = self.repeat(&mut exchange).await?;
        decode(request, &response, exchange.attempts())
    }

    /// Sends a request that can be repeated without harm, as often as it takes, and passes over the answer's body.
    pub(super) async fn send_again(&self, request: &Request) -> Result<(), Error> {
        self.repeat(&mut Exchange::new(self, request)).await.map(drop)
    }

    /// Sends a request that can be repeated without harm, as often as it takes, and returns whatever is final.
    pub(super) async fn repeat(&self, exchange: &mut Exchange<'_>) -> Result<Response<Bytes>, Error> {
        loop {
            match exchange.advance().await {
                Outcome::Answered(response) => return Ok(response),
                Outcome::Failed(error) => return Err(error),
                Outcome::Doubtful(error) => exchange.pause_or(error).await?,
            }
        }
    }

    /// Runs `work`, or returns `None` if the deadline of the scope passes first.
    pub(super) async fn within_deadline<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        match self.scope.deadline {
            Some(deadline) => timeout_at(deadline.instant(), work).await.ok(),
            None => Some(work.await),
        }
    }

    /// Sends one attempt, unless its answer is remembered.
    pub(super) async fn attempt(&self, request: &Request, n: u32) -> Result<Response<Bytes>, TransportError> {
        match &self.scope.answers {
            // Apart from the others, which would all grow by it.
            Some(answers) => Box::pin(answers.get(request, self.attempt_anew(request, n))).await,
            None => self.attempt_anew(request, n).await,
        }
    }

    async fn attempt_anew(&self, request: &Request, n: u32) -> Result<Response<Bytes>, TransportError> {
        let http = request
            .to_http(&self.shared.base_url, &self.headers())
            .map_err(|error| TransportError::Connect { source: Box::new(error) })?;
        let timeout = request.timeout.or(self.scope.timeout).unwrap_or(self.shared.timeout);
        self.send(request, http, timeout, n).await
    }

    /// Sends a request that is ready for the wire, and logs how it went.
    pub(super) async fn send(
        &self,
        request: &Request,
        http: http::Request<Bytes>,
        timeout: Duration,
        n: u32,
    ) -> Result<Response<Bytes>, TransportError> {
        let (method, path) = (&request.method, &request.path);
        let span = debug_span!("request", %method, path, attempt = n);
        let started = Instant::now();
        let result = match &request.around {
            None => self.shared.transport.send(http, Limits { timeout }).instrument(span).await,
            // Apart from the others, which would all grow by it.
            Some(around) => Box::pin(self.send_in_pieces(http, around.clone(), timeout)).instrument(span).await,
        };
        let elapsed_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        match &result {
            Ok(response) => {
                debug!(%method, path, attempt = n, status = response.status().as_u16(), elapsed_ms, "request answered");
            }
            Err(error) => debug!(%method, path, attempt = n, %error, elapsed_ms, "request failed"),
        }
        result
    }

    /// Sends a request whose body stands between two other pieces, within the limits of any other.
    async fn send_in_pieces(
        &self,
        mut http: http::Request<Bytes>,
        (before, after): (Bytes, Bytes),
        limit: Duration,
    ) -> Result<Response<Bytes>, TransportError> {
        let length = before.len() + http.body().len() + after.len();
        http.headers_mut().insert(CONTENT_LENGTH, length.into());
        let http = http.map(|body| iter([before, body, after].map(Ok)).boxed());
        let answer = timeout(limit, self.shared.transport.transfer(http)).await;
        let (head, mut content) = answer.map_err(|_| TransportError::Timeout)??.into_parts();
        let mut body = BytesMut::new();
        while let Some(piece) = timeout(limit, content.next()).await.map_err(|_| TransportError::Timeout)? {
            body.extend_from_slice(&piece.map_err(|source| TransportError::Dropped { source: Box::new(source) })?);
        }
        Ok(Response::from_parts(head, body.freeze()))
    }

    /// Returns the time limit that the scope sets, if it sets one.
    pub(super) fn scope_timeout(&self) -> Option<Duration> {
        self.scope.timeout
    }

    /// Returns what carries the requests.
    pub(super) fn transport(&self) -> &dyn Transport {
        &*self.shared.transport
    }

    /// Returns the headers that requests of this scope carry.
    pub(super) fn headers(&self) -> HeaderMap {
        let mut headers = self.shared.headers.clone();
        overlay(&mut headers, &self.scope.headers);
        headers
    }

    /// Makes the error of an answer that is no success, without the credentials and secrets in it that a server may
    /// quote.
    pub(super) fn refusal(&self, request: &Request, response: &Response<Bytes>, attempts: u32) -> Error {
        let mut detail = Detail::of(response);
        detail.is_spoken = request.operation.generation.is_some_and(|it| self.known().is(it, true));
        let headers = self.headers();
        let credentials = [API_KEY_HEADER, AUTHORIZATION];
        let credentials = credentials.iter().flat_map(|name| headers.get_all(name)).filter_map(|it| it.to_str().ok());
        for secret in credentials.chain(request.secrets.iter().map(Secret::expose)) {
            detail.redact(secret);
        }
        let retry_after = retry_after(response.headers(), self.now());
        from_answer(request, response.status(), detail, attempts).with_retry_after(retry_after)
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link")
            .field("base_url", &self.shared.base_url)
            .field("headers", &self.scope.headers.keys().collect::<Vec<_>>())
            .field("timeout", &self.scope.timeout.unwrap_or(self.shared.timeout))
            .field("deadline", &self.scope.deadline)
            .finish_non_exhaustive()
    }
}

/// Reads the body of a success.
///
/// It has to be an object, as all answers of the API are: a bare array would be read as the values of its fields in their
/// order, and an empty one as an object, or a list, in which everything is left out.
pub(super) fn decode<T: DeserializeOwned>(
    request: &Request,
    response: &Response<Bytes>,
    attempts: u32,
) -> Result<T, Error> {
    let body = response.body();
    let read = match serde_json::from_slice(body) {
        Ok(_) if !is_object(body) => Err(serde::de::Error::custom("expected an object, not an array")),
        read => read,
    };
    read.map_err(|error: serde_json::Error| {
        let message = match (path_of_error::<T>(body), request.operation.verb) {
            (Some(path), _) => format!("the answer's `{path}` is not what the API documents"),
            (None, Verb::List) => format!("the answer to `{} {}` is not a list", request.method, request.path),
            (None, _) => "the answer is not what the API documents".to_owned(),
        };
        // The call succeeded: if it was to change something, it did.
        Error::new(Kind::InvalidBody, request, message)
            .with_attempts(attempts)
            .with_status(response.status())
            .with_ambiguous(request.writes())
            .with_source(error)
    })
}

fn is_object(body: &[u8]) -> bool {
    body.trim_ascii_start().first() == Some(&b'{')
}

/// Returns where in a body reading fails, unless it does so at the top.
///
/// Keeping the path costs as much as reading, so a body is read again once it is known to have one.
fn path_of_error<T: DeserializeOwned>(body: &[u8]) -> Option<String> {
    let mut json = serde_json::Deserializer::from_slice(body);
    let error = serde_path_to_error::deserialize::<_, T>(&mut json).err()?;
    Some(error.path().to_string()).filter(|path| path != ".")
}
