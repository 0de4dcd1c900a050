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

use crate::client::error::{Error, Kind};
use crate::client::link::Link;
use crate::client::request::{Request, overlay};
use crate::client::retry::Pause;
use crate::client::transport::{BoxConnection, Limits};

/// A WebSocket on whatever carries the client's requests.
pub(super) type WebSocket = WebSocketStream<BoxConnection>;

/// Opens a WebSocket, trying again where the server could not be reached or had no time: nothing has been asked for
/// then that could happen twice.
pub(super) async fn open(link: &Link, request: &Request, limit: Duration) -> Result<WebSocket, Error> {
    let mut n = 1;
    loop {
        match open_once(link, request, limit).await {
            Err(error) if n <= link.max_retries() && is_transient(&error) => {
                let pause = Pause::Backoff.duration(n - 1, fastrand::f64(), link.max_rate_limit_wait());
                if link.deadline().is_some_and(|deadline| deadline.remaining() <= pause) {
                    return Err(error.with_attempts(n));
                }
                sleep(pause).await;
                n += 1;
            }
            result => return result.map_err(|error| error.with_attempts(n)),
        }
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
            lost(request, message).with_status(answer.status())
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
