//! Volumes: storage that outlives sandboxes.

use std::time::Duration;

use super::field::{Absent, Change, Field, Shape};
use super::kind::{CreateOptions, Health, Kind, KindInfo, Lookup, Naming, Projection, Unreadable, VerbCx};
use super::quota::Quota;
use super::read;
use super::value::Value;
use super::version::ApiVersion;
use crate::client::{Client, CreateVolumeOptions, Error, Reader, UpdateVolumeOptions};
use crate::manifest::{Diagnostics, Fields, Node};
use crate::types::{ByteSize, Name};
use crate::wire;

/// The kind `Volume`.
pub(super) struct VolumeKind;

/// What a manifest declares of a volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeSpec {
    /// Its size, which can only grow.
    pub size: ByteSize,
}

impl Kind for VolumeKind {
    type Spec = VolumeSpec;
    type Wire = wire::Volume;

    const INFO: KindInfo = KindInfo {
        api_version: ApiVersion::V1,
        kind: "Volume",
        singular: "volume",
        plural: "volumes",
        short: &["vol", "vols"],
        naming: Naming::Label,
        doc: "Storage that outlives the sandboxes that mount it. A template mounts it at a path.",
        holds_data: true,
        asks_if_renamed: true,
        outlives_its_source: false,
        holds_its_source: true,
        is_built: false,
        on_superseded: "on_template_change",
        expires: false,
        recovers: false,
        made_by_programs: false,
        ready_caveat: None,
        ready_timeout: Duration::from_mins(5),
        ready_timeout_limits: (Duration::from_secs(5), Duration::from_mins(5)),
    };

    const FIELDS: &'static [Field] = &[Field {
        path: "size",
        shape: Shape::Size,
        change: Change::GrowOnly,
        absent: Absent::Required,
        doc: "The size, a quantity of bytes such as 20Gi. It can grow in place and never shrinks.",
        example: "20Gi",
    }];

    fn decode(node: &Node, out: &mut Diagnostics) -> Option<VolumeSpec> {
        let mut fields = Fields::new(node, "`spec`", out)?;
        let size = fields.required("size", out);
        fields.finish(out);
        Some(VolumeSpec { size: read::quantity(size?, "a size", "20Gi", out)? })
    }

    fn values(spec: &VolumeSpec) -> Vec<Option<Value>> {
        let VolumeSpec { size } = spec;
        vec![Some(Value::Size(size.clone()))]
    }

    fn from_values(values: &[Option<Value>]) -> Option<VolumeSpec> {
        match values {
            [Some(Value::Size(size))] => Some(VolumeSpec { size: size.clone() }),
            _ => None,
        }
    }

    fn takes(spec: &VolumeSpec, _others: &dyn Lookup) -> Quota {
        Quota { volumes: 1, storage_bytes: spec.size.bytes(), ..Quota::default() }
    }

    fn project(wire: wire::Volume) -> Projection<VolumeSpec> {
        Projection {
            id: wire.id.map(Into::into),
            spec: wire
                .size
                .parse()
                .map(|size| VolumeSpec { size })
                .map_err(|error| Unreadable { why: format!("its size: {error}"), references: Vec::new() }),
            name: wire.name,
            health: Health::Good,
            created_at: wire.created_at,
            expires_at: None,
            mark: None,
            build: None,
            extra: wire.extra,
        }
    }

    async fn list(reader: &Reader) -> Result<Vec<wire::Volume>, Error> {
        reader.list_volumes().await
    }

    async fn get(reader: &Reader, name: &str) -> Result<wire::Volume, Error> {
        reader.get_volume(name).await
    }

    async fn create(
        cx: VerbCx<'_>,
        name: &Name,
        spec: &VolumeSpec,
        options: CreateOptions,
    ) -> Result<wire::Volume, Error> {
        let timeout = options.ready_timeout.unwrap_or(Self::INFO.ready_timeout);
        cx.client.create_volume(name, &spec.size, CreateVolumeOptions::default().timeout(timeout)).await
    }

    async fn update(
        cx: VerbCx<'_>,
        name: &Name,
        _spec: &VolumeSpec,
        changes: &[(&'static str, Value)],
    ) -> Result<(), Error> {
        let mut options = UpdateVolumeOptions::default();
        for change in changes {
            if let ("size", Value::Size(size)) = change {
                options = options.size(size.clone());
            }
        }
        cx.client.update_volume(name.as_str(), options).await.map(drop)
    }

    async fn rename(client: &Client, name: &Name, new_name: &Name) -> Result<(), Error> {
        client.update_volume(name.as_str(), UpdateVolumeOptions::default().new_name(new_name.clone())).await.map(drop)
    }

    async fn delete(client: &Client, name: &Name) -> Result<(), Error> {
        client.delete_volume(name.as_str()).await
    }
}
