//! Templates: what sandboxes are made from.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::field::{Absent, Change, Field, Shape};
use super::kind::{CreateOptions, Health, Kind, KindInfo, Lookup, Naming, Projection, Unreadable, VerbCx};
use super::quota::Quota;
use super::value::{Reference, Value};
use super::version::ApiVersion;
use super::{VOLUME, read};
use crate::client::{Client, CreateTemplateOptions, Error, Reader};
use crate::manifest::{Diagnostics, Fields, Node};
use crate::types::{ByteSize, Cpu, Image, Name};
use crate::wire;

/// The kind `Template`.
pub(super) struct TemplateKind;

/// What a manifest declares of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateSpec {
    /// The container image.
    pub image: Image,
    /// What each sandbox gets of the CPU.
    pub cpu: Cpu,
    /// What each sandbox gets of the memory.
    pub memory: ByteSize,
    /// What each sandbox gets of the disk; `None` leaves it to the server.
    pub storage: Option<ByteSize>,
    /// The volumes that each sandbox sees, by the path at which it sees them.
    pub volume_mounts: BTreeMap<Arc<str>, Reference>,
}

impl TemplateSpec {
    /// Returns what one sandbox of this template takes.
    pub(super) fn takes_each(&self) -> Quota {
        Quota {
            sandboxes: 1,
            volumes: 0,
            cpu_millicores: self.cpu.millicores(),
            memory_bytes: self.memory.bytes(),
            storage_bytes: self.storage.as_ref().map_or(0, ByteSize::bytes),
        }
    }
}

impl Kind for TemplateKind {
    type Spec = TemplateSpec;
    type Wire = wire::Template;

    const INFO: KindInfo = KindInfo {
        api_version: ApiVersion::V1,
        kind: "Template",
        singular: "template",
        plural: "templates",
        short: &["tpl", "tpls"],
        naming: Naming::Label,
        doc: "What sandboxes are made from: an image, resources and volumes. Only its name can change in place.",
        holds_data: false,
        asks_if_renamed: false,
        outlives_its_source: false,
        holds_its_source: true,
        is_built: false,
        on_superseded: "on_template_change",
        expires: false,
        recovers: false,
        made_by_programs: false,
        ready_caveat: None,
        ready_timeout: Duration::from_mins(1),
        ready_timeout_limits: (Duration::ZERO, Duration::MAX),
    };

    const FIELDS: &'static [Field] = &[
        Field {
            path: "image",
            shape: Shape::Image,
            change: Change::Replace,
            absent: Absent::Required,
            doc: "The container image. Compared normalised: python is docker.io/library/python:latest.",
            example: "python:3.12-slim",
        },
        Field {
            path: "resources.cpu",
            shape: Shape::Cpu,
            change: Change::Replace,
            absent: Absent::Default(wire::Resources::DEFAULT_CPU),
            doc: "What each sandbox gets of the CPU, in cores: 500m, 0.5 and 0.50 are the same.",
            example: "500m",
        },
        Field {
            path: "resources.memory",
            shape: Shape::Size,
            change: Change::Replace,
            absent: Absent::Default(wire::Resources::DEFAULT_MEMORY),
            doc: "What each sandbox gets of the memory, in bytes: 1Gi and 1024Mi are the same.",
            example: "512Mi",
        },
        Field {
            path: "resources.storage",
            shape: Shape::Size,
            change: Change::Replace,
            absent: Absent::LeaveAlone,
            doc: "The ephemeral disk of each sandbox, in bytes. Left out, it is the server's choice.",
            example: "4Gi",
        },
        Field {
            path: "volume_mounts",
            shape: Shape::Mounts(VOLUME),
            change: Change::Replace,
            absent: Absent::Default("[]"),
            doc: "The volumes that each sandbox sees: a set, keyed by mount path. A path is absolute and not /. A \
                  template with mounts cannot be pooled.",
            example: "[{volume_name: datasets, mount_path: /data}]",
        },
    ];

    fn decode(node: &Node, out: &mut Diagnostics) -> Option<TemplateSpec> {
        let mut fields = Fields::new(node, "`spec`", out)?;
        let image = fields.required("image", out);
        let resources = fields.optional("resources");
        let mounts = fields.optional("volume_mounts");
        fields.finish(out);

        let image = image.and_then(|node| read::image(node, out));
        let resources = resources.map_or_else(|| Some(ResourcesSpec::default()), |node| resources_of(node, out));
        let volume_mounts = mounts.map_or_else(|| Some(BTreeMap::new()), |node| read::mounts(node, out));
        let ResourcesSpec { cpu, memory, storage } = resources?;
        Some(TemplateSpec { image: image?, cpu, memory, storage, volume_mounts: volume_mounts? })
    }

    fn values(spec: &TemplateSpec) -> Vec<Option<Value>> {
        let TemplateSpec { image, cpu, memory, storage, volume_mounts } = spec;
        vec![
            Some(Value::Image(image.clone())),
            Some(Value::Cpu(cpu.clone())),
            Some(Value::Size(memory.clone())),
            storage.clone().map(Value::Size),
            Some(Value::Mounts(volume_mounts.clone())),
        ]
    }

    fn from_values(values: &[Option<Value>]) -> Option<TemplateSpec> {
        let [Some(Value::Image(image)), Some(Value::Cpu(cpu)), Some(Value::Size(memory)), storage, mounts] = values
        else {
            return None;
        };
        let storage = match storage {
            None => None,
            Some(Value::Size(storage)) => Some(storage.clone()),
            Some(_) => return None,
        };
        let Some(Value::Mounts(volume_mounts)) = mounts else { return None };
        Some(TemplateSpec {
            image: image.clone(),
            cpu: cpu.clone(),
            memory: memory.clone(),
            storage,
            volume_mounts: volume_mounts.clone(),
        })
    }

    fn takes(_spec: &TemplateSpec, _others: &dyn Lookup) -> Quota {
        Quota::default()
    }

    fn project(wire: wire::Template) -> Projection<TemplateSpec> {
        Projection {
            id: wire.id.map(Into::into),
            spec: spec_of(&wire.image, &wire.resources, wire.volume_mounts),
            name: wire.name,
            health: Health::Good,
            created_at: wire.created_at,
            expires_at: None,
            mark: None,
            build: None,
            extra: wire.extra,
        }
    }

    async fn list(reader: &Reader) -> Result<Vec<wire::Template>, Error> {
        reader.list_templates().await
    }

    async fn get(reader: &Reader, name: &str) -> Result<wire::Template, Error> {
        reader.get_template(name).await
    }

    async fn create(
        cx: VerbCx<'_>,
        name: &Name,
        spec: &TemplateSpec,
        options: CreateOptions,
    ) -> Result<wire::Template, Error> {
        let mounts = spec.volume_mounts.iter().map(|(path, volume)| wire::VolumeMount {
            volume_name: volume.name.to_string(),
            mount_path: path.to_string(),
        });
        let mut create =
            CreateTemplateOptions::default().cpu(spec.cpu.clone()).memory(spec.memory.clone()).extra(options.carry);
        create.volume_mounts = mounts.collect();
        if let Some(storage) = &spec.storage {
            create = create.storage(storage.clone());
        }
        cx.client.create_template(name, spec.image.as_str(), create).await
    }

    async fn update(
        _cx: VerbCx<'_>,
        _name: &Name,
        _spec: &TemplateSpec,
        _changes: &[(&'static str, Value)],
    ) -> Result<(), Error> {
        // No field of a template changes in place, so a plan never asks for it.
        Ok(())
    }

    async fn rename(client: &Client, name: &Name, new_name: &Name) -> Result<(), Error> {
        client.update_template(name.as_str(), new_name).await.map(drop)
    }

    async fn delete(client: &Client, name: &Name) -> Result<(), Error> {
        client.delete_template(name.as_str()).await
    }
}

/// The `resources` of a manifest.
struct ResourcesSpec {
    cpu: Cpu,
    memory: ByteSize,
    storage: Option<ByteSize>,
}

impl Default for ResourcesSpec {
    fn default() -> Self {
        let defaults = "the default quantities are well-formed";
        Self {
            cpu: wire::Resources::DEFAULT_CPU.parse().expect(defaults),
            memory: wire::Resources::DEFAULT_MEMORY.parse().expect(defaults),
            storage: None,
        }
    }
}

fn resources_of(node: &Node, out: &mut Diagnostics) -> Option<ResourcesSpec> {
    let mut fields = Fields::new(node, "`resources`", out)?;
    let cpu = fields.optional("cpu");
    let memory = fields.optional("memory");
    let storage = fields.optional("storage");
    fields.finish(out);

    let defaults = ResourcesSpec::default();
    let cpu = cpu.map_or(Some(defaults.cpu), |node| read::quantity(node, "an amount of CPU", "500m", out));
    let memory = memory.map_or(Some(defaults.memory), |node| read::quantity(node, "a size", "512Mi", out));
    let storage = storage.map_or(Some(None), |node| read::quantity(node, "a size", "4Gi", out).map(Some));
    Some(ResourcesSpec { cpu: cpu?, memory: memory?, storage: storage? })
}

/// Reads what the server says, where a quantity may be one that this version cannot read.
fn spec_of(
    image: &str,
    resources: &wire::Resources,
    mounts: Vec<wire::VolumeMount>,
) -> Result<TemplateSpec, Unreadable> {
    let mounts = mounts
        .into_iter()
        .map(|mount| (Arc::from(mount.mount_path), Reference { kind: VOLUME, name: Arc::from(mount.volume_name) }));
    let volume_mounts: BTreeMap<_, _> = mounts.collect();
    match quantities_of(resources) {
        Ok(ResourcesSpec { cpu, memory, storage }) => {
            Ok(TemplateSpec { image: Image::new(image), cpu, memory, storage, volume_mounts })
        }
        Err(why) => Err(Unreadable { why, references: volume_mounts.into_values().collect() }),
    }
}

fn quantities_of(resources: &wire::Resources) -> Result<ResourcesSpec, String> {
    let storage = resources.storage.as_deref().filter(|text| !text.is_empty());
    Ok(ResourcesSpec {
        cpu: resources.cpu.parse().map_err(|error| format!("its CPU: {error}"))?,
        memory: resources.memory.parse().map_err(|error| format!("its memory: {error}"))?,
        storage: storage.map(str::parse).transpose().map_err(|error| format!("its storage: {error}"))?,
    })
}
