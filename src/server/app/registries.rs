//! Registries.

use uuid::Uuid;

use super::{App, Error, Kind, Tx};
use crate::server::store::registries::{self, Auth, Registry};
use crate::server::store::{ListOptions, Page};
use crate::types::{Name, RegistryId, Secret};

/// A registry to create.
#[derive(Debug)]
pub(crate) struct NewRegistry {
    pub(crate) name: Name,
    pub(crate) url: String,
    pub(crate) auth: Auth,
}

/// What to change of a registry.
#[derive(Debug, Default)]
pub(crate) struct RegistryChange {
    pub(crate) name: Option<Name>,
    pub(crate) login: Option<Login>,
    /// The role to log in with from now on.
    pub(crate) role: Option<String>,
}

/// Where to log in, and with what: one is never changed without the others, so that no password goes to a host that it
/// was not meant for.
#[derive(Debug, Clone)]
pub(crate) struct Login {
    pub(crate) url: String,
    pub(crate) username: String,
    pub(crate) password: Secret,
}

impl App {
    /// Creates a registry.
    pub(crate) async fn create_registry(&self, new: NewRegistry) -> Result<Registry, Error> {
        self.transact(move |tx| {
            if registries::exists(tx, &new.name)? {
                return Err(Error::AlreadyExists { kind: Kind::Registry, name: new.name });
            }
            let registry = Registry {
                id: RegistryId::new(Uuid::new_v4().to_string()),
                name: new.name,
                url: new.url,
                auth: new.auth,
                created_at: tx.now(),
                updated_at: tx.now(),
            };
            registries::insert(tx, &registry)?;
            Ok(registry)
        })
        .await
    }

    /// Returns a registry by name or id.
    pub(crate) async fn registry(&self, name: String) -> Result<Registry, Error> {
        self.transact(move |tx| find(tx, &name)).await
    }

    /// Returns a page of the registries.
    pub(crate) async fn registries(&self, options: ListOptions) -> Result<Page<Registry>, Error> {
        self.transact(move |tx| Ok(registries::list(tx, &options)?)).await
    }

    /// Renames a registry, or changes how to log in.
    pub(crate) async fn update_registry(&self, name: String, change: RegistryChange) -> Result<Registry, Error> {
        self.transact(move |tx| update(tx, &name, change)).await
    }

    /// Deletes a registry. What was built with it stays (contract S2).
    pub(crate) async fn delete_registry(&self, name: String) -> Result<(), Error> {
        self.transact(move |tx| {
            let registry = find(tx, &name)?;
            Ok(registries::delete(tx, &registry.id)?)
        })
        .await
    }
}

fn find(tx: &Tx<'_>, name: &str) -> Result<Registry, Error> {
    registries::find(tx, name)?.ok_or_else(|| Error::NotFound { kind: Kind::Registry, name: name.to_owned() })
}

fn update(tx: &Tx<'_>, name: &str, change: RegistryChange) -> Result<Registry, Error> {
    let mut registry = find(tx, name)?;
    let old = registry.clone();
    if let Some(name) = change.name {
        if name != registry.name && registries::exists(tx, &name)? {
            return Err(Error::NameTaken { kind: Kind::Registry, name });
        }
        registry.name = name;
    }
    if let Some(Login { url, username, password }) = change.login {
        registry.url = url;
        registry.auth = Auth::Password { username: Some(username), password: Some(password) };
    }
    if let Some(arn) = change.role {
        registry.auth = Auth::AwsRole { arn: Some(arn) };
    }
    if registry != old {
        registry.updated_at = tx.now();
        registries::update(tx, &registry)?;
    }
    Ok(registry)
}
