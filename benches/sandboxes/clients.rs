//! Our client and the official one, at the same work against the same server.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use bytes::Bytes;
use sbx::client::{Sandbox, Tunnel};

use crate::material::{BIG, HTTP_PORT, SINK_PORT};
use crate::ours::{self, Ours, with_causes};
use crate::python::python_with;

const REQUIREMENT: &str = "langsmith[sandbox]==0.7.30";

/// Where files are written.
const TARGET: &str = "/tmp/upload";

/// Something that moves many bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flow {
    Output,
    Upload,
    UploadStreamed,
    Download,
    DownloadStreamed,
    TunnelOut,
    TunnelIn,
}

impl Flow {
    pub(crate) const ALL: [Self; 7] = [
        Self::Output,
        Self::Upload,
        Self::UploadStreamed,
        Self::Download,
        Self::DownloadStreamed,
        Self::TunnelOut,
        Self::TunnelIn,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Output => "output of a command, as it comes",
            Self::Upload => "upload from memory",
            Self::UploadStreamed => "upload from a reader",
            Self::Download => "download into memory",
            Self::DownloadStreamed => "download into a writer",
            Self::TunnelOut => "through a tunnel, out of the sandbox",
            Self::TunnelIn => "through a tunnel, into the sandbox",
        }
    }

    /// Returns whether both clients have it.
    pub(crate) fn is_compared(self) -> bool {
        !matches!(self, Self::UploadStreamed | Self::DownloadStreamed)
    }
}

/// Ours.
pub(crate) struct RustClient<'a> {
    ours: &'a Ours,
    content: Bytes,
    http: Tunnel,
    sink: Tunnel,
}

impl<'a> RustClient<'a> {
    pub(crate) fn new(ours: &'a Ours, mib: usize) -> Result<Self, String> {
        let (http, sink) = (ours.tunnel(HTTP_PORT)?, ours.tunnel(SINK_PORT)?);
        Ok(Self { ours, content: content(mib), http, sink })
    }

    /// Moves the bytes once; returns how long it took.
    pub(crate) fn once(&mut self, flow: Flow) -> Result<Duration, String> {
        let size = self.content.len();
        match flow {
            Flow::TunnelOut => return take(self.http.local_addr(), size).map_err(|error| with_causes(&error)),
            Flow::TunnelIn => return give(self.sink.local_addr(), &self.content).map_err(|error| with_causes(&error)),
            _ => {}
        }
        let work = work(flow, self.ours.sandbox().clone(), self.content.clone());
        let start = Instant::now();
        let moved = self.ours.wait(work)?;
        let taken = start.elapsed();
        if moved == size { Ok(taken) } else { Err(format!("{}: {moved} bytes of {size}", flow.name())) }
    }
}

/// Moves the bytes once, and returns how many there were.
async fn work(flow: Flow, sandbox: Sandbox, content: Bytes) -> Result<usize, sbx::client::Error> {
    let size = content.len();
    match flow {
        Flow::Upload => sandbox.write(TARGET, content).await.map(|()| size),
        Flow::UploadStreamed => sandbox.write_from(TARGET, std::io::Cursor::new(content)).await.map(|()| size),
        Flow::Download => sandbox.read(BIG).await.map(|content| content.len()),
        Flow::DownloadStreamed => {
            let n = sandbox.read_to(BIG, &mut tokio::io::sink()).await?;
            Ok(usize::try_from(n).unwrap_or(usize::MAX))
        }
        Flow::Output => {
            let mut handle = sandbox.start(&format!("cat {BIG}"), ours::options()).await?;
            let mut n = 0;
            while let Some(chunk) = handle.next().await? {
                n += chunk.data.len();
            }
            Ok(n)
        }
        Flow::TunnelOut | Flow::TunnelIn => Ok(0),
    }
}

/// The official one, in a process of its own that does what it is told.
pub(crate) struct PythonClient {
    process: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
    content: Bytes,
    http: SocketAddr,
    sink: SocketAddr,
}

impl PythonClient {
    pub(crate) fn start(ours: &Ours, mib: usize) -> Result<Self, String> {
        let python = python_with("peer", REQUIREMENT)?;
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/sandboxes/peer.py");
        let mut command = Command::new(python);
        // It warns of being young whenever it starts.
        command
            .args(["-B", "-W", "ignore"])
            .arg(script)
            .arg(format!("http://{}/v2/sandboxes", ours.address()))
            .arg(&ours.sandbox().name);
        command.args([HTTP_PORT.to_string(), SINK_PORT.to_string(), BIG.to_owned(), TARGET.to_owned()]);
        command.arg((mib << 20).to_string());
        command.env_clear().stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().map_err(|error| format!("python: {error}"))?;
        let (orders, answers) = process.stdin.take().zip(process.stdout.take()).ok_or("python: no pipes")?;
        let local = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let answers = BufReader::new(answers);
        let mut client = Self { process, orders, answers, content: content(mib), http: local, sink: local };
        let (http, sink) = (client.answer()?, client.answer()?);
        client.http.set_port(http);
        client.sink.set_port(sink);
        Ok(client)
    }

    /// Moves the bytes once; returns how long it took, or `None` if the client has no such thing.
    pub(crate) fn once(&mut self, flow: Flow) -> Result<Option<Duration>, String> {
        let word = match flow {
            Flow::Output => "output",
            Flow::Upload => "upload",
            Flow::Download => "download",
            Flow::UploadStreamed | Flow::DownloadStreamed => return Ok(None),
            Flow::TunnelOut => {
                return take(self.http, self.content.len()).map(Some).map_err(|error| with_causes(&error));
            }
            Flow::TunnelIn => return give(self.sink, &self.content).map(Some).map_err(|error| with_causes(&error)),
        };
        writeln!(self.orders, "{word}").map_err(|error| format!("python: {error}"))?;
        self.answer::<f64>().map(|seconds| Some(Duration::from_secs_f64(seconds)))
    }

    fn answer<T: std::str::FromStr>(&mut self) -> Result<T, String> {
        let mut line = String::new();
        self.answers.read_line(&mut line).map_err(|error| format!("python: {error}"))?;
        line.trim().parse().map_err(|_| format!("python: it said `{}`", line.trim()))
    }
}

impl Drop for PythonClient {
    fn drop(&mut self) {
        // Nothing can be done about a process that is gone already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn content(mib: usize) -> Bytes {
    vec![b'x'; mib << 20].into()
}

/// Takes a file of `size` bytes from the HTTP service behind an address.
fn take(address: SocketAddr, size: usize) -> std::io::Result<Duration> {
    let start = Instant::now();
    let mut stream = TcpStream::connect(address)?;
    write!(stream, "GET {BIG} HTTP/1.0\r\n\r\n")?;
    let mut buffer = vec![0; 256 << 10];
    // What stands before the file is short, and does not count.
    let mut n = 0;
    while n < size {
        match stream.read(&mut buffer)? {
            0 => return Err(std::io::Error::other(format!("{n} bytes of {size}"))),
            read => n += read,
        }
    }
    Ok(start.elapsed())
}

/// Gives the sink behind an address all that it wants.
fn give(address: SocketAddr, content: &[u8]) -> std::io::Result<Duration> {
    let start = Instant::now();
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(content)?;
    stream.read_exact(&mut [0])?;
    Ok(start.elapsed())
}
