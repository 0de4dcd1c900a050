//! Why a command failed, in classes; the one place that knows exit codes.

mod hint;

use std::error::Error;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use sbx::client;
use sbx::kinds::SecretError;
use sbx::reconcile::ObservationError;
use sbx::reconcile::inventory::Stranger;
use sbx::reconcile::ledger;
use sbx::reconcile::plan::saved::LoadError;

use crate::contexts::key::KeyError;
use crate::settings::Server;
use crate::ui::names;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// It did what it was told, or there was nothing to do.
    Done,
    /// It failed or was declined, or something in a plan is blocked.
    Failed,
    /// A plan has changes to make, and the caller asked to be told so.
    Pending,
    /// An apply did a part: something was blocked or skipped, or its time was up.
    Partial,
    /// Somebody changed what was applied, and the caller asked to be told so.
    Drifted,
    /// Both: the manifests have changes to make, and somebody changed what was applied.
    PendingAndDrifted,
    /// The command line makes no sense.
    Usage,
    /// It was interrupted.
    Interrupted,
    /// A command in a sandbox ended with this code.
    Command(u8),
}

/// The exit codes of all commands, with what each means.
const CODES: [(Exit, u8, &str); 8] = [
    (Exit::Done, 0, "done, or nothing to do"),
    (Exit::Failed, 1, "failed, declined, or a plan with something blocked"),
    (Exit::Pending, 2, "changes are pending (plan or drift --exit-code)"),
    (Exit::Partial, 3, "an apply done in part: something was blocked or skipped, or time was up"),
    (Exit::Drifted, 4, "what was applied was changed since (drift --exit-code)"),
    (Exit::PendingAndDrifted, 6, "both 2 and 4 (drift --exit-code)"),
    (Exit::Usage, 64, "the command line is wrong, or names no server"),
    (Exit::Interrupted, 130, "interrupted"),
];

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        if let Exit::Command(code) = exit {
            return Self::from(code);
        }
        let code = CODES.iter().find(|(candidate, ..)| *candidate == exit).map(|(_, code, _)| *code);
        Self::from(code.expect("every exit has its row in the table"))
    }
}

/// Returns the table of exit codes for the help text.
pub(crate) fn exit_codes_help() -> String {
    let rows: Vec<_> = CODES.iter().map(|(_, code, meaning)| format!("  {code:>3}  {meaning}")).collect();
    format!("Exit codes:\n{}\n  `run` and `exec` end with the code of their command", rows.join("\n"))
}

/// Why a command failed. `Display` is this layer's part only; the causes are its sources.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// Something on the command line makes no sense, beyond what its parser knows.
    #[error("{message}")]
    Usage {
        /// What.
        message: String,
        /// What would make sense.
        hint: Option<String>,
    },
    /// Nothing says where the server is.
    #[error("no server is configured")]
    NoServer {
        /// Whether there is a key that no endpoint goes with.
        has_stray_key: bool,
    },
    /// The connection cannot be set up.
    #[error("cannot connect to {}", server.label())]
    Config {
        /// The server.
        server: Box<Server>,
        /// Why.
        source: client::ConfigError,
    },
    /// A call failed.
    #[error("cannot work with {}", server.label())]
    Call {
        /// The server.
        server: Box<Server>,
        /// Why.
        source: client::Error,
        /// The name of an object that may have been meant.
        near: Option<String>,
    },
    /// Something did not come to be in time.
    #[error("{what} after {after:?}")]
    TooSlow {
        /// What is as it should not be any more.
        what: String,
        /// For how long it was waited.
        after: Duration,
    },
    /// The local server did not start.
    #[error("the local server did not start")]
    Server {
        /// Why.
        source: sbx::server::Error,
    },
    /// Sandboxes were to be real, and this machine has no way to make them.
    #[error("no sandboxes can be run here")]
    Sandboxes {
        /// Why.
        source: sbx::server::runtime::Unavailable,
    },
    /// There are errors in the manifests, which have been shown.
    #[error("the manifests have {summary}")]
    Manifests {
        /// How many, and in how many files.
        summary: String,
    },
    /// There are errors in a file that says where things are, which have been shown.
    #[error("`{path}` has {summary}")]
    BadFile {
        /// The file, as it is shown.
        path: String,
        /// How many.
        summary: String,
    },
    /// Others could have written what is in a file that may name commands to run.
    #[error("`{}` can be written by others", path.display())]
    OpenToOthers {
        /// The file.
        path: PathBuf,
    },
    /// The key of a context cannot be had.
    #[error("cannot get the key of context `{context}`")]
    Key {
        /// The context.
        context: String,
        /// Why not.
        source: KeyError,
    },
    /// Secrets that the plan takes are not there. Nothing was called.
    #[error("{}", listed(errors))]
    Secrets {
        /// Each, with the reason.
        errors: Vec<SecretError>,
    },
    /// There is nobody to ask.
    #[error("there is no terminal to ask on")]
    NoTerminal,
    /// The user was asked, and did not say yes.
    #[error("declined: nothing was changed")]
    Declined,
    /// The whole plan is refused.
    ///
    /// The plan itself says why, and how to go on.
    #[error("the plan is refused, and nothing was changed")]
    Refused,
    /// A file is no plan that can be performed.
    #[error("cannot use the plan in `{}`", path.display())]
    SavedPlan {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: LoadError,
    },
    /// A file is no live state that can be planned against.
    #[error("cannot plan against `{}`", path.display())]
    Observation {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: ObservationError,
    },
    /// A saved plan is for another workspace.
    #[error("the plan was made for {saved}, and this is {here}")]
    PlanForAnother {
        /// The workspace that it was made for.
        saved: String,
        /// The workspace that was going to be changed.
        here: String,
    },
    /// A part of a saved plan does not hold any more, and all of it was to be performed or nothing.
    #[error("{n} of the plan's changes {} any more, so nothing was changed", if *n == 1 { "does not hold" } else { "do not hold" })]
    HeldBack {
        /// How many.
        n: usize,
    },
    /// The inventory could not be read, written or locked.
    #[error(transparent)]
    Inventory(#[from] ledger::Error),
    /// The inventory looks like that of another workspace.
    #[error("this looks like another workspace than the one that {place} is of")]
    OtherWorkspace {
        /// Where the inventory is.
        place: String,
        /// Why it looks so.
        source: Stranger,
    },
    /// What is declared no longer was to be removed, in a pipeline whose next run will not find the record of it.
    #[error("nothing is pruned in a pipeline by an inventory in a file that nobody named")]
    PassingInventory,
    /// A later run was here before.
    #[error("run {serial} comes too late: run {last} was here before")]
    Superseded {
        /// The number of this run.
        serial: u64,
        /// The number of the last one.
        last: u64,
    },
    /// Objects that were asked for are not there.
    #[error("not found: {}", objects.join(", "))]
    NotFound {
        /// The objects.
        objects: Vec<String>,
    },
    /// Files that were to be written are there already.
    #[error("there already: {}", shown(files))]
    WouldOverwrite {
        /// The files.
        files: Vec<PathBuf>,
    },
    /// Objects that were asked for are not on record.
    #[error("not managed here: {}", objects.join(", "))]
    NotRecorded {
        /// The objects.
        objects: Vec<String>,
        /// Where the inventory is.
        place: String,
    },
    /// A file could not be read or written.
    #[error("cannot {action} `{}`", path.display())]
    File {
        /// What was to be done with it.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Standard input could not be read.
    #[error("cannot read standard input")]
    Input {
        /// Why not.
        source: io::Error,
    },
    /// Standard output could not be written.
    #[error("cannot write to standard output")]
    Output {
        /// Why not.
        source: io::Error,
    },
    /// The runtime could not start.
    #[error("cannot start the async runtime")]
    Runtime {
        /// Why not.
        source: io::Error,
    },
    /// The user, or the system, said stop.
    #[error("interrupted")]
    Interrupted,
}

impl Failure {
    /// A mistake on the command line.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::Usage { message: message.into(), hint: None }
    }

    /// Returns what it means for the exit code.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Usage { .. } | Self::NoServer { .. } | Self::Inventory(ledger::Error::BadPlace { .. }) => Exit::Usage,
            Self::Config { server, .. } if server.is_from_flag() => Exit::Usage,
            Self::Interrupted => Exit::Interrupted,
            Self::Config { .. }
            | Self::Call { .. }
            | Self::TooSlow { .. }
            | Self::Server { .. }
            | Self::Sandboxes { .. }
            | Self::Manifests { .. }
            | Self::BadFile { .. }
            | Self::OpenToOthers { .. }
            | Self::Key { .. }
            | Self::Secrets { .. }
            | Self::NoTerminal
            | Self::Declined
            | Self::Refused
            | Self::SavedPlan { .. }
            | Self::Observation { .. }
            | Self::PlanForAnother { .. }
            | Self::HeldBack { .. }
            | Self::Inventory(_)
            | Self::OtherWorkspace { .. }
            | Self::PassingInventory
            | Self::Superseded { .. }
            | Self::NotFound { .. }
            | Self::WouldOverwrite { .. }
            | Self::NotRecorded { .. }
            | Self::File { .. }
            | Self::Input { .. }
            | Self::Output { .. }
            | Self::Runtime { .. } => Exit::Failed,
        }
    }

    /// Returns the texts of its causes, from the nearest on.
    pub(crate) fn causes(&self) -> Vec<String> {
        causes_of(self)
    }
}

/// Returns the texts of what caused an error, from the nearest on. A cause that only repeats the end of the one before is
/// left out: the errors of some libraries have their causes in their own text too.
pub(crate) fn causes_of(error: &dyn Error) -> Vec<String> {
    let mut causes: Vec<String> = Vec::new();
    let mut next = error.source();
    while let Some(cause) = next {
        let text = cause.to_string();
        if !causes.last().is_some_and(|last| last.ends_with(&text)) {
            causes.push(text);
        }
        next = cause.source();
    }
    causes
}

fn listed(errors: &[SecretError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

fn shown(files: &[PathBuf]) -> String {
    names(files.iter().map(|path| format!("`{}`", path.display())))
}

#[cfg(test)]
mod tests {
    use sbx::server::runtime::Unavailable;

    use super::*;

    /// One failure of each class that the table has, and those whose class could be argued about.
    #[test]
    fn each_row_of_the_table() {
        let rows: [(Result<Exit, Failure>, u8); 14] = [
            (Ok(Exit::Done), 0),
            (Ok(Exit::Failed), 1),
            (Err(Failure::Declined), 1),
            (Err(Failure::NoTerminal), 1),
            (Err(Failure::Refused), 1),
            (Err(Failure::Sandboxes { source: Unavailable::Platform }), 1),
            (Err(Failure::Manifests { summary: "1 error in 1 file".to_owned() }), 1),
            (Ok(Exit::Pending), 2),
            (Ok(Exit::Partial), 3),
            (Ok(Exit::Drifted), 4),
            (Ok(Exit::PendingAndDrifted), 6),
            (Err(Failure::usage("bad")), 64),
            (Err(Failure::NoServer { has_stray_key: false }), 64),
            (Err(Failure::Interrupted), 130),
        ];
        for (result, code) in rows {
            let exit = result.as_ref().map_or_else(Failure::exit, |exit| *exit);
            assert_eq!(ExitCode::from(exit), ExitCode::from(code), "{result:?}");
        }
        assert_eq!(CODES.map(|(_, code, _)| code), [0, 1, 2, 3, 4, 6, 64, 130]);
    }

    #[test]
    fn a_cause_that_repeats_is_shown_once() {
        #[derive(Debug, thiserror::Error)]
        #[error("inner")]
        struct Inner;
        #[derive(Debug, thiserror::Error)]
        #[error("inner")]
        struct Outer(#[source] Inner);
        #[derive(Debug, thiserror::Error)]
        #[error("outer: {0}")]
        struct Verbose(#[source] Outer);
        let failure = Failure::Input { source: io::Error::other(Outer(Inner)) };
        assert_eq!(failure.causes(), ["inner"]);
        let failure = Failure::Input { source: io::Error::other(Verbose(Outer(Inner))) };
        assert_eq!(failure.causes(), ["outer: inner"]);
    }
}
