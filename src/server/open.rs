//! Opening a server: its data, its runtime, its rules.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use super::app::{self, App, Parts};
use super::clock::Time;
use super::data_dir::{self, DataDir};
use super::options::Options;
use super::store::{self, Store};

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Another process owns the data folder, and did not give it up in time.
    #[error("the data in `{}` is in use by {}", path.display(), owner(*pid, url.as_deref()))]
    DataDirBusy {
        /// The folder.
        path: PathBuf,
        /// The process that owns it, if it could be read.
        pid: Option<u32>,
        /// The URL under which it serves, if it does.
        url: Option<String>,
    },
    /// The data folder cannot be used.
    #[error("the data folder `{}` cannot be used", path.display())]
    DataDir {
        /// The folder.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on `{address}`")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The address can be reached from other machines, and there is no API key.
    #[error("`{address}` can be reached from other machines: listening there takes an API key")]
    KeyRequired {
        /// The address.
        address: SocketAddr,
    },
    /// The database cannot be used.
    #[error("the server's database cannot be used")]
    Store(#[source] store::Error),
    /// The API key could never be sent: it is empty.
    #[error("the API key is empty")]
    EmptyKey,
}

fn owner(pid: Option<u32>, url: Option<&str>) -> String {
    match (pid, url) {
        (Some(pid), Some(url)) => format!("process {pid}, which serves it at {url}"),
        (Some(pid), None) => format!("process {pid}"),
        (None, _) => "another process".to_owned(),
    }
}

/// What an opened server consists of.
pub(crate) struct Opened {
    pub(crate) app: App,
    /// The folder, to be kept as long as the store is open.
    pub(crate) data_dir: Option<Arc<DataDir>>,
}

/// Opens the data and takes up what it holds.
pub(crate) async fn open(options: &Options, warm_pools: bool) -> Result<Opened, Error> {
    if options.api_key.as_ref().is_some_and(|key| key.expose().is_empty()) {
        return Err(Error::EmptyKey);
    }
    let data_dir = match &options.data_dir {
        Some(path) => Some(Arc::new(DataDir::own(path.clone(), options.lock_wait).await?)),
        None => None,
    };
    let path = data_dir.as_ref().map(|dir| dir.database());
    let secret = match &data_dir {
        Some(dir) => dir.secret()?,
        None => data_dir::new_secret(),
    };
    let store = Store::open(path, data_dir.clone()).await.map_err(Error::Store)?;
    let parts = Parts {
        store,
        time: Time::new(Arc::clone(&options.clock)),
        limits: options.limits.clone(),
        runtime: Arc::clone(&options.runtime),
        secret,
        warm_pools,
    };
    let app = App::open(parts).await.map_err(|error| match error {
        app::Error::Store(error) => Error::Store(error),
        other => unreachable!("opening only reads and writes the store: {other}"),
    })?;
    Ok(Opened { app, data_dir })
}
