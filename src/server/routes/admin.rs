//! `/_sbx/*`: what tests do to the server.

use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use http::StatusCode;
use serde_json::{Value, json};

use super::Body;
use super::boxes::NewBox;
use super::decode::{Decode, Fields};
use super::table::{self, Operation};
use crate::server::app::{App, NewPool, NewRegistry, NewSnapshot, NewTemplate, NewVolume};
use crate::server::error::Failure;
use crate::server::layers::faults::{Faults, Rule};

/// How far the clock can be moved in one go: a hundred years.
const MAX_ADVANCE_SECONDS: i64 = 100 * 366 * 86_400;

/// Deletes every object and every fault rule, and sets the clock right.
pub(crate) async fn reset(State(app): State<App>, State(faults): State<Faults>) -> Result<StatusCode, Failure> {
    faults.clear();
    app.reset().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Creates objects, in the order in which they need each other. The first refusal ends it and is the answer.
pub(crate) async fn seed(State(app): State<App>, Body(seed): Body<Seed>) -> Result<(StatusCode, Json<Value>), Failure> {
    let counts = json!({
        "volumes": seed.volumes.len(), "templates": seed.templates.len(),
        "pools": seed.pools.len(), "boxes": seed.boxes.len(), "registries": seed.registries.len(),
        "snapshots": seed.snapshots.len(),
    });
    for registry in seed.registries {
        app.create_registry(registry).await?;
    }
    for volume in seed.volumes {
        app.create_volume(volume).await?;
    }
    for template in seed.templates {
        app.create_template(template).await?;
    }
    for pool in seed.pools {
        app.create_pool(pool).await?;
    }
    for snapshot in seed.snapshots {
        let id = app.create_snapshot(snapshot).await?.id;
        app.built(&id).await?;
    }
    for sandbox in seed.boxes {
        match sandbox {
            NewBox::First(new) => app.create_sandbox(new).await?,
            NewBox::Second(new) => app.create_from_snapshot(*new).await?,
        };
    }
    Ok((StatusCode::CREATED, Json(counts)))
}

/// Create bodies by kind.
pub(crate) struct Seed {
    registries: Vec<NewRegistry>,
    volumes: Vec<NewVolume>,
    templates: Vec<NewTemplate>,
    pools: Vec<NewPool>,
    snapshots: Vec<NewSnapshot>,
    boxes: Vec<NewBox>,
}

impl Decode for Seed {
    fn decode(fields: &mut Fields<'_>) -> Option<Self> {
        Some(Self {
            registries: fields.objects("registries"),
            volumes: fields.objects("volumes"),
            templates: fields.objects("templates"),
            pools: fields.objects("pools"),
            snapshots: fields.objects("snapshots"),
            boxes: fields.objects("boxes"),
        })
    }
}

/// Adds a fault rule.
pub(crate) async fn add_fault(State(faults): State<Faults>, body: Bytes) -> Result<(StatusCode, Json<Value>), Failure> {
    let refuse = |message| Failure::Refused(StatusCode::UNPROCESSABLE_ENTITY, "InvalidRule", message);
    let rule: Rule = serde_json::from_slice(&body).map_err(|error| refuse(error.to_string()))?;
    rule.check(operations()).map_err(refuse)?;
    faults.add(rule);
    Ok((StatusCode::CREATED, list_faults(State(faults)).await))
}

/// Lists the fault rules, with how many requests each has seen and struck.
pub(crate) async fn list_faults(State(faults): State<Faults>) -> Json<Value> {
    Json(json!({"rules": faults.list()}))
}

/// Removes all fault rules.
pub(crate) async fn clear_faults(State(faults): State<Faults>) -> StatusCode {
    faults.clear();
    StatusCode::NO_CONTENT
}

/// Moves the clock forward.
pub(crate) async fn move_clock(State(app): State<App>, Body(Advance(by)): Body<Advance>) -> Json<Value> {
    app.time().advance(by);
    clock(State(app)).await
}

/// Tells the time.
pub(crate) async fn clock(State(app): State<App>) -> Json<Value> {
    Json(json!({"now": app.time().now()}))
}

/// By how much to move the clock.
pub(crate) struct Advance(Duration);

impl Decode for Advance {
    fn decode(fields: &mut Fields<'_>) -> Option<Self> {
        let seconds = fields.integer("advance_seconds", 0..=MAX_ADVANCE_SECONDS)?;
        Some(Self(Duration::from_secs(seconds.unsigned_abs())))
    }
}

/// Lists every operation of the API, whether it is served, and what is known to differ from the real service.
pub(crate) async fn coverage(State(app): State<App>) -> Json<Value> {
    let show = |operation: &Operation| {
        json!({
            "operation": operation.id,
            "method": operation.method.as_str(),
            "path": operation.path,
            "implemented": true,
            "differences": operation.differences,
        })
    };
    let operations: Vec<_> = operations().map(show).collect();
    Json(json!({"runtime": app.runtime().name(), "operations": operations}))
}

fn operations() -> impl Iterator<Item = &'static Operation> {
    table::control_plane().into_iter().chain(table::data_plane()).chain(table::services()).map(|row| row.operation)
}
