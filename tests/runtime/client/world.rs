//! A server whose sandboxes really run, a client, and a sandbox.

use std::time::Duration;

use sbx::client::{Client, CommandHandle, Config, CreateSandboxOptions, CreateTemplateOptions, RunOptions, Sandbox};
use sbx::server::{self, Handle, Options};
use sbx::types::{Name, Secret};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::bench::Bench;

/// Longer than anything takes, so that a test that hangs ends.
const PATIENCE: Duration = Duration::from_mins(1);

/// The only key that the server takes.
const KEY: &str = "key-of-the-tests";

pub(super) struct World {
    server: Handle,
    pub(super) client: Client,
    pub(super) sandbox: Sandbox,
    /// Kept: the sandboxes' disks are in there.
    _bench: Bench,
}

impl World {
    pub(super) async fn new() -> Self {
        let bench = Bench::new().await;
        let options = Options::new().runtime(bench.runtime.clone()).api_key(key());
        let server = server::start(options).await.expect("it starts");
        let config = Config::new(format!("{}/v2/sandboxes", server.url())).api_key(key()).max_retries(0);
        let client = Client::new(config).expect("a good configuration");
        client.create_template(&name("python"), "python:3.12", CreateTemplateOptions::default()).await.expect("made");
        let sandbox = client.create_sandbox("python", CreateSandboxOptions::default()).await.expect("it starts");
        Self { server, client, sandbox, _bench: bench }
    }

    /// Starts a command, and reads until it has said this.
    pub(super) async fn start(&self, command: &str, options: RunOptions, until: &str) -> CommandHandle {
        let mut handle = self.sandbox.start(command, options).await.expect("it starts");
        self.read_until(&mut handle, until).await;
        handle
    }

    /// Reads a command's output until a text has come.
    pub(super) async fn read_until(&self, handle: &mut CommandHandle, text: &str) -> String {
        let mut seen = String::new();
        let reading = async {
            while !seen.contains(text) {
                let chunk = handle.next().await.expect("it is followed");
                seen.push_str(&chunk.unwrap_or_else(|| panic!("it ended")).data);
            }
        };
        within(reading).await;
        seen
    }

    /// Runs a command that has to succeed, and returns what it wrote.
    pub(super) async fn sh(&self, command: &str) -> String {
        let output = within(self.sandbox.run(command, RunOptions::default())).await.expect("it runs");
        assert!(output.is_success(), "{command}: {output:?}");
        output.stdout
    }

    /// Waits until there is no such process in the sandbox any more.
    pub(super) async fn until_gone(&self, pid: i64) {
        self.sh(&format!("for i in $(seq 300); do kill -0 {pid} 2>/dev/null || exit 0; sleep 0.1; done; exit 1")).await;
    }

    /// Calls the local server's own interface, which is beside the API.
    pub(super) async fn control(&self, method: &str, path: &str, body: &str) {
        let address = self.server.url().strip_prefix("http://").expect("an address").to_owned();
        let mut stream = TcpStream::connect(&address).await.expect("it listens");
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {address}\r\nX-Api-Key: {KEY}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).await.expect("it is connected");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("it answers");
        assert!(answer.starts_with("HTTP/1.1 2"), "{answer}");
    }
}

/// Returns the only key that the server takes.
pub(super) fn key() -> Secret {
    Secret::new(KEY)
}

/// Waits for what has to come.
pub(super) async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("it comes to an end")
}

pub(super) fn name(text: &str) -> Name {
    Name::parse(text).expect("a name")
}
