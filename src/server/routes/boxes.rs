//! `/boxes`, the sandboxes of both generations (contract section 2.6, and 4 of the second generation).
//!
//! What is asked for with a template belongs to the first generation, everything else to the second (contract S16 of the
//! second). Lists have both: clients of either take what the other one's objects have less for absent.

mod second;

use std::collections::HashMap;
use std::time::Duration;

use axum::Json;
use axum::extract::{Query, State};
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use serde::ser::SerializeStruct as _;
use serde::{Serialize, Serializer};

use super::decode::{Decode, Fields};
use super::query::{Cursors, ListOf, Listing};
use super::registries::EVERYBODY;
use super::{Body, Held, Named, service};
use crate::server::app::{App, Error, NewFromSnapshot, NewSandbox, Reconfiguration, SandboxChange};
use crate::server::error::Failure;
use crate::server::lifecycle::State as Lifecycle;
use crate::server::store::grants::{Access, Audience, Grant};
use crate::server::store::sandboxes::{Origin, Sandbox};
use crate::types::{Name, Ttl};
use crate::wire;

/// How many sites may show a service in a frame (contract section 4.7 of the second generation).
const MAX_ORIGINS: usize = 5;

pub(crate) async fn create(
    State(app): State<App>,
    Held(held): Held,
    Body(new): Body<NewBox>,
) -> Result<(StatusCode, Json<AnyBox>), Failure> {
    let sandbox = match new {
        NewBox::First(new) => app.create_sandbox(NewSandbox { held, ..new }).await?,
        NewBox::Second(new) => app.create_from_snapshot(NewFromSnapshot { held, ..*new }).await?,
    };
    Ok((StatusCode::CREATED, Json(render(&app, sandbox).await?)))
}

pub(crate) async fn list(State(app): State<App>, query: ListOf<Sandboxes>) -> Result<Json<BoxList>, Failure> {
    let page = app.sandboxes(query.options.clone()).await?;
    let next_cursor = query.next_cursor(&page);
    let mut boxes = Vec::with_capacity(page.items.len());
    for sandbox in page.items {
        boxes.push(render(&app, sandbox).await?);
    }
    Ok(Json(BoxList { boxes, offset: page.next_offset, next_cursor }))
}

pub(crate) async fn get(State(app): State<App>, Named(name): Named) -> Result<Json<AnyBox>, Failure> {
    let sandbox = app.sandbox(name).await?;
    Ok(Json(render(&app, sandbox).await?))
}

pub(crate) async fn update(
    State(app): State<App>,
    Named(name): Named,
    Body(change): Body<SandboxChange>,
) -> Result<Json<AnyBox>, Failure> {
    let sandbox = app.update_sandbox(name, change).await?;
    Ok(Json(render(&app, sandbox).await?))
}

pub(crate) async fn start(State(app): State<App>, Named(name): Named) -> Result<(StatusCode, Json<AnyBox>), Failure> {
    let sandbox = app.start_sandbox(name).await?;
    Ok((StatusCode::ACCEPTED, Json(render(&app, sandbox).await?)))
}

pub(crate) async fn stop(State(app): State<App>, Named(name): Named) -> Result<StatusCode, Failure> {
    app.stop_sandbox(name).await?;
    Ok(StatusCode::NO_CONTENT)
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
    Body(ServiceWanted { port, expires_in, access, embed_origins }): Body<ServiceWanted>,
) -> Result<Response, Failure> {
    if let ServiceAccess::LogIn(audience) = access {
        let service = app.grant_log_in(name, port, audience, embed_origins.clone()).await?;
        return Ok(Json(service::login_url(&app, &service, audience, embed_origins)).into_response());
    }
    let ends_log_in = matches!(access, ServiceAccess::Off);
    let (service, token, expires_at) = app.grant_service(name, port, expires_in, ends_log_in).await?;
    Ok(Json(service::service_url(&app, &service, token, expires_at)).into_response())
}

pub(crate) async fn service_urls(
    State(app): State<App>,
    Named(name): Named,
) -> Result<Json<wire::ServiceUrlGrantList>, Failure> {
    let grant = |grant: Grant| {
        let (access, expires_at) = match grant.access {
            Access::Token { expires_at } => (wire::ServiceAccess::Token, Some(expires_at)),
            Access::LogIn(audience) => (service::wire_access(audience), None),
        };
        wire::ServiceUrlGrant {
            port: grant.port.into(),
            access,
            created_at: grant.created_at,
            created_by: Some(EVERYBODY.to_owned()),
            expires_at,
            embed_origins: grant.embed_origins,
        }
    };
    let items = app.service_grants(name).await?.into_iter().map(grant).collect();
    Ok(Json(wire::ServiceUrlGrantList { items, next_cursor: None }))
}

pub(crate) async fn revoke_service_urls(
    State(app): State<App>,
    Named(name): Named,
    Query(query): Query<HashMap<String, String>>,
) -> Result<StatusCode, Failure> {
    let port = match query.get("port").map(|port| port.parse()) {
        None => None,
        Some(Ok(port)) => Some(port),
        Some(Err(_)) => {
            let message = "`port` should be a number from 1 to 65535.".to_owned();
            return Err(Failure::Refused(StatusCode::BAD_REQUEST, "BadRequest", message));
        }
    };
    app.revoke_services(name, port).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What a service URL is asked for with.
pub(crate) struct ServiceWanted {
    port: u16,
    expires_in: Duration,
    access: ServiceAccess,
    /// The sites that may show it in a frame.
    embed_origins: Vec<String>,
}

/// Who is to get in to a service.
enum ServiceAccess {
    /// Whoever has the token.
    Token,
    /// Whoever has the token, and nobody by logging in any more.
    Off,
    LogIn(Audience),
}

/// The list of sandboxes.
pub(crate) struct Sandboxes;

impl Listing for Sandboxes {
    const SORT_BY: &'static [(&'static str, &'static str)] = &[
        ("name", "sandboxes.name"),
        ("status", "sandboxes.status"),
        ("template_name", "templates.name"),
        ("created_at", "sandboxes.created_at"),
        ("stopped_at", "sandboxes.stopped_at"),
        ("idle_ttl_seconds", "sandboxes.idle_ttl_seconds"),
        ("delete_after_stop_seconds", "sandboxes.delete_after_stop_seconds"),
    ];
    const FILTERS: &'static [(&'static str, &'static str, &'static [&'static str])] = &[
        ("status", "sandboxes.status", &["provisioning", "ready", "failed", "stopped", "deleting"]),
        ("template_name", "templates.name", &[]),
        // Whoever asks created everything.
        ("created_by", "'me'", &["me"]),
    ];
    const CURSORS: Option<Cursors> = Some(Cursors { list: "boxes", default_size: 50, max_size: 500 });
    const HAS_LABELS: bool = true;
    const UNSERVED: &'static [&'static str] = &["tag_value_id"];
}

/// A sandbox to make, of one generation or the other.
pub(crate) enum NewBox {
    First(NewSandbox),
    Second(Box<NewFromSnapshot>),
}

impl Decode for NewBox {
    fn decode(fields: &mut Fields<'_>) -> Option<Self> {
        if fields.present("template_name").is_some() {
            return NewSandbox::decode(fields).map(Self::First);
        }
        NewFromSnapshot::decode(fields).map(|new| Self::Second(Box::new(new)))
    }
}

/// A sandbox as clients of its generation know it.
#[derive(Serialize)]
#[serde(untagged)]
#[expect(clippy::large_enum_variant, reason = "a list holds one page of them")]
pub(crate) enum AnyBox {
    First(wire::Sandbox),
    Second(wire::SandboxV2),
}

/// A page, in the forms of both generations.
pub(crate) struct BoxList {
    boxes: Vec<AnyBox>,
    offset: u64,
    next_cursor: Option<String>,
}

impl Serialize for BoxList {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut page = serializer.serialize_struct("BoxList", 4)?;
        page.serialize_field("sandboxes", &self.boxes)?;
        page.serialize_field("items", &self.boxes)?;
        page.serialize_field("offset", &self.offset)?;
        page.serialize_field("next_cursor", &self.next_cursor)?;
        page.end()
    }
}

impl Decode for NewSandbox {
    fn decode(fields: &mut Fields<'_>) -> Option<Self> {
        let template_name = fields.text("template_name");
        let name = match fields.optional_text("name") {
            // An empty name counts as none: the client leaves it out, other clients may not.
            None | Some("") => None,
            Some(_) => fields.optional_parsed::<Name>("name"),
        };
        let (wait, timeout) = read_wait(fields);
        let ttl = read_ttl(fields, "ttl_seconds");
        let idle_ttl = read_ttl(fields, "idle_ttl_seconds");
        Some(Self {
            name,
            template_name: template_name?.to_owned(),
            wait,
            timeout: Duration::from_secs(timeout),
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
            second: Reconfiguration::decode(fields)?,
        })
    }
}

impl Decode for ServiceWanted {
    fn decode(fields: &mut Fields<'_>) -> Option<Self> {
        let port = fields.integer("port", 1..=65_535);
        let expires_in_seconds = fields.optional_integer("expires_in_seconds", 1..=86_400).unwrap_or(600);
        let expires_in = Duration::from_secs(expires_in_seconds.unsigned_abs());
        let access = match fields.optional_text("access") {
            None => ServiceAccess::Token,
            Some("off") => ServiceAccess::Off,
            Some(word) => Audience::of(word).map_or_else(
                || {
                    fields.report("access", "value_error", "Input should be 'restricted', 'workspace' or 'off'");
                    ServiceAccess::Token
                },
                ServiceAccess::LogIn,
            ),
        };
        let embed_origins = match fields.present("embed_origins") {
            None => Vec::new(),
            Some(_) => fields.texts("embed_origins").unwrap_or_default(),
        };
        if embed_origins.len() > MAX_ORIGINS {
            fields.report("embed_origins", "value_error", format!("There should be at most {MAX_ORIGINS} sites"));
        }
        Some(Self { port: u16::try_from(port?).ok()?, expires_in, access, embed_origins })
    }
}

/// Reads whether to wait until the sandbox is ready, and for how many seconds.
fn read_wait(fields: &mut Fields<'_>) -> (bool, u64) {
    let wait = fields.flag("wait_for_ready", true);
    let timeout = fields.optional_integer("timeout", 1..=600).unwrap_or(30);
    (wait, timeout.unsigned_abs())
}

fn read_ttl(fields: &mut Fields<'_>, field: &str) -> Option<Ttl> {
    let seconds = fields.optional_integer(field, i64::MIN..=i64::MAX)?;
    Ttl::from_seconds(seconds).map_err(|error| fields.report(field, "value_error", error)).ok()
}

/// Returns a time to live as the wire has it.
fn seconds(ttl: Ttl) -> i64 {
    i64::try_from(ttl.as_seconds()).unwrap_or(i64::MAX)
}

async fn render(app: &App, sandbox: Sandbox) -> Result<AnyBox, Error> {
    Ok(match sandbox.origin.clone() {
        Origin::Template { name, .. } => AnyBox::First(render_first(app, sandbox, name)),
        Origin::Snapshot { id, settings } => AnyBox::Second(second::render(app, sandbox, id, *settings).await?),
    })
}

fn render_first(app: &App, sandbox: Sandbox, template_name: Name) -> wire::Sandbox {
    let expires_at = sandbox.expires_at();
    wire::Sandbox {
        dataplane_url: Some(format!("{}/dp/{}", app.base_url(), sandbox.id)),
        id: Some(sandbox.id),
        name: sandbox.name.map(String::from).unwrap_or_default(),
        template_name: template_name.into(),
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
        Lifecycle::Stopped => wire::SandboxStatus::Stopped,
        // One that is gone is not found, and so never shown.
        Lifecycle::Failed | Lifecycle::Gone => wire::SandboxStatus::Failed,
    }
}
