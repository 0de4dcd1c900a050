//! Secrets in bodies. [`Secret`] has no serde of its own, so that none is written by accident: a field that carries one
//! says so with `#[serde(with = "…")]`.

/// A secret that may be absent.
pub(super) mod optional {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::types::Secret;

    pub(in crate::wire) fn serialize<S: Serializer>(secret: &Option<Secret>, serializer: S) -> Result<S::Ok, S::Error> {
        secret.as_ref().map(Secret::expose).serialize(serializer)
    }

    pub(in crate::wire) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Secret>, D::Error> {
        Ok(Option::<Box<str>>::deserialize(deserializer)?.map(Secret::new))
    }
}
