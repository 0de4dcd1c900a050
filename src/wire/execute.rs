//! Commands in a sandbox (contract sections 4.2 and 4.4).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::RunConfig;

/// The body of `POST /execute`, below the sandbox's own URL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Execute {
    /// What the shell is given.
    pub command: String,
    /// After how many seconds the command is killed.
    #[serde(default = "a_minute")]
    pub timeout: u64,
    /// The shell.
    #[serde(default = "bash")]
    pub shell: String,
    /// What is added to the sandbox's environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub env: Option<BTreeMap<String, String>>,
    /// The working directory; the sandbox's own when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cwd: Option<String>,
}

/// The answer of `POST /execute`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Executed {
    /// What the command wrote to standard output.
    #[serde(default)]
    pub stdout: String,
    /// What the command wrote to standard error.
    #[serde(default)]
    pub stderr: String,
    /// How it ended; -1 when the server does not say.
    #[serde(default = "unknown_exit")]
    pub exit_code: i32,
}

/// What a client says over `GET /execute/ws`. The first message is `execute` or `reconnect`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum CommandRequest {
    /// Run this.
    Execute(ExecuteStream),
    /// Go on with a command from these offsets on.
    Reconnect {
        /// Which command.
        command_id: String,
        /// How many bytes of standard output the client has.
        #[serde(default)]
        stdout_offset: u64,
        /// How many bytes of standard error the client has.
        #[serde(default)]
        stderr_offset: u64,
    },
    /// Write to standard input.
    Input {
        /// What to write.
        data: String,
    },
    /// Kill the process group.
    Kill,
    /// Close standard input. Of the second generation; servers of the first pass over it.
    #[serde(rename = "close_stdin", alias = "close_input")]
    CloseInput,
    /// Tell a pseudo-terminal its new size. Of no generation yet: servers other than ours pass over it.
    Resize {
        /// The height in characters.
        rows: u16,
        /// The width in characters.
        columns: u16,
    },
}

/// A command, and how long it may live in which state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecuteStream {
    /// What the shell is given.
    pub command: String,
    /// After how many seconds the command is killed; 0 is never.
    #[serde(default = "a_minute")]
    pub timeout_seconds: u64,
    /// The shell.
    #[serde(default = "bash")]
    pub shell: String,
    /// After how many seconds without a connection the command is killed; -1 is never.
    #[serde(default = "five_minutes")]
    pub idle_timeout_seconds: i64,
    /// Whether the command is killed as soon as nobody is connected.
    #[serde(default)]
    pub kill_on_disconnect: bool,
    /// For how many seconds one can reconnect to the finished command; -1 is forever.
    #[serde(default = "ten_minutes")]
    pub ttl_seconds: i64,
    /// What is added to the sandbox's environment; sent when there is anything.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// The working directory; sent when there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cwd: Option<String>,
    /// Whether to give it a pseudo-terminal; sent when there is to be one.
    #[serde(default, skip_serializing_if = "is_false")]
    pub pty: bool,
    /// An id of the client's choice. A server of the second generation takes up the command of this id if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command_id: Option<String>,
    /// As whom, where and with what environment it runs, over what the sandbox says. Of the second generation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_config: Option<Box<RunConfig>>,
    /// Whether its standard input is closed from the start. Of the second generation; sent when it is to be.
    #[serde(default, skip_serializing_if = "is_false")]
    pub close_stdin: bool,
}

/// What a server says over `GET /execute/ws`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum CommandEvent {
    /// The command runs. The first message after `execute`, in the second generation after `reconnect` too.
    Started {
        /// What to reconnect with.
        command_id: String,
        /// The process id inside the sandbox.
        #[serde(default)]
        pid: Option<i64>,
    },
    /// It wrote to standard output.
    Stdout {
        /// What it wrote.
        #[serde(default)]
        data: String,
        /// The position of the first byte in the stream.
        #[serde(default)]
        offset: u64,
    },
    /// It wrote to standard error.
    Stderr {
        /// What it wrote.
        #[serde(default)]
        data: String,
        /// The position of the first byte in the stream.
        #[serde(default)]
        offset: u64,
    },
    /// It ended. The last message.
    Exit {
        /// How; -1 when the server does not say.
        #[serde(default = "unknown_exit")]
        exit_code: i32,
    },
    /// It did not start, or was ended. The last message.
    Error {
        /// The type, such as `CommandTimeout`.
        #[serde(default = "command_error")]
        error_type: String,
        /// The text for people.
        #[serde(default = "unknown_error")]
        error: String,
    },
    /// A message that this version does not know, to be passed over.
    #[serde(other)]
    Unknown,
}

fn a_minute() -> u64 {
    60
}

fn five_minutes() -> i64 {
    300
}

fn ten_minutes() -> i64 {
    600
}

fn bash() -> String {
    "/bin/bash".to_owned()
}

fn unknown_exit() -> i32 {
    -1
}

fn command_error() -> String {
    "CommandError".to_owned()
}

fn unknown_error() -> String {
    "Unknown error".to_owned()
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(value: &bool) -> bool {
    !value
}
