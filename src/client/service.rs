//! URLs for what listens inside a sandbox (contract section 4.7).

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use http::header::HeaderName;
use http::{HeaderMap, HeaderValue, Method, Response};

use super::connect::{Client, whole_seconds};
use super::error::Error;
use super::link::Link;
use super::request::{Operation, Request, Verb, overlay};
use crate::types::{Secret, Timestamp};
use crate::wire::{self, CreateServiceUrl, route};

/// The header that carries a service's token.
const TOKEN_HEADER: HeaderName = HeaderName::from_static("x-langsmith-sandbox-service-token");
/// A URL that holds for no longer than this is replaced before it is used.
const FRESH_FOR: Duration = Duration::from_secs(30);
/// The time limit of a request to a service: the default of the official SDK's HTTP library.
const SERVICE_TIMEOUT: Duration = Duration::from_secs(5);
/// The longest time that a URL can hold: a day.
const MAX_EXPIRES_IN: Duration = Duration::from_hours(24);

/// How [`Client::service`] asks for a URL.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ServiceOptions {
    /// For how long each URL holds: 600 s by default, 1 s to a day, sent in seconds. It is replaced 30 s before its
    /// end.
    pub expires_in: Duration,
}

impl Default for ServiceOptions {
    fn default() -> Self {
        Self { expires_in: Duration::from_mins(10) }
    }
}

impl ServiceOptions {
    /// Sets for how long each URL holds.
    #[must_use]
    pub fn expires_in(mut self, duration: Duration) -> Self {
        self.expires_in = duration;
        self
    }
}

/// A URL for a port of a sandbox, replaced in time before it expires. Cheap to clone; clones share the URL.
#[derive(Clone)]
pub struct ServiceUrl {
    link: Link,
    /// Asks for another URL.
    request: Arc<Request>,
    current: Arc<RwLock<wire::ServiceUrl>>,
}

impl Client {
    /// Returns a URL for a port of a sandbox (`POST /boxes/{name}/service-url`).
    ///
    /// # Errors
    ///
    /// * [`Kind::InvalidArgument`](super::Kind::InvalidArgument): the port is 0, or the time is not 1 s to a day.
    /// * [`Kind::NotFound`](super::Kind::NotFound): there is no such sandbox.
    pub async fn service(&self, name: &str, port: u16, options: ServiceOptions) -> Result<ServiceUrl, Error> {
        let operation = Operation::on::<wire::Sandbox>(Verb::ServiceUrl, name);
        if port == 0 {
            return Err(Error::invalid_argument(operation, "port", "a port is 1 to 65535, not 0"));
        }
        if options.expires_in < Duration::from_secs(1) || options.expires_in > MAX_EXPIRES_IN {
            let message = format!("a service URL holds for 1 s to 86400 s, not {:?}", options.expires_in);
            return Err(Error::invalid_argument(operation, "expires_in", message));
        }
        let body = CreateServiceUrl { port: port.into(), expires_in_seconds: whole_seconds(options.expires_in) };
        let request = Request::on_item(operation, Method::POST, route::SANDBOX_SERVICE_URL)?.json(&body);
        let current = self.link().fetch(&request).await?;
        Ok(ServiceUrl {
            link: self.link().without_deadline(),
            request: Arc::new(request),
            current: Arc::new(RwLock::new(current)),
        })
    }
}

impl ServiceUrl {
    /// Returns the URL to open in a browser. It carries the token: treat it as a secret.
    ///
    /// # Errors
    ///
    /// Those of [`Client::service`], when the URL had to be replaced; so for the other accessors.
    pub async fn browser_url(&self) -> Result<String, Error> {
        Ok(self.fresh().await?.browser_url)
    }

    /// Returns the URL for programs, to be called with the token.
    pub async fn service_url(&self) -> Result<String, Error> {
        Ok(self.fresh().await?.service_url)
    }

    /// Returns the token to send as `X-Langsmith-Sandbox-Service-Token`.
    pub async fn token(&self) -> Result<Secret, Error> {
        Ok(Secret::new(self.fresh().await?.token))
    }

    /// Returns when the URL expires.
    pub async fn expires_at(&self) -> Result<Timestamp, Error> {
        Ok(self.fresh().await?.expires_at)
    }

    /// Returns what is known now, without a request, expired or not.
    pub fn current(&self) -> wire::ServiceUrl {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sends `GET` to the service, see [`ServiceUrl::request`].
    pub async fn get(&self, path: &str) -> Result<Response<Bytes>, Error> {
        self.request(Method::GET, path, HeaderMap::new(), Bytes::new()).await
    }

    /// Sends `POST` to the service, see [`ServiceUrl::request`].
    pub async fn post(&self, path: &str, body: impl Into<Bytes>) -> Result<Response<Bytes>, Error> {
        self.request(Method::POST, path, HeaderMap::new(), body.into()).await
    }

    /// Sends `PUT` to the service, see [`ServiceUrl::request`].
    pub async fn put(&self, path: &str, body: impl Into<Bytes>) -> Result<Response<Bytes>, Error> {
        self.request(Method::PUT, path, HeaderMap::new(), body.into()).await
    }

    /// Sends `PATCH` to the service, see [`ServiceUrl::request`].
    pub async fn patch(&self, path: &str, body: impl Into<Bytes>) -> Result<Response<Bytes>, Error> {
        self.request(Method::PATCH, path, HeaderMap::new(), body.into()).await
    }

    /// Sends `DELETE` to the service, see [`ServiceUrl::request`].
    pub async fn delete(&self, path: &str) -> Result<Response<Bytes>, Error> {
        self.request(Method::DELETE, path, HeaderMap::new(), Bytes::new()).await
    }

    /// Sends a request to what listens in the sandbox, and returns its answer whatever the status.
    ///
    /// `path` is below the service's URL, with a query if need be. The token is added to `headers`; the API key and the
    /// client's other headers are not, since they are none of the service's business. The time limit is 5 s, and
    /// nothing is retried.
    ///
    /// # Errors
    ///
    /// * Those of [`Client::service`], when the URL had to be replaced.
    /// * [`Kind::InvalidArgument`](super::Kind::InvalidArgument): the path makes no URL.
    /// * [`Kind::Connection`](super::Kind::Connection), [`Kind::TransportTimeout`](super::Kind::TransportTimeout),
    ///   [`Kind::Transport`](super::Kind::Transport): the service gave no answer.
    pub async fn request(
        &self,
        method: Method,
        path: &str,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Response<Bytes>, Error> {
        let url = self.fresh().await?;
        let http = to_http(&url, method, path, headers, body).map_err(|error| {
            let message = "the path makes no URL below that of the service";
            Error::invalid_argument(self.operation(), "path", message).with_source(error)
        })?;
        // For logs and errors: a query may hold anything, so it stays out.
        let request = Request::new(self.operation(), http.method().clone(), http.uri().path().to_owned());
        match self.link.within_deadline(self.link.send(&request, http, SERVICE_TIMEOUT, 1)).await {
            Some(result) => result.map_err(|error| Error::from_transport(&request, error, 1)),
            None => Err(Error::deadline_exceeded(&request, 1).with_ambiguous(request.writes())),
        }
    }

    /// Returns the URL, after replacing it if it is about to expire.
    async fn fresh(&self) -> Result<wire::ServiceUrl, Error> {
        let current = self.current();
        if current.expires_at.saturating_since(self.link.now()) > FRESH_FOR {
            return Ok(current);
        }
        // Two callers at once may both ask; either URL is good, so no lock is held meanwhile.
        let fresh: wire::ServiceUrl = self.link.fetch(&self.request).await?;
        self.current.write().unwrap_or_else(PoisonError::into_inner).clone_from(&fresh);
        Ok(fresh)
    }

    fn operation(&self) -> Operation {
        Operation { verb: Verb::CallService, ..self.request.operation.clone() }
    }
}

fn to_http(
    url: &wire::ServiceUrl,
    method: Method,
    path: &str,
    headers: HeaderMap,
    body: Bytes,
) -> Result<http::Request<Bytes>, http::Error> {
    let uri = format!("{}/{}", url.service_url.trim_end_matches('/'), path.trim_start_matches('/'));
    let mut http = http::Request::builder().method(method).uri(uri).body(body)?;
    let mut token = HeaderValue::from_str(&url.token)?;
    token.set_sensitive(true);
    *http.headers_mut() = headers;
    overlay(http.headers_mut(), &HeaderMap::from_iter([(TOKEN_HEADER, token)]));
    Ok(http)
}

impl fmt::Debug for ServiceUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceUrl").field("current", &self.current()).finish_non_exhaustive()
    }
}
