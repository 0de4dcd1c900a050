//! The program itself, as its users run it: commands in sandboxes of `sbx serve`, and of the server that is built in.

mod daily;

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio};
use std::thread;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

const MANIFEST: &str = "\
{apiVersion: sbx/v1, kind: Template, metadata: {name: python}, spec: {image: 'python:3.12'}}
---
{apiVersion: sbx/v1, kind: Sandbox, metadata: {name: box}, spec: {template_name: python}}
";

/// Answers each connection with what comes in, once it says so.
const ECHO: &str = "import socket
s = socket.create_server(('127.0.0.1', 4000))
print('up', flush=True)
while True:
    c, _ = s.accept()
    while d := c.recv(65536):
        c.sendall(d)
    c.close()";

/// A project, and the server in it that its commands use, if any.
struct Project {
    folder: TempDir,
    server: Option<Child>,
}

impl Project {
    /// Makes a project whose commands have the server in themselves.
    fn local() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::write(folder.path().join("w.yaml"), MANIFEST).expect("it can be written");
        Self { folder, server: None }
    }

    /// Makes a project with a server, and applies its manifest.
    fn served() -> Self {
        let mut project = Self::local();
        project.serve(&["--listen", "127.0.0.1:0", "--image-fallback", "host"]);
        project.applied()
    }

    /// Starts a server and returns its address.
    fn serve(&mut self, options: &[&str]) -> String {
        let mut serve = self.command(&["serve", "--runtime", "namespace", "-q"]);
        serve.args(options).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut server = serve.spawn().expect("the program can be started");
        let line = first_line(&mut BufReader::new(server.stdout.take().expect("it is piped")));
        self.server = Some(server);
        line.strip_prefix("Serving http://").unwrap_or_else(|| panic!("{line:?}")).to_owned()
    }

    /// Stops the server, and waits until it has ended.
    fn stop_serving(&mut self) {
        if let Some(mut server) = self.server.take() {
            signal(&server, Signal::TERM);
            server.wait().expect("it ends");
        }
    }

    fn applied(self) -> Self {
        let output = self.run(&["apply", "-f", "w.yaml", "--yes"], "");
        assert!(output.status.success(), "{}", text(&output.stderr));
        self
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sbx"));
        command.env_clear().env("HOME", self.folder.path()).current_dir(self.folder.path()).args(arguments);
        command.stdin(Stdio::null());
        command
    }

    /// Runs a command of `sbx` with `--local` to its end.
    fn run(&self, arguments: &[&str], input: &str) -> Output {
        let mut process = self.spawn(arguments);
        // What does not read its input closes it.
        let _ = process.stdin.take().expect("it is piped").write_all(input.as_bytes());
        process.wait_with_output().expect("it ends")
    }

    fn spawn(&self, arguments: &[&str]) -> Child {
        // In front of the command's own words.
        let (name, rest) = arguments.split_first().expect("a command");
        let mut command = self.command(&[name, "--local"]);
        command.args(rest).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().expect("the program can be started")
    }

    /// Runs a script in the sandbox of the manifest and returns what it printed.
    fn inside(&self, script: &str) -> String {
        let output = self.run(&["exec", "box", "-q", "--", "sh", "-c", script], "");
        assert!(output.status.success(), "{script}: {}", text(&output.stderr));
        text(&output.stdout)
    }

    /// Starts a command that goes on, and waits until it has printed a line.
    fn begin(&self, arguments: &[&str]) -> Running {
        let mut process = self.spawn(arguments);
        let mut output = BufReader::new(process.stdout.take().expect("it is piped"));
        let line = first_line(&mut output);
        if line.is_empty() {
            let output = process.wait_with_output().expect("it ends");
            panic!("{arguments:?} printed nothing: {}", text(&output.stderr));
        }
        Running { input: process.stdin.take(), _output: output, process, line }
    }

    /// Returns the folders that sandboxes have on the disk.
    fn disks(&self) -> usize {
        fs::read_dir(self.path(".sbx/local/runtime/sandboxes")).map_or(0, Iterator::count)
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        self.stop_serving();
    }
}

/// A command that goes on.
struct Running {
    process: Child,
    /// Kept open: a command may read to its end.
    input: Option<ChildStdin>,
    _output: BufReader<ChildStdout>,
    line: String,
}

impl Running {
    fn end(mut self, with: Signal) -> Option<i32> {
        signal(&self.process, with);
        let code = self.process.wait().expect("it ends").code();
        drop(self.input.take());
        code
    }
}

fn signal(process: &Child, signal: Signal) {
    let pid = i32::try_from(process.id()).ok().and_then(Pid::from_raw).expect("a process has a number");
    kill_process(pid, signal).expect("it is ours");
}

fn first_line(output: &mut BufReader<ChildStdout>) -> String {
    let mut line = String::new();
    output.read_line(&mut line).expect("it prints text");
    line.trim_end().to_owned()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Returns what a command wrote, and its code.
fn parts(output: &Output) -> (String, String, Option<i32>) {
    (text(&output.stdout), text(&output.stderr), output.status.code())
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("it is there").permissions().mode() & 0o777
}

#[test]
fn nothing_is_set_up_before_a_sandbox_has_to_run() {
    engine!();
    let project = Project::local();
    fs::write(project.path("w.yaml"), MANIFEST.split("---").next().expect("a template")).expect("it can be written");
    for arguments in [&["plan", "-f", "w.yaml"][..], &["get", "all"], &["apply", "-f", "w.yaml", "--yes"]] {
        let output = project.run(arguments, "");
        assert!(output.status.success(), "{}", text(&output.stderr));
        assert!(!project.path(".sbx/local/runtime").exists(), "{arguments:?}");
    }
    let output = project.run(&["run", "python", "--", "python3", "-V"], "");
    let (stdout, stderr, code) = parts(&output);
    assert!(stdout.starts_with("Python 3") && code == Some(0), "{stdout}{stderr}");
    assert!(stderr.contains("Note: templates run on this machine's own files: no image is pulled"), "{stderr}");
    assert_eq!((stderr.lines().count(), project.disks()), (1, 0), "{stderr}");
}

#[test]
fn a_disk_outlives_the_commands_that_use_it() {
    engine!();
    let project = Project::local().applied();
    project.inside("echo kept > file");
    assert_eq!(project.inside("cat file"), "kept\n");
    assert_eq!(project.disks(), 1);
    let output = project.run(&["delete", "sandbox/box", "--yes"], "");
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(project.disks(), 0, "what nothing runs is cleared away, too");
}

#[test]
fn where_sandboxes_cannot_be_set_up_the_rest_works_and_it_is_said() {
    engine!();
    let project = Project::local();
    fs::create_dir_all(project.path(".sbx/local")).expect("it can be made");
    fs::write(project.path(".sbx/local/runtime"), "no folder").expect("it can be written");
    let output = project.run(&["plan", "-f", "w.yaml"], "");
    assert!(output.status.success() && !text(&output.stderr).contains("501"), "{}", text(&output.stderr));
    let output = project.run(&["apply", "-f", "w.yaml", "--yes"], "");
    let said =
        "Note: sandboxes cannot be set up: File exists (os error 17). So sandboxes become ready but run no process";
    assert!(output.status.success() && text(&output.stderr).contains(said), "{}", text(&output.stderr));
    let (_, stderr, code) = parts(&project.run(&["exec", "box", "--", "true"], ""));
    assert!(code == Some(1) && stderr.contains(said) && stderr.contains("hint: "), "{stderr}");
}

#[test]
fn a_url_that_nobody_could_reach_is_refused() {
    engine!();
    let project = Project::local().applied();
    let (stdout, stderr, code) = parts(&project.run(&["service", "box", "8000"], ""));
    assert!(stdout.is_empty() && code == Some(64) && stderr.contains("start `sbx serve`"), "{stderr}");
}

#[test]
fn a_command_is_as_if_it_ran_here() {
    engine!();
    for project in [Project::local().applied(), Project::served()] {
        let script = "cat; pwd >&2; exit 7";
        let input = "é\n".repeat(10_000);
        for arguments in [["run", "python"], ["exec", "box"]] {
            let arguments = [&arguments[..], &["-q", "-w", "/tmp", "--", "sh", "-c", script]].concat();
            let (stdout, stderr, code) = parts(&project.run(&arguments, &input));
            assert!(stdout == input, "{} bytes", stdout.len());
            assert_eq!((stderr.as_str(), code), ("/tmp\n", Some(7)));
        }
        let output = project.run(&["exec", "box", "-q", "-t", "--", "sh", "-c", "tty; exit 3"], "");
        let (stdout, stderr, code) = parts(&output);
        assert!(stdout.starts_with("/dev/pts/") && code == Some(3), "{stdout}{stderr}");
        assert_eq!(project.disks(), 1, "what was thrown away is gone");
    }
}

#[test]
fn signals_end_the_command_inside() {
    engine!();
    let project = Project::served();
    for (with, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let running = project.begin(&["exec", "box", "-q", "--", "sh", "-c", "echo up; exec sleep 7777"]);
        assert_eq!(running.line, "up");
        assert_eq!(running.end(with), Some(code));
        let is_left = "grep -l sleep /proc/[0-9]*/comm 2>/dev/null";
        // It is on its way to its end when the program has ended.
        project.inside(&format!("for i in $(seq 1000); do {is_left} || exit 0; sh -c :; done; exit 1"));

        let running = project.begin(&["run", "python", "-q", "--", "sh", "-c", "echo up; exec sleep 7777"]);
        assert_eq!(running.end(with), Some(code));
        assert_eq!(text(&project.run(&["get", "sandboxes", "-o", "name"], "").stdout), "sandbox/box\n");
    }
}

#[test]
fn a_sandbox_to_throw_away_does_not_outlive_a_killed_program_for_long() {
    engine!();
    let project = Project::served();
    let running = project.begin(&["run", "python", "-q", "--", "sh", "-c", "echo up; exec sleep 7777"]);
    assert_eq!(running.end(Signal::KILL), None);
    let listed = text(&project.run(&["get", "sandboxes", "-o", "json"], "").stdout);
    let listed: serde_json::Value = serde_json::from_str(&listed).expect("it is JSON");
    let listed = listed.to_string();
    // A minute to start and ten to live, from its creation on.
    assert!(listed.contains("run-") && listed.contains("660"), "{listed}");
}

#[test]
fn files_and_folders_go_in_and_out() {
    engine!();
    let project = Project::served();
    let big: Vec<u8> = (0..20_000_000_u32).map(|n| n.to_le_bytes()[1]).collect();
    fs::create_dir_all(project.path("src/deep")).expect("it can be made");
    fs::write(project.path("src/deep/big"), &big).expect("it can be written");
    fs::write(project.path("src/run.sh"), "#!/bin/sh\necho ran\n").expect("it can be written");
    fs::set_permissions(project.path("src/run.sh"), fs::Permissions::from_mode(0o755)).expect("it is ours");
    std::os::unix::fs::symlink("/etc/passwd", project.path("src/link")).expect("it can be made");

    let (_, stderr, code) = parts(&project.run(&["cp", "src", "box:app"], ""));
    assert!(code == Some(0) && stderr.contains("is a link: left out"), "{stderr}");
    assert_eq!(project.inside("app/run.sh; wc -c < app/deep/big; ls app"), "ran\n20000000\ndeep\nrun.sh\n");
    // What is in there may be made to mislead whoever copies it out.
    project.inside("ln -s /etc/passwd app/link; ln -s / app/all");
    let (_, stderr, code) = parts(&project.run(&["cp", "box:app", "back"], ""));
    assert_eq!(code, Some(0), "{stderr}");
    assert!(fs::read(project.path("back/deep/big")).expect("it is there") == big);
    let mut names: Vec<_> =
        fs::read_dir(project.path("back")).expect("a folder").map(|it| it.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["deep", "run.sh"]);
    assert_eq!(mode(&project.path("back/deep/big")) & 0o111, 0);

    let (_, stderr, code) = parts(&project.run(&["cp", "box:none", "none"], ""));
    assert!(code == Some(1) && stderr.contains("none") && !project.path("none").exists(), "{stderr}");
}

#[test]
fn a_tunnel_carries_many_connections_until_it_is_interrupted() {
    engine!();
    let project = Project::served();
    let echo = project.begin(&["exec", "box", "-q", "--", "python3", "-c", ECHO]);
    let tunnel = project.begin(&["tunnel", "box", "4000:0", "-q"]);
    let address = tunnel.line.strip_prefix("Forwarding ").and_then(|rest| rest.split(' ').next());
    let address = address.unwrap_or_else(|| panic!("{:?}", tunnel.line));
    thread::scope(|scope| {
        for n in 0..20_u8 {
            scope.spawn(move || {
                let mut stream = TcpStream::connect(address).expect("it listens");
                let sent = vec![n; 10_000];
                let mut back = vec![0; sent.len()];
                stream.write_all(&sent).expect("it is connected");
                stream.read_exact(&mut back).expect("it is connected");
                assert!(back == sent);
            });
        }
    });
    let address = address.to_owned();
    assert_eq!(tunnel.end(Signal::INT), Some(0));
    assert!(TcpStream::connect(address).is_err());
    echo.end(Signal::INT);
}

#[test]
fn a_service_answers_who_has_its_token() {
    engine!();
    let project = Project::served();
    let serve = "mkdir site && cd site && echo hi > index.html && exec python3 -u -m http.server 3000 2>&1";
    let http = project.begin(&["exec", "box", "-q", "--", "sh", "-c", serve]);
    let output = project.run(&["service", "box", "3000", "-o", "json"], "");
    let service: serde_json::Value = serde_json::from_slice(&output.stdout).expect("it is JSON");
    let url = service["service_url"].as_str().expect("it has a URL");
    let (host, path) = url.strip_prefix("http://").and_then(|rest| rest.split_once('/')).expect("it has a path");
    let get = |token: &str| {
        let mut stream = TcpStream::connect(host).expect("it listens");
        let header = format!("X-Langsmith-Sandbox-Service-Token: {token}\r\n");
        let request = format!("GET /{path}index.html HTTP/1.1\r\nHost: {host}\r\n{header}Connection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("it is connected");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        answer
    };
    let answer = get(service["token"].as_str().expect("it has a token"));
    assert!(answer.contains(" 200 OK") && answer.contains("hi\n"), "{answer}");
    assert!(get("none").contains(" 401 "));
    http.end(Signal::INT);
}

#[test]
fn waiting_ends_when_it_is_ready_or_not_there() {
    engine!();
    let project = Project::served();
    assert!(project.run(&["wait", "box", "--timeout", "30s"], "").status.success());
    let (_, stderr, code) = parts(&project.run(&["wait", "gone", "--timeout", "30s"], ""));
    assert!(code == Some(1) && stderr.contains("sandbox `gone` not found"), "{stderr}");
    let (_, stderr, code) = parts(&project.run(&["run", "gone", "--", "true"], ""));
    assert!(code == Some(1) && stderr.contains("`sbx get templates` lists"), "{stderr}");
}
