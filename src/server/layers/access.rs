//! Who may call: the API key, and the names under which a loopback server answers.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{HOST, ORIGIN};
use http::{HeaderMap, StatusCode};

use crate::server::error::Failure;
use crate::types::Secret;

const KEY_HEADER: &str = "x-api-key";

/// Lets a request pass that carries the key, if there is one.
pub(crate) async fn require_key(State(key): State<Option<Arc<Secret>>>, request: Request, next: Next) -> Response {
    match key {
        Some(key) if !carries(request.headers(), &key) => unauthorized().into_response(),
        _ => next.run(request).await,
    }
}

fn unauthorized() -> Failure {
    let message = "An API key is required, in the header `X-Api-Key`.".to_owned();
    Failure::Refused(StatusCode::UNAUTHORIZED, "Unauthorized", message)
}

/// Returns whether the request carries the key. When the header is there twice the last one counts: the official
/// client sends its own before the caller's (contract section 1.3).
fn carries(headers: &HeaderMap, key: &Secret) -> bool {
    headers.get_all(KEY_HEADER).iter().next_back().is_some_and(|sent| same(sent.as_bytes(), key.expose().as_bytes()))
}

/// Compares in a time that depends on the lengths only, so that a key cannot be guessed byte by byte.
fn same(left: &[u8], right: &[u8]) -> bool {
    let difference = left.iter().zip(right).fold(0, |difference, (left, right)| difference | (left ^ right));
    left.len() == right.len() && std::hint::black_box(difference) == 0
}

/// Lets a request pass that names this machine as its host and does not come from a web page of another.
///
/// A web page that resolves its own name to the loopback address can make a browser send requests here, but the browser
/// names the page's host. One that calls the loopback address outright cannot read the answer, but the request has its
/// effect all the same; there the browser names the page as the origin.
pub(crate) async fn require_loopback(request: Request, next: Next) -> Response {
    match check_names(request.headers()) {
        Ok(()) => next.run(request).await,
        Err(failure) => failure.into_response(),
    }
}

fn check_names(headers: &HeaderMap) -> Result<(), Failure> {
    if let Some(host) = headers.get(HOST)
        && !host.to_str().is_ok_and(is_loopback)
    {
        let message = "This server answers under the names of this machine only, such as `localhost`.".to_owned();
        return Err(Failure::Refused(StatusCode::MISDIRECTED_REQUEST, "WrongHost", message));
    }
    if let Some(origin) = headers.get(ORIGIN)
        && !origin.to_str().ok().and_then(|origin| origin.split_once("://")).is_some_and(|(_, host)| is_loopback(host))
    {
        let message = "This server takes no requests from web pages of other hosts.".to_owned();
        return Err(Failure::Refused(StatusCode::FORBIDDEN, "WrongOrigin", message));
    }
    Ok(())
}

/// Refuses what a web page of this very server asks.
///
/// The only pages here are those of services in sandboxes. They must not reach the API, which may take no key on
/// loopback. Browsers say so themselves, and no script can keep them from it; programs do not.
pub(crate) async fn refuse_own_pages(request: Request, next: Next) -> Response {
    if is_own_page(request.headers()) {
        let message = "The services in sandboxes have no access to the API.".to_owned();
        return Failure::Refused(StatusCode::FORBIDDEN, "WrongOrigin", message).into_response();
    }
    next.run(request).await
}

fn is_own_page(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let port = |authority: &str| authority.rsplit_once(':').map_or(80, |(_, port)| port.parse().unwrap_or(80));
    let origin = text(ORIGIN).and_then(|origin| origin.split_once("://")).map(|(_, authority)| port(authority));
    let is_same_port = origin.is_some() && origin == text(HOST).map(port);
    text(http::HeaderName::from_static("sec-fetch-site")) == Some("same-origin") || is_same_port
}

fn is_loopback(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let address = match name.strip_prefix('[').and_then(|name| name.strip_suffix(']')) {
        Some(inner) => inner.parse::<Ipv6Addr>().map(IpAddr::V6),
        None => name.parse::<Ipv4Addr>().map(IpAddr::V4),
    };
    name.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_its_own_names() {
        for host in ["localhost", "LOCALHOST:8080", "127.0.0.1", "127.0.0.1:1", "127.0.0.2:1", "[::1]", "[::1]:80"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in [
            "",
            "example.com",
            "localhost.example.com",
            "127.0.0.1.example.com:80",
            "[::1]x",
            "::2",
            "localhost:",
            "[127.0.0.1]",
            "10.0.0.1",
        ] {
            assert!(!is_loopback(host), "{host}");
        }
    }

    #[test]
    fn pages_of_other_hosts_are_refused() {
        let allows = |origin: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(ORIGIN, http::HeaderValue::from_static(origin));
            check_names(&headers).is_ok()
        };
        for origin in ["http://localhost:3000", "http://127.0.0.1", "https://[::1]:1"] {
            assert!(allows(origin), "{origin}");
        }
        for origin in ["null", "", "https://example.com", "http://localhost.example.com", "localhost"] {
            assert!(!allows(origin), "{origin}");
        }
        assert!(check_names(&HeaderMap::new()).is_ok(), "programs send none");
    }

    #[test]
    fn own_pages_are_known_by_what_browsers_say() {
        let is_own = |pairs: &[(&'static str, &'static str)]| {
            let pairs = pairs
                .iter()
                .map(|(name, value)| (http::HeaderName::from_static(name), http::HeaderValue::from_static(value)));
            is_own_page(&pairs.collect())
        };
        assert!(is_own(&[("sec-fetch-site", "same-origin"), ("host", "127.0.0.1:8000")]));
        assert!(is_own(&[("origin", "http://localhost:8000"), ("host", "127.0.0.1:8000")]));
        assert!(is_own(&[("origin", "http://localhost"), ("host", "127.0.0.1")]));
        assert!(!is_own(&[("origin", "http://localhost:3000"), ("host", "127.0.0.1:8000")]));
        assert!(!is_own(&[("sec-fetch-site", "none"), ("host", "127.0.0.1:8000")]));
        assert!(!is_own(&[("host", "127.0.0.1:8000")]));
    }

    #[test]
    fn the_last_key_counts() {
        let key = Secret::new("right");
        let headers = |keys: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for key in keys {
                headers.append(KEY_HEADER, http::HeaderValue::from_static(key));
            }
            headers
        };
        for keys in [&["right"][..], &["wrong", "right"]] {
            assert!(carries(&headers(keys), &key), "{keys:?}");
        }
        for keys in [&[][..], &["wrong"], &["right", "wrong"], &["righ"], &["rightt"], &[""]] {
            assert!(!carries(&headers(keys), &key), "{keys:?}");
        }
    }
}
