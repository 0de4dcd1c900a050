//! The one port below the client: something that carries a request and brings back the answer.
//!
//! [`HttpTransport`] is real HTTP. Tests, and a server in the same process, bring their own [`Transport`].

mod network;
mod tls;

use std::fmt;
use std::io;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::future::BoxFuture;
use futures_util::stream::{BoxStream, once};
use futures_util::{StreamExt as _, TryStreamExt as _};
use http::Uri;
use tokio::io::{AsyncRead, AsyncWrite};

pub use self::network::HttpTransport;

/// Something that carries requests to the server.
pub trait Transport: Send + Sync + 'static {
    /// Sends `request`, whose URI is absolute, and returns the answer with its whole body, whatever its status.
    ///
    /// Redirects are not followed, nothing is retried. Dropping the future abandons the request.
    ///
    /// # Errors
    ///
    /// [`TransportError`] says in which phase it failed, and so whether the server may have seen the request.
    fn send(
        &self,
        request: http::Request<Bytes>,
        limits: Limits,
    ) -> BoxFuture<'_, Result<http::Response<Bytes>, TransportError>>;

    /// Sends a request whose body comes in pieces, and returns the answer as soon as its head is there. How long it
    /// waits is the caller's business.
    ///
    /// By default everything is brought together in memory and goes through [`Transport::send`].
    ///
    /// # Errors
    ///
    /// As for [`Transport::send`].
    fn transfer(
        &self,
        request: http::Request<Content>,
    ) -> BoxFuture<'_, Result<http::Response<Content>, TransportError>> {
        Box::pin(async move {
            let (head, content) = request.into_parts();
            let body: BytesMut = content
                .try_fold(BytesMut::new(), async |mut body, piece| {
                    body.extend_from_slice(&piece);
                    Ok(body)
                })
                .await
                .map_err(|source| TransportError::Dropped { source: Box::new(source) })?;
            let request = http::Request::from_parts(head, body.freeze());
            let answer = self.send(request, Limits { timeout: WHOLE_TRANSFER }).await?;
            Ok(answer.map(|body| once(async { Ok(body) }).boxed()))
        })
    }

    /// Opens a connection to the server of `uri` (`http` or `https`), on which the caller will speak HTTP/1.1: commands
    /// and tunnels are WebSockets on it.
    ///
    /// # Errors
    ///
    /// [`TransportError::Connect`] and [`TransportError::ConnectTimeout`]. A transport that has no such connections, as
    /// by default, fails with the former.
    fn connect<'a>(&'a self, uri: &'a Uri, limits: Limits) -> BoxFuture<'a, Result<BoxConnection, TransportError>> {
        let _ = (uri, limits);
        let source = "this transport has no connections for WebSockets".into();
        Box::pin(async { Err(TransportError::Connect { source }) })
    }
}

/// How long the default [`Transport::transfer`] lets all of it take.
const WHOLE_TRANSFER: Duration = Duration::from_hours(1);

/// A body that comes in pieces.
pub type Content = BoxStream<'static, io::Result<Bytes>>;

/// A connection of bytes to a server.
pub trait Connection: AsyncRead + AsyncWrite + fmt::Debug + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + fmt::Debug + Send + Unpin> Connection for T {}

/// A connection of whatever sort.
pub type BoxConnection = Box<dyn Connection>;

/// How long a transport may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// The time for each of these by itself: everything up to the head of the answer, and every further read.
    pub timeout: Duration,
}

/// Where a request without an answer failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// No connection could be made: refused, an unknown host, TLS.
    #[error("no connection to the server")]
    Connect {
        /// The cause.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// No connection was made in time.
    #[error("no connection to the server in time")]
    ConnectTimeout,
    /// No connection of a bounded pool became free in time.
    #[error("no free connection in time")]
    PoolTimeout,
    /// The request was not sent, or not answered, in time.
    #[error("no answer in time")]
    Timeout,
    /// The connection was lost after the request had begun to be sent.
    #[error("the connection was lost before the answer was complete")]
    Dropped {
        /// The cause.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Anything else, such as an answer that is not HTTP.
    #[error("the exchange with the server failed")]
    Other {
        /// The cause.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl TransportError {
    /// Returns whether the request may have had its effect, so that sending it again may double it.
    pub fn may_have_reached_server(&self) -> bool {
        match self {
            Self::Connect { .. } | Self::ConnectTimeout | Self::PoolTimeout => false,
            Self::Timeout | Self::Dropped { .. } | Self::Other { .. } => true,
        }
    }
}
