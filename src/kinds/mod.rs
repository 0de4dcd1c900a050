//! The kinds of objects, one file each: what a manifest declares of it, how each field may change, its verbs.
//!
//! Start with [`Kind`], then read `volume.rs`, the smallest one. A new kind is a file here and a line in the list below;
//! everything above this module works from [`ALL`] and knows no kind by name.

mod erased;
mod field;
mod form;
mod hash;
mod json;
mod kind;
mod lifecycle;
mod lifecycle_json;
mod mark;
pub mod migration;
mod nested;
mod object;
mod patch;
mod pool;
mod quota;
mod read;
mod registry;
mod reserved;
mod run_config;
mod sandbox;
mod sandbox_v2;
mod schema;
mod secret;
mod snapshot;
mod spec;
mod template;
mod value;
mod version;
mod volume;

pub use erased::{AnyKind, BoxFuture};
pub use field::{Absent, Change, Field, Shape};
pub use form::{Form, ListForm, Member, ObjectForm, Secrecy};
pub use hash::TextHash;
pub use json::{spec_from_json, value_from_json};
pub use kind::{
    Build, CreateOptions, Health, Key, Kind, KindId, KindInfo, Live, Lookup, Misnamed, Naming, Projection, Unreadable,
    VerbCx, Violation,
};
pub use lifecycle_json::{lifecycle_from_json, lifecycle_to_json};
pub use mark::Mark;
pub use nested::{Nested, Part, Tree};
pub use object::{Lifecycle, Object, OnExpiry, OnRemove, OnSuperseded, Origin, RenamedFrom, Replace, Timeout, decode};
pub use patch::{Unmatched, patch};
pub use pool::PoolSpec;
pub use quota::{Capacity, Quota, Resource, capacity};
pub use registry::RegistrySpec;
pub use reserved::{by_id, is_reserved, known_by_id, reserved_name, reserved_start, reserved_start_of};
pub use run_config::RunConfigSpec;
pub use sandbox::SandboxSpec;
pub use sandbox_v2::SandboxV2Spec;
pub use schema::{Explanation, explain, manifest_schema, object_to_manifest, spec_to_json, split_kind, to_manifest};
pub use secret::{NoSecrets, SecretError, SecretRef, SecretSource, Secrets};
pub use snapshot::SnapshotSpec;
pub use spec::Spec;
pub use template::TemplateSpec;
pub use value::{Reference, Replicas, Value};
pub use version::ApiVersion;
pub use volume::VolumeSpec;

/// All kinds, each after those that it refers to: creating goes down this list, deleting goes up.
pub static ALL: &[&dyn AnyKind] = &[
    &volume::VolumeKind,
    &template::TemplateKind,
    &pool::PoolKind,
    &sandbox::SandboxKind,
    &registry::RegistryKind,
    &snapshot::SnapshotKind,
    &sandbox_v2::SandboxV2Kind,
];

/// The kind `Volume`.
pub const VOLUME: KindId = KindId(0);
/// The kind `Template`.
pub const TEMPLATE: KindId = KindId(1);
/// The kind `Pool`.
pub const POOL: KindId = KindId(2);
/// The kind `Sandbox`.
pub const SANDBOX: KindId = KindId(3);
/// The kind `Registry`.
pub const REGISTRY: KindId = KindId(4);
/// The kind `Snapshot`.
pub const SNAPSHOT: KindId = KindId(5);
/// The kind `Sandbox` of the second generation.
pub const SANDBOX_V2: KindId = KindId(6);

/// Returns every kind, in the order of [`ALL`].
pub fn all() -> impl Iterator<Item = KindId> {
    (0_u8..).take(ALL.len()).map(KindId)
}

/// Returns the kind that a manifest of this version calls `kind`.
pub fn named(version: ApiVersion, kind: &str) -> Option<KindId> {
    named_so(kind).find(|id| id.info().api_version == version)
}

/// Returns every kind that a manifest of its version calls `kind`.
pub fn named_so(kind: &str) -> impl Iterator<Item = KindId> {
    all().filter(move |id| id.info().kind == kind)
}

/// Returns the kinds that a command line may mean by `word`: singular, plural or short, in any case. With a version behind
/// it, as in `sandbox.v2`, it means one kind at most.
pub fn meant_by(word: &str) -> Vec<KindId> {
    let word = word.to_ascii_lowercase();
    let (name, version) = word.split_once('.').map_or((&*word, None), |(name, version)| (name, Some(version)));
    let is_meant = |id: &KindId| {
        let info = id.info();
        (info.singular == name || info.plural == name || info.short.contains(&name))
            && version.is_none_or(|version| info.api_version.suffix() == version)
    };
    all().filter(is_meant).collect()
}

fn id_of<K: Kind>() -> KindId {
    named(K::INFO.api_version, K::INFO.kind).expect("every kind stands in the list")
}

#[cfg(test)]
mod tests;
