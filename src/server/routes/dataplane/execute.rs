//! `POST /execute`: a command, and its whole output as the answer (contract section 4.2).

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use http::StatusCode;

use super::{Target, refuse_command};
use crate::server::app::App;
use crate::server::app::sessions::{Attachment, End, Event, NewCommand, Stream};
use crate::server::error::Failure;
use crate::server::routes::Body;
use crate::server::routes::decode::{Decode, Fields};
use crate::server::runtime::ExecSpec;
use crate::wire::{self, Execute, Executed};

/// How much output an answer may hold, in bytes. Whoever wants more streams it.
const MAX_OUTPUT: usize = 32 << 20;

pub(crate) async fn execute(
    State(app): State<App>,
    Target(id): Target,
    Body(body): Body<Execute>,
) -> Result<Json<Executed>, Failure> {
    let new = NewCommand {
        exec: exec_spec(body.shell, body.command, body.env.unwrap_or_default(), body.cwd, false),
        id: None,
        timeout: (body.timeout > 0).then(|| Duration::from_secs(body.timeout)),
        idle_timeout: None,
        // There is nothing to reconnect with: the command ends with the request that waits for it.
        kill_on_disconnect: true,
        keep_for: Some(Duration::ZERO),
    };
    let command = app.run_command(&id, new).await.map_err(refuse_command)?;
    tokio::select! {
        answer = collect(command, body.timeout) => answer.map(Json),
        // Neither 502, 503 nor 504: the official client would run the command again (contract G42).
        () = app.closing().cancelled() => Err(Failure::Refused(
            StatusCode::INTERNAL_SERVER_ERROR,
            "CommandError",
            "The server stopped while the command ran.".to_owned(),
        )),
    }
}

/// Makes what the runtime is asked for from what a client asks for.
pub(super) fn exec_spec(
    shell: String,
    command: String,
    env: BTreeMap<String, String>,
    cwd: Option<String>,
    pty: bool,
) -> ExecSpec {
    let cwd = cwd.filter(|cwd| !cwd.is_empty());
    ExecSpec { argv: vec![shell, "-c".to_owned(), command], env, cwd, pty, user: None }
}

/// Puts what one command says of how it is run below its environment and its working directory, which say it again.
pub(super) fn apply_run_config(spec: &mut ExecSpec, config: wire::RunConfig) {
    let own = std::mem::replace(&mut spec.env, config.env_vars.0);
    spec.env.extend(own);
    spec.cwd = spec.cwd.take().or(config.work_dir);
    spec.user = config.user;
}

async fn collect(mut command: Attachment, timeout: u64) -> Result<Executed, Failure> {
    let mut executed = Executed { stdout: String::new(), stderr: String::new(), exit_code: 0 };
    while let Some(event) = command.next().await {
        match event {
            Event::Output(piece) => {
                let text = match piece.stream {
                    Stream::Stdout => &mut executed.stdout,
                    Stream::Stderr => &mut executed.stderr,
                };
                text.push_str(&piece.data);
                if executed.stdout.len() + executed.stderr.len() > MAX_OUTPUT {
                    let message = format!(
                        "The command wrote more than {} MiB, which is more than one answer holds; stream it instead.",
                        MAX_OUTPUT >> 20
                    );
                    return Err(Failure::Refused(StatusCode::BAD_REQUEST, "CommandError", message));
                }
            }
            Event::Ended(End::Exited(code)) => executed.exit_code = code,
            Event::Ended(End::TimedOut) => {
                let message = format!("Command timed out after {timeout} seconds");
                return Err(Failure::Refused(StatusCode::REQUEST_TIMEOUT, "CommandTimeout", message));
            }
            Event::Ended(End::Lost) => {
                let message = "The sandbox ended while the command ran.".to_owned();
                return Err(Failure::Refused(StatusCode::BAD_REQUEST, "CommandError", message));
            }
        }
    }
    Ok(executed)
}

impl Decode for Execute {
    fn decode(fields: &mut Fields<'_>) -> Option<Self> {
        let command = fields.text("command").map(str::to_owned);
        let timeout = fields.optional_integer("timeout", 0..=i64::MAX).unwrap_or(60);
        let shell = fields.optional_text("shell").filter(|shell| !shell.is_empty()).unwrap_or("/bin/bash").to_owned();
        let env = fields.optional_texts_by_name("env");
        let cwd = fields.optional_text("cwd").map(str::to_owned);
        Some(Self { command: command?, timeout: timeout.unsigned_abs(), shell, env, cwd })
    }
}
