use std::future::poll_fn;

use futures_util::{AsyncReadExt, AsyncWriteExt, SinkExt, StreamExt};
use serde_json::Value;
use tokio::io::DuplexStream;
use tokio::task::JoinSet;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_util::compat::{Compat, TokioAsyncReadCompatExt};
use yamux::{Config, Connection, Mode};

use super::sandbox;
use crate::server::runtime::fake::FakeRuntime;

/// The client's end of a tunnel: the WebSocket's bytes on one side of a pipe, a multiplexer on the other.
struct Tunnel {
    multiplexer: Connection<Compat<DuplexStream>>,
    /// The task between the two; it ends with the tunnel.
    _carrying: JoinSet<()>,
}

impl Tunnel {
    fn new(socket: WebSocketStream<DuplexStream>) -> Self {
        let (near, far) = tokio::io::duplex(64 << 10);
        let mut carrying = JoinSet::new();
        carrying.spawn(carry(socket, far));
        Self { multiplexer: Connection::new(near.compat(), Config::default(), Mode::Client), _carrying: carrying }
    }

    /// Opens a connection, sends it `bytes`, and returns all that comes back.
    async fn exchange(&mut self, bytes: &[u8]) -> Vec<u8> {
        let stream = poll_fn(|cx| self.multiplexer.poll_new_outbound(cx)).await.expect("opens");
        let (mut read, mut write) = AsyncReadExt::split(stream);
        let say = async {
            write.write_all(bytes).await.expect("is taken");
            write.close().await.expect("closes");
        };
        let hear = async {
            let mut answer = Vec::new();
            read.read_to_end(&mut answer).await.expect("comes");
            answer
        };
        let talk = async { tokio::join!(say, hear).1 };
        tokio::select! {
            answer = talk => answer,
            _ = poll_fn(|cx| self.multiplexer.poll_next_inbound(cx)) => panic!("the tunnel ended"),
        }
    }
}

async fn carry(mut socket: WebSocketStream<DuplexStream>, mut pipe: DuplexStream) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut buffer = vec![0; 16 << 10];
    loop {
        tokio::select! {
            n = pipe.read(&mut buffer) => match n {
                Ok(n) if n > 0 => {
                    let message = Message::binary(buffer[..n].to_vec());
                    if socket.send(message).await.is_err() { return }
                }
                _ => return,
            },
            message = socket.next() => match message {
                Some(Ok(Message::Binary(bytes))) if pipe.write_all(&bytes).await.is_ok() => {}
                Some(Ok(_)) => {}
                _ => return,
            },
        }
    }
}

async fn tunnel() -> (crate::server::tests::harness::Server, FakeRuntime, Tunnel) {
    let (server, runtime, path) = sandbox().await;
    let socket = server.websocket(&format!("{path}/tunnel")).await;
    (server, runtime, Tunnel::new(socket))
}

#[tokio::test(start_paused = true)]
async fn connections_are_carried() {
    let (_server, _, mut tunnel) = tunnel().await;
    for _ in 0..3 {
        assert_eq!(tunnel.exchange(&[1, 0, 80, 7, 8, 9]).await, [0, 7, 8, 9]);
    }
    let mut much = vec![1, 0, 80];
    much.resize(2 << 20, 5);
    let answer = tunnel.exchange(&much).await;
    assert!(answer[0] == 0 && answer.len() == much.len() - 2);
}

#[tokio::test(start_paused = true)]
async fn each_refusal_has_its_status() {
    let (server, runtime, mut tunnel) = tunnel().await;
    runtime.close_port(81);
    assert_eq!(tunnel.exchange(&[1, 0, 81]).await, [2]);
    assert_eq!(tunnel.exchange(&[1, 0, 0]).await, [1]);
    assert_eq!(tunnel.exchange(&[2, 0, 80]).await, [3]);
    assert_eq!(tunnel.exchange(&[1, 0, 80]).await, [0]);
    let metrics = server.root("GET", "/metrics", Value::Null).await.text;
    for result in ["connected", "failed"] {
        let line = format!("sbx_tunnel_connect_seconds_count{{result=\"{result}\"}} 1");
        assert!(metrics.lines().any(|found| found == line), "{line}\n{metrics}");
    }
}
