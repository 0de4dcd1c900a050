//! Snapshots: what sandboxes of the second generation start from, built from an image.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use super::field::{Absent, Change, Field, Shape};
use super::kind::{Build, CreateOptions, Health, Kind, KindInfo, Lookup, Naming, Projection, Unreadable, VerbCx};
use super::mark::Mark;
use super::quota::{Quota, size_of};
use super::reserved::is_provided;
use super::run_config::{self, RunConfigSpec};
use super::value::{Reference, Value, given};
use super::version::ApiVersion;
use super::{REGISTRY, read};
use crate::client::{Client, CreateSnapshotOptions, Error, Reader};
use crate::manifest::{Diagnostics, Fields, Node};
use crate::types::{ByteSize, Image, Name, RegistryId};
use crate::wire::{self, SnapshotStatus};

/// The tag that goes without saying.
pub(super) const LATEST: &str = "latest";

/// The kind `Snapshot`.
pub(super) struct SnapshotKind;

/// What a manifest declares of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotSpec {
    /// The image that it is built from.
    pub docker_image: Image,
    /// The size of its root disk.
    pub fs_capacity: ByteSize,
    /// The registry to pull the image with; `None` leaves it alone.
    pub registry: Option<Arc<str>>,
    /// Labels, which its sandboxes inherit; `None` leaves them alone. Those of the image are added.
    pub labels: Option<BTreeMap<Arc<str>, Arc<str>>>,
    /// A text for people; `None` leaves it alone.
    pub description: Option<Arc<str>>,
    /// How commands run in its sandboxes.
    pub run_config: RunConfigSpec,
}

/// A snapshot under one of its names, with the name of its registry.
pub(super) struct Pointed {
    snapshot: wire::Snapshot,
    /// The tag that points to it; `None` if none does.
    tag: Option<String>,
    registry: Option<Arc<str>>,
}

impl Kind for SnapshotKind {
    type Spec = SnapshotSpec;
    type Wire = Pointed;

    const INFO: KindInfo = KindInfo {
        api_version: ApiVersion::V2,
        kind: "Snapshot",
        singular: "snapshot",
        plural: "snapshots",
        short: &["snap", "snaps"],
        naming: Naming::Published,
        doc: "A disk that sandboxes start from, built from an image and published as NAME:TAG. It never changes: a new one \
              is published under its name.",
        holds_data: false,
        asks_if_renamed: false,
        outlives_its_source: false,
        // Contract S2: its registry is needed to build it, and not after that.
        holds_its_source: false,
        is_built: true,
        on_superseded: "on_image_change",
        expires: false,
        recovers: false,
        made_by_programs: false,
        ready_caveat: None,
        ready_timeout: Duration::from_mins(15),
        ready_timeout_limits: (Duration::from_secs(1), Duration::from_hours(2)),
    };

    const FIELDS: &'static [Field] = &[
        Field {
            path: "docker_image",
            shape: Shape::Image,
            change: Change::Replace,
            absent: Absent::Required,
            doc: "The reference of the image that it is built from.",
            example: "python:3.12-slim",
        },
        Field {
            path: "fs_capacity_bytes",
            shape: Shape::Size,
            change: Change::Replace,
            absent: Absent::Required,
            doc: "The size of the root disk.",
            example: "8Gi",
        },
        Field {
            path: "registry_name",
            shape: Shape::Reference(REGISTRY),
            change: Change::Replace,
            absent: Absent::LeaveAlone,
            doc: "The registry to pull a private image with. Left out, it is left alone.",
            example: "ghcr",
        },
        Field {
            path: "labels",
            shape: Shape::Map,
            change: Change::Replace,
            absent: Absent::LeaveAlone,
            doc: "Labels, over those of the image. Its sandboxes inherit them.",
            example: "{team: research}",
        },
        Field {
            path: "description",
            shape: Shape::Text,
            change: Change::Replace,
            absent: Absent::LeaveAlone,
            doc: "A text for people, of at most 1024 characters. Left out, it is left alone.",
            example: "for the nightly evaluations",
        },
        run_config::user(Change::Replace),
        run_config::work_dir(Change::Replace),
        run_config::env_vars(Change::Replace),
    ];

    fn decode(node: &Node, out: &mut Diagnostics) -> Option<SnapshotSpec> {
        let mut fields = Fields::new(node, "`spec`", out)?;
        let docker_image = fields.required("docker_image", out);
        let fs_capacity = fields.required("fs_capacity_bytes", out);
        let registry = fields.optional("registry_name");
        let labels = fields.optional("labels");
        let description = fields.optional("description");
        let run_config = fields.optional("run_config");
        fields.finish(out);

        let docker_image = docker_image.and_then(|node| read::image(node, out));
        let fs_capacity = fs_capacity.and_then(|node| read::quantity(node, "a size", "8Gi", out));
        let registry = registry.map_or(Some(None), |node| read::reference(REGISTRY, node, out).map(Some));
        let labels = labels.map_or(Some(None), |node| read::labels(node, out).map(Some));
        let description = description.map_or(Some(None), |node| read::text(node, "a description", out).map(Some));
        let run_config =
            run_config.map_or_else(|| Some(RunConfigSpec::default()), |node| run_config::decode(node, out));
        Some(SnapshotSpec {
            docker_image: docker_image?,
            fs_capacity: fs_capacity?,
            registry: registry?,
            labels: labels?,
            description: description?,
            run_config: run_config?,
        })
    }

    fn values(spec: &SnapshotSpec) -> Vec<Option<Value>> {
        let SnapshotSpec { docker_image, fs_capacity, registry, labels, description, run_config } = spec;
        let [user, work_dir, env_vars] = run_config.values();
        vec![
            Some(Value::Image(docker_image.clone())),
            Some(Value::Size(fs_capacity.clone())),
            registry.clone().map(|name| Value::Reference(Reference { kind: REGISTRY, name })),
            labels.clone().map(Value::Map),
            description.clone().map(Value::Text),
            user,
            work_dir,
            env_vars,
        ]
    }

    fn from_values(values: &[Option<Value>]) -> Option<SnapshotSpec> {
        let [
            Some(Value::Image(docker_image)),
            Some(Value::Size(fs_capacity)),
            registry,
            labels,
            description,
            rest @ ..,
        ] = values
        else {
            return None;
        };
        Some(SnapshotSpec {
            docker_image: docker_image.clone(),
            fs_capacity: fs_capacity.clone(),
            registry: match registry {
                None => None,
                Some(Value::Reference(registry)) => Some(Arc::clone(&registry.name)),
                Some(_) => return None,
            },
            labels: given(labels.as_ref(), Value::to_map).ok()?,
            description: given(description.as_ref(), Value::to_text).ok()?,
            run_config: RunConfigSpec::from_values(rest)?,
        })
    }

    fn takes(_spec: &SnapshotSpec, _others: &dyn Lookup) -> Quota {
        // What of the workspace's storage a snapshot takes is not documented.
        Quota::default()
    }

    fn project(wire: Pointed) -> Projection<SnapshotSpec> {
        let Pointed { mut snapshot, tag, registry } = wire;
        let mark = Mark::take(&mut snapshot.labels);
        let name = match (&tag, &snapshot.id) {
            (Some(tag), _) => format!("{}:{tag}", snapshot.name),
            (None, Some(id)) => format!("{}@{id}", snapshot.name),
            (None, None) => snapshot.name.clone(),
        };
        let references = registry.iter().map(|name| Reference { kind: REGISTRY, name: Arc::clone(name) }).collect();
        let health = match snapshot.status {
            SnapshotStatus::Ready => Health::Good,
            SnapshotStatus::Failed => Health::Failed(snapshot.status_message.clone().unwrap_or_default()),
            ref other => Health::Pending(other.to_string()),
        };
        Projection {
            id: snapshot.id.clone().map(Into::into),
            name,
            health,
            created_at: snapshot.created_at,
            expires_at: None,
            mark,
            build: build_of(&snapshot, registry.as_deref()),
            extra: snapshot.extra.clone(),
            spec: spec_of(snapshot, registry).map_err(|why| Unreadable { why, references }),
        }
    }

    async fn list(reader: &Reader) -> Result<Vec<Pointed>, Error> {
        let (snapshots, registries) = futures_util::try_join!(reader.list_snapshots(), registries(reader))?;
        let snapshots = snapshots.into_iter().filter(|snapshot| !is_provided(&snapshot.name));
        let each_name = |snapshot: wire::Snapshot| {
            let registry = snapshot.registry_id.as_ref().and_then(|id| registries.get(id)).cloned();
            let tags: Vec<_> = match snapshot.tags.as_slice() {
                [] => vec![None],
                tags => tags.iter().cloned().map(Some).collect(),
            };
            let pointed = move |tag| Pointed { snapshot: snapshot.clone(), tag, registry: registry.clone() };
            tags.into_iter().map(pointed)
        };
        Ok(snapshots.flat_map(each_name).collect())
    }

    async fn get(reader: &Reader, name: &str) -> Result<Pointed, Error> {
        let tag = (!name.contains('@')).then(|| split(name).1.to_owned());
        let snapshot = reader.get_snapshot(&reference_to(name)).await?;
        let registry = match &snapshot.registry_id {
            Some(id) => registries(reader).await?.get(id).cloned(),
            None => None,
        };
        Ok(Pointed { snapshot, tag, registry })
    }

    /// Publishes it under its name, which then points to it.
    async fn create(
        cx: VerbCx<'_>,
        name: &Name,
        spec: &SnapshotSpec,
        options: CreateOptions,
    ) -> Result<Pointed, Error> {
        let (path, tag) = split(name.as_str());
        let timeout = options.ready_timeout.unwrap_or(Self::INFO.ready_timeout);
        let mut create = CreateSnapshotOptions::default().tag(tag).timeout(timeout);
        if let Some(registry) = &spec.registry {
            create.registry_id = cx.client.get_registry(registry).await?.id;
        }
        for (key, value) in spec.labels.iter().flatten() {
            create = create.label(&**key, &**value);
        }
        for (key, value) in cx.mark.iter().flat_map(|mark| mark.labels()) {
            create = create.label(key, value);
        }
        if let Some(description) = &spec.description {
            create = create.description(&**description);
        }
        create.run_config = spec.run_config.to_wire();
        let snapshot = cx.client.create_snapshot(path, spec.docker_image.as_str(), &spec.fs_capacity, create).await?;
        Ok(Pointed { snapshot, tag: Some(tag.to_owned()), registry: spec.registry.clone() })
    }

    async fn update(
        _cx: VerbCx<'_>,
        _name: &Name,
        _spec: &SnapshotSpec,
        _changes: &[(&'static str, Value)],
    ) -> Result<(), Error> {
        // No field of a snapshot changes in place, so a plan never asks for it.
        Ok(())
    }

    async fn rename(_client: &Client, _name: &Name, _new_name: &Name) -> Result<(), Error> {
        // Names that are published are not changed, so a plan never asks for it.
        Ok(())
    }

    async fn delete(client: &Client, name: &Name) -> Result<(), Error> {
        client.delete_snapshot(&reference_to(name.as_str())).await
    }
}

/// Returns the names of the registries by their ids; of none where the server has no registries.
async fn registries(reader: &Reader) -> Result<HashMap<RegistryId, Arc<str>>, Error> {
    let registries = match reader.list_registries().await {
        Err(error) if error.kind() == crate::client::Kind::WrongGeneration => Vec::new(),
        registries => registries?,
    };
    Ok(registries.into_iter().filter_map(|registry| Some((registry.id?, registry.name.into()))).collect())
}

/// What is named by its digest never moves on.
fn build_of(snapshot: &wire::Snapshot, registry: Option<&str>) -> Option<Build> {
    let image = Image::new(snapshot.docker_image.as_deref()?);
    let source = registry.map_or_else(String::new, |registry| format!("{registry}: "));
    let source = format!("{source}{}", image.normalized());
    let digest = snapshot.image_digest.as_deref().filter(|_| !image.normalized().contains('@'))?;
    Some(Build { source: source.into(), digest: digest.into() })
}

fn spec_of(snapshot: wire::Snapshot, registry: Option<Arc<str>>) -> Result<SnapshotSpec, String> {
    let image = snapshot.docker_image.ok_or("it was captured from a sandbox, and not built from an image")?;
    let labels = snapshot.labels.into_iter().map(|(key, value)| (key.into(), value.into()));
    if let (Some(id), None) = (&snapshot.registry_id, &registry) {
        return Err(format!("its registry, with the id {id}, is not among those that the server lists"));
    }
    Ok(SnapshotSpec {
        docker_image: Image::new(&image),
        fs_capacity: size_of(snapshot.fs_capacity_bytes),
        registry,
        labels: Some(labels.collect()),
        description: snapshot.description.map(Into::into),
        run_config: snapshot.run_config.map(RunConfigSpec::from).unwrap_or_default(),
    })
}

/// Splits a name into its path and its tag.
pub(super) fn split(name: &str) -> (&str, &str) {
    name.split_once(':').unwrap_or((name, LATEST))
}

/// Returns what the API is to find under a name: the tag is always named, since of a path alone the server takes any
/// snapshot where the usual tag is not there, and a displaced one has its id alone.
pub(super) fn reference_to(name: &str) -> String {
    match name.split_once('@') {
        Some((_, id)) => id.to_owned(),
        None => with_tag(name),
    }
}

fn with_tag(name: &str) -> String {
    let (path, tag) = split(name);
    format!("{path}:{tag}")
}

/// Returns what a snapshot is called by whoever refers to it.
pub(super) fn name_of(snapshot: &wire::Snapshot) -> Option<Arc<str>> {
    let tag = snapshot.tags.iter().find(|tag| *tag == LATEST).or_else(|| snapshot.tags.first());
    let text = match tag {
        Some(tag) => format!("{}:{tag}", snapshot.name),
        None => format!("{}@{}", snapshot.name, snapshot.id.as_ref()?),
    };
    Some(Name::published(&text).ok()?.as_str().into())
}
