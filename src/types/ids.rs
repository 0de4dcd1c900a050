//! Typed ids, so that a pool's id is never handed to something that wants a template's.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

macro_rules! id {
    ($(#[doc = $doc:literal] $name:ident),* $(,)?) => {$(
        #[doc = $doc]
        ///
        /// The server chooses it, a UUID in text form; it stays the same when the object is renamed. Cloning is cheap.
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Wraps an id as the server wrote it.
            pub fn new(text: impl Into<Arc<str>>) -> Self {
                Self(text.into())
            }

            /// Returns the id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }
    )*};
}

id! {
    /// The id of a volume.
    VolumeId,
    /// The id of a template.
    TemplateId,
    /// The id of a pool.
    PoolId,
    /// The id of a sandbox.
    SandboxId,
    /// The id of a registry.
    RegistryId,
    /// The id of a snapshot.
    SnapshotId,
    /// The id of an object whose kind is known only at run time, as the reconciler handles it.
    ObjectId,
}

macro_rules! into_object_id {
    ($($name:ident),*) => {$(
        impl From<$name> for ObjectId {
            fn from(id: $name) -> Self {
                Self(id.0)
            }
        }
    )*};
}

into_object_id!(VolumeId, TemplateId, PoolId, SandboxId, RegistryId, SnapshotId);
