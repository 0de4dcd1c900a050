//! `sbx serve` as a process of its own, so that its CPU time is its own too.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};

use crate::measure::running_time;

/// The program under measurement, built with the profile of a release.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_sbx");

/// How long it may take to stop.
const STOPPING: Duration = Duration::from_secs(10);

pub(crate) struct Server {
    process: Child,
    address: String,
}

impl Server {
    /// Starts the server on an empty data folder, without sandboxes that run.
    pub(crate) fn start(data: &Path) -> Result<Self, String> {
        if data.exists() {
            std::fs::remove_dir_all(data).map_err(|error| error.to_string())?;
        }
        Self::run(Command::new(PROGRAM), "none", data)
    }

    /// Starts the server as `command` runs the program, and waits for the line that names its URL.
    pub(crate) fn run(mut command: Command, runtime: &str, data: &Path) -> Result<Self, String> {
        command.args(["serve", "--quiet", "--runtime", runtime, "--listen", "127.0.0.1:0", "--data-dir"]).arg(data);
        // A line for each request is for people, and its price is not what is measured here.
        command.env_clear().env("SBX_LOG", "sbx=warn").stdin(Stdio::null()).stdout(Stdio::piped());
        let mut process = command.spawn().map_err(|error| format!("sbx serve: {error}"))?;
        let output = process.stdout.take().ok_or("sbx serve: no output")?;
        let mut lines = BufReader::new(output).lines();
        let address = lines.find_map(|line| {
            let line = line.ok()?;
            let rest = line.split("http://").nth(1)?;
            Some(rest.trim_end_matches(|c: char| !c.is_ascii_digit()).to_owned())
        });
        let address = address.ok_or("sbx serve: it ended without naming its URL")?;
        Ok(Self { process, address })
    }

    /// Returns the number of its process.
    pub(crate) fn process(&self) -> u32 {
        self.process.id()
    }

    /// Returns its host and port.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Returns a command of `sbx` that talks to it.
    pub(crate) fn sbx(&self, command: &str) -> Command {
        let mut process = Command::new(PROGRAM);
        process.arg(command).env_clear().env("LANGSMITH_ENDPOINT", format!("http://{}", self.address));
        process
    }

    /// Returns the CPU time that it has taken so far.
    pub(crate) fn cpu(&self) -> Duration {
        running_time(self.process())
    }

    /// Returns what it counts, in the text format of Prometheus.
    pub(crate) fn metrics(&self) -> Result<String, String> {
        let metrics = request(&self.address, "GET", "/metrics", "")?;
        Ok(String::from_utf8_lossy(&metrics).into_owned())
    }

    /// Returns how many calls of the API it has answered so far.
    pub(crate) fn calls(&self) -> Result<usize, String> {
        let metrics = self.metrics()?;
        let counts =
            metrics.lines().filter(|line| line.starts_with("sbx_requests_total{") && !line.contains("\"other\""));
        Ok(counts.filter_map(|line| line.rsplit(' ').next()?.parse::<usize>().ok()).sum())
    }

    /// Makes every request take that much longer; zero takes it back.
    pub(crate) fn delay(&self, delay: Duration) -> Result<(), String> {
        request(&self.address, "DELETE", "/_sbx/faults", "")?;
        if delay.is_zero() {
            return Ok(());
        }
        let rule = format!("{{\"operation\": \"*\", \"count\": null, \"delay_ms\": {}}}", delay.as_millis());
        request(&self.address, "POST", "/_sbx/faults", &rule).map(drop)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Asked first: only then it clears away what belongs to its sandboxes.
        if let Some(process) = i32::try_from(self.process.id()).ok().and_then(Pid::from_raw) {
            let _ = rustix::process::kill_process(process, Signal::INT);
        }
        let until = Instant::now() + STOPPING;
        while Instant::now() < until && self.process.try_wait().is_ok_and(|status| status.is_none()) {
            std::thread::sleep(Duration::from_millis(5));
        }
        // Nothing can be done about a process that is gone already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Sends one request and returns the body of the answer, which has to be a success.
///
/// A dozen lines of HTTP, so that what is measured shares no code with what measures it.
pub(crate) fn request(address: &str, method: &str, path: &str, body: &str) -> Result<Vec<u8>, String> {
    let answer = exchange(address, method, path, body).map_err(|error| format!("{method} {path}: {error}"))?;
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n").ok_or("an answer without a head")?;
    let head = String::from_utf8_lossy(&answer[..end]);
    let status = head.split(' ').nth(1).unwrap_or_default();
    if !status.starts_with('2') || head.to_ascii_lowercase().contains("transfer-encoding: chunked") {
        return Err(format!("{method} {path}: unexpected answer: {}", head.lines().next().unwrap_or_default()));
    }
    Ok(answer[end + 4..].to_vec())
}

fn exchange(address: &str, method: &str, path: &str, body: &str) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address)?;
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    )?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(answer)
}
