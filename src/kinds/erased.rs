//! A kind with its types erased, so that the engine handles all kinds alike.

use std::future::Future;
use std::pin::Pin;

use super::field::Field;
use super::kind::{CreateOptions, Key, Kind, KindInfo, Live, Lookup, Misnamed, Projection, VerbCx, Violation};
use super::quota::Quota;
use super::spec::Spec;
use super::value::Value;
use crate::client::{Client, Error, Reader};
use crate::manifest::{Diagnostics, Node};
use crate::types::Name;

/// A future that borrows from its arguments.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What [`Kind`] is to the engine: the same, with its types erased.
///
/// Implemented for every [`Kind`] by one adapter; each method is documented there.
#[expect(missing_docs, reason = "each method is that of `Kind` with the types erased")]
pub trait AnyKind: Send + Sync {
    fn info(&self) -> &'static KindInfo;
    fn fields(&self) -> &'static [Field];
    fn decode(&self, node: &Node, out: &mut Diagnostics) -> Option<Spec>;
    fn spec_from_values(&self, values: Vec<Option<Value>>) -> Option<Spec>;
    fn check(&self, spec: &Spec, others: &dyn Lookup) -> Vec<Violation>;
    fn check_update(&self, spec: &Spec, paths: &[&'static str]) -> Vec<Violation>;
    fn sends(&self, path: &'static str, changed: &[&'static str]) -> bool;
    fn check_create(&self, spec: &Spec, others: &dyn Lookup) -> Vec<Violation>;
    fn renewed(&self, declared: &Spec, settled: Spec, others: &dyn Lookup) -> Spec;
    fn ends(&self, spec: &Spec) -> bool;
    fn takes(&self, spec: &Spec, others: &dyn Lookup) -> Quota;
    fn takes_to_make(&self, spec: &Spec, others: &dyn Lookup) -> Quota;
    fn list<'a>(&'a self, reader: &'a Reader) -> BoxFuture<'a, Result<Vec<Result<Live, Misnamed>>, Error>>;
    fn get<'a>(&'a self, reader: &'a Reader, name: &'a Name) -> BoxFuture<'a, Result<Live, Error>>;
    fn create<'a>(
        &'a self,
        cx: VerbCx<'a>,
        name: &'a Name,
        spec: &'a Spec,
        options: CreateOptions,
    ) -> BoxFuture<'a, Result<Live, Error>>;
    fn update<'a>(
        &'a self,
        cx: VerbCx<'a>,
        name: &'a Name,
        spec: &'a Spec,
        changes: &'a [(&'static str, Value)],
    ) -> BoxFuture<'a, Result<(), Error>>;
    fn rename<'a>(&'a self, client: &'a Client, name: &'a Name, new: &'a Name) -> BoxFuture<'a, Result<(), Error>>;
    fn delete<'a>(&'a self, client: &'a Client, name: &'a Name) -> BoxFuture<'a, Result<(), Error>>;
}

impl<K: Kind> AnyKind for K {
    fn info(&self) -> &'static KindInfo {
        &K::INFO
    }

    fn fields(&self) -> &'static [Field] {
        K::FIELDS
    }

    fn decode(&self, node: &Node, out: &mut Diagnostics) -> Option<Spec> {
        K::decode(node, out).map(Spec::new::<K>)
    }

    fn spec_from_values(&self, values: Vec<Option<Value>>) -> Option<Spec> {
        K::from_values(&values).map(Spec::new::<K>)
    }

    fn check(&self, spec: &Spec, others: &dyn Lookup) -> Vec<Violation> {
        K::check(spec.typed::<K>(), others)
    }

    fn check_update(&self, spec: &Spec, paths: &[&'static str]) -> Vec<Violation> {
        K::check_update(spec.typed::<K>(), paths)
    }

    fn sends(&self, path: &'static str, changed: &[&'static str]) -> bool {
        K::sends(path, changed)
    }

    fn check_create(&self, spec: &Spec, others: &dyn Lookup) -> Vec<Violation> {
        K::check_create(spec.typed::<K>(), others)
    }

    fn renewed(&self, declared: &Spec, settled: Spec, others: &dyn Lookup) -> Spec {
        Spec::new::<K>(K::renewed(declared.typed::<K>(), settled.typed::<K>().clone(), others))
    }

    fn ends(&self, spec: &Spec) -> bool {
        K::ends(spec.typed::<K>())
    }

    fn takes(&self, spec: &Spec, others: &dyn Lookup) -> Quota {
        K::takes(spec.typed::<K>(), others)
    }

    fn takes_to_make(&self, spec: &Spec, others: &dyn Lookup) -> Quota {
        K::takes_to_make(spec.typed::<K>(), others)
    }

    fn list<'a>(&'a self, reader: &'a Reader) -> BoxFuture<'a, Result<Vec<Result<Live, Misnamed>>, Error>> {
        Box::pin(async move { Ok(K::list(reader).await?.into_iter().map(erase::<K>).collect()) })
    }

    fn get<'a>(&'a self, reader: &'a Reader, name: &'a Name) -> BoxFuture<'a, Result<Live, Error>> {
        Box::pin(async move {
            let projection = K::project(K::get(reader, name.as_str()).await?);
            // The name asked for, not the one in the answer: the server answered for it.
            Ok(live::<K>(projection, name.clone()))
        })
    }

    fn create<'a>(
        &'a self,
        cx: VerbCx<'a>,
        name: &'a Name,
        spec: &'a Spec,
        options: CreateOptions,
    ) -> BoxFuture<'a, Result<Live, Error>> {
        Box::pin(async move {
            let made = K::create(cx, name, spec.typed::<K>(), options).await?;
            Ok(live::<K>(K::project(made), name.clone()))
        })
    }

    fn update<'a>(
        &'a self,
        cx: VerbCx<'a>,
        name: &'a Name,
        spec: &'a Spec,
        changes: &'a [(&'static str, Value)],
    ) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(K::update(cx, name, spec.typed::<K>(), changes))
    }

    fn rename<'a>(&'a self, client: &'a Client, name: &'a Name, new: &'a Name) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(K::rename(client, name, new))
    }

    fn delete<'a>(&'a self, client: &'a Client, name: &'a Name) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(K::delete(client, name))
    }
}

fn erase<K: Kind>(wire: K::Wire) -> Result<Live, Misnamed> {
    let projection = K::project(wire);
    let kind = super::id_of::<K>();
    match kind.name(&projection.name) {
        Ok(name) => Ok(live::<K>(projection, name)),
        Err(_) => Err(Misnamed { kind, name: projection.name }),
    }
}

fn live<K: Kind>(projection: Projection<K::Spec>, name: Name) -> Live {
    let key = Key { kind: super::id_of::<K>(), name };
    Live {
        // Another object's was inherited.
        mark: projection.mark.filter(|mark| mark.is_of(&key)),
        key,
        id: projection.id,
        spec: projection.spec.map(Spec::new::<K>),
        health: projection.health,
        created_at: projection.created_at,
        expires_at: projection.expires_at,
        build: projection.build,
        extra: projection.extra,
    }
}
