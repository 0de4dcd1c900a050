//! A request, passed on over a connection of its own.

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use futures_util::TryStreamExt;
use http::header::{CONNECTION, COOKIE, HOST, LOCATION, UPGRADE};
use http::{HeaderMap, HeaderValue, StatusCode, Uri};
use hyper::body::Body as _;
use hyper::client::conn::http1;
use hyper::upgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, copy_bidirectional};
use tokio_util::io::InspectReader;

use super::{COOKIE_NAME, TOKEN_HEADER, cookies, path_of};
use crate::server::app::{App, Service};
use crate::server::error::Failure;
use crate::server::hop_by_hop;
use crate::types::SandboxId;

pub(super) async fn forward(
    app: &App,
    service: &Service,
    rest: &str,
    mut request: Request,
) -> Result<Response, Failure> {
    let instance = app.instance(&service.sandbox).await?;
    app.note_use(&service.sandbox);
    let stream = instance.dial(service.port).await.map_err(|error| unreachable(&error.to_string()))?;
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(|error| unreachable(&error.to_string()))?;
    app.spawn_conversation(async move {
        // How it ends is seen by who reads the answer.
        let _ = connection.with_upgrades().await;
    });

    let wanted = request.headers().get(UPGRADE).cloned();
    let client = wanted.is_some().then(|| upgrade::on(&mut request));
    let upstream = onward(app, service, rest, wanted, request)?;
    let mut response = sender.send_request(upstream).await.map_err(|error| unreachable(&error.to_string()))?;
    if response.status() == StatusCode::SWITCHING_PROTOCOLS
        && let Some(client) = client
    {
        let upstream = upgrade::on(&mut response);
        let (app_then, id) = (app.clone(), service.sandbox.clone());
        app.spawn_conversation(async move {
            if let (Ok(client), Ok(upstream)) = tokio::join!(client, upstream) {
                exchange(&app_then, &id, TokioIo::new(client), TokioIo::new(upstream)).await;
            }
        });
        return Ok(response.map(|_| Body::empty()));
    }
    let (mut parts, body) = response.into_parts();
    hop_by_hop::strip(&mut parts.headers);
    lead_back(&mut parts.headers, service);
    Ok(Response::from_parts(parts, noting(app, &service.sandbox, Body::new(body))))
}

/// Makes the request that the service sees.
fn onward(
    app: &App,
    service: &Service,
    rest: &str,
    upgrade: Option<HeaderValue>,
    request: Request,
) -> Result<Request, Failure> {
    let (mut parts, body) = request.into_parts();
    let query = parts.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    parts.uri = format!("/{rest}{query}").parse::<Uri>().map_err(|error| unreachable(&error.to_string()))?;
    parts.extensions.clear();
    let host = parts.headers.remove(HOST);
    hop_by_hop::strip(&mut parts.headers);
    strip_credentials(&mut parts.headers);
    if let Some(upgrade) = upgrade {
        parts.headers.insert(UPGRADE, upgrade);
        parts.headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    }
    let local = format!("localhost:{}", service.port);
    parts.headers.insert(HOST, HeaderValue::try_from(local).expect("a port is plain text"));
    if let Some(host) = host {
        parts.headers.insert("x-forwarded-host", host);
    }
    let prefix = path_of(service);
    let prefix = HeaderValue::try_from(prefix.trim_end_matches('/')).expect("a path that was routed is plain text");
    parts.headers.insert("x-forwarded-prefix", prefix);
    Ok(Request::from_parts(parts, noting(app, &service.sandbox, body)))
}

/// Removes what opens this server.
fn strip_credentials(headers: &mut HeaderMap) {
    headers.remove(TOKEN_HEADER);
    headers.remove("x-api-key");
    let kept: Vec<_> = cookies(headers)
        .filter(|(name, _)| *name != COOKIE_NAME)
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    headers.remove(COOKIE);
    if let Ok(kept) = HeaderValue::try_from(kept.join("; "))
        && !kept.is_empty()
    {
        headers.insert(COOKIE, kept);
    }
}

/// Makes a redirection to a path of the service lead there through this server.
fn lead_back(headers: &mut HeaderMap, service: &Service) {
    let Some(location) = headers.get(LOCATION).and_then(|value| value.to_str().ok()) else { return };
    let own = format!("http://localhost:{}", service.port);
    let path = location.strip_prefix(&own).unwrap_or(location);
    if path.starts_with('/') && !path.starts_with("//") {
        let through = format!("{}{}", path_of(service).trim_end_matches('/'), path);
        if let Ok(through) = HeaderValue::try_from(through) {
            headers.insert(LOCATION, through);
        }
    }
}

/// Counts what a body carries as activity of the sandbox.
fn noting(app: &App, id: &SandboxId, body: Body) -> Body {
    if body.is_end_stream() {
        return body;
    }
    let (app, id) = (app.clone(), id.clone());
    Body::from_stream(body.into_data_stream().inspect_ok(move |_| app.note_use(&id)))
}

/// Copies both ways until either side ends, or the server does.
async fn exchange<C, S>(app: &App, id: &SandboxId, client: C, service: S)
where
    C: AsyncRead + AsyncWrite + Unpin,
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut client = InspectReader::new(client, |_| app.note_use(id));
    let mut service = InspectReader::new(service, |_| app.note_use(id));
    tokio::select! {
        // A connection that is cut is an end like another.
        _ = copy_bidirectional(&mut client, &mut service) => {}
        () = app.closing().cancelled() => {}
    }
}

/// Says that the service does not answer.
fn unreachable(reason: &str) -> Failure {
    let message = format!("The service does not answer: {reason}");
    Failure::Refused(StatusCode::BAD_GATEWAY, "ConnectionError", message)
}
