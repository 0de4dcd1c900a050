//! The binary messages of a WebSocket as one stream of bytes.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use futures_util::io::{AsyncRead, AsyncWrite};
use futures_util::{Sink as _, Stream as _};
use tokio_tungstenite::tungstenite::{Error as WsError, Message};

use super::super::socket::WebSocket;

/// No message is longer: servers refuse those of a mebibyte (contract section 4.6).
const MAX_MESSAGE: usize = 64 * 1024;

/// A stream of bytes over a WebSocket, whose messages mean nothing.
#[derive(Debug)]
pub(super) struct Pipe {
    socket: WebSocket,
    /// What has come and was not read.
    rest: Bytes,
}

impl Pipe {
    pub(super) fn new(socket: WebSocket) -> Self {
        Self { socket, rest: Bytes::new() }
    }
}

impl AsyncRead for Pipe {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        while self.rest.is_empty() {
            match ready!(Pin::new(&mut self.socket).poll_next(cx)) {
                Some(Ok(Message::Binary(bytes))) => self.rest = bytes,
                Some(Ok(Message::Close(_))) | None => return Poll::Ready(Ok(0)),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Poll::Ready(Err(to_io(error))),
            }
        }
        let n = self.rest.len().min(buffer.len());
        self.rest.copy_to_slice(&mut buffer[..n]);
        Poll::Ready(Ok(n))
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        ready!(Pin::new(&mut self.socket).poll_ready(cx)).map_err(to_io)?;
        let n = buffer.len().min(MAX_MESSAGE);
        let message = Message::Binary(Bytes::copy_from_slice(&buffer[..n]));
        Pin::new(&mut self.socket).start_send(message).map_err(to_io)?;
        Poll::Ready(Ok(n))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx).map_err(to_io)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_close(cx).map_err(to_io)
    }
}

fn to_io(error: WsError) -> io::Error {
    match error {
        WsError::Io(error) => error,
        error => io::Error::other(error),
    }
}
