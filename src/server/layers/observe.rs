//! A span, a log line and a count for each request. Neither headers nor bodies are written anywhere.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use tokio::time::Instant;
use tracing::Instrument;
use tracing::field::Empty;

use crate::server::app::App;
use crate::server::routes::table::Operation;

pub(crate) async fn observe(State(app): State<App>, request: Request, next: Next) -> Response {
    let span = tracing::info_span!(
        "request",
        http.method = %request.method(),
        http.path = request.uri().path(),
        operation = Empty,
        http.status = Empty,
        elapsed_ms = Empty,
    );
    let started = Instant::now();
    let response = next.run(request).instrument(span.clone()).await;
    let operation = response.extensions().get::<&'static Operation>().map_or("other", |operation| operation.id);
    let status = response.status().as_u16();
    span.record("operation", operation);
    span.record("http.status", status);
    span.record("elapsed_ms", u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX));
    span.in_scope(|| tracing::info!("request answered"));
    app.metrics().count_request(operation, status);
    response
}
