//! Registries: where snapshots of private images are pulled from, and how the server logs in there.

use std::sync::Arc;
use std::time::Duration;

use super::field::{Absent, Change, Field, Shape};
use super::kind::{CreateOptions, Health, Kind, KindInfo, Lookup, Naming, Projection, VerbCx, Violation};
use super::quota::Quota;
use super::read::{self, code};
use super::secret::SecretRef;
use super::value::{Value, given};
use super::version::ApiVersion;
use crate::client::{Client, CreateRegistryOptions, Error, Reader, RegistryAuth, UpdateRegistryOptions};
use crate::manifest::{Diagnostic, Diagnostics, Fields, Node};
use crate::types::Name;
use crate::wire;

/// The field that a login belongs to.
const URL: &str = "url";

/// The kind `Registry`.
pub(super) struct RegistryKind;

/// What a manifest declares of a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistrySpec {
    /// Its host, with a prefix of paths maybe.
    pub url: Arc<str>,
    /// The user name; `None` leaves it alone. Given together with the password.
    pub username: Option<Arc<str>>,
    /// Where the password is; `None` leaves it alone.
    pub password: Option<SecretRef>,
    /// A number that is raised when the password is another one.
    pub secret_version: Option<u64>,
    /// The AWS role that the server takes on in the place of a login; `None` leaves it alone.
    pub aws_role_arn: Option<Arc<str>>,
}

impl Kind for RegistryKind {
    type Spec = RegistrySpec;
    type Wire = wire::Registry;

    const INFO: KindInfo = KindInfo {
        api_version: ApiVersion::V2,
        kind: "Registry",
        singular: "registry",
        plural: "registries",
        short: &["reg"],
        naming: Naming::Label,
        doc: "A container registry with what the server logs in to it with. Snapshots of private images name it.",
        holds_data: false,
        asks_if_renamed: false,
        outlives_its_source: false,
        holds_its_source: true,
        is_built: false,
        on_superseded: "on_template_change",
        expires: false,
        recovers: false,
        made_by_programs: false,
        ready_caveat: None,
        ready_timeout: Duration::from_mins(1),
        ready_timeout_limits: (Duration::from_secs(1), Duration::from_mins(10)),
    };

    const FIELDS: &'static [Field] = &[
        Field {
            path: URL,
            shape: Shape::Text,
            change: Change::InPlace,
            absent: Absent::Required,
            doc: "The registry's host, with a prefix of paths maybe.",
            example: "ghcr.io/acme",
        },
        Field {
            path: "username",
            shape: Shape::Text,
            change: Change::WriteOnly,
            absent: Absent::LeaveAlone,
            doc: "The user name to log in with, together with password. Left out, it is left alone.",
            example: "ci-bot",
        },
        Field {
            path: "password",
            shape: Shape::Secret,
            change: Change::WriteOnly,
            absent: Absent::LeaveAlone,
            doc: "Where the password is: in an environment variable, or in a file. It is read when a plan is applied, \
                  and written nowhere. Left out, it is left alone.",
            example: "{env: REGISTRY_PASSWORD}",
        },
        Field {
            path: "secret_version",
            shape: Shape::Number,
            change: Change::WriteOnly,
            absent: Absent::LeaveAlone,
            doc: "A number of your own: raise it when the password is another one, and it is sent again.",
            example: "1",
        },
        Field {
            path: "aws_role_arn",
            shape: Shape::Text,
            change: Change::InPlace,
            absent: Absent::LeaveAlone,
            doc: "An AWS role that the server takes on, in the place of a user name and a password.",
            example: "arn:aws:iam::123456789012:role/pull",
        },
    ];

    fn decode(node: &Node, out: &mut Diagnostics) -> Option<RegistrySpec> {
        let mut fields = Fields::new(node, "`spec`", out)?;
        let url = fields.required("url", out);
        let (username, password) = (fields.optional("username"), fields.optional("password"));
        let secret_version = fields.optional("secret_version");
        let aws_role_arn = fields.optional("aws_role_arn");
        fields.finish(out);

        let is_one_login = check_login(username, password, aws_role_arn, out);
        let url = url.and_then(|node| read::text(node, "a URL", out));
        let username = username.map_or(Some(None), |node| read::text(node, "a user name", out).map(Some));
        let password = password.map_or(Some(None), |node| read::secret(node, "a password", out).map(Some));
        let secret_version = secret_version.map_or(Some(None), |node| read::number(node, "a version", out).map(Some));
        let aws_role_arn = aws_role_arn.map_or(Some(None), |node| read::text(node, "a role", out).map(Some));
        is_one_login.then_some(())?;
        Some(RegistrySpec {
            url: url?,
            username: username?,
            password: password?,
            secret_version: secret_version?,
            aws_role_arn: aws_role_arn?,
        })
    }

    fn values(spec: &RegistrySpec) -> Vec<Option<Value>> {
        let RegistrySpec { url, username, password, secret_version, aws_role_arn } = spec;
        vec![
            Some(Value::Text(Arc::clone(url))),
            username.clone().map(Value::Text),
            password.clone().map(Value::Secret),
            secret_version.map(Value::Number),
            aws_role_arn.clone().map(Value::Text),
        ]
    }

    fn from_values(values: &[Option<Value>]) -> Option<RegistrySpec> {
        let [Some(Value::Text(url)), username, password, secret_version, aws_role_arn] = values else { return None };
        Some(RegistrySpec {
            url: Arc::clone(url),
            username: given(username.as_ref(), Value::to_text).ok()?,
            password: match password {
                None => None,
                Some(Value::Secret(secret)) => Some(secret.clone()),
                Some(_) => return None,
            },
            secret_version: match secret_version {
                None => None,
                Some(Value::Number(number)) => Some(*number),
                Some(_) => return None,
            },
            aws_role_arn: given(aws_role_arn.as_ref(), Value::to_text).ok()?,
        })
    }

    /// The server takes another URL only together with a login (contract section 3.2 of the second generation).
    fn check_update(spec: &RegistrySpec, paths: &[&'static str]) -> Vec<Violation> {
        if !paths.contains(&URL) || (spec.username.is_some() && spec.password.is_some()) {
            return Vec::new();
        }
        vec![Violation {
            path: URL,
            message: "the URL of a registry changes only together with a user name and a password".to_owned(),
            help: "declare `username` and `password`, or a registry of another name with that URL".to_owned(),
            other: None,
        }]
    }

    /// A login is sent whole, whatever changes.
    fn sends(_path: &'static str, _changed: &[&'static str]) -> bool {
        true
    }

    fn takes(_spec: &RegistrySpec, _others: &dyn Lookup) -> Quota {
        Quota::default()
    }

    fn project(wire: wire::Registry) -> Projection<RegistrySpec> {
        let spec = RegistrySpec {
            url: wire.url.into(),
            username: None,
            password: None,
            secret_version: None,
            aws_role_arn: wire.aws_role_arn.map(Into::into),
        };
        Projection {
            id: wire.id.map(Into::into),
            name: wire.name,
            spec: Ok(spec),
            health: Health::Good,
            created_at: wire.created_at,
            expires_at: None,
            mark: None,
            build: None,
            extra: wire.extra,
        }
    }

    async fn list(reader: &Reader) -> Result<Vec<wire::Registry>, Error> {
        reader.list_registries().await
    }

    async fn get(reader: &Reader, name: &str) -> Result<wire::Registry, Error> {
        reader.get_registry(name).await
    }

    async fn create(
        cx: VerbCx<'_>,
        name: &Name,
        spec: &RegistrySpec,
        _options: CreateOptions,
    ) -> Result<wire::Registry, Error> {
        let options = CreateRegistryOptions { auth: auth(spec, cx), ..CreateRegistryOptions::default() };
        cx.client.create_registry(name, &spec.url, options).await
    }

    /// Sends a login whole, whatever changes: the server takes it only together with the URL that it is for.
    async fn update(
        cx: VerbCx<'_>,
        name: &Name,
        spec: &RegistrySpec,
        _changes: &[(&'static str, Value)],
    ) -> Result<(), Error> {
        let mut options = UpdateRegistryOptions::default();
        if spec.username.is_some() {
            options = options.url(&*spec.url);
        }
        if let Some(auth) = auth(spec, cx) {
            options = options.auth(auth);
        }
        cx.client.update_registry(name.as_str(), options).await.map(drop)
    }

    async fn rename(client: &Client, name: &Name, new_name: &Name) -> Result<(), Error> {
        let options = UpdateRegistryOptions::default().new_name(new_name.clone());
        client.update_registry(name.as_str(), options).await.map(drop)
    }

    async fn delete(client: &Client, name: &Name) -> Result<(), Error> {
        client.delete_registry(name.as_str()).await
    }
}

/// Returns how the server is to log in; `None` where that is left alone.
fn auth(spec: &RegistrySpec, cx: VerbCx<'_>) -> Option<RegistryAuth> {
    if let (Some(username), Some(password)) = (&spec.username, &spec.password) {
        return Some(RegistryAuth::login(&**username, cx.secrets.get(password)?.clone()));
    }
    spec.aws_role_arn.as_deref().map(RegistryAuth::aws_role)
}

/// There is one way to log in, or none, and a login has two halves.
fn check_login(username: Option<&Node>, password: Option<&Node>, role: Option<&Node>, out: &mut Diagnostics) -> bool {
    let (node, message, place) = match (username, password, role) {
        (Some(node), None, _) => (node, "a user name without a password", "`password` is missing"),
        (None, Some(node), _) => (node, "a password without a user name", "`username` is missing"),
        (Some(_), Some(_), Some(node)) => (node, "two ways to log in", "in the place of a user name and a password"),
        _ => return true,
    };
    out.push(Diagnostic::error(code::LOGIN, message).primary(node.head(), place));
    false
}
