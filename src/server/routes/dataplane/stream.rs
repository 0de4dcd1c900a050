//! `GET /execute/ws`: a command, watched and told through a WebSocket (contract section 4.4).
//!
//! One command per connection. The command does not belong to the connection: it goes on when the connection is lost,
//! and another one takes up where this one ended.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::ws::{Message, WebSocket};
use axum::response::Response;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};

use super::execute::{apply_run_config, exec_spec};
use super::websocket::{self, NORMAL, RESTART, Upgrade};
use super::{Target, error_type, with_causes};
use crate::server::app::App;
use crate::server::app::sessions::{Attachment, CommandError, Controls, End, Event, NewCommand, Piece, Stream};
use crate::server::layers::faults::Cut;
use crate::server::runtime::Control;
use crate::types::SandboxId;
use crate::wire::{CommandEvent, CommandRequest, ExecuteStream};

/// How long a client may take to say what it wants.
const FIRST_MESSAGE: Duration = Duration::from_secs(30);

/// How often to ask whether the client is still there.
const PING: Duration = Duration::from_secs(30);

/// A client that says nothing for this long, not even that it is there, is gone.
const SILENCE: Duration = Duration::from_secs(90);

/// How long to look for a last order of a client that cannot be written to any more: it may have sent `kill` and gone.
const LAST_ORDERS: Duration = Duration::from_secs(5);

/// How large a message of a client may be, in bytes.
const MAX_MESSAGE: usize = 4 << 20;

/// How many messages of input may wait for a command that does not read them, before the connection is held up.
const WAITING_INPUT: usize = 16;

pub(crate) async fn execute_ws(State(app): State<App>, Target(id): Target, upgrade: Upgrade) -> Response {
    let cut = upgrade.cut;
    upgrade.accept(MAX_MESSAGE).on_upgrade(move |socket| {
        let conversation = converse(app.clone(), id, socket, cut);
        app.conversation(conversation)
    })
}

/// How a conversation ends.
enum Ending {
    /// With this close code.
    Close(u16),
    /// The client is gone, or is to think so.
    Drop,
}

async fn converse(app: App, id: SandboxId, socket: WebSocket, cut: Option<Cut>) {
    let (mut sink, mut stream) = socket.split();
    let ending = tokio::select! {
        ending = talk(&app, &id, &mut sink, &mut stream, cut) => ending,
        // Processes end with the server: the client learns from the next one that its command is not known.
        () = app.closing().cancelled() => Ending::Close(RESTART),
    };
    if let Ending::Close(code) = ending {
        websocket::close(sink, stream, code).await;
    }
}

async fn talk(
    app: &App,
    id: &SandboxId,
    sink: &mut SplitSink<WebSocket, Message>,
    stream: &mut SplitStream<WebSocket>,
    cut: Option<Cut>,
) -> Ending {
    let Ok(Some(text)) = timeout(FIRST_MESSAGE, next_text(stream)).await else { return Ending::Close(NORMAL) };
    let attached = match serde_json::from_str(&text) {
        Ok(CommandRequest::Execute(execute)) => start(app, id, execute).await,
        Ok(CommandRequest::Reconnect { command_id, stdout_offset, stderr_offset }) => {
            app.attach(id, &command_id, stdout_offset, stderr_offset).await.map(with_started)
        }
        Ok(_) => return refuse(sink, "InvalidMessage", "the first message is `execute` or `reconnect`").await,
        Err(error) => return refuse(sink, "InvalidMessage", &error.to_string()).await,
    };
    let (attachment, started) = match attached {
        Ok(attached) => attached,
        Err(error) => return refuse(sink, error_type(&error), &with_causes(&error)).await,
    };
    let controls = attachment.controls();
    let listening = listen(app, id, stream, &controls);
    let mut writer = Writer { sink, n_sent: 0, cut };
    tokio::pin!(listening);
    let told = tokio::select! {
        told = writer.tell(attachment, started) => told,
        () = &mut listening => return Ending::Drop,
    };
    if told.is_err() {
        let _ = timeout(LAST_ORDERS, listening).await;
    }
    told.unwrap_or(Ending::Drop)
}

/// Starts a command; the message that says so comes first of all.
async fn start(app: &App, id: &SandboxId, execute: ExecuteStream) -> Result<(Attachment, CommandEvent), CommandError> {
    let seconds = |seconds: i64| u64::try_from(seconds).ok().map(Duration::from_secs);
    let mut exec = exec_spec(execute.shell, execute.command, execute.env, execute.cwd, execute.pty);
    if let Some(config) = execute.run_config {
        apply_run_config(&mut exec, *config);
    }
    let new = NewCommand {
        exec,
        id: execute.command_id.filter(|id| !id.is_empty()),
        timeout: (execute.timeout_seconds > 0).then(|| Duration::from_secs(execute.timeout_seconds)),
        idle_timeout: seconds(execute.idle_timeout_seconds),
        kill_on_disconnect: execute.kill_on_disconnect,
        keep_for: seconds(execute.ttl_seconds),
    };
    let attachment = app.run_command(id, new).await?;
    if execute.close_stdin {
        attachment.controls().tell(Control::CloseInput).await;
    }
    Ok(with_started(attachment))
}

/// Says first that the command runs: after `execute`, and as the second generation has it after `reconnect` too, which
/// clients of the first pass over (contract section 4.4).
fn with_started(attachment: Attachment) -> (Attachment, CommandEvent) {
    let command_id = attachment.id().to_owned();
    let started = CommandEvent::Started { command_id, pid: Some(attachment.pid().map_or(0, i64::from)) };
    (attachment, started)
}

/// Says why there is no command, which ends the conversation.
async fn refuse(sink: &mut SplitSink<WebSocket, Message>, error_type: &str, error: &str) -> Ending {
    let event = CommandEvent::Error { error_type: error_type.to_owned(), error: error.to_owned() };
    match sink.send(text(&event)).await {
        Ok(()) => Ending::Close(NORMAL),
        Err(_) => Ending::Drop,
    }
}

/// Tells a client what its command does.
struct Writer<'a> {
    sink: &'a mut SplitSink<WebSocket, Message>,
    /// How many bytes of output were sent.
    n_sent: usize,
    cut: Option<Cut>,
}

impl Writer<'_> {
    /// Tells everything to the end. Fails when the client is gone.
    async fn tell(&mut self, mut attachment: Attachment, started: CommandEvent) -> Result<Ending, axum::Error> {
        self.sink.send(text(&started)).await?;
        let mut pings = interval_at(Instant::now() + PING, PING);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            if let Some(cut) = self.cut.filter(|cut| self.n_sent >= cut.after_bytes) {
                return Ok(cut.close_code.map_or(Ending::Drop, Ending::Close));
            }
            tokio::select! {
                event = attachment.next() => match event {
                    Some(Event::Output(piece)) => self.output(piece).await?,
                    Some(Event::Ended(end)) => {
                        self.sink.send(text(&ended(end))).await?;
                        return Ok(Ending::Close(NORMAL));
                    }
                    None => return Ok(Ending::Close(NORMAL)),
                },
                _ = pings.tick() => self.sink.send(Message::Ping(Bytes::new())).await?,
            }
        }
    }

    async fn output(&mut self, piece: Piece) -> Result<(), axum::Error> {
        let Piece { stream, offset, data } = piece;
        self.n_sent += data.len();
        let event = match stream {
            Stream::Stdout => CommandEvent::Stdout { data, offset },
            Stream::Stderr => CommandEvent::Stderr { data, offset },
        };
        self.sink.send(text(&event)).await
    }
}

pub(super) fn ended(end: End) -> CommandEvent {
    let error = |error_type: &str, error: &str| CommandEvent::Error {
        error_type: error_type.to_owned(),
        error: error.to_owned(),
    };
    match end {
        End::Exited(exit_code) => CommandEvent::Exit { exit_code },
        End::TimedOut => error("CommandTimeout", "the command ran out of time and was killed"),
        End::Lost => error("CommandError", "the sandbox ended while the command ran"),
    }
}

fn text(event: &CommandEvent) -> Message {
    Message::text(serde_json::to_string(event).expect("a message is plain data"))
}

/// Takes a client's orders until it is gone.
async fn listen(app: &App, id: &SandboxId, stream: &mut SplitStream<WebSocket>, controls: &Controls) {
    let (queue, mut waiting) = mpsc::channel(WAITING_INPUT);
    let hear = async {
        while let Some(text) = next_text(stream).await {
            app.note_use(id);
            // What this version does not know is passed over (contract section 4.4).
            let order = match serde_json::from_str(&text) {
                Ok(CommandRequest::Input { data }) => Control::Input(data.into()),
                Ok(CommandRequest::CloseInput) => Control::CloseInput,
                Ok(CommandRequest::Resize { rows, columns }) => Control::Resize { rows, columns },
                Ok(CommandRequest::Kill) => {
                    controls.kill();
                    continue;
                }
                Ok(CommandRequest::Execute(_) | CommandRequest::Reconnect { .. }) | Err(_) => continue,
            };
            if queue.send(order).await.is_err() {
                return;
            }
        }
    };
    // Apart from hearing, so that a kill overtakes input that the command does not read.
    let pass_on = async {
        while let Some(order) = waiting.recv().await {
            controls.tell(order).await;
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = hear => {}
        () = pass_on => {}
    }
}

/// Waits for the next message; `None` when the client is gone, or is as good as gone.
async fn next_text(stream: &mut SplitStream<WebSocket>) -> Option<String> {
    loop {
        match timeout(SILENCE, stream.next()).await.ok()?? {
            Ok(Message::Text(text)) => return Some(text.to_string()),
            Ok(Message::Close(_)) | Err(_) => return None,
            // Answers to pings are sent by the library.
            Ok(Message::Binary(_) | Message::Ping(_) | Message::Pong(_)) => {}
        }
    }
}
