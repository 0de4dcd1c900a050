//! The thread that starts agents.
//!
//! An agent is killed by the kernel when the thread that started it ends. Threads of the async runtime come and go;
//! this one stays as long as there is a runtime.

use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;

use tokio::sync::oneshot;

use super::agent;
use super::reaper::{Reaper, Stage};

struct Job {
    socket: OwnedFd,
    started: oneshot::Sender<io::Result<Stage>>,
}

/// A handle to the thread, which ends when the handle is dropped.
#[derive(Debug)]
pub(super) struct Spawner {
    jobs: mpsc::Sender<Job>,
}

impl Spawner {
    /// Starts the thread, which will run `program` as the agent.
    pub(super) fn new(program: PathBuf, reaper: Reaper) -> io::Result<Self> {
        let (jobs, queue) = mpsc::channel::<Job>();
        thread::Builder::new().name("sandbox-spawner".to_owned()).spawn(move || {
            for Job { socket, started } in queue {
                let child = Command::new(&program)
                    .arg(agent::ARGUMENT)
                    .env_clear()
                    .current_dir("/")
                    .stdin(Stdio::from(socket))
                    .stdout(Stdio::null())
                    .stderr(Stdio::null())
                    .spawn();
                // If nobody waits any more, the agent ends by itself, as its socket's other end is closed.
                let _ = started.send(child.map(|child| Stage::new(child, reaper.clone())));
            }
        })?;
        Ok(Self { jobs })
    }

    /// Starts an agent with this socket.
    pub(super) async fn spawn(&self, socket: OwnedFd) -> io::Result<Stage> {
        let (started, result) = oneshot::channel();
        let gone = || io::Error::other("the thread that starts sandboxes has ended");
        self.jobs.send(Job { socket, started }).map_err(|_| gone())?;
        result.await.map_err(|_| gone())?
    }
}
