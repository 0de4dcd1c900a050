//! `/boxes`, the sandboxes (contract section 2.6).

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use http::StatusCode;

use super::decode::{Decode, Fields};
use super::query::{ListOf, Listing};
use super::{Body, Held, Named, service};
use crate::server::app::{App, NewSandbox, SandboxChange, Service};
use crate::server::error::Failure;
use crate::server::lifecycle::State as Lifecycle;
use crate::server::store::sandboxes::Sandbox;
use crate::types::{Name, Ttl};
use crate::wire;

pub(crate) async fn create(
    State(app): State<App>,
    Held(held): Held,
    Body(mut new): Body<NewSandbox>,
) -> Result<(StatusCode, Json<wire::Sandbox>), Failure> {
    new.held = held;
    let sandbox = app.create_sandbox(new).await?;
    Ok((StatusCode::CREATED, Json(render(&app, sandbox))))
}

pub(crate) async fn list(
    State(app): State<App>,
    ListOf { options, .. }: ListOf<Sandboxes>,
) -> Result<Json<wire::SandboxList>, Failure> {
    let page = app.sandboxes(options).await?;
    let sandboxes = page.items.into_iter().map(|sandbox| render(&app, sandbox)).collect();
    Ok(Json(wire::SandboxList { sandboxes, offset: page.next_offset }))
}

pub(crate) async fn get(State(app): State<App>, Named(name): Named) -> Result<Json<wire::Sandbox>, Failure> {
    let sandbox = app.sandbox(name).await?;
    Ok(Json(render(&app, sandbox)))
}

pub(crate) async fn update(
    State(app): State<App>,
    Named(name): Named,
    Body(change): Body<SandboxChange>,
) -> Result<Json<wire::Sandbox>, Failure> {
    let sandbox = app.update_sandbox(name, change).await?;
    Ok(Json(render(&app, sandbox)))
}

pub(crate) async fn delete(State(app): State<App>, Named(name): Named) -> Result<StatusCode, Failure> {
    app.delete_sandbox(name).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) async fn status(State(app): State<App>, Named(name): Named) -> Result<Json<wire::ResourceStatus>, Failure> {
    let sandbox = app.sandbox(name).await?;
    Ok(Json(wire::ResourceStatus { status: wire_status(sandbox.state), status_message: sandbox.status_message }))
}

pub(crate) async fn batch_delete(
    State(app): State<App>,
    Body(wire::BatchDelete { names }): Body<wire::BatchDelete>,
) -> Result<Json<wire::BatchDeleted>, Failure> {
    let mut outcome = wire::BatchDeleted::default();
    for name in names {
        match app.delete_sandbox(name.clone()).await {
            Ok(()) => outcome.deleted.push(name),
            Err(error) => outcome.skipped.push(Failure::from(error).into_skipped(name)?),
        }
    }
    Ok(Json(outcome))
}

pub(crate) async fn service_url(
    State(app): State<App>,
    Named(name): Named,
    Body(wanted): Body<ServiceWanted>,
) -> Result<Json<wire::ServiceUrl>, Failure> {
    let sandbox = App::only_ready(app.sandbox(name).await?)?;
    app.needs_process("create_service_url").await?;
    let service = Service { sandbox: sandbox.id, port: wanted.port };
    let expires_at = app.time().now().saturating_add(wanted.expires_in);
    let token = app.service_tokens().sign(&service, expires_at);
    Ok(Json(service::service_url(&app, &service, token, expires_at)))
}

/// What a service URL is asked for with.
pub(crate) struct ServiceWanted {
    port: u16,
    expires_in: Duration,
}

/// The list of sandboxes.
pub(crate) struct Sandboxes;

impl Listing for Sandboxes {
    const SORT_BY: &'static [(&'static str, &'static str)] = &[
        ("name", "sandboxes.name"),
        ("status", "sandboxes.status"),
        ("template_name", "templates.name"),
        ("created_at", "sandboxes.created_at"),
    ];
    const FILTERS: &'static [(&'static str, &'static str, &'static [&'static str])] = &[
        ("status", "sandboxes.status", &["provisioning", "ready", "failed"]),
        ("template_name", "templates.name", &[]),
    ];
}

impl Decode for NewSandbox {
    fn decode(fields: &mut Fields<'_>) -> Option<Self> {
        let template_name = fields.text("template_name");
        let name = match fields.optional_text("name") {
            // An empty name counts as none: the client leaves it out, other clients may not.
            None | Some("") => None,
            Some(_) => fields.optional_parsed::<Name>("name"),
        };
        let wait = fields.flag("wait_for_ready", true);
        let timeout = fields.optional_integer("timeout", 1..=600).unwrap_or(30);
        let ttl = read_ttl(fields, "ttl_seconds");
        let idle_ttl = read_ttl(fields, "idle_ttl_seconds");
        Some(Self {
            name,
            template_name: template_name?.to_owned(),
            wait,
            timeout: Duration::from_secs(timeout.unsigned_abs()),
            ttl,
            idle_ttl,
            held: false,
        })
    }
}

impl Decode for SandboxChange {
    fn decode(fields: &mut Fields<'_>) -> Option<Self> {
        Some(Self {
            name: fields.optional_parsed("name"),
            ttl: read_ttl(fields, "ttl_seconds"),
            idle_ttl: read_ttl(fields, "idle_ttl_seconds"),
        })
    }
}

impl Decode for ServiceWanted {
    fn decode(fields: &mut Fields<'_>) -> Option<Self> {
        let port = fields.integer("port", 1..=65_535);
        let expires_in_seconds = fields.optional_integer("expires_in_seconds", 1..=86_400).unwrap_or(600);
        let expires_in = Duration::from_secs(expires_in_seconds.unsigned_abs());
        Some(Self { port: u16::try_from(port?).ok()?, expires_in })
    }
}

fn read_ttl(fields: &mut Fields<'_>, field: &str) -> Option<Ttl> {
    let seconds = fields.optional_integer(field, i64::MIN..=i64::MAX)?;
    Ttl::from_seconds(seconds).map_err(|error| fields.report(field, "value_error", error)).ok()
}

fn render(app: &App, sandbox: Sandbox) -> wire::Sandbox {
    let expires_at = sandbox.expires_at();
    let seconds = |ttl: Ttl| i64::try_from(ttl.as_seconds()).unwrap_or(i64::MAX);
    wire::Sandbox {
        dataplane_url: Some(format!("{}/dp/{}", app.base_url(), sandbox.id)),
        id: Some(sandbox.id),
        name: sandbox.name.map(String::from).unwrap_or_default(),
        template_name: sandbox.template_name.into(),
        status: wire_status(sandbox.state),
        status_message: sandbox.status_message,
        created_at: Some(sandbox.created_at),
        updated_at: Some(sandbox.updated_at),
        ttl_seconds: sandbox.ttl.map(seconds),
        idle_ttl_seconds: sandbox.idle_ttl.map(seconds),
        expires_at,
        extra: wire::Extra::new(),
    }
}

fn wire_status(state: Lifecycle) -> wire::SandboxStatus {
    match state {
        Lifecycle::Provisioning => wire::SandboxStatus::Provisioning,
        Lifecycle::Ready => wire::SandboxStatus::Ready,
        // One that is gone is not found, and so never shown.
        Lifecycle::Failed | Lifecycle::Gone => wire::SandboxStatus::Failed,
    }
}
