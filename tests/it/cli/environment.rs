//! A place to run `sbx` in, where nothing of the machine that the tests run on shows through.

use std::fmt;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use insta::Settings;
use insta::internals::SettingsBindDropGuard;
use tempfile::TempDir;

/// An empty working folder, an empty home, no environment, and filters for what differs from run to run.
///
/// The filters hold for every snapshot that the test takes while this is alive.
pub(crate) struct Environment {
    folder: TempDir,
    variables: Vec<(String, String)>,
    _filters: SettingsBindDropGuard,
}

/// What differs from run to run, and what a snapshot shows in its place.
const FILTERS: &[(&str, &str)] = &[
    (r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", "<uuid>"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "<time>"),
    (r"\b\d\d:\d\d(:\d\d)? UTC", "<time>"),
    (r"127\.0\.0\.1:\d+", "127.0.0.1:<port>"),
    (r"\b\d+(\.\d+)? ?(ms|µs|s)\b", "<duration>"),
    // Everything is read at the same time: what of it fails first is chance.
    (r"cannot (list (volumes|templates|pools|sandboxes|registries|snapshots)|read the usage)", "cannot <read>"),
    (r"\bsandbox-[0-9a-f]{8}\b", "sandbox-<hex>"),
];

impl Environment {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        for name in ["work", "home"] {
            fs::create_dir(folder.path().join(name)).expect("it is empty");
        }
        let mut settings = Settings::clone_current();
        for (pattern, shown) in FILTERS {
            settings.add_filter(pattern, *shown);
        }
        Self { folder, variables: Vec::new(), _filters: settings.bind_to_scope() }
    }

    /// Returns a place where `w.yaml`, which these manifests are in, has been applied to the server that is built in.
    pub(crate) fn applied(manifests: &str) -> Self {
        let environment = Self::new();
        environment.write("w.yaml", manifests);
        let run = environment.sbx(&["apply", "-f", "w.yaml", "--local", "--yes"]);
        assert_eq!(run.code, Some(0), "{run}");
        environment
    }

    /// Returns the working folder.
    pub(crate) fn work(&self) -> std::path::PathBuf {
        self.folder.path().join("work")
    }

    /// Sets a variable for all commands that follow.
    pub(crate) fn set(&mut self, name: &str, value: &str) -> &mut Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Takes a variable out of the program's environment.
    pub(crate) fn unset(&mut self, name: &str) -> &mut Self {
        self.variables.retain(|(set, _)| set != name);
        self
    }

    /// Writes a file below the working folder, and the folders that it is in.
    pub(crate) fn write(&self, path: impl AsRef<Path>, text: &str) -> &Self {
        let path = self.work().join(path);
        fs::create_dir_all(path.parent().expect("the path is below the working folder")).expect("it can be made");
        fs::write(path, text).expect("it can be written");
        self
    }

    /// Writes the user's configuration, for its owner alone, and returns where it is.
    pub(crate) fn write_config(&self, text: &str) -> std::path::PathBuf {
        let path = self.folder.path().join("home/.config/sbx/config.yaml");
        fs::create_dir_all(path.parent().expect("it is in a folder")).expect("it can be made");
        fs::write(&path, text).expect("it can be written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("it is ours");
        path
    }

    /// Reads a file below the working folder.
    pub(crate) fn read(&self, path: impl AsRef<Path>) -> String {
        let path = self.work().join(path);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// Runs `sbx` with these arguments and nothing on its standard input.
    pub(crate) fn sbx(&self, arguments: &[&str]) -> Run {
        self.sbx_with_input(arguments, "")
    }

    /// Runs `sbx` as [`Environment::sbx`] does, and tells the id of its process while it runs.
    pub(crate) fn sbx_of(&self, arguments: &[&str], tell: impl FnOnce(u32)) -> Run {
        self.run(arguments, "", tell)
    }

    /// Runs `sbx` in a folder below the working folder.
    pub(crate) fn sbx_in(&self, folder: &str, arguments: &[&str]) -> Run {
        let mut command = self.command();
        command.current_dir(self.work().join(folder)).args(arguments).stdin(Stdio::null());
        let output = command.output().expect("the program can be started");
        Run::new(arguments, &output, self.folder.path())
    }

    /// Runs `sbx` with these arguments and this text on its standard input, which is no terminal.
    pub(crate) fn sbx_with_input(&self, arguments: &[&str], input: &str) -> Run {
        self.run(arguments, input, |_| {})
    }

    fn run(&self, arguments: &[&str], input: &str, tell: impl FnOnce(u32)) -> Run {
        let mut command = self.command();
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().expect("the program can be started");
        tell(process.id());
        let mut stdin = process.stdin.take().expect("it is piped");
        // A program that does not read its input closes the pipe, which is its right.
        let _ = stdin.write_all(input.as_bytes());
        drop(stdin);
        let output = process.wait_with_output().expect("its output can be read");
        Run::new(arguments, &output, self.folder.path())
    }

    /// Returns the bare command, for what needs more than arguments and input.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sbx"));
        command
            .env_clear()
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .env("HOME", self.folder.path().join("home"))
            .current_dir(self.work());
        command
    }
}

/// A command that has run: what it printed and how it ended, in one text for one snapshot.
pub(crate) struct Run {
    arguments: String,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) code: Option<i32>,
}

impl Run {
    fn new(arguments: &[&str], output: &Output, folder: &Path) -> Self {
        let text = |bytes: &[u8]| {
            let text = String::from_utf8(bytes.to_vec()).expect("the program prints UTF-8");
            let folder = folder.display().to_string();
            text.replace(&format!("{folder}/work"), "<work>").replace(&folder, "<folder>")
        };
        Self {
            arguments: arguments.join(" "),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
            code: output.status.code(),
        }
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "$ sbx {}", self.arguments)?;
        for (name, text) in [("stdout", &self.stdout), ("stderr", &self.stderr)] {
            if !text.is_empty() {
                writeln!(f, "--- {name}\n{}", text.trim_end_matches('\n'))?;
            }
        }
        match self.code {
            Some(code) => write!(f, "--- exit code {code}"),
            None => write!(f, "--- ended by a signal"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::ExitStatus;

    use super::*;

    #[test]
    fn a_run_is_one_text() {
        let output = Output {
            status: ExitStatus::from_raw(3 << 8),
            stdout: b"made /elsewhere/x/work/a at 2026-03-24T12:00:00.123456Z\n".to_vec(),
            stderr: b"hint: see http://127.0.0.1:40123/ (took 1.5 s)\n".to_vec(),
        };
        let _environment = Environment::new();
        insta::assert_snapshot!(Run::new(&["apply", "--yes"], &output, Path::new("/elsewhere/x")), @r"
        $ sbx apply --yes
        --- stdout
        made <work>/a at <time>
        --- stderr
        hint: see http://127.0.0.1:<port>/ (took <duration>)
        --- exit code 3
        ");
    }

    #[test]
    fn nothing_of_the_machine_shows_through() {
        let mut environment = Environment::new();
        environment.set("SBX_SEEN", "yes").write("a/b.yaml", "text");
        assert_eq!(environment.read("a/b.yaml"), "text");
        let command = environment.command();
        let names: Vec<_> = command.get_envs().map(|(name, _)| name.to_string_lossy().into_owned()).collect();
        assert_eq!(names, ["HOME", "SBX_SEEN"]);
        assert_eq!(command.get_current_dir(), Some(environment.work().as_path()));
    }

    #[test]
    fn output_and_exit_code_are_those_of_the_program() {
        let run = Environment::new().sbx(&[]);
        assert!(run.code.is_some(), "{run}");
        assert!(!run.to_string().contains("panicked"), "{run}");
    }
}
