//! The two streams, and who may write what to them.

use std::io::{self, IsTerminal as _, Stderr, Stdout, Write};

use anstream::{AutoStream, ColorChoice};

use super::escape;
use super::output::Outputs;
use super::style::{self, paint};
use crate::env::{self, Environment};
use crate::failure::Failure;

/// When to use colour.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum ColorWhen {
    /// On a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Also in a pipe.
    Always,
    /// Not at all.
    Never,
}

/// How wide a line of a report is where there is no terminal to ask.
const DEFAULT_WIDTH: usize = 120;

/// Where output goes.
///
/// Writing never fails here: a pipe that is closed takes nothing more, which is its reader's right, and the command goes
/// on to its own end. Any other error is kept for [`Ui::write_error`].
pub(crate) struct Ui {
    out: AutoStream<Stdout>,
    err: AutoStream<Stderr>,
    is_out_closed: bool,
    is_quiet: bool,
    is_live: bool,
    can_ask: bool,
    is_out_terminal: bool,
    terminal_width: Option<usize>,
    write_error: Option<io::Error>,
    outputs: Outputs,
    /// What the outputs are still to be about; `None` once they have been written.
    unanswered: Option<About>,
}

/// What a result is about, as far as that is known before there is one.
#[derive(Debug, Clone)]
pub(crate) struct About {
    /// What is being done, such as `plan`.
    pub(crate) command: &'static str,
    /// The target, if one is meant.
    pub(crate) target: Option<String>,
}

/// Returns an error with its causes, and what can be done about it.
pub(crate) fn text_of(failure: &Failure) -> String {
    let line = |style, word, text: &str| format!("{} {}\n", paint(style, word), escape(text));
    let error = line(style::ALERT, "error:", &failure.to_string());
    let causes = failure.causes().into_iter().map(|cause| line(style::DIM, "caused by:", &cause));
    let hints = failure.hints().into_iter().map(|hint| line(style::HINT, "hint:", &hint));
    std::iter::once(error).chain(causes).chain(hints).collect()
}

impl Ui {
    /// Prepares the streams.
    pub(crate) fn new(color: ColorWhen, is_quiet: bool, verbose: u8, environment: &Environment) -> Self {
        let is_dumb = environment.get(env::TERM).is_some_and(|term| term == "dumb");
        let may_color = environment.get(env::NO_COLOR).is_none() && !is_dumb;
        let choice = |is_terminal: bool| match color {
            ColorWhen::Always => ColorChoice::AlwaysAnsi,
            ColorWhen::Auto if is_terminal && may_color => ColorChoice::AlwaysAnsi,
            ColorWhen::Auto | ColorWhen::Never => ColorChoice::Never,
        };
        let (out, err) = (io::stdout(), io::stderr());
        let (out_choice, err_choice) = (choice(out.is_terminal()), choice(err.is_terminal()));
        // Log lines in between would tear a live display apart.
        let is_live = err.is_terminal() && !is_dumb && !is_quiet && verbose == 0;
        Self {
            is_live,
            is_quiet,
            can_ask: io::stdin().is_terminal() && err.is_terminal(),
            is_out_terminal: out.is_terminal(),
            terminal_width: terminal_width(),
            is_out_closed: false,
            write_error: None,
            outputs: Outputs::default(),
            out: AutoStream::new(out, out_choice),
            err: AutoStream::new(err, err_choice),
            unanswered: None,
        }
    }

    /// Takes note of how the result is to be shown, and where else than here.
    pub(crate) fn show_as(&mut self, outputs: Outputs, command: &'static str) {
        self.outputs = outputs;
        self.unanswered = Some(About { command, target: None });
    }

    /// Takes note of the target that is meant.
    pub(crate) fn aim_at(&mut self, target: Option<&str>) {
        if let Some(about) = &mut self.unanswered {
            about.target = target.map(ToOwned::to_owned);
        }
    }

    /// Returns what the outputs are about that nothing has been written to yet, and takes them for written.
    pub(crate) fn answer(&mut self) -> Option<About> {
        self.unanswered.take()
    }

    /// Returns how the result is to be shown, and where else than here.
    pub(crate) fn outputs(&self) -> &Outputs {
        &self.outputs
    }

    /// Writes a part of the result.
    pub(crate) fn data(&mut self, text: &str) {
        if self.is_out_closed {
            return;
        }
        if let Err(error) = self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush()) {
            self.is_out_closed = true;
            if error.kind() != io::ErrorKind::BrokenPipe {
                self.write_error = Some(error);
            }
        }
    }

    /// Passes on what a command wrote to its standard output, as it is.
    ///
    /// # Errors
    ///
    /// Any, a closed pipe too: a command whose output nobody takes is to be ended.
    pub(crate) fn pass_out(&mut self, text: &str) -> io::Result<()> {
        let mut out = self.out.as_inner();
        out.write_all(text.as_bytes()).and_then(|()| out.flush())
    }

    /// Passes on what a command wrote to its standard error, as it is.
    ///
    /// # Errors
    ///
    /// As for [`Ui::pass_out`].
    pub(crate) fn pass_err(&mut self, text: &str) -> io::Result<()> {
        self.err.as_inner().write_all(text.as_bytes())
    }

    /// Writes a line of the result.
    pub(crate) fn line(&mut self, text: &str) {
        self.data(&format!("{text}\n"));
    }

    /// Tells what is going on, unless that is not wanted.
    pub(crate) fn status(&mut self, text: &str) {
        if !self.is_quiet {
            self.tell(&format!("{text}\n"));
        }
    }

    /// Tells what the reader can do, unless that is not wanted.
    pub(crate) fn hint(&mut self, text: &str) {
        self.status(&format!("{} {}", paint(style::HINT, "hint:"), escape(text)));
    }

    /// Tells what is odd, unless that is not wanted.
    pub(crate) fn warning(&mut self, text: &str) {
        self.status(&format!("{} {}", paint(style::WARNING, "warning:"), escape(text)));
    }

    /// Tells what is wrong, in text that is drawn already.
    pub(crate) fn problem(&mut self, drawn: &str) {
        self.tell(drawn);
    }

    /// Tells why the command failed: the error, its causes, and what can be done about it.
    pub(crate) fn failure(&mut self, failure: &Failure) {
        self.tell(&text_of(failure));
    }

    /// Asks, and returns what was typed without the line's end. An end of input is an empty answer.
    ///
    /// # Errors
    ///
    /// Whatever reading the terminal fails with.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves a thread behind that reads the next line; the process should end then.
    pub(crate) async fn ask(&mut self, question: &str) -> io::Result<String> {
        self.tell(question);
        let read = tokio::task::spawn_blocking(|| {
            let mut answer = String::new();
            io::stdin().read_line(&mut answer).map(|_| answer)
        });
        let answer = read.await.map_err(io::Error::other)??;
        if !answer.ends_with('\n') {
            self.end_line();
        }
        Ok(answer.trim_end_matches(['\n', '\r']).to_owned())
    }

    /// Ends the line that a question was left on without an answer.
    pub(crate) fn end_line(&mut self) {
        self.tell("\n");
    }

    /// Returns whether there is somebody to ask.
    pub(crate) fn can_ask(&self) -> bool {
        self.can_ask
    }

    /// Returns whether a display that is drawn again and again makes sense.
    pub(crate) fn is_live(&self) -> bool {
        self.is_live
    }

    /// Returns how wide a line of a report is.
    pub(crate) fn width(&self) -> usize {
        self.terminal_width.unwrap_or(DEFAULT_WIDTH)
    }

    /// Returns the width of the terminal that the result goes to, if it goes to one.
    pub(crate) fn table_width(&self) -> Option<usize> {
        self.terminal_width.filter(|_| self.is_out_terminal)
    }

    /// Takes the first error of writing the result that was not a closed pipe.
    pub(crate) fn write_error(&mut self) -> Option<io::Error> {
        self.write_error.take()
    }

    /// There is nowhere left to report a failure of this to.
    fn tell(&mut self, text: &str) {
        let _ = self.err.write_all(text.as_bytes()).and_then(|()| self.err.flush());
    }
}

fn terminal_width() -> Option<usize> {
    let size = terminal_size::terminal_size_of(io::stderr()).or_else(|| terminal_size::terminal_size_of(io::stdout()));
    size.map(|(width, _)| usize::from(width.0)).filter(|&width| width > 0)
}
