//! The program that an SDK's documentation begins with, against `sbx serve` as somebody starts it who has nothing else.

use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::chown;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::install::{Sdk, python};
use crate::program::{output, suites};
use crate::report::{Outcome, Report};

/// Who owns nothing, on all systems.
const NOBODY: u32 = 65534;

/// Runs the program against a server of this user and, where this user is root, against one of an ordinary user.
pub(crate) fn run(sdk: &Sdk, folder: &Path, program: &str, report: &mut Report) {
    let is_root = rustix::process::geteuid().is_root();
    for (name, as_nobody) in [("first_program", false), ("first_program_unprivileged", true)] {
        if as_nobody && !is_root {
            // Then this user is one.
            continue;
        }
        let outcome = match perform(folder, program, as_nobody) {
            Ok(()) => Outcome::Passed,
            Err(reason) => Outcome::Failed { reason },
        };
        report.add(format!("{}::{name}", sdk.name), outcome);
    }
}

fn perform(folder: &Path, program: &str, as_nobody: bool) -> Result<(), String> {
    let home = tempfile::tempdir().map_err(|error| error.to_string())?;
    if as_nobody {
        chown(home.path(), Some(NOBODY), Some(NOBODY)).map_err(|error| error.to_string())?;
    }
    let server = Serving::start(home.path(), as_nobody)?;
    let mut command = Command::new(python(folder));
    command.arg("-B").args(["-W", "ignore"]).arg(suites().join(program)).current_dir(home.path());
    command.env("LANGSMITH_ENDPOINT", &server.url).env("LANGSMITH_API_KEY", "any");
    for name in ["LANGCHAIN_ENDPOINT", "LANGCHAIN_API_KEY"] {
        command.env_remove(name);
    }
    let printed = output(&mut command)?;
    if printed.starts_with("Python 3.") { Ok(()) } else { Err(format!("it printed {printed:?}")) }
}

/// `sbx serve`, until this is dropped.
struct Serving {
    process: Child,
    url: String,
}

impl Serving {
    fn start(home: &Path, as_nobody: bool) -> Result<Self, String> {
        let sbx = env!("CARGO_BIN_EXE_sbx");
        let mut command = Command::new(if as_nobody { "setpriv" } else { sbx });
        if as_nobody {
            let user = [format!("--reuid={NOBODY}"), format!("--regid={NOBODY}"), "--clear-groups".to_owned()];
            command.args(user).arg(sbx);
        }
        command.args(["serve", "--listen", "127.0.0.1:0", "--image-fallback", "host", "--quiet"]);
        command.current_dir(home).env("HOME", home);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = command.spawn().map_err(|error| error.to_string())?;
        let mut line = String::new();
        let read = process.stdout.take().map(|output| BufReader::new(output).read_line(&mut line));
        let url = line.trim().strip_prefix("Serving ").map(ToOwned::to_owned);
        let server = Self { process, url: url.unwrap_or_default() };
        match read {
            Some(Ok(_)) if !server.url.is_empty() => Ok(server),
            _ => Err(format!("`sbx serve` printed {line:?}")),
        }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // Its sandboxes end with it, however it ends.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
