//! Where the server is, resolved once, with each value knowing where it came from.
//!
//! Endpoint and key always come from one source and are never mixed: a key is shown to the server it was meant for.

use std::fmt;
use std::path::{Path, PathBuf};

use sbx::client::{API_KEY_VARIABLES, Config, ENDPOINT_VARIABLES, SocketTimeouts};
use sbx::types::Secret;
use sbx::wire::route;
use url::Url;

use crate::args::ServerArgs;
use crate::contexts::key::KeySource;
use crate::contexts::{Contexts, Named};
use crate::env::{self, Environment};
use crate::failure::Failure;
use crate::project::{self, Place, Project};

/// Everything about the connection that flags, files and variables say.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Settings {
    /// The project's name, if its file gives one.
    pub(crate) project: Option<String>,
    /// The target that this is the server of. A flag that names another server means no target, and not its inventory.
    pub(crate) target: Option<String>,
    /// The context that the server comes from, if it comes from one.
    pub(crate) context: Option<String>,
    /// Where the target has its inventory: a URL, or an absolute path.
    pub(crate) inventory: Option<String>,
    /// The server, if anything names one.
    pub(crate) server: Option<Server>,
    /// A file with certificates to trust.
    pub(crate) ca_file: Option<(PathBuf, Source)>,
    /// How long WebSockets are waited for.
    pub(crate) socket_timeouts: SocketTimeouts,
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
        /// What says that it is meant.
        from: Source,
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
    /// The key, as far as it is known.
    pub(crate) key: Option<Secret>,
    /// Where to get the key, if it has to be got.
    pub(crate) key_source: Option<KeySource>,
    /// Where the key came from, or would have to come from.
    pub(crate) key_from: Source,
}

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// A flag.
    Flag(&'static str),
    /// An environment variable.
    Variable(String),
    /// A context.
    Context(String),
    /// What a context says about its key.
    Key(KeySource, String),
    /// A target of the project.
    Target(String),
    /// Nothing said otherwise.
    Default,
    /// The server that runs on the project's data.
    Running,
}

impl Settings {
    /// Resolves what the command line, the project, the environment and the user's contexts say, strongest first.
    ///
    /// Contexts are read when one is needed, so that a bad file is in nobody's way who does without.
    ///
    /// # Errors
    ///
    /// [`Failure::Usage`] when a context is named that does not exist, and whatever reading them fails with.
    pub(crate) fn resolve(
        args: &ServerArgs,
        project: &Project,
        contexts: impl FnOnce() -> Result<Contexts, Failure>,
        environment: &Environment,
    ) -> Result<Self, Failure> {
        let found = find(args, project, contexts, environment)?;
        let Found { server, target, context } = found;
        let of_target = project.target.as_ref().filter(|_| target.is_some());
        Ok(Self {
            project: project.name.clone(),
            inventory: of_target.and_then(|target| target.inventory.clone()),
            ca_file: ca_file(args, context.as_ref(), environment),
            socket_timeouts: SocketTimeouts::from_lookup(|name| environment.get(name)),
            has_stray_key: server.is_none() && environment.get(env::API_KEY).is_some(),
            context: context.map(|context| context.name),
            server,
            target,
        })
    }
}

impl Settings {
    /// Returns a server as questions name it: with what is said to mean it.
    pub(crate) fn label_of(&self, server: &Server) -> String {
        match (&self.target, &self.context) {
            (Some(target), _) => format!("target {target}, {}", server.label()),
            (None, Some(context)) => format!("context {context}, {}", server.label()),
            (None, None) => server.label(),
        }
    }

    /// Returns the word that means a server: the target, else the context, else its address.
    pub(crate) fn name_of(&self, server: &Server) -> String {
        self.target.clone().or_else(|| self.context.clone()).unwrap_or_else(|| server.label())
    }
}

/// A server, and what it was found through.
struct Found {
    server: Option<Server>,
    target: Option<String>,
    context: Option<Named>,
}

fn find(
    args: &ServerArgs,
    project: &Project,
    contexts: impl FnOnce() -> Result<Contexts, Failure>,
    environment: &Environment,
) -> Result<Found, Failure> {
    let target = project.target.as_ref();
    let name = target.map(|target| target.name.to_string());
    let place = target.map_or(&Place::Unsaid, |target| &target.place);
    let is_local = *place == Place::Local && !args.names_server();
    if args.local || is_local {
        let from = if args.local { Source::Flag("--local") } else { Source::Target(name.clone().unwrap_or_default()) };
        let data_dir = project::local_data(&project.root);
        // The server that is built in is one place, whoever names it.
        let target = name.filter(|_| *place == Place::Local);
        return Ok(Found { server: Some(Server::Local { data_dir, from }), target, context: None });
    }
    if let Some(remote) = from_endpoint_flag(args, environment) {
        return Ok(Found { server: Some(Server::Remote(remote)), target: None, context: None });
    }
    let named = match (&args.context, place) {
        (Some(context), _) => Some((context.as_str(), "--context".to_owned())),
        (None, Place::Context(context)) => {
            Some((context.as_str(), format!("target `{}`", name.as_deref().unwrap_or_default())))
        }
        (None, Place::Local | Place::Unsaid) => None,
    };
    if let Some((context, said_by)) = named {
        let context = contexts()?.named(context, &said_by)?.clone();
        let is_own = args.context.is_none() || matches!(place, Place::Context(own) if own.as_str() == context.name);
        return Ok(Found::through(context, name.filter(|_| is_own)));
    }
    if let Some(remote) = from_own_variables(environment).or_else(|| from_sdk_variables(environment)) {
        return Ok(Found { server: Some(Server::Remote(remote)), target: name, context: None });
    }
    let contexts = contexts()?;
    match &contexts.current {
        Some(current) => Ok(Found::through(contexts.named(current, "`current_context`")?.clone(), name)),
        None => Ok(Found { server: None, target: name, context: None }),
    }
}

impl Found {
    fn through(context: Named, target: Option<String>) -> Self {
        Self { server: Some(Server::Remote(context.remote())), target, context: Some(context) }
    }
}

impl Named {
    /// Returns the server of the context.
    pub(crate) fn remote(&self) -> Remote {
        let from = Source::Context(self.name.clone());
        let key_from = self.key.clone().map_or(from.clone(), |key| Source::Key(key, self.name.clone()));
        let base_url = with_api_path(&self.endpoint);
        Remote { base_url, url_from: from, key: None, key_source: self.key.clone(), key_from }
    }
}

fn ca_file(args: &ServerArgs, context: Option<&Named>, environment: &Environment) -> Option<(PathBuf, Source)> {
    let from_flag = args.ca_file.clone().map(|path| (path, Source::Flag("--ca-file")));
    let from_context = || {
        let context = context?;
        Some((context.ca_file.clone()?, Source::Context(context.name.clone())))
    };
    let from_variable = || Some((environment.get(env::CA_FILE)?.into(), Source::variable(env::CA_FILE)));
    from_flag.or_else(from_context).or_else(from_variable)
}

fn from_endpoint_flag(args: &ServerArgs, environment: &Environment) -> Option<Remote> {
    let endpoint = args.endpoint.as_deref()?;
    Some(with_own_key(endpoint, Source::Flag("--endpoint"), environment))
}

fn from_own_variables(environment: &Environment) -> Option<Remote> {
    let endpoint = environment.get(env::ENDPOINT)?;
    Some(with_own_key(&endpoint, Source::variable(env::ENDPOINT), environment))
}

fn with_own_key(endpoint: &str, url_from: Source, environment: &Environment) -> Remote {
    Remote {
        base_url: with_api_path(endpoint),
        url_from,
        key: environment.get(env::API_KEY).map(Secret::new),
        key_source: None,
        key_from: Source::variable(env::API_KEY),
    }
}

/// Reads the variables of the official SDKs; any of them is enough to mean the server that the SDKs would talk to.
fn from_sdk_variables(environment: &Environment) -> Option<Remote> {
    let first = |names: [&'static str; 2]| names.into_iter().find(|name| environment.get(name).is_some());
    let (endpoint, key) = (first(ENDPOINT_VARIABLES), first(API_KEY_VARIABLES));
    endpoint.or(key)?;
    Some(Remote {
        base_url: Config::from_lookup(|name| environment.get(name)).base_url().to_owned(),
        url_from: endpoint.map_or(Source::Default, Source::variable),
        key: key.and_then(|name| environment.get(name)).map(Secret::new),
        key_source: None,
        key_from: Source::variable(key.unwrap_or(API_KEY_VARIABLES[0])),
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
    /// Returns whether a flag names it.
    pub(crate) fn is_from_flag(&self) -> bool {
        matches!(self, Self::Remote(Remote { url_from: Source::Flag(_), .. }))
    }

    /// Returns the server as messages name it. A URL is cut before what could be a password.
    pub(crate) fn label(&self) -> String {
        match self {
            Self::Local { data_dir, .. } => format!("the local server in {}", shown_path(data_dir)),
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

impl Source {
    /// An environment variable.
    pub(crate) fn variable(name: &str) -> Self {
        Self::Variable(name.to_owned())
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(name) => f.write_str(name),
            Self::Variable(name) => f.write_str(name),
            Self::Context(name) => write!(f, "context {name}"),
            Self::Key(key, context) => write!(f, "{key}, of context {context}"),
            Self::Target(name) => write!(f, "target {name}"),
            Self::Default => f.write_str("default"),
            Self::Running => f.write_str("running `sbx serve`"),
        }
    }
}

#[cfg(test)]
mod tests;
