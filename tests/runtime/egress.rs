//! What sandboxes reach of the world outside, from inside of them.
//!
//! The world is a web server on a loopback address that no variable keeps from the proxy.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;

use sbx::server::egress::Egress;
use sbx::server::runtime::Instance;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::bench::{Bench, Done, command, finish, sh};

/// Where the world is: `NO_PROXY` names another loopback address.
const WORLD: &str = "127.0.0.2:0";

/// A web server that has these pages.
struct World {
    address: SocketAddr,
    _serving: JoinSet<()>,
}

impl World {
    async fn with(pages: BTreeMap<String, Vec<u8>>) -> Self {
        let listener = TcpListener::bind(WORLD).await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let pages = Arc::new(pages);
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let mut answers = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                answers.spawn(answer(stream, Arc::clone(&pages)));
            }
        });
        Self { address, _serving: serving }
    }

    async fn with_a_page() -> Self {
        Self::with(BTreeMap::from([("/".to_owned(), b"the world".to_vec())])).await
    }

    fn url(&self) -> String {
        format!("http://{}/", self.address)
    }
}

async fn answer(mut stream: TcpStream, pages: Arc<BTreeMap<String, Vec<u8>>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = stream.read_u8().await else { return };
        head.push(byte);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let page = head.split(' ').nth(1).and_then(|path| pages.get(path));
    let (status, body) = page.map_or(("404 Not Found", [].as_slice()), |page| ("200 OK", page.as_slice()));
    let kind = if body.starts_with(b"PK") { "application/octet-stream" } else { "text/html" };
    let length = body.len();
    let head =
        format!("HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    // Who has gone needs no answer.
    let _ = stream.write_all(&[head.as_bytes(), body].concat()).await;
}

async fn bench(rules: &[&str]) -> Bench {
    Bench::with_egress(Egress::Proxy(rules.iter().map(|rule| rule.parse().expect(rule)).collect())).await
}

async fn python(sandbox: &Arc<dyn Instance>, script: &str) -> Done {
    finish(sandbox.exec(command(&["python3", "-c", script])).await.expect("python starts")).await
}

/// Fetches a page with what a program has by itself: the variables of the environment.
async fn fetch(sandbox: &Arc<dyn Instance>, url: &str) -> String {
    let script = format!(
        "import urllib.request, urllib.error
try:
    print(urllib.request.urlopen({url:?}, timeout=20).read().decode())
except urllib.error.HTTPError as error:
    print(error.code, error.reason, error.read().decode())
except OSError as error:
    print('unreachable', error)"
    );
    let done = python(sandbox, &script).await;
    assert_eq!(done.code, 0, "{done:?}");
    done.stdout
}

/// Fetches a page in the way that a shell command ends with: nothing is said of it, or why not.
fn fetching(url: &str) -> String {
    format!("python3 -c 'import urllib.request as r; r.urlopen(\"{url}\")' 2>&1")
}

#[tokio::test]
async fn a_host_that_is_named_is_reached_and_no_other() {
    engine!();
    let (world, other) = (World::with_a_page().await, World::with_a_page().await);
    let bench = bench(&[&world.address.to_string()]).await;
    assert!(bench.runtime.notice().is_some_and(|notice| notice.contains(&world.address.to_string())));
    let sandbox = bench.sandbox(1).await;
    assert_eq!(fetch(&sandbox, &world.url()).await, "the world\n");
    for url in [other.url(), "http://169.254.169.254/".to_owned(), "http://example.invalid/".to_owned()] {
        let said = fetch(&sandbox, &url).await;
        assert!(said.starts_with("403 ") && said.contains("--egress-allow"), "{url}: {said}");
    }
    // Nothing leads past the proxy.
    let said = sh(
        &sandbox,
        &format!(
            "unset http_proxy HTTP_PROXY; python3 -c 'import urllib.request as r; r.urlopen(\"{}\")' 2>&1",
            world.url()
        ),
    )
    .await;
    assert_ne!(said.code, 0, "{said:?}");
    sandbox.destroy().await;
}

#[tokio::test]
async fn without_egress_nothing_is_reached() {
    engine!();
    let world = World::with_a_page().await;
    let bench = Bench::new().await;
    assert!(bench.runtime.notice().is_some_and(|notice| notice.contains("sandboxes reach no network")));
    let sandbox = bench.sandbox(1).await;
    assert_eq!(sh(&sandbox, "env | grep -ic proxy").await.stdout, "0\n");
    assert!(fetch(&sandbox, &world.url()).await.starts_with("unreachable"));
    let proxied = format!("http_proxy=http://127.0.0.1:3128 {}", fetching(&world.url()));
    assert!(sh(&sandbox, &proxied).await.stdout.contains("Connection refused"));
    sandbox.destroy().await;
}

#[tokio::test]
async fn all_that_is_public_leaves_out_this_machine() {
    engine!();
    let world = World::with_a_page().await;
    let bench = bench(&[]).await;
    let sandbox = bench.sandbox(1).await;
    let port = world.address.port();
    for host in ["127.0.0.2", "[::ffff:127.0.0.2]", "0.0.0.0", "2130706434", "0x7f.2"] {
        let said = fetch(&sandbox, &format!("http://{host}:{port}/")).await;
        assert!(said.starts_with("403 ") && said.contains("is not public"), "{host}: {said}");
    }
    sandbox.destroy().await;
}

#[tokio::test]
async fn a_hostile_client_takes_nothing_down() {
    engine!();
    let world = World::with_a_page().await;
    let bench = bench(&[&world.address.to_string()]).await;
    let (sandbox, other) = (bench.sandbox(1).await, bench.sandbox(2).await);
    let script = format!(
        r#"
import os, socket
def connect():
    return socket.create_connection(("127.0.0.1", 3128), 20)
def answer(request):
    s = connect()
    try:
        s.sendall(request)
        return s.recv(64)
    except OSError:
        return b""
assert answer(os.urandom(4096) + b"\r\n\r\n")[:12] in (b"", b"HTTP/1.1 400")
assert answer(b"GET http://x/ HTTP/1.1\r\nX: " + b"x" * 1000000)[:12] in (b"", b"HTTP/1.1 431")
assert answer(b"GET http://x/ HTTP/1.1\r\n" + b"X: y\r\n" * 5000 + b"\r\n")[:12] in (b"", b"HTTP/1.1 431")
assert answer(b"CONNECT " + b"a" * 70000)[:10] in (b"", b"HTTP/1.1 4")
slow = [connect() for _ in range(600)]
for s in slow[:100]:
    s.send(b"G")
assert answer(b"GET http://{address}/ HTTP/1.1\r\n\r\n")[:12] in (b"", b"HTTP/1.1 503")
for s in slow:
    s.close()
print("done")
"#,
        address = world.address
    );
    let done = python(&sandbox, &script).await;
    assert_eq!((done.stdout.as_str(), done.code), ("done\n", 0), "{done:?}");
    assert_eq!(fetch(&other, &world.url()).await, "the world\n");
    // Its own connections are noticed to be closed one after the other.
    let again = format!("for i in $(seq 100); do {} && exit 0; done; exit 1", fetching(&world.url()));
    assert_eq!(sh(&sandbox, &again).await.code, 0);
    sandbox.destroy().await;
    other.destroy().await;
}

#[tokio::test]
async fn a_place_that_a_sandbox_takes_is_not_the_proxys() {
    engine!();
    let bench = bench(&[]).await;
    let sandbox = bench.sandbox(1).await;
    let script = "import socket
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
s.bind(('127.0.0.1', 3128))";
    assert!(python(&sandbox, script).await.stderr.contains("Address already in use"));
    sandbox.destroy().await;
}

#[tokio::test]
async fn pip_installs_from_an_index_outside() {
    engine!();
    let wheel = "tiny-1.0-py3-none-any.whl";
    let world = World::with(BTreeMap::from([
        ("/simple/tiny/".to_owned(), format!("<a href=\"/files/{wheel}\">{wheel}</a>").into_bytes()),
        (format!("/files/{wheel}"), tiny_wheel()),
    ]))
    .await;
    let bench = bench(&[&world.address.to_string()]).await;
    let sandbox = bench.sandbox(1).await;
    let host = world.address.ip();
    let script = format!(
        "python3 -m venv venv && venv/bin/pip install --quiet --disable-pip-version-check --trusted-host {host} \
         --index-url {}simple/ tiny && venv/bin/python -c 'import tiny; print(tiny.NAME)'",
        world.url()
    );
    let done = sh(&sandbox, &script).await;
    assert_eq!((done.stdout.as_str(), done.code), ("a tiny package\n", 0), "{done:?}");
    sandbox.destroy().await;
}

/// Makes a package: a module, and what pip wants to know of it.
fn tiny_wheel() -> Vec<u8> {
    const SCRIPT: &str = r#"
import io, sys, zipfile
buffer = io.BytesIO()
with zipfile.ZipFile(buffer, "w") as wheel:
    info = "tiny-1.0.dist-info/"
    wheel.writestr("tiny.py", "NAME = 'a tiny package'\n")
    wheel.writestr(info + "METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
    wheel.writestr(info + "WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
    wheel.writestr(info + "RECORD", "".join(f"{name},,\n" for name in [*wheel.namelist(), info + "RECORD"]))
sys.stdout.buffer.write(buffer.getvalue())
"#;
    let output = Command::new("python3").args(["-c", SCRIPT]).output().expect("python3 is installed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}
