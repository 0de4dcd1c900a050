//! `sbx serve` as somebody starts it who has nothing else: real sandboxes, on this machine's own files.

use std::fs::{File, read_to_string};
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::chown;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// Who owns nothing, on all systems.
const NOBODY: u32 = 65534;

/// Whose the server is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    /// Who runs the tests.
    Me,
    /// An ordinary user. Only root can be one.
    Nobody,
}

impl Owner {
    /// Returns all that this user can be.
    pub(crate) fn all() -> &'static [Self] {
        if rustix::process::geteuid().is_root() { &[Self::Me, Self::Nobody] } else { &[Self::Me] }
    }

    /// Returns a name with a word for it.
    pub(crate) fn name(self, what: &str) -> String {
        match self {
            Self::Me => what.to_owned(),
            Self::Nobody => format!("{what}_unprivileged"),
        }
    }
}

/// A running `sbx serve`. It ends when this is dropped.
pub(crate) struct Serving {
    process: Child,
    url: String,
    folder: TempDir,
}

impl Serving {
    /// Starts it in a folder of its own, and fails where sandboxes cannot be real.
    pub(crate) fn start(owner: Owner) -> Result<Self, String> {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let sbx = env!("CARGO_BIN_EXE_sbx");
        let mut command = match owner {
            Owner::Me => Command::new(sbx),
            Owner::Nobody => {
                chown(folder.path(), Some(NOBODY), Some(NOBODY)).map_err(|error| error.to_string())?;
                let mut command = Command::new("setpriv");
                command.args([format!("--reuid={NOBODY}"), format!("--regid={NOBODY}"), "--clear-groups".to_owned()]);
                command.arg(sbx);
                command
            }
        };
        command.args(["serve", "--listen", "127.0.0.1:0", "--runtime", "namespace", "--image-fallback", "host"]);
        command.arg("--quiet").current_dir(folder.path()).env("HOME", folder.path());
        // Into a file: nobody reads a pipe while it runs.
        let log = folder.path().join("log");
        let errors = File::create(&log).map_err(|error| error.to_string())?;
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(errors);
        let process = command.spawn().map_err(|error| error.to_string())?;
        // From here on the process is ended, whatever happens.
        let mut server = Self { process, url: String::new(), folder };
        let mut line = String::new();
        let output = server.process.stdout.take().ok_or("standard output is not piped")?;
        BufReader::new(output).read_line(&mut line).map_err(|error| error.to_string())?;
        match line.trim().strip_prefix("Serving ") {
            Some(url) => {
                url.clone_into(&mut server.url);
                Ok(server)
            }
            None => Err(format!("`sbx serve` ended: {}", read_to_string(log).unwrap_or_default().trim())),
        }
    }

    /// Returns what `LANGSMITH_ENDPOINT` has to be.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Returns a folder where programs that talk to it may leave what they like.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // Its sandboxes end with it, however it ends.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
