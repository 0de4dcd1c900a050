//! `POST /upload` and `GET /download`: files, in pieces (contract section 4.5).

use std::collections::HashMap;
use std::io;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{FromRequestParts, Query, Request, State};
use axum::response::{IntoResponse, Response};
use futures_util::{Stream, TryStreamExt};
use http::header::{ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, LAST_MODIFIED};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio_util::io::{ReaderStream, StreamReader};

use super::ranges::{self, Wanted};
use super::{Target, with_causes};
use crate::server::app::App;
use crate::server::error::Failure;
use crate::server::runtime::{FileContent, FileError};
use crate::types::{SandboxId, Timestamp};

/// Where relative paths begin.
const HOME: &str = "/home/user";

/// How large the pieces are in which a file passes through, in bytes.
const PIECE: usize = 64 << 10;

/// The name of the form's part that holds the file.
const PART: &str = "file";

pub(crate) async fn download(
    State(app): State<App>,
    Target(id): Target,
    FilePath(path): FilePath,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let content = content(&app, &id, &path).await?;
    let size = content.size.unwrap_or(0);
    let tag = content.modified.map(|time| format!("\"{size:x}-{:x}\"", time.as_microseconds()));
    let modified = content.modified.map(Timestamp::to_http_date);
    let wanted = match content.size {
        Some(size) => ranges::of(&headers, size, tag.as_deref()),
        None => Wanted::Whole,
    };
    let pieces = |bytes| ReaderStream::with_capacity(bytes, PIECE).inspect_ok(move |_| app.note_use(&id));
    let (mut response, length) = match wanted {
        Wanted::Whole => (Body::from_stream(pieces(content.bytes)).into_response(), content.size),
        Wanted::Part(range) => {
            let mut bytes = content.bytes;
            // A sandbox sends its files from their beginning.
            tokio::io::copy(&mut (&mut bytes).take(range.start), &mut tokio::io::sink()).await.map_err(|error| {
                Failure::Refused(StatusCode::BAD_REQUEST, "ReadError", format!("'{path}': {error}"))
            })?;
            let length = range.end - range.start;
            let part: Box<dyn AsyncRead + Send + Unpin> = Box::new(bytes.take(length));
            let mut response = (StatusCode::PARTIAL_CONTENT, Body::from_stream(pieces(part))).into_response();
            let place = format!("bytes {}-{}/{size}", range.start, range.end - 1);
            insert(&mut response, CONTENT_RANGE, Some(place));
            (response, Some(length))
        }
        Wanted::Unchanged => (StatusCode::NOT_MODIFIED.into_response(), None),
        Wanted::Beyond => {
            let message = format!("'{path}' has {size} bytes.");
            let refusal = Failure::Refused(StatusCode::RANGE_NOT_SATISFIABLE, "RangeNotSatisfiable", message);
            let mut response = refusal.into_response();
            insert(&mut response, CONTENT_RANGE, Some(format!("bytes */{size}")));
            return Ok(response);
        }
    };
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    response.headers_mut().insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    insert(&mut response, CONTENT_LENGTH, length.map(|length| length.to_string()));
    insert(&mut response, ETAG, tag);
    insert(&mut response, LAST_MODIFIED, modified);
    Ok(response)
}

fn insert(response: &mut Response, name: HeaderName, value: Option<String>) {
    if let Some(value) = value.and_then(|value| HeaderValue::try_from(value).ok()) {
        response.headers_mut().insert(name, value);
    }
}

pub(crate) async fn upload(
    State(app): State<App>,
    Target(id): Target,
    FilePath(path): FilePath,
    request: Request,
) -> Result<Json<Value>, Failure> {
    let field = file_of(app.clone(), id.clone(), request).await?;
    let instance = app.instance(&id).await?;
    app.touch(&id).await;
    let content = Box::new(StreamReader::new(Box::pin(field.map_err(io::Error::other))));
    let written = instance.write(&path, content).await.map_err(|error| refuse(&error, &path, "WriteError"))?;
    Ok(Json(json!({"path": path, "written": written})))
}

/// Finds the file in a form.
async fn file_of(app: App, id: SandboxId, request: Request) -> Result<multer::Field<'static>, Failure> {
    let bad = |message: String| Failure::Refused(StatusCode::BAD_REQUEST, "BadRequest", message);
    let content_type = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let boundary = multer::parse_boundary(content_type)
        .map_err(|_| bad("An upload is a form, `multipart/form-data` with a boundary.".to_owned()))?;
    let pieces = request.into_body().into_data_stream().inspect_ok(move |_| app.note_use(&id));
    let mut form = multer::Multipart::new(pieces, boundary);
    while let Some(field) = form.next_field().await.map_err(|error| bad(with_causes(&error)))? {
        if field.name() == Some(PART) {
            return Ok(field);
        }
    }
    Err(bad(format!("The form has no part `{PART}`.")))
}

/// The absolute path of the request's file.
pub(crate) struct FilePath(String);

impl FromRequestParts<App> for FilePath {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Self::Rejection> {
        let query = Query::<HashMap<String, String>>::from_request_parts(parts, app).await;
        let path = query.ok().and_then(|Query(mut query)| query.remove("path"));
        let path = path.filter(|path| !path.is_empty() && !path.contains('\0'));
        path.map(|path| Self(absolute(path))).ok_or_else(|| {
            let message = "The query has no usable `path`.".to_owned();
            Failure::Refused(StatusCode::BAD_REQUEST, "BadRequest", message)
        })
    }
}

/// Opens a file of a sandbox.
async fn content(app: &App, id: &SandboxId, path: &str) -> Result<FileContent, Failure> {
    let instance = app.instance(id).await?;
    app.touch(id).await;
    instance.read(path).await.map_err(|error| refuse(&error, path, "ReadError"))
}

/// Opens a file of a sandbox, to be sent in pieces.
pub(crate) async fn open(
    app: &App,
    id: &SandboxId,
    path: &str,
) -> Result<impl Stream<Item = io::Result<Bytes>> + use<>, Failure> {
    let content = content(app, id, path).await?;
    let (app, id) = (app.clone(), id.clone());
    Ok(ReaderStream::with_capacity(content.bytes, PIECE).inspect_ok(move |_| app.note_use(&id)))
}

/// Returns where a path leads: relative ones begin at the home folder.
pub(crate) fn absolute(path: String) -> String {
    if path.starts_with('/') { path } else { format!("{HOME}/{path}") }
}

/// Gives a failure its status, by what the official client makes of it (contract section 3.3).
pub(super) fn refuse(error: &FileError, path: &str, kind: &'static str) -> Failure {
    let (status, kind) = match error {
        FileError::Io(cause) => match cause.kind() {
            io::ErrorKind::NotFound => (StatusCode::NOT_FOUND, "FileNotFound"),
            io::ErrorKind::PermissionDenied => (StatusCode::FORBIDDEN, "PermissionDenied"),
            _ => (StatusCode::BAD_REQUEST, kind),
        },
        FileError::Ended => (StatusCode::BAD_REQUEST, "NotReady"),
        _ => (StatusCode::BAD_REQUEST, kind),
    };
    Failure::Refused(status, kind, format!("'{path}': {}", with_causes(error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_paths_begin_at_home() {
        assert_eq!(absolute("a b/c".to_owned()), "/home/user/a b/c");
        assert_eq!(absolute("/etc/x".to_owned()), "/etc/x");
    }
}
