//! `/volumes` (contract section 2.3).

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use http::StatusCode;

use super::decode::{Decode, Fields};
use super::query::{ListOf, Listing};
use super::{Body, Held, Named};
use crate::server::app::{App, NewVolume, VolumeChange};
use crate::server::error::Failure;
use crate::server::store::volumes::Volume;
use crate::wire;

pub(crate) async fn create(
    State(app): State<App>,
    Held(held): Held,
    Body(mut new): Body<NewVolume>,
) -> Result<(StatusCode, Json<wire::Volume>), Failure> {
    new.held = held;
    Ok((StatusCode::CREATED, Json(render(app.create_volume(new).await?))))
}

pub(crate) async fn list(
    State(app): State<App>,
    ListOf { options, .. }: ListOf<Volumes>,
) -> Result<Json<wire::VolumeList>, Failure> {
    let page = app.volumes(options).await?;
    Ok(Json(wire::VolumeList { volumes: page.items.into_iter().map(render).collect(), offset: page.next_offset }))
}

pub(crate) async fn get(State(app): State<App>, Named(name): Named) -> Result<Json<wire::Volume>, Failure> {
    Ok(Json(render(app.volume(name).await?)))
}

pub(crate) async fn update(
    State(app): State<App>,
    Named(name): Named,
    Body(change): Body<VolumeChange>,
) -> Result<Json<wire::Volume>, Failure> {
    Ok(Json(render(app.update_volume(name, change).await?)))
}

pub(crate) async fn delete(State(app): State<App>, Named(name): Named) -> Result<StatusCode, Failure> {
    app.delete_volume(name).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The list of volumes. The reference says nothing of sorting volumes; what it says of templates is assumed.
pub(crate) struct Volumes;

impl Listing for Volumes {
    const SORT_BY: &'static [(&'static str, &'static str)] = &[("name", "name"), ("created_at", "created_at")];
}

impl Decode for NewVolume {
    fn decode(fields: &mut Fields<'_>) -> Option<Self> {
        let name = fields.parsed("name");
        let size = fields.parsed("size");
        let wait = fields.flag("wait_for_ready", true);
        let timeout = fields.optional_integer("timeout", 5..=300).unwrap_or(60);
        if fields.optional_text("storage_class").is_some_and(|class| class != "standard") {
            fields.report("storage_class", "value_error", "Input should be 'standard' or null");
        }
        Some(Self { name: name?, size: size?, wait, timeout: Duration::from_secs(timeout.unsigned_abs()), held: false })
    }
}

impl Decode for VolumeChange {
    fn decode(fields: &mut Fields<'_>) -> Option<Self> {
        Some(Self { name: fields.optional_parsed("name"), size: fields.optional_parsed("size") })
    }
}

fn render(volume: Volume) -> wire::Volume {
    wire::Volume {
        id: Some(volume.id),
        name: volume.name.into(),
        size: volume.size.to_string(),
        storage_class: volume.storage_class,
        created_at: Some(volume.created_at),
        updated_at: Some(volume.updated_at),
        extra: wire::Extra::new(),
    }
}
