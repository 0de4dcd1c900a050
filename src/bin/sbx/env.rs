//! The process's surroundings: its environment variables, all named here, its directory and the time of day.

use std::env::VarError;
use std::path::PathBuf;
use std::sync::Arc;

use sbx::types::Timestamp;

/// Names the server, with or without the API's path.
pub(crate) const ENDPOINT: &str = "SBX_ENDPOINT";
/// Holds the API key for [`ENDPOINT`] and for `--endpoint`.
pub(crate) const API_KEY: &str = "SBX_API_KEY";
/// Names a PEM file with certificates to trust.
pub(crate) const CA_FILE: &str = "SBX_CA_FILE";
/// The user's folder.
pub(crate) const HOME: &str = "HOME";
/// Where configuration is, when not in `.config` of [`HOME`].
pub(crate) const XDG_CONFIG_HOME: &str = "XDG_CONFIG_HOME";
/// Says what is logged to standard error, such as `sbx=debug`.
pub(crate) const LOG: &str = "SBX_LOG";
/// Switches colour off when it is not empty (<https://no-color.org>).
pub(crate) const NO_COLOR: &str = "NO_COLOR";
/// Says what the terminal can do; `dumb` ones get no colour and no live display.
pub(crate) const TERM: &str = "TERM";

/// Name the user, the first that is set.
pub(crate) const USERS: [&str; 5] = ["GITHUB_ACTOR", "GITLAB_USER_LOGIN", "USER", "LOGNAME", "USERNAME"];
/// Names the machine, where the system is not to be asked.
pub(crate) const HOSTNAME: &str = "HOSTNAME";
/// Name the commit that a pipeline runs for, the first that is set.
pub(crate) const COMMITS: [&str; 5] =
    ["GITHUB_SHA", "CI_COMMIT_SHA", "BUILDKITE_COMMIT", "CIRCLE_SHA1", "BITBUCKET_COMMIT"];
/// Hold the address of a pipeline's run, the first that is set.
pub(crate) const RUN_URLS: [&str; 4] = ["CI_JOB_URL", "BUILDKITE_BUILD_URL", "CIRCLE_BUILD_URL", "BUILD_URL"];
/// Hold the parts of the address of a run of GitHub Actions.
pub(crate) const GITHUB_RUN: [&str; 3] = ["GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID"];
/// Whether a pipeline runs this, as all of them say it: `true`.
pub(crate) const CI: &str = "CI";
/// The settings of object stores, by the names that their own tools have.
pub(crate) const OBJECT_STORES: [&str; 31] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_ALLOW_HTTP",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_DEFAULT_REGION",
    "AWS_ENDPOINT",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_S3",
    "AWS_METADATA_ENDPOINT",
    "AWS_REGION",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_VIRTUAL_HOSTED_STYLE_REQUEST",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AZURE_CLIENT_ID",
    "AZURE_CLIENT_SECRET",
    "AZURE_FEDERATED_TOKEN_FILE",
    "AZURE_STORAGE_ACCOUNT_KEY",
    "AZURE_STORAGE_ACCOUNT_NAME",
    "AZURE_STORAGE_CLIENT_ID",
    "AZURE_STORAGE_CLIENT_SECRET",
    "AZURE_STORAGE_SAS_KEY",
    "AZURE_STORAGE_TENANT_ID",
    "AZURE_TENANT_ID",
    "GOOGLE_APPLICATION_CREDENTIALS",
    "GOOGLE_SERVICE_ACCOUNT",
    "GOOGLE_SERVICE_ACCOUNT_KEY",
    "GOOGLE_SERVICE_ACCOUNT_PATH",
];

/// The environment variables, as a function, so that tests bring their own.
#[derive(Clone)]
pub(crate) struct Environment(Arc<Lookup>);

type Lookup = dyn Fn(&str) -> Option<String> + Send + Sync;

impl Environment {
    /// Returns the environment of this process.
    pub(crate) fn of_process() -> Self {
        Self::new(|name| {
            #[expect(clippy::disallowed_methods, reason = "the one place where the program reads the environment")]
            match std::env::var(name) {
                Ok(value) => Some(value),
                Err(VarError::NotPresent) => None,
                // Kept, so that what is not UTF-8 is refused where it is used and not passed over as unset.
                Err(VarError::NotUnicode(value)) => Some(value.to_string_lossy().into_owned()),
            }
        })
    }

    /// Returns an environment in which `lookup` finds the variables.
    pub(crate) fn new(lookup: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Self {
        Self(Arc::new(lookup))
    }

    /// Returns the value of a variable; one that is empty or blank counts as not set.
    pub(crate) fn get(&self, name: &str) -> Option<String> {
        (self.0)(name).filter(|value| !value.trim().is_empty())
    }
}

impl Environment {
    /// Returns the value of the first of these that is set.
    pub(crate) fn first(&self, names: &[&str]) -> Option<String> {
        names.iter().find_map(|name| self.get(name))
    }
}

/// Returns the working directory, or `.` where it has none any more.
pub(crate) fn working_directory() -> PathBuf {
    #[expect(clippy::disallowed_methods, reason = "the one place where the program asks for its directory")]
    std::env::current_dir().unwrap_or_else(|_| PathBuf::from("."))
}

/// Returns a folder for what is thrown away at once.
pub(crate) fn temporary_folder() -> PathBuf {
    std::env::temp_dir()
}

/// Returns the time of day.
pub(crate) fn now() -> Timestamp {
    #[expect(clippy::disallowed_methods, reason = "the one place where the program asks for the time")]
    Timestamp::new(jiff::Timestamp::now())
}
