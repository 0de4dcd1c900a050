//! A runtime for tests: it runs nothing, does as it was told, and records what was asked of it.
//!
//! [`FakeRuntime`] is set up with delays and failures before the server starts, and can be asked and told more while it
//! runs. Commands in its sandboxes follow a small script language, see [`FakeRuntime`]; files live in memory; every
//! port answers with what it is sent, unless it is told otherwise.

mod command;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

use super::build::digest_of;
use super::{
    BuildImage, Built, DialError, Entry, EntrySearch, ExecError, ExecSpec, FileContent, FileError, Found, ImageConfig,
    Instance, LaunchError, LaunchSpec, Line, LineSearch, Runtime, Session, SnapshotFiles, Stream,
};
use crate::types::{SandboxId, Timestamp, VolumeId};

/// A runtime for tests. Clones are the same runtime.
///
/// The last argument of a command is what it does, one step a line: `out TEXT` and `err TEXT` write, `flood KIB` writes much, `sleep MS` waits and reads no input,
/// `cat` writes out what comes in until that ends, `size` waits for the size of its terminal, `env NAME`, `cwd` and `user` write what it was started with,
/// `exit CODE` ends. A command without `exit` ends with 0; a killed one with 137.
#[derive(Clone, Default)]
pub struct FakeRuntime {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    held: watch::Sender<bool>,
    commands_held: watch::Sender<bool>,
    commands: TaskTracker,
}

impl Default for Shared {
    fn default() -> Self {
        Self {
            state: Mutex::default(),
            held: watch::Sender::new(false),
            commands_held: watch::Sender::new(false),
            commands: TaskTracker::new(),
        }
    }
}

#[derive(Default)]
struct State {
    start_delay: Duration,
    failures: HashMap<String, (LaunchError, Option<u32>)>,
    keep_running: bool,
    calls: Vec<Call>,
    running: BTreeMap<SandboxId, Arc<FakeInstance>>,
    /// What sandboxes have on their disks, those that do not run too.
    disks: HashMap<SandboxId, Files>,
    /// What was built for snapshots.
    layers: BTreeMap<String, Files>,
    n_layers: u64,
    configs: HashMap<String, ImageConfig>,
    services: HashMap<u16, Option<Service>>,
}

/// Files by their absolute paths.
type Files = BTreeMap<String, Bytes>;

/// What answers connections to a port.
type Service = Arc<dyn Fn(DuplexStream) -> BoxFuture<'static, ()> + Send + Sync>;

/// Something that was asked of the runtime.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Call {
    /// To fetch an image.
    Prepare(String),
    /// To start a sandbox.
    Launch(SandboxId),
    /// To find sandboxes of an earlier run again.
    Recover(Vec<SandboxId>),
    /// To end a sandbox.
    Destroy(SandboxId),
    /// To end a sandbox and keep its disk.
    Halt(SandboxId),
    /// To clear away what a sandbox left.
    Discard(SandboxId),
    /// To clear away what is in a volume.
    DiscardVolume(VolumeId),
    /// To run a command.
    Exec(SandboxId, Vec<String>),
    /// To fetch an image for a snapshot; with the name that it logs in to a registry with.
    Build(String, Option<String>),
    /// To keep a disk as a snapshot.
    Capture(SandboxId),
}

impl FakeRuntime {
    /// Makes a runtime that starts everything at once.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how long a start takes.
    pub fn set_start_delay(&self, delay: Duration) {
        self.shared.state().start_delay = delay;
    }

    /// Holds all starts back from now on, or lets them go.
    pub fn hold_starts(&self, hold: bool) {
        self.shared.held.send_replace(hold);
    }

    /// Holds the starts of all commands back from now on, or lets them go.
    pub fn hold_commands(&self, hold: bool) {
        self.shared.commands_held.send_replace(hold);
    }

    /// Lets starts from an image fail: the next `count` ones, or all of them.
    pub fn fail_image(&self, image: &str, error: LaunchError, count: Option<u32>) {
        self.shared.state().failures.insert(image.to_owned(), (error, count));
    }

    /// Sets what an image says of itself.
    pub fn configure_image(&self, image: &str, config: ImageConfig) {
        self.shared.state().configs.insert(image.to_owned(), config);
    }

    /// Returns the layers that are kept for snapshots.
    pub fn layers(&self) -> Vec<String> {
        self.shared.state().layers.keys().cloned().collect()
    }

    /// Lets sandboxes go on running when the server ends, so that the next one recovers them.
    pub fn keep_running(&self) {
        self.shared.state().keep_running = true;
    }

    /// Lets nothing listen on a port.
    pub fn close_port(&self, port: u16) {
        self.shared.state().services.insert(port, None);
    }

    /// Sets what answers connections to a port.
    pub fn serve_port<F, A>(&self, port: u16, answer: F)
    where
        F: Fn(DuplexStream) -> A + Send + Sync + 'static,
        A: Future<Output = ()> + Send + 'static,
    {
        let service: Service = Arc::new(move |stream| Box::pin(answer(stream)));
        self.shared.state().services.insert(port, Some(service));
    }

    /// Returns what was asked so far, in order.
    pub fn calls(&self) -> Vec<Call> {
        self.shared.state().calls.clone()
    }

    /// Returns the sandboxes that run.
    pub fn running(&self) -> BTreeSet<SandboxId> {
        self.shared.state().running.keys().cloned().collect()
    }

    /// Lets a sandbox end by itself. Returns whether it ran.
    pub fn end(&self, id: &SandboxId, reason: &str) -> bool {
        let instance = self.shared.state().running.remove(id);
        instance.is_some_and(|instance| instance.ended.send_replace(Some(reason.to_owned())).is_none())
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Keeps files as a layer.
    fn add_layer(&mut self, files: Files) -> String {
        self.n_layers += 1;
        let name = format!("layer-{}", self.n_layers);
        self.layers.insert(name.clone(), files);
        name
    }

    /// Makes the disk of a sandbox that has none.
    fn make_disk(&mut self, id: &SandboxId, spec: &LaunchSpec) {
        let layers = spec.files.iter().flat_map(|files| &files.layers).filter_map(|name| self.layers.get(name));
        let files: Files = layers.flat_map(Clone::clone).collect();
        self.disks.entry(id.clone()).or_insert(files);
    }

    /// Takes one of the failures that are due for an image.
    fn failure(&mut self, image: &str) -> Option<LaunchError> {
        let (error, count) = self.failures.get_mut(image)?;
        match count {
            Some(0) => None,
            Some(left) => {
                *left -= 1;
                Some(error.clone())
            }
            None => Some(error.clone()),
        }
    }
}

impl Runtime for FakeRuntime {
    fn name(&self) -> &'static str {
        "fake"
    }

    fn prepare<'a>(&'a self, image: &'a str) -> BoxFuture<'a, Result<(), LaunchError>> {
        Box::pin(async move {
            self.shared.state().calls.push(Call::Prepare(image.to_owned()));
            Ok(())
        })
    }

    fn launch<'a>(
        &'a self,
        id: &'a SandboxId,
        spec: &'a LaunchSpec,
    ) -> BoxFuture<'a, Result<Arc<dyn Instance>, LaunchError>> {
        Box::pin(async move {
            let delay = {
                let mut state = self.shared.state();
                state.calls.push(Call::Launch(id.clone()));
                state.start_delay
            };
            if !delay.is_zero() {
                tokio::time::sleep(delay).await;
            }
            let mut held = self.shared.held.subscribe();
            held.wait_for(|held| !held).await.expect("this runtime holds the sender");
            let mut state = self.shared.state();
            if let Some(error) = state.failure(&spec.image) {
                return Err(error);
            }
            state.make_disk(id, spec);
            let instance = Arc::new(FakeInstance {
                id: id.clone(),
                shared: Arc::clone(&self.shared),
                ended: watch::Sender::new(None),
            });
            state.running.insert(id.clone(), Arc::clone(&instance));
            Ok(instance as Arc<dyn Instance>)
        })
    }

    fn recover<'a>(&'a self, ids: &'a [SandboxId]) -> BoxFuture<'a, Vec<(SandboxId, Arc<dyn Instance>)>> {
        Box::pin(async move {
            let mut state = self.shared.state();
            state.calls.push(Call::Recover(ids.to_vec()));
            let keep = state.keep_running;
            state.running.retain(|id, _| keep && ids.contains(id));
            let running = state.running.iter();
            running.map(|(id, instance)| (id.clone(), Arc::clone(instance) as Arc<dyn Instance>)).collect()
        })
    }

    fn discard<'a>(&'a self, id: &'a SandboxId) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let mut state = self.shared.state();
            state.calls.push(Call::Discard(id.clone()));
            state.disks.remove(id);
        })
    }

    fn build<'a>(&'a self, image: &'a BuildImage) -> BoxFuture<'a, Result<Built, LaunchError>> {
        Box::pin(async move {
            let login = image.registry.as_ref().and_then(|registry| registry.login.as_ref());
            let delay = {
                let mut state = self.shared.state();
                state.calls.push(Call::Build(image.reference.clone(), login.map(|(user, _)| user.clone())));
                state.start_delay
            };
            if !delay.is_zero() {
                tokio::time::sleep(delay).await;
            }
            let mut state = self.shared.state();
            if let Some(error) = state.failure(&image.reference) {
                return Err(error);
            }
            let marker = Files::from([("/image".to_owned(), Bytes::from(image.reference.clone()))]);
            let layer = state.add_layer(marker);
            Ok(Built {
                files: Some(SnapshotFiles { on_host: false, layers: vec![layer] }),
                digest: Some(digest_of(&image.reference)),
                used_bytes: Some(image.reference.len() as u64),
                config: state.configs.get(&image.reference).cloned().unwrap_or_default(),
            })
        })
    }

    fn capture<'a>(
        &'a self,
        id: &'a SandboxId,
        below: &'a Option<SnapshotFiles>,
    ) -> BoxFuture<'a, Result<Built, LaunchError>> {
        Box::pin(async move {
            let mut state = self.shared.state();
            state.calls.push(Call::Capture(id.clone()));
            let disk = state.disks.get(id).cloned().unwrap_or_default();
            let files: Files = disk.into_iter().filter(|(path, _)| !path.starts_with("/tmp/")).collect();
            let used_bytes = files.values().map(|file| file.len() as u64).sum();
            let mut whole = below.clone().unwrap_or_default();
            whole.layers.push(state.add_layer(files));
            Ok(Built { files: Some(whole), used_bytes: Some(used_bytes), ..Built::default() })
        })
    }

    fn free<'a>(&'a self, unused: &'a SnapshotFiles, used: &'a [SnapshotFiles]) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let is_used = |layer: &String| used.iter().any(|files| files.layers.contains(layer));
            let mut state = self.shared.state();
            state.layers.retain(|layer, _| !unused.layers.contains(layer) || is_used(layer));
        })
    }

    fn discard_volume<'a>(&'a self, id: &'a VolumeId) -> BoxFuture<'a, io::Result<()>> {
        Box::pin(async move {
            self.shared.state().calls.push(Call::DiscardVolume(id.clone()));
            Ok(())
        })
    }
}

/// A sandbox that is only recorded.
struct FakeInstance {
    id: SandboxId,
    shared: Arc<Shared>,
    /// Why it ended by itself, once it has.
    ended: watch::Sender<Option<String>>,
}

impl FakeInstance {
    /// Returns the files below a folder: their paths, whole and below it, and what they hold. There are no folders of
    /// their own here.
    fn files_below(&self, folder: &str) -> Vec<(String, String, Bytes)> {
        let state = self.shared.state();
        let files = state.disks.get(&self.id).into_iter().flatten();
        let below = |path: &str| Some(path.strip_prefix(folder.trim_end_matches('/'))?.strip_prefix('/')?.to_owned());
        files.filter_map(|(path, content)| Some((path.clone(), below(path)?, content.clone()))).collect()
    }
}

/// Takes the first matches, and says whether there are more.
fn at_most<T>(limit: usize, mut matches: impl Iterator<Item = T>) -> Found<T> {
    let first = matches.by_ref().take(limit).collect();
    Found { matches: first, is_truncated: matches.next().is_some() }
}

impl Instance for FakeInstance {
    fn exec(&self, spec: ExecSpec) -> BoxFuture<'_, Result<Session, ExecError>> {
        Box::pin(async move {
            if self.ended.borrow().is_some() {
                return Err(ExecError::Ended);
            }
            self.shared.state().calls.push(Call::Exec(self.id.clone(), spec.argv.clone()));
            let mut held = self.shared.commands_held.subscribe();
            held.wait_for(|held| !held).await.expect("this runtime holds the sender");
            Ok(command::run(&spec, &self.shared.commands))
        })
    }

    fn read<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<FileContent, FileError>> {
        let missing = || FileError::Io(io::Error::from(io::ErrorKind::NotFound));
        Box::pin(async move {
            let found = self.shared.state().disks.get(&self.id).and_then(|files| files.get(path).cloned());
            let bytes = found.ok_or_else(missing)?;
            // No two states of a file of the same length are told apart here.
            let modified = Timestamp::from_microseconds(0);
            Ok(FileContent { size: Some(bytes.len() as u64), modified, bytes: Box::new(io::Cursor::new(bytes)) })
        })
    }

    fn write<'a>(
        &'a self,
        path: &'a str,
        mut content: Box<dyn AsyncRead + Send + Unpin>,
    ) -> BoxFuture<'a, Result<u64, FileError>> {
        Box::pin(async move {
            let mut bytes = Vec::new();
            content.read_to_end(&mut bytes).await.map_err(FileError::Io)?;
            let size = bytes.len() as u64;
            let mut state = self.shared.state();
            state.disks.entry(self.id.clone()).or_default().insert(path.to_owned(), bytes.into());
            Ok(size)
        })
    }

    fn glob<'a>(&'a self, search: &'a EntrySearch) -> BoxFuture<'a, Result<Found<Entry>, FileError>> {
        Box::pin(async move {
            let files = self.files_below(&search.scope.folder);
            let matches = files.into_iter().filter(|(_, below, _)| search.pattern.is_match(below));
            let entry = |(path, _, content): (String, String, Bytes)| Entry {
                path,
                is_folder: false,
                size: content.len() as u64,
                modified: Timestamp::from_microseconds(0),
            };
            Ok(at_most(search.scope.limit, matches.map(entry)))
        })
    }

    fn grep<'a>(&'a self, search: &'a LineSearch) -> BoxFuture<'a, Result<Found<Line>, FileError>> {
        Box::pin(async move {
            let is_asked_for = |below: &str| search.files.as_ref().is_none_or(|glob| glob.is_match(below));
            let mut found = Vec::new();
            for (path, _, content) in
                self.files_below(&search.scope.folder).into_iter().filter(|file| is_asked_for(&file.1))
            {
                let text = String::from_utf8_lossy(&content);
                let lines = (1..).zip(text.lines()).filter(|(_, line)| line.contains(&search.text));
                found.extend(lines.map(|(number, line)| Line { path: path.clone(), number, text: line.to_owned() }));
            }
            Ok(at_most(search.scope.limit, found.into_iter()))
        })
    }

    fn dial(&self, port: u16) -> BoxFuture<'_, Result<Box<dyn Stream>, DialError>> {
        Box::pin(async move {
            if self.ended.borrow().is_some() {
                return Err(DialError::Ended);
            }
            let service = self.shared.state().services.get(&port).cloned();
            let (near, far) = tokio::io::duplex(64 << 10);
            self.shared.commands.spawn(match service {
                Some(Some(service)) => service(far),
                Some(None) => return Err(DialError::Refused { port }),
                None => Box::pin(echo(far)),
            });
            Ok(Box::new(near) as Box<dyn Stream>)
        })
    }

    fn halt(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let mut state = self.shared.state();
            if !state.keep_running {
                state.calls.push(Call::Halt(self.id.clone()));
                state.running.remove(&self.id);
            }
        })
    }

    fn destroy(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let mut state = self.shared.state();
            state.calls.push(Call::Destroy(self.id.clone()));
            state.running.remove(&self.id);
            state.disks.remove(&self.id);
        })
    }

    fn ended(&self) -> BoxFuture<'_, String> {
        let mut ended = self.ended.subscribe();
        Box::pin(async move {
            let reason = ended.wait_for(Option::is_some).await.expect("this instance holds the sender");
            reason.clone().unwrap_or_default()
        })
    }

    fn has_ended(&self) -> bool {
        self.ended.borrow().is_some()
    }
}

/// Answers with what comes in, until the other side closes.
async fn echo(stream: DuplexStream) {
    let (mut read, mut write) = tokio::io::split(stream);
    // Ends when the other side is dropped.
    let _ = tokio::io::copy(&mut read, &mut write).await;
    let _ = write.shutdown().await;
}
