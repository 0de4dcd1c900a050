//! The messages of a command's WebSocket.

use std::sync::Arc;

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout_at};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Bytes, Error as WsError, Message};

use super::super::socket::WebSocket;
use super::control::CommandControl;
use crate::client::socket_timeouts::SocketTimeouts;
use crate::wire::{CommandEvent, CommandRequest};

/// The half that writes.
#[derive(Debug)]
pub(super) struct Writer {
    sink: Mutex<SplitSink<WebSocket, Message>>,
}

/// The half that reads.
#[derive(Debug)]
pub(super) struct Reader {
    stream: SplitStream<WebSocket>,
    timeouts: SocketTimeouts,
    /// When something last came.
    heard: Instant,
    /// When the other side was asked whether it is there, if it has not answered.
    asked: Option<Instant>,
}

/// Why nothing more comes.
#[derive(Debug)]
pub(super) enum Loss {
    /// The server restarts, and is there again at once.
    Reload,
    /// Anything else.
    Broken(String),
}

/// Takes a WebSocket apart.
pub(super) fn split(socket: WebSocket, timeouts: SocketTimeouts) -> (Writer, Reader) {
    let (sink, stream) = socket.split();
    (Writer { sink: Mutex::new(sink) }, Reader { stream, timeouts, heard: Instant::now(), asked: None })
}

impl Writer {
    /// Sends a message.
    pub(super) async fn send(&self, message: &CommandRequest) -> Result<(), WsError> {
        let text = serde_json::to_string(message).expect("messages are structs with text keys");
        self.sink.lock().await.send(Message::text(text)).await
    }

    /// Asks whether the other side is there, unless something is being written right now, which asks as well.
    async fn ping(&self) {
        if let Ok(mut sink) = self.sink.try_lock() {
            // A failure shows when reading.
            let _ = sink.send(Message::Ping(Bytes::new())).await;
        }
    }
}

impl Reader {
    /// Returns the next message. Cancel-safe.
    pub(super) async fn next_of(&mut self, control: &CommandControl) -> Result<CommandEvent, Loss> {
        match control.writer() {
            Some(writer) => self.next(&writer).await,
            None => Err(Loss::Broken("the connection was closed".to_owned())),
        }
    }

    /// Returns the next message, and sees to it that the other side is there. Cancel-safe.
    pub(super) async fn next(&mut self, writer: &Writer) -> Result<CommandEvent, Loss> {
        loop {
            let message = match self.patience_ends_at() {
                Some(end) => timeout_at(end, self.stream.next()).await,
                None => Ok(self.stream.next().await),
            };
            let Ok(message) = message else {
                if self.asked.is_some() {
                    return Err(Loss::Broken("the server does not answer".to_owned()));
                }
                self.asked = Some(Instant::now());
                writer.ping().await;
                continue;
            };
            (self.heard, self.asked) = (Instant::now(), None);
            match message {
                Some(Ok(Message::Text(text))) => {
                    if let Ok(event) = serde_json::from_str(&text) {
                        return Ok(event);
                    }
                }
                Some(Ok(Message::Close(frame))) => return Err(Loss::of_close(frame.map(|frame| frame.code))),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(Loss::Broken(error.to_string())),
                None => return Err(Loss::of_close(None)),
            }
        }
    }
}

impl Reader {
    /// Returns when the other side has been silent for too long, to be asked or to be given up.
    fn patience_ends_at(&self) -> Option<Instant> {
        let (since, limit) = match self.asked {
            Some(asked) => (asked, self.timeouts.pong),
            None => (self.heard, self.timeouts.ping_interval),
        };
        since.checked_add(limit?)
    }
}

impl Loss {
    fn of_close(code: Option<CloseCode>) -> Self {
        match code {
            Some(CloseCode::Away) => Self::Reload,
            Some(code) => Self::Broken(format!("the server closed the connection with code {code}")),
            None => Self::Broken("the server closed the connection".to_owned()),
        }
    }

    /// Returns the reason for people.
    pub(super) fn reason(&self) -> &str {
        match self {
            Self::Reload => "the server restarts",
            Self::Broken(reason) => reason,
        }
    }
}

/// A writer that several hold.
pub(super) type SharedWriter = Arc<Writer>;
