//! Other engines as sides: the same operations by their own commands.

use std::process::{Child, Command};
use std::time::{Duration, Instant};

use crate::material::output;
use crate::memory::{self, Memory};
use crate::side::{Operation, Side};

/// An engine that makes sandboxes by commands.
pub(crate) trait Engine: Sync {
    fn name(&self) -> &'static str;

    /// Returns n, for an engine that takes part in every nth round.
    fn takes_part_every(&self) -> usize;

    /// Returns the command that makes a sandbox, runs `true` in it and ends with it.
    fn run(&self, id: &str) -> Command;

    /// Starts a sandbox that does nothing, and returns when it runs.
    fn start(&self, id: &str) -> Result<Idle, String>;

    /// Returns the command that runs `true` in a sandbox that runs.
    fn exec(&self, idle: &Idle) -> Result<Command, String>;

    /// Returns a sandbox's first process, by its number on the machine.
    fn first_process(&self, idle: &Idle) -> Result<u32, String>;

    /// Removes a sandbox.
    fn stop(&self, idle: Idle) -> Result<(), String>;

    /// Returns the processes that are there once for all sandboxes.
    fn daemons(&self) -> Vec<u32> {
        Vec::new()
    }
}

/// A sandbox that does nothing.
pub(crate) struct Idle {
    pub(crate) id: String,
    /// The process that has it, where that is a child of this one.
    pub(crate) child: Option<Child>,
}

/// The programs that stay with one sandbox and belong to it.
const KEEPERS: [&str; 3] = ["bwrap", "conmon", "containerd-shim"];

/// How many starts of a burst are under way at once: more of them would only wait for each other.
const AT_ONCE: usize = 16;

struct Peer<E: Engine> {
    engine: E,
    /// The one in which commands are run.
    idle: Option<Idle>,
    n: usize,
}

/// Makes a side of an engine; fails if that cannot run here.
pub(crate) fn peer<E: Engine + 'static>(engine: E) -> Result<Box<dyn Side>, String> {
    output(&mut engine.run("trial"))?;
    let idle = engine.start("stays")?;
    let peer = Peer { engine, idle: Some(idle), n: 0 };
    peer.exec()?;
    Ok(Box::new(peer))
}

impl<E: Engine> Peer<E> {
    fn next_id(&mut self) -> String {
        self.n += 1;
        format!("bench-{}", self.n)
    }

    fn exec(&self) -> Result<Duration, String> {
        let idle = self.idle.as_ref().ok_or("its sandbox is gone")?;
        timed(&mut self.engine.exec(idle)?)
    }
}

fn timed(command: &mut Command) -> Result<Duration, String> {
    let start = Instant::now();
    output(command)?;
    Ok(start.elapsed())
}

impl<E: Engine> Side for Peer<E> {
    fn name(&self) -> &'static str {
        self.engine.name()
    }

    fn takes_part_every(&self) -> usize {
        self.engine.takes_part_every()
    }

    fn once(&mut self, operation: Operation) -> Result<Option<Duration>, String> {
        match operation {
            Operation::ColdRun => {
                let id = self.next_id();
                let taken = timed(&mut self.engine.run(&id))?;
                Ok(Some(taken))
            }
            Operation::ColdCreate => {
                let id = self.next_id();
                let start = Instant::now();
                let idle = self.engine.start(&id)?;
                let taken = start.elapsed();
                self.engine.stop(idle)?;
                Ok(Some(taken))
            }
            Operation::Exec => self.exec().map(Some),
            Operation::WarmCreate | Operation::WarmRun | Operation::Dial => Ok(None),
        }
    }

    fn burst(&mut self, n: usize) -> Result<Duration, String> {
        let ids: Vec<_> = (0..n).map(|_| self.next_id()).collect();
        let engine = &self.engine;
        let start = Instant::now();
        let started: Vec<Result<Vec<Idle>, String>> = std::thread::scope(|scope| {
            let threads: Vec<_> = ids
                .chunks(n.div_ceil(AT_ONCE))
                .map(|ids| scope.spawn(|| ids.iter().map(|id| engine.start(id)).collect()))
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap_or_else(|_| Err("a panic".to_owned()))).collect()
        });
        let taken = start.elapsed();
        let mut failure = None;
        for started in started {
            match started {
                Ok(idle) => idle.into_iter().try_for_each(|idle| engine.stop(idle))?,
                Err(why) => failure = Some(why),
            }
        }
        failure.map_or(Ok(taken), Err)
    }

    fn idle_memory(&mut self) -> Result<Memory, String> {
        let idle = self.idle.as_ref().ok_or("its sandbox is gone")?;
        let mut processes = vec![self.engine.first_process(idle)?];
        processes.extend(memory::children(processes[0]));
        let mut above = memory::parent(processes[0]);
        while let Some(keeper) = above.filter(|&above| KEEPERS.iter().any(|name| memory::name(above).starts_with(name)))
        {
            processes.push(keeper);
            above = memory::parent(keeper);
        }
        let sum = |processes: Vec<u32>| processes.into_iter().map(memory::pss_kib).sum();
        Ok(Memory { own_kib: sum(processes), once_kib: sum(self.engine.daemons()) })
    }
}

impl<E: Engine> Drop for Peer<E> {
    fn drop(&mut self) {
        if let Some(Err(why)) = self.idle.take().map(|idle| self.engine.stop(idle)) {
            eprintln!("{}: {why}", self.engine.name());
        }
    }
}
