//! The terminal, handed over to a command somewhere else.

use std::io;

use rustix::stdio::stdin;
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};

/// A terminal that passes every key on. Dropping it gives the terminal back as it was.
pub(super) struct RawTerminal {
    before: Termios,
}

impl RawTerminal {
    /// Switches standard input, which has to be a terminal.
    pub(super) fn enter() -> io::Result<Self> {
        let before = tcgetattr(stdin())?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(stdin(), OptionalActions::Now, &raw)?;
        Ok(Self { before })
    }
}

impl Drop for RawTerminal {
    fn drop(&mut self) {
        // There is nobody to tell, and nothing to do about it.
        let _ = tcsetattr(stdin(), OptionalActions::Now, &self.before);
    }
}

/// Returns how many rows and columns the terminal has, if standard input is one.
pub(super) fn size() -> Option<(u16, u16)> {
    tcgetwinsize(stdin())
        .ok()
        .map(|size| (size.ws_row, size.ws_col))
        .filter(|(rows, columns)| *rows > 0 && *columns > 0)
}
