//! Templates.

use uuid::Uuid;

use super::quota;
use super::{App, Error, Kind, Tx, Users};
use crate::server::store::templates::{self, Mount, Resources, Template};
use crate::server::store::{ListOptions, Page, pools, sandboxes, volumes};
use crate::types::{Name, TemplateId};
use crate::wire::Extra;

/// A template to create.
#[derive(Debug)]
pub(crate) struct NewTemplate {
    pub(crate) name: Name,
    pub(crate) image: String,
    pub(crate) resources: Resources,
    pub(crate) mounts: Vec<NewMount>,
    pub(crate) extra: Extra,
}

/// A mount of a template to create.
#[derive(Debug)]
pub(crate) struct NewMount {
    pub(crate) volume_name: String,
    pub(crate) path: String,
}

impl App {
    /// Creates a template.
    pub(crate) async fn create_template(&self, new: NewTemplate) -> Result<Template, Error> {
        self.transact(move |tx| insert(tx, new)).await
    }

    /// Returns a template by name or id.
    pub(crate) async fn template(&self, name: String) -> Result<Template, Error> {
        self.transact(move |tx| find(tx, &name)).await
    }

    /// Returns a page of the templates.
    pub(crate) async fn templates(&self, options: ListOptions) -> Result<Page<Template>, Error> {
        self.transact(move |tx| Ok(templates::list(tx, &options)?)).await
    }

    /// Renames a template: nothing else of it can change.
    pub(crate) async fn update_template(&self, name: String, new_name: Option<Name>) -> Result<Template, Error> {
        self.transact(move |tx| {
            let mut template = find(tx, &name)?;
            let Some(name) = new_name.filter(|name| *name != template.name) else { return Ok(template) };
            if templates::exists(tx, &name)? {
                return Err(Error::NameTaken { kind: Kind::Template, name });
            }
            template.name = name;
            template.updated_at = tx.now();
            templates::update(tx, &template)?;
            Ok(template)
        })
        .await
    }

    /// Deletes a template that neither a sandbox nor a pool uses (contract G18).
    pub(crate) async fn delete_template(&self, name: String) -> Result<(), Error> {
        self.transact(move |tx| delete(tx, &name)).await
    }
}

/// Deletes a template that nobody uses.
fn delete(tx: &Tx<'_>, name: &str) -> Result<(), Error> {
    let template = find(tx, name)?;
    let users = Users {
        sandboxes: sandboxes::of_template(tx, &template.id)?,
        pools: pools::on_template(tx, &template.id)?,
        ..Users::default()
    };
    if !users.is_empty() {
        return Err(Error::InUse { kind: Kind::Template, name: template.name.into(), users });
    }
    Ok(templates::delete(tx, &template.id)?)
}

fn find(tx: &Tx<'_>, name: &str) -> Result<Template, Error> {
    templates::find(tx, name)?.ok_or_else(|| Error::NotFound { kind: Kind::Template, name: name.to_owned() })
}

/// Finds the template that the body of a request refers to.
pub(super) fn referred_to(tx: &Tx<'_>, name: &str) -> Result<Template, Error> {
    templates::by_name(tx, name)?.ok_or_else(|| Error::UnknownReference { kind: Kind::Template, name: name.to_owned() })
}

/// Finds the template of an object that is stored: the schema keeps it from vanishing.
pub(super) fn of_stored(tx: &Tx<'_>, id: &TemplateId) -> Result<Template, Error> {
    templates::by_id(tx, id)?
        .ok_or_else(|| Error::UnknownReference { kind: Kind::Template, name: id.as_str().to_owned() })
}

fn insert(tx: &Tx<'_>, new: NewTemplate) -> Result<Template, Error> {
    quota::check_resources(tx, &new.resources)?;
    if templates::exists(tx, &new.name)? {
        return Err(Error::AlreadyExists { kind: Kind::Template, name: new.name });
    }
    let mounts = new.mounts.into_iter().map(|mount| resolve(tx, mount)).collect::<Result<_, _>>()?;
    let template = Template {
        id: TemplateId::new(Uuid::new_v4().to_string()),
        name: new.name,
        image: new.image,
        resources: new.resources,
        mounts,
        extra: new.extra,
        created_at: tx.now(),
        updated_at: tx.now(),
    };
    templates::insert(tx, &template)?;
    Ok(template)
}

fn resolve(tx: &Tx<'_>, mount: NewMount) -> Result<Mount, Error> {
    let Some(volume) = volumes::by_name(tx, &mount.volume_name)? else {
        return Err(Error::UnknownReference { kind: Kind::Volume, name: mount.volume_name });
    };
    Ok(Mount { volume_id: volume.id, volume_name: volume.name, path: mount.path })
}
