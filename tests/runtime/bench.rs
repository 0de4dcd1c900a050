//! A runtime with a folder of its own, and sandboxes to try things in.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sbx::server::egress::Egress;
use sbx::server::images::{Fallback, ImageOptions};
use sbx::server::runtime::{
    self, Control, ExecSpec, Frame, Instance, LaunchSpec, Mount, NamespaceOptions, Runtime, Session,
};
use sbx::types::{ByteSize, Cpu, SandboxId};
use tempfile::TempDir;

/// Longer than anything takes: a test that waits for ever fails here.
pub(crate) const LIMIT: Duration = Duration::from_mins(1);

/// A runtime with a folder of its own.
pub(crate) struct Bench {
    pub(crate) runtime: Arc<dyn Runtime>,
    pub(crate) folder: TempDir,
}

/// What a command did.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Done {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Bench {
    pub(crate) async fn new() -> Self {
        Self::with_egress(Egress::None).await
    }

    /// Makes one whose sandboxes reach something.
    pub(crate) async fn with_egress(egress: Egress) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let runtime = open_with(folder.path().join("runtime"), of_the_host(), egress).await;
        Self { runtime, folder }
    }

    /// Makes one whose sandboxes have other images than the machine's files.
    pub(crate) async fn with_images(images: ImageOptions) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let runtime = open_with(folder.path().join("runtime"), images, Egress::None).await;
        Self { runtime, folder }
    }

    /// Starts a sandbox under a number of its own.
    pub(crate) async fn sandbox(&self, number: u32) -> Arc<dyn Instance> {
        self.sandbox_with(number, Vec::new()).await
    }

    pub(crate) async fn sandbox_with(&self, number: u32, mounts: Vec<Mount>) -> Arc<dyn Instance> {
        let spec = LaunchSpec { mounts, ..spec() };
        let id = id(number);
        let launched = self.runtime.launch(&id, &spec);
        let launched = tokio::time::timeout(LIMIT, launched).await.expect("a start comes to an end");
        launched.unwrap_or_else(|error| panic!("{}: {error}", error.kind))
    }
}

/// Returns whether the machine says that it holds sandboxes to a limit.
pub(crate) fn is_enforced(bench: &Bench, limit: &str) -> bool {
    let notice = bench.runtime.notice().unwrap_or_default();
    let missing = notice.split("; ").find(|part| part.starts_with("limits of "));
    missing.is_none_or(|missing| !missing.contains(limit))
}

pub(crate) async fn open(data: PathBuf) -> Arc<dyn Runtime> {
    open_with(data, of_the_host(), Egress::None).await
}

fn of_the_host() -> ImageOptions {
    ImageOptions::new().fallback(Fallback::Host)
}

async fn open_with(data: PathBuf, images: ImageOptions, egress: Egress) -> Arc<dyn Runtime> {
    let options = NamespaceOptions::new(data).agent(env!("CARGO_BIN_EXE_sbx")).images(images).egress(egress);
    runtime::namespace(options).await.expect("this machine has namespaces")
}

pub(crate) fn id(number: u32) -> SandboxId {
    SandboxId::new(format!("00000000-0000-4000-8000-{number:012}"))
}

pub(crate) fn spec() -> LaunchSpec {
    LaunchSpec {
        image: "host".to_owned(),
        cpu: "500m".parse::<Cpu>().expect("a quantity"),
        memory: "512Mi".parse::<ByteSize>().expect("a quantity"),
        storage: None,
        mounts: Vec::new(),
        files: None,
        workdir: None,
        user: None,
    }
}

/// Runs a script to its end.
pub(crate) async fn sh(sandbox: &Arc<dyn Instance>, script: &str) -> Done {
    finish(start(sandbox, script).await).await
}

pub(crate) async fn start(sandbox: &Arc<dyn Instance>, script: &str) -> Session {
    sandbox.exec(command(&["/bin/sh", "-c", script])).await.expect("the shell starts")
}

pub(crate) fn command(argv: &[&str]) -> ExecSpec {
    ExecSpec { argv: argv.iter().map(|&word| word.to_owned()).collect(), ..ExecSpec::default() }
}

/// Waits for the end of a command.
pub(crate) async fn finish(mut session: Session) -> Done {
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let code = tokio::time::timeout(LIMIT, async {
        loop {
            match session.output.recv().await.expect("output ends with an exit code") {
                Frame::Stdout(bytes) => stdout.extend_from_slice(&bytes),
                Frame::Stderr(bytes) => stderr.extend_from_slice(&bytes),
                Frame::Exit(code) => return code,
            }
        }
    });
    let code = code.await.expect("a command comes to an end");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Done { code, stdout: text(stdout), stderr: text(stderr) }
}

pub(crate) async fn tell(session: &Session, control: Control) {
    session.control.send(control).await.expect("the command runs");
}

pub(crate) fn input(text: &str) -> Control {
    Control::Input(Bytes::copy_from_slice(text.as_bytes()))
}

/// Returns whether the tests run as root, whose sandboxes have users of their own.
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
