//! The process's surroundings: its environment variables, all named here, its directory and the time of day.

use std::env::VarError;
use std::path::PathBuf;

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

/// The environment variables, as a function, so that tests bring their own.
pub(crate) struct Environment(Box<Lookup>);

type Lookup = dyn Fn(&str) -> Option<String>;

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
    pub(crate) fn new(lookup: impl Fn(&str) -> Option<String> + 'static) -> Self {
        Self(Box::new(lookup))
    }

    /// Returns the value of a variable; one that is empty or blank counts as not set.
    pub(crate) fn get(&self, name: &str) -> Option<String> {
        (self.0)(name).filter(|value| !value.trim().is_empty())
    }
}

/// Returns the working directory, or `.` where it has none any more.
pub(crate) fn working_directory() -> PathBuf {
    #[expect(clippy::disallowed_methods, reason = "the one place where the program asks for its directory")]
    std::env::current_dir().unwrap_or_else(|_| PathBuf::from("."))
}

/// Returns the time of day.
pub(crate) fn now() -> Timestamp {
    #[expect(clippy::disallowed_methods, reason = "the one place where the program asks for the time")]
    Timestamp::new(jiff::Timestamp::now())
}
