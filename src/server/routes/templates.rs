//! `/templates` (contract section 2.4).

use std::collections::HashSet;

use axum::Json;
use axum::extract::State;
use http::StatusCode;

use super::decode::{Decode, Fields};
use super::query::{ListOf, Listing};
use super::{Body, Named};
use crate::server::app::{App, NewMount, NewTemplate};
use crate::server::error::Failure;
use crate::server::store::templates::{Resources, Template};
use crate::types::{ByteSize, Cpu, Name};
use crate::wire;

pub(crate) async fn create(
    State(app): State<App>,
    Body(new): Body<NewTemplate>,
) -> Result<(StatusCode, Json<wire::Template>), Failure> {
    Ok((StatusCode::CREATED, Json(render(app.create_template(new).await?))))
}

pub(crate) async fn list(
    State(app): State<App>,
    ListOf { options, .. }: ListOf<Templates>,
) -> Result<Json<wire::TemplateList>, Failure> {
    let page = app.templates(options).await?;
    let templates = page.items.into_iter().map(render).collect();
    Ok(Json(wire::TemplateList { templates, offset: page.next_offset }))
}

pub(crate) async fn get(State(app): State<App>, Named(name): Named) -> Result<Json<wire::Template>, Failure> {
    Ok(Json(render(app.template(name).await?)))
}

pub(crate) async fn update(
    State(app): State<App>,
    Named(name): Named,
    Body(Rename(new_name)): Body<Rename>,
) -> Result<Json<wire::Template>, Failure> {
    Ok(Json(render(app.update_template(name, new_name).await?)))
}

pub(crate) async fn delete(State(app): State<App>, Named(name): Named) -> Result<StatusCode, Failure> {
    app.delete_template(name).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) async fn batch_delete(
    State(app): State<App>,
    Body(wire::BatchDelete { names }): Body<wire::BatchDelete>,
) -> Result<Json<wire::BatchDeleted>, Failure> {
    let mut outcome = wire::BatchDeleted::default();
    for name in names {
        match app.delete_template(name.clone()).await {
            Ok(()) => outcome.deleted.push(name),
            Err(error) => outcome.skipped.push(Failure::from(error).into_skipped(name)?),
        }
    }
    Ok(Json(outcome))
}

/// The list of templates.
pub(crate) struct Templates;

impl Listing for Templates {
    const SORT_BY: &'static [(&'static str, &'static str)] =
        &[("name", "name"), ("image", "image"), ("created_at", "created_at")];
}

/// The body of an update: only the name of a template can change.
pub(crate) struct Rename(Option<Name>);

impl Decode for Rename {
    fn decode(fields: &mut Fields<'_>) -> Option<Self> {
        Some(Self(fields.optional_parsed("name")))
    }
}

impl Decode for NewTemplate {
    fn decode(fields: &mut Fields<'_>) -> Option<Self> {
        let name = fields.parsed("name");
        let image = fields.text("image");
        if image.is_some_and(|image| image.trim().is_empty()) {
            fields.report("image", "value_error", "an image reference cannot be empty");
        }
        let resources = match fields.object().get("resources") {
            None | Some(serde_json::Value::Null) => Some(default_resources()),
            Some(_) => fields.optional_object("resources"),
        };
        let mounts: Vec<NewMount> = fields.objects("volume_mounts");
        let mut paths = HashSet::new();
        if let Some(mount) = mounts.iter().find(|mount| !paths.insert(&mount.path)) {
            fields.report("volume_mounts", "value_error", format_args!("two mounts at `{}`", mount.path));
        }
        let extra = unknown_fields(fields);
        Some(Self { name: name?, image: image?.to_owned(), resources: resources?, mounts, extra })
    }
}

/// Returns the fields that this version does not know, and that the answer has no other value for.
fn unknown_fields(fields: &Fields<'_>) -> wire::Extra {
    const KNOWN: [&str; 7] = ["name", "image", "resources", "volume_mounts", "id", "created_at", "updated_at"];
    let unknown = fields.object().iter().filter(|(name, _)| !KNOWN.contains(&name.as_str()));
    unknown.map(|(name, value)| (name.clone(), value.clone())).collect()
}

fn default_resources() -> Resources {
    Resources { cpu: default_cpu(), memory: default_memory(), storage: None }
}

fn default_cpu() -> Cpu {
    wire::Resources::DEFAULT_CPU.parse().expect("the default is a quantity")
}

fn default_memory() -> ByteSize {
    wire::Resources::DEFAULT_MEMORY.parse().expect("the default is a quantity")
}

impl Decode for Resources {
    fn decode(fields: &mut Fields<'_>) -> Option<Self> {
        Some(Self {
            cpu: fields.optional_parsed("cpu").unwrap_or_else(default_cpu),
            memory: fields.optional_parsed("memory").unwrap_or_else(default_memory),
            storage: fields.optional_parsed("storage"),
        })
    }
}

impl Decode for NewMount {
    fn decode(fields: &mut Fields<'_>) -> Option<Self> {
        let volume_name = fields.text("volume_name");
        let path = fields.text("mount_path");
        if path.is_some_and(|path| !is_mountable(path)) {
            fields.report("mount_path", "value_error", "a mount path is absolute, normalised and not `/`");
        }
        Some(Self { volume_name: volume_name?.to_owned(), path: path?.to_owned() })
    }
}

/// Returns whether a path is absolute, normalised and not the root (contract G27).
fn is_mountable(path: &str) -> bool {
    let Some(segments) = path.strip_prefix('/') else { return false };
    segments.split('/').all(|segment| !matches!(segment, "" | "." | "..") && !segment.contains('\0'))
}

impl Decode for wire::BatchDelete {
    fn decode(fields: &mut Fields<'_>) -> Option<Self> {
        Some(Self { names: fields.texts("names")? })
    }
}

fn render(template: Template) -> wire::Template {
    let Resources { cpu, memory, storage } = template.resources;
    wire::Template {
        id: Some(template.id),
        name: template.name.into(),
        image: template.image,
        resources: wire::Resources {
            cpu: cpu.to_string(),
            memory: memory.to_string(),
            storage: storage.map(|size| size.to_string()),
        },
        volume_mounts: template
            .mounts
            .into_iter()
            .map(|mount| wire::VolumeMount { volume_name: mount.volume_name.into(), mount_path: mount.path })
            .collect(),
        created_at: Some(template.created_at),
        updated_at: Some(template.updated_at),
        extra: template.extra,
    }
}

#[cfg(test)]
mod tests {
    use super::is_mountable;

    #[test]
    fn mount_paths_are_absolute_and_normalised() {
        for path in ["/data", "/var/lib/x", "/a.b", "/..a"] {
            assert!(is_mountable(path), "{path}");
        }
        for path in ["", "/", "data", "/data/", "//data", "/a/../b", "/a/./b", "/..", "/a\0"] {
            assert!(!is_mountable(path), "{path}");
        }
    }
}
