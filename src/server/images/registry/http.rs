//! Requests to registries, with whatever they want to see of us.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderValue, WWW_AUTHENTICATE};
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder, Response, StatusCode, Url};
use rustls::ClientConfig;
use rustls::crypto::ring;
use rustls_platform_verifier::Verifier;
use serde::Deserialize;

use super::super::error::{ImageError, causes};
use super::auth::{Challenge, Credentials};
use super::{MAX_DOCUMENT_BYTES, Name};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long nothing may come before an answer counts as lost.
const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// How often an answer may say that it is elsewhere. Registries do so once, for layers.
const REDIRECTS: usize = 5;

/// Requests to registries.
#[derive(Debug)]
pub(super) struct Http {
    insecure: Vec<String>,
    credentials: Credentials,
    plain: OnceLock<Client>,
    secure: OnceLock<Client>,
    /// What a registry has accepted, by the image it did so for.
    accepted: Mutex<HashMap<String, HeaderValue>>,
}

/// Why a request came to nothing.
#[derive(Debug)]
pub(super) struct Failure {
    reason: String,
    status: Option<StatusCode>,
    is_transient: bool,
    file: Option<(PathBuf, io::Error)>,
}

impl Http {
    pub(super) fn new(insecure: Vec<String>, credentials: Credentials) -> Self {
        let accepted = Mutex::default();
        Self { insecure, credentials, plain: OnceLock::new(), secure: OnceLock::new(), accepted }
    }

    /// Asks for something of an image, and says who we are when the registry wants to know.
    pub(super) async fn get(&self, name: &Name, path: &str, accept: &str) -> Result<Response, Failure> {
        let scheme = if self.is_insecure(name) { "http" } else { "https" };
        let url = parse_url(&format!("{scheme}://{}/v2/{}/{path}", name.host(), name.repository()))?;
        let client = self.client(name)?;
        let key = format!("{}/{}", name.registry(), name.repository());
        let accepted = self.accepted.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        let request = |authorization: Option<HeaderValue>| {
            let request = client.get(url.clone()).header(ACCEPT, accept);
            match authorization {
                Some(value) => request.header(AUTHORIZATION, value),
                None => request,
            }
        };
        let answer = send(request(accepted)).await?;
        if answer.status() != StatusCode::UNAUTHORIZED {
            return Ok(answer);
        }
        let challenge = answer.headers().get(WWW_AUTHENTICATE).and_then(|value| value.to_str().ok());
        let Some(challenge) = challenge.and_then(Challenge::parse) else { return Ok(answer) };
        let Some(authorization) = self.authorize(name, client, challenge).await? else { return Ok(answer) };
        let answer = send(request(Some(authorization.clone()))).await?;
        if answer.status() != StatusCode::UNAUTHORIZED {
            self.accepted.lock().unwrap_or_else(PoisonError::into_inner).insert(key, authorization);
        }
        Ok(answer)
    }

    /// Returns what answers a challenge; `None` when that takes a password, and there is none.
    async fn authorize(
        &self,
        name: &Name,
        client: &Client,
        challenge: Challenge,
    ) -> Result<Option<HeaderValue>, Failure> {
        #[derive(Deserialize)]
        struct Answer {
            token: Option<String>,
            access_token: Option<String>,
        }
        let login = self.credentials.of(name);
        let identify = |request: RequestBuilder| match login {
            Some(login) => request.basic_auth(&login.user, Some(login.password.expose())),
            None => request,
        };
        let Challenge::Bearer { realm, service } = challenge else {
            let Some(_) = login else { return Ok(None) };
            let request = identify(client.get("http://localhost")).build().map_err(Failure::broken)?;
            return Ok(request.headers().get(AUTHORIZATION).cloned());
        };
        let mut url = parse_url(&realm)?;
        if url.scheme() != "https" && !self.is_insecure(name) {
            return Err(Failure::refused(format!("it sends us to `{realm}` for a token, which is not secure")));
        }
        url.query_pairs_mut()
            .extend_pairs(service.map(|service| ("service", service)))
            .append_pair("scope", &format!("repository:{}:pull", name.repository()));
        let mut answer = send(identify(client.get(url))).await?;
        if !answer.status().is_success() {
            return Err(Failure::status(answer.status()));
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(Failure::broken)? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() as u64 > MAX_DOCUMENT_BYTES {
                return Err(Failure::refused("its token is too long".to_owned()));
            }
        }
        let token = serde_json::from_slice(&bytes).ok().and_then(|found: Answer| found.token.or(found.access_token));
        let mut value = token.and_then(|token| HeaderValue::from_str(&format!("Bearer {token}")).ok());
        if let Some(value) = &mut value {
            value.set_sensitive(true);
        }
        value.map(Some).ok_or_else(|| Failure::refused("it gave no token".to_owned()))
    }

    fn is_insecure(&self, name: &Name) -> bool {
        self.insecure.iter().any(|host| host == name.registry())
    }

    fn client(&self, name: &Name) -> Result<&Client, Failure> {
        let insecure = self.is_insecure(name);
        let cell = if insecure { &self.plain } else { &self.secure };
        if let Some(client) = cell.get() {
            return Ok(client);
        }
        let client = build(insecure)?;
        Ok(cell.get_or_init(|| client))
    }
}

/// Makes a client for plain HTTP, past every proxy as such registries are near, or one for HTTPS and nothing else.
fn build(insecure: bool) -> Result<Client, Failure> {
    let unusable = |error: &dyn std::fmt::Display| Failure::refused(format!("TLS cannot be set up: {error}"));
    let provider = Arc::new(ring::default_provider());
    let tls = ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions();
    let tls = tls.map_err(|error| unusable(&error))?;
    let tls = if insecure {
        tls.with_root_certificates(rustls::RootCertStore::empty())
    } else {
        let verifier = Verifier::new(provider).map_err(|error| unusable(&error))?;
        tls.dangerous().with_custom_certificate_verifier(Arc::new(verifier))
    };
    let builder = Client::builder()
        .tls_backend_preconfigured(tls.with_no_client_auth())
        .redirect(Policy::limited(REDIRECTS))
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(READ_TIMEOUT);
    let builder = if insecure { builder.no_proxy() } else { builder.https_only(true) };
    builder.build().map_err(|error| unusable(&error))
}

async fn send(request: RequestBuilder) -> Result<Response, Failure> {
    request.send().await.map_err(Failure::broken)
}

fn parse_url(text: &str) -> Result<Url, Failure> {
    Url::parse(text).map_err(|error| Failure::refused(format!("`{text}` is no URL: {error}")))
}

impl Failure {
    /// What would fail in the same way again.
    pub(super) fn refused(reason: String) -> Self {
        Self { reason, status: None, is_transient: false, file: None }
    }

    /// An answer that ended too soon or too late.
    pub(super) fn broken_off(reason: String) -> Self {
        Self { is_transient: true, ..Self::refused(reason) }
    }

    /// A connection that could not be made, or was lost.
    pub(super) fn broken(error: reqwest::Error) -> Self {
        // Where layers are kept is often a URL with a secret in it.
        let error = error.without_url();
        let causes = causes(&error);
        let reason = if error.is_connect() {
            format!("it cannot be reached{causes}; `--image-fallback host` runs templates on this machine's own files")
        } else if error.is_redirect() {
            format!("it redirects to where we do not go{causes}")
        } else {
            format!("the connection was lost{causes}")
        };
        Self { is_transient: !error.is_redirect() && !error.is_builder(), ..Self::refused(reason) }
    }

    /// An answer that is none.
    pub(super) fn status(status: StatusCode) -> Self {
        let advice = match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                "there is no such image, or it takes a password: give one with `--registry-auth-file`"
            }
            StatusCode::NOT_FOUND => "it has no such image or tag: check the template's `image`",
            StatusCode::TOO_MANY_REQUESTS => {
                "it takes no more requests for now: wait, or give a password with `--registry-auth-file`"
            }
            _ if status.is_server_error() => "it has a fault of its own: try again later",
            _ => "which is no answer of a registry: check its host",
        };
        let is_transient = status.is_server_error();
        Self { status: Some(status), is_transient, ..Self::refused(format!("it answered {status}; {advice}")) }
    }

    /// A file of ours that cannot be written.
    pub(super) fn file(path: &Path, source: io::Error) -> Self {
        Self { file: Some((path.to_owned(), source)), ..Self::refused(String::new()) }
    }

    pub(super) fn is_transient(&self) -> bool {
        self.is_transient
    }

    /// Returns the error for an image.
    pub(super) fn of(self, name: &Name) -> ImageError {
        if let Some((path, source)) = self.file {
            return ImageError::File { action: "write", path, source };
        }
        ImageError::Registry {
            reference: name.to_string(),
            registry: name.registry().to_owned(),
            status: self.status.map(|status| status.as_u16()),
            is_transient: self.is_transient,
            reason: self.reason,
        }
    }
}
