//! The passwords that manifests name, and those that the server was told.

use std::collections::{BTreeMap, HashMap};
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

/// The texts that the server took with each field that may have secrets, by the ids of what they are for. It never says
/// itself what it has.
#[derive(Debug, Default)]
pub(crate) struct Told(Mutex<HashMap<String, BTreeMap<&'static str, Vec<String>>>>);

/// The fields of requests that may have secrets. Each is sent whole.
const FIELDS: [&str; 4] = ["password", "proxy_config", "mount_config", "env_vars"];

impl Told {
    /// Takes in what was sent and what came back.
    pub(crate) fn take_in(&self, sent: &Bytes, answer: &Bytes) {
        let json = |bytes: &Bytes| serde_json::from_slice::<Json>(bytes).ok();
        let (Some(sent), Some(answer)) = (json(sent), json(answer)) else { return };
        let Some(id) = answer.get("id").and_then(Json::as_str) else { return };
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (field, value) in FIELDS.iter().filter_map(|field| Some((*field, sent.get(field)?))) {
            let mut texts = Vec::new();
            add_texts(value, &mut texts);
            told.entry(id.to_owned()).or_default().insert(field, texts);
        }
    }

    /// Returns the texts that the server took last, in the fields of an object that may have secrets.
    pub(crate) fn of(&self, id: &str) -> Vec<String> {
        let told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        told.get(id).into_iter().flat_map(BTreeMap::values).flatten().cloned().collect()
    }
}

fn add_texts(json: &Json, out: &mut Vec<String>) {
    match json {
        Json::String(text) => out.push(text.clone()),
        Json::Array(items) => items.iter().for_each(|item| add_texts(item, out)),
        Json::Object(members) => members.values().for_each(|member| add_texts(member, out)),
        Json::Null | Json::Bool(_) | Json::Number(_) => {}
    }
}
