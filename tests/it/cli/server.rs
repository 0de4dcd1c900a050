//! `sbx serve` as a process of its own, for tests that need one.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use super::environment::{Environment, Run};

/// A server that runs until this is dropped.
pub(crate) struct Server {
    process: Child,
    address: String,
    /// The API key that it requires, if it does.
    key: Option<String>,
}

impl Server {
    /// Starts a server on a free port in the environment's project, with these further arguments.
    pub(crate) fn start(environment: &Environment, arguments: &[&str]) -> Self {
        Self::launch(environment, &[&["--quiet"], arguments].concat(), Stdio::null())
    }

    /// Starts one likewise, with its log in this file of the working folder.
    pub(crate) fn start_logging(environment: &Environment, arguments: &[&str], log: &str) -> Self {
        let log = File::create(environment.work().join(log)).expect("the folder is ours");
        Self::launch(environment, arguments, log.into())
    }

    fn launch(environment: &Environment, arguments: &[&str], log: Stdio) -> Self {
        let mut command = environment.command();
        command.args(["serve", "--runtime", "none", "--listen", "127.0.0.1:0"]).args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
        let mut process = command.spawn().expect("the program can be started");
        let mut line = String::new();
        let output = process.stdout.take().expect("it is piped");
        BufReader::new(output).read_line(&mut line).expect("it prints a line");
        let address = line.trim().strip_prefix("Serving http://").unwrap_or_else(|| panic!("{line:?}")).to_owned();
        Self { process, address, key: None }
    }

    /// Sends this API key with the requests of the test itself.
    pub(crate) fn with_key(mut self, key: &str) -> Self {
        self.key = Some(key.to_owned());
        self
    }

    /// Returns its URL.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Makes every request to an operation of this name (`*` for all) take that much longer.
    pub(crate) fn delay(&self, operation: &str, ms: u32) {
        self.fault(&format!("{{\"operation\": \"{operation}\", \"count\": null, \"delay_ms\": {ms}}}"));
    }

    /// Adds a rule that makes requests fail.
    pub(crate) fn fault(&self, rule: &str) {
        let answer = self.request("POST", "/_sbx/faults", rule);
        assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    }

    /// Takes back all rules that make requests fail.
    pub(crate) fn no_faults(&self) {
        let answer = self.request("DELETE", "/_sbx/faults", "");
        assert!(answer.starts_with("HTTP/1.1 2"), "{answer}");
    }

    /// Sends a request and returns the whole answer.
    pub(crate) fn request(&self, method: &str, path: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).expect("the server listens");
        let key = self.key.as_ref().map(|key| format!("X-Api-Key: {key}\r\n")).unwrap_or_default();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Type: application/json\r\n\
             {key}Content-Length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        );
        stream.write_all(head.as_bytes()).expect("the server reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("the server answers in UTF-8");
        answer
    }

    /// Sends it a signal, such as `TERM`, and waits for its end. Returns its exit code, if it had one.
    pub(crate) fn end(mut self, name: &str) -> Option<i32> {
        signal(&self.process, name);
        self.process.wait().expect("it can be waited for").code()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may be gone already, by the test's own will.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A project whose `w.yaml` has been applied to a server of its own.
pub(crate) struct Served {
    pub(crate) environment: Environment,
    pub(crate) server: Server,
}

impl Served {
    pub(crate) fn applied(manifests: &str) -> Self {
        let environment = Environment::new();
        environment.write("w.yaml", manifests);
        let server = Server::start(&environment, &[]);
        let served = Self { environment, server };
        let run = served.sbx(&["apply", "--yes"]);
        assert_eq!(run.code, Some(0), "{run}");
        served
    }

    /// Runs a command on the project's manifests and server.
    pub(crate) fn sbx(&self, arguments: &[&str]) -> Run {
        let place = ["-f", "w.yaml", "--endpoint", &self.server.url()];
        self.environment.sbx(&[arguments, &place].concat())
    }

    /// Rewrites a text of the manifests.
    pub(crate) fn edit(&self, from: &str, to: &str) {
        self.environment.write("w.yaml", &self.environment.read("w.yaml").replace(from, to));
    }

    /// Sends a request below the API's prefix, as somebody else would, which must succeed.
    pub(crate) fn call(&self, method: &str, path: &str, body: &str) {
        let answer = self.server.request(method, &format!("/v2/sandboxes/{path}"), body);
        assert!(answer.starts_with("HTTP/1.1 20"), "{answer}");
    }
}

/// Sends a process a signal.
pub(crate) fn signal(process: &Child, name: &str) {
    let status = Command::new("kill").args([&format!("-{name}"), &process.id().to_string()]).status();
    assert!(status.expect("there is a `kill`").success());
}
