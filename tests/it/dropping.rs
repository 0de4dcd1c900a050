//! Whatever is dropped, wherever it stands, leaves nothing behind: no task of the client, no conversation with the server,
//! and no command that was to end with it.

use std::future::poll_fn;
use std::io::Cursor;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use sbx::client::{
    Client, Config, CreateSandboxOptions, CreateTemplateOptions, DockerfileOptions, Offsets, RunOptions, Sandbox,
    ServiceOptions, TunnelOptions,
};
use sbx::server::runtime::fake::FakeRuntime;
use sbx::server::{self, Handle, Options};
use sbx::types::Name;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};

/// Longer than anything takes, so that a test that hangs ends.
const PATIENCE: Duration = Duration::from_secs(30);

/// More than any of the operations has points to be dropped at.
const MAX_POINTS: usize = 2000;

/// Something that a program may drop anywhere.
type Operation = fn(Sandbox) -> BoxFuture<'static, Option<()>>;

/// All that is done in a sandbox.
const OPERATIONS: [(&str, Operation); 9] = [
    ("run", |sandbox| async move { sandbox.run("out a\nsleep 5\nout b", options()).await.ok().map(drop) }.boxed()),
    ("follow, feed and kill", |sandbox| async move { converse(&sandbox).await }.boxed()),
    ("reconnect", |sandbox| async move { come_back(&sandbox).await }.boxed()),
    ("read", |sandbox| async move { sandbox.read("/file").await.ok().map(drop) }.boxed()),
    ("read_to", |sandbox| async move { sandbox.read_to("/file", &mut Vec::new()).await.ok().map(drop) }.boxed()),
    ("write", |sandbox| async move { sandbox.write("/other", vec![0; 300_000]).await.ok().map(drop) }.boxed()),
    ("write_from", |sandbox| {
        async move { sandbox.write_from("/other", Cursor::new(vec![0; 300_000])).await.ok().map(drop) }.boxed()
    }),
    ("tunnel", |sandbox| async move { carry(&sandbox).await }.boxed()),
    ("service", |sandbox| async move { call(&sandbox).await }.boxed()),
];

/// As long as nothing ends them, commands go on: these end with whoever follows them.
fn options() -> RunOptions {
    RunOptions::default().timeout(None).idle_timeout(None).kill_on_disconnect(true)
}

async fn converse(sandbox: &Sandbox) -> Option<()> {
    let mut handle = sandbox.start("cat", options()).await.ok()?;
    handle.send_input("one").await.ok()?;
    handle.next().await.ok()??;
    handle.kill().await;
    handle.next().await.ok().map(drop)
}

async fn come_back(sandbox: &Sandbox) -> Option<()> {
    let handle = sandbox.start("out a\nsleep 5\nout b", options()).await.ok()?;
    let again = sandbox.reconnect(handle.command_id(), Offsets::default()).await.ok()?;
    drop(handle);
    again.result().await.ok().map(drop)
}

async fn carry(sandbox: &Sandbox) -> Option<()> {
    let tunnel = sandbox.tunnel(4000, TunnelOptions::default().local_port(0)).await.ok()?;
    let mut local = TcpStream::connect(tunnel.local_addr()).await.ok()?;
    local.write_all(b"hello").await.ok()?;
    local.read_exact(&mut [0; 5]).await.ok().map(drop)
}

async fn call(sandbox: &Sandbox) -> Option<()> {
    let service = sandbox.service(8080, ServiceOptions::default()).await.ok()?;
    service.get("/").await.ok().map(drop)
}

/// A server on a runtime of its own, so that the other one has the client's tasks alone.
struct World {
    there: Runtime,
    server: Option<Handle>,
    here: Runtime,
    url: String,
}

impl World {
    fn new() -> Self {
        let there = Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let server = there.block_on(async {
            let sandboxes = FakeRuntime::new();
            sandboxes.serve_port(8080, answer_http);
            let options = Options::new().runtime(Arc::new(sandboxes));
            server::start(options).await.expect("it starts")
        });
        let url = server.url().to_owned();
        let here = Builder::new_current_thread().enable_all().build().expect("a runtime");
        Self { there, server: Some(server), here, url }
    }

    /// Returns a client that has no connection yet.
    fn client(&self) -> Client {
        Client::new(Config::new(format!("{}/v2/sandboxes", self.url)).max_retries(0)).expect("a good configuration")
    }

    /// Returns how many of these the server counts.
    async fn gauge(&self, name: &str) -> u64 {
        let address = self.url.strip_prefix("http://").expect("an address");
        let mut stream = TcpStream::connect(address).await.expect("it listens");
        let request = format!("GET /metrics HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.expect("it is connected");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("it answers");
        let value = answer.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.unwrap_or_else(|| panic!("no {name} in {answer}")).parse().expect("a number")
    }

    /// Waits until nothing is left that the client or the server does for anybody.
    async fn settle(&self, what: &str) {
        let mut left = (0, 0, 0);
        let settled = async {
            loop {
                let tasks = self.here.metrics().num_alive_tasks();
                left = (tasks, self.gauge("sbx_conversations").await, self.gauge("sbx_commands_running").await);
                if left == (0, 0, 0) {
                    return;
                }
            }
        };
        let settled = tokio::time::timeout(PATIENCE, settled).await;
        assert!(settled.is_ok(), "{what}: tasks, conversations and commands left: {left:?}");
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(server) = self.server.take() {
            self.there.block_on(server.shutdown());
        }
    }
}

/// Answers one request with nothing.
async fn answer_http(mut stream: DuplexStream) {
    let (mut request, mut piece) = (Vec::new(), [0; 1024]);
    while !request.ends_with(b"\r\n\r\n") {
        match stream.read(&mut piece).await {
            Ok(n @ 1..) => request.extend_from_slice(&piece[..n]),
            _ => return,
        }
    }
    // Who has gone needs no answer.
    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").await;
}

/// Polls an operation so often, unless it ends before, and drops it. Returns how it ended, if it did.
async fn cut(operation: BoxFuture<'static, Option<()>>, n_polls: usize) -> Option<Option<()>> {
    let mut operation = pin!(operation);
    let mut n = 0;
    poll_fn(|cx| {
        n += 1;
        match operation.as_mut().poll(cx) {
            Poll::Ready(end) => Poll::Ready(Some(end)),
            Poll::Pending if n >= n_polls => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

#[test]
fn at_every_point_of_every_operation() {
    let world = World::new();
    world.here.block_on(async {
        let client = world.client();
        let template = Name::parse("python").expect("a name");
        client.create_template(&template, "python:3.13", CreateTemplateOptions::default()).await.expect("it is made");
        let made = client.create_sandbox("python", CreateSandboxOptions::default()).await.expect("it is made");
        made.write("/file", vec![1; 300_000]).await.expect("it is written");
        let name = made.name.clone();
        drop((made, client));
        for (what, operation) in OPERATIONS {
            let mut n_points = 0;
            let mut end = None;
            while end.is_none() {
                n_points += 1;
                assert!(n_points < MAX_POINTS, "{what} never ends");
                // With the client go the connections that it keeps for the next call, and nothing else.
                let client = world.client();
                let sandbox = client.get_sandbox(&name).await.expect("it is there");
                end = cut(operation(sandbox), n_points).await;
                drop(client);
                world.settle(&format!("{what}, dropped after {n_points} polls")).await;
            }
            assert!(end == Some(Some(())) && n_points > 1, "{what}: {end:?} after {n_points}");
        }
    });
}

/// The same with the client kept, for what has connections of its own.
#[test]
fn while_the_client_lives_on() {
    let world = World::new();
    world.here.block_on(async {
        let client = world.client();
        let template = Name::parse("python").expect("a name");
        client.create_template(&template, "python:3.13", CreateTemplateOptions::default()).await.expect("it is made");
        let sandbox = client.create_sandbox("python", CreateSandboxOptions::default()).await.expect("it is made");
        let kept = world.here.metrics().num_alive_tasks();
        for _ in 0..20 {
            let handle = sandbox.start("cat", options()).await.expect("it starts");
            let control = handle.control();
            let tunnel = sandbox.tunnel(4000, TunnelOptions::default().local_port(0)).await.expect("it opens");
            let local = TcpStream::connect(tunnel.local_addr()).await.expect("it listens");
            drop((handle, tunnel, local));
            // What steers a command keeps nothing of it.
            control.kill().await;
        }
        let settled = async {
            loop {
                let (conversations, commands) =
                    (world.gauge("sbx_conversations").await, world.gauge("sbx_commands_running").await);
                if (conversations, commands) == (0, 0) && world.here.metrics().num_alive_tasks() <= kept {
                    return;
                }
            }
        };
        tokio::time::timeout(PATIENCE, settled).await.expect("nothing is left but the connection for the next call");
    });
}

/// A sandbox that is made to build a snapshot goes with the build, whatever comes of that; one that nobody saw made goes by
/// itself.
#[test]
fn a_build_leaves_no_sandbox() {
    let world = World::new();
    let context = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(context.path().join("Dockerfile"), "FROM scratch").expect("it can be written");
    let build = |client: Client| {
        let context = context.path().to_owned();
        let options = DockerfileOptions::default();
        // There is nothing that builds: it fails.
        async move {
            client.create_snapshot_from_dockerfile("n", &context, "Dockerfile".as_ref(), options).await.err().map(drop)
        }
        .boxed()
    };
    world.here.block_on(async {
        let client = world.client();
        assert_eq!(build(client.clone()).await, Some(()));
        assert_eq!(client.list_sandboxes_v2().await.expect("they are listed").len(), 0);
        let (mut n_points, mut end) = (0, None);
        while end.is_none() {
            n_points += 1;
            assert!(n_points < MAX_POINTS, "it never ends");
            end = cut(build(client.clone()), n_points).await;
            client.close().await;
            for left in client.list_sandboxes_v2().await.expect("they are listed") {
                assert_eq!(left.delete_after_stop_seconds, Some(60), "{left:?}");
                left.delete().await.expect("it is there");
            }
        }
        assert!(end == Some(Some(())) && n_points > 1, "{end:?} after {n_points}");
    });
}
