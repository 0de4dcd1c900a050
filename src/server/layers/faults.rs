//! Rules that make operations fail on purpose.

/// Marks a response of an embedded server that no client would have received.
///
/// A server with a socket closes the connection instead. A transport that calls the router in the process turns this
/// extension of the response into its own error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DroppedConnection;
