//! Who gets at what is in a sandbox from outside, as the second generation has it (contract section 4.7 of the second
//! generation). A URL with a token is the same in both, see [`Client::service`].

use std::time::Duration;

use http::Method;
use percent_encoding::utf8_percent_encode;

use super::connect::{Client, whole_seconds};
use super::error::{Error, Kind};
use super::generation::Generation;
use super::reader::Reader;
use super::request::{Operation, Request, SEGMENT, Verb};
use crate::wire::{
    self, ContentDisposition, CreateDownloadUrl, CreateServiceUrlV2, DownloadUrl, ServiceAccess, ServiceUrlGrant,
    ServiceUrlGrantList, ServiceUrlV2, route,
};
/// How many pages of grants are read at most: a sandbox has 65535 ports.
const MAX_PAGES: usize = 700;

/// How [`Client::create_download_url`] makes a URL.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct DownloadUrlOptions {
    /// For how long it holds, sent in seconds; by default forever.
    pub expires_in: Option<Duration>,
    /// What the file is said to be; the server's guess by default.
    pub content_type: Option<String>,
    /// Whether a browser shows it or saves it; the server's choice by default.
    pub content_disposition: Option<ContentDisposition>,
    /// Whether a browser shows it locked in; the server's choice by default.
    pub csp_sandbox: Option<bool>,
    /// What it may do all the same, such as `allow-scripts`; nothing by default.
    pub csp_sandbox_flags: Vec<String>,
    /// Where it may load from, by names that the server knows; from nowhere by default.
    pub csp_source_bundles: Vec<String>,
}

impl DownloadUrlOptions {
    /// Sets for how long the URL holds.
    #[must_use]
    pub fn expires_in(mut self, duration: Duration) -> Self {
        self.expires_in = Some(duration);
        self
    }

    /// Sets what the file is said to be.
    #[must_use]
    pub fn content_type(mut self, media_type: impl Into<String>) -> Self {
        self.content_type = Some(media_type.into());
        self
    }

    /// Sets whether a browser shows it or saves it.
    #[must_use]
    pub fn content_disposition(mut self, disposition: ContentDisposition) -> Self {
        self.content_disposition = Some(disposition);
        self
    }

    /// Sets whether a browser shows it locked in, and what it may do all the same.
    #[must_use]
    pub fn csp_sandbox(mut self, sandbox: bool, flags: impl IntoIterator<Item = String>) -> Self {
        self.csp_sandbox = Some(sandbox);
        self.csp_sandbox_flags = flags.into_iter().collect();
        self
    }

    /// Sets where it may load from.
    #[must_use]
    pub fn csp_source_bundles(mut self, bundles: impl IntoIterator<Item = String>) -> Self {
        self.csp_source_bundles = bundles.into_iter().collect();
        self
    }
}

impl Client {
    /// Returns a URL from which a file of a sandbox can be read with no credentials (`POST /boxes/{name}/download-url`).
    /// Reading it starts a sandbox that is stopped. Treat it as a secret.
    ///
    /// # Errors
    ///
    /// * [`Kind::InvalidArgument`]: the path is empty, or the time is below 1 s.
    /// * [`Kind::NotFound`]: there is no such sandbox.
    /// * [`Kind::WrongGeneration`]: the server has no such URLs.
    pub async fn create_download_url(
        &self,
        name: &str,
        path: &str,
        options: DownloadUrlOptions,
    ) -> Result<DownloadUrl, Error> {
        let mut operation = operation(Verb::DownloadUrl, name);
        operation.file = Some(path.to_owned());
        if path.is_empty() {
            return Err(Error::invalid_argument(operation, "path", "a file needs a path"));
        }
        if options.expires_in.is_some_and(|duration| duration < Duration::from_secs(1)) {
            return Err(Error::invalid_argument(operation, "expires_in", "a download URL holds for 1 s at least"));
        }
        let body = CreateDownloadUrl {
            path: path.to_owned(),
            expires_in_seconds: options.expires_in.map(whole_seconds),
            content_type: options.content_type,
            content_disposition: options.content_disposition,
            csp_sandbox: options.csp_sandbox,
            csp_sandbox_flags: options.csp_sandbox_flags,
            csp_source_bundles: options.csp_source_bundles,
        };
        let request = Request::on_item(operation, Method::POST, route::SANDBOX_DOWNLOAD_URL)?;
        self.link().fetch(&request.json(&body)).await
    }

    /// Sets who gets in to a port of a sandbox, and returns its URLs (`POST /boxes/{name}/service-url`). It holds until
    /// it is set again or ended. `embed_origins` are the sites that may show it in a frame, at most 5.
    ///
    /// # Errors
    ///
    /// * [`Kind::InvalidArgument`]: the port is 0.
    /// * [`Kind::NotFound`]: there is no such sandbox.
    pub async fn set_service_access(
        &self,
        name: &str,
        port: u16,
        access: ServiceAccess,
        embed_origins: impl IntoIterator<Item = String>,
    ) -> Result<ServiceUrlV2, Error> {
        let operation = Operation::on::<wire::SandboxV2>(Verb::ServiceUrl, name);
        if port == 0 {
            return Err(Error::invalid_argument(operation, "port", "a port is 1 to 65535, not 0"));
        }
        let body = CreateServiceUrlV2 {
            port: port.into(),
            expires_in_seconds: None,
            access: Some(access),
            embed_origins: embed_origins.into_iter().collect(),
        };
        let request = Request::on_item(operation, Method::POST, route::SANDBOX_SERVICE_URL)?;
        self.link().fetch(&request.json(&body)).await
    }

    /// Returns who gets in to which port of a sandbox (`GET /boxes/{name}/service-urls`, every page).
    ///
    /// # Errors
    ///
    /// * [`Kind::NotFound`]: there is no such sandbox.
    /// * [`Kind::WrongGeneration`]: the server has no such list.
    pub async fn list_service_urls(&self, name: &str) -> Result<Vec<ServiceUrlGrant>, Error> {
        self.reader().list_service_urls(name).await
    }

    /// Ends all access to a port of a sandbox, or to all of them (`DELETE /boxes/{name}/service-urls`).
    ///
    /// # Errors
    ///
    /// Those of [`Client::list_service_urls`].
    pub async fn delete_service_urls(&self, name: &str, port: Option<u16>) -> Result<(), Error> {
        let operation = operation(Verb::EndService, name);
        let mut request = Request::on_item(operation, Method::DELETE, route::SANDBOX_SERVICE_URLS)?;
        if let Some(port) = port {
            request.path = format!("{}?port={port}", request.path);
        }
        self.link().send_again(&request).await
    }
}

impl Reader {
    /// Returns who gets in to which port of a sandbox (`GET /boxes/{name}/service-urls`, every page).
    ///
    /// # Errors
    ///
    /// Those of [`Client::list_service_urls`].
    pub async fn list_service_urls(&self, name: &str) -> Result<Vec<ServiceUrlGrant>, Error> {
        let first = Request::on_item(operation(Verb::ServiceUrls, name), Method::GET, route::SANDBOX_SERVICE_URLS)?;
        let (mut grants, mut request) = (Vec::new(), first.clone());
        for _ in 0..MAX_PAGES {
            let page: ServiceUrlGrantList = self.link().fetch(&request).await?;
            grants.extend(page.items);
            let Some(cursor) = page.next_cursor.filter(|cursor| !cursor.is_empty()) else {
                return Ok(grants);
            };
            request.path = format!("{}?cursor={}", first.path, utf8_percent_encode(&cursor, SEGMENT));
        }
        Err(Error::new(Kind::InvalidBody, &request, format!("the list has not ended after {MAX_PAGES} pages")))
    }
}

fn operation(verb: Verb, name: &str) -> Operation {
    Operation { generation: Some(Generation::Second), ..Operation::on::<wire::SandboxV2>(verb, name) }
}
