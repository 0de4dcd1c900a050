//! The thread that waits for processes that nobody else waits for.
//!
//! A process that has ended stays in the kernel's table until its parent has waited for it, and a start that is given up
//! half-way may have made one whose number nobody has read yet. Whoever gives up must not wait itself: it may be a
//! thread of the async runtime, or a future that is dropped.

use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::process::Child;
use std::sync::{Arc, mpsc};
use std::thread;

use rustix::net::Shutdown;
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use tokio::io::unix::AsyncFd;
use tokio::sync::oneshot;

use super::cgroup::Group;
use super::disk::Disk;
use super::frame::{self, Incoming};
use super::process::{self, Process};
use super::protocol::Report;

enum Job {
    Process(Arc<AsyncFd<OwnedFd>>),
    Stage(Child),
    Start(Box<Unfinished>),
    Tell(oneshot::Sender<()>),
}

/// A handle to the thread, which ends when all handles are dropped. Cloning it is cheap.
#[derive(Debug, Clone)]
pub(super) struct Reaper {
    /// Unbounded, as who drops something cannot wait. All that comes in was bounded before it was given up.
    jobs: mpsc::Sender<Job>,
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Process(_) => "Process",
            Self::Stage(_) => "Stage",
            Self::Start(_) => "Start",
            Self::Tell(_) => "Tell",
        })
    }
}

impl Reaper {
    /// Starts the thread.
    pub(super) fn new() -> io::Result<Self> {
        let (jobs, queue) = mpsc::channel();
        thread::Builder::new().name("sandbox-reaper".to_owned()).spawn(move || queue.into_iter().for_each(work))?;
        Ok(Self { jobs })
    }

    /// Waits for a process that is killed.
    pub(super) fn process(&self, pidfd: &Arc<AsyncFd<OwnedFd>>) {
        self.give(Job::Process(Arc::clone(pidfd)));
    }

    /// Clears away what there is of a sandbox that does not come to be.
    fn start(&self, start: Unfinished) {
        self.give(Job::Start(Box::new(start)));
    }

    /// Waits until all that was given up before is cleared away. Cancel-safe.
    pub(super) async fn idle(&self) {
        let (tell, told) = oneshot::channel();
        self.give(Job::Tell(tell));
        let _ = told.await;
    }

    fn give(&self, job: Job) {
        // The thread ends after its last handle only, unless it panicked.
        let _ = self.jobs.send(job);
    }
}

fn work(job: Job) {
    match job {
        Job::Process(pidfd) => process::wait(&*pidfd),
        Job::Stage(mut child) => {
            let _ = child.wait();
        }
        Job::Start(start) => start.clear(),
        Job::Tell(tell) => {
            let _ = tell.send(());
        }
    }
}

/// A process that ends by itself once its socket is closed, or its work is done. It is waited for when this is dropped.
#[derive(Debug)]
pub(super) struct Stage {
    child: Option<Child>,
    reaper: Reaper,
}

impl Stage {
    pub(super) fn new(child: Child, reaper: Reaper) -> Self {
        Self { child: Some(child), reaper }
    }

    /// Waits here and now.
    fn wait(mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.wait();
        }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if let Some(child) = self.child.take() {
            self.reaper.give(Job::Stage(child));
        }
    }
}

/// What there is of a sandbox on its way.
#[derive(Debug)]
pub(super) struct Unfinished {
    /// The server's end, which does not block.
    pub(super) socket: AsyncFd<OwnedFd>,
    pub(super) incoming: Incoming,
    pub(super) stage: Stage,
    /// The sandbox's first process, once it is known.
    pub(super) process: Option<Process>,
    /// What the sandbox changes, where only it sees that.
    pub(super) changes: Option<OwnedFd>,
    /// After the process: it is in them.
    pub(super) group: Group,
    pub(super) disk: Disk,
}

impl Unfinished {
    /// Ends its processes and removes what they have on the disk. Takes as long as the machine's side of a start, that
    /// is some milliseconds.
    fn clear(self) {
        let Self { socket, incoming, stage, process, changes, group, disk } = self;
        let socket = socket.into_inner();
        // What the agent waits for does not come any more; it goes on to its end, and says what it has made until then.
        let _ = rustix::net::shutdown(&socket, Shutdown::Write);
        match process {
            Some(process) => process.end(),
            None => end_what_was_made(&socket, incoming),
        }
        stage.wait();
        drop((changes, group, disk));
    }
}

/// Ends the first process of a sandbox, if the stage made one: then it says so before it ends.
fn end_what_was_made(socket: &OwnedFd, mut incoming: Incoming) {
    if rustix::io::ioctl_fionbio(socket, false).is_err() {
        return;
    }
    while let Ok((report, _)) = frame::receive::<Report>(socket, &mut incoming) {
        if let Report::Staged { pid } = report {
            // It is our child, and nobody has waited for it: the number is still its own.
            if let Some(pid) = Pid::from_raw(pid) {
                let _ = kill_process(pid, Signal::KILL);
                let _ = waitpid(Some(pid), WaitOptions::empty());
            }
            return;
        }
    }
}

/// A start that is cleared away when it is dropped before it is [finished](Self::finish).
#[derive(Debug)]
pub(super) struct Start {
    unfinished: Option<Unfinished>,
    reaper: Reaper,
}

impl Start {
    pub(super) fn new(unfinished: Unfinished, reaper: Reaper) -> Self {
        Self { unfinished: Some(unfinished), reaper }
    }

    pub(super) fn parts(&mut self) -> &mut Unfinished {
        self.unfinished.as_mut().expect("it is there until it is finished")
    }

    /// Lets it be: from now on it is somebody else's.
    pub(super) fn finish(mut self) -> Unfinished {
        self.unfinished.take().expect("it is finished once")
    }
}

impl Drop for Start {
    fn drop(&mut self) {
        if let Some(unfinished) = self.unfinished.take() {
            self.reaper.start(unfinished);
        }
    }
}
