//! `POST /execute/stream/start` and `/resume`: a command, watched through server-sent events (contract section 6 of the
//! second generation).
//!
//! The way is one: what the client has not taken yet holds the command up, as on a WebSocket, so that nobody is ever
//! asked to acknowledge anything.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use futures_util::stream::{self, Stream};
use http::StatusCode;
use serde_json::{Value, json};

use super::execute::{apply_run_config, exec_spec};
use super::{Target, error_type, refuse_command};
use crate::server::app::App;
use crate::server::app::sessions::{Attachment, CommandError, Event as Happened, NewCommand, Piece, Stream as Which};
use crate::server::error::Failure;
use crate::server::routes::decode::{Decode, Fields};
use crate::server::routes::{Body, configs};
use crate::server::runtime::Control;
use crate::wire;

/// How often a client is told that the server is still there.
const HEARTBEAT: Duration = Duration::from_secs(15);

pub(crate) async fn start(
    State(app): State<App>,
    Target(id): Target,
    Body(Start(new)): Body<Start>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Failure> {
    let attachment = app.run_command(&id, new).await.map_err(refuse_command)?;
    // Nobody could ever write to it.
    attachment.controls().tell(Control::CloseInput).await;
    Ok(events(app, attachment, [0, 0]))
}

pub(crate) async fn resume(
    State(app): State<App>,
    Target(id): Target,
    Body(wanted): Body<Resume>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Failure> {
    let Resume { command_id, offsets } = wanted;
    let attachment = app.attach(&id, &command_id, offsets[0], offsets[1]).await.map_err(|error| match error {
        CommandError::NotFound { .. } | CommandError::Expired { .. } => {
            Failure::Refused(StatusCode::NOT_FOUND, error_type(&error), error.to_string())
        }
        other => refuse_command(other),
    })?;
    Ok(events(app, attachment, offsets))
}

/// A command to run.
pub(crate) struct Start(NewCommand);

impl Decode for Start {
    fn decode(fields: &mut Fields<'_>) -> Option<Self> {
        let command = fields.text("command").map(str::to_owned);
        let id = fields.optional_text("command_id").filter(|id| !id.is_empty()).map(str::to_owned);
        let shell = fields.optional_text("shell").filter(|shell| !shell.is_empty()).unwrap_or("/bin/bash").to_owned();
        let timeout = fields.optional_integer("timeout_seconds", 0..=i64::MAX).unwrap_or(60).unsigned_abs();
        let idle_timeout = fields.optional_integer("idle_timeout_seconds", -1..=i64::MAX).unwrap_or(300);
        let ttl = fields.optional_integer("ttl_seconds", -1..=i64::MAX).unwrap_or(600);
        let env = fields.optional_texts_by_name("env").unwrap_or_default();
        let cwd = fields.optional_text("cwd").map(str::to_owned);
        let run_config = configs::run_config(fields);
        let mut exec = exec_spec(shell, command?, env, cwd, false);
        if let Some(config) = run_config {
            apply_run_config(&mut exec, configs::render_run_config(config));
        }
        let seconds = |seconds: i64| u64::try_from(seconds).ok().map(Duration::from_secs);
        Some(Self(NewCommand {
            exec,
            id,
            timeout: (timeout > 0).then(|| Duration::from_secs(timeout)),
            idle_timeout: seconds(idle_timeout),
            kill_on_disconnect: false,
            keep_for: seconds(ttl),
        }))
    }
}

/// A command to go on with.
pub(crate) struct Resume {
    command_id: String,
    offsets: [u64; 2],
}

impl Decode for Resume {
    fn decode(fields: &mut Fields<'_>) -> Option<Self> {
        let command_id = fields.text("command_id").map(str::to_owned);
        let mut offset = |field| fields.optional_integer(field, 0..=i64::MAX).unwrap_or(0).unsigned_abs();
        let offsets = [offset("stdout_offset"), offset("stderr_offset")];
        Some(Self { command_id: command_id?, offsets })
    }
}

/// What is still to be told, and from where more of it comes.
struct Telling {
    app: App,
    attachment: Attachment,
    /// How far each stream has been told.
    offsets: [u64; 2],
    waiting: VecDeque<(&'static str, Value)>,
    is_over: bool,
}

fn events(app: App, attachment: Attachment, offsets: [u64; 2]) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let started = json!({"command_id": attachment.id(), "pid": attachment.pid()});
    let waiting = VecDeque::from([("started", started)]);
    let telling = Telling { app, attachment, offsets, waiting, is_over: false };
    let events = stream::unfold(telling, async |mut telling| {
        let (name, data) = telling.next().await?;
        Some((Ok(Event::default().event(name).data(data.to_string())), telling))
    });
    Sse::new(events).keep_alive(KeepAlive::new().interval(HEARTBEAT))
}

impl Telling {
    async fn next(&mut self) -> Option<(&'static str, Value)> {
        if let Some(event) = self.waiting.pop_front() {
            return Some(event);
        }
        if self.is_over {
            return None;
        }
        let happened = tokio::select! {
            happened = self.attachment.next() => happened?,
            () = self.app.closing().cancelled() => {
                self.is_over = true;
                return Some(("error", json!({"error_type": "ServerShuttingDown", "error": "the server stops"})));
            }
        };
        match happened {
            Happened::Output(Piece { stream, offset, data }) => {
                let (place, name) = match stream {
                    Which::Stdout => (&mut self.offsets[0], "stdout"),
                    Which::Stderr => (&mut self.offsets[1], "stderr"),
                };
                *place = offset + data.len() as u64;
                Some((name, json!({"data": BASE64.encode(data), "offset": offset})))
            }
            Happened::Ended(end) => {
                self.is_over = true;
                for (stream, offset) in ["stdout", "stderr"].into_iter().zip(self.offsets) {
                    self.waiting.push_back(("stream_end", json!({"stream": stream, "offset": offset})));
                }
                self.waiting.push_back(match super::stream::ended(end) {
                    wire::CommandEvent::Exit { exit_code } => ("exit", json!({"exit_code": exit_code})),
                    other => ("error", json!(other)),
                });
                self.waiting.pop_front()
            }
        }
    }
}
