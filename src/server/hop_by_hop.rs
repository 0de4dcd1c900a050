//! The headers that concern one connection only, and are not passed on (RFC 9110, section 7.6.1).

use http::header::CONNECTION;
use http::{HeaderMap, HeaderName};

const NAMES: &[&str] = &[
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Removes them, and those that `Connection` names.
pub(in crate::server) fn strip(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named {
        headers.remove(name);
    }
    for name in NAMES {
        headers.remove(*name);
    }
}
