//! What is not part of the API: whether the server is up, and its counters.

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use http::header::CONTENT_TYPE;
use serde_json::{Value, json};

use crate::server::app::App;
use crate::server::error::Failure;

pub(crate) async fn health() -> Json<Value> {
    Json(json!({"status": "ok"}))
}

pub(crate) async fn metrics(State(app): State<App>) -> Result<impl IntoResponse, Failure> {
    let gauges = app.gauges().await?;
    Ok(([(CONTENT_TYPE, "text/plain; version=0.0.4")], app.metrics().render(&gauges)))
}
