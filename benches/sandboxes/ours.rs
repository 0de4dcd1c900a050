//! Our server, asked over the network as a user asks.

use std::future::Future;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sbx::client::{
    Client, Config, CreatePoolOptions, CreateSandboxOptions, CreateTemplateOptions, RunOptions, Sandbox, Tunnel,
    TunnelOptions,
};
use sbx::types::Name;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use crate::material::{HTTP_PORT, Material, SERVICES, SINK_PORT};
use crate::memory::{self, Memory};
use crate::server::Server;
use crate::side::{Operation, Side};

/// Who owns nothing, on all systems.
const NOBODY: u32 = 65534;

/// How many replicas the pool holds.
const N_REPLICAS: u32 = 4;

/// Over how many sandboxes the memory of one is averaged.
const N_IDLE: usize = 20;

/// How long to wait for what takes milliseconds, before something is wrong.
const PATIENCE: Duration = Duration::from_secs(20);

/// Two templates on the same image: one has a pool.
const COLD: &str = "cold";
const WARM: &str = "warm";

/// Who the server runs as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum User {
    Root,
    Ordinary,
}

/// A server with a pool, and a sandbox in it that stays.
pub(crate) struct Ours {
    name: &'static str,
    runtime: Arc<Runtime>,
    client: Client,
    sandbox: Sandbox,
    tunnel: Tunnel,
    // Last, so that it is there as long as the others are.
    server: Server,
}

/// Returns whether this program runs as root.
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Returns how commands are run, in a root without bash.
pub(crate) fn options() -> RunOptions {
    let mut options = RunOptions::default();
    "/bin/sh".clone_into(&mut options.shell);
    options
}

impl Ours {
    /// Starts a server with its files in a folder of this name, and sets it up.
    pub(crate) fn start(material: &Material, user: User, folder: &str, runtime: &Arc<Runtime>) -> Result<Self, String> {
        let room = material.room(folder)?;
        let command = program(material, user, &room)?;
        let (name, root) = match user {
            User::Root => ("sbx, root", material.root()),
            // Whose sandboxes have one user, so that the files have to be that user's.
            User::Ordinary => ("sbx, user", material.copy_root(&room, is_root().then_some(NOBODY))?),
        };
        let server = Server::run(command, "namespace", &room.join("data"))?;
        let config = Config::new(format!("http://{}/v2/sandboxes", server.address()));
        let client = Client::new(config).map_err(|error| error.to_string())?;
        let (sandbox, tunnel) = runtime.block_on(set_up(&client, &format!("rootfs:{}", root.display())))?;
        Ok(Self { name, runtime: Arc::clone(runtime), client, sandbox, tunnel, server })
    }

    /// Returns the number of the server's process.
    pub(crate) fn process(&self) -> u32 {
        self.server.process()
    }

    /// Returns the server's host and port.
    pub(crate) fn address(&self) -> &str {
        self.server.address()
    }

    /// Returns the sandbox that stays, in which the services run.
    pub(crate) fn sandbox(&self) -> &Sandbox {
        &self.sandbox
    }

    /// Opens one more tunnel to the sandbox that stays.
    pub(crate) fn tunnel(&self, port: u16) -> Result<Tunnel, String> {
        let sandbox = self.sandbox.clone();
        self.wait(async move { sandbox.tunnel(port, TunnelOptions::default().local_port(0)).await })
    }

    /// Does something with the client to its end, on a task as programs do: there what comes in is read by the thread that
    /// waits for it.
    pub(crate) fn wait<T: Send + 'static>(
        &self,
        call: impl Future<Output = Result<T, sbx::client::Error>> + Send + 'static,
    ) -> Result<T, String> {
        let done = self.runtime.block_on(self.runtime.spawn(call)).map_err(|error| error.to_string())?;
        done.map_err(|error| with_causes(&error))
    }

    fn create(&self, template: &str, then_run: bool) -> Result<Duration, String> {
        self.settle()?;
        let start = Instant::now();
        let (client, template) = (self.client.clone(), template.to_owned());
        let sandbox =
            self.wait(async move { client.create_sandbox(&template, CreateSandboxOptions::default()).await })?;
        if then_run {
            self.run(&sandbox)?;
        }
        let taken = start.elapsed();
        self.wait(async move { sandbox.delete().await })?;
        Ok(taken)
    }

    fn run(&self, sandbox: &Sandbox) -> Result<Duration, String> {
        let start = Instant::now();
        let sandbox = sandbox.clone();
        let output = self.wait(async move { sandbox.run("true", options()).await })?;
        let taken = start.elapsed();
        if output.is_success() { Ok(taken) } else { Err(format!("`true` ended with {}", output.exit_code)) }
    }

    /// Waits until the pool is full, so that nothing that went before is still going on.
    fn settle(&self) -> Result<(), String> {
        let full = format!("sbx_pool_replicas{{pool=\"pool\",status=\"ready\"}} {N_REPLICAS}");
        let start = Instant::now();
        while !self.server.metrics()?.lines().any(|line| line == full) {
            if start.elapsed() > PATIENCE {
                return Err("the pool is not filled".to_owned());
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(())
    }

    fn delete(&self, sandboxes: &[Sandbox]) -> Result<(), String> {
        for some in sandboxes.chunks(50) {
            let names: Vec<_> = some.iter().map(|sandbox| sandbox.name.clone()).collect();
            let client = self.client.clone();
            self.wait(async move { client.delete_sandboxes(&names).await })?;
        }
        let start = Instant::now();
        // The one that stays, and the pool's.
        while memory::children(self.process()).len() > 1 + N_REPLICAS as usize {
            if start.elapsed() > PATIENCE {
                return Err("deleted sandboxes stay".to_owned());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    fn create_at_once(&self, n: usize) -> Result<Vec<Sandbox>, String> {
        self.runtime.block_on(async {
            let mut creates = JoinSet::new();
            for _ in 0..n {
                let client = self.client.clone();
                creates.spawn(async move { client.create_sandbox(COLD, CreateSandboxOptions::default()).await });
            }
            creates.join_all().await.into_iter().collect::<Result<_, _>>().map_err(|error| with_causes(&error))
        })
    }
}

impl Side for Ours {
    fn name(&self) -> &'static str {
        self.name
    }

    fn takes_part_every(&self) -> usize {
        1
    }

    fn once(&mut self, operation: Operation) -> Result<Option<Duration>, String> {
        let taken = match operation {
            Operation::WarmCreate => self.create(WARM, false),
            Operation::WarmRun => self.create(WARM, true),
            Operation::ColdCreate => self.create(COLD, false),
            Operation::ColdRun => self.create(COLD, true),
            Operation::Exec => self.settle().and_then(|()| self.run(&self.sandbox)),
            Operation::Dial => ask(self.tunnel.local_addr()).map_err(|error| error.to_string()),
        };
        taken.map(Some)
    }

    fn burst(&mut self, n: usize) -> Result<Duration, String> {
        self.settle()?;
        let start = Instant::now();
        let sandboxes = self.create_at_once(n)?;
        let taken = start.elapsed();
        self.delete(&sandboxes)?;
        Ok(taken)
    }

    fn idle_memory(&mut self) -> Result<Memory, String> {
        self.settle()?;
        let before = memory::children(self.process());
        let sandboxes = self.create_at_once(N_IDLE)?;
        let new = memory::children(self.process()).into_iter().filter(|process| !before.contains(process));
        let own_kib = new.map(memory::pss_kib).sum::<u64>() / N_IDLE as u64;
        let memory = Memory { own_kib, once_kib: memory::pss_kib(self.process()) };
        self.delete(&sandboxes)?;
        Ok(memory)
    }
}

/// Returns the command that runs our program as a user.
fn program(material: &Material, user: User, room: &Path) -> Result<Command, String> {
    match user {
        User::Root if is_root() => Ok(Command::new(material.program())),
        User::Root => Err("it takes root to be root".to_owned()),
        User::Ordinary if is_root() => {
            std::os::unix::fs::chown(room, Some(NOBODY), Some(NOBODY)).map_err(|error| error.to_string())?;
            let mut command = Command::new("setpriv");
            command.args([format!("--reuid={NOBODY}"), format!("--regid={NOBODY}"), "--clear-groups".to_owned()]);
            command.arg(material.program());
            Ok(command)
        }
        User::Ordinary => Ok(Command::new(material.program())),
    }
}

async fn set_up(client: &Client, image: &str) -> Result<(Sandbox, Tunnel), String> {
    let name = |text: &str| Name::parse(text).expect("these names follow the rule");
    let set_up = async {
        for template in [COLD, WARM] {
            client.create_template(&name(template), image, CreateTemplateOptions::default()).await?;
        }
        client.create_pool(&name("pool"), WARM, N_REPLICAS, CreatePoolOptions::default()).await?;
        let sandbox = client.create_sandbox(COLD, CreateSandboxOptions::default()).await?;
        // Nobody follows it: it runs on by itself.
        drop(sandbox.start(SERVICES, options().timeout(None).idle_timeout(None)).await?);
        let tunnel = sandbox.tunnel(HTTP_PORT, TunnelOptions::default().local_port(0)).await?;
        Ok((sandbox, tunnel))
    };
    let (sandbox, tunnel) = set_up.await.map_err(|error: sbx::client::Error| with_causes(&error))?;
    let sink = sandbox.tunnel(SINK_PORT, TunnelOptions::default().local_port(0)).await;
    let sink = sink.map_err(|error| with_causes(&error))?;
    for address in [tunnel.local_addr(), sink.local_addr()] {
        await_service(address).await?;
    }
    Ok((sandbox, tunnel))
}

/// Waits until a service is there: connections through a tunnel end at once until then.
async fn await_service(address: SocketAddr) -> Result<(), String> {
    let start = Instant::now();
    loop {
        let mut stream = tokio::net::TcpStream::connect(address).await.map_err(|error| error.to_string())?;
        let silence = tokio::time::timeout(Duration::from_millis(100), tokio::io::AsyncReadExt::read_u8(&mut stream));
        // A service waits to be told something.
        if silence.await.is_err() {
            return Ok(());
        }
        if start.elapsed() > PATIENCE {
            return Err("the services in the sandbox do not start".to_owned());
        }
    }
}

/// Asks the service behind an address for something small; returns how long that took.
fn ask(address: SocketAddr) -> std::io::Result<Duration> {
    let start = Instant::now();
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(b"GET /etc/group HTTP/1.0\r\n\r\n")?;
    stream.read_exact(&mut [0])?;
    let taken = start.elapsed();
    stream.read_to_end(&mut Vec::new())?;
    Ok(taken)
}

/// Puts an error and what caused it in one line.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
