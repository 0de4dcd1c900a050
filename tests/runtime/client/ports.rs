use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method};
use sbx::client::{Kind, Resource, RunOptions, ServiceOptions, Tunnel, TunnelOptions};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::world::{World, within};

impl World {
    /// Starts an HTTP server in the sandbox, with one page, and waits until it answers.
    async fn serve_http(&self, port: u16) {
        let folder = format!("/home/user/site-{port}");
        self.sandbox.write(&format!("{folder}/index.html"), format!("page of {port}")).await.expect("it is written");
        let options = RunOptions::default().cwd(folder).timeout(None).idle_timeout(None);
        drop(self.sandbox.start(&format!("exec python3 -m http.server {port}"), options).await.expect("it starts"));
        self.sh(&format!("until echo > /dev/tcp/127.0.0.1/{port}; do sleep 0.05; done")).await;
    }
}

async fn fetch(tunnel: &Tunnel) -> String {
    let mut stream = TcpStream::connect(tunnel.local_addr()).await.expect("it listens");
    stream.write_all(b"GET /index.html HTTP/1.0\r\n\r\n").await.expect("it is connected");
    let mut answer = String::new();
    // What is cut off is what came until then.
    let _ = within(stream.read_to_string(&mut answer)).await;
    answer
}

#[tokio::test]
async fn tunnels() {
    engine!();
    let world = World::new().await;
    world.serve_http(3000).await;
    world.serve_http(3001).await;
    let open = |port| world.sandbox.tunnel(port, TunnelOptions::default().local_port(0));
    let (one, mut other) = (open(3000).await.expect("it opens"), open(3001).await.expect("it opens"));
    let pages = tokio::join!(fetch(&one), fetch(&other), fetch(&one), fetch(&other));
    for (page, port) in [(pages.0, 3000), (pages.1, 3001), (pages.2, 3000), (pages.3, 3001)] {
        assert!(page.starts_with("HTTP/1.0 200") && page.ends_with(&format!("page of {port}")), "{page}");
    }
    let mut closed = open(4000).await.expect("it opens");
    assert_eq!(fetch(&closed).await, "");
    let error = within(closed.next_failure()).await;
    assert_eq!((error.kind(), error.port()), (Kind::PortRefused, Some(4000)), "{error}");

    // A tunnel that is lost is made again when it is needed.
    world.control("POST", "/_sbx/faults", r#"{"operation": "tunnel", "cut_after_bytes": 10}"#).await;
    let mut lost = open(3000).await.expect("it opens");
    let mut stream = TcpStream::connect(lost.local_addr()).await.expect("it listens");
    stream.write_all(b"GET / HTTP/1.0\r\n").await.expect("it is connected");
    let end = within(stream.read(&mut [0])).await;
    assert!(matches!(end, Ok(0) | Err(_)), "{end:?}");
    let answered = async {
        while !fetch(&lost).await.ends_with("page of 3000") {
            lost.next_failure().await;
        }
    };
    within(answered).await;
    assert!(fetch(&other).await.ends_with("page of 3001"));
    assert_eq!(other.remote_port(), 3001);
    other = open(3001).await.expect("it opens beside the first");
    assert!(fetch(&other).await.ends_with("page of 3001"));
}

#[tokio::test]
async fn services() {
    engine!();
    let world = World::new().await;
    world.serve_http(3000).await;
    let service = world.sandbox.service(3000, ServiceOptions::default()).await.expect("it has a URL");
    let answer = service.get("/index.html").await.expect("it answers");
    assert_eq!((answer.status().as_u16(), &answer.body()[..]), (200, &b"page of 3000"[..]));
    assert_eq!(service.get("none").await.expect("it answers").status().as_u16(), 404);
    // Whatever the service makes of it, it arrived.
    for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
        let headers = HeaderMap::from_iter([(http::header::ACCEPT, HeaderValue::from_static("text/plain"))]);
        let answer = service.request(method, "/", headers, "body".into()).await.expect("it answers");
        assert_eq!(answer.status().as_u16(), 501);
    }
    let browser_url = service.browser_url().await.expect("it is fresh");
    assert!(browser_url.contains("/_svc/auth?token="), "{browser_url}");

    let short = ServiceOptions::default().expires_in(Duration::from_secs(2));
    let service = world.client.service(&world.sandbox.name, 3000, short).await.expect("it has a URL");
    let first = service.token().await.expect("it is fresh");
    let replaced = async {
        while service.token().await.expect("it is fresh").expose() == first.expose() {
            tokio::task::yield_now().await;
        }
    };
    within(replaced).await;
    assert_eq!(service.get("/index.html").await.expect("it answers").status().as_u16(), 200);
}

#[tokio::test]
async fn files() {
    engine!();
    let world = World::new().await;
    let sandbox = &world.sandbox;
    sandbox.write("/app/script.py", "print('Hello from file!')").await.expect("it is written");
    assert_eq!(world.sh("python3 /app/script.py").await, "Hello from file!\n");
    for (path, content) in [("/app/data.bin", &b"\x00\x01\xff"[..]), ("a b/ü?&=.txt", "hé".as_bytes()), ("empty", b"")]
    {
        sandbox.write(path, content).await.expect("it is written");
        assert_eq!(&sandbox.read(path).await.expect("it is there")[..], content);
    }
    let much: Vec<u8> = (0..10_000_000_u32).map(|n| n.to_le_bytes()[1]).collect();
    sandbox.write_from("folder/much", std::io::Cursor::new(much.clone())).await.expect("it is written");
    let mut copy = Vec::new();
    sandbox.read_to("/home/user/folder/much", &mut copy).await.expect("it is there");
    assert!(copy == much);
    let stat = sandbox.stat("folder/much").await.expect("it is there");
    assert_eq!((stat.size_bytes, stat.modified.is_some(), stat.tag.is_some()), (Some(10_000_000), true, true));
    let part = sandbox.read_range("folder/much", 9_999_000..20_000_000).await.expect("it is there");
    assert!(part == much[9_999_000..]);
    assert!(sandbox.read_range("folder/much", 10_000_000..10_000_001).await.expect("it is there").is_empty());
    let error = sandbox.stat("/none").await.expect_err("there is none");
    assert_eq!((error.kind(), error.resource()), (Kind::NotFound, Some(Resource::File)), "{error}");
    let error = sandbox.read("/none").await.expect_err("there is none");
    assert_eq!((error.kind(), error.resource()), (Kind::NotFound, Some(Resource::File)), "{error}");
    let error = sandbox.write("/tmp", "a folder").await.expect_err("it is a folder");
    assert_eq!((error.operation(), error.error_type()), (Some("write"), Some("WriteError")), "{error}");
    let error = sandbox.read("/tmp").await.expect_err("it is a folder");
    assert_eq!((error.operation(), error.error_type()), (Some("read"), Some("ReadError")), "{error}");
}
