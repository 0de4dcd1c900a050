//! `/registries` (contract section 3 of the second generation). What a registry is logged in to with comes in and never
//! goes out again.

use axum::Json;
use axum::extract::State;
use http::StatusCode;

use super::decode::{Decode, Fields};
use super::query::{Cursors, ListOf, Listing};
use super::{Body, Named};
use crate::server::app::{App, Login, NewRegistry, RegistryChange};
use crate::server::error::Failure;
use crate::server::store::registries::{Auth, Registry};
use crate::types::Secret;
use crate::wire;

/// Whom the answers name as the one who did everything: this server knows one key at most, and no people.
pub(super) const EVERYBODY: &str = "local";

pub(crate) async fn create(
    State(app): State<App>,
    Body(new): Body<NewRegistry>,
) -> Result<(StatusCode, Json<wire::Registry>), Failure> {
    Ok((StatusCode::CREATED, Json(render(app.create_registry(new).await?))))
}

pub(crate) async fn list(
    State(app): State<App>,
    query: ListOf<Registries>,
) -> Result<Json<wire::RegistryList>, Failure> {
    let page = app.registries(query.options.clone()).await?;
    let next_cursor = query.next_cursor(&page);
    let registries = page.items.into_iter().map(render).collect();
    Ok(Json(wire::RegistryList { registries, offset: page.next_offset, next_cursor }))
}

pub(crate) async fn get(State(app): State<App>, Named(name): Named) -> Result<Json<wire::Registry>, Failure> {
    Ok(Json(render(app.registry(name).await?)))
}

pub(crate) async fn update(
    State(app): State<App>,
    Named(name): Named,
    Body(change): Body<RegistryChange>,
) -> Result<Json<wire::Registry>, Failure> {
    Ok(Json(render(app.update_registry(name, change).await?)))
}

pub(crate) async fn delete(State(app): State<App>, Named(name): Named) -> Result<StatusCode, Failure> {
    app.delete_registry(name).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The list of registries: newest first, whatever is asked.
pub(crate) struct Registries;

impl Listing for Registries {
    const SORT_BY: &'static [(&'static str, &'static str)] = &[("created_at", "created_at")];
    const CURSORS: Option<Cursors> = Some(Cursors { list: "registries", default_size: 20, max_size: 100 });
}

impl Decode for NewRegistry {
    fn decode(fields: &mut Fields<'_>) -> Option<Self> {
        let name = fields.parsed("name");
        let url = filled(fields, "url");
        let auth = match auth_type(fields) {
            Some(AuthType::AwsRole) => Auth::AwsRole { arn: Some(filled(fields, "aws_role_arn")?) },
            Some(AuthType::DockerConfig) | None => Auth::Password {
                username: fields.optional_text("username").map(str::to_owned),
                password: fields.optional_text("password").map(Secret::new),
            },
        };
        Some(Self { name: name?, url: url?, auth })
    }
}

impl Decode for RegistryChange {
    fn decode(fields: &mut Fields<'_>) -> Option<Self> {
        let name = fields.optional_parsed("name");
        let role = match auth_type(fields) {
            Some(AuthType::AwsRole) => Some(filled(fields, "aws_role_arn")?),
            Some(AuthType::DockerConfig) | None => fields.optional_text("aws_role_arn").map(str::to_owned),
        };
        Some(Self { name, login: login(fields)?, role })
    }
}

/// Reads the three fields that change together; the outer `None` when some of them are missing.
#[expect(clippy::option_option, reason = "what is absent and what is wrong differ")]
fn login(fields: &mut Fields<'_>) -> Option<Option<Login>> {
    let [url, username, password] = ["url", "username", "password"].map(|field| fields.optional_text(field));
    match (url, username, password) {
        (None, None, None) => Some(None),
        (Some(url), Some(username), Some(password)) if !url.is_empty() => {
            let (url, username) = (url.to_owned(), username.to_owned());
            Some(Some(Login { url, username, password: Secret::new(password) }))
        }
        (url, username, _) => {
            let missing = if url.is_none_or(str::is_empty) {
                "url"
            } else if username.is_none() {
                "username"
            } else {
                "password"
            };
            fields.report(missing, "value_error", "`url`, `username` and `password` are changed together");
            None
        }
    }
}

enum AuthType {
    DockerConfig,
    AwsRole,
}

fn auth_type(fields: &mut Fields<'_>) -> Option<AuthType> {
    match fields.optional_text("auth_type")? {
        "DOCKER_CONFIG" => Some(AuthType::DockerConfig),
        "AWS_ROLE" => Some(AuthType::AwsRole),
        _ => {
            fields.report("auth_type", "value_error", "Input should be 'DOCKER_CONFIG' or 'AWS_ROLE'");
            None
        }
    }
}

/// Reads a text that must be there and say something.
fn filled(fields: &mut Fields<'_>, field: &str) -> Option<String> {
    let text = fields.text(field)?;
    if text.trim().is_empty() {
        fields.report(field, "value_error", "Input should not be empty");
        return None;
    }
    Some(text.to_owned())
}

fn render(registry: Registry) -> wire::Registry {
    let (auth_type, aws_role_arn) = match registry.auth {
        Auth::Password { .. } => (wire::RegistryAuthType::DockerConfig, None),
        Auth::AwsRole { arn } => (wire::RegistryAuthType::AwsRole, arn),
    };
    wire::Registry {
        id: Some(registry.id),
        name: registry.name.into(),
        provider: Some(provider(&registry.url).to_owned()),
        url: registry.url,
        auth_type: Some(auth_type),
        aws_role_arn,
        repository_search_mode: Some("NONE".to_owned()),
        created_at: Some(registry.created_at),
        created_by: Some(EVERYBODY.to_owned()),
        updated_at: Some(registry.updated_at),
        updated_by: Some(EVERYBODY.to_owned()),
        extra: wire::Extra::new(),
    }
}

/// Tells what sort of registry it is by its host, as far as that tells.
fn provider(url: &str) -> &'static str {
    let host = url.split_once("://").map_or(url, |(_, rest)| rest).split(['/', ':']).next().unwrap_or_default();
    let is_under = |domain: &str| host == domain || host.ends_with(&format!(".{domain}"));
    match () {
        () if is_under("ghcr.io") => "GHCR",
        () if is_under("docker.io") => "DOCKER_HUB",
        () if is_under("amazonaws.com") => "ECR",
        () if is_under("pkg.dev") || is_under("gcr.io") => "GAR",
        () if host.split('.').any(|label| label == "harbor") => "HARBOR",
        () => "DOCKER_REGISTRY",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_tells_the_provider() {
        for (url, expected) in [
            ("ghcr.io", "GHCR"),
            ("https://index.docker.io/v1/", "DOCKER_HUB"),
            ("1.dkr.ecr.eu-west-1.amazonaws.com/a", "ECR"),
            ("europe-docker.pkg.dev/p", "GAR"),
            ("harbor.example.com", "HARBOR"),
            ("registry.example.com:5000", "DOCKER_REGISTRY"),
            ("notghcr.io", "DOCKER_REGISTRY"),
        ] {
            assert_eq!(provider(url), expected, "{url}");
        }
    }
}
