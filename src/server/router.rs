//! Puts the table of operations, the layers and the pages around them together.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::get;
use http::StatusCode;

use super::app::App;
use super::error::Failure;
use super::layers::access;
use super::routes::{self, table};
use crate::types::Secret;
use crate::wire::route::PREFIXES;

/// How large a body may be, in bytes. The largest one of the API is a template with many mounts.
const MAX_BODY: usize = 1 << 20;

/// Who may call what.
pub(crate) struct Access {
    pub(crate) api_key: Option<Secret>,
    /// Whether to answer under the names of this machine only.
    pub(crate) check_host: bool,
    /// Whether to serve `/_sbx/*`.
    pub(crate) admin: bool,
}

/// Makes the router of a server.
pub(crate) fn build(app: App, access: Access) -> Router {
    let mut api = Router::new();
    for row in table::control_plane().into_iter().chain(table::shadowed()) {
        api = api.route(row.operation.path, row.handler);
    }
    let mut protected = Router::new();
    for prefix in PREFIXES {
        protected = protected.nest(prefix, api.clone());
    }
    for row in table::data_plane() {
        protected = protected.route(row.operation.path, row.handler);
    }
    let key = access.api_key.map(Arc::new);
    let protected = protected
        .method_not_allowed_fallback(method_not_allowed)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(from_fn_with_state(key, access::require_key));

    let mut router = Router::new().route("/healthz", get(routes::health)).merge(protected).fallback(not_found);
    if access.check_host {
        router = router.layer(from_fn(access::require_loopback_host));
    }
    router.with_state(app)
}

async fn not_found() -> Failure {
    Failure::Refused(StatusCode::NOT_FOUND, "NotFound", "There is no such endpoint.".to_owned())
}

async fn method_not_allowed() -> Failure {
    let message = "This endpoint does not take that method.".to_owned();
    Failure::Refused(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", message)
}
