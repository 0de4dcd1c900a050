//! Registries (contract section 3 of the second generation).

use super::connect::Client;
use super::error::{Detail, Error, Kind, Mapped, Resource};
use super::object::object;
use super::reader::Reader;
use super::request::{Operation, Request, Verb};
use crate::types::{Name, Secret};
use crate::wire::{CreateRegistry, Registry, RegistryAuthType, RegistryList, UpdateRegistry, route};

/// How the server logs in to a registry. `Debug` does not show the password.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum RegistryAuth {
    /// With a user name and a password, which no answer gives back.
    Login {
        /// The user name.
        username: String,
        /// The password, or a token in its place.
        password: Secret,
    },
    /// With an AWS role that it takes on, where the server knows that way.
    AwsRole {
        /// The role, such as `arn:aws:iam::123456789012:role/pull`.
        arn: String,
    },
}

impl RegistryAuth {
    /// Logs in with a user name and a password.
    pub fn login(username: impl Into<String>, password: Secret) -> Self {
        Self::Login { username: username.into(), password }
    }

    /// Takes on an AWS role.
    pub fn aws_role(arn: impl Into<String>) -> Self {
        Self::AwsRole { arn: arn.into() }
    }

    fn auth_type(&self) -> Option<RegistryAuthType> {
        match self {
            // Servers assume it, and those older than the choice know no such field.
            Self::Login { .. } => None,
            Self::AwsRole { .. } => Some(RegistryAuthType::AwsRole),
        }
    }

    /// Returns the user name, the password and the role.
    fn into_parts(self) -> (Option<String>, Option<Secret>, Option<String>) {
        match self {
            Self::Login { username, password } => (Some(username), Some(password), None),
            Self::AwsRole { arn } => (None, None, Some(arn)),
        }
    }
}

/// How [`Client::create_registry`] creates.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct CreateRegistryOptions {
    /// How to log in; by default not at all, which older servers refuse.
    pub auth: Option<RegistryAuth>,
}

impl CreateRegistryOptions {
    /// Sets how to log in.
    #[must_use]
    pub fn auth(mut self, auth: RegistryAuth) -> Self {
        self.auth = Some(auth);
        self
    }
}

/// What [`Client::update_registry`] changes.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct UpdateRegistryOptions {
    /// The new name, if it changes.
    pub new_name: Option<Name>,
    /// The registry's host, with a prefix of paths maybe. Servers take a new one only together with `auth`.
    pub url: Option<String>,
    /// The new way to log in, or the same with a new password. Servers take a login only together with `url`.
    pub auth: Option<RegistryAuth>,
}

impl UpdateRegistryOptions {
    /// Renames the registry. Snapshots refer to its id, and do not notice.
    #[must_use]
    pub fn new_name(mut self, name: Name) -> Self {
        self.new_name = Some(name);
        self
    }

    /// Sets the URL.
    #[must_use]
    pub fn url(mut self, url: impl Into<String>) -> Self {
        self.url = Some(url.into());
        self
    }

    /// Sets how to log in.
    #[must_use]
    pub fn auth(mut self, auth: RegistryAuth) -> Self {
        self.auth = Some(auth);
        self
    }
}

impl Client {
    /// Creates a registry, which snapshots of private images refer to by its id (`POST /registries`).
    ///
    /// # Errors
    ///
    /// * [`Kind::AlreadyExists`]: there is a registry of this name, and this call did not create it. One with the same
    ///   URL and way to log in is taken for this call's own if an answer was lost, since passwords cannot be compared.
    /// * [`Kind::Validation`]: the server refuses a value; [`Error::field`] names it.
    /// * [`Kind::QuotaExceeded`]: too many registries.
    /// * [`Kind::WrongGeneration`]: the server does not speak the second generation.
    pub async fn create_registry(
        &self,
        name: &Name,
        url: &str,
        options: CreateRegistryOptions,
    ) -> Result<Registry, Error> {
        let auth_type = options.auth.as_ref().and_then(RegistryAuth::auth_type);
        let (username, password, aws_role_arn) = options.auth.map(RegistryAuth::into_parts).unwrap_or_default();
        let (name_text, url) = (name.to_string(), url.to_owned());
        let body = CreateRegistry { name: name_text, url, username, password, auth_type, aws_role_arn };
        let request = Request::create::<Registry>(name, &body).hiding(body.password.clone());
        let created = self.link().create(&request, |found: &Registry| is_asked(found, &body)).await?;
        Ok(created.into_object())
    }

    /// Returns all registries (`GET /registries`, every page).
    ///
    /// # Errors
    ///
    /// [`Kind::WrongGeneration`]: the server does not speak the second generation.
    pub async fn list_registries(&self) -> Result<Vec<Registry>, Error> {
        self.reader().list_registries().await
    }

    /// Returns a registry (`GET /registries/{name}`). Its password is not among what the server tells.
    ///
    /// # Errors
    ///
    /// * [`Kind::NotFound`]: there is no such registry.
    /// * [`Kind::WrongGeneration`]: the server does not speak the second generation.
    pub async fn get_registry(&self, name: &str) -> Result<Registry, Error> {
        self.reader().get_registry(name).await
    }

    /// Changes a registry: its name, or where and how the server logs in (`PATCH /registries/{name}`). With no option
    /// set it is only read.
    ///
    /// # Errors
    ///
    /// * [`Kind::InvalidArgument`]: a login without the URL, which servers take only together; nothing was sent.
    /// * [`Kind::NotFound`]: there is no such registry.
    /// * [`Kind::NameConflict`]: the new name is taken.
    pub async fn update_registry(&self, name: &str, options: UpdateRegistryOptions) -> Result<Registry, Error> {
        let UpdateRegistryOptions { new_name, url, auth } = options;
        if new_name.is_none() && url.is_none() && auth.is_none() {
            return self.get_registry(name).await;
        }
        if url.is_none() && matches!(auth, Some(RegistryAuth::Login { .. })) {
            let message = "a login is changed together with the URL that it is for";
            return Err(Error::invalid_argument(Operation::on::<Registry>(Verb::Update, name), "url", message));
        }
        // Said here in any case: the registry may have been logged in to in the other way.
        let auth_type = auth.as_ref().map(|auth| auth.auth_type().unwrap_or(RegistryAuthType::DockerConfig));
        let (username, password, aws_role_arn) = auth.map(RegistryAuth::into_parts).unwrap_or_default();
        let new_name_text = new_name.as_ref().map(ToString::to_string);
        let body = UpdateRegistry { name: new_name_text, url, username, password, auth_type, aws_role_arn };
        let request = Request::update::<Registry>(name, new_name.as_ref(), &body)?.hiding(body.password);
        self.link().update(&request).await
    }

    /// Deletes a registry (`DELETE /registries/{name}`). Snapshots that were pulled from it stay.
    ///
    /// # Errors
    ///
    /// * [`Kind::NotFound`]: there is no such registry.
    /// * [`Kind::InUse`]: something refers to it, and the server minds.
    pub async fn delete_registry(&self, name: &str) -> Result<(), Error> {
        self.link().delete::<Registry>(name).await
    }
}

impl Reader {
    /// Returns all registries (`GET /registries`, every page).
    ///
    /// # Errors
    ///
    /// Those of [`Client::list_registries`].
    pub async fn list_registries(&self) -> Result<Vec<Registry>, Error> {
        self.link().list().await
    }

    /// Returns a registry (`GET /registries/{name}`).
    ///
    /// # Errors
    ///
    /// Those of [`Client::get_registry`].
    pub async fn get_registry(&self, name: &str) -> Result<Registry, Error> {
        self.link().get(name).await
    }
}

/// The user name and the password are never told, so they can be anything.
fn is_asked(found: &Registry, asked: &CreateRegistry) -> bool {
    let is_login = |auth: &Option<RegistryAuthType>| !matches!(auth, Some(RegistryAuthType::AwsRole));
    found.url == asked.url
        && is_login(&found.auth_type) == is_login(&asked.auth_type)
        && found.aws_role_arn == asked.aws_role_arn
}

object!(Registry, Registry, RegistryList, registries, route::REGISTRIES, route::REGISTRY, rules,
    only in Second, cursor in next_cursor);

fn rules(operation: &Operation, status: u16, _: &Detail) -> Option<Mapped> {
    match (operation.verb, status) {
        (Verb::Delete, 409) => Some(Mapped::new(Kind::InUse).about(Resource::Registry)),
        _ => None,
    }
}
