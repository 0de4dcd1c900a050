//! One command: its log, its end, and those who are attached to it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::NewCommand;
use super::log::{KEPT, Log, Piece, Position, Stream};
use super::text::Decoder;
use crate::server::clock::at;
use crate::server::runtime::{Control, Frame};

/// How far behind somebody may be who reads, in bytes, before the command is held up. What is kept reaches further
/// back, so that whoever reads misses nothing.
const AHEAD: u64 = (KEPT / 2) as u64;

/// How long a command is held up for those who read nothing at all. They may miss some of it.
const STALLED: Duration = Duration::from_secs(10);

/// A command that was started, or is about to be.
pub(super) struct Command {
    id: String,
    state: Mutex<State>,
    /// Tells those attached that there is something new to read.
    news: watch::Sender<()>,
    n_attached: watch::Sender<usize>,
    /// Tells that somebody has read, or has left.
    progress: Notify,
    abandoned: CancellationToken,
}

#[derive(Default)]
struct State {
    /// Its number inside the sandbox, once it was started.
    pid: Option<u32>,
    /// What it is told through, while it runs.
    process: Option<Process>,
    log: Log,
    end: Option<End>,
    /// How far those have read for whom the command is held up.
    readers: HashMap<u64, Position>,
    n_readers: u64,
}

#[derive(Clone)]
struct Process {
    control: mpsc::Sender<Control>,
    kill: CancellationToken,
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// By itself or by being killed, with this code.
    Exited(i32),
    /// By running out of time.
    TimedOut,
    /// With its sandbox or with the server, or before it started: nobody knows its code.
    Lost,
}

/// What somebody who is attached sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Event {
    /// It wrote.
    Output(Piece),
    /// It ended. The last event.
    Ended(End),
}

impl Command {
    pub(super) fn new(id: String) -> Self {
        Self {
            id,
            state: Mutex::default(),
            news: watch::Sender::new(()),
            n_attached: watch::Sender::new(0),
            progress: Notify::new(),
            abandoned: CancellationToken::new(),
        }
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// Records that the process runs.
    pub(super) fn started(&self, pid: u32, control: mpsc::Sender<Control>, kill: CancellationToken) {
        let mut state = self.state();
        state.pid = Some(pid);
        state.process = Some(Process { control, kill });
        drop(state);
        self.news.send_replace(());
    }

    /// Ends the command from outside: its sandbox is gone, or it never started.
    pub(super) fn abandon(&self) {
        self.abandoned.cancel();
        self.end(End::Lost);
    }

    /// Returns how the command ended, in one word.
    pub(super) fn end_word(&self) -> &'static str {
        match self.state().end {
            Some(End::Exited(_)) => "exited",
            Some(End::TimedOut) => "timed_out",
            Some(End::Lost) | None => "lost",
        }
    }

    /// Waits until the command is ended from outside. Cancel-safe.
    pub(super) async fn abandoned(&self) {
        self.abandoned.cancelled().await;
    }

    /// Attaches somebody, who sees what was written from the offsets on.
    pub(super) fn attach(self: &Arc<Self>, stdout_offset: u64, stderr_offset: u64) -> Attachment {
        self.n_attached.send_modify(|n| *n += 1);
        let position = Position::new(stdout_offset, stderr_offset);
        let mut state = self.state();
        state.n_readers += 1;
        let number = state.n_readers;
        state.readers.insert(number, position);
        drop(state);
        Attachment { news: self.news.subscribe(), command: Arc::clone(self), number, position, is_over: false }
    }

    /// Takes the output until the command ends, and kills it when one of its limits is reached; calls `on_output`
    /// whenever it writes.
    pub(super) async fn follow(&self, new: &NewCommand, mut output: mpsc::Receiver<Frame>, on_output: impl Fn()) {
        let Some(killed) = self.state().process.as_ref().map(|process| process.kill.clone()) else { return };
        let mut attached = self.n_attached.subscribe();
        let deadline = new.timeout.map(|timeout| Instant::now() + timeout);
        let mut is_timed_out = false;
        // Whoever started the command is attached already, or has left again.
        let mut is_news = true;
        let mut unwatched_since = None;
        let mut held_since = None;
        let mut streams = [Decoder::default(), Decoder::default()];
        loop {
            if std::mem::take(&mut is_news) {
                // Somebody came or went, or both since the last look: the clock of idleness begins anew.
                unwatched_since = (*attached.borrow_and_update() == 0).then(Instant::now);
                if new.kill_on_disconnect && unwatched_since.is_some() {
                    killed.cancel();
                }
            }
            let idle_end = unwatched_since.zip(new.idle_timeout).map(|(since, timeout)| since + timeout);
            if self.is_ahead() {
                held_since.get_or_insert_with(Instant::now);
            } else {
                held_since = None;
            }
            tokio::select! {
                () = self.progress.notified(), if held_since.is_some() => held_since = None,
                () = at(held_since.map(|since| since + STALLED)) => self.pass_over_stalled(),
                frame = output.recv(), if held_since.is_none() => match frame {
                    Some(Frame::Stdout(bytes)) => {
                        on_output();
                        self.write(Stream::Stdout, &mut streams, &bytes);
                    }
                    Some(Frame::Stderr(bytes)) => {
                        on_output();
                        self.write(Stream::Stderr, &mut streams, &bytes);
                    }
                    Some(Frame::Exit(code)) => {
                        self.finish(&mut streams, if is_timed_out { End::TimedOut } else { End::Exited(code) });
                        return;
                    }
                    None => return self.finish(&mut streams, End::Lost),
                },
                () = at(deadline), if !is_timed_out => {
                    is_timed_out = true;
                    killed.cancel();
                }
                () = at(idle_end), if !killed.is_cancelled() => killed.cancel(),
                changed = attached.changed() => {
                    changed.expect("this command holds the sender");
                    is_news = true;
                }
                () = self.abandoned.cancelled() => return,
            }
        }
    }

    /// Returns whether somebody is so far behind that the command has to wait.
    fn is_ahead(&self) -> bool {
        let state = self.state();
        state.readers.values().any(|position| state.log.ahead_of(position) > AHEAD)
    }

    /// Stops waiting for those who are behind, until they read again.
    fn pass_over_stalled(&self) {
        let state = &mut *self.state();
        state.readers.retain(|_, position| state.log.ahead_of(position) <= AHEAD);
    }

    fn write(&self, stream: Stream, streams: &mut [Decoder; 2], bytes: &Bytes) {
        let text = streams[stream as usize].push(bytes);
        self.state().log.push(stream, &text);
        self.news.send_replace(());
    }

    fn finish(&self, streams: &mut [Decoder; 2], end: End) {
        for stream in [Stream::Stdout, Stream::Stderr] {
            let text = streams[stream as usize].finish();
            self.state().log.push(stream, &text);
        }
        self.end(end);
    }

    fn end(&self, end: End) {
        let mut state = self.state();
        state.end.get_or_insert(end);
        state.process = None;
        drop(state);
        self.news.send_replace(());
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Somebody who is attached to a command; dropping it detaches.
pub(crate) struct Attachment {
    command: Arc<Command>,
    news: watch::Receiver<()>,
    number: u64,
    position: Position,
    is_over: bool,
}

impl Attachment {
    /// Returns the id of the command.
    pub(crate) fn id(&self) -> &str {
        self.command.id()
    }

    /// Returns the process id inside the sandbox, once the command was started; it may have ended.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.command.state().pid
    }

    /// Waits for the next event; `None` after the end. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Option<Event> {
        loop {
            if self.is_over {
                return None;
            }
            self.news.borrow_and_update();
            if let Some(event) = self.read() {
                return Some(event);
            }
            self.news.changed().await.expect("the command holds the sender");
        }
    }

    fn read(&mut self) -> Option<Event> {
        let mut state = self.command.state();
        if let Some(piece) = state.log.read(&mut self.position) {
            state.readers.insert(self.number, self.position);
            self.command.progress.notify_one();
            return Some(Event::Output(piece));
        }
        let end = state.end?;
        self.is_over = true;
        Some(Event::Ended(end))
    }

    /// Returns what the command is told through.
    pub(crate) fn controls(&self) -> Controls {
        Controls { command: Arc::clone(&self.command) }
    }
}

impl Drop for Attachment {
    fn drop(&mut self) {
        self.command.state().readers.remove(&self.number);
        self.command.progress.notify_one();
        self.command.n_attached.send_modify(|n| *n -= 1);
    }
}

/// A way to tell a command something; keeps nothing alive.
#[derive(Clone)]
pub(crate) struct Controls {
    command: Arc<Command>,
}

impl Controls {
    /// Tells the command something, once it has taken what it was told before; does nothing when it has ended.
    pub(crate) async fn tell(&self, order: Control) {
        let process = self.command.state().process.clone();
        if let Some(process) = process {
            tokio::select! {
                // It may end in this very moment.
                _ = process.control.send(order) => {}
                () = process.kill.cancelled() => {}
            }
        }
    }

    /// Kills the command; does nothing when it has ended.
    pub(crate) fn kill(&self) {
        if let Some(process) = &self.command.state().process {
            process.kill.cancel();
        }
    }
}
