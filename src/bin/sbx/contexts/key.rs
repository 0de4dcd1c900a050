//! Getting the key of a context.

use std::fmt;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use sbx::types::Secret;
use tokio::io::AsyncReadExt as _;
use tokio::process::Command;

use crate::env::Environment;
use crate::ui::Ui;

/// Where a key is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum KeySource {
    /// In this environment variable.
    Variable(String),
    /// In this file.
    File(PathBuf),
    /// In what this command of the shell prints.
    Command(String),
}

/// Why there is no key. What a file holds or a command prints is never part of it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyError {
    /// The variable is not set.
    #[error("the variable `{0}` is not set")]
    NotSet(String),
    /// The file could not be read.
    #[error("cannot read `{}`", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The command could not be run.
    #[error("cannot run `api_key_command`")]
    Command {
        /// Why not.
        source: io::Error,
    },
    /// The command did not end well.
    #[error("`api_key_command` ended with {0}")]
    Ended(ExitStatus),
    /// The command did not end in time.
    #[error("`api_key_command` took longer than {} s", .0.as_secs())]
    TooSlow(Duration),
    /// There is something, and it is no key.
    #[error("{from} holds no key: {why}")]
    NoKey {
        /// Where it was looked for.
        from: &'static str,
        /// What is wrong with what is there.
        why: &'static str,
    },
}

/// How long a command may take; it may ask a person to unlock something.
const TIME_LIMIT: Duration = Duration::from_mins(1);
/// How much of a file or an output is read: no key is as long.
const MOST_BYTES: u64 = 64 << 10;

impl KeySource {
    /// Gets the key.
    ///
    /// A command runs through `sh -c`. It may ask on the terminal and tell on standard error; only what it prints on
    /// standard output is taken, without the white space around it.
    pub(crate) async fn fetch(&self, environment: &Environment, ui: &mut Ui) -> Result<Secret, KeyError> {
        match self {
            Self::Variable(name) => {
                let value = environment.get(name).ok_or_else(|| KeyError::NotSet(name.clone()))?;
                key_in(value.as_bytes(), "the variable")
            }
            Self::File(path) => {
                let text = read(path, ui).map_err(|source| KeyError::File { path: path.clone(), source })?;
                key_in(&text, "the file")
            }
            Self::Command(command) => key_in(&output_of(command, TIME_LIMIT).await?, "the output of `api_key_command`"),
        }
    }
}

impl fmt::Display for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable(name) => f.write_str(name),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Command(_) => f.write_str("api_key_command"),
        }
    }
}

fn read(path: &Path, ui: &mut Ui) -> io::Result<Vec<u8>> {
    use std::io::Read as _;

    let file = std::fs::File::open(path)?;
    if file.metadata()?.mode() & 0o077 != 0 {
        ui.warning(&format!("the key in `{0}` can be had by others: `chmod 600 {0}`", path.display()));
    }
    let mut bytes = Vec::new();
    file.take(MOST_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

async fn output_of(command: &str, limit: Duration) -> Result<Vec<u8>, KeyError> {
    let run = |source| KeyError::Command { source };
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(command).stdout(Stdio::piped()).kill_on_drop(true);
    let mut process = shell.spawn().map_err(run)?;
    let output = process.stdout.take().expect("it is piped");
    let work = async {
        let mut bytes = Vec::new();
        output.take(MOST_BYTES).read_to_end(&mut bytes).await?;
        Ok((bytes, process.wait().await?))
    };
    let (bytes, status) =
        tokio::time::timeout(limit, work).await.map_err(|_| KeyError::TooSlow(limit))?.map_err(run)?;
    if status.success() { Ok(bytes) } else { Err(KeyError::Ended(status)) }
}

fn key_in(bytes: &[u8], from: &'static str) -> Result<Secret, KeyError> {
    let text = std::str::from_utf8(bytes).map_err(|_| KeyError::NoKey { from, why: "it is no text" })?.trim();
    match text {
        "" => Err(KeyError::NoKey { from, why: "it is empty" }),
        _ if text.contains(char::is_whitespace) => Err(KeyError::NoKey { from, why: "it is more than one word" }),
        key => Ok(Secret::new(key)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key_or_error(result: Result<Vec<u8>, KeyError>) -> String {
        match result.and_then(|bytes| key_in(&bytes, "the output")) {
            Ok(key) => key.expose().to_owned(),
            Err(error) => error.to_string(),
        }
    }

    #[tokio::test]
    async fn commands_end_well_or_not() {
        let run = async |command| key_or_error(output_of(command, TIME_LIMIT).await);
        assert_eq!(run("echo ' the-key '").await, "the-key");
        assert_eq!(run("echo planted; exit 3").await, "`api_key_command` ended with exit status: 3");
        assert_eq!(run("echo planted and more").await, "the output holds no key: it is more than one word");
        assert_eq!(run("true").await, "the output holds no key: it is empty");
        assert_eq!(run("printf '\\377'").await, "the output holds no key: it is no text");
    }

    #[tokio::test]
    async fn a_command_that_hangs_is_given_up() {
        // It reads what never comes, and would wait for ever.
        let hangs = "read line < /dev/zero; echo planted; cat /dev/zero > /dev/null";
        assert_eq!(key_or_error(output_of(hangs, Duration::ZERO).await), "`api_key_command` took longer than 0 s");
    }
}
