//! Sandboxes: the long-lived ones, which a manifest declares.

use std::sync::Arc;
use std::time::Duration;

use super::field::{Absent, Change, Field, Shape};
use super::kind::{CreateOptions, Health, Kind, KindInfo, Lookup, Naming, Projection, Unreadable, VerbCx};
use super::quota::Quota;
use super::template::TemplateSpec;
use super::value::{Reference, Value};
use super::version::ApiVersion;
use super::{TEMPLATE, read};
use crate::client::{Client, CreateSandboxOptions, Error, Reader, UpdateSandboxOptions};
use crate::manifest::{Diagnostics, Fields, Node};
use crate::types::{Name, Ttl};
use crate::wire::{self, SandboxStatus};

/// The kind `Sandbox`.
pub(super) struct SandboxKind;

/// What a manifest declares of a sandbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SandboxSpec {
    /// The template that it is made from.
    pub template_name: Arc<str>,
    /// From its creation to its deletion; `None` leaves it alone.
    pub ttl: Option<Ttl>,
    /// From its last activity to its deletion; `None` leaves it alone.
    pub idle_ttl: Option<Ttl>,
}

impl Kind for SandboxKind {
    type Spec = SandboxSpec;
    type Wire = wire::Sandbox;

    const INFO: KindInfo = KindInfo {
        api_version: ApiVersion::V1,
        kind: "Sandbox",
        singular: "sandbox",
        plural: "sandboxes",
        short: &["sb", "box", "boxes"],
        naming: Naming::Label,
        doc: "A sandbox that should always be there. Sandboxes that programs create for themselves need no manifest.",
        holds_data: true,
        asks_if_renamed: false,
        outlives_its_source: true,
        holds_its_source: true,
        is_built: false,
        on_superseded: "on_template_change",
        expires: true,
        recovers: false,
        made_by_programs: true,
        ready_caveat: None,
        ready_timeout: Duration::from_mins(5),
        ready_timeout_limits: (Duration::from_secs(1), Duration::from_mins(10)),
    };

    const FIELDS: &'static [Field] = &[
        Field {
            path: "template_name",
            shape: Shape::Reference(TEMPLATE),
            change: Change::Replace,
            absent: Absent::Required,
            doc: "The template. It cannot change in place: a sandbox on another template, or on a superseded one, is \
                  kept and reported, unless lifecycle.on_template_change is replace.",
            example: "python",
        },
        Field {
            path: "ttl_seconds",
            shape: Shape::Ttl,
            change: Change::InPlace,
            absent: Absent::LeaveAlone,
            doc: "Seconds from creation until the server deletes it, a multiple of 60; 0 disables the limit. Left \
                  out, it is left alone.",
            example: "86400",
        },
        Field {
            path: "idle_ttl_seconds",
            shape: Shape::Ttl,
            change: Change::InPlace,
            absent: Absent::LeaveAlone,
            doc: "Seconds from the last activity until the server deletes it, a multiple of 60; 0 disables the \
                  limit. Left out, it is left alone.",
            example: "3600",
        },
    ];

    fn decode(node: &Node, out: &mut Diagnostics) -> Option<SandboxSpec> {
        let mut fields = Fields::new(node, "`spec`", out)?;
        let template = fields.required("template_name", out);
        let ttl = fields.optional("ttl_seconds");
        let idle_ttl = fields.optional("idle_ttl_seconds");
        fields.finish(out);

        let template = template.and_then(|node| read::name(node, out));
        let ttl = ttl.map_or(Some(None), |node| read::ttl(node, out).map(Some));
        let idle_ttl = idle_ttl.map_or(Some(None), |node| read::ttl(node, out).map(Some));
        Some(SandboxSpec { template_name: template?.as_str().into(), ttl: ttl?, idle_ttl: idle_ttl? })
    }

    fn values(spec: &SandboxSpec) -> Vec<Option<Value>> {
        let SandboxSpec { template_name, ttl, idle_ttl } = spec;
        vec![
            Some(Value::Reference(Reference { kind: TEMPLATE, name: Arc::clone(template_name) })),
            ttl.map(Value::Ttl),
            idle_ttl.map(Value::Ttl),
        ]
    }

    fn from_values(values: &[Option<Value>]) -> Option<SandboxSpec> {
        let [Some(Value::Reference(template)), ttl, idle_ttl] = values else { return None };
        let ttl_of = |value: &Option<Value>| match value {
            None => Some(None),
            Some(Value::Ttl(ttl)) => Some(Some(*ttl)),
            Some(_) => None,
        };
        Some(SandboxSpec { template_name: Arc::clone(&template.name), ttl: ttl_of(ttl)?, idle_ttl: ttl_of(idle_ttl)? })
    }

    fn ends(spec: &SandboxSpec) -> bool {
        [spec.ttl, spec.idle_ttl].into_iter().flatten().any(|ttl| ttl != Ttl::DISABLED)
    }

    fn takes(spec: &SandboxSpec, others: &dyn Lookup) -> Quota {
        let template = others.spec(TEMPLATE, &spec.template_name).and_then(|spec| spec.downcast::<TemplateSpec>());
        template.map_or_else(Quota::default, TemplateSpec::takes_each)
    }

    fn project(wire: wire::Sandbox) -> Projection<SandboxSpec> {
        let message = wire.status_message.unwrap_or_default();
        Projection {
            id: wire.id.map(Into::into),
            spec: spec_of(wire.template_name, wire.ttl_seconds, wire.idle_ttl_seconds),
            name: wire.name,
            health: match wire.status {
                SandboxStatus::Ready => Health::Good,
                SandboxStatus::Failed => Health::Failed(message),
                other => Health::Pending(other.to_string()),
            },
            created_at: wire.created_at,
            expires_at: wire.expires_at,
            mark: None,
            build: None,
            extra: wire.extra,
        }
    }

    async fn list(reader: &Reader) -> Result<Vec<wire::Sandbox>, Error> {
        let mut sandboxes = reader.list_sandboxes().await?;
        // Generations share the collection: one that was made from no template is of the other one.
        sandboxes.retain(|sandbox| !sandbox.template_name.is_empty());
        Ok(sandboxes)
    }

    async fn get(reader: &Reader, name: &str) -> Result<wire::Sandbox, Error> {
        reader.get_sandbox_of_template(name).await
    }

    async fn create(
        cx: VerbCx<'_>,
        name: &Name,
        spec: &SandboxSpec,
        options: CreateOptions,
    ) -> Result<wire::Sandbox, Error> {
        let mut create = CreateSandboxOptions::default()
            .name(name.clone())
            .timeout(options.ready_timeout.unwrap_or(Self::INFO.ready_timeout))
            .extra(options.carry);
        if let Some(ttl) = spec.ttl {
            create = create.ttl(ttl);
        }
        if let Some(idle_ttl) = spec.idle_ttl {
            create = create.idle_ttl(idle_ttl);
        }
        cx.client.create_sandbox(&spec.template_name, create).await.map(crate::client::Sandbox::into_wire)
    }

    async fn update(
        cx: VerbCx<'_>,
        name: &Name,
        _spec: &SandboxSpec,
        changes: &[(&'static str, Value)],
    ) -> Result<(), Error> {
        let mut options = UpdateSandboxOptions::default();
        for change in changes {
            options = match change {
                ("ttl_seconds", Value::Ttl(ttl)) => options.ttl(*ttl),
                ("idle_ttl_seconds", Value::Ttl(ttl)) => options.idle_ttl(*ttl),
                _ => options,
            };
        }
        cx.client.update_sandbox(name.as_str(), options).await.map(drop)
    }

    async fn rename(client: &Client, name: &Name, new_name: &Name) -> Result<(), Error> {
        let options = UpdateSandboxOptions::default().new_name(new_name.clone());
        client.update_sandbox(name.as_str(), options).await.map(drop)
    }

    async fn delete(client: &Client, name: &Name) -> Result<(), Error> {
        client.delete_sandbox(name.as_str()).await
    }
}

fn spec_of(template_name: String, ttl: Option<i64>, idle_ttl: Option<i64>) -> Result<SandboxSpec, Unreadable> {
    let template_name: Arc<str> = template_name.into();
    let read = |seconds: Option<i64>, what: &str| {
        seconds.map(Ttl::from_seconds).transpose().map_err(|error| Unreadable {
            why: format!("its {what}: {error}"),
            references: vec![Reference { kind: TEMPLATE, name: Arc::clone(&template_name) }],
        })
    };
    let (ttl, idle_ttl) = (read(ttl, "TTL")?, read(idle_ttl, "idle TTL")?);
    Ok(SandboxSpec { template_name, ttl, idle_ttl })
}
