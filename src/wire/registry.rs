//! Registries, which snapshots pull private images from (contract section 3 of the second generation).

use serde::{Deserialize, Serialize};

use super::page::page;
use super::word::words;
use super::{Extra, null_as_default, secret};
use crate::types::{RegistryId, Secret, Timestamp};

/// A registry as the server describes it. What it is logged in to with is never told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Registry {
    /// Stable across renames; what a snapshot refers to.
    pub id: Option<RegistryId>,
    /// The display name.
    #[serde(default, deserialize_with = "null_as_default")]
    pub name: String,
    /// The registry's host, with a prefix of paths maybe.
    #[serde(default, deserialize_with = "null_as_default")]
    pub url: String,
    /// How the server logs in; servers older than the choice leave it out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth_type: Option<RegistryAuthType>,
    /// The AWS role that the server takes on, with [`RegistryAuthType::AwsRole`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aws_role_arn: Option<String>,
    /// What sort of registry the server takes it for, such as `GHCR`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// How its repositories can be searched: `GLOBAL`, `SCOPED` or `NONE`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repository_search_mode: Option<String>,
    /// When it was created.
    pub created_at: Option<Timestamp>,
    /// Who created it.
    pub created_by: Option<String>,
    /// When it was last changed.
    pub updated_at: Option<Timestamp>,
    /// Who last changed it.
    pub updated_by: Option<String>,
    /// What this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

words! {
    /// How the server logs in to a registry.
    RegistryAuthType {
        /// With a user name and a password. What servers assume when nothing is said.
        DockerConfig = "DOCKER_CONFIG",
        /// With an AWS role that it takes on.
        AwsRole = "AWS_ROLE",
    }
}

/// The body of `POST /registries`. Its `Debug` does not show the password.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CreateRegistry {
    /// The display name, unique and a label.
    pub name: String,
    /// The registry's host, with a prefix of paths maybe.
    pub url: String,
    /// The user name; older servers require it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// The password, which no answer gives back; older servers require it.
    #[serde(default, with = "secret::optional", skip_serializing_if = "Option::is_none")]
    pub password: Option<Secret>,
    /// How to log in; [`RegistryAuthType::DockerConfig`] when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth_type: Option<RegistryAuthType>,
    /// The role, with [`RegistryAuthType::AwsRole`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aws_role_arn: Option<String>,
}

/// The body of `PATCH /registries/{name}`. The URL, the user name and the password are given together or not at all. Its
/// `Debug` does not show the password.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct UpdateRegistry {
    /// The new display name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The new URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The new user name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// The new password.
    #[serde(default, with = "secret::optional", skip_serializing_if = "Option::is_none")]
    pub password: Option<Secret>,
    /// The new way to log in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth_type: Option<RegistryAuthType>,
    /// The new role.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aws_role_arn: Option<String>,
}

page! {
    /// One page of `GET /registries`, newest first.
    RegistryList {
        /// The registries of the page.
        registries: Registry
    }
}
