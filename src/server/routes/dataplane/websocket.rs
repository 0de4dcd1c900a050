//! Opening and closing a WebSocket.

use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use http::request::Parts;

use crate::server::app::App;
use crate::server::error::Failure;
use crate::server::layers::faults::Cut;

/// The command is over, or the conversation is.
pub(super) const NORMAL: u16 = 1000;

/// The server restarts. Not 1001, which says so as well: the official Python client takes that one for a normal end and
/// does not come back (contract section 4.4).
pub(super) const RESTART: u16 = 1012;

/// How long to wait for the other side to close its half.
const CLOSING: Duration = Duration::from_secs(5);

/// A request to open a WebSocket; whatever else is refused with the API's body.
pub(crate) struct Upgrade {
    upgrade: WebSocketUpgrade,
    /// When a fault rule ends the conversation.
    pub(super) cut: Option<Cut>,
}

impl FromRequestParts<App> for Upgrade {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Self::Rejection> {
        let cut = parts.extensions.get().copied();
        let refuse = |rejection: WebSocketUpgradeRejection| {
            Failure::Refused(rejection.status(), "UpgradeRequired", rejection.body_text())
        };
        let upgrade = <WebSocketUpgrade as FromRequestParts<App>>::from_request_parts(parts, app).await;
        Ok(Self { upgrade: upgrade.map_err(refuse)?, cut })
    }
}

impl Upgrade {
    /// Returns the request, to be answered with the conversation; messages from the client are at most `max` bytes.
    pub(super) fn accept(self, max: usize) -> WebSocketUpgrade {
        self.upgrade.max_message_size(max).max_frame_size(max)
    }
}

/// Closes a WebSocket, and waits a while for the other side to do the same.
///
/// A connection that is dropped with something unread is reset, and the other side may lose what it has not read yet.
pub(super) async fn close(mut sink: SplitSink<WebSocket, Message>, mut stream: SplitStream<WebSocket>, code: u16) {
    let frame = CloseFrame { code, reason: Utf8Bytes::default() };
    let handshake = async {
        if sink.send(Message::Close(Some(frame))).await.is_ok() {
            while stream.next().await.is_some_and(|message| message.is_ok()) {}
        }
    };
    // One that does not answer is left.
    let _ = tokio::time::timeout(CLOSING, handshake).await;
}
