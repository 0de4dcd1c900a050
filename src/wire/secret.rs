//! Secrets in bodies.
//!
//! [`Secret`] has no serde of its own, so that none is written by accident: a field that carries one says so with
//! `#[serde(with = "…")]`.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::Extra;
use super::word::words;
use crate::types::Secret;

/// A value that may be a secret (contract section 5.2 of the second generation).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SecretValue {
    /// How the value is kept and told.
    #[serde(rename = "type")]
    pub kind: SecretKind,
    /// The value; absent in answers for what is opaque, and in updates for what is to stay.
    #[serde(default, with = "optional", skip_serializing_if = "Option::is_none")]
    pub value: Option<Secret>,
    /// Whether the server has a value that it does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_set: Option<bool>,
}

words! {
    /// How a value is kept and told.
    SecretKind {
        /// It is told to whoever reads the object.
        Plaintext = "plaintext",
        /// It is told to nobody.
        Opaque = "opaque",
        /// It is the name of a secret of the workspace in braces, such as `{OPENAI_API_KEY}`.
        WorkspaceSecret = "workspace_secret",
    }
}

impl SecretValue {
    /// Returns a value that is told to nobody.
    pub fn opaque(value: Secret) -> Self {
        Self { kind: SecretKind::Opaque, value: Some(value), is_set: None }
    }

    /// Returns the value as answers have it: what is opaque only as being there, the rest as it is.
    #[must_use]
    pub fn redacted(&self) -> Self {
        match self.kind {
            SecretKind::Plaintext | SecretKind::WorkspaceSecret => self.clone(),
            SecretKind::Opaque | SecretKind::Other(_) => {
                let is_set = self.value.is_some() || self.is_set == Some(true);
                Self { kind: self.kind.clone(), value: None, is_set: Some(is_set) }
            }
        }
    }
}

/// Variables of an environment, which may hold anything: `Debug` shows the names alone.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EnvVars(pub BTreeMap<String, String>);

impl EnvVars {
    /// Returns whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for EnvVars {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// Fields that this version does not know, of an object that may hold secrets: `Debug` shows the names alone.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct HiddenExtra(pub Extra);

impl fmt::Debug for HiddenExtra {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// A secret that may be absent.
pub(super) mod optional {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::types::Secret;

    #[expect(clippy::ref_option, reason = "serde passes a reference to the field")]
    pub(in crate::wire) fn serialize<S: Serializer>(secret: &Option<Secret>, serializer: S) -> Result<S::Ok, S::Error> {
        secret.as_ref().map(Secret::expose).serialize(serializer)
    }

    pub(in crate::wire) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Secret>, D::Error> {
        Ok(Option::<Box<str>>::deserialize(deserializer)?.map(Secret::new))
    }
}
