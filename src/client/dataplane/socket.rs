//! WebSockets to a sandbox.

use std::time::Duration;

use bytes::Bytes;
use http::{Request as HttpRequest, Response, Uri};
use tokio::time::{sleep, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Error as WsError};
use tracing::debug;

use crate::client::deadline::Deadline;
use crate::client::error::{Error, Kind};
use crate::client::link::Link;
use crate::client::request::{Request, overlay};
use crate::client::retry::{Pause, retry_after};
use crate::client::transport::{BoxConnection, Limits};

/// A WebSocket on whatever carries the client's requests.
pub(super) type WebSocket = WebSocketStream<BoxConnection>;

/// How long a WebSocket is tried to be opened.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// The time limit of one attempt.
    attempt: Duration,
    /// When all attempts are to be over; without it their number is what is limited.
    end: Option<Deadline>,
}

impl Patience {
    /// Returns that of attempts which begin now, with a budget for all of them where there is one: a sandbox may be
    /// asleep, and has to be waited for while it wakes up.
    pub(super) fn new(attempt: Duration, budget: Option<Duration>) -> Self {
        Self { attempt, end: budget.map(Deadline::after) }
    }

    /// Returns whether there can be another attempt after `n` of them, and a pause.
    fn allows(&self, link: &Link, n: u32, pause: Duration) -> bool {
        let in_time = |deadline: Deadline| deadline.remaining() > pause;
        let in_number = if self.end.is_some() { link.max_retries() > 0 } else { n <= link.max_retries() };
        in_number && self.end.is_none_or(in_time) && link.deadline().is_none_or(in_time)
    }

    fn limit(&self) -> Duration {
        self.end.map_or(self.attempt, |end| end.remaining().min(self.attempt))
    }

    /// Returns whether something can be tried again after a pause.
    pub(super) fn is_left(&self, link: &Link, pause: Duration) -> bool {
        self.end.is_some() && self.allows(link, 1, pause)
    }
}

/// Opens a WebSocket, trying again where the server could not be reached or had no time: nothing has been asked for
/// then that could happen twice.
pub(super) async fn open(link: &Link, request: &Request, patience: Patience) -> Result<WebSocket, Error> {
    let mut n = 1;
    loop {
        let error = match open_once(link, request, patience.limit()).await {
            Ok(socket) => return Ok(socket),
            Err(error) => error.with_attempts(n),
        };
        let pause = error.retry_after().map_or(Pause::Backoff, Pause::AtLeast);
        let pause = pause.duration(n - 1, fastrand::f64(), link.max_rate_limit_wait());
        if !is_transient(&error) || !patience.allows(link, n, pause) {
            return Err(error);
        }
        sleep(pause).await;
        n += 1;
    }
}

/// Opens a WebSocket, or says at once why not. `limit` is for all of it.
pub(super) async fn open_once(link: &Link, request: &Request, limit: Duration) -> Result<WebSocket, Error> {
    // On the heap: callers move the future, and this one is large.
    let opening = timeout(limit, Box::pin(shake_hands(link, request, limit)));
    let result = match link.within_deadline(opening).await {
        Some(Ok(result)) => result,
        Some(Err(_)) => Err(lost(request, "no WebSocket could be opened in time")),
        None => Err(Error::deadline_exceeded(request, 1)),
    };
    match &result {
        Ok(_) => debug!(path = request.path, "WebSocket opened"),
        Err(error) => debug!(path = request.path, %error, "WebSocket not opened"),
    }
    result
}

async fn shake_hands(link: &Link, request: &Request, limit: Duration) -> Result<WebSocket, Error> {
    let http =
        request.to_http(link.base_url(), &link.headers()).map_err(|error| unusable(request).with_source(error))?;
    let uri = http.uri().clone();
    let upgrade = upgrade(&uri, http.headers()).map_err(|error| unusable(request).with_source(error))?;
    let connection = link.transport().connect(&uri, Limits { timeout: limit }).await;
    let connection = connection.map_err(|error| Error::from_transport(request, error, 1))?;
    let config = WebSocketConfig::default();
    match tokio_tungstenite::client_async_with_config(upgrade, connection, Some(config)).await {
        Ok((socket, _)) => Ok(socket),
        Err(WsError::Http(answer)) => Err(refused(link, request, *answer)),
        Err(error) => Err(lost(request, "no WebSocket could be opened").with_source(error)),
    }
}

/// Returns the request that asks for a WebSocket at `uri`, with `headers` on top of those that this takes.
fn upgrade(uri: &Uri, headers: &http::HeaderMap) -> Result<HttpRequest<()>, tungstenite::Error> {
    let text = uri.to_string();
    // `http` becomes `ws`, and `https` `wss`.
    let text = text.strip_prefix("http").map_or_else(|| text.clone(), |rest| format!("ws{rest}"));
    let mut upgrade = text.into_client_request()?;
    overlay(upgrade.headers_mut(), headers);
    Ok(upgrade)
}

fn refused(link: &Link, request: &Request, answer: Response<Option<Vec<u8>>>) -> Error {
    let answer = answer.map(|body| Bytes::from(body.unwrap_or_default()));
    match answer.status().as_u16() {
        404 => lost(request, "the server has no WebSockets there").with_status(answer.status()),
        429 | 500 | 502 | 503 | 504 => {
            let message = format!("the server answered {} to a WebSocket", answer.status());
            let retry_after = retry_after(answer.headers(), link.now());
            lost(request, message).with_status(answer.status()).with_retry_after(retry_after)
        }
        _ => link.refusal(request, &answer, 1),
    }
}

fn is_transient(error: &Error) -> bool {
    error.is_a(Kind::Connection) && error.status().is_none_or(|status| status.as_u16() != 404)
}

fn unusable(request: &Request) -> Error {
    Error::new(Kind::NoDataPlane, request, "the URL that the server gives the sandbox makes no request")
}

/// A WebSocket that is not there, or not any more.
pub(super) fn lost(request: &Request, message: impl Into<String>) -> Error {
    Error::new(Kind::Connection, request, message)
}
