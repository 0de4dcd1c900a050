//! A server whose sandboxes are this machine: commands run here, as children of the test.

use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::stream::SplitSink;
use futures_util::{SinkExt as _, StreamExt as _};
use sbx::wire::{CommandEvent, CommandRequest, ExecuteStream};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

/// The server, until this is dropped. There is every sandbox but `gone`.
pub(super) struct Stage {
    url: String,
    calls: Arc<Mutex<Vec<String>>>,
    _runtime: Runtime,
}

impl Stage {
    pub(super) fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("it is bound"));
        let calls = Arc::new(Mutex::default());
        let (noted, base) = (Arc::clone(&calls), url.clone());
        let _accepting = runtime.handle().spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream, base.clone(), Arc::clone(&noted)));
            }
        });
        Self { url, calls, _runtime: runtime }
    }

    pub(super) fn url(&self) -> String {
        self.url.clone()
    }

    /// Returns the calls so far.
    pub(super) fn calls(&self) -> Vec<String> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn serve(mut stream: TcpStream, base: String, calls: Arc<Mutex<Vec<String>>>) {
    let mut buffer = vec![0; 16 * 1024];
    // Looked at first, and taken by whoever speaks the protocol.
    let text = loop {
        let n = stream.peek(&mut buffer).await.expect("the client writes");
        let text = String::from_utf8_lossy(&buffer[..n]).into_owned();
        if is_whole(&text) {
            break text;
        }
        tokio::task::yield_now().await;
    };
    let line: Vec<_> = text.lines().next().unwrap_or_default().split(' ').collect();
    let (method, path) = (line[0], line[1]);
    let body: Value =
        text.split_once("\r\n\r\n").and_then(|(_, body)| serde_json::from_str(body).ok()).unwrap_or_default();
    let named = body["name"].as_str();
    let call = named.map_or_else(|| format!("{method} {path}"), |name| format!("{method} {path} {name}"));
    calls.lock().unwrap_or_else(PoisonError::into_inner).push(call);
    if path.ends_with("/execute/ws") {
        return perform(tokio_tungstenite::accept_async(stream).await.expect("a handshake")).await;
    }
    let name = named.or_else(|| path.rsplit('/').next()).unwrap_or_default();
    let (status, answer) = match method {
        _ if name == "gone" => ("404 Not Found", json!({"detail": "not here"})),
        "DELETE" => ("204 No Content", Value::Null),
        _ => ("200 OK", json!({"name": name, "status": "ready", "dataplane_url": format!("{base}/dp/{name}")})),
    };
    let _ = stream.read(&mut buffer).await;
    let answer = if answer.is_null() { String::new() } else { answer.to_string() };
    let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", answer.len());
    stream.write_all(format!("{head}{answer}").as_bytes()).await.expect("the client reads");
}

/// Returns whether a request has all of its body.
fn is_whole(text: &str) -> bool {
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    length.is_none_or(|length| length.parse() == Ok(body.len()))
}

type Sink = SplitSink<WebSocketStream<TcpStream>, Message>;

/// Runs the command that the first message asks for.
async fn perform(socket: WebSocketStream<TcpStream>) {
    let (mut sink, mut requests) = socket.split();
    let Some(CommandRequest::Execute(spec)) = next(&mut requests).await else { panic!("a command comes first") };
    let mut child = spawn(&spec);
    let (mut input, mut output) = (child.stdin.take(), child.stdout.take().expect("it is piped"));
    let mut errors = child.stderr.take().expect("it is piped");
    send(&mut sink, &CommandEvent::Started { command_id: "c".to_owned(), pid: None }).await;
    let steering = async {
        while let Some(request) = next(&mut requests).await {
            match (request, &mut input) {
                (CommandRequest::Input { data }, Some(pipe)) => {
                    // A command need not read.
                    let _ = pipe.write_all(data.as_bytes()).await;
                }
                (CommandRequest::CloseInput, input) => *input = None,
                (CommandRequest::Kill, _) => break,
                _ => {}
            }
        }
    };
    let showing = async {
        let (mut offset, mut pending, mut buffer) = (0, Vec::new(), vec![0; 8 * 1024]);
        loop {
            let n = output.read(&mut buffer).await.expect("a pipe can be read");
            pending.extend_from_slice(&buffer[..n]);
            let whole = std::str::from_utf8(&pending).map_or_else(|error| error.valid_up_to(), str::len);
            let rest = pending.split_off(whole);
            let data = String::from_utf8(std::mem::replace(&mut pending, rest)).expect("it was looked at");
            if n == 0 {
                break;
            }
            let event = CommandEvent::Stdout { offset, data };
            offset += whole as u64;
            send(&mut sink, &event).await;
        }
        let mut data = String::new();
        errors.read_to_string(&mut data).await.expect("it is text");
        if !data.is_empty() {
            send(&mut sink, &CommandEvent::Stderr { offset: 0, data }).await;
        }
        let status = child.wait().await.expect("it can be waited for");
        send(&mut sink, &CommandEvent::Exit { exit_code: status.code().unwrap_or(137) }).await;
    };
    tokio::select! {
        () = steering => {}
        () = showing => {
            // What the client has sent is read to its end: unread, it would make the end of the connection a reset, and
            // that may overtake the exit code.
            let _ = sink.close().await;
            while let Some(Ok(_)) = requests.next().await {}
        }
    }
}

fn spawn(spec: &ExecuteStream) -> Child {
    let mut command = Command::new(&spec.shell);
    command.arg("-c").arg(&spec.command).envs(&spec.env).kill_on_drop(true);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().expect("there is a shell")
}

async fn next(
    requests: &mut (impl futures_util::Stream<Item = Result<Message, tokio_tungstenite::tungstenite::Error>> + Unpin),
) -> Option<CommandRequest> {
    loop {
        if let Message::Text(text) = requests.next().await?.ok()? {
            return Some(serde_json::from_str(&text).expect("a message of the API"));
        }
    }
}

async fn send(sink: &mut Sink, event: &CommandEvent) {
    let text = serde_json::to_string(event).expect("it is JSON");
    // The client may be gone.
    let _ = sink.send(Message::text(text)).await;
}
