//! Starting a sandbox.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::PathBuf;
use std::sync::Mutex;

use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::task::JoinSet;

use super::NamespaceRuntime;
use super::disk::{Disk, VOLUME_OWNER};
use super::frame::{Incoming, Outgoing};
use super::host;
use super::link::Link;
use super::process::Process;
use super::protocol::{Bind, Report, Setup, VERSION};
use super::sandbox::Sandbox;
use super::sys;
use crate::server::egress::{self, Proxy};
use crate::server::images::{Image, ImageSource};
use crate::server::runtime::{LaunchError, LaunchErrorKind, LaunchSpec};
use crate::types::SandboxId;

/// Where commands start, and what is the home of those who run them (contract, G44).
const WORKDIR: &str = "/home/user";

/// How many files a process of a sandbox may have open.
const OPEN_FILES: u64 = 16384;

/// What every command has in its environment: nothing of the server's own.
const ENVIRONMENT: &[(&str, &str)] = &[
    ("HOME", WORKDIR),
    ("LANG", "C.UTF-8"),
    ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
    ("USER", "root"),
];

impl NamespaceRuntime {
    /// Starts a sandbox. When the future is dropped, or fails, nothing of it stays that was not there before.
    pub(super) async fn launch_sandbox(&self, id: &SandboxId, spec: &LaunchSpec) -> Result<Sandbox, LaunchError> {
        let image = self.image(spec).await?;
        let mut disk = self.disks.of(id).map_err(|error| unschedulable("make its disk", &error))?;
        let setup = self.setup(id, spec, &image, &disk).await?;
        let (ours, theirs) = sockets().map_err(|error| unschedulable("make a socket", &error))?;
        let agent = self.spawner.spawn(theirs).await.map_err(|error| unschedulable("start its agent", &error))?;
        let mut start = Start { socket: ours, incoming: Incoming::default(), process: None };
        let result = start.run(&setup).await;
        // What the spawner started ends once the sandbox's first process is there, or when it has failed.
        let mut agent = agent;
        let reaped = tokio::task::spawn_blocking(move || agent.wait());
        let Start { socket, incoming, process } = start;
        let process = match (result, process) {
            (Ok(()), Some(process)) => process,
            (Err(error), _) => return Err(error),
            (Ok(()), None) => return Err(unschedulable("start", &io::Error::other("its process is not known"))),
        };
        let _ = reaped.await;
        disk.keep();
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
        Ok(Sandbox { link, process, disk, env, tasks: Mutex::new(tasks) })
    }

    /// Finds the image of a template, or the files of a snapshot.
    async fn image(&self, spec: &LaunchSpec) -> Result<Image, LaunchError> {
        let mut image = match &spec.files {
            None => self.images.resolve(&spec.image).await?,
            Some(files) => Image::of_layers(self.images.locate(files).await?, files.on_host),
        };
        image.workdir = spec.workdir.clone().or(image.workdir);
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
            upper: disk.upper(),
            work: disk.work(),
            binds,
            workdir: PathBuf::from(image.workdir.as_deref().unwrap_or(WORKDIR)),
            open_files: OPEN_FILES,
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

/// A sandbox on its way. When it is dropped, the agent finds its socket closed and ends.
struct Start {
    socket: AsyncFd<OwnedFd>,
    incoming: Incoming,
    process: Option<Process>,
}

impl Start {
    async fn run(&mut self, setup: &Setup) -> Result<(), LaunchError> {
        let lost = |error: io::Error| unschedulable("talk to its agent", &error);
        let mut frame = Outgoing::new(setup, Vec::new()).map_err(lost)?;
        while !self.socket.async_io(Interest::WRITABLE, |fd| frame.send_some(fd.as_fd())).await.map_err(lost)? {}
        // The two reports come from two processes, in either order.
        let mut is_ready = false;
        while !is_ready || self.process.is_none() {
            match self.report().await.map_err(lost)? {
                Report::Staged { pid } => self.process = Some(Process::child(pid).map_err(lost)?),
                Report::Ready => is_ready = true,
                Report::Failed { step, cause } => return Err(failed(&step, &cause.into())),
                Report::Reply { .. } | Report::Exited { .. } | Report::Proxied => {
                    return Err(lost(io::Error::new(io::ErrorKind::InvalidData, "it answered before it was asked")));
                }
            }
        }
        Ok(())
    }

    async fn report(&mut self) -> io::Result<Report> {
        loop {
            if let Some((report, _)) = self.incoming.take()? {
                return Ok(report);
            }
            let incoming = &mut self.incoming;
            if !self.socket.async_io(Interest::READABLE, |fd| incoming.receive_some(fd.as_fd())).await? {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it ended"));
            }
        }
    }
}

/// Makes a socket; returns our end, which does not block, and the agent's.
fn sockets() -> io::Result<(AsyncFd<OwnedFd>, OwnedFd)> {
    let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    rustix::io::ioctl_fionbio(&ours, true)?;
    Ok((sys::watch(ours)?, theirs))
}

fn failed(step: &str, error: &io::Error) -> LaunchError {
    LaunchError::new(LaunchErrorKind::SandboxConfig, format!("cannot {step}: {error}"))
}

fn unschedulable(step: &str, error: &io::Error) -> LaunchError {
    LaunchError::new(LaunchErrorKind::Unschedulable, format!("cannot {step}: {error}"))
}
