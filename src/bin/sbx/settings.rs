//! Where the server is, resolved once, with each value knowing where it came from.
//!
//! Endpoint and key always come from one source and are never mixed: a key is shown to the server it was meant for.

use std::fmt;
use std::path::{Path, PathBuf};

use sbx::client::{API_KEY_VARIABLES, Config, ENDPOINT_VARIABLES};
use sbx::types::Secret;
use sbx::wire::route;
use url::Url;

use crate::args::Connection;
use crate::env::{self, Environment};
use crate::project;

/// Everything about the connection that flags and variables say.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Settings {
    /// The server, if anything names one.
    pub(crate) server: Option<Server>,
    /// A file with certificates to trust.
    pub(crate) ca_file: Option<(PathBuf, Source)>,
    /// Whether there is a key in [`env::API_KEY`] that no endpoint goes with.
    pub(crate) has_stray_key: bool,
}

/// A server to work with.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Server {
    /// The one built into this program.
    Local {
        /// Where its data is.
        data_dir: PathBuf,
    },
    /// One that listens somewhere.
    Remote(Remote),
}

/// A server that listens somewhere, and the key for it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Remote {
    /// The URL of the API, with its path.
    pub(crate) base_url: String,
    /// Where the URL came from.
    pub(crate) url_from: Source,
    /// The key.
    pub(crate) key: Option<Secret>,
    /// Where the key came from, or would have to come from.
    pub(crate) key_from: Source,
}

/// Where a value came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// A flag.
    Flag(&'static str),
    /// An environment variable.
    Variable(&'static str),
    /// Nothing said otherwise.
    Default,
    /// The server that runs on the project's data.
    Running,
}

impl Settings {
    /// Resolves what the command line and the environment say, strongest first.
    pub(crate) fn resolve(connection: &Connection, environment: &Environment) -> Self {
        let server = from_local_flag(connection)
            .or_else(|| from_endpoint_flag(connection, environment).map(Server::Remote))
            .or_else(|| from_own_variables(environment).map(Server::Remote))
            .or_else(|| from_sdk_variables(environment).map(Server::Remote));
        let ca_variable = || Some((environment.get(env::CA_FILE)?.into(), Source::Variable(env::CA_FILE)));
        let ca_file = connection.ca_file.clone().map(|path| (path, Source::Flag("--ca-file"))).or_else(ca_variable);
        let has_stray_key = server.is_none() && environment.get(env::API_KEY).is_some();
        Self { server, ca_file, has_stray_key }
    }
}

fn from_local_flag(connection: &Connection) -> Option<Server> {
    connection.local.then(|| Server::Local { data_dir: project::local_data(&env::working_directory()) })
}

fn from_endpoint_flag(connection: &Connection, environment: &Environment) -> Option<Remote> {
    let endpoint = connection.endpoint.as_deref()?;
    Some(with_own_key(endpoint, Source::Flag("--endpoint"), environment))
}

fn from_own_variables(environment: &Environment) -> Option<Remote> {
    let endpoint = environment.get(env::ENDPOINT)?;
    Some(with_own_key(&endpoint, Source::Variable(env::ENDPOINT), environment))
}

fn with_own_key(endpoint: &str, url_from: Source, environment: &Environment) -> Remote {
    Remote {
        base_url: with_api_path(endpoint),
        url_from,
        key: environment.get(env::API_KEY).map(Secret::new),
        key_from: Source::Variable(env::API_KEY),
    }
}

/// Reads the variables of the official SDKs; any of them is enough to mean the server that the SDKs would talk to.
fn from_sdk_variables(environment: &Environment) -> Option<Remote> {
    let first = |names: [&'static str; 2]| names.into_iter().find(|name| environment.get(name).is_some());
    let (endpoint, key) = (first(ENDPOINT_VARIABLES), first(API_KEY_VARIABLES));
    endpoint.or(key)?;
    Some(Remote {
        base_url: Config::from_lookup(|name| environment.get(name)).base_url().to_owned(),
        url_from: endpoint.map_or(Source::Default, Source::Variable),
        key: key.and_then(|name| environment.get(name)).map(Secret::new),
        key_from: Source::Variable(key.unwrap_or(API_KEY_VARIABLES[0])),
    })
}

/// Adds the API's path where there is no path. What is no URL stays as it is, to be refused with its own text.
fn with_api_path(endpoint: &str) -> String {
    match Url::parse(endpoint) {
        Ok(url) if url.path().trim_matches('/').is_empty() && url.query().is_none() => {
            format!("{}{}", endpoint.trim_end_matches('/'), route::PREFIXES[0])
        }
        Ok(_) | Err(_) => endpoint.to_owned(),
    }
}

impl Server {
    /// Returns the server as messages name it. A URL is cut before what could be a password.
    pub(crate) fn label(&self) -> String {
        match self {
            Self::Local { data_dir } => format!("the local server in {}", shown_path(data_dir)),
            Self::Remote(remote) => remote.label(),
        }
    }
}

/// Returns a path as messages show it: from the working directory on, where it is below that.
pub(crate) fn shown_path(path: &Path) -> String {
    path.strip_prefix(env::working_directory()).unwrap_or(path).display().to_string()
}

impl Remote {
    /// Returns the server of the project that runs at `url`. A key can only be the one for our own server.
    pub(crate) fn running(url: &str, environment: &Environment) -> Self {
        with_own_key(url, Source::Running, environment)
    }

    /// Returns the URL as messages name it: without a query, and without what could be a password.
    pub(crate) fn label(&self) -> String {
        let begin = self.base_url.find("://").map_or(0, |at| at + "://".len());
        let (scheme, rest) = self.base_url.split_at(begin);
        let rest = rest.split(['?', '#']).next().unwrap_or(rest);
        let shown = if self.has_credentials() { rest.rsplit_once('@').map_or(rest, |(_, host)| host) } else { rest };
        format!("{scheme}{shown}")
    }

    /// Returns whether the URL carries a user name or a password. In a text that is no good URL, whatever stands before
    /// an `@` counts as one.
    pub(crate) fn has_credentials(&self) -> bool {
        match Url::parse(&self.base_url) {
            Ok(url) if url.has_host() => !url.username().is_empty() || url.password().is_some(),
            Ok(_) | Err(_) => self.base_url.contains('@'),
        }
    }

    /// Returns whether the server is on this machine.
    pub(crate) fn is_loopback(&self) -> bool {
        match Url::parse(&self.base_url).ok().as_ref().and_then(Url::host) {
            Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
            Some(url::Host::Ipv4(address)) => address.is_loopback(),
            Some(url::Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(name) | Self::Variable(name) => f.write_str(name),
            Self::Default => f.write_str("default"),
            Self::Running => f.write_str("running `sbx serve`"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(endpoint: Option<&str>, variables: &'static [(&str, &str)]) -> Settings {
        let environment = Environment::new(|name| Some(variables.iter().find(|(key, _)| *key == name)?.1.to_owned()));
        let connection = Connection { endpoint: endpoint.map(ToOwned::to_owned), ..Connection::default() };
        Settings::resolve(&connection, &environment)
    }

    fn remote(endpoint: Option<&str>, variables: &'static [(&str, &str)]) -> (String, String, Option<String>) {
        match resolve(endpoint, variables).server {
            Some(Server::Remote(remote)) => {
                let key = remote.key.as_ref().map(|key| key.expose().to_owned());
                (remote.base_url, remote.url_from.to_string(), key)
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn endpoint_and_key_come_from_one_source() {
        let everything: &'static [(&str, &str)] = &[
            ("SBX_ENDPOINT", "http://own"),
            ("SBX_API_KEY", "own-key"),
            ("LANGSMITH_ENDPOINT", "http://sdk"),
            ("LANGSMITH_API_KEY", "sdk-key"),
        ];
        let own_key = Some("own-key".to_owned());
        assert_eq!(
            remote(Some("http://flag"), everything),
            ("http://flag/v2/sandboxes".to_owned(), "--endpoint".to_owned(), own_key.clone())
        );
        assert_eq!(
            remote(None, everything),
            ("http://own/v2/sandboxes".to_owned(), "SBX_ENDPOINT".to_owned(), own_key)
        );
        assert_eq!(
            remote(None, &everything[1..]),
            ("http://sdk/v2/sandboxes".to_owned(), "LANGSMITH_ENDPOINT".to_owned(), Some("sdk-key".to_owned()))
        );
        let without_own_key = &everything[2..];
        assert_eq!(remote(Some("http://flag"), without_own_key).2, None, "the SDK's key is for the SDK's server");
        assert_eq!(
            remote(None, &everything[3..]),
            (
                "https://api.smith.langchain.com/v2/sandboxes".to_owned(),
                "default".to_owned(),
                Some("sdk-key".to_owned())
            )
        );
    }

    #[test]
    fn the_api_path_is_added_where_there_is_none() {
        for (endpoint, expected) in [
            ("http://a", "http://a/v2/sandboxes"),
            ("http://a/", "http://a/v2/sandboxes"),
            ("http://a/api/v2/sandboxes", "http://a/api/v2/sandboxes"),
            ("not a url", "not a url"),
        ] {
            assert_eq!(remote(Some(endpoint), &[]).0, expected);
        }
        assert_eq!(remote(None, &[("LANGSMITH_ENDPOINT", "http://a/api")]).0, "http://a/api/v2/sandboxes");
    }

    #[test]
    fn nothing_configured_is_no_server() {
        assert_eq!(resolve(None, &[]), Settings { server: None, ca_file: None, has_stray_key: false });
        assert_eq!(resolve(None, &[("SBX_ENDPOINT", " "), ("LANGSMITH_API_KEY", "")]).server, None);
        assert!(resolve(None, &[("SBX_API_KEY", "key")]).has_stray_key);
    }

    #[test]
    fn a_label_has_no_password_and_debug_no_key() {
        for (endpoint, label) in [
            ("http://user:planted@a/v2", "http://a/v2"),
            ("planted@a", "a"),
            ("user:planted@a:1/@x", "x"),
            ("https://user:plan/ted-planted@a/", "https://a/"),
            ("http://a/v2?key=hidden", "http://a/v2"),
            ("http://a/@x", "http://a/@x"),
        ] {
            let connection = Connection { endpoint: Some(endpoint.to_owned()), ..Connection::default() };
            let environment = Environment::new(|name| (name == env::API_KEY).then(|| "planted".to_owned()));
            let settings = Settings::resolve(&connection, &environment);
            let Some(Server::Remote(remote)) = settings.server else { panic!("an endpoint was given") };
            assert_eq!(remote.label(), label);
            assert_eq!(remote.has_credentials(), endpoint.contains("planted"), "{endpoint}");
            assert!(!format!("{:?}", remote.key).contains("planted"));
        }
    }

    #[test]
    fn knows_its_own_machine() {
        for (endpoint, is_loopback) in [
            ("http://127.0.0.1:1", true),
            ("http://[::1]:1", true),
            ("http://localhost", true),
            ("http://localhost.example.com", false),
            ("http://10.0.0.1", false),
        ] {
            match resolve(Some(endpoint), &[]).server {
                Some(Server::Remote(remote)) => assert_eq!(remote.is_loopback(), is_loopback, "{endpoint}"),
                other => panic!("{other:?}"),
            }
        }
    }
}
