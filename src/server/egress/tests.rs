use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::net::TcpListener;

use super::reach::Resolve;
use super::*;

/// Longer than anything takes: a test that waits for ever fails here.
const LIMIT: Duration = Duration::from_secs(30);

/// Knows these hosts, and says whom it was asked for.
#[derive(Debug, Default)]
struct Hosts {
    known: HashMap<&'static str, Vec<IpAddr>>,
    asked: std::sync::Mutex<Vec<String>>,
}

impl Resolve for Hosts {
    fn resolve<'a>(&'a self, host: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        self.asked.lock().expect("no panic").push(host.to_owned());
        let found = self.known.get(host).cloned().ok_or_else(|| io::ErrorKind::NotFound.into());
        Box::pin(std::future::ready(found))
    }
}

fn proxy(rules: &[String], hosts: &Arc<Hosts>) -> Proxy {
    let rules = rules.iter().map(|rule| rule.parse().expect(rule)).collect();
    Proxy::new(rules, Arc::clone(hosts) as Arc<dyn Resolve>)
}

fn connect(gate: &mut Gate) -> DuplexStream {
    let (near, far) = tokio::io::duplex(1 << 16);
    gate.admit(far);
    near
}

async fn send(stream: &mut DuplexStream, text: &str) {
    stream.write_all(text.as_bytes()).await.expect("the proxy reads");
}

/// Reads until the other side closes.
async fn rest(mut stream: DuplexStream) -> String {
    let mut answer = Vec::new();
    tokio::time::timeout(LIMIT, stream.read_to_end(&mut answer)).await.expect("it ends").expect("it can be read");
    String::from_utf8_lossy(&answer).into_owned()
}

async fn ask(gate: &mut Gate, request: &str) -> String {
    let mut stream = connect(gate);
    send(&mut stream, request).await;
    rest(stream).await
}

/// Answers each request with its head.
async fn mirror() -> (SocketAddr, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            connections.spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    let Ok(byte) = stream.read_u8().await else { return };
                    head.push(byte);
                }
                let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nkeep-alive: 5\r\n\r\n", head.len());
                let _ = stream.write_all(&[answer.as_bytes(), &head].concat()).await;
            });
        }
    });
    (address, tasks)
}

#[tokio::test]
async fn a_request_is_passed_on_as_to_the_host_itself() {
    let (address, _mirror) = mirror().await;
    let hosts = Arc::new(Hosts { known: HashMap::from([("web.example", vec![address.ip()])]), ..Hosts::default() });
    let mut gate = proxy(&["web.example".to_owned(), address.to_string()], &hosts).gate();
    let port = address.port();
    let answer = ask(
        &mut gate,
        &format!(
            "GET http://me:pw@WEB.example.:{port}/a?b=c HTTP/1.1\r\nHost: other.example\r\nProxy-Authorization: x\r\n\
             Proxy-Connection: keep-alive\r\nX-Own: kept\r\nX-Hop: gone\r\nConnection: close, x-hop\r\n\r\n"
        ),
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    let (_, seen) = answer.split_once("\r\n\r\n").expect("a head");
    assert!(seen.starts_with("GET /a?b=c HTTP/1.1\r\n"), "{seen}");
    assert!(seen.to_lowercase().contains(&format!("host: web.example.:{port}")), "{seen}");
    assert!(seen.contains("x-own: kept"), "{seen}");
    for gone in ["other.example", "proxy-", "x-hop", "me:pw"] {
        assert!(!answer.to_lowercase().contains(gone), "{gone}: {answer}");
    }
    assert!(!answer.contains("keep-alive"), "{answer}");
}

#[tokio::test]
async fn a_tunnel_carries_what_it_is_given() {
    let (address, _mirror) = mirror().await;
    let mut gate = proxy(&[address.to_string()], &Arc::default()).gate();
    let mut stream = connect(&mut gate);
    // What follows at once belongs to the tunnel.
    send(&mut stream, &format!("CONNECT {address} HTTP/1.1\r\n\r\nANY THING\r\n\r\n")).await;
    let answer = rest(stream).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(answer.ends_with("ANY THING\r\n\r\n"), "{answer}");
}

#[tokio::test]
async fn a_denial_names_the_host_and_the_way_out() {
    let hosts = Arc::new(Hosts::default());
    let mut gate = proxy(&["web.example".to_owned()], &hosts).gate();
    for request in [
        "GET http://evil.example/ HTTP/1.1\r\nHost: web.example\r\nConnection: close\r\n\r\n",
        "CONNECT evil.example:443 HTTP/1.1\r\nHost: web.example\r\nConnection: close\r\n\r\n",
    ] {
        let answer = ask(&mut gate, request).await;
        let status = answer.lines().next().unwrap_or_default();
        assert!(status.starts_with("HTTP/1.1 403 "), "{answer}");
        assert!(status.contains("evil.example") && status.contains("--egress-allow evil.example"), "{answer}");
    }
    assert!(hosts.asked.lock().expect("no panic").is_empty(), "a name that is not allowed is not looked up either");
}

#[tokio::test]
async fn a_name_that_leads_inside_is_refused() {
    let (address, _mirror) = mirror().await;
    let metadata = "169.254.169.254".parse().expect("an address");
    let mapped = "::ffff:127.0.0.1".parse().expect("an address");
    let known = HashMap::from([("one.example", vec![address.ip()]), ("two.example", vec![metadata, mapped])]);
    let mut gate = proxy(&[], &Arc::new(Hosts { known, ..Hosts::default() })).gate();
    for host in ["one.example", "two.example", "127.0.0.1", "[::ffff:127.0.0.1]", "[::1]", "0.0.0.0"] {
        let request = format!("CONNECT {host}:{} HTTP/1.1\r\nConnection: close\r\n\r\n", address.port());
        let answer = ask(&mut gate, &request).await;
        assert!(answer.starts_with("HTTP/1.1 403 "), "{host}: {answer}");
        assert!(answer.contains("is not public"), "{host}: {answer}");
    }
}

#[tokio::test]
async fn what_is_no_request_to_a_proxy_is_told_so() {
    let mut gate = proxy(&[], &Arc::default()).gate();
    for (request, status) in [
        ("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "400"),
        ("GET https://x.example/ HTTP/1.1\r\nConnection: close\r\n\r\n", "400"),
        ("CONNECT x.example HTTP/1.1\r\nConnection: close\r\n\r\n", "400"),
        ("GET http://nowhere.example/ HTTP/1.1\r\nConnection: close\r\n\r\n", "502"),
        ("\0\u{1}\u{2} what is this\r\n\r\n", "400"),
    ] {
        let answer = ask(&mut gate, request).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{request}: {answer}");
    }
    let huge = format!("GET http://x/ HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(100_000));
    let mut stream = connect(&mut gate);
    // It may be cut off before all of it is taken.
    let _ = stream.write_all(huge.as_bytes()).await;
    assert!(rest(stream).await.starts_with("HTTP/1.1 431"));
}

#[tokio::test]
async fn too_many_connections_are_turned_away_and_others_are_served() {
    let (address, _mirror) = mirror().await;
    let proxy = proxy(&[address.to_string()], &Arc::default());
    let (mut gate, mut other) = (proxy.gate(), proxy.gate());
    let request = format!("GET http://{address}/ HTTP/1.1\r\nConnection: close\r\n\r\n");
    let held: Vec<_> = (0..CONNECTIONS).map(|_| connect(&mut gate)).collect();
    assert!(ask(&mut gate, &request).await.starts_with("HTTP/1.1 503 "));
    assert!(ask(&mut other, &request).await.starts_with("HTTP/1.1 200 "));
    drop(held);
    // The proxy notices each on its own task.
    while gate.connections.join_next().await.is_some() {}
    assert!(ask(&mut gate, &request).await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test(start_paused = true)]
async fn who_says_nothing_is_cut_off() {
    let mut gate = proxy(&[], &Arc::default()).gate();
    let mut slow = connect(&mut gate);
    send(&mut slow, "GET http://x").await;
    let ended = tokio::time::timeout(Duration::from_mins(20), slow.read_to_end(&mut Vec::new())).await;
    ended.expect("it is cut off").expect("it can be read");
}

#[tokio::test]
async fn a_tunnel_that_stands_still_is_cut_off() {
    let (address, _mirror) = mirror().await;
    let reach = Arc::clone(&proxy(&[address.to_string()], &Arc::default()).reach);
    let (mut near, far) = tokio::io::duplex(1 << 16);
    let mut served = JoinSet::new();
    served.spawn(proxy::serve_while(reach, far, Duration::from_millis(50)));
    send(&mut near, &format!("CONNECT {address} HTTP/1.1\r\n\r\n")).await;
    assert!(rest(near).await.starts_with("HTTP/1.1 200 "));
    served.join_all().await;
}
