//! The colours, by meaning. Nothing depends on them: each also has a sign or a word.

use std::fmt::Display;

use anstyle::{AnsiColor, Effects, Style};

/// What is made.
pub(crate) const ADD: Style = AnsiColor::Green.on_default();
/// What is changed.
pub(crate) const CHANGE: Style = AnsiColor::Yellow.on_default();
/// What is destroyed.
pub(crate) const REMOVE: Style = AnsiColor::Red.on_default();
/// What is in the way, and errors.
pub(crate) const ALERT: Style = AnsiColor::Red.on_default().effects(Effects::BOLD);
/// Warnings.
pub(crate) const WARNING: Style = AnsiColor::Yellow.on_default().effects(Effects::BOLD);
/// What the reader can do.
pub(crate) const HINT: Style = AnsiColor::Cyan.on_default();
/// What matters less.
pub(crate) const DIM: Style = Style::new().effects(Effects::DIMMED);
/// What is looked for first.
pub(crate) const STRONG: Style = Style::new().effects(Effects::BOLD);
/// What looks like everything else.
pub(crate) const PLAIN: Style = Style::new();

/// Puts a text into a style.
pub(crate) fn paint(style: Style, text: impl Display) -> String {
    format!("{style}{text}{style:#}")
}
