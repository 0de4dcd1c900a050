//! Starting a sandbox.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::task::JoinSet;

use super::NamespaceRuntime;
use super::cgroup::{Amounts, Group};
use super::disk::{Disk, VOLUME_OWNER};
use super::frame::{Incoming, Outgoing};
use super::host;
use super::limits;
use super::link::Link;
use super::process::Process;
use super::protocol::{Bind, Order, Report, Setup, VERSION};
use super::reaper::{Reaper, Start, Unfinished};
use super::sandbox::Sandbox;
use super::sys;
use crate::server::egress::{self, Proxy};
use crate::server::images::{Image, ImageSource};
use crate::server::runtime::{LaunchError, LaunchErrorKind, LaunchSpec};
use crate::types::{ByteSize, SandboxId};

/// The home of who runs commands, and where these start unless the image says otherwise (contract, G44).
const HOME: &str = "/home/user";

/// How many files a process of a sandbox may have open.
const OPEN_FILES: u64 = 16384;

/// What every command has in its environment, beside `USER`: nothing of the server's own.
const ENVIRONMENT: &[(&str, &str)] =
    &[("HOME", HOME), ("LANG", "C.UTF-8"), ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")];

impl NamespaceRuntime {
    /// Starts a sandbox. When the future is dropped, or fails, nothing of it stays that was not there before.
    pub(super) async fn launch_sandbox(&self, id: &SandboxId, spec: &LaunchSpec) -> Result<Sandbox, LaunchError> {
        let image = self.image(spec).await?;
        let _turn = self.opened.turn(id).await;
        self.opened.close(id);
        let disk = self.disk(id, spec).await.map_err(|error| unschedulable("make its disk", &error))?;
        let group = self.group(id, spec).await;
        let group = group.map_err(|error| unschedulable("make its control groups", &error))?;
        let mut setup = self.setup(id, spec, &image, &disk).await?;
        setup.groups = group.entrances();
        let (socket, theirs) = sockets().map_err(|error| unschedulable("make a socket", &error))?;
        let stage = self.spawner.spawn(theirs).await.map_err(|error| unschedulable("start its agent", &error))?;
        let (incoming, process, changes) = (Incoming::default(), None, None);
        let unfinished = Unfinished { socket, incoming, stage, process, changes, group, disk };
        let mut start = Start::new(unfinished, self.reaper.clone());
        let process = match carry_out(start.parts(), setup, &self.reaper).await {
            Ok(process) => process,
            Err(error) => {
                drop(start);
                // Who is told that it failed finds nothing of it.
                self.reaper.idle().await;
                return Err(error);
            }
        };
        let Unfinished { socket, incoming, changes, group, mut disk, .. } = start.finish();
        disk.keep();
        let changes = changes.map(|folder| self.opened.keep(id.clone(), folder));
        let (link, run) = Link::new(socket, incoming, self.proxy.as_ref().map(Proxy::gate));
        let mut tasks = JoinSet::new();
        tasks.spawn(run);
        let mut env: BTreeMap<String, String> =
            ENVIRONMENT.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        if image.source == ImageSource::Host {
            env.entry("PATH".to_owned()).and_modify(|path| *path = format!("{path}:{}", host::ALIASES));
        }
        env.extend(image.env);
        if self.proxy.is_some() {
            // Over the image's: whatever proxy that was made behind is out of reach.
            env.extend(proxy_environment());
        }
        let notice = self.limits.notice_for(spec, disk.capped().is_some());
        let (changes, tasks) = (Mutex::new(changes), Mutex::new(tasks));
        Ok(Sandbox { link, process, group, disk: Arc::new(disk), changes, env, notice, tasks })
    }

    async fn disk(&self, id: &SandboxId, spec: &LaunchSpec) -> io::Result<Disk> {
        let is_capped = self.limits.storage.is_enforced();
        let capacity = spec.storage.as_ref().filter(|_| is_capped).map(ByteSize::bytes);
        if capacity.is_none() {
            return self.disks.of(id, None);
        }
        // The first time a program is run for it.
        let (disks, id) = (self.disks.clone(), id.clone());
        super::blocking(move || disks.of(&id, capacity)).await
    }

    /// Makes the groups that hold a sandbox to its limits.
    async fn group(&self, id: &SandboxId, spec: &LaunchSpec) -> io::Result<Group> {
        let amounts = Amounts {
            memory_bytes: spec.memory.bytes(),
            millicores: spec.cpu.millicores(),
            processes: limits::PROCESSES,
        };
        self.groups().await?.make(&id.to_string(), amounts)
    }

    /// Finds the image of a template, or the files of a snapshot.
    async fn image(&self, spec: &LaunchSpec) -> Result<Image, LaunchError> {
        let mut image = match &spec.files {
            None => self.images.resolve(&spec.image).await?,
            Some(files) => Image::of_layers(self.images.locate(files).await?, files.on_host),
        };
        image.workdir = spec.workdir.clone().or(image.workdir);
        image.user = spec.user.clone().or(image.user);
        Ok(image)
    }

    async fn setup(&self, id: &SandboxId, spec: &LaunchSpec, image: &Image, disk: &Disk) -> Result<Setup, LaunchError> {
        let (layers, mut binds) = match image.source {
            ImageSource::Host => {
                let host = self.host().await.map_err(|error| unschedulable("make the image `host`", &error))?;
                let layers = std::iter::once(host.layer.clone()).chain(image.layers.iter().cloned());
                (layers.collect(), host.binds.clone())
            }
            _ => (image.layers.clone(), Vec::new()),
        };
        for mount in &spec.mounts {
            let source = self.disks.volume(&mount.volume);
            let source = source.map_err(|error| unschedulable("make a volume", &error))?;
            let owner = VOLUME_OWNER;
            binds.push(Bind { source, target: PathBuf::from(&mount.path), read_only: mount.read_only, owner });
        }
        Ok(Setup {
            version: VERSION,
            // The kernel takes 64 bytes.
            hostname: id.to_string().chars().take(63).collect(),
            users: disk.users,
            groups: Vec::new(),
            scratch: self.disks.mount_point(),
            layers,
            disk: disk.capped(),
            upper: disk.upper(),
            work: disk.work(),
            binds,
            workdir: PathBuf::from(image.workdir.as_deref().unwrap_or(HOME)),
            home: PathBuf::from(HOME),
            user: image.user.clone(),
            open_files: OPEN_FILES,
            processes: self.limits.needs_process_limit().then_some(limits::PROCESSES),
            // Half, as the kernel has it by itself: what is in there is not given back when memory runs out.
            shared_memory: spec.memory.bytes() / 2,
            proxy: self.proxy.as_ref().map(|_| egress::PORT),
        })
    }
}

/// Returns what tells programs to use the proxy. Some read one spelling, some the other.
fn proxy_environment() -> impl Iterator<Item = (String, String)> {
    let proxy = format!("http://127.0.0.1:{}", egress::PORT);
    let own = "localhost,127.0.0.1,::1".to_owned();
    let variables = [("http_proxy", proxy.clone()), ("https_proxy", proxy), ("no_proxy", own)];
    variables.into_iter().flat_map(|(name, value)| [(name.to_owned(), value.clone()), (name.to_uppercase(), value)])
}

/// Tells the agent what to set up, and waits until it has; returns the sandbox's first process.
async fn carry_out(start: &mut Unfinished, setup: Setup, reaper: &Reaper) -> Result<Process, LaunchError> {
    let lost = |error: io::Error| unschedulable("talk to its agent", &error);
    let mut frame = Outgoing::new(&Order::SetUp(Box::new(setup)), Vec::new()).map_err(lost)?;
    while !start.socket.async_io(Interest::WRITABLE, |fd| frame.send_some(fd.as_fd())).await.map_err(lost)? {}
    // The two reports come from two processes, in either order.
    let mut is_ready = false;
    loop {
        let (report, fds) = receive(&start.socket, &mut start.incoming).await.map_err(lost)?;
        match report {
            Report::Staged { pid } => {
                start.process = Some(Process::child(pid, reaper.clone()).map_err(lost)?);
                start.changes = fds.into_iter().next();
            }
            Report::Ready => is_ready = true,
            Report::Failed { step, cause } => return Err(failed(&step, &cause.into())),
            Report::Reply { .. } | Report::Exited { .. } | Report::Proxied | Report::Shown | Report::Archived => {
                return Err(lost(io::Error::new(io::ErrorKind::InvalidData, "it answered before it was asked")));
            }
        }
        if let Some(process) = start.process.take_if(|_| is_ready) {
            return Ok(process);
        }
    }
}

/// Receives the next report of an agent, with what comes along.
pub(super) async fn receive(socket: &AsyncFd<OwnedFd>, incoming: &mut Incoming) -> io::Result<(Report, Vec<OwnedFd>)> {
    loop {
        if let Some(received) = incoming.take()? {
            return Ok(received);
        }
        if !socket.async_io(Interest::READABLE, |fd| incoming.receive_some(fd.as_fd())).await? {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it ended"));
        }
    }
}

/// Makes a socket; returns our end, which does not block, and the agent's.
pub(super) fn sockets() -> io::Result<(AsyncFd<OwnedFd>, OwnedFd)> {
    let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    rustix::io::ioctl_fionbio(&ours, true)?;
    Ok((sys::watch(ours)?, theirs))
}

fn failed(step: &str, error: &io::Error) -> LaunchError {
    LaunchError::new(LaunchErrorKind::SandboxConfig, format!("cannot {step}: {error}"))
}

pub(super) fn unschedulable(step: &str, error: &io::Error) -> LaunchError {
    LaunchError::new(LaunchErrorKind::Unschedulable, format!("cannot {step}: {error}"))
}
