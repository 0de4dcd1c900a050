//! The one port below the client: something that carries a request and brings back the answer.
//!
//! [`HttpTransport`] is real HTTP. Tests, and a server in the same process, bring their own [`Transport`].

mod network;
mod tls;

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;

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
}

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
