//! Starting programs, and where the suites are.

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

/// Returns the folder of the suites.
pub(crate) fn suites() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sdk"))
}

/// Runs a command to its end, whatever its exit code.
pub(crate) fn run(command: &mut Command) -> Result<Output, String> {
    let name = command.get_program().display().to_string();
    command.stdin(Stdio::null()).output().map_err(|error| format!("`{name}`: {error}"))
}

/// Runs a command that has to succeed, and returns what it printed, or else the last line of its complaint.
pub(crate) fn output(command: &mut Command) -> Result<String, String> {
    let output = run(command)?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let name = command.get_program().display();
    let complaint = String::from_utf8_lossy(&output.stderr);
    let last = complaint.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it printed nothing");
    Err(format!("`{name}`: {}: {}", output.status, last.trim()))
}
