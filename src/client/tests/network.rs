//! Real HTTP, against a listener on the loopback interface.

use std::io::{Read as _, Write as _};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::client::{Client, Config, ConfigError, HttpTransport, Kind};
use crate::types::Secret;

/// Serves connections one after the other; each is answered with the texts of one list, in order, then closed.
async fn serve(connections: Vec<Vec<&'static str>>) -> (Client, JoinSet<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut requests = Vec::new();
        for answers in connections {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            for answer in answers {
                requests.push(read_request(&mut stream).await);
                stream.write_all(answer.as_bytes()).await.expect("the client reads");
            }
        }
        requests
    });
    let config = Config::new(format!("http://{address}/api")).api_key(Secret::new("key")).max_retries(0);
    (Client::new(config).expect("a good configuration"), tasks)
}

async fn read_request(stream: &mut TcpStream) -> String {
    let mut text = String::new();
    let mut buffer = [0; 1024];
    while !text.contains("\r\n\r\n") {
        let n = stream.read(&mut buffer).await.expect("the client writes");
        assert!(n > 0, "the client hung up");
        text.push_str(std::str::from_utf8(&buffer[..n]).expect("requests are text"));
    }
    text
}

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 18\r\n\r\n{\"volumes_used\":3}";

#[tokio::test]
async fn a_connection_is_used_again_and_redirects_are_not_followed() {
    let elsewhere = "HTTP/1.1 302 Found\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n";
    let (client, mut tasks) = serve(vec![vec![OK, elsewhere, OK]]).await;
    assert_eq!(client.usage().await.expect("200").volumes_used, 3);
    let error = client.usage().await.expect_err("302");
    assert_eq!((error.kind(), error.status().map(|it| it.as_u16())), (Kind::Client, Some(302)));
    client.usage().await.expect("200");
    let requests = tasks.join_next().await.expect("one task").expect("it does not panic");
    assert!(requests[0].starts_with("GET /api/usage HTTP/1.1\r\n"), "{requests:?}");
    assert!(requests[0].contains("x-api-key: key\r\n"), "{requests:?}");
}

#[tokio::test]
async fn a_connection_lost_in_the_answer_is_not_one_that_was_never_made() {
    let cut = "HTTP/1.1 200 OK\r\ncontent-length: 18\r\n\r\n{\"vol";
    for answer in [cut, "HTTP/1.1 200 OK\r\n", ""] {
        let (client, _tasks) = serve(vec![vec![answer]]).await;
        let error = client.delete_volume("v").await.expect_err("the answer is cut");
        assert_eq!((error.kind(), error.is_ambiguous()), (Kind::Transport, true), "{answer:?}: {error:?}");
    }
}

#[tokio::test]
async fn a_connection_refused_has_no_effect() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    drop(listener);
    let client = Client::new(Config::new(format!("http://{address}")).max_retries(0)).expect("a good configuration");
    let error = client.delete_volume("v").await.expect_err("nobody listens");
    assert_eq!((error.kind(), error.is_ambiguous()), (Kind::Connection, false), "{error:?}");
}

#[tokio::test]
async fn an_answer_that_is_not_http_may_follow_an_effect() {
    let (client, _tasks) = serve(vec![vec!["SSH-2.0-OpenSSH_9.6\r\n"]]).await;
    let error = client.delete_volume("v").await.expect_err("not HTTP");
    assert_eq!((error.kind(), error.is_ambiguous()), (Kind::Transport, true), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_does_not_come_may_follow_an_effect() {
    for answer in ["", "HTTP/1.1 200 OK\r\ncontent-length: 18\r\n\r\n{\"vol"] {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            read_request(&mut stream).await;
            stream.write_all(answer.as_bytes()).await.expect("the client reads");
            std::future::pending::<()>().await;
        });
        let config = Config::new(format!("http://{address}")).max_retries(0);
        let error = Client::new(config).expect("a good configuration").delete_volume("v").await.expect_err("too late");
        assert_eq!((error.kind(), error.is_ambiguous()), (Kind::TransportTimeout, true), "{answer:?}: {error:?}");
    }
}

/// A certificate authority made for these tests, and what it signed for `127.0.0.1`; all of it holds until 2120.
const CA: &[u8] = include_bytes!("tls/ca.pem");
const CERTIFICATE: &[u8] = include_bytes!("tls/server.pem");
const KEY: &[u8] = include_bytes!("tls/server.key.der");

/// Answers one request over TLS. Blocking, since `rustls` by itself is.
fn serve_tls(listener: &std::net::TcpListener) -> std::io::Result<()> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let certificate = CertificateDer::from_pem_slice(CERTIFICATE).expect("a certificate");
    let key = PrivateKeyDer::try_from(KEY).expect("a key");
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(vec![certificate], key))
        .expect("the key is the certificate's");
    let connection = rustls::ServerConnection::new(Arc::new(config)).expect("a good configuration");
    let mut stream = rustls::StreamOwned::new(connection, listener.accept()?.0);
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        request.push(byte[0]);
    }
    stream.write_all(OK.as_bytes())?;
    stream.flush()
}

#[tokio::test]
async fn a_server_is_trusted_through_the_ca_file_only() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let server = std::thread::spawn(move || [serve_tls(&listener), serve_tls(&listener)]);

    let config = || Config::new(format!("https://{address}")).max_retries(0);
    let trusting = Client::new(config().ca_certificate(CA)).expect("the certificates are good");
    assert_eq!(trusting.usage().await.expect("200").volumes_used, 3);
    // Another authority in the file, so that the test does not depend on what the machine trusts.
    let wary = Client::new(config().ca_certificate(CERTIFICATE)).expect("the certificates are good");
    let error = wary.usage().await.expect_err("an unknown authority");
    assert_eq!((error.kind(), error.is_retryable()), (Kind::Connection, true), "{error:?}");

    let [first, second] = server.join().expect("it does not panic");
    assert!(first.is_ok() && second.is_err(), "the key is sent only over a connection that is trusted");
}

#[tokio::test]
async fn a_failed_handshake_has_no_effect() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.expect("the client reads");
    });
    // The extra certificate makes the test independent of what the machine trusts.
    let config = Config::new(format!("https://{address}")).ca_certificate(CA).max_retries(0);
    let error = Client::new(config).expect("the certificate is good").delete_volume("v").await.expect_err("no TLS");
    assert_eq!((error.kind(), error.is_ambiguous()), (Kind::Connection, false), "{error:?}");
}

#[test]
fn a_ca_file_is_checked_at_once() {
    for endpoint in ["http://example.com", "https://example.com"] {
        let result = HttpTransport::new(&Config::new(endpoint).ca_certificate("not PEM"));
        assert!(matches!(result, Err(ConfigError::InvalidCaCertificate)), "{endpoint}");
    }
}
