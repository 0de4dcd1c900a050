//! Where the server is, and how to talk to it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::header::{HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use url::{Host, Url};

use super::socket_timeouts::SocketTimeouts;
use crate::types::{Secret, Timestamp};
use crate::wire::route;

/// The environment variables that name the server, first choice first. [`Config::from_env`] adds the API's path.
pub const ENDPOINT_VARIABLES: [&str; 2] = ["LANGSMITH_ENDPOINT", "LANGCHAIN_ENDPOINT"];
/// The environment variables that hold the API key, first choice first.
pub const API_KEY_VARIABLES: [&str; 2] = ["LANGSMITH_API_KEY", "LANGCHAIN_API_KEY"];
/// The server that is meant when no variable names one.
pub const DEFAULT_ENDPOINT: &str = "https://api.smith.langchain.com";

/// The header that carries the API key.
pub(super) const API_KEY_HEADER: HeaderName = HeaderName::from_static("x-api-key");

/// A function that tells the time of day; tokio's clock is used for everything that waits.
pub(super) type WallClock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// How a [`Client`](super::Client) is set up.
///
/// ```
/// use std::time::Duration;
/// use sbx::client::{Client, Config};
/// use sbx::types::Secret;
///
/// let config = Config::new("http://127.0.0.1:8080/v2/sandboxes")
///     .api_key(Secret::new("lsv2_pt_1234"))
///     .timeout(Duration::from_secs(5));
/// let client = Client::new(config)?;
/// # Ok::<(), sbx::client::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct Config {
    pub(super) base_url: String,
    pub(super) api_key: Option<Secret>,
    pub(super) headers: HeaderMap,
    pub(super) timeout: Duration,
    pub(super) max_retries: u32,
    pub(super) max_rate_limit_wait: Duration,
    pub(super) socket_timeouts: SocketTimeouts,
    pub(super) ca_certificate: Option<Arc<[u8]>>,
    pub(super) clock: WallClock,
}

/// Why a [`Config`] cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The endpoint is not a URL.
    #[error("the endpoint `{endpoint}` is not a URL")]
    InvalidEndpoint {
        /// The endpoint as given, cut where it could carry a password.
        endpoint: String,
        /// What is wrong with it.
        source: url::ParseError,
    },
    /// The endpoint is a URL of something else than HTTP.
    #[error("the endpoint `{endpoint}` is neither an `http://` nor an `https://` URL")]
    NotHttp {
        /// The endpoint as given, cut where it could carry a password.
        endpoint: String,
    },
    /// The endpoint has a user name or a password, which belong into the API key; they are not shown.
    #[error("the endpoint on `{host}` carries a user name or password")]
    CredentialsInEndpoint {
        /// The host of the endpoint.
        host: String,
    },
    /// The endpoint has a query or a fragment, so that no path can be added to it.
    #[error("the endpoint on `{host}` has a query or a fragment")]
    QueryInEndpoint {
        /// The host of the endpoint.
        host: String,
    },
    /// The API key cannot be sent as a header, as when it ends in a line break.
    #[error("the API key has characters that no header can carry, such as a line break")]
    InvalidApiKey,
    /// The text given as CA certificates is not PEM, or has no certificate.
    #[error("the CA file holds no certificate in PEM form")]
    InvalidCaCertificate,
    /// The machine's certificates could not be read, or none was found.
    #[error("cannot set up TLS")]
    Tls {
        /// What went wrong.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl Config {
    /// The time limit of a request when nothing else is said.
    pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
    /// How often a request is sent again when nothing else is said.
    pub const DEFAULT_MAX_RETRIES: u32 = 3;
    /// The longest sleep after a 429 when nothing else is said.
    pub const DEFAULT_MAX_RATE_LIMIT_WAIT: Duration = Duration::from_mins(1);

    /// Returns the settings for the API at `base_url`, which includes the API's path, such as
    /// `https://example.com/v2/sandboxes`. Trailing slashes do not matter.
    pub fn new(base_url: impl Into<String>) -> Self {
        Self {
            base_url: base_url.into().trim_end_matches('/').to_owned(),
            api_key: None,
            headers: HeaderMap::new(),
            timeout: Self::DEFAULT_TIMEOUT,
            max_retries: Self::DEFAULT_MAX_RETRIES,
            max_rate_limit_wait: Self::DEFAULT_MAX_RATE_LIMIT_WAIT,
            socket_timeouts: SocketTimeouts::default(),
            ca_certificate: None,
            clock: Arc::new(real_time),
        }
    }

    /// Returns the settings that the official SDKs would take from this process's environment.
    ///
    /// See [`Config::from_lookup`] for the rules. Nothing is cached: a later call sees a changed environment.
    pub fn from_env() -> Self {
        #[expect(clippy::disallowed_methods, reason = "the one place where the library reads the environment")]
        Self::from_lookup(|name| std::env::var(name).ok())
    }

    /// Returns the settings that the official SDKs would take from an environment that `lookup` stands for.
    ///
    /// The first of [`ENDPOINT_VARIABLES`] that is not empty names the server, else it is [`DEFAULT_ENDPOINT`]; the
    /// path `/v2/sandboxes` is added. The first of [`API_KEY_VARIABLES`] that is not empty is the key. A value of
    /// nothing but white space counts as empty; any other value is used untrimmed (contract section 1.1). The time
    /// limits of WebSockets are those of [`SocketTimeouts::from_lookup`].
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Self {
        let socket_timeouts = SocketTimeouts::from_lookup(&lookup);
        let first = |names: [&str; 2]| names.into_iter().filter_map(&lookup).find(|value| !value.trim().is_empty());
        let endpoint = first(ENDPOINT_VARIABLES).unwrap_or_else(|| DEFAULT_ENDPOINT.to_owned());
        let mut config = Self::new(format!("{}{}", endpoint.trim_end_matches('/'), route::PREFIXES[0]));
        config.api_key = first(API_KEY_VARIABLES).map(Secret::new);
        config.socket_timeouts(socket_timeouts)
    }

    /// Sets the API key, sent as `X-Api-Key`. Without one the header is left out and the server decides.
    #[must_use]
    pub fn api_key(mut self, key: Secret) -> Self {
        // An empty key counts as none, as in the SDKs.
        self.api_key = Some(key).filter(|key| !key.expose().is_empty());
        self
    }

    /// Adds headers to every request. They win over the API key, where they name its header.
    #[must_use]
    pub fn headers(mut self, headers: HeaderMap) -> Self {
        self.headers.extend(headers);
        self
    }

    /// Sets the time limit of one attempt of a call, 10 s by default. It bounds, each by itself, getting an answer and
    /// every further read. Calls that let the server wait for something have their own limit on top of that wait.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets how often a call is tried again after a failure that allows it, 3 by default. With 0, each call is exactly
    /// one request: nothing is sent again and nothing is looked up to find out what a lost answer was.
    #[must_use]
    pub fn max_retries(mut self, n_retries: u32) -> Self {
        self.max_retries = n_retries;
        self
    }

    /// Sets the longest sleep that a server can ask for with `Retry-After`, 60 s by default.
    #[must_use]
    pub fn max_rate_limit_wait(mut self, wait: Duration) -> Self {
        self.max_rate_limit_wait = wait;
        self
    }

    /// Sets the time limits of WebSockets, in place of the defaults and of what the environment says.
    #[must_use]
    pub fn socket_timeouts(mut self, timeouts: SocketTimeouts) -> Self {
        self.socket_timeouts = timeouts;
        self
    }

    /// Trusts the certificates in `pem` for `https://`, next to those of the machine.
    #[must_use]
    pub fn ca_certificate(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.ca_certificate = Some(pem.into().into());
        self
    }

    /// Replaces the clock that tells whether a service URL has expired and what an HTTP date means. For tests.
    #[must_use]
    pub fn wall_clock(mut self, clock: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Returns the base URL, without a trailing slash.
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// Checks the base URL.
    pub(super) fn parse_base_url(&self) -> Result<Url, ConfigError> {
        // Whatever stands before an `@` may be a password, also where the text is no good URL.
        let endpoint = || match self.base_url.rsplit_once('@') {
            Some((_, host)) => format!("…@{host}"),
            None => self.base_url.clone(),
        };
        let url = Url::parse(&self.base_url)
            .map_err(|source| ConfigError::InvalidEndpoint { endpoint: endpoint(), source })?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(ConfigError::NotHttp { endpoint: endpoint() });
        }
        let host = || url.host_str().unwrap_or_default().to_owned();
        if !url.username().is_empty() || url.password().is_some() {
            return Err(ConfigError::CredentialsInEndpoint { host: host() });
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(ConfigError::QueryInEndpoint { host: host() });
        }
        Ok(url)
    }

    /// Returns the headers of every request, with the key among them.
    pub(super) fn base_headers(&self) -> Result<HeaderMap, ConfigError> {
        let mut headers = self.headers.clone();
        headers.entry(USER_AGENT).or_insert(HeaderValue::from_static(concat!("sbx/", env!("CARGO_PKG_VERSION"))));
        if let Some(key) = &self.api_key
            && !headers.contains_key(API_KEY_HEADER)
        {
            let mut value = HeaderValue::from_str(key.expose()).map_err(|_| ConfigError::InvalidApiKey)?;
            value.set_sensitive(true);
            headers.insert(API_KEY_HEADER, value);
        }
        Ok(headers)
    }
}

impl fmt::Debug for Config {
    /// Shows the names of the headers only, since their values may be credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("base_url", &without_credentials(&self.base_url))
            .field("api_key", &self.api_key)
            .field("headers", &self.headers.keys().collect::<Vec<_>>())
            .field("timeout", &self.timeout)
            .field("max_retries", &self.max_retries)
            .field("max_rate_limit_wait", &self.max_rate_limit_wait)
            .field("socket_timeouts", &self.socket_timeouts)
            .finish_non_exhaustive()
    }
}

/// Returns whether a URL stays on this machine, where no proxy has a say.
pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Cuts what stands before an `@` in the authority: an endpoint that is refused for it can still be shown.
fn without_credentials(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let authority_len = rest.find('/').unwrap_or(rest.len());
    match rest[..authority_len].rfind('@') {
        Some(at) => format!("{scheme}://<redacted>{}", &rest[at..]),
        None => url.to_owned(),
    }
}

fn real_time() -> Timestamp {
    #[expect(clippy::disallowed_methods, reason = "the default of an injectable clock")]
    Timestamp::new(jiff::Timestamp::now())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lookup<'a>(variables: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<String> + 'a {
        |name| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
    }

    fn key(config: &Config) -> Option<&str> {
        config.api_key.as_ref().map(Secret::expose)
    }

    #[test]
    fn environment_rules() {
        type Case<'a> = (&'a [(&'a str, &'a str)], &'a str, Option<&'a str>);
        let cases: [Case<'_>; 6] = [
            (&[], "https://api.smith.langchain.com/v2/sandboxes", None),
            (&[("LANGSMITH_ENDPOINT", "http://a//")], "http://a/v2/sandboxes", None),
            (&[("LANGCHAIN_ENDPOINT", "http://b")], "http://b/v2/sandboxes", None),
            (&[("LANGSMITH_ENDPOINT", " \t"), ("LANGCHAIN_ENDPOINT", "http://b")], "http://b/v2/sandboxes", None),
            (
                &[("LANGSMITH_API_KEY", "one"), ("LANGCHAIN_API_KEY", "two"), ("LANGSMITH_ENDPOINT", "http://a")],
                "http://a/v2/sandboxes",
                Some("one"),
            ),
            (
                &[("LANGSMITH_API_KEY", ""), ("LANGCHAIN_API_KEY", " two "), ("LANGSMITH_ENDPOINT", "http://a")],
                "http://a/v2/sandboxes",
                Some(" two "),
            ),
        ];
        for (variables, base_url, api_key) in cases {
            let config = Config::from_lookup(lookup(variables));
            assert_eq!((config.base_url(), key(&config)), (base_url, api_key), "{variables:?}");
        }
    }

    #[test]
    fn an_explicit_base_is_used_as_it_is() {
        assert_eq!(Config::new("http://a/path//").base_url(), "http://a/path");
        assert_eq!(key(&Config::new("http://a").api_key(Secret::new(""))), None);
    }

    #[test]
    fn bad_endpoints_are_refused_and_their_passwords_not_shown() {
        let error = |endpoint: &str| Config::new(endpoint).parse_base_url().expect_err(endpoint);
        assert!(matches!(error(""), ConfigError::InvalidEndpoint { .. }));
        assert!(matches!(error("example.com"), ConfigError::InvalidEndpoint { .. }));
        assert!(matches!(error("localhost:8080"), ConfigError::NotHttp { .. }));
        assert!(matches!(error("ftp://example.com"), ConfigError::NotHttp { .. }));
        for endpoint in
            ["me:planted@example.com", "ftp://me:planted@example.com", "http://me:planted@", "http://me:planted@h"]
        {
            let shown = format!("{0} {0:?}", error(endpoint));
            assert!(!shown.contains("planted"), "{shown}");
        }
        assert!(matches!(error("http://a/?x=1"), ConfigError::QueryInEndpoint { .. }));
        let with_password = error("http://me:hunter2@a/v2");
        assert!(matches!(with_password, ConfigError::CredentialsInEndpoint { .. }));
        assert!(!format!("{with_password} {with_password:?}").contains("hunter2"));
        assert!(!format!("{:?}", Config::new("http://me:hunter2@a/v2")).contains("hunter2"));
    }

    #[test]
    fn a_key_that_no_header_carries_is_refused_without_being_shown() {
        let error = Config::new("http://a").api_key(Secret::new("k\n")).base_headers().expect_err("a line break");
        assert_eq!(error.to_string(), "the API key has characters that no header can carry, such as a line break");
    }

    #[test]
    fn an_explicit_header_wins_over_the_key() {
        let mut headers = HeaderMap::new();
        headers.insert("X-API-KEY", HeaderValue::from_static("other"));
        let config = Config::new("http://a").api_key(Secret::new("key")).headers(headers);
        let headers = config.base_headers().expect("both are printable");
        assert_eq!(headers.get_all(API_KEY_HEADER).iter().collect::<Vec<_>>(), ["other"]);
    }

    #[test]
    fn loopback() {
        let cases = [
            ("http://localhost:1", true),
            ("http://a.localhost", true),
            ("http://127.9.9.9", true),
            ("http://[::1]:80", true),
            ("http://example.com", false),
            ("http://localhost.example.com", false),
            ("http://10.0.0.1", false),
        ];
        for (text, expected) in cases {
            assert_eq!(is_loopback(&Url::parse(text).expect(text)), expected, "{text}");
        }
    }
}
