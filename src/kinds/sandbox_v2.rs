//! Sandboxes of the second generation: made from snapshots, stopped when idle, and resized as they are.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use super::field::{Absent, Change, Field, Shape};
use super::kind::{CreateOptions, Health, Kind, KindInfo, Lookup, Naming, Projection, Unreadable, VerbCx};
use super::mark::Mark;
use super::quota::{Quota, cpu_of, size_of};
use super::run_config::{self, RunConfigSpec};
use super::value::{Reference, Value, given};
use super::version::ApiVersion;
use super::{SNAPSHOT, read, snapshot};
use crate::client::{Client, CreateSandboxV2Options, Error, Reader, UpdateSandboxV2Options};
use crate::manifest::{Diagnostics, Fields, Node};
use crate::types::{ByteSize, Cpu, Name, SnapshotId, Timestamp, Ttl};
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
}

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
            rest @ ..,
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
            run_config: RunConfigSpec::from_values(rest)?,
        })
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
            expires_at: expires_at(&sandbox),
            mark,
            build: None,
            extra: extra(&sandbox),
            spec: spec_of(sandbox, snapshot).map_err(|why| Unreadable { why, references }),
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
        place(reader.get_sandbox_v2(name).await?, reader).await
    }

    async fn create(
        cx: VerbCx<'_>,
        name: &Name,
        spec: &SandboxV2Spec,
        options: CreateOptions,
    ) -> Result<Placed, Error> {
        let mut create = CreateSandboxV2Options::default()
            .name(name.clone())
            .timeout(options.ready_timeout.unwrap_or(Self::INFO.ready_timeout))
            .extra(wire::HiddenExtra(options.carry));
        create.cpu.clone_from(&spec.vcpus);
        create.memory.clone_from(&spec.memory);
        create.fs_capacity.clone_from(&spec.fs_capacity);
        create.idle_ttl = spec.idle_ttl;
        create.delete_after_stop = spec.delete_after_stop;
        create.preserve_memory_on_stop = spec.preserve_memory_on_stop;
        create.persistent = spec.persistent;
        create.run_config = spec.run_config.to_wire();
        for (key, value) in spec.labels.iter().flatten() {
            create = create.label(&**key, &**value);
        }
        for (key, value) in cx.mark.iter().flat_map(|mark| mark.labels()) {
            create = create.label(key, value);
        }
        let sandbox =
            cx.client.create_sandbox_v2(Some(&snapshot::reference_to(&spec.snapshot)), create).await?.into_wire();
        place(sandbox, &cx.client.reader()).await
    }

    async fn update(
        cx: VerbCx<'_>,
        name: &Name,
        spec: &SandboxV2Spec,
        changes: &[(&'static str, Value)],
    ) -> Result<(), Error> {
        let mut options = UpdateSandboxV2Options::default();
        for change in changes {
            options = match change {
                ("vcpus", Value::Cpu(cpu)) => options.cpu(cpu.clone()),
                ("mem_bytes", Value::Size(size)) => options.memory(size.clone()),
                ("fs_capacity_bytes", Value::Size(size)) => options.fs_capacity(size.clone()),
                ("idle_ttl_seconds", Value::Ttl(ttl)) => options.idle_ttl(*ttl),
                ("delete_after_stop_seconds", Value::Ttl(ttl)) => options.delete_after_stop(*ttl),
                (path, _) if path.starts_with("run_config.") => match spec.run_config.to_wire() {
                    Some(config) => options.run_config(config),
                    None => options,
                },
                _ => options,
            };
        }
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

/// Finds out what the snapshot of a sandbox is called now.
async fn place(sandbox: wire::SandboxV2, reader: &Reader) -> Result<Placed, Error> {
    let snapshot = match &sandbox.snapshot_id {
        Some(id) => match reader.get_snapshot(id.as_str()).await {
            Ok(snapshot) => snapshot::name_of(&snapshot),
            Err(error) if error.is_not_found() => None,
            Err(error) => return Err(error),
        },
        None => None,
    };
    Ok(Placed { sandbox, snapshot })
}

fn spec_of(sandbox: wire::SandboxV2, snapshot: Option<Arc<str>>) -> Result<SandboxV2Spec, String> {
    let seconds = |seconds: Option<i64>, what: &str| {
        seconds.map(Ttl::from_seconds).transpose().map_err(|error| format!("its {what}: {error}"))
    };
    // A new one in its place would have to have them, and nobody tells what they are.
    if extra(&sandbox).values().any(holds_secrets) {
        return Err("its proxy or its mounts have secrets, which no manifest can declare yet".to_owned());
    }
    let cpu = sandbox.cpu_millicores.or_else(|| Some(sandbox.vcpus?.saturating_mul(1000)));
    let labels = sandbox.labels.into_iter().map(|(key, value)| (key.into(), value.into()));
    Ok(SandboxV2Spec {
        snapshot: snapshot.ok_or("its snapshot is gone")?,
        vcpus: cpu.map(cpu_of),
        memory: sandbox.mem_bytes.map(size_of),
        fs_capacity: sandbox.fs_capacity_bytes.map(size_of),
        idle_ttl: seconds(sandbox.idle_ttl_seconds, "idle TTL")?,
        delete_after_stop: seconds(sandbox.delete_after_stop_seconds, "time from stop to deletion")?,
        labels: Some(labels.collect()),
        preserve_memory_on_stop: sandbox.preserve_memory_on_stop,
        persistent: sandbox.persistent,
        run_config: sandbox.run_config.map(RunConfigSpec::from).unwrap_or_default(),
    })
}

/// Returns when the server deletes it, which it does only to what is stopped.
fn expires_at(sandbox: &wire::SandboxV2) -> Option<Timestamp> {
    let seconds = u64::try_from(sandbox.delete_after_stop_seconds?).ok().filter(|seconds| *seconds > 0)?;
    Some(sandbox.stopped_at?.saturating_add(Duration::from_secs(seconds)))
}

/// Returns what manifests have no words for yet, so that it is carried over like fields that nobody knows.
fn extra(sandbox: &wire::SandboxV2) -> wire::Extra {
    let mut extra = sandbox.extra.clone();
    let mut keep = |name: &str, value: Option<serde_json::Value>| {
        if let Some(value) = value {
            extra.insert(name.to_owned(), value);
        }
    };
    let as_json = |value| serde_json::to_value(value).ok();
    keep("mount_config", sandbox.mount_config.as_ref().and_then(|config| serde_json::to_value(config).ok()));
    keep("proxy_config", sandbox.proxy_config.as_ref().and_then(|config| serde_json::to_value(config).ok()));
    keep("access_delegation", sandbox.access_delegation.as_ref().and_then(as_json));
    extra
}

/// Returns whether there is a value in it that the server has and does not tell.
fn holds_secrets(json: &serde_json::Value) -> bool {
    match json {
        serde_json::Value::Object(fields) => {
            fields.get("is_set") == Some(&serde_json::Value::Bool(true)) || fields.values().any(holds_secrets)
        }
        serde_json::Value::Array(items) => items.iter().any(holds_secrets),
        _ => false,
    }
}
