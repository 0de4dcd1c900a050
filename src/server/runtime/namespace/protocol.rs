//! What the server and the agent tell each other.
//!
//! The server sends one [`Order`], and after a [`Setup`] [`Request`]s; the agent sends [`Report`]s. Descriptors go with the
//! messages: a command's pipes, a file's, a connection's. So the bytes of a sandbox never pass through these messages,
//! and a reader that is slow holds up nobody else.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::server::runtime::{Entry, EntrySearch, Found, Line, LineSearch};

/// The version of these messages. Both sides are one program as a rule, but need not be.
pub(super) const VERSION: u32 = 5;

/// What an agent is there for.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Order {
    /// To become a sandbox.
    SetUp(Box<Setup>),
    /// To open a disk of a limited size that no sandbox uses, and nothing else.
    ShowDisk(DiskToShow),
    /// To archive what is in the folder that comes with it, and that is an ordinary user's; the archive goes into the
    /// second descriptor.
    Archive {
        /// [`VERSION`] of who sends it.
        version: u32,
    },
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct DiskToShow {
    /// [`VERSION`] of who sends it.
    pub(super) version: u32,
    /// A folder to mount things on; others do not see them.
    pub(super) scratch: PathBuf,
    /// A file with a file system.
    pub(super) disk: PathBuf,
}

/// How to set a sandbox up: all that the agent is told, and all that it knows of the machine.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Setup {
    /// [`VERSION`] of who sends it.
    pub(super) version: u32,
    pub(super) hostname: String,
    /// Whose numbers the sandbox's users get.
    pub(super) users: Users,
    /// The files in which the agent enters itself to be in the sandbox's control groups.
    pub(super) groups: Vec<PathBuf>,
    /// A folder to mount things on; others do not see them.
    pub(super) scratch: PathBuf,
    /// The layers of the image, lowest first.
    pub(super) layers: Vec<PathBuf>,
    /// A file with a file system for what the sandbox changes, where its size is limited: instead of the two folders.
    pub(super) disk: Option<PathBuf>,
    /// What the sandbox changes.
    pub(super) upper: PathBuf,
    /// A folder beside `upper`, for the kernel's own use.
    pub(super) work: PathBuf,
    /// What else is to be seen.
    pub(super) binds: Vec<Bind>,
    /// The folder where commands start; it is made when it is not there.
    pub(super) workdir: PathBuf,
    /// The home of whom commands run as; it is made when it is not there.
    pub(super) home: PathBuf,
    /// Whom commands run as, in any form of a Dockerfile's `USER`; root when `None`.
    pub(super) user: Option<String>,
    /// How many files a process may have open.
    pub(super) open_files: u64,
    /// How many processes and threads each user of the sandbox may have, where no control group counts them.
    pub(super) processes: Option<u64>,
    /// How many bytes its shared memory may have, which is a file system in memory.
    pub(super) shared_memory: u64,
    /// The port on the sandbox's loopback where a proxy is to be, if any.
    pub(super) proxy: Option<u16>,
}

/// Whose numbers the users of a sandbox get on the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Users {
    /// A range of 65,536 numbers that starts here, for which the server is root.
    Range(u32),
    /// The server's own user, as the sandbox's one.
    Own,
}

/// A file or folder of the machine that the sandbox sees.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Bind {
    pub(super) source: PathBuf,
    /// Where, as an absolute path inside.
    pub(super) target: PathBuf,
    pub(super) read_only: bool,
    /// The number that its files have on disk where the sandbox sees 0.
    pub(super) owner: u32,
}

/// Something to do.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Request {
    /// Comes back in the reply; for a command, its name from then on.
    pub(super) id: u64,
    pub(super) call: Call,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Call {
    /// Start a command. Its input, output and error output come with it, unless it gets a terminal.
    Exec(Exec),
    /// Kill the process group of a command. It has no reply.
    Kill,
    /// Write a file into the descriptor that comes with it.
    Read { path: PathBuf },
    /// Fill a file from the first descriptor; the second one says with a byte that nothing is missing.
    Write { path: PathBuf },
    /// Find files and folders.
    Glob(EntrySearch),
    /// Find lines in files.
    Grep(LineSearch),
    /// Connect to a port.
    Dial { port: u16 },
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Exec {
    pub(super) argv: Vec<String>,
    pub(super) env: BTreeMap<String, String>,
    pub(super) cwd: Option<PathBuf>,
    pub(super) pty: bool,
    /// Whom it runs as, if that is not whom the sandbox's commands run as.
    pub(super) user: Option<String>,
}

/// What the agent says.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Report {
    /// The sandbox's first process has this id on the machine. A folder comes with it that has what the sandbox changes,
    /// where the size of that is limited.
    Staged { pid: i32 },
    /// A folder comes with it that has what the disk's sandbox changed.
    Shown,
    /// The archive is whole.
    Archived,
    /// The sandbox is set up, and requests are taken.
    Ready,
    /// The sandbox could not be set up.
    Failed { step: String, cause: Cause },
    /// A request was carried out, or not.
    Reply { id: u64, result: Result<Answer, Cause> },
    /// A command ended.
    Exited { id: u64, code: i32 },
    /// Somebody connected to the proxy; the connection comes with it.
    Proxied,
}

/// What a request came to.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Answer {
    /// The command runs; its terminal comes with it if it has one.
    Started { pid: u32 },
    /// The file is on its way; it was this long, and last written to at this time, in microseconds since 1970.
    File { size: u64, modified: Option<i64> },
    /// The file was written, and is this long.
    Written { size: u64 },
    /// These files and folders were found.
    Entries(Found<Entry>),
    /// These lines were found.
    Lines(Found<Line>),
    /// The connection comes with it.
    Connected,
}

/// An error of the operating system, or of somebody who has only words.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Cause {
    code: Option<i32>,
    text: String,
}

impl From<&io::Error> for Cause {
    fn from(error: &io::Error) -> Self {
        Self { code: error.raw_os_error(), text: error.to_string() }
    }
}

impl From<Cause> for io::Error {
    fn from(cause: Cause) -> Self {
        match cause.code {
            Some(code) => Self::from_raw_os_error(code),
            None => Self::other(cause.text),
        }
    }
}
