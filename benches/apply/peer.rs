//! The same work by a script on the official SDK, and what Python has to have for it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const REQUIREMENT: &str = "langsmith[sandbox]==0.7.30";

/// A Python that has the SDK.
pub(crate) struct Peer {
    python: PathBuf,
}

impl Peer {
    /// Installs the SDK, unless it is there.
    pub(crate) fn install() -> Result<Self, String> {
        python_with("peer", REQUIREMENT).map(|python| Self { python })
    }

    /// Creates what the file lists, so many at once, and returns how long that took.
    pub(crate) fn run(&self, work: &Path, url: &str, concurrency: usize) -> Result<Duration, String> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/apply/peer.py");
        let mut command = Command::new(&self.python);
        command.arg("-B").arg(script).arg(work).arg(url).arg(concurrency.to_string()).env_clear();
        let seconds = output(&mut command)?;
        seconds.trim().parse().map(Duration::from_secs_f64).map_err(|_| format!("peer.py: it printed `{seconds}`"))
    }
}

/// Installs a package below the target folder, unless it is there, and returns the Python that has it.
pub(crate) fn python_with(name: &str, requirement: &str) -> Result<PathBuf, String> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("apply-{name}"));
    let (python, stamp) = (folder.join("bin/python"), folder.join("installed"));
    if !std::fs::read_to_string(&stamp).is_ok_and(|found| found == requirement) {
        output(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
        output(Command::new(&python).args(["-m", "pip", "install", "--quiet", requirement]))?;
        std::fs::write(&stamp, requirement).map_err(|error| error.to_string())?;
    }
    Ok(python)
}

fn output(command: &mut Command) -> Result<String, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| format!("{name}: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let complaint = String::from_utf8_lossy(&output.stderr);
    let why = complaint.lines().rev().find(|line| line.contains("Error")).unwrap_or("it failed");
    Err(format!("{name}: {why}"))
}
