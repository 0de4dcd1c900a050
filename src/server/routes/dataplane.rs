//! `/dp/{id}/…`, the sandboxes' own endpoints (contract section 4).

pub(crate) mod execute;
pub(crate) mod files;
mod ranges;
pub(crate) mod search;
pub(crate) mod sse;
pub(crate) mod stream;
pub(crate) mod tunnel;
mod websocket;

use axum::extract::{FromRequestParts, Path};
use http::StatusCode;
use http::request::Parts;

use super::table::Operation;
use crate::server::app::App;
use crate::server::app::sessions::CommandError;
use crate::server::error::Failure;
use crate::server::runtime::ExecError;
use crate::types::SandboxId;

/// The sandbox of a request, which is ready: one that was stopped is woken by the request.
pub(crate) struct Target(pub(crate) SandboxId);

impl FromRequestParts<App> for Target {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Self::Rejection> {
        let Ok(Path(id)) = Path::<String>::from_request_parts(parts, app).await else {
            return Err(Failure::Refused(StatusCode::BAD_REQUEST, "BadRequest", "The path has no sandbox.".to_owned()));
        };
        let id = SandboxId::new(id);
        let operation = parts.extensions.get::<&'static Operation>().map_or("", |operation| operation.id);
        app.usable(&id, operation).await?;
        Ok(Self(id))
    }
}

/// The type of a failed command in error bodies and messages.
fn error_type(error: &CommandError) -> &'static str {
    match error {
        CommandError::NotFound { .. } => "CommandNotFound",
        CommandError::Expired { .. } => "SessionExpired",
        CommandError::Sandbox(_) | CommandError::Exec(ExecError::Ended) => "NotReady",
        CommandError::Exec(_) => "CommandError",
    }
}

/// Gives a command that was not started or attached to its answer.
fn refuse_command(error: CommandError) -> Failure {
    match error {
        CommandError::Sandbox(error) => error.into(),
        error => Failure::Refused(StatusCode::BAD_REQUEST, error_type(&error), with_causes(&error)),
    }
}

/// Puts an error and what caused it in one line, for people.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
