//! An object store in memory whose calls are counted with those to the server, and go wrong like them.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

use super::faults::{Fault, FaultPlan};

#[derive(Debug, Default)]
pub(crate) struct FaultyStore {
    inner: InMemory,
    plan: Mutex<FaultPlan>,
    refuses_writes: AtomicBool,
}

impl FaultyStore {
    /// Counts calls with those of this plan from now on, and has its faults.
    pub(crate) fn follow(&self, plan: FaultPlan) {
        *self.plan.lock().unwrap_or_else(PoisonError::into_inner) = plan;
    }

    /// Refuses every write, until it is told to take them again.
    pub(crate) fn refuse_writes(&self, refuses: bool) {
        self.refuses_writes.store(refuses, Ordering::SeqCst);
    }

    /// Makes a call that may go wrong. A store is read as it is, so that a stale read is none.
    async fn make<T>(&self, call: impl Future<Output = Result<T>>) -> Result<T> {
        let plan = self.plan.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(fault) = plan.next().filter(|fault| *fault != Fault::Stale) else { return call.await };
        if fault.has_effect() {
            // What it answered is lost.
            let _ = call.await;
        }
        if matches!(fault, Fault::KilledBefore | Fault::KilledAfter) {
            plan.kill.cancel();
            return std::future::pending().await;
        }
        Err(failed(&format!("{fault:?}")))
    }
}

fn failed(why: &str) -> Error {
    Error::Generic { store: "simulated", source: why.into() }
}

impl fmt::Display for FaultyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("simulated://")
    }
}

#[async_trait]
impl ObjectStore for FaultyStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        if self.refuses_writes.load(Ordering::SeqCst) {
            return Err(failed("refused"));
        }
        self.make(self.inner.put_opts(location, payload, options)).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.make(self.inner.get_opts(location, options)).await
    }

    async fn put_multipart_opts(&self, to: &Path, options: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(to, options).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}
