//! `POST /upload` and `GET /download`: files, in pieces (contract section 4.5).

use std::collections::HashMap;
use std::io;

use axum::Json;
use axum::body::Body;
use axum::extract::{FromRequestParts, Query, Request, State};
use axum::response::{IntoResponse, Response};
use futures_util::TryStreamExt;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderValue, StatusCode};
use serde_json::{Value, json};
use tokio_util::io::{ReaderStream, StreamReader};

use super::{Target, with_causes};
use crate::server::app::App;
use crate::server::error::Failure;
use crate::server::runtime::FileError;
use crate::types::SandboxId;

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
) -> Result<Response, Failure> {
    let instance = app.instance(&id).await?;
    app.touch(&id).await;
    let content = instance.read(&path).await.map_err(|error| refuse(&error, &path, "ReadError"))?;
    let pieces = ReaderStream::with_capacity(content.bytes, PIECE).inspect_ok(move |_| app.note_use(&id));
    let mut response = Body::from_stream(pieces).into_response();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    if let Some(size) = content.size {
        response.headers_mut().insert(CONTENT_LENGTH, size.into());
    }
    Ok(response)
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

/// Returns where a path leads: relative ones begin at the home folder.
fn absolute(path: String) -> String {
    if path.starts_with('/') { path } else { format!("{HOME}/{path}") }
}

/// Gives a failure its status, by what the official client makes of it (contract section 3.3).
fn refuse(error: &FileError, path: &str, kind: &'static str) -> Failure {
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
