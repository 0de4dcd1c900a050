//! `/usage` (contract section 2.1, and 4.1 of the second generation).

use std::collections::HashMap;
use std::time::Duration;

use axum::Json;
use axum::extract::{Query, State};
use serde_json::{Value, json};

use super::decode::{Problems, key};
use crate::server::app::App;
use crate::server::error::Failure;
use crate::types::Timestamp;
use crate::wire;

/// How much time costs can be asked for at once.
const LONGEST: Duration = Duration::from_hours(31 * 24);

pub(crate) async fn get(State(app): State<App>) -> Result<Json<wire::Usage>, Failure> {
    let usage = app.usage().await?;
    Ok(Json(wire::Usage {
        sandboxes_used: usage.direct_sandboxes + usage.pool_replicas,
        sandboxes_limit: usage.limits.sandboxes,
        sandbox_direct_count: usage.direct_sandboxes,
        sandbox_pool_replicas_count: usage.pool_replicas,
        volumes_used: usage.volumes,
        volumes_limit: usage.limits.volumes,
        templates_count: usage.templates,
        pools_count: usage.pools,
        registries_count: usage.registries,
        cpu_used_millicores: usage.millicores,
        cpu_limit_millicores: usage.limits.cpu_millicores,
        memory_used_bytes: usage.memory_bytes,
        memory_limit_bytes: usage.limits.memory_bytes,
        storage_used_bytes: usage.storage_bytes,
        storage_limit_bytes: usage.limits.storage_bytes,
    }))
}

/// Answers that nothing was paid for in the time that is asked for: what runs on one's own machine has no price, and one
/// that is made up would end in somebody's sums. What the service says in an entry and in its totals is not known, so that
/// there are neither.
pub(crate) async fn costs(Query(query): Query<HashMap<String, String>>) -> Result<Json<Value>, Failure> {
    let mut problems = Problems::default();
    let mut time = |name: &str| {
        let Some(text) = query.get(name) else {
            problems.add(&[key("query"), key(name)], "missing", "Field required");
            return None;
        };
        let time = text.parse::<Timestamp>();
        time.map_err(|error| problems.add(&[key("query"), key(name)], "value_error", error)).ok()
    };
    let times = time("start_time").zip(time("end_time"));
    if times.is_some_and(|(start, end)| end <= start || end.saturating_since(start) > LONGEST) {
        let message = "Input should be after start_time, by 31 days at most";
        problems.add(&[key("query"), key("end_time")], "value_error", message);
    }
    if query.get("cursor").is_some_and(|cursor| !cursor.is_empty()) {
        let message = "Input should be a `next_cursor` of this list, which has only one page";
        problems.add(&[key("query"), key("cursor")], "value_error", message);
    }
    problems.none_or_fail(times)?;
    Ok(Json(json!({"items": [], "next_cursor": null})))
}
