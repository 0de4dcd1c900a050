//! URLs for what is in a sandbox, as the second generation makes them (contract section 4.7 of the second generation).

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};

use super::word::words;
use super::{null_as_default, secret};
use crate::types::{Secret, Timestamp};

/// The body of `POST /boxes/{name}/service-url` of the second generation.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateServiceUrlV2 {
    /// The port inside the sandbox, above 0.
    pub port: u32,
    /// For how many seconds the token holds, 600 when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_in_seconds: Option<u64>,
    /// Who gets in; whoever has the token when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access: Option<ServiceAccess>,
    /// The sites that may show it in a frame, at most 5.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub embed_origins: Vec<String>,
}

words! {
    /// Who gets in to a service.
    ServiceAccess {
        /// Whoever has the token. Only in answers.
        Token = "token",
        /// Who is logged in, and may use the sandbox. Durable, with no token.
        Restricted = "restricted",
        /// Who is logged in to the workspace. Durable, with no token.
        Workspace = "workspace",
        /// Nobody by log-in any more: whoever has the new token. Only in requests.
        Off = "off",
    }
}

/// The answer of `POST /boxes/{name}/service-url` of the second generation. `Debug` leaves out the token, and the URLs
/// that may carry it.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ServiceUrlV2 {
    /// The URL for a browser.
    #[serde(default, deserialize_with = "null_as_default")]
    pub browser_url: String,
    /// The URL for programs, which send the token as a header.
    #[serde(default, deserialize_with = "null_as_default")]
    pub service_url: String,
    /// The token; empty where people log in.
    #[serde(default, with = "secret::optional")]
    pub token: Option<Secret>,
    /// When the token stops to hold; `None` where people log in.
    #[serde(default, deserialize_with = "empty_as_none")]
    pub expires_at: Option<Timestamp>,
    /// The URL to show in a frame.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub embed_url: Option<String>,
    /// The sites that may show it in a frame.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub embed_origins: Vec<String>,
    /// Who gets in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access: Option<ServiceAccess>,
}

impl fmt::Debug for ServiceUrlV2 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceUrlV2")
            .field("service_url", &self.service_url)
            .field("expires_at", &self.expires_at)
            .field("embed_origins", &self.embed_origins)
            .field("access", &self.access)
            .finish_non_exhaustive()
    }
}

/// Who gets in to which port of a sandbox.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ServiceUrlGrant {
    /// The port.
    pub port: u32,
    /// Who gets in.
    pub access: ServiceAccess,
    /// Since when.
    pub created_at: Timestamp,
    /// By whose leave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_by: Option<String>,
    /// Until when, with a token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// The sites that may show it in a frame.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub embed_origins: Vec<String>,
}

/// One page of `GET /boxes/{name}/service-urls`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ServiceUrlGrantList {
    /// The grants of the page.
    #[serde(deserialize_with = "null_as_default")]
    pub items: Vec<ServiceUrlGrant>,
    /// What to ask for the next page with; `None` when this is the last.
    #[serde(default)]
    pub next_cursor: Option<String>,
}

/// The body of `POST /boxes/{name}/download-url`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateDownloadUrl {
    /// The file in the sandbox.
    pub path: String,
    /// For how many seconds the URL holds, 1 at least; forever when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_in_seconds: Option<u64>,
    /// What the file is said to be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// Whether a browser shows it or saves it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_disposition: Option<ContentDisposition>,
    /// Whether a browser shows it locked in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub csp_sandbox: Option<bool>,
    /// What it may do all the same.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub csp_sandbox_flags: Vec<String>,
    /// Where it may load from, by names that the server knows.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub csp_source_bundles: Vec<String>,
}

words! {
    /// What a browser does with a file.
    ContentDisposition {
        /// It saves it.
        Attachment = "attachment",
        /// It shows it.
        Inline = "inline",
    }
}

/// The answer of `POST /boxes/{name}/download-url`. Whoever has the URL reads the file, so `Debug` leaves it out.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct DownloadUrl {
    /// The token that the URL carries.
    #[serde(default, with = "secret::optional")]
    pub token: Option<Secret>,
    /// The URL.
    pub download_url: String,
    /// When it stops to hold; `None` is never.
    #[serde(default, deserialize_with = "empty_as_none")]
    pub expires_at: Option<Timestamp>,
}

impl fmt::Debug for DownloadUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DownloadUrl").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

/// Servers write "no time" as an empty text too.
fn empty_as_none<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?.filter(|text| !text.is_empty());
    text.map(|text| text.parse().map_err(serde::de::Error::custom)).transpose()
}
