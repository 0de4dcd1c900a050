//! The server inside another program, without a socket.

use std::sync::Arc;

use axum::Router;
use tokio::io::DuplexStream;

use super::Error;
use super::app::App;
use super::data_dir::DataDir;
use super::listen;
use super::open::{Opened, open};
use super::options::Options;
use super::router::{self, Access};

/// How much a connection in memory holds in each direction, in bytes.
const CONNECTION: usize = 256 << 10;

/// A server to be called in the process.
///
/// Close it when done: dropping it ends its tasks too, but waits for none of them.
#[derive(Debug)]
pub struct Embedded {
    router: Router,
    app: App,
    _data_dir: Option<Arc<DataDir>>,
}

/// Opens a server without a socket.
///
/// Sandboxes whose time is up are removed at once. Pools are kept but not filled, and creating one does not wait for a
/// replica: the server ends with the program that opened it, before anybody could claim what it had warmed.
///
/// # Errors
///
/// [`Error::DataDirBusy`] when another process has the data, and the others that concern the data.
pub async fn embed(options: Options) -> Result<Embedded, Error> {
    let Opened { app, data_dir } = open(&options, false).await?;
    if let Some(url) = &options.public_url {
        app.set_base_url(url.trim_end_matches('/').to_owned());
    }
    let access = Access { api_key: options.api_key, check_host: false, admin: true };
    Ok(Embedded { router: router::build(app.clone(), access), app, _data_dir: data_dir })
}

impl Embedded {
    /// Returns the router; cloning it is cheap.
    ///
    /// Where a server with a socket would drop the connection, the response carries a
    /// [`DroppedConnection`](super::DroppedConnection) among its extensions.
    pub fn router(&self) -> Router {
        self.router.clone()
    }

    /// Opens a connection to the server, in memory.
    ///
    /// It speaks HTTP/1.1, for what a call of the router cannot do: changing over to another protocol, as to a
    /// WebSocket. The server's end runs on the runtime that this is called in, and ends with the server.
    ///
    /// # Panics
    ///
    /// Panics outside a Tokio runtime.
    pub fn connect(&self) -> DuplexStream {
        connect(&self.app, self.router())
    }

    /// Returns what its runtime leaves out, to be told to whoever opened the server. A runtime that is set up when it is
    /// needed may find out more later.
    pub fn notice(&self) -> Option<&str> {
        self.app.runtime().notice()
    }

    /// Finishes what was begun, and gives the data up.
    pub async fn close(self) {
        self.app.close().await;
    }
}

/// Opens a connection in memory to a router.
pub(super) fn connect(app: &App, router: Router) -> DuplexStream {
    let (near, far) = tokio::io::duplex(CONNECTION);
    app.spawn_conversation(listen::serve(far, router, app.closing().clone()));
    near
}

impl Drop for Embedded {
    fn drop(&mut self) {
        self.app.abandon();
    }
}
