//! A server on the loopback interface that plays scripts: one connection after the other, each with its own.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

use crate::client::{Client, Config, Sandbox};
use crate::types::Secret;
use crate::wire;

/// Longer than any step takes, so that a test that hangs ends.
const PATIENCE: Duration = Duration::from_secs(20);

/// What the server does on a connection.
pub(super) enum Play {
    /// Answers one plain request with this text.
    Answer(&'static str),
    /// Opens a WebSocket and goes through the steps; then cuts the connection.
    Socket(Vec<Step>),
}

/// A step on a WebSocket.
pub(super) enum Step {
    /// Waits for a message, whatever it is, and adds it to what is known of the connection, on a line of its own.
    Note,
    /// Waits for this message.
    Expect(Value),
    /// Sends this message.
    Send(Value),
    /// Closes with this code.
    Close(u16),
    /// Waits until the client is gone.
    Hold,
}

/// A running server.
pub(super) struct Server {
    url: String,
    tasks: JoinSet<Vec<String>>,
}

impl Server {
    /// Starts a server that plays these, in order, and then listens no more.
    pub(super) async fn start(plays: Vec<Play>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("it is bound"));
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut heads = Vec::new();
            for play in plays {
                let (stream, _) = listener.accept().await.expect("a connection");
                heads.push(match play {
                    Play::Answer(text) => answer(stream, text).await,
                    Play::Socket(steps) => perform(stream, steps).await,
                });
            }
            heads
        });
        Self { url, tasks }
    }

    /// Returns where it is.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Returns a sandbox whose data plane is this server.
    pub(super) fn sandbox(&self) -> Sandbox {
        self.sandbox_of(json!({"name": "box", "status": "ready", "dataplane_url": format!("{}/dp/1", self.url)}))
    }

    /// Returns a sandbox that the server described like this.
    pub(super) fn sandbox_of(&self, description: Value) -> Sandbox {
        let config = Config::new(&self.url).api_key(Secret::new("key-1234")).max_retries(1);
        let client = Client::new(config).expect("a good configuration");
        let object: wire::Sandbox = serde_json::from_value(description).expect("a sandbox");
        Sandbox::new(&client, object)
    }

    /// Waits until all has been played, and returns the head of each connection's request.
    pub(super) async fn done(mut self) -> Vec<String> {
        let played = tokio::time::timeout(PATIENCE, self.tasks.join_next()).await.expect("the client does its part");
        played.expect("one task").expect("the client keeps to the script")
    }
}

async fn answer(mut stream: TcpStream, text: &str) -> String {
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    let head = loop {
        let n = stream.read(&mut buffer).await.expect("the client writes");
        assert!(n > 0, "the client hung up");
        request.extend_from_slice(&buffer[..n]);
        let text = String::from_utf8_lossy(&request).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            let length: usize = length.map_or(0, |length| length.parse().expect("a number"));
            if body.len() >= length {
                break text;
            }
        }
    };
    stream.write_all(text.as_bytes()).await.expect("the client reads");
    head
}

async fn perform(stream: TcpStream, steps: Vec<Step>) -> String {
    let mut head = String::new();
    #[expect(clippy::result_large_err, reason = "the library's own type")]
    let note = |request: &Request, response: Response| {
        let header = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
        let trace = header("x-trace").map(|trace| format!("trace={trace} ")).unwrap_or_default();
        let key = header("x-api-key").unwrap_or_default();
        head = format!("{} {} {trace}key={key}", request.method(), request.uri());
        Ok(response)
    };
    let mut socket = tokio_tungstenite::accept_hdr_async(stream, note).await.expect("a handshake");
    for step in steps {
        match step {
            Step::Note => {
                let message = socket.next().await.expect("a message").expect("a whole message");
                head.push('\n');
                head.push_str(message.to_text().expect("a text"));
            }
            Step::Expect(expected) => {
                let message = socket.next().await.expect("a message").expect("a whole message");
                let message: Value =
                    serde_json::from_str(message.to_text().expect("a text")).unwrap_or_else(|_| json!("not JSON"));
                assert_eq!(message, expected);
            }
            Step::Send(value) => socket.send(Message::text(value.to_string())).await.expect("the client reads"),
            Step::Close(code) => {
                let frame = CloseFrame { code: code.into(), reason: "".into() };
                // The client may be gone already.
                let _ = socket.close(Some(frame)).await;
            }
            Step::Hold => {
                let end = async { while socket.next().await.is_some_and(|message| message.is_ok()) {} };
                tokio::time::timeout(PATIENCE, end).await.expect("the client hangs up");
            }
        }
    }
    head
}
