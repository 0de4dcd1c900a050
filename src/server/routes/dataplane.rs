//! `/dp/{id}/…`, the sandboxes' own endpoints: known, checked, and not there yet.

use axum::extract::{Path, State};

use crate::server::app::App;
use crate::server::error::Failure;
use crate::types::SandboxId;

pub(crate) async fn execute(app: State<App>, id: Path<String>) -> Failure {
    refuse(app, id, "execute").await
}

pub(crate) async fn execute_ws(app: State<App>, id: Path<String>) -> Failure {
    refuse(app, id, "execute_ws").await
}

pub(crate) async fn upload(app: State<App>, id: Path<String>) -> Failure {
    refuse(app, id, "upload").await
}

pub(crate) async fn download(app: State<App>, id: Path<String>) -> Failure {
    refuse(app, id, "download").await
}

pub(crate) async fn tunnel(app: State<App>, id: Path<String>) -> Failure {
    refuse(app, id, "tunnel").await
}

async fn refuse(State(app): State<App>, Path(id): Path<String>, operation: &'static str) -> Failure {
    match app.sandbox_by_id(SandboxId::new(id)).await.and_then(App::only_ready) {
        Ok(_) => app.not_served(operation).into(),
        Err(error) => error.into(),
    }
}
