//! What stands between a sandbox and the network (contract section 5.3 of the second generation).

use serde::{Deserialize, Serialize};

use super::word::words;
use super::{
    AwsCredentials, AzureCredentials, EnvVars, Extra, GcpCredentials, HiddenExtra, SecretValue, null_as_default,
};

/// The proxy of a sandbox: which hosts it reaches, and which credentials are added on the way.
///
/// An update replaces all of it, but for opaque values that are left out: they stay as they are in the rule of the same
/// name.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ProxyConfig {
    /// What is added to which requests; the first rule that fits a request holds.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<ProxyRule>,
    /// Which hosts are reached; all when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access_control: Option<AccessControl>,
    /// Endpoints of the user's that are asked for credentials.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub callbacks: Vec<ProxyCallback>,
    /// No longer heeded by servers.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub no_proxy: Vec<String>,
    /// A text for people, of at most 1024 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// What this version does not know.
    #[serde(flatten)]
    pub extra: HiddenExtra,
}

/// Which hosts are reached. One of the lists is given; a host in them is a name, `*.example.com`, an IP address, a block
/// of them, or `~` and a regular expression.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessControl {
    /// These alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_list: Option<Vec<String>>,
    /// All but these.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deny_list: Option<Vec<String>>,
}

/// What is added to the requests to some hosts: headers, or the signature of a provider.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ProxyRule {
    /// What it is known by among the rules.
    pub name: String,
    /// Whether it holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// What sort of rule it is.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// A text for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The hosts that it is for. Rules of AWS and Google Cloud know their hosts, and are narrowed by it.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub match_hosts: Vec<String>,
    /// The paths that it is for: a path, `prefix/*`, `*/suffix` or `*`. Of rules with headers only.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub match_paths: Vec<String>,
    /// The headers that it adds.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<ProxyHeader>,
    /// Variables that every command gets. They are told to whoever reads the sandbox.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "EnvVars::is_empty")]
    pub env_vars: EnvVars,
    /// Signs requests to AWS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aws: Option<AwsCredentials>,
    /// Signs requests to Google Cloud.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gcp: Option<GcpCredentials>,
    /// Signs requests to Azure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub azure: Option<AzureCredentials>,
    /// Sends requests elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rewrite: Option<ProxyRewrite>,
    /// What this version does not know, `match_headers`, `match_port`, `match_scheme` and `relay_id` among it.
    #[serde(flatten)]
    pub extra: HiddenExtra,
}

/// A header that is added to a request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProxyHeader {
    /// Its name.
    pub name: String,
    /// Its value.
    #[serde(flatten)]
    pub value: SecretValue,
}

/// Where a request is sent in place of where it was to go: to a host or a sandbox.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ProxyRewrite {
    /// The port there.
    pub port: u32,
    /// The host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The sandbox.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sandbox: Option<String>,
    /// What becomes of the credentials that the request has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credentials: Option<RewriteCredentials>,
    /// What this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

words! {
    /// What becomes of the credentials of a request that is sent elsewhere.
    RewriteCredentials {
        /// They are taken out.
        Strip = "strip",
        /// Something that says nothing stands in their place.
        Redact = "redact",
        /// They go along.
        Keep = "keep",
    }
}

/// An endpoint that is asked for the credentials of requests.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ProxyCallback {
    /// Where it is.
    pub url: String,
    /// For how many seconds its answer holds, 60 to 3600.
    pub ttl_seconds: u64,
    /// The hosts that it is asked about, one at least.
    #[serde(default, deserialize_with = "null_as_default")]
    pub match_hosts: Vec<String>,
    /// Whether it gets the whole request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub full_request: Option<bool>,
    /// The headers that it is asked with.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub request_headers: Vec<ProxyHeader>,
    /// What this version does not know, `attribution_headers` among it.
    #[serde(flatten)]
    pub extra: HiddenExtra,
}
