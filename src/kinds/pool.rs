//! Pools: sandboxes kept warm.

use std::sync::Arc;
use std::time::Duration;

use super::field::{Absent, Change, Field, Shape};
use super::kind::{CreateOptions, Health, Kind, KindInfo, Lookup, Naming, Projection, VerbCx, Violation};
use super::quota::Quota;
use super::template::TemplateSpec;
use super::value::{Reference, Replicas, Value};
use super::version::ApiVersion;
use super::{TEMPLATE, read};
use crate::client::{Client, CreatePoolOptions, Error, Reader, UpdatePoolOptions};
use crate::manifest::{Diagnostics, Fields, Node};
use crate::types::Name;
use crate::wire;

/// The kind `Pool`.
pub(super) struct PoolKind;

/// What a manifest declares of a pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolSpec {
    /// The template that its sandboxes are made from.
    pub template_name: Arc<str>,
    /// How many it keeps warm.
    pub replicas: Replicas,
}

impl Kind for PoolKind {
    type Spec = PoolSpec;
    type Wire = wire::Pool;

    const INFO: KindInfo = KindInfo {
        api_version: ApiVersion::V1,
        kind: "Pool",
        singular: "pool",
        plural: "pools",
        short: &["po"],
        naming: Naming::Label,
        doc: "Sandboxes of one template that are kept warm. A sandbox that is created from the template takes one of \
              them, and the pool refills.",
        holds_data: false,
        asks_if_renamed: false,
        outlives_its_source: false,
        holds_its_source: true,
        is_built: false,
        on_superseded: "on_template_change",
        expires: false,
        recovers: false,
        made_by_programs: false,
        ready_caveat: Some("the API tells only that one replica is ready"),
        ready_timeout: Duration::from_mins(10),
        ready_timeout_limits: (Duration::from_secs(10), Duration::from_mins(10)),
    };

    const FIELDS: &'static [Field] = &[
        Field {
            path: "template_name",
            shape: Shape::Reference(TEMPLATE),
            change: Change::Replace,
            absent: Absent::Required,
            doc: "The template, which must have no volume mounts. It cannot change in place.",
            example: "python",
        },
        Field {
            path: "replicas",
            shape: Shape::Replicas,
            change: Change::InPlace,
            absent: Absent::Required,
            doc: "How many sandboxes to keep warm; 0 pauses the pool. With {min, max}, a number in between is left to \
                  whoever scales it. The server takes at most 100.",
            example: "5",
        },
    ];

    fn decode(node: &Node, out: &mut Diagnostics) -> Option<PoolSpec> {
        let mut fields = Fields::new(node, "`spec`", out)?;
        let template = fields.required("template_name", out);
        let replicas = fields.required("replicas", out);
        fields.finish(out);

        let template = template.and_then(|node| read::name(node, out));
        let replicas = replicas.and_then(|node| read::replicas(node, out));
        Some(PoolSpec { template_name: template?.as_str().into(), replicas: replicas? })
    }

    fn values(spec: &PoolSpec) -> Vec<Option<Value>> {
        let PoolSpec { template_name, replicas } = spec;
        vec![
            Some(Value::Reference(Reference { kind: TEMPLATE, name: Arc::clone(template_name) })),
            Some(Value::Replicas(*replicas)),
        ]
    }

    fn from_values(values: &[Option<Value>]) -> Option<PoolSpec> {
        match values {
            [Some(Value::Reference(template)), Some(Value::Replicas(replicas))] => {
                Some(PoolSpec { template_name: Arc::clone(&template.name), replicas: *replicas })
            }
            _ => None,
        }
    }

    fn check(spec: &PoolSpec, others: &dyn Lookup) -> Vec<Violation> {
        let template = others.spec(TEMPLATE, &spec.template_name).and_then(|spec| spec.downcast::<TemplateSpec>());
        match template {
            Some(template) if !template.volume_mounts.is_empty() => vec![Violation {
                path: "template_name",
                message: format!("template `{}` has volume mounts, so it cannot be pooled", spec.template_name),
                help: "point the pool at a template without `volume_mounts`".to_owned(),
                other: Some((TEMPLATE, Arc::clone(&spec.template_name), "volume_mounts")),
            }],
            _ => Vec::new(),
        }
    }

    fn takes(spec: &PoolSpec, others: &dyn Lookup) -> Quota {
        takes_each(spec, others) * spec.replicas.min
    }

    fn takes_to_make(spec: &PoolSpec, others: &dyn Lookup) -> Quota {
        takes_each(spec, others) * first_replicas(spec)
    }

    fn project(wire: wire::Pool) -> Projection<PoolSpec> {
        Projection {
            id: wire.id.map(Into::into),
            spec: Ok(PoolSpec { template_name: wire.template_name.into(), replicas: Replicas::exactly(wire.replicas) }),
            name: wire.name,
            health: Health::Good,
            created_at: wire.created_at,
            expires_at: None,
            mark: None,
            build: None,
            extra: wire.extra,
        }
    }

    async fn list(reader: &Reader) -> Result<Vec<wire::Pool>, Error> {
        reader.list_pools().await
    }

    async fn get(reader: &Reader, name: &str) -> Result<wire::Pool, Error> {
        reader.get_pool(name).await
    }

    async fn create(cx: VerbCx<'_>, name: &Name, spec: &PoolSpec, options: CreateOptions) -> Result<wire::Pool, Error> {
        let timeout = options.ready_timeout.unwrap_or(Self::INFO.ready_timeout);
        let create = CreatePoolOptions::default().timeout(timeout).extra(options.carry);
        let pool = cx.client.create_pool(name, &spec.template_name, first_replicas(spec), create).await?;
        if spec.replicas.min == 0 {
            return cx.client.update_pool(name.as_str(), UpdatePoolOptions::default().replicas(0)).await;
        }
        Ok(pool)
    }

    async fn update(
        cx: VerbCx<'_>,
        name: &Name,
        _spec: &PoolSpec,
        changes: &[(&'static str, Value)],
    ) -> Result<(), Error> {
        let mut options = UpdatePoolOptions::default();
        for change in changes {
            if let ("replicas", Value::Replicas(replicas)) = change {
                options = options.replicas(replicas.min);
            }
        }
        cx.client.update_pool(name.as_str(), options).await.map(drop)
    }

    async fn rename(client: &Client, name: &Name, new_name: &Name) -> Result<(), Error> {
        client.update_pool(name.as_str(), UpdatePoolOptions::default().new_name(new_name.clone())).await.map(drop)
    }

    async fn delete(client: &Client, name: &Name) -> Result<(), Error> {
        client.delete_pool(name.as_str()).await
    }
}

/// The API creates no pool without replicas (contract section 2.8): one is made, and then paused.
fn first_replicas(spec: &PoolSpec) -> u32 {
    spec.replicas.min.max(1)
}

/// Returns what each replica takes of the quota.
fn takes_each(spec: &PoolSpec, others: &dyn Lookup) -> Quota {
    let template = others.spec(TEMPLATE, &spec.template_name).and_then(|spec| spec.downcast::<TemplateSpec>());
    template.map_or_else(Quota::default, TemplateSpec::takes_each)
}
