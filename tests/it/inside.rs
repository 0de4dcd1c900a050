//! Work inside a sandbox: the client against the server, over real connections, on a runtime that plays.

use std::time::Duration;

use sbx::client::{
    Client, Config, CreateSandboxOptions, CreateTemplateOptions, Kind, Offsets, Resource, RunOptions, Sandbox,
    TunnelOptions,
};
use sbx::server::runtime::fake::FakeRuntime;
use sbx::server::{self, Handle, Options};
use sbx::types::{Name, Secret};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Longer than anything takes, so that a test that hangs ends.
const PATIENCE: Duration = Duration::from_secs(30);

struct World {
    _server: Handle,
    runtime: FakeRuntime,
    sandbox: Sandbox,
}

async fn world() -> World {
    let runtime = FakeRuntime::new();
    let options = Options::new().runtime(std::sync::Arc::new(runtime.clone())).api_key(Secret::new("key"));
    let server = server::start(options).await.expect("it starts");
    let config = Config::new(format!("{}/v2/sandboxes", server.url())).api_key(Secret::new("key")).max_retries(0);
    let client = Client::new(config).expect("a good configuration");
    let template = Name::parse("python").expect("a name");
    client.create_template(&template, "python:3.13", CreateTemplateOptions::default()).await.expect("it is made");
    let sandbox = client.create_sandbox("python", CreateSandboxOptions::default()).await.expect("it is made");
    World { _server: server, runtime, sandbox }
}

#[tokio::test]
async fn commands_run_to_their_end() {
    let World { sandbox, .. } = &world().await;
    let output = sandbox.run("out hé\nerr oh\nexit 3", RunOptions::default()).await.expect("it runs");
    assert_eq!((output.stdout.as_str(), output.stderr.as_str(), output.exit_code), ("hé", "oh", 3));
    // More than all buffers on the way hold.
    let output = sandbox.run("flood 8192", RunOptions::default()).await.expect("it runs");
    assert_eq!((output.stdout.len(), output.exit_code), (8 << 20, 0));
}

#[tokio::test]
async fn commands_are_fed_killed_and_found_again() {
    let World { sandbox, .. } = &world().await;
    let mut handle = sandbox.start("cat\nexit 4", RunOptions::default()).await.expect("it starts");
    assert_eq!(handle.pid(), Some(2));
    handle.send_input("one").await.expect("it is connected");
    assert_eq!(handle.next().await.expect("no error").expect("a piece").data, "one");
    let id = handle.command_id().to_owned();
    let offsets = handle.offsets();
    drop(handle);

    let handle = sandbox.reconnect(&id, offsets).await.expect("it runs on");
    handle.send_input("two").await.expect("it is connected");
    handle.control().close_input().await.expect("it is connected");
    let output = handle.result().await.expect("it ends");
    assert_eq!((output.stdout.as_str(), output.exit_code), ("two", 4));
    let whole = sandbox.reconnect(&id, Offsets::default()).await.expect("it is kept").result().await.expect("it ended");
    assert_eq!((whole.stdout.as_str(), whole.exit_code), ("onetwo", 4));

    let mut handle = sandbox.start("cat", RunOptions::default().timeout(None)).await.expect("it starts");
    handle.kill().await;
    assert_eq!(timeout(PATIENCE, handle.next()).await.expect("it ends").expect("no error"), None);
    assert_eq!(handle.exit_code(), Some(137));

    let error = sandbox.reconnect("nobody", Offsets::default()).await.expect("it connects").result().await;
    let error = error.expect_err("there is no such command");
    assert_eq!((error.operation(), error.error_type()), (Some("reconnect"), Some("CommandNotFound")), "{error}");
}

#[tokio::test]
async fn a_command_has_its_time() {
    let World { sandbox, .. } = &world().await;
    let options = RunOptions::default().timeout(Duration::from_secs(1));
    let error = timeout(PATIENCE, sandbox.run("cat", options)).await.expect("it is killed").expect_err("it is late");
    assert_eq!((error.kind(), error.error_type()), (Kind::CommandTimeout, Some("CommandTimeout")), "{error}");
}

#[tokio::test]
async fn files_come_back_as_they_went() {
    let World { sandbox, .. } = &world().await;
    let content: Vec<u8> = (0..5_000_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    sandbox.write("/srv/a b", content.clone()).await.expect("it is written");
    assert!(sandbox.read("/srv/a b").await.expect("it is there") == content);

    sandbox.write_from("piece/by piece", std::io::Cursor::new(content.clone())).await.expect("it is written");
    let mut copy = Vec::new();
    assert_eq!(sandbox.read_to("piece/by piece", &mut copy).await.expect("it is there"), content.len() as u64);
    assert!(copy == content);

    let error = sandbox.read("/srv/c").await.expect_err("there is none");
    assert_eq!((error.kind(), error.resource()), (Kind::NotFound, Some(Resource::File)), "{error}");
}

#[tokio::test]
async fn a_tunnel_reaches_a_port() {
    let World { sandbox, runtime, .. } = &world().await;
    let mut tunnel = sandbox.tunnel(8000, TunnelOptions::default().local_port(0)).await.expect("it opens");
    let mut local = TcpStream::connect(tunnel.local_addr()).await.expect("it listens");
    local.write_all(b"hello").await.expect("the tunnel takes it");
    let mut answer = [0; 5];
    timeout(PATIENCE, local.read_exact(&mut answer)).await.expect("it comes back").expect("no error");
    assert_eq!(&answer, b"hello");

    runtime.close_port(8000);
    let _refused = TcpStream::connect(tunnel.local_addr()).await.expect("it listens");
    let error = timeout(PATIENCE, tunnel.next_failure()).await.expect("nothing listens there");
    assert_eq!((error.kind(), error.port()), (Kind::PortRefused, Some(8000)), "{error}");
}
