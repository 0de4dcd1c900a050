//! `/svc/{sandbox}--{port}/…`: what listens on a port of a sandbox, for those with a token (contract section 4.7).
//!
//! The token is a header of programs, or a cookie that `_svc/auth` gives a browser. Neither it nor an API key is passed
//! on: what runs in the sandbox must not learn what opens others.

mod forward;

use axum::extract::{Query, Request, State};
use axum::response::{IntoResponse, Response};
use http::header::{COOKIE, LOCATION, SET_COOKIE};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};

use crate::server::app::{App, Service};
use crate::server::error::Failure;
use crate::server::store::grants::Audience;
use crate::types::{SandboxId, Timestamp};
use crate::wire;

/// The header of programs.
const TOKEN_HEADER: &str = "x-langsmith-sandbox-service-token";

/// The cookie of browsers. Its path is that of the service, so that each service has its own.
const COOKIE_NAME: &str = "sbx-service-token";

/// Returns where a service is served, with a slash at the end.
fn path_of(service: &Service) -> String {
    format!("/svc/{}--{}/", service.sandbox, service.port)
}

/// Makes the answer to a request for a service URL.
pub(super) fn service_url(app: &App, service: &Service, token: String, expires_at: Timestamp) -> wire::ServiceUrl {
    let service_url = format!("{}{}", app.base_url(), path_of(service));
    wire::ServiceUrl { browser_url: format!("{service_url}_svc/auth?token={token}"), service_url, token, expires_at }
}

/// Makes the answer to a request for a service that people log in to: there is no token, and so none that expires.
pub(super) fn login_url(app: &App, service: &Service, audience: Audience, embed_origins: Vec<String>) -> LoginUrl {
    let service_url = format!("{}{}", app.base_url(), path_of(service));
    let access = wire_access(audience);
    LoginUrl { browser_url: service_url.clone(), service_url, token: "", expires_at: "", access, embed_origins }
}

/// The answer where people log in (contract section 4.7 of the second generation).
#[derive(Serialize)]
pub(super) struct LoginUrl {
    browser_url: String,
    service_url: String,
    token: &'static str,
    expires_at: &'static str,
    access: wire::ServiceAccess,
    embed_origins: Vec<String>,
}

/// Returns the API's word for who of those that are logged in gets in.
pub(super) fn wire_access(audience: Audience) -> wire::ServiceAccess {
    match audience {
        Audience::Restricted => wire::ServiceAccess::Restricted,
        Audience::Workspace => wire::ServiceAccess::Workspace,
    }
}

/// What a browser comes with.
#[derive(Deserialize)]
pub(crate) struct Ticket {
    token: String,
}

/// Turns the token of a URL into a cookie, and leads on to the service.
pub(crate) async fn sign_in(
    State(app): State<App>,
    Query(Ticket { token }): Query<Ticket>,
    request: Request,
) -> Result<Response, Failure> {
    let Some((service, _)) = split_path(request.uri().path()) else { return Err(no_service()) };
    let now = app.time().now();
    if !app.opens(&token, &service).await? {
        return Err(unauthorized());
    }
    let path = path_of(&service);
    let age = app.service_tokens().seconds_left(&token, now);
    let cookie = format!("{COOKIE_NAME}={token}; Path={path}; Max-Age={age}; HttpOnly; SameSite=Lax");
    let mut response = StatusCode::FOUND.into_response();
    for (name, value) in [(SET_COOKIE, cookie), (LOCATION, path)] {
        response.headers_mut().insert(name, HeaderValue::try_from(value).expect("a token is plain text"));
    }
    Ok(response)
}

/// Passes a request on to its service.
pub(crate) async fn pass_on(State(app): State<App>, request: Request) -> Result<Response, Failure> {
    let Some((service, rest)) = split_path(request.uri().path()) else { return Err(no_service()) };
    let rest = rest.to_owned();
    let opens = match token_of(request.headers()) {
        Some(token) => app.opens(token, &service).await?,
        None => false,
    };
    if !opens {
        return Err(unauthorized());
    }
    app.usable(&service.sandbox, "service").await?;
    forward::forward(&app, &service, &rest, request).await
}

/// Splits a path into the service that it names, and what comes behind, without its first slash.
fn split_path(path: &str) -> Option<(Service, &str)> {
    let (name, rest) = path.strip_prefix("/svc/")?.split_once('/')?;
    let (sandbox, port) = name.rsplit_once("--")?;
    let port = port.parse().ok().filter(|port| *port > 0)?;
    Some((Service { sandbox: SandboxId::new(sandbox), port }, rest))
}

/// Returns the token of a request: the last header, or else the cookie.
fn token_of(headers: &HeaderMap) -> Option<&str> {
    let header = headers.get_all(TOKEN_HEADER).iter().next_back();
    match header {
        Some(value) => value.to_str().ok(),
        None => cookies(headers).find_map(|(name, value)| (name == COOKIE_NAME).then_some(value)),
    }
}

/// Returns the cookies of a request.
fn cookies(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    let values = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(';')).filter_map(|cookie| cookie.trim().split_once('='))
}

fn no_service() -> Failure {
    let message = "There is no such service; its path is `/svc/{sandbox}--{port}/`.".to_owned();
    Failure::Refused(StatusCode::NOT_FOUND, "NotFound", message)
}

fn unauthorized() -> Failure {
    let message = format!(
        "A token of this service is required, in the header `{TOKEN_HEADER}` or the cookie. Nobody can log in here: where \
         a service is open to those who do, its `access` is to be 'off' for there to be a token."
    );
    Failure::Refused(StatusCode::UNAUTHORIZED, "Unauthorized", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_a_service() {
        let service = |sandbox: &str, port| Service { sandbox: SandboxId::new(sandbox), port };
        assert_eq!(split_path("/svc/a-b--80/c/d"), Some((service("a-b", 80), "c/d")));
        assert_eq!(split_path("/svc/a--b--1/"), Some((service("a--b", 1), "")));
        for path in ["/svc/a--0/", "/svc/a--65536/", "/svc/a--80", "/svc/a/", "/svc/--x/", "/dp/a--80/"] {
            assert_eq!(split_path(path), None, "{path}");
        }
    }

    #[test]
    fn the_header_goes_before_the_cookie() {
        let mut headers = HeaderMap::new();
        assert_eq!(token_of(&headers), None);
        headers.append(COOKIE, HeaderValue::from_static("a=b; sbx-service-token=c"));
        assert_eq!(token_of(&headers), Some("c"));
        headers.append(TOKEN_HEADER, HeaderValue::from_static("d"));
        headers.append(TOKEN_HEADER, HeaderValue::from_static("e"));
        assert_eq!(token_of(&headers), Some("e"));
    }
}
