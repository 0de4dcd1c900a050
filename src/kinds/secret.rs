//! Secrets, which manifests name and never hold.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use serde_json::{Value as Json, json};

use crate::types::Secret;

/// Where a secret is. It is read just before it is sent, and kept nowhere.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum SecretRef {
    /// In an environment variable of this name.
    Env(Arc<str>),
    /// In a file, as its whole text but for a line break at its end.
    File(Arc<str>),
}

/// Reads secrets. The library reads neither the environment nor files by itself: whoever applies a plan brings this.
pub trait SecretSource: Send + Sync {
    /// Returns the secret.
    ///
    /// # Errors
    ///
    /// [`SecretError`] when it is not there.
    fn read(&self, secret: &SecretRef) -> Result<Secret, SecretError>;
}

/// Why a secret cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the secret in {secret} cannot be read: {why}")]
pub struct SecretError {
    /// Where it was to be.
    pub secret: SecretRef,
    /// Why, without anything of the secret in it.
    pub why: String,
}

/// A source that has no secrets.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoSecrets;

/// The secrets that one call takes.
#[derive(Debug, Clone, Default)]
pub struct Secrets(HashMap<SecretRef, Secret>);

impl SecretSource for NoSecrets {
    fn read(&self, secret: &SecretRef) -> Result<Secret, SecretError> {
        Err(SecretError { secret: secret.clone(), why: "nobody gave a way to read secrets".to_owned() })
    }
}

impl SecretSource for Secrets {
    fn read(&self, secret: &SecretRef) -> Result<Secret, SecretError> {
        let missing = || SecretError { secret: secret.clone(), why: "it was not read in time".to_owned() };
        self.get(secret).cloned().ok_or_else(missing)
    }
}

impl Secrets {
    /// Reads these secrets.
    ///
    /// # Errors
    ///
    /// [`SecretError`] for the first that cannot be read.
    pub fn read<'a>(
        secrets: impl Iterator<Item = &'a SecretRef>,
        source: &dyn SecretSource,
    ) -> Result<Self, SecretError> {
        secrets.map(|secret| Ok((secret.clone(), source.read(secret)?))).collect::<Result<_, _>>().map(Self)
    }

    /// Returns a secret, if it was read.
    pub fn get(&self, secret: &SecretRef) -> Option<&Secret> {
        self.0.get(secret)
    }
}

impl SecretRef {
    /// Returns the reference as a manifest would have it.
    pub fn to_json(&self) -> Json {
        match self {
            Self::Env(name) => json!({"env": name}),
            Self::File(path) => json!({"file": path}),
        }
    }

    /// Reads what [`SecretRef::to_json`] writes; `None` for anything else.
    pub fn from_json(json: &Json) -> Option<Self> {
        let object = json.as_object().filter(|object| object.len() == 1)?;
        let text = |key: &str| Some(object.get(key)?.as_str().filter(|text| !text.is_empty())?.into());
        text("env").map(Self::Env).or_else(|| text("file").map(Self::File))
    }
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "${name}"),
            Self::File(path) => write!(f, "file {path}"),
        }
    }
}
