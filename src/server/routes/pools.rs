//! `/pools` (contract section 2.5).

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use http::StatusCode;

use super::decode::{Decode, Fields};
use super::query::{ListOf, Listing};
use super::{Body, Held, Named};
use crate::server::app::{App, NewPool, PoolChange};
use crate::server::error::Failure;
use crate::server::store::pools::Pool;
use crate::wire;

pub(crate) async fn create(
    State(app): State<App>,
    Held(held): Held,
    Body(mut new): Body<NewPool>,
) -> Result<(StatusCode, Json<wire::Pool>), Failure> {
    new.held = held;
    Ok((StatusCode::CREATED, Json(render(app.create_pool(new).await?))))
}

pub(crate) async fn list(
    State(app): State<App>,
    ListOf { options, .. }: ListOf<Pools>,
) -> Result<Json<wire::PoolList>, Failure> {
    let page = app.pools(options).await?;
    Ok(Json(wire::PoolList { pools: page.items.into_iter().map(render).collect(), offset: page.next_offset }))
}

pub(crate) async fn get(State(app): State<App>, Named(name): Named) -> Result<Json<wire::Pool>, Failure> {
    Ok(Json(render(app.pool(name).await?)))
}

pub(crate) async fn update(
    State(app): State<App>,
    Named(name): Named,
    Body(change): Body<PoolChange>,
) -> Result<Json<wire::Pool>, Failure> {
    Ok(Json(render(app.update_pool(name, change).await?)))
}

pub(crate) async fn delete(State(app): State<App>, Named(name): Named) -> Result<StatusCode, Failure> {
    app.delete_pool(name).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The list of pools. The reference says nothing of sorting pools; what it says of templates is assumed.
pub(crate) struct Pools;

impl Listing for Pools {
    const SORT_BY: &'static [(&'static str, &'static str)] =
        &[("name", "pools.name"), ("created_at", "pools.created_at")];
}

impl Decode for NewPool {
    fn decode(fields: &mut Fields<'_>) -> Option<Self> {
        let name = fields.parsed("name");
        let template_name = fields.text("template_name");
        let replicas = fields.integer("replicas", 1..=100);
        let wait = fields.flag("wait_for_ready", true);
        let timeout = fields.optional_integer("timeout", 10..=600).unwrap_or(120);
        Some(Self {
            name: name?,
            template_name: template_name?.to_owned(),
            replicas: count(replicas?),
            wait,
            timeout: Duration::from_secs(timeout.unsigned_abs()),
            held: false,
        })
    }
}

impl Decode for PoolChange {
    fn decode(fields: &mut Fields<'_>) -> Option<Self> {
        let name = fields.optional_parsed("name");
        Some(Self { name, replicas: fields.optional_integer("replicas", 0..=100).map(count) })
    }
}

fn count(replicas: i64) -> u32 {
    u32::try_from(replicas).expect("checked to be from 0 to 100")
}

fn render(pool: Pool) -> wire::Pool {
    wire::Pool {
        id: Some(pool.id),
        name: pool.name.into(),
        template_name: pool.template_name.into(),
        replicas: pool.replicas,
        created_at: Some(pool.created_at),
        updated_at: Some(pool.updated_at),
        extra: wire::Extra::new(),
    }
}
