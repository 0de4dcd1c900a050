//! Templates (contract section 2.4).

use super::connect::Client;
use super::error::{Detail, Error, Kind, Mapped, Resource};
use super::object::{has_extra, object};
use super::request::{Operation, Request, Verb};
use crate::types::{ByteSize, Cpu, Image, Name};
use crate::wire::{
    BatchDelete, BatchDeleted, CreateTemplate, Extra, Resources, Template, TemplateList, UpdateTemplate, VolumeMount,
    route,
};

/// What [`Client::create_template`] creates.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CreateTemplateOptions {
    /// CPU of each sandbox, 500m by default.
    pub cpu: Cpu,
    /// Memory of each sandbox, 512Mi by default.
    pub memory: ByteSize,
    /// Ephemeral disk of each sandbox; the server's own choice by default.
    pub storage: Option<ByteSize>,
    /// The volumes that each sandbox sees, none by default.
    pub volume_mounts: Vec<VolumeMount>,
    /// Further fields, sent as they are.
    pub extra: Extra,
}

impl Default for CreateTemplateOptions {
    fn default() -> Self {
        Self {
            cpu: Resources::DEFAULT_CPU.parse().expect("the default is a quantity"),
            memory: Resources::DEFAULT_MEMORY.parse().expect("the default is a quantity"),
            storage: None,
            volume_mounts: Vec::new(),
            extra: Extra::new(),
        }
    }
}

impl CreateTemplateOptions {
    /// Sets the CPU of each sandbox.
    #[must_use]
    pub fn cpu(mut self, cpu: Cpu) -> Self {
        self.cpu = cpu;
        self
    }

    /// Sets the memory of each sandbox.
    #[must_use]
    pub fn memory(mut self, memory: ByteSize) -> Self {
        self.memory = memory;
        self
    }

    /// Sets the ephemeral disk of each sandbox.
    #[must_use]
    pub fn storage(mut self, storage: ByteSize) -> Self {
        self.storage = Some(storage);
        self
    }

    /// Mounts a volume at an absolute path.
    #[must_use]
    pub fn volume_mount(mut self, volume_name: &Name, mount_path: impl Into<String>) -> Self {
        let mount = VolumeMount { volume_name: volume_name.to_string(), mount_path: mount_path.into() };
        self.volume_mounts.push(mount);
        self
    }

    /// Sets further fields, sent as they are.
    #[must_use]
    pub fn extra(mut self, extra: Extra) -> Self {
        self.extra = extra;
        self
    }
}

impl Client {
    /// Creates a template (`POST /templates`).
    ///
    /// # Errors
    ///
    /// * [`Kind::AlreadyExists`]: there is a template of this name, and this call did not create it.
    /// * [`Kind::NotFound`] of a [`Resource::Volume`]: a mounted volume does not exist.
    /// * [`Kind::Validation`]: the server refuses a value; [`Error::field`] names it.
    pub async fn create_template(
        &self,
        name: &Name,
        image: &str,
        options: CreateTemplateOptions,
    ) -> Result<Template, Error> {
        let body = CreateTemplate {
            name: name.to_string(),
            image: image.to_owned(),
            resources: Resources {
                cpu: options.cpu.to_string(),
                memory: options.memory.to_string(),
                storage: options.storage.as_ref().map(ToString::to_string),
            },
            volume_mounts: options.volume_mounts.clone(),
            extra: options.extra.clone(),
        };
        let request = Request::create::<Template>(name, &body);
        let created = self.link().create(&request, |found: &Template| is_asked(found, image, &options)).await?;
        Ok(created.into_object())
    }

    /// Renames a template (`PATCH /templates/{name}`); nothing else of it can change.
    ///
    /// # Errors
    ///
    /// * [`Kind::NotFound`]: there is no such template.
    /// * [`Kind::NameConflict`]: the new name is taken.
    pub async fn update_template(&self, name: &str, new_name: &Name) -> Result<Template, Error> {
        let body = UpdateTemplate { name: Some(new_name.to_string()) };
        self.link().update(&Request::update::<Template>(name, Some(new_name), &body)?).await
    }

    /// Deletes a template (`DELETE /templates/{name}`).
    ///
    /// # Errors
    ///
    /// * [`Kind::NotFound`]: there is no such template.
    /// * [`Kind::InUse`]: sandboxes or pools use it; the message names them.
    pub async fn delete_template(&self, name: &str) -> Result<(), Error> {
        self.link().delete::<Template>(name).await
    }

    /// Deletes several templates in one request (`POST /templates/batch-delete`). Those in use are skipped, and said to
    /// be; so, after a lost answer, may be those that the first attempt deleted.
    pub async fn delete_templates(&self, names: &[impl AsRef<str>]) -> Result<BatchDeleted, Error> {
        let body = BatchDelete { names: names.iter().map(|name| name.as_ref().to_owned()).collect() };
        self.link().fetch(&Request::delete_many::<Template>(route::TEMPLATES_BATCH_DELETE, &body)).await
    }
}

/// Compares what was asked for with what is there, by value; a field that was not asked for can be anything.
fn is_asked(found: &Template, image: &str, asked: &CreateTemplateOptions) -> bool {
    let is = |found: &str, asked: &ByteSize| found.parse().is_ok_and(|found: ByteSize| found == *asked);
    Image::new(&found.image) == Image::new(image)
        && found.resources.cpu.parse().is_ok_and(|cpu: Cpu| cpu == asked.cpu)
        && is(&found.resources.memory, &asked.memory)
        && asked.storage.as_ref().is_none_or(|asked| found.resources.storage.as_ref().is_some_and(|it| is(it, asked)))
        && mounts(&found.volume_mounts) == mounts(&asked.volume_mounts)
        && has_extra(&found.extra, &asked.extra)
}

/// Mounts are a set: their order means nothing.
fn mounts(mounts: &[VolumeMount]) -> Vec<(&str, &str)> {
    let mut pairs: Vec<_> = mounts.iter().map(|it| (it.mount_path.as_str(), it.volume_name.as_str())).collect();
    pairs.sort_unstable();
    pairs
}

object!(Template, Template, TemplateList, templates, route::TEMPLATES, route::TEMPLATE, rules, only in First);

fn rules(operation: &Operation, status: u16, detail: &Detail) -> Option<Mapped> {
    match (operation.verb, status) {
        (Verb::Create, 400 | 404) if detail.misses("volume") => {
            Some(Mapped::new(Kind::NotFound).about(Resource::Volume))
        }
        (Verb::Delete, 409) => Some(Mapped::new(Kind::InUse).about(Resource::Template)),
        _ => None,
    }
}
