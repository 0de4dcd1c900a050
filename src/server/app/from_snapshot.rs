//! Sandboxes of the second generation: made from a snapshot, set up in detail, and set up anew.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;
use uuid::Uuid;

use super::quota::{self, Demand};
use super::waiters::Waited;
use super::{App, Error, Kind, Settled, Tx, sandboxes as named, secrets, sizes, snapshots};
use crate::server::lifecycle::State;
use crate::server::runtime::ExecSpec;
use crate::server::store::sandboxes::{self, Origin, Sandbox};
use crate::server::store::settings::{Attachment, Carried, CarriedResources, RunConfig, Settings};
use crate::server::store::snapshots::Snapshot;
use crate::server::store::volumes;
use crate::types::{Labels, Name, SandboxId, Ttl};

/// A sandbox to make from a snapshot. What is `None` is taken from the snapshot, or else the server's to choose.
pub(crate) struct NewFromSnapshot {
    /// The server makes one up when `None`.
    pub(crate) name: Option<Name>,
    /// An id, a name and a tag, or a name; the server's default when `None`.
    pub(crate) snapshot: Option<String>,
    /// Whether to answer only when it is ready.
    pub(crate) wait: bool,
    pub(crate) timeout: Duration,
    pub(crate) size: Size,
    pub(crate) idle_ttl: Option<Ttl>,
    pub(crate) delete_after_stop: Option<Ttl>,
    pub(crate) env_vars: Option<BTreeMap<String, String>>,
    pub(crate) labels: Labels,
    pub(crate) mount_config: Option<Value>,
    pub(crate) proxy_config: Option<Value>,
    pub(crate) access_delegation: Option<Value>,
    pub(crate) volumes: Vec<NewAttachment>,
    pub(crate) run_config: RunConfig,
    pub(crate) preserves_memory: Option<bool>,
    pub(crate) must_restore_memory: bool,
    pub(crate) is_persistent: bool,
    pub(crate) names_tag_values: bool,
    /// Whether a fault rule keeps it from being started.
    pub(crate) held: bool,
}

/// How large a sandbox is asked to be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) millicores: Option<u64>,
    pub(crate) memory_bytes: Option<u64>,
    pub(crate) capacity_bytes: Option<u64>,
}

/// A volume that a sandbox is to have at a path.
#[derive(Debug)]
pub(crate) struct NewAttachment {
    /// Its name or its id.
    pub(crate) volume: String,
    pub(crate) path: String,
    pub(crate) is_read_only: bool,
}

/// What to change of a sandbox that is made from a snapshot.
#[derive(Default)]
pub(crate) struct Reconfiguration {
    pub(crate) delete_after_stop: Option<Ttl>,
    pub(crate) size: Size,
    pub(crate) proxy_config: Option<Value>,
    pub(crate) run_config: Option<RunConfig>,
    pub(crate) names_tag_values: bool,
}

/// After how many seconds of idleness a sandbox is stopped whose creator says nothing (contract section 4.2 of the second
/// generation).
const DEFAULT_IDLE: i64 = 600;

/// After how many seconds it is then deleted: 14 days, as the service typically has it.
const DEFAULT_DELETE_AFTER_STOP: i64 = 14 * 24 * 3600;

impl App {
    /// Makes a sandbox from a snapshot.
    ///
    /// With `wait` the answer comes when it is ready; one that is not in time, or that cannot be started, is taken back
    /// (contract S8).
    pub(crate) async fn create_from_snapshot(&self, new: NewFromSnapshot) -> Result<Sandbox, Error> {
        let app = self.clone();
        self.owned(async move {
            let id = SandboxId::new(Uuid::new_v4().to_string());
            let settled = app.0.sandbox_waiters.announce(id.clone());
            let (wait, timeout) = (new.wait, new.timeout);
            let sandbox = app.transact(move |tx| insert(tx, id, new)).await?;
            if !wait {
                return Ok(sandbox);
            }
            match settled.wait(timeout).await {
                Waited::Told(Settled::Ready) => app.sandbox_by_id(sandbox.id).await,
                Waited::Told(Settled::Failed(error)) => Err(Error::Creation(error)),
                Waited::Forgotten => Err(named::not_found(&named::display_name(&sandbox))),
                Waited::TimedOut => {
                    let name = named::display_name(&sandbox);
                    let late = Error::StartTimedOut { name, seconds: timeout.as_secs() };
                    app.give_up(sandbox.id, late).await
                }
            }
        })
        .await
    }
}

/// Puts what a sandbox says of how commands are run below what one command says of itself.
pub(super) fn set_up(sandbox: Sandbox, command: &mut ExecSpec) {
    let Origin::Snapshot { settings, .. } = sandbox.origin else { return };
    let own = std::mem::replace(&mut command.env, environment(&settings));
    command.env.extend(own);
    let RunConfig { user, work_dir, .. } = settings.run_config;
    command.user = command.user.take().or(user);
    command.cwd = match (command.cwd.take(), work_dir) {
        (Some(cwd), Some(dir)) if !cwd.starts_with('/') => Some(format!("{}/{cwd}", dir.trim_end_matches('/'))),
        (cwd, dir) => cwd.or(dir),
    };
}

fn insert(tx: &Tx<'_>, id: SandboxId, new: NewFromSnapshot) -> Result<Sandbox, Error> {
    if new.names_tag_values {
        return Err(Error::NotImplemented("tag_value_ids"));
    }
    let name = named::name_of_new(tx, new.name.as_ref())?;
    let snapshot = snapshots::to_start_from(tx, new.snapshot.as_deref())?;
    if new.must_restore_memory {
        let message = format!("Snapshot '{}' has no memory to restore.", snapshot.name);
        return Err(Error::InvalidRequest(message));
    }
    let Snapshot { id: snapshot_id, capacity_bytes, labels: inherited, settings: said, .. } = snapshot;
    let carried = said.carried;
    let lifecycle = carried.lifecycle;
    let settings = settings_of(tx, &new, capacity_bytes, said.run_config, carried)?;
    quota::check_size(tx, &settings)?;
    quota::check(tx, &Demand::of_settings(&settings))?;
    let ttl = |own: Option<Ttl>, carried: Option<i64>, default: i64| {
        own.or_else(|| Ttl::from_seconds(carried.unwrap_or(default)).ok())
    };
    let mut labels = inherited;
    labels.extend(new.labels);
    let sandbox = Sandbox {
        id,
        name: Some(name),
        origin: Origin::Snapshot { id: snapshot_id, settings: Box::new(settings) },
        pool_id: None,
        state: State::Provisioning,
        status_message: None,
        waited_for: new.wait,
        held: new.held,
        to_halt: false,
        ttl: None,
        idle_ttl: ttl(new.idle_ttl, lifecycle.and_then(|carried| carried.idle_ttl_seconds), DEFAULT_IDLE),
        delete_after_stop: ttl(
            new.delete_after_stop,
            lifecycle.and_then(|carried| carried.delete_after_stop_seconds),
            DEFAULT_DELETE_AFTER_STOP,
        ),
        last_activity_at: tx.now(),
        stopped_at: None,
        labels,
        created_at: tx.now(),
        updated_at: tx.now(),
    };
    sandboxes::insert(tx, &sandbox)?;
    tx.sets_off_work();
    Ok(sandbox)
}

fn settings_of(
    tx: &Tx<'_>,
    new: &NewFromSnapshot,
    snapshot_capacity: u64,
    mut run_config: RunConfig,
    carried: Carried,
) -> Result<Settings, Error> {
    let preserves_memory =
        new.preserves_memory.unwrap_or(carried.lifecycle.is_some_and(|carried| carried.preserves_memory));
    if preserves_memory && !new.is_persistent {
        let message = "A sandbox that is not persistent cannot preserve its memory.";
        return Err(Error::invalid("preserve_memory_on_stop", message));
    }
    let size = sizes::of_new(new.size, carried.resources, snapshot_capacity, new.is_persistent)?;
    let mut mount_config = new.mount_config.clone().or(carried.mount_config);
    let mut proxy_config = new.proxy_config.clone().or(carried.proxy_config);
    for (field, config) in [("mount_config", &mut mount_config), ("proxy_config", &mut proxy_config)] {
        if let Some(config) = config {
            fill_secrets(field, config, None)?;
        }
    }
    run_config.merge(new.run_config.clone());
    Ok(Settings {
        millicores: size.millicores,
        memory_bytes: size.memory_bytes,
        capacity_bytes: size.capacity_bytes,
        env_vars: new.env_vars.clone().or(carried.env_vars).unwrap_or_default(),
        run_config,
        mount_config,
        proxy_config,
        access_delegation: new.access_delegation.clone(),
        volumes: new.volumes.iter().map(|volume| attach(tx, volume)).collect::<Result<_, _>>()?,
        preserves_memory,
        is_persistent: new.is_persistent,
    })
}

fn attach(tx: &Tx<'_>, new: &NewAttachment) -> Result<Attachment, Error> {
    let unknown = || Error::UnknownReference { kind: Kind::Volume, name: new.volume.clone() };
    let volume = volumes::find(tx, &new.volume)?.ok_or_else(unknown)?;
    Ok(Attachment { volume: volume.id, path: new.path.clone(), is_read_only: new.is_read_only })
}

/// Takes opaque values that are left out over from the present configuration.
fn fill_secrets(field: &str, config: &mut Value, present: Option<&Value>) -> Result<(), Error> {
    secrets::carry_over(config, present).map_err(|at| Error::Invalid {
        at: std::iter::once(field).chain(at.split('.')).map(str::to_owned).collect(),
        message: "The value is missing, and there is none to keep.".to_owned(),
    })
}

/// Sets a sandbox up anew. How large it is counts from its next start on (contract S11).
pub(super) fn reconfigure(tx: &Tx<'_>, settings: &mut Settings, change: Reconfiguration) -> Result<(), Error> {
    if change.names_tag_values {
        return Err(Error::NotImplemented("tag_value_ids"));
    }
    let before = Demand::of_settings(settings);
    sizes::resize(settings, change.size)?;
    quota::check_size(tx, settings)?;
    quota::check(tx, &Demand::of_settings(settings).beyond(&before))?;
    if let Some(mut config) = change.proxy_config {
        fill_secrets("proxy_config", &mut config, settings.proxy_config.as_ref())?;
        settings.proxy_config = Some(config);
    }
    if let Some(run_config) = change.run_config {
        settings.run_config.merge(run_config);
    }
    Ok(())
}

/// What a sandbox is told of its surroundings and this server does not enforce; `None` when that is nothing.
pub(super) fn unenforced(settings: &Settings) -> Option<String> {
    let is_filled = |config: &Option<Value>, keys: &[&str]| {
        let config = config.as_ref();
        keys.iter().any(|key| {
            let value = config.and_then(|config| config.get(key));
            value.is_some_and(|value| match value {
                Value::Array(items) => !items.is_empty(),
                Value::Object(fields) => !fields.is_empty(),
                _ => false,
            })
        })
    };
    let parts = [
        (is_filled(&settings.mount_config, &["mounts"]), "mounts"),
        (is_filled(&settings.proxy_config, &["rules", "access_control", "callbacks"]), "proxy_config"),
        (settings.access_delegation.is_some(), "access_delegation"),
        (settings.preserves_memory, "preserve_memory_on_stop"),
    ];
    let words: Vec<_> = parts.into_iter().filter_map(|(is_set, word)| is_set.then_some(word)).collect();
    (!words.is_empty()).then(|| format!("accepted and not enforced by this server: {}", words.join(", ")))
}

/// Returns what the commands of a sandbox find in their environment, the weakest first (contract section 5.1 of the second
/// generation).
pub(super) fn environment(settings: &Settings) -> BTreeMap<String, String> {
    let mut environment = settings.run_config.env_vars.clone();
    let rules = settings.proxy_config.as_ref().and_then(|config| config.get("rules")).and_then(Value::as_array);
    for rule in rules.into_iter().flatten().filter(|rule| rule.get("enabled") != Some(&Value::Bool(false))) {
        let env_vars = rule.get("env_vars").and_then(Value::as_object);
        let texts = env_vars.into_iter().flatten().filter_map(|(name, value)| Some((name, value.as_str()?)));
        environment.extend(texts.map(|(name, value)| (name.clone(), value.to_owned())));
    }
    environment.extend(settings.env_vars.clone());
    environment
}

/// Returns what a snapshot carries of the size, in the form in which it is asked for.
impl From<CarriedResources> for Size {
    fn from(carried: CarriedResources) -> Self {
        Self { millicores: Some(carried.millicores), memory_bytes: Some(carried.memory_bytes), capacity_bytes: None }
    }
}
