use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::compat::FuturesAsyncReadCompatExt as _;
use yamux::{Config as YamuxConfig, Connection, Mode};

use super::pipe::Pipe;
use super::{Tunnel, TunnelOptions};
use crate::client::transport::BoxConnection;
use crate::client::{Client, Config, Kind, Sandbox};

/// Longer than anything takes, so that a test that hangs ends.
const PATIENCE: Duration = Duration::from_secs(20);
/// The port that echoes; others answer with the status `port - 8000`.
const ECHO: u16 = 8000;

/// The other end of tunnels: `lives` connections, each lost after so many streams have come.
struct Server {
    url: String,
    _task: JoinSet<()>,
}

impl Server {
    async fn start(lives: Vec<usize>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}/dp/1", listener.local_addr().expect("it is bound"));
        let mut task = JoinSet::new();
        task.spawn(async move {
            for life in lives {
                let (stream, _) = listener.accept().await.expect("a connection");
                let stream: BoxConnection = Box::new(stream);
                let socket = tokio_tungstenite::accept_async(stream).await.expect("a handshake");
                serve(Connection::new(Pipe::new(socket), YamuxConfig::default(), Mode::Server), life).await;
            }
        });
        Self { url, _task: task }
    }

    fn sandbox(&self) -> Sandbox {
        let client = Client::new(Config::new(&self.url).max_retries(0)).expect("a good configuration");
        let object = serde_json::json!({"name": "box", "status": "ready", "dataplane_url": self.url});
        Sandbox::new(&client, serde_json::from_value(object).expect("a sandbox"))
    }

    async fn tunnel(&self, port: u16, options: TunnelOptions) -> Tunnel {
        self.sandbox().tunnel(port, options.local_port(0)).await.expect("the server is there")
    }
}

async fn serve(mut connection: Connection<Pipe>, life: usize) {
    let mut streams = JoinSet::new();
    let mut n = 0;
    let mut inbound = futures_util::stream::poll_fn(|cx| connection.poll_next_inbound(cx));
    while let Some(Ok(stream)) = inbound.next().await {
        n += 1;
        if n > life {
            return;
        }
        streams.spawn(async move {
            let mut stream = stream.compat();
            let mut greeting = [0; 3];
            stream.read_exact(&mut greeting).await.expect("a greeting");
            assert_eq!(greeting[0], 1);
            let status = u16::from_be_bytes([greeting[1], greeting[2]]) - ECHO;
            stream.write_all(&[status.to_le_bytes()[0]]).await.expect("the client reads");
            stream.flush().await.expect("the client reads");
            let (mut reader, mut writer) = tokio::io::split(stream);
            let _ = tokio::io::copy(&mut reader, &mut writer).await;
            let _ = writer.shutdown().await;
        });
    }
}

async fn connect(tunnel: &Tunnel) -> TcpStream {
    TcpStream::connect(tunnel.local_addr()).await.expect("the tunnel listens")
}

/// Sends a lot more than a window holds, and gets it back.
async fn echo(tunnel: &Tunnel) {
    let sent: Vec<u8> = (0..3_000_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    let (mut reader, mut writer) = connect(tunnel).await.into_split();
    let mut got = Vec::new();
    let both = async {
        tokio::join!(
            async {
                writer.write_all(&sent).await.expect("the tunnel takes it");
                writer.shutdown().await.expect("it is open");
            },
            async { reader.read_to_end(&mut got).await.expect("the tunnel gives it back") },
        );
    };
    timeout(PATIENCE, both).await.expect("all of it comes back");
    assert!(got == sent, "{} of {} bytes came back", got.len(), sent.len());
}

#[tokio::test]
async fn bytes_go_both_ways_on_several_connections() {
    let server = Server::start(vec![usize::MAX]).await;
    let tunnel = server.tunnel(ECHO, TunnelOptions::default()).await;
    assert!(tunnel.local_addr().ip().is_loopback());
    assert_eq!(tunnel.remote_port(), ECHO);
    tokio::join!(echo(&tunnel), echo(&tunnel), echo(&tunnel));
}

#[tokio::test]
async fn the_port_here_is_that_inside_unless_told() {
    let server = Server::start(vec![usize::MAX]).await;
    let probe = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = probe.local_addr().expect("it is bound").port();
    drop(probe);
    let tunnel = server.sandbox().tunnel(port, TunnelOptions::default()).await.expect("the port is free");
    assert_eq!((tunnel.local_addr().port(), tunnel.remote_port()), (port, port));
}

#[tokio::test]
async fn a_port_that_is_not_reached_has_its_reason() {
    let server = Server::start(vec![usize::MAX; 4]).await;
    for (status, kind) in
        [(1, Kind::PortNotAllowed), (2, Kind::PortRefused), (3, Kind::TunnelVersion), (9, Kind::Tunnel)]
    {
        let mut tunnel = server.tunnel(ECHO + status, TunnelOptions::default()).await;
        let mut local = connect(&tunnel).await;
        let error = timeout(PATIENCE, tunnel.next_failure()).await.expect("it fails");
        assert_eq!((error.kind(), error.port()), (kind, Some(ECHO + status)), "{error}");
        assert!(error.is_a(Kind::Tunnel));
        let end = timeout(PATIENCE, local.read(&mut [0])).await.expect("the connection ends");
        assert!(matches!(end, Ok(0) | Err(_)), "{end:?}");
    }
}

#[tokio::test]
async fn a_lost_tunnel_is_made_again_when_it_is_needed() {
    let server = Server::start(vec![1, usize::MAX]).await;
    let mut tunnel = server.tunnel(ECHO, TunnelOptions::default()).await;
    echo(&tunnel).await;
    // The second stream is one too many for the first connection.
    drop(connect(&tunnel).await);
    let error = timeout(PATIENCE, tunnel.next_failure()).await.expect("it fails");
    assert_eq!(error.kind(), Kind::Tunnel, "{error}");
    echo(&tunnel).await;
}

#[tokio::test]
async fn reconnecting_is_given_up() {
    let server = Server::start(vec![0]).await;
    let mut tunnel = server.tunnel(ECHO, TunnelOptions::default().max_reconnects(1)).await;
    let _first = connect(&tunnel).await;
    timeout(PATIENCE, tunnel.next_failure()).await.expect("the stream is lost");
    let _second = connect(&tunnel).await;
    let error = timeout(PATIENCE, tunnel.next_failure()).await.expect("nobody listens any more");
    assert_eq!(error.message(), "the tunnel was lost, and not made again (attempts: 1)");
}

#[tokio::test]
async fn a_dropped_tunnel_lets_go_of_everything() {
    let server = Server::start(vec![usize::MAX]).await;
    let tunnel = server.tunnel(ECHO, TunnelOptions::default()).await;
    let address = tunnel.local_addr();
    let mut local = connect(&tunnel).await;
    local.write_all(b"x").await.expect("the tunnel takes it");
    local.read_exact(&mut [0]).await.expect("it comes back");
    drop(tunnel);
    let end = timeout(PATIENCE, local.read(&mut [0])).await.expect("the connection ends");
    assert!(matches!(end, Ok(0) | Err(_)), "{end:?}");
    // The task is gone once its listener is: somebody else can have the port.
    let freed = async {
        while TcpListener::bind(address).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, freed).await.expect("the port is free");
}

#[tokio::test]
async fn what_cannot_be_is_said_at_once() {
    let server = Server::start(vec![usize::MAX]).await;
    let error = server.sandbox().tunnel(0, TunnelOptions::default()).await.expect_err("no port");
    assert_eq!(error.kind(), Kind::InvalidArgument);
    let taken = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = taken.local_addr().expect("it is bound").port();
    let error = server.sandbox().tunnel(ECHO, TunnelOptions::default().local_port(port)).await.expect_err("taken");
    assert_eq!(error.kind(), Kind::Local, "{error}");
}
