//! The commands of the fake runtime.

use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::server::runtime::{Control, ExecSpec, Frame, Session};

const KILLED: i32 = 137;

/// Starts a command on one of the tracker's tasks.
pub(super) fn run(spec: &ExecSpec, tasks: &TaskTracker) -> Session {
    let (frames, output) = mpsc::channel(16);
    let (control, orders) = mpsc::channel(16);
    let script = spec.argv.last().cloned().unwrap_or_default();
    let spec = spec.clone();
    let kill = CancellationToken::new();
    let killed = kill.clone();
    tasks.spawn(async move {
        let life = Command { spec, frames: frames.clone(), orders }.follow(&script);
        let code = killed.run_until_cancelled(life).await.unwrap_or(KILLED);
        // Nobody is left to be told when the session was dropped.
        let _ = frames.send(Frame::Exit(code)).await;
    });
    Session { pid: 2, output, control, kill }
}

struct Command {
    spec: ExecSpec,
    frames: mpsc::Sender<Frame>,
    orders: mpsc::Receiver<Control>,
}

/// The command is over, with this code.
struct Ended(i32);

impl Command {
    async fn follow(mut self, script: &str) -> i32 {
        for step in script.lines() {
            if let Err(Ended(code)) = self.step(step).await {
                return code;
            }
        }
        0
    }

    async fn step(&mut self, step: &str) -> Result<(), Ended> {
        let (word, rest) = step.split_once(' ').unwrap_or((step, ""));
        match word {
            "out" => self.write(Frame::Stdout(Bytes::copy_from_slice(rest.as_bytes()))).await,
            "err" => self.write(Frame::Stderr(Bytes::copy_from_slice(rest.as_bytes()))).await,
            "flood" => self.flood(rest.parse().unwrap_or(0)).await,
            "sleep" => {
                tokio::time::sleep(Duration::from_millis(rest.parse().unwrap_or(0))).await;
                Ok(())
            }
            "cat" => self.cat().await,
            "size" => self.size().await,
            "env" => self.say(self.spec.env.get(rest).cloned()).await,
            "cwd" => self.say(self.spec.cwd.clone()).await,
            "user" => self.say(self.spec.user.clone()).await,
            "exit" => Err(Ended(rest.parse().unwrap_or(0))),
            _ => Err(Ended(127)),
        }
    }

    async fn write(&mut self, frame: Frame) -> Result<(), Ended> {
        self.frames.send(frame).await.map_err(|_| Ended(KILLED))
    }

    /// Writes something that may not be there.
    async fn say(&mut self, text: Option<String>) -> Result<(), Ended> {
        self.write(Frame::Stdout(text.unwrap_or_default().into())).await
    }

    async fn flood(&mut self, n_kib: usize) -> Result<(), Ended> {
        for _ in 0..n_kib {
            self.write(Frame::Stdout(Bytes::from_static(&[b'x'; 1 << 10]))).await?;
        }
        Ok(())
    }

    async fn cat(&mut self) -> Result<(), Ended> {
        loop {
            match self.orders.recv().await {
                Some(Control::Input(bytes)) => self.write(Frame::Stdout(bytes)).await?,
                Some(Control::CloseInput) => return Ok(()),
                Some(Control::Resize { .. }) => {}
                None => return Err(Ended(KILLED)),
            }
        }
    }

    /// Waits to be told the size of its terminal, and writes it.
    async fn size(&mut self) -> Result<(), Ended> {
        loop {
            match self.orders.recv().await {
                Some(Control::Resize { rows, columns }) => {
                    return self.write(Frame::Stdout(format!("{rows}x{columns}").into())).await;
                }
                Some(Control::Input(_) | Control::CloseInput) => {}
                None => return Err(Ended(KILLED)),
            }
        }
    }
}
