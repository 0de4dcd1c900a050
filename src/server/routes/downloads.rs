//! `/boxes/{name}/download-url`, and the links that it makes (contract section 4.7 of the second generation).

use std::time::Duration;

use axum::Json;
use axum::body::Body as AnswerBody;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, StatusCode};

use super::dataplane::files;
use super::decode::{Decode, Fields};
use super::{Body, Named};
use crate::server::app::{App, Download};
use crate::server::error::Failure;
use crate::types::{Secret, Timestamp};
use crate::wire;

/// What a file is whose link does not say.
const BYTES: &str = "application/octet-stream";

pub(crate) async fn create(
    State(app): State<App>,
    Named(name): Named,
    Body(wanted): Body<Wanted>,
) -> Result<Json<wire::DownloadUrl>, Failure> {
    if wanted.names_bundles {
        return Err(Failure::not_implemented("csp_source_bundles"));
    }
    let linked = app.link_download(name, |sandbox, now| {
        let expires_at = wanted.expires_in.map(|expires_in| now.saturating_add(expires_in));
        Download {
            sub: sandbox.id,
            path: wanted.path,
            exp: expires_at.map(|time| time.as_microseconds().div_euclid(1_000_000)),
            content_type: wanted.content_type,
            disposition: wanted.disposition,
            policy: wanted.policy,
        }
    });
    let (token, exp) = linked.await?;
    Ok(Json(wire::DownloadUrl {
        download_url: format!("{}/dl/{token}", app.base_url()),
        token: Some(Secret::new(token)),
        expires_at: exp.and_then(|exp| Timestamp::from_microseconds(exp.saturating_mul(1_000_000))),
    }))
}

/// Follows a link.
pub(crate) async fn follow(State(app): State<App>, Path(token): Path<String>) -> Result<Response, Failure> {
    let Some(link) = app.service_tokens().download(&token, app.time().now()) else {
        let message = "The link is not one of this server's, or has expired.".to_owned();
        return Err(Failure::Refused(StatusCode::UNAUTHORIZED, "Unauthorized", message));
    };
    app.usable(&link.sub, "download_link").await?;
    let content = files::open(&app, &link.sub, &link.path).await?;
    let mut response = AnswerBody::from_stream(content).into_response();
    let headers = [
        (CONTENT_TYPE, Some(link.content_type.unwrap_or_else(|| BYTES.to_owned()))),
        (CONTENT_DISPOSITION, link.disposition),
        (CONTENT_SECURITY_POLICY, link.policy),
        (X_CONTENT_TYPE_OPTIONS, Some("nosniff".to_owned())),
    ];
    for (name, value) in headers {
        if let Some(value) = value.and_then(|value| HeaderValue::try_from(value).ok()) {
            response.headers_mut().insert(name, value);
        }
    }
    Ok(response)
}

/// What a link is asked for with.
pub(crate) struct Wanted {
    path: String,
    expires_in: Option<Duration>,
    content_type: Option<String>,
    disposition: Option<String>,
    policy: Option<String>,
    names_bundles: bool,
}

impl Decode for Wanted {
    fn decode(fields: &mut Fields<'_>) -> Option<Self> {
        let path = fields.text("path").filter(|path| !path.is_empty() && !path.contains('\0'));
        if fields.present("path").is_some_and(|_| path.is_none()) {
            fields.report("path", "value_error", "Input should be the path of a file");
        }
        let seconds = fields.optional_integer("expires_in_seconds", 1..=i64::MAX);
        let content_type = header(fields, "content_type");
        let disposition = fields.optional_text("content_disposition");
        if disposition.is_some_and(|word| word != "attachment" && word != "inline") {
            fields.report("content_disposition", "value_error", "Input should be 'attachment' or 'inline'");
        }
        Some(Self {
            path: files::absolute(path?.to_owned()),
            expires_in: seconds.map(|seconds| Duration::from_secs(seconds.unsigned_abs())),
            content_type,
            disposition: disposition.map(str::to_owned),
            policy: policy(fields),
            names_bundles: texts(fields, "csp_source_bundles").is_some_and(|names| !names.is_empty()),
        })
    }
}

/// Reads how a browser is to lock the file in: with exceptions, if there are any.
fn policy(fields: &mut Fields<'_>) -> Option<String> {
    let flags = texts(fields, "csp_sandbox_flags").unwrap_or_default();
    let is_flag =
        |flag: &String| flag.starts_with("allow-") && flag.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
    if !flags.iter().all(is_flag) {
        fields.report("csp_sandbox_flags", "value_error", "Input should be flags such as 'allow-scripts'");
    }
    fields
        .flag("csp_sandbox", false)
        .then(|| std::iter::once("sandbox".to_owned()).chain(flags).collect::<Vec<_>>().join(" "))
}

fn texts(fields: &mut Fields<'_>, field: &str) -> Option<Vec<String>> {
    fields.present(field)?;
    fields.texts(field)
}

/// Reads a text that becomes a header.
fn header(fields: &mut Fields<'_>, field: &str) -> Option<String> {
    let text = fields.optional_text(field)?;
    if HeaderValue::try_from(text).is_err() {
        fields.report(field, "value_error", "Input should be the value of a header");
    }
    Some(text.to_owned())
}
