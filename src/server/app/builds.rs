//! Building snapshots, and giving back the room of those that are gone.

use std::time::Duration;

use super::{App, Error, Tx};
use crate::server::runtime::{
    BuildImage, BuildRegistry, Built, ImageConfig, LaunchError, LaunchErrorKind, SnapshotFiles,
};
use crate::server::store::registries::{self, Auth};
use crate::server::store::sandboxes::{self, Origin};
use crate::server::store::settings::RunConfig;
use crate::server::store::snapshots::{self, Source, Status};
use crate::types::{SandboxId, SnapshotId};

/// How long a build may take: an image of tens of gigabytes over a slow line.
const LONGEST_BUILD: Duration = Duration::from_hours(1);

/// What is to be built.
enum Plan {
    Image(BuildImage),
    Sandbox { id: SandboxId, below: Option<SnapshotFiles> },
}

impl App {
    /// Builds a snapshot and records what came of it.
    pub(super) async fn build(&self, id: &SnapshotId) {
        // What is built is no longer to be freed from the moment on at which it is recorded: until then, nothing is.
        let _unrecorded = self.0.layers.read().await;
        let of = id.clone();
        let result = match self.transact(move |tx| plan(tx, &of)).await {
            Ok(Some(Ok(plan))) => {
                tokio::time::timeout(LONGEST_BUILD, self.carry_out(&plan)).await.unwrap_or_else(|_| {
                    let message = format!("not built within {} minutes", LONGEST_BUILD.as_secs() / 60);
                    Err(LaunchError::new(LaunchErrorKind::Unschedulable, message))
                })
            }
            Ok(Some(Err(reason))) => Err(LaunchError::new(LaunchErrorKind::SandboxConfig, reason)),
            Ok(None) => return,
            Err(error) => Err(LaunchError::new(LaunchErrorKind::Unschedulable, error.to_string())),
        };
        if let Err(error) = &result {
            tracing::warn!(snapshot.id = %id, kind = %error.kind, reason = %error, "a snapshot was not built");
        }
        let of = id.clone();
        if let Err(error) = self.transact(move |tx| record(tx, &of, result)).await {
            tracing::error!(snapshot.id = %id, error = &error as &dyn std::error::Error, "a build is not recorded");
        }
        self.0.builds.send_replace(());
    }

    /// Waits until a snapshot is built, or fails to be.
    pub(crate) async fn built(&self, id: &SnapshotId) -> Result<(), Error> {
        let mut changes = self.0.builds.subscribe();
        loop {
            changes.borrow_and_update();
            let status = {
                let id = id.clone();
                self.transact(move |tx| Ok(snapshots::by_id(tx, id.as_str())?.map(|snapshot| snapshot.status))).await?
            };
            if status != Some(Status::Building) {
                return Ok(());
            }
            changes.changed().await.expect("this server holds the sender");
        }
    }

    async fn carry_out(&self, plan: &Plan) -> Result<Built, LaunchError> {
        match plan {
            Plan::Image(image) => self.0.runtime.build(image).await,
            Plan::Sandbox { id, below } => self.0.runtime.capture(id, below).await,
        }
    }

    /// Gives back the room of what one deleted snapshot left, unless others need it.
    pub(super) async fn free(&self) {
        let _alone = self.0.layers.write().await;
        let found = self.transact(|tx| Ok(snapshots::left(tx)?.zip(Some(snapshots::used_files(tx)?)))).await;
        let freed = async {
            let Some(((entry, unused), used)) = found? else { return Ok(()) };
            self.0.runtime.free(&unused, &used).await;
            self.transact(move |tx| {
                // There may be more.
                tx.sets_off_work();
                Ok(snapshots::cleared(tx, entry)?)
            })
            .await
        };
        if let Err::<(), Error>(error) = freed.await {
            tracing::error!(error = &error as &dyn std::error::Error, "the room of a snapshot is not given back");
        }
    }
}

/// Reads what a snapshot is built from; `None` when it is gone, a text when it cannot be built.
fn plan(tx: &Tx<'_>, id: &SnapshotId) -> Result<Option<Result<Plan, String>>, Error> {
    let Some(snapshot) = snapshots::by_id(tx, id.as_str())? else { return Ok(None) };
    let plan = match snapshot.source {
        Source::Image { reference, registry: None } => Ok(Plan::Image(BuildImage { reference, registry: None })),
        Source::Image { reference, registry: Some(id) } => match registries::by_id(tx, &id)? {
            Some(registry) => {
                let login = match registry.auth {
                    Auth::Password { username, password } => username.zip(password),
                    Auth::AwsRole { .. } => None,
                };
                let registry = Some(BuildRegistry { url: registry.url, login });
                Ok(Plan::Image(BuildImage { reference, registry }))
            }
            None => Err(format!("Registry '{id}' not found.")),
        },
        Source::Sandbox { id } => match sandboxes::by_id(tx, &id)?.map(|sandbox| sandbox.origin) {
            Some(Origin::Snapshot { id: below, .. }) => {
                let below = snapshots::by_id(tx, below.as_str())?.and_then(|snapshot| snapshot.files);
                Ok(Plan::Sandbox { id, below })
            }
            Some(Origin::Template { .. }) | None => Err("The sandbox was deleted before it was captured.".to_owned()),
        },
    };
    Ok(Some(plan))
}

fn record(tx: &Tx<'_>, id: &SnapshotId, result: Result<Built, LaunchError>) -> Result<(), Error> {
    let Some(mut snapshot) = snapshots::by_id(tx, id.as_str())? else {
        // It was deleted meanwhile: what was built for it is of no use.
        if let Ok(Built { files: Some(files), .. }) = result {
            snapshots::leave(tx, &files)?;
            tx.sets_off_work();
        }
        return Ok(());
    };
    match result {
        Ok(Built { files, digest, used_bytes, config }) => {
            let ImageConfig { env, workdir, user, labels } = config;
            let mut run_config = RunConfig { user, work_dir: workdir, env_vars: env };
            run_config.merge(std::mem::take(&mut snapshot.settings.run_config));
            snapshot.settings.run_config = run_config;
            // What was said of the snapshot wins over what the image says of itself.
            let said = std::mem::replace(&mut snapshot.labels, labels);
            snapshot.labels.extend(said);
            snapshot.status = Status::Ready;
            snapshot.files = files;
            snapshot.image_digest = digest;
            snapshot.used_bytes = used_bytes;
        }
        Err(error) => {
            snapshot.status = Status::Failed;
            snapshot.status_message = Some(error.message);
        }
    }
    snapshot.updated_at = tx.now();
    Ok(snapshots::update(tx, &snapshot)?)
}
