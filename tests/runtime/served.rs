//! A server of the program, and calls to it that are as plain as can be: no retry hides what it answers.

use std::fs;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

/// Longer than anything takes: what waits for ever fails here.
pub(crate) const LIMIT: Duration = Duration::from_mins(2);

/// A server that runs. It is killed when this is dropped.
pub(crate) struct Served {
    process: Child,
    /// Its first line was read; it writes no more, but must not find the pipe closed.
    _output: BufReader<ChildStdout>,
    pub(crate) host: String,
    data: PathBuf,
}

/// An answer that came whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Null when it is no JSON.
    pub(crate) body: Value,
    pub(crate) bytes: Vec<u8>,
}

/// What a command did.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ran {
    pub(crate) code: i64,
    pub(crate) stdout: String,
}

impl Served {
    /// Starts a server on a folder, with sandboxes of the machine's own files.
    pub(crate) fn start(data: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sbx"));
        command.args(["serve", "--image-fallback", "host"]);
        Self::run(command, data)
    }

    /// Starts a server with a command that is `sbx serve` and some arguments, or becomes that.
    pub(crate) fn run(mut command: Command, data: &Path) -> Self {
        command.args(["--listen", "127.0.0.1:0", "--runtime", "namespace", "-q", "--data-dir"]).arg(data);
        command
            .env_clear()
            .env("HOME", data.parent().expect("it has one"))
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        command.env("SBX_LOG", "sbx=warn").stdin(Stdio::null()).stdout(Stdio::piped());
        let mut process = command.spawn().expect("the program can be started");
        let mut output = BufReader::new(process.stdout.take().expect("it is piped"));
        let mut line = String::new();
        output.read_line(&mut line).expect("it prints text");
        let host = line.trim().strip_prefix("Serving http://").and_then(|rest| rest.split(['/', ' ']).next());
        let host = host.unwrap_or_else(|| panic!("{line:?}")).to_owned();
        Self { process, _output: output, host, data: data.to_owned() }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Sends a request of the API and waits for its answer.
    pub(crate) fn call(&self, method: &str, path: &str, body: &Value) -> io::Result<Answer> {
        call(&self.host, method, &format!("/v2/sandboxes{path}"), body)
    }

    /// Calls and expects success.
    pub(crate) fn ok(&self, method: &str, path: &str, body: &Value) -> Value {
        let answer = self.call(method, path, body).expect("it answers");
        assert!((200..300).contains(&answer.status), "{method} {path}: {answer:?}");
        answer.body
    }

    /// Makes a template of the machine's files.
    pub(crate) fn template(&self, name: &str, mounts: &Value) {
        self.ok("POST", "/templates", &json!({"name": name, "image": "any", "volume_mounts": mounts}));
    }

    /// Makes a sandbox and returns its id.
    pub(crate) fn sandbox(&self, name: &str, template: &str) -> String {
        let made = self.ok("POST", "/boxes", &json!({"name": name, "template_name": template, "timeout": 120}));
        made["id"].as_str().expect("a text").to_owned()
    }

    /// Runs a script in a sandbox.
    pub(crate) fn sh(&self, id: &str, script: &str) -> Ran {
        let ran = sh(&self.host, id, script).expect("it answers");
        ran.unwrap_or_else(|answer| panic!("{script}: {answer:?}"))
    }

    /// Returns the first processes of its sandboxes.
    ///
    /// A sandbox may answer before the process that made its namespaces, a child of the server too, is waited for.
    pub(crate) fn agents(&self) -> Vec<Pid> {
        let mut agents = self.children();
        agents.retain(|pid| is_first(*pid));
        agents
    }

    /// Returns all processes that are its children, those too that have ended and are not waited for.
    pub(crate) fn children(&self) -> Vec<Pid> {
        children(self.pid())
    }

    /// Returns the names in one of the folders of the runtime, in order.
    pub(crate) fn entries(&self, folder: &str) -> Vec<String> {
        entries(&self.data.join("runtime").join(folder))
    }

    /// Returns the control groups that those of sandboxes are in, one in each hierarchy that limits something.
    pub(crate) fn groups(&self) -> Vec<PathBuf> {
        let record = fs::read_to_string(self.data.join("runtime/groups")).expect("the server writes them down");
        record.lines().map(PathBuf::from).collect()
    }

    /// Returns the names of sandboxes that have a control group, in order.
    pub(crate) fn grouped(&self) -> Vec<String> {
        let folders = self.groups();
        let mut names: Vec<_> = folders.iter().flat_map(|folder| subfolders(folder)).collect();
        names.sort();
        names.dedup();
        names
    }

    /// Kills the server, and waits until it is gone.
    pub(crate) fn kill(mut self) {
        self.process.kill().expect("it is ours");
        self.process.wait().expect("it ends");
    }

    /// Ends the server as a user does.
    pub(crate) fn stop(mut self) {
        let pid = i32::try_from(self.pid()).ok().and_then(Pid::from_raw).expect("a process has a number");
        kill_process(pid, Signal::TERM).expect("it is ours");
        let status = self.process.wait().expect("it ends");
        assert!(status.success(), "{status}");
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Sends a request and waits for its answer, on a connection of its own.
pub(crate) fn call(host: &str, method: &str, path: &str, body: &Value) -> io::Result<Answer> {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    exchange(host, method, path, "application/json", body.as_bytes())
}

pub(crate) fn upload(host: &str, id: &str, path: &str, content: &[u8]) -> io::Result<Answer> {
    let head = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\n";
    let body = [head.as_bytes(), content, b"\r\n--b--\r\n"].concat();
    exchange(host, "POST", &format!("/dp/{id}/upload?path={path}"), "multipart/form-data; boundary=b", &body)
}

pub(crate) fn download(host: &str, id: &str, path: &str) -> io::Result<Answer> {
    call(host, "GET", &format!("/dp/{id}/download?path={path}"), &Value::Null)
}

/// Runs a script; what is refused comes back as it is.
pub(crate) fn sh(host: &str, id: &str, script: &str) -> io::Result<Result<Ran, Answer>> {
    let body = json!({"command": script, "shell": "/bin/sh", "timeout": 120});
    let answer = call(host, "POST", &format!("/dp/{id}/execute"), &body)?;
    Ok(match (answer.status, answer.body["exit_code"].as_i64(), answer.body["stdout"].as_str()) {
        (200, Some(code), Some(stdout)) => Ok(Ran { code, stdout: stdout.to_owned() }),
        _ => Err(answer),
    })
}

fn exchange(host: &str, method: &str, path: &str, content_type: &str, body: &[u8]) -> io::Result<Answer> {
    let mut stream = TcpStream::connect(host)?;
    stream.set_read_timeout(Some(LIMIT))?;
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {host}\r\nX-Api-Key: any\r\nConnection: close\r\n\
         Content-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n"
    );
    stream.write_all(&[head.as_bytes(), body].concat())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let cut = || io::Error::from(io::ErrorKind::UnexpectedEof);
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n").ok_or_else(cut)?;
    let (head, bytes) = (String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase(), answer[end + 4..].to_vec());
    let status = head.split(' ').nth(1).and_then(|word| word.parse().ok()).ok_or_else(cut)?;
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
    if length.is_some_and(|length| length != bytes.len()) {
        return Err(cut());
    }
    Ok(Answer { status, body: serde_json::from_slice(&bytes).unwrap_or_default(), bytes })
}

/// Returns the children of a process.
pub(crate) fn children(of: u32) -> Vec<Pid> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").expect("is there").flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<i32>() else { continue };
        // The name in brackets may have anything in it; behind it are the state and the parent.
        let Ok(status) = fs::read_to_string(entry.path().join("stat")) else { continue };
        let rest = status.rsplit_once(") ").map_or("", |(_, rest)| rest);
        if rest.split(' ').nth(1) == Some(&of.to_string()) {
            found.extend(Pid::from_raw(pid));
        }
    }
    found
}

/// Returns whether a process is the first one of a namespace of its own (`NSpid` in proc(5)).
fn is_first(pid: Pid) -> bool {
    let status = fs::read_to_string(format!("/proc/{}/status", pid.as_raw_nonzero())).unwrap_or_default();
    let numbers = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
    numbers.is_some_and(|numbers| numbers.split_whitespace().next_back() == Some("1"))
}

/// Returns the names in a folder, in order; none when it is not there.
pub(crate) fn entries(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut names: Vec<_> =
        entries.map(|entry| entry.expect("can be read").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

fn subfolders(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    folders.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

/// Expects control groups to be gone, which an ended server had.
pub(crate) fn are_gone(groups: &[PathBuf]) {
    let left: Vec<_> = groups.iter().filter(|group| group.exists()).collect();
    assert!(left.is_empty(), "{left:?}");
}

/// Waits until something holds.
pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Result<T, String>) -> T {
    let begun = Instant::now();
    loop {
        match look() {
            Ok(found) => return found,
            Err(found) if begun.elapsed() > LIMIT => panic!("{what} does not come about: {found}"),
            Err(_) => thread::sleep(Duration::from_millis(20)),
        }
    }
}

/// Expects two values to become equal.
pub(crate) fn becomes<T: PartialEq + std::fmt::Debug>(what: &str, expected: &T, mut look: impl FnMut() -> T) {
    until(what, || {
        let found = look();
        if found == *expected { Ok(()) } else { Err(format!("{found:?} instead of {expected:?}")) }
    });
}
