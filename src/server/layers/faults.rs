//! Rules that make operations fail on purpose, so that programs can be tested against the failures of a network.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Json;
use axum::body::{Body, HttpBody};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt, stream};
use http::header::CONTENT_LENGTH;
use http::{HeaderName, HeaderValue, StatusCode};
use serde_json::Value;

pub(crate) use super::rule::Rule;
use crate::server::app;
use crate::server::error::Failure;
use crate::server::routes::table::Operation;
use crate::server::routes::{Failing, Held};

/// Marks a response of an embedded server that no client would have received.
///
/// A server with a socket closes the connection instead. A transport that calls the router in the process turns this
/// extension of the response into its own error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DroppedConnection;

/// When a fault rule ends the conversation on a WebSocket; an extension of the request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cut {
    /// After how many bytes.
    pub(crate) after_bytes: usize,
    /// With which close code; `None` drops the connection.
    pub(crate) close_code: Option<u16>,
}

/// The rules in force, in the order in which they were added.
#[derive(Debug, Clone, Default)]
pub(crate) struct Faults(Arc<Mutex<Vec<Active>>>);

#[derive(Debug)]
struct Active {
    rule: Rule,
    n_seen: u64,
    n_struck: u64,
    draws: fastrand::Rng,
}

impl Faults {
    /// Adds a rule.
    pub(crate) fn add(&self, rule: Rule) {
        let draws = fastrand::Rng::with_seed(rule.seed);
        self.lock().push(Active { rule, n_seen: 0, n_struck: 0, draws });
    }

    /// Returns the rules, with how many requests each has seen and struck.
    pub(crate) fn list(&self) -> Vec<Value> {
        let show = |active: &Active| {
            let mut shown = serde_json::to_value(&active.rule).expect("a rule is plain data");
            shown["seen"] = active.n_seen.into();
            shown["struck"] = active.n_struck.into();
            shown
        };
        self.lock().iter().map(show).collect()
    }

    /// Removes all rules.
    pub(crate) fn clear(&self) {
        self.lock().clear();
    }

    /// Returns the first rule that strikes a request for `operation`.
    fn strike(&self, operation: &Operation) -> Option<Rule> {
        let mut rules = self.lock();
        let mut concerned = rules.iter_mut().filter(|active| active.rule.concerns(operation));
        concerned.find_map(|active| active.strikes().then(|| active.rule.clone()))
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Active>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Active {
    fn strikes(&mut self) -> bool {
        self.n_seen += 1;
        let is_due = self.n_seen > self.rule.skip && self.rule.count.is_none_or(|count| self.n_struck < count);
        let strikes = is_due && self.draws.f64() < self.rule.probability;
        self.n_struck += u64::from(strikes);
        strikes
    }
}

/// Serves a request for an operation, with what the rules do to it, and notes the operation in the response.
pub(crate) async fn apply(
    State((faults, operation)): State<(Faults, &'static Operation)>,
    mut request: Request,
    next: Next,
) -> Response {
    request.extensions_mut().insert(operation);
    let mut response = match faults.strike(operation) {
        Some(rule) => {
            tracing::info!(operation = operation.id, "a fault rule strikes");
            strike(rule, request, next).await
        }
        None => next.run(request).await,
    };
    response.extensions_mut().insert(operation);
    response
}

async fn strike(rule: Rule, mut request: Request, next: Next) -> Response {
    if let Some(delay) = rule.delay_ms {
        tokio::time::sleep(Duration::from_millis(delay)).await;
    }
    if rule.drop_before {
        return dropped();
    }
    if let Some(status) = rule.status {
        return canned(status, rule);
    }
    if let Some(quota) = rule.quota {
        let refusal = app::Error::QuotaExceeded { quota: quota.into(), limit: 10, used: 10, requested: 1 };
        return Failure::from(refusal).into_response();
    }
    if rule.stuck_provisioning {
        request.extensions_mut().insert(Held(true));
    }
    if let Some(reason) = &rule.build_fails {
        request.extensions_mut().insert(Failing(Some(reason.as_str().into())));
    }
    let cut = Cut { after_bytes: rule.cut_after_bytes.unwrap_or(0), close_code: rule.close_code };
    if rule.cut_after_bytes.is_some() || rule.close_code.is_some() {
        request.extensions_mut().insert(cut);
    }
    let response = next.run(request).await;
    if rule.lose_answer {
        return dropped();
    }
    match rule.cut_after_bytes {
        // What follows a switch of protocols is cut by who speaks it.
        Some(n_bytes) if response.status() != StatusCode::SWITCHING_PROTOCOLS => cut_body(response, n_bytes),
        _ => response,
    }
}

/// Makes the response that stands for none.
fn dropped() -> Response {
    let mut response = StatusCode::BAD_GATEWAY.into_response();
    response.extensions_mut().insert(DroppedConnection);
    response
}

fn canned(status: u16, rule: Rule) -> Response {
    let status = StatusCode::from_u16(status).expect("checked when the rule was added");
    let mut response = match rule.body {
        Some(body) => (status, Json(body)).into_response(),
        None => status.into_response(),
    };
    for (name, value) in rule.headers {
        let name = HeaderName::try_from(name).expect("checked when the rule was added");
        let value = HeaderValue::try_from(value).expect("checked when the rule was added");
        response.headers_mut().insert(name, value);
    }
    response
}

/// A body ends before its end.
#[derive(Debug, thiserror::Error)]
#[error("a fault rule cuts the answer")]
struct Ends;

/// Announces the whole body, sends its beginning, and fails.
fn cut_body(response: Response, n_bytes: usize) -> Response {
    let (mut parts, body) = response.into_parts();
    if let Some(size) = body.size_hint().exact() {
        parts.headers.insert(CONTENT_LENGTH, HeaderValue::from(size));
    }
    let pieces = stream::try_unfold((body.into_data_stream(), n_bytes), |(mut pieces, left)| async move {
        // Once what is to be sent is sent, the connection gets a turn in which to send it.
        tokio::task::yield_now().await;
        match pieces.next().await {
            Some(Ok(mut piece)) if left > 0 => {
                piece.truncate(left);
                let left = left - piece.len();
                Ok(Some((piece, (pieces, left))))
            }
            _ => Err(Ends),
        }
    });
    Response::from_parts(parts, Body::from_stream(pieces))
}
