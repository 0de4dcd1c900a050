//! Puts the table of operations, the layers and the pages around them together.

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, FromRef};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{get, post};
use http::StatusCode;

use super::app::App;
use super::error::Failure;
use super::layers::faults::{self, Faults};
use super::layers::{access, observe};
use super::routes::table::{self, Row};
use super::routes::{admin, system};
use crate::types::Secret;
use crate::wire::route::PREFIXES;

/// How large a body may be, in bytes. The largest one of the API is a template with many mounts.
const MAX_BODY: usize = 1 << 20;

/// How large a body of `/_sbx/*` may be, in bytes: a whole workspace.
const MAX_ADMIN_BODY: usize = 64 << 20;

/// Who may call what.
pub(crate) struct Access {
    pub(crate) api_key: Option<Secret>,
    /// Whether to answer under the names of this machine only, and no web page of another.
    pub(crate) check_host: bool,
    /// Whether to serve `/_sbx/*`.
    pub(crate) admin: bool,
}

/// What handlers work with.
#[derive(Clone)]
struct Shared {
    app: App,
    faults: Faults,
}

impl FromRef<Shared> for App {
    fn from_ref(shared: &Shared) -> Self {
        shared.app.clone()
    }
}

impl FromRef<Shared> for Faults {
    fn from_ref(shared: &Shared) -> Self {
        shared.faults.clone()
    }
}

/// Makes the router of a server.
///
/// From the outside in: the span and the count, the host's name, the key, the fault rules, the handler.
pub(crate) fn build(app: App, access: Access) -> Router {
    let shared = Shared { app: app.clone(), faults: Faults::default() };
    let mut protected = Router::new();
    let api = routes(table::control_plane().into_iter().chain(table::shadowed()), &shared);
    for prefix in PREFIXES {
        protected = protected.nest(prefix, api.clone());
    }
    protected = protected
        .merge(routes(table::data_plane(), &shared))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .route("/metrics", get(system::metrics));
    if access.admin {
        protected = protected.nest("/_sbx", admin_routes());
    }
    let key = access.api_key.map(Arc::new);
    let protected = protected
        .method_not_allowed_fallback(method_not_allowed)
        .layer(from_fn_with_state(key, access::require_key))
        .layer(from_fn(access::refuse_own_pages));

    let services = routes(table::services(), &shared);
    let mut router = Router::new().route("/healthz", get(system::health)).merge(services).merge(protected);
    router = router.method_not_allowed_fallback(method_not_allowed).fallback(not_found);
    if access.check_host {
        router = router.layer(from_fn(access::require_loopback));
    }
    router.layer(from_fn_with_state(app, observe::observe)).with_state(shared)
}

fn routes(rows: impl IntoIterator<Item = Row>, shared: &Shared) -> Router<Shared> {
    rows.into_iter().fold(Router::new(), |router, Row { operation, handler }| {
        let layer = from_fn_with_state((shared.faults.clone(), operation), faults::apply);
        router.route(operation.path, handler.with_state(shared.app.clone()).route_layer(layer))
    })
}

fn admin_routes() -> Router<Shared> {
    Router::new()
        .route("/reset", post(admin::reset))
        .route("/seed", post(admin::seed))
        .route("/faults", get(admin::list_faults).post(admin::add_fault).delete(admin::clear_faults))
        .route("/clock", get(admin::clock).post(admin::move_clock))
        .route("/coverage", get(admin::coverage))
        .layer(DefaultBodyLimit::max(MAX_ADMIN_BODY))
}

async fn not_found() -> Failure {
    Failure::Refused(StatusCode::NOT_FOUND, "NotFound", "There is no such endpoint.".to_owned())
}

async fn method_not_allowed() -> Failure {
    let message = "This endpoint does not take that method.".to_owned();
    Failure::Refused(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", message)
}
