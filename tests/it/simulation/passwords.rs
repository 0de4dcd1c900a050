//! The passwords that manifests name, and those that the server was told.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use sbx::kinds::{SecretError, SecretRef, SecretSource};
use sbx::types::Secret;
use serde_json::Value as Json;

/// Variables that all have a password: their own name.
pub(crate) struct Variables;

impl SecretSource for Variables {
    fn read(&self, secret: &SecretRef) -> Result<Secret, SecretError> {
        Ok(Secret::new(password(secret)))
    }
}

/// Returns the password that is in a place.
pub(crate) fn password(secret: &SecretRef) -> String {
    secret.to_string()
}

/// The passwords that the server took, by the ids of what they are for. It never says itself what it has.
#[derive(Debug, Default)]
pub(crate) struct Told(Mutex<HashMap<String, String>>);

impl Told {
    /// Takes in what was sent and what came back.
    pub(crate) fn take_in(&self, sent: &Bytes, answer: &Bytes) {
        let text = |bytes: &Bytes, field: &str| {
            let json: Json = serde_json::from_slice(bytes).ok()?;
            Some(json.get(field)?.as_str()?.to_owned())
        };
        if let (Some(password), Some(id)) = (text(sent, "password"), text(answer, "id")) {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(id, password);
        }
    }

    /// Returns the last password that the server took for an object.
    pub(crate) fn of(&self, id: &str) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }
}
