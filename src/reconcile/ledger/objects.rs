//! Texts as objects below one prefix of an object store.

use std::fmt;
use std::sync::Arc;

use object_store::path::{Path, PathPart};
use object_store::{Error as StoreError, ObjectStore, ObjectStoreExt as _, PutMode, PutPayload, UpdateVersion};

use super::error::Error;
use super::shelf::{Blob, Put, Version};

#[derive(Clone)]
pub(super) struct Objects {
    store: Arc<dyn ObjectStore>,
    prefix: Path,
    /// The address of the prefix, as messages name it.
    label: Arc<str>,
}

impl Objects {
    pub(super) fn new(store: Arc<dyn ObjectStore>, prefix: Path, label: impl Into<Arc<str>>) -> Self {
        Self { store, prefix, label: label.into() }
    }

    fn path(&self, name: &str) -> Path {
        self.prefix.clone().join(PathPart::from(name))
    }

    pub(super) fn place(&self, name: &str) -> String {
        format!("{}/{name}", self.label)
    }

    pub(super) async fn get(&self, name: &str) -> Result<Option<Blob>, Error> {
        let failed = |error: StoreError| Error::store("read", &self.place(name), error);
        let found = match self.store.get(&self.path(name)).await {
            Ok(found) => found,
            Err(StoreError::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        let version = UpdateVersion { e_tag: found.meta.e_tag.clone(), version: found.meta.version.clone() };
        let bytes = found.bytes().await.map_err(failed)?;
        let text = std::str::from_utf8(&bytes).map_err(|error| Error::store("read", &self.place(name), error))?;
        Ok(Some(Blob { text: text.into(), version: Version::Object(version) }))
    }

    pub(super) async fn put(&self, name: &str, text: Arc<str>, basis: Option<Version>) -> Result<Put, Error> {
        let mode = match basis {
            None => PutMode::Create,
            Some(Version::Object(version)) => PutMode::Update(version),
            Some(Version::Text(_)) => return Ok(Put::Changed),
        };
        let payload = PutPayload::from(text.as_bytes().to_vec());
        match self.store.put_opts(&self.path(name), payload, mode.into()).await {
            Ok(written) => Ok(Put::Written(Version::Object(written.into()))),
            Err(error) if is_conflict(&error) => self.after_conflict(name, &text).await,
            Err(error) => Err(Error::store("write", &self.place(name), error)),
        }
    }

    /// A write whose answer was lost is sent again by the transport, and then meets its own effect.
    async fn after_conflict(&self, name: &str, text: &str) -> Result<Put, Error> {
        let now = self.get(name).await?;
        Ok(now.filter(|now| &*now.text == text).map_or(Put::Changed, |now| Put::Written(now.version)))
    }

    pub(super) async fn list(&self) -> Result<Vec<String>, Error> {
        let failed = |error| Error::store("list", &self.label, error);
        let listed = self.store.list_with_delimiter(Some(&self.prefix)).await.map_err(failed)?;
        let names = listed.objects.into_iter().filter_map(|meta| Some(meta.location.filename()?.to_owned()));
        Ok(names.filter(|name| name.strip_suffix(".json").is_some()).collect())
    }
}

fn is_conflict(error: &StoreError) -> bool {
    matches!(error, StoreError::Precondition { .. } | StoreError::AlreadyExists { .. } | StoreError::NotFound { .. })
}

impl fmt::Debug for Objects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Objects").field("label", &self.label).finish_non_exhaustive()
    }
}
