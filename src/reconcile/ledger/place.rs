//! Where an inventory is, as flags and files say it: a path, or the address of an object.

use std::path::Path;
use std::sync::Arc;

use object_store::ObjectStore;
use object_store::path::Path as ObjectPath;
use url::Url;

use super::Ledger;
use super::error::Error;
use super::folder::Folder;
use super::objects::Objects;
use super::shelf::Shelf;

/// Why a text is no place for an inventory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum PlaceError {
    /// It ends with something else.
    #[error("it must name a file that ends with `.json`")]
    NotJson,
    /// It is a `file:` address of something that is no path.
    #[error("it is no path of this machine")]
    NoPath,
    /// Its address is of none of the stores.
    #[error("it begins with none of s3://, gs://, az:// and file://")]
    UnknownScheme,
    /// It is in Azure, where containers belong to accounts.
    #[error("no storage account is named: set AZURE_STORAGE_ACCOUNT_NAME")]
    NoAccount,
}

impl Ledger {
    /// Opens the inventory at a path, or at an address with `s3://`, `gs://`, `az://` or `file://`. Nothing is read yet.
    ///
    /// `options` are settings of the object store by the names of its environment variables, such as
    /// `AWS_ACCESS_KEY_ID`; those of other stores are passed over.
    ///
    /// # Errors
    ///
    /// [`Error::BadPlace`].
    pub fn open(place: &str, options: &[(&str, String)]) -> Result<Self, Error> {
        let Some((scheme, _)) = place.split_once("://") else {
            return Self::file(Path::new(place));
        };
        let mut shown = place.to_owned();
        let parsed = Url::parse(place);
        if let Ok(url) = &parsed {
            let mut url = url.clone();
            // Ignored where there is no place for one.
            let _ = url.set_password(None);
            shown = url.to_string();
        }
        let bad = |source: Box<dyn std::error::Error + Send + Sync>| Error::BadPlace { text: shown.clone(), source };
        let url = parsed.map_err(|error| bad(Box::new(error)))?;
        match scheme {
            "file" => Self::file(&url.to_file_path().map_err(|()| bad(PlaceError::NoPath.into()))?),
            "s3" | "s3a" | "gs" | "az" | "azure" | "abfs" | "abfss" | "https" => {
                // The store's own client asks the process which cryptography to use. Whoever chose already is left alone.
                let _ = rustls::crypto::ring::default_provider().install_default();
                let opened = object_store::parse_url_opts(&url, options.iter().map(|(name, value)| (name, value)));
                let (store, path) = opened.map_err(|error| match scheme {
                    "az" | "azure" | "abfs" | "abfss" if !names_account(options) => bad(PlaceError::NoAccount.into()),
                    _ => bad(Box::new(error)),
                })?;
                let label = shown.rsplit_once('/').map_or(shown.as_str(), |(prefix, _)| prefix);
                Self::object(store.into(), &path, label).map_err(|error| bad(error.into()))
            }
            _ => Err(bad(PlaceError::UnknownScheme.into())),
        }
    }

    /// Opens the inventory in a file.
    ///
    /// # Errors
    ///
    /// [`Error::BadPlace`] when its name does not end with `.json`.
    pub fn file(path: &Path) -> Result<Self, Error> {
        let bad = || Error::BadPlace { text: path.display().to_string(), source: PlaceError::NotJson.into() };
        let name = path.file_name().and_then(|name| name.to_str()).filter(|name| is_good(name)).ok_or_else(bad)?;
        let folder = path.parent().unwrap_or(Path::new(""));
        Ok(Self { shelf: Shelf::Folder(Folder::new(folder)), name: name.into() })
    }

    /// Opens the inventory at a path of an object store that the caller made, such as one in memory.
    ///
    /// # Errors
    ///
    /// [`Error::BadPlace`] when the path does not end with `.json`.
    pub fn in_store(store: Arc<dyn ObjectStore>, path: &str) -> Result<Self, Error> {
        let label = store.to_string();
        let opened = Self::object(store, &ObjectPath::from(path), &label);
        opened.map_err(|error| Error::BadPlace { text: path.to_owned(), source: error.into() })
    }

    fn object(store: Arc<dyn ObjectStore>, path: &ObjectPath, label: &str) -> Result<Self, PlaceError> {
        let name: Arc<str> = path.filename().filter(|name| is_good(name)).ok_or(PlaceError::NotJson)?.into();
        let mut parts: Vec<_> = path.parts().collect();
        parts.pop();
        let prefix = parts.into_iter().collect();
        Ok(Self { shelf: Shelf::Objects(Objects::new(store, prefix, label)), name })
    }
}

fn names_account(options: &[(&str, String)]) -> bool {
    options.iter().any(|(name, value)| name.ends_with("STORAGE_ACCOUNT_NAME") && !value.is_empty())
}

fn is_good(name: &str) -> bool {
    name.strip_suffix(".json").is_some_and(|stem| !stem.is_empty())
}
