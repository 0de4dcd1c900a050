//! What is done, and who does it.

use std::time::Duration;

use crate::memory::Memory;

/// What is measured over and over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    /// A sandbox from a pool.
    WarmCreate,
    /// A sandbox from a pool, and a first command in it.
    WarmRun,
    /// A sandbox from nothing.
    ColdCreate,
    /// A sandbox from nothing, and a first command in it.
    ColdRun,
    /// A command in a sandbox that is there.
    Exec,
    /// A connection to a port of a sandbox that is there.
    Dial,
}

impl Operation {
    pub(crate) const ALL: [Self; 6] =
        [Self::WarmCreate, Self::WarmRun, Self::ColdCreate, Self::ColdRun, Self::Exec, Self::Dial];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::WarmCreate => "create from a warm pool",
            Self::WarmRun => "create from a warm pool, and run `true`",
            Self::ColdCreate => "create from nothing",
            Self::ColdRun => "create from nothing, and run `true`",
            Self::Exec => "run `true` in a sandbox that runs",
            Self::Dial => "open a connection through a tunnel, and get an answer from inside",
        }
    }

    /// Returns what p50 and p95 are to stay below.
    pub(crate) fn target(self) -> Option<&'static str> {
        match self {
            Self::WarmCreate => Some("3 / 10 ms"),
            Self::WarmRun => Some("6 / 15 ms"),
            Self::ColdCreate => Some("12 / 35 ms"),
            Self::ColdRun => None,
            Self::Exec => Some("3 / 8 ms"),
            Self::Dial => Some("2 / 5 ms"),
        }
    }
}

/// Somebody who makes sandboxes.
pub(crate) trait Side {
    fn name(&self) -> &'static str;

    /// Returns n, for a side that takes part in every nth round.
    fn takes_part_every(&self) -> usize;

    /// Does an operation once and returns how long it took; `None` where this side has no such thing.
    fn once(&mut self, operation: Operation) -> Result<Option<Duration>, String>;

    /// Starts `n` sandboxes at once, and returns how long it took until all were ready.
    fn burst(&mut self, n: usize) -> Result<Duration, String>;

    /// Returns what a sandbox that does nothing takes.
    fn idle_memory(&mut self) -> Result<Memory, String>;
}
