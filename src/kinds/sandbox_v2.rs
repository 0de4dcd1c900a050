//! Sandboxes of the second generation: made from snapshots, stopped when idle, and resized as they are.

mod forms;
mod reading;
mod requests;
mod rules;
mod size;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use super::field::{Absent, Change, Field, Shape};
use super::kind::{CreateOptions, Health, Kind, KindInfo, Lookup, Naming, Projection, Unreadable, VerbCx, Violation};
use super::mark::Mark;
use super::nested::Nested;
use super::quota::Quota;
use super::run_config::{self, RunConfigSpec};
use super::value::{Reference, Value, given};
use super::version::ApiVersion;
use super::{SNAPSHOT, read, snapshot};
use crate::client::{Client, Error, Reader, UpdateSandboxV2Options};
use crate::manifest::{Diagnostics, Fields, Node};
use crate::types::{ByteSize, Cpu, Name, SnapshotId, Ttl};
use crate::wire::{self, SandboxStatus};

/// The kind `Sandbox` of the second generation.
pub(super) struct SandboxV2Kind;

/// What a manifest declares of a sandbox of the second generation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SandboxV2Spec {
    /// The snapshot that it is made from.
    pub snapshot: Arc<str>,
    /// CPU; `None` leaves it alone, and so it is for all that follows.
    pub vcpus: Option<Cpu>,
    /// Memory.
    pub memory: Option<ByteSize>,
    /// The size of its root disk.
    pub fs_capacity: Option<ByteSize>,
    /// The idle time after which it is stopped.
    pub idle_ttl: Option<Ttl>,
    /// The time from its stop to its deletion.
    pub delete_after_stop: Option<Ttl>,
    /// Labels, over those of the snapshot.
    pub labels: Option<BTreeMap<Arc<str>, Arc<str>>>,
    /// Whether memory is kept when somebody stops it.
    pub preserve_memory_on_stop: Option<bool>,
    /// Whether its disk outlives a stop.
    pub persistent: Option<bool>,
    /// How commands run in it.
    pub run_config: RunConfigSpec,
    /// What stands between it and the network.
    pub proxy_config: Option<Nested>,
    /// A number that is raised when the secrets of the proxy are others.
    pub secret_version: Option<u64>,
    /// What it mounts.
    pub mount_config: Option<Nested>,
    /// The environment that it is created with.
    pub env_vars: Option<Nested>,
    /// What code in it may do at the API.
    pub access_delegation: Option<Nested>,
    /// The volumes that it has.
    pub volumes: Option<Nested>,
}

const PROXY_CONFIG: &str = "proxy_config";
const SECRET_VERSION: &str = "secret_version";
const MOUNT_CONFIG: &str = "mount_config";
const ACCESS_DELEGATION: &str = "access_delegation";
const VOLUMES: &str = "volumes";

/// A sandbox with what its snapshot is called.
pub(super) struct Placed {
    sandbox: wire::SandboxV2,
    snapshot: Option<Arc<str>>,
}

impl Kind for SandboxV2Kind {
    type Spec = SandboxV2Spec;
    type Wire = Placed;

    const INFO: KindInfo = KindInfo {
        api_version: ApiVersion::V2,
        kind: "Sandbox",
        singular: "sandbox",
        plural: "sandboxes",
        short: &["sb", "box", "boxes"],
        naming: Naming::Label,
        doc: "A sandbox that should always be there, made from a snapshot. It may be stopped; that is no difference. \
              Sandboxes that programs create for themselves need no manifest.",
        holds_data: true,
        asks_if_renamed: false,
        outlives_its_source: true,
        holds_its_source: true,
        is_built: false,
        on_superseded: "on_snapshot_change",
        expires: true,
        recovers: true,
        made_by_programs: true,
        ready_caveat: None,
        ready_timeout: Duration::from_mins(5),
        ready_timeout_limits: (Duration::from_secs(1), Duration::from_mins(10)),
    };

    const FIELDS: &'static [Field] = &[
        Field {
            path: "snapshot",
            shape: Shape::Reference(SNAPSHOT),
            change: Change::Replace,
            absent: Absent::Required,
            doc: "The snapshot, as NAME or NAME:TAG; one of the service's own, such as system/default, needs no manifest. \
                  It is resolved once: a sandbox whose snapshot is published anew is kept and reported, unless \
                  lifecycle.on_snapshot_change is replace, which loses its disk.",
            example: "python",
        },
        Field {
            path: "vcpus",
            shape: Shape::Cpu,
            change: Change::InPlace,
            absent: Absent::LeaveAlone,
            doc: "CPU. While it runs, a change takes effect at its next start. Left out, it is left alone.",
            example: "2",
        },
        Field {
            path: "mem_bytes",
            shape: Shape::Size,
            change: Change::InPlace,
            absent: Absent::LeaveAlone,
            doc: "Memory: the server derives it from the CPU, 4 GiB for each, when it is left out.",
            example: "8Gi",
        },
        Field {
            path: "fs_capacity_bytes",
            shape: Shape::Size,
            change: Change::GrowOnly,
            absent: Absent::LeaveAlone,
            doc: "The size of the root disk, at least the snapshot's. Left out, it is left alone.",
            example: "16Gi",
        },
        Field {
            path: "idle_ttl_seconds",
            shape: Shape::Ttl,
            change: Change::InPlace,
            absent: Absent::LeaveAlone,
            doc: "Seconds from the last activity until the server stops it, a multiple of 60; 0 never does. Left out, it is \
                  left alone.",
            example: "600",
        },
        Field {
            path: "delete_after_stop_seconds",
            shape: Shape::Ttl,
            change: Change::InPlace,
            absent: Absent::LeaveAlone,
            doc: "Seconds from its stop until the server deletes it with its disk, a multiple of 60; 0 never does. Left out, \
                  it is left alone: servers have a default.",
            example: "0",
        },
        Field {
            path: "labels",
            shape: Shape::Map,
            change: Change::Replace,
            absent: Absent::LeaveAlone,
            doc: "Labels, over those of the snapshot.",
            example: "{team: research}",
        },
        Field {
            path: "preserve_memory_on_stop",
            shape: Shape::Flag,
            change: Change::Replace,
            absent: Absent::LeaveAlone,
            doc: "Whether memory is kept when somebody stops it. Left out, it is left alone.",
            example: "true",
        },
        Field {
            path: "persistent",
            shape: Shape::Flag,
            change: Change::Replace,
            absent: Absent::LeaveAlone,
            doc: "Whether its disk outlives a stop. Left out, it is left alone: servers keep it.",
            example: "true",
        },
        run_config::user(Change::InPlace),
        run_config::work_dir(Change::InPlace),
        run_config::env_vars(Change::InPlace),
        Field {
            path: PROXY_CONFIG,
            shape: Shape::Nested(&forms::PROXY_CONFIG),
            change: Change::InPlace,
            absent: Absent::LeaveAlone,
            doc: "The proxy: which hosts it reaches, and which headers and credentials are added on the way. What is declared \
                  is all there is. A secret is {env: NAME}, {file: PATH}, {workspace_secret: NAME}, or {is_set: true}, which \
                  keeps what is there. Left out, it is left alone.",
            example: "{rules: [{name: github, match_hosts: [api.github.com], headers: [{name: Authorization, value: {env: GITHUB_TOKEN}}]}]}",
        },
        Field {
            path: SECRET_VERSION,
            shape: Shape::Number,
            change: Change::WriteOnly,
            absent: Absent::LeaveAlone,
            doc: "A number of your own: raise it when a secret of proxy_config is another one, and all are sent again.",
            example: "1",
        },
        Field {
            path: MOUNT_CONFIG,
            shape: Shape::Nested(&forms::MOUNT_CONFIG),
            change: Change::Replace,
            absent: Absent::LeaveAlone,
            doc: "What it mounts from buckets and repositories, with the credentials for that. Left out, it is left alone.",
            example: "{mounts: [{id: docs, type: git, mount_path: /docs, git: {remote_url: 'https://example.com/docs.git'}}]}",
        },
        Field {
            path: "env_vars",
            shape: Shape::Nested(&forms::ENV_VARS),
            change: Change::WriteOnce,
            absent: Absent::LeaveAlone,
            doc: "The environment that it is created with: texts, or secrets by {env: NAME} or {file: PATH}. Servers never \
                  give it back.",
            example: "{MODEL: small, TOKEN: {env: SANDBOX_TOKEN}}",
        },
        Field {
            path: ACCESS_DELEGATION,
            shape: Shape::Nested(&forms::ACCESS_DELEGATION),
            change: Change::Replace,
            absent: Absent::LeaveAlone,
            doc: "What code in it may do at the API, at most. Left out, it is left alone.",
            example: "{mode: EXPLICIT, permissions: ['datasets:read']}",
        },
        Field {
            path: VOLUMES,
            shape: Shape::Nested(&forms::VOLUMES),
            change: Change::Replace,
            absent: Absent::LeaveAlone,
            doc: "Volumes of the workspace, at most 4, each by its name; a beta of the service. Left out, they are left alone.",
            example: "[{volume: data, mount_path: /data}]",
        },
    ];

    fn decode(node: &Node, out: &mut Diagnostics) -> Option<SandboxV2Spec> {
        let mut fields = Fields::new(node, "`spec`", out)?;
        let snapshot = fields.required("snapshot", out);
        let vcpus = fields.optional("vcpus");
        let (memory, fs_capacity) = (fields.optional("mem_bytes"), fields.optional("fs_capacity_bytes"));
        let idle_ttl = fields.optional("idle_ttl_seconds");
        let delete_after_stop = fields.optional("delete_after_stop_seconds");
        let labels = fields.optional("labels");
        let preserve = fields.optional("preserve_memory_on_stop");
        let persistent = fields.optional("persistent");
        let run_config = fields.optional("run_config");
        let (proxy, mounts) = (fields.optional(PROXY_CONFIG), fields.optional(MOUNT_CONFIG));
        let secret_version = fields.optional(SECRET_VERSION);
        let env_vars = fields.optional("env_vars");
        let (delegation, volumes) = (fields.optional(ACCESS_DELEGATION), fields.optional(VOLUMES));
        fields.finish(out);

        let snapshot = snapshot.and_then(|node| read::reference(SNAPSHOT, node, out));
        let vcpus = vcpus.map_or(Some(None), |node| read::quantity(node, "an amount of CPU", "500m", out).map(Some));
        let memory = memory.map_or(Some(None), |node| read::quantity(node, "a size", "8Gi", out).map(Some));
        let fs_capacity = fs_capacity.map_or(Some(None), |node| read::quantity(node, "a size", "16Gi", out).map(Some));
        let idle_ttl = idle_ttl.map_or(Some(None), |node| read::ttl(node, out).map(Some));
        let delete_after_stop = delete_after_stop.map_or(Some(None), |node| read::ttl(node, out).map(Some));
        let labels = labels.map_or(Some(None), |node| read::labels(node, out).map(Some));
        let preserve = preserve.map_or(Some(None), |node| node.boolean("`preserve_memory_on_stop`", out).map(Some));
        let persistent = persistent.map_or(Some(None), |node| node.boolean("`persistent`", out).map(Some));
        let run_config =
            run_config.map_or_else(|| Some(RunConfigSpec::default()), |node| run_config::decode(node, out));
        let proxy =
            proxy.map_or(Some(None), |node| Nested::decode(&forms::PROXY_CONFIG, PROXY_CONFIG, node, out).map(Some));
        let secret_version = secret_version.map_or(Some(None), |node| read::number(node, "a version", out).map(Some));
        let mounts =
            mounts.map_or(Some(None), |node| Nested::decode(&forms::MOUNT_CONFIG, MOUNT_CONFIG, node, out).map(Some));
        let env_vars =
            env_vars.map_or(Some(None), |node| Nested::decode(&forms::ENV_VARS, "env_vars", node, out).map(Some));
        let delegation = delegation.map_or(Some(None), |node| {
            Nested::decode(&forms::ACCESS_DELEGATION, ACCESS_DELEGATION, node, out).map(Some)
        });
        let volumes = volumes.map_or(Some(None), |node| Nested::decode(&forms::VOLUMES, VOLUMES, node, out).map(Some));
        let given = |value: &'_ Option<Option<Nested>>| value.clone().flatten();
        let (given_mounts, given_proxy, given_volumes) = (given(&mounts), given(&proxy), given(&volumes));
        let fits = rules::check(node, given_mounts.as_ref(), given_proxy.as_ref(), given_volumes.as_ref(), out);
        fits.then_some(())?;
        Some(SandboxV2Spec {
            snapshot: snapshot?,
            vcpus: vcpus?,
            memory: memory?,
            fs_capacity: fs_capacity?,
            idle_ttl: idle_ttl?,
            delete_after_stop: delete_after_stop?,
            labels: labels?,
            preserve_memory_on_stop: preserve?,
            persistent: persistent?,
            run_config: run_config?,
            proxy_config: proxy?,
            secret_version: secret_version?,
            mount_config: mounts?,
            env_vars: env_vars?,
            access_delegation: delegation?,
            volumes: volumes?,
        })
    }

    fn values(spec: &SandboxV2Spec) -> Vec<Option<Value>> {
        let SandboxV2Spec {
            snapshot,
            vcpus,
            memory,
            fs_capacity,
            idle_ttl,
            delete_after_stop,
            labels,
            preserve_memory_on_stop,
            persistent,
            run_config,
            proxy_config,
            secret_version,
            mount_config,
            env_vars: environment,
            access_delegation,
            volumes,
        } = spec;
        let [user, work_dir, env_vars] = run_config.values();
        vec![
            Some(Value::Reference(Reference { kind: SNAPSHOT, name: Arc::clone(snapshot) })),
            vcpus.clone().map(Value::Cpu),
            memory.clone().map(Value::Size),
            fs_capacity.clone().map(Value::Size),
            idle_ttl.map(Value::Ttl),
            delete_after_stop.map(Value::Ttl),
            labels.clone().map(Value::Map),
            preserve_memory_on_stop.map(Value::Flag),
            persistent.map(Value::Flag),
            user,
            work_dir,
            env_vars,
            proxy_config.clone().map(Value::Nested),
            secret_version.map(Value::Number),
            mount_config.clone().map(Value::Nested),
            environment.clone().map(Value::Nested),
            access_delegation.clone().map(Value::Nested),
            volumes.clone().map(Value::Nested),
        ]
    }

    fn from_values(values: &[Option<Value>]) -> Option<SandboxV2Spec> {
        let [
            Some(Value::Reference(snapshot)),
            vcpus,
            memory,
            fs_capacity,
            idle_ttl,
            delete_after_stop,
            labels,
            preserve,
            persistent,
            user,
            work_dir,
            variables,
            proxy_config,
            secret_version,
            mount_config,
            env_vars,
            access_delegation,
            volumes,
        ] = values
        else {
            return None;
        };
        Some(SandboxV2Spec {
            snapshot: Arc::clone(&snapshot.name),
            vcpus: match vcpus {
                None => None,
                Some(Value::Cpu(cpu)) => Some(cpu.clone()),
                Some(_) => return None,
            },
            memory: given(memory.as_ref(), Value::to_size).ok()?,
            fs_capacity: given(fs_capacity.as_ref(), Value::to_size).ok()?,
            idle_ttl: given(idle_ttl.as_ref(), Value::to_ttl).ok()?,
            delete_after_stop: given(delete_after_stop.as_ref(), Value::to_ttl).ok()?,
            labels: given(labels.as_ref(), Value::to_map).ok()?,
            preserve_memory_on_stop: given(preserve.as_ref(), Value::to_flag).ok()?,
            persistent: given(persistent.as_ref(), Value::to_flag).ok()?,
            run_config: RunConfigSpec::from_values(&[user.clone(), work_dir.clone(), variables.clone()])?,
            proxy_config: given(proxy_config.as_ref(), Value::to_nested).ok()?,
            secret_version: match secret_version {
                None => None,
                Some(Value::Number(number)) => Some(*number),
                Some(_) => return None,
            },
            mount_config: given(mount_config.as_ref(), Value::to_nested).ok()?,
            env_vars: given(env_vars.as_ref(), Value::to_nested).ok()?,
            access_delegation: given(access_delegation.as_ref(), Value::to_nested).ok()?,
            volumes: given(volumes.as_ref(), Value::to_nested).ok()?,
        })
    }

    fn sends(path: &'static str, changed: &[&'static str]) -> bool {
        changed.contains(&path) || (path == PROXY_CONFIG && changed.contains(&SECRET_VERSION))
    }

    fn check_create(spec: &SandboxV2Spec, others: &dyn Lookup) -> Vec<Violation> {
        size::check(spec, others)
    }

    fn renewed(declared: &SandboxV2Spec, settled: SandboxV2Spec, others: &dyn Lookup) -> SandboxV2Spec {
        size::renewed(declared, settled, others)
    }

    /// Being idle only stops it, from where on servers count, by a default of their own if need be.
    fn ends(spec: &SandboxV2Spec) -> bool {
        spec.delete_after_stop.or(spec.idle_ttl).is_some_and(|ttl| ttl != Ttl::DISABLED)
    }

    fn takes(spec: &SandboxV2Spec, _others: &dyn Lookup) -> Quota {
        Quota {
            sandboxes: 1,
            cpu_millicores: spec.vcpus.as_ref().map_or(0, Cpu::millicores),
            memory_bytes: spec.memory.as_ref().map_or(0, ByteSize::bytes),
            storage_bytes: spec.fs_capacity.as_ref().map_or(0, ByteSize::bytes),
            ..Quota::default()
        }
    }

    fn project(wire: Placed) -> Projection<SandboxV2Spec> {
        let Placed { mut sandbox, snapshot } = wire;
        let mark = Mark::take(&mut sandbox.labels);
        let references = snapshot.iter().map(|name| Reference { kind: SNAPSHOT, name: Arc::clone(name) }).collect();
        let message = sandbox.status_message.clone().unwrap_or_default();
        Projection {
            id: sandbox.id.clone().map(Into::into),
            name: sandbox.name.clone(),
            health: match &sandbox.status {
                SandboxStatus::Ready => Health::Good,
                SandboxStatus::Stopped => Health::Stopped,
                SandboxStatus::Failed => Health::Failed(message),
                other => Health::Pending(other.to_string()),
            },
            created_at: sandbox.created_at,
            expires_at: reading::expires_at(&sandbox),
            mark,
            build: None,
            extra: reading::extra(&sandbox),
            spec: reading::spec_of(sandbox, snapshot).map_err(|why| Unreadable { why, references }),
        }
    }

    async fn list(reader: &Reader) -> Result<Vec<Placed>, Error> {
        let (sandboxes, snapshots) = futures_util::try_join!(reader.list_sandboxes_v2(), reader.list_snapshots())?;
        let names: HashMap<SnapshotId, Arc<str>> = snapshots
            .into_iter()
            .filter_map(|snapshot| Some((snapshot.id.clone()?, snapshot::name_of(&snapshot)?)))
            .collect();
        let placed = |sandbox: wire::SandboxV2| {
            let snapshot = sandbox.snapshot_id.as_ref().and_then(|id| names.get(id)).cloned();
            Placed { sandbox, snapshot }
        };
        Ok(sandboxes.into_iter().map(placed).collect())
    }

    async fn get(reader: &Reader, name: &str) -> Result<Placed, Error> {
        reading::place(reader.get_sandbox_v2(name).await?, reader).await
    }

    async fn create(
        cx: VerbCx<'_>,
        name: &Name,
        spec: &SandboxV2Spec,
        options: CreateOptions,
    ) -> Result<Placed, Error> {
        let create = requests::to_create(name, spec, options, cx);
        let sandbox =
            cx.client.create_sandbox_v2(Some(&snapshot::reference_to(&spec.snapshot)), create).await?.into_wire();
        reading::place(sandbox, &cx.client.reader()).await
    }

    async fn update(
        cx: VerbCx<'_>,
        name: &Name,
        spec: &SandboxV2Spec,
        changes: &[(&'static str, Value)],
    ) -> Result<(), Error> {
        let options = requests::to_update(name, spec, changes, cx).await?;
        cx.client.update_sandbox_v2(name.as_str(), options).await.map(drop)
    }

    async fn rename(client: &Client, name: &Name, new_name: &Name) -> Result<(), Error> {
        let options = UpdateSandboxV2Options::default().new_name(new_name.clone());
        client.update_sandbox_v2(name.as_str(), options).await.map(drop)
    }

    async fn delete(client: &Client, name: &Name) -> Result<(), Error> {
        client.delete_sandbox_v2(name.as_str()).await
    }
}
