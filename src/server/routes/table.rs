//! The one table of operations. Router, metrics, fault rules and the coverage page are made from it.

use axum::routing::{MethodFilter, MethodRouter, delete, get, on, patch, post};
use http::Method;

use super::{boxes, dataplane, downloads, pools, registries, service, snapshots, templates, usage, volumes};
use crate::server::app::App;
use crate::wire::route;

/// An operation of the API.
#[derive(Debug)]
pub(crate) struct Operation {
    /// Its name, in metrics, in fault rules and on the coverage page.
    pub(crate) id: &'static str,
    pub(crate) method: Method,
    /// The path below the API's prefix, or from the root for the data plane.
    pub(crate) path: &'static str,
    /// What is known to differ from the real service, empty when nothing is.
    pub(crate) differences: &'static str,
}

/// An operation and what serves it.
pub(crate) struct Row {
    pub(crate) operation: &'static Operation,
    pub(crate) handler: MethodRouter<App>,
}

macro_rules! rows {
    ($($id:ident $method:ident $path:expr, $handler:expr, $differences:expr;)*) => {
        vec![$({
            static OPERATION: Operation = Operation {
                id: stringify!($id),
                method: Method::$method,
                path: $path,
                differences: $differences,
            };
            Row { operation: &OPERATION, handler: $handler }
        }),*]
    };
}

/// What a service may be asked with. All of it, but as routes: `any` makes a fallback, which takes no layer.
const ANY: MethodFilter = MethodFilter::GET
    .or(MethodFilter::HEAD)
    .or(MethodFilter::POST)
    .or(MethodFilter::PUT)
    .or(MethodFilter::PATCH)
    .or(MethodFilter::DELETE)
    .or(MethodFilter::OPTIONS);

const COSTS: &str = "nothing costs anything here: after its times are checked, the page is empty and has no totals";
const STORAGE: &str = "storage is bound at once; 503 comes from a fault rule only";
const POOLED: &str = "the template of a pool cannot vanish, so an update never answers `ValidationError`";
const ROLE: &str =
    "an AWS role is written down and not taken on: images of such a registry are pulled without a password";
const KEPT: &str = "proxies, mounts and access delegation are checked and kept, and not enforced";
const BUILD: &str = "from images only: no Dockerfile is built, as Docker does not run in these sandboxes";
const CAPTURE: &str = "memory and checkpoints are not captured, nor images: Docker does not run in these sandboxes";
const EXECUTE: &str = "an answer holds at most 32 MiB of output";
const LOGIN: &str = "access by log-in is written down and lets nobody in: this server knows no people";
const LINKS: &str = "`csp_source_bundles` answers 501";
const SEARCH: &str = "at most 10,000 matches, 4 MiB and 10 seconds; 1,000 matches unless more are asked for";
const SSE: &str = "a client that reads slowly holds the command up, and is never asked to acknowledge";
const SERVICE_URL: &str =
    "a path of the server's own address; access by log-in lets nobody in: this server knows no people";
const SERVICE: &str = "a path of the server's own address, and not a host name of its own";

/// Returns the operations of the control plane, below each prefix of the API.
#[rustfmt::skip]
pub(crate) fn control_plane() -> Vec<Row> {
    rows! {
        create_volume POST route::VOLUMES, post(volumes::create), STORAGE;
        list_volumes GET route::VOLUMES, get(volumes::list), "";
        get_volume GET route::VOLUME, get(volumes::get), "";
        update_volume PATCH route::VOLUME, patch(volumes::update), "";
        delete_volume DELETE route::VOLUME, delete(volumes::delete), "";

        create_template POST route::TEMPLATES, post(templates::create), "any image text is taken as it is";
        list_templates GET route::TEMPLATES, get(templates::list), "";
        batch_delete_templates POST route::TEMPLATES_BATCH_DELETE, post(templates::batch_delete), "";
        get_template GET route::TEMPLATE, get(templates::get), "";
        update_template PATCH route::TEMPLATE, patch(templates::update), "";
        delete_template DELETE route::TEMPLATE, delete(templates::delete), "";

        create_pool POST route::POOLS, post(pools::create), "";
        list_pools GET route::POOLS, get(pools::list), "";
        get_pool GET route::POOL, get(pools::get), "";
        update_pool PATCH route::POOL, patch(pools::update), POOLED;
        delete_pool DELETE route::POOL, delete(pools::delete), "";

        create_sandbox POST route::SANDBOXES, post(boxes::create), KEPT;
        list_sandboxes GET route::SANDBOXES, get(boxes::list), "";
        batch_delete_sandboxes POST route::SANDBOXES_BATCH_DELETE, post(boxes::batch_delete), "";
        get_sandbox GET route::SANDBOX, get(boxes::get), "";
        update_sandbox PATCH route::SANDBOX, patch(boxes::update), KEPT;
        delete_sandbox DELETE route::SANDBOX, delete(boxes::delete), "";
        get_sandbox_status GET route::SANDBOX_STATUS, get(boxes::status), "";
        create_service_url POST route::SANDBOX_SERVICE_URL, post(boxes::service_url), SERVICE_URL;

        create_snapshot POST route::SNAPSHOTS, post(snapshots::create), BUILD;
        list_snapshots GET route::SNAPSHOTS, get(snapshots::list), "";
        get_snapshot GET route::SNAPSHOT, get(snapshots::get), "";
        delete_snapshot DELETE route::SNAPSHOT, delete(snapshots::delete), "";
        list_snapshot_tags GET route::SNAPSHOT_TAGS, get(snapshots::tags), "";
        capture_snapshot POST route::SANDBOX_SNAPSHOT, post(snapshots::capture), CAPTURE;
        start_sandbox POST route::SANDBOX_START, post(boxes::start), "a start is always a cold one";
        stop_sandbox POST route::SANDBOX_STOP, post(boxes::stop), "memory is never kept";
        list_service_urls GET route::SANDBOX_SERVICE_URLS, get(boxes::service_urls), LOGIN;
        delete_service_urls DELETE route::SANDBOX_SERVICE_URLS, delete(boxes::revoke_service_urls), LOGIN;
        create_download_url POST route::SANDBOX_DOWNLOAD_URL, post(downloads::create), LINKS;
        get_usage_costs GET route::USAGE_COSTS, get(usage::costs), COSTS;

        create_registry POST route::REGISTRIES, post(registries::create), ROLE;
        list_registries GET route::REGISTRIES, get(registries::list), "";
        get_registry GET route::REGISTRY, get(registries::get), "";
        update_registry PATCH route::REGISTRY, patch(registries::update), ROLE;
        delete_registry DELETE route::REGISTRY, delete(registries::delete), "";

        get_usage GET route::USAGE, get(usage::get), "";
    }
}

/// Returns the operations on objects that are called like a batch operation. They are served by the rows of the same
/// name above; the router alone needs them twice.
#[rustfmt::skip]
pub(crate) fn shadowed() -> Vec<Row> {
    rows! {
        get_template GET route::TEMPLATES_BATCH_DELETE, get(templates::get), "";
        update_template PATCH route::TEMPLATES_BATCH_DELETE, patch(templates::update), "";
        delete_template DELETE route::TEMPLATES_BATCH_DELETE, delete(templates::delete), "";
        get_sandbox GET route::SANDBOXES_BATCH_DELETE, get(boxes::get), "";
        update_sandbox PATCH route::SANDBOXES_BATCH_DELETE, patch(boxes::update), "";
        delete_sandbox DELETE route::SANDBOXES_BATCH_DELETE, delete(boxes::delete), "";
    }
}

/// Returns the operations of the data plane.
#[rustfmt::skip]
pub(crate) fn data_plane() -> Vec<Row> {
    rows! {
        execute POST "/dp/{id}/execute", post(dataplane::execute::execute), EXECUTE;
        execute_ws GET "/dp/{id}/execute/ws", get(dataplane::stream::execute_ws), "";
        execute_stream_start POST "/dp/{id}/execute/stream/start", post(dataplane::sse::start), SSE;
        execute_stream_resume POST "/dp/{id}/execute/stream/resume", post(dataplane::sse::resume), SSE;
        upload POST "/dp/{id}/upload", post(dataplane::files::upload), "";
        download GET "/dp/{id}/download", get(dataplane::files::download), "";
        glob POST "/dp/{id}/glob", post(dataplane::search::glob), SEARCH;
        grep POST "/dp/{id}/grep", post(dataplane::search::grep), SEARCH;
        tunnel GET "/dp/{id}/tunnel", get(dataplane::tunnel::tunnel), "";
    }
}

/// Returns what leads to the services in sandboxes, which has keys of its own.
#[rustfmt::skip]
pub(crate) fn services() -> Vec<Row> {
    rows! {
        download_link GET "/dl/{token}", get(downloads::follow), LINKS;
        service_sign_in GET "/svc/{service}/_svc/auth", get(service::sign_in), SERVICE;
        service GET "/svc/{service}/{*path}", on(ANY, service::pass_on), SERVICE;
        service GET "/svc/{service}/", on(ANY, service::pass_on), SERVICE;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn operations_have_names_of_their_own() {
        let mut ids = HashSet::new();
        for row in control_plane().into_iter().chain(data_plane()) {
            assert!(ids.insert(row.operation.id), "{}", row.operation.id);
        }
        for row in shadowed() {
            assert!(ids.contains(row.operation.id), "{}", row.operation.id);
        }
    }
}
