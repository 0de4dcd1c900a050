//! Which of a sandbox's settings go into a snapshot of it (contract section 2.4 of the second generation).

use super::snapshots::Place;
use super::{Error, secrets};
use crate::server::lifecycle::State;
use crate::server::store::sandboxes::{Origin, Sandbox};
use crate::server::store::settings::{
    Carried, CarriedLifecycle, CarriedResources, RunConfig, Settings, SnapshotSettings,
};
use crate::types::{Labels, Ttl};

/// A snapshot to capture from a sandbox.
#[derive(Debug)]
pub(crate) struct NewCapture {
    pub(crate) place: Place,
    pub(crate) labels: Labels,
    pub(crate) description: Option<String>,
    pub(crate) run_config: RunConfig,
    /// Which settings to carry, in the words of the API; `all` is taken apart already.
    pub(crate) include: Vec<String>,
    /// Whether secrets may go into the snapshot.
    pub(crate) allows_secrets: bool,
    /// Whether an image of the sandbox's own is asked for, which it has no place for here.
    pub(crate) exports_image: bool,
    /// Whether a checkpoint is asked for, of which there are none.
    pub(crate) names_checkpoint: bool,
    /// Whether a fault rule keeps it from being built.
    pub(crate) held: bool,
}

/// Every word of `include` but `all`.
pub(crate) const INCLUDABLE: [&str; 6] = ["mounts", "proxy_config", "env_vars", "resources", "lifecycle", "labels"];

/// Labels that the service keeps for itself: they are not handed on.
pub(crate) const RESERVED_LABELS: &str = "com.langchain.";

/// A daemon of Docker needs rights that no sandbox has, root's included; and a Dockerfile is built by one.
const NO_IMAGE_STORE: &str = "`docker_image` of a capture is not available: Docker does not run in the sandboxes of this \
    server, so that they have no image store. A snapshot can be built from an image that was made elsewhere.";

const NO_CHECKPOINTS: &str =
    "`checkpoint` of a capture is not available: this server keeps no memory of sandboxes, and takes no checkpoints.";

/// What is known of a capture before any file is read.
pub(super) struct Captured {
    pub(super) place: Place,
    pub(super) capacity_bytes: u64,
    pub(super) labels: Labels,
    pub(super) settings: SnapshotSettings,
    pub(super) held: bool,
}

/// Says what a capture of a sandbox holds, or why it cannot be captured.
pub(super) fn of(sandbox: &Sandbox, new: NewCapture) -> Result<Captured, Error> {
    let Origin::Snapshot { settings, .. } = &sandbox.origin else {
        return Err(Error::InvalidRequest("A sandbox that is made from a template cannot be captured.".to_owned()));
    };
    if new.exports_image {
        return Err(Error::CannotBeHere(NO_IMAGE_STORE));
    }
    if new.names_checkpoint {
        return Err(Error::CannotBeHere(NO_CHECKPOINTS));
    }
    if !settings.is_persistent {
        return Err(Error::InvalidRequest("A sandbox that is not persistent cannot be captured.".to_owned()));
    }
    if !matches!(sandbox.state, State::Ready | State::Stopped) {
        let status = sandbox.state.as_str();
        return Err(Error::Conflict(format!("A sandbox that is {status} cannot be captured.")));
    }
    let carried = carry(sandbox, settings, &new.include);
    if !new.allows_secrets && holds_secrets(&carried) {
        let message = "The included settings hold literal secrets; confirm_allow_snapshot_secret_values must be true.";
        return Err(Error::InvalidRequest(message.to_owned()));
    }
    let mut labels = Labels::new();
    if new.include.iter().any(|word| word == "labels") {
        labels.clone_from(&sandbox.labels);
        labels.retain(|key, _| !key.starts_with(RESERVED_LABELS));
    }
    labels.extend(new.labels);
    let mut run_config = settings.run_config.clone();
    run_config.merge(new.run_config);
    Ok(Captured {
        place: new.place,
        capacity_bytes: settings.capacity_bytes,
        labels,
        settings: SnapshotSettings { description: new.description, run_config, included: new.include, carried },
        held: new.held,
    })
}

fn carry(sandbox: &Sandbox, settings: &Settings, include: &[String]) -> Carried {
    let carries = |word: &str| include.iter().any(|included| included == word);
    let seconds = |ttl: Option<Ttl>| ttl.map(|ttl| i64::try_from(ttl.as_seconds()).unwrap_or(i64::MAX));
    Carried {
        mount_config: settings.mount_config.clone().filter(|_| carries("mounts")),
        proxy_config: settings.proxy_config.clone().filter(|_| carries("proxy_config")),
        env_vars: carries("env_vars").then(|| settings.env_vars.clone()),
        resources: carries("resources")
            .then_some(CarriedResources { millicores: settings.millicores, memory_bytes: settings.memory_bytes }),
        lifecycle: carries("lifecycle").then(|| CarriedLifecycle {
            idle_ttl_seconds: seconds(sandbox.idle_ttl),
            delete_after_stop_seconds: seconds(sandbox.delete_after_stop),
            preserves_memory: settings.preserves_memory,
        }),
    }
}

fn holds_secrets(carried: &Carried) -> bool {
    let configs = [&carried.mount_config, &carried.proxy_config];
    configs.into_iter().flatten().any(secrets::holds_literal)
        || carried.env_vars.as_ref().is_some_and(|env| !env.is_empty())
}
