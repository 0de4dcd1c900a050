//! Everything that is shown. [`Ui`] alone writes: data to standard output, everything else to standard error.
//!
//! The other modules turn values into text and know neither a client, nor a clock, nor a terminal: they always style,
//! and [`Ui`] takes the styles out again where they do not belong. Every text that somebody else wrote goes through
//! [`escape()`] on its way.

pub(crate) mod diagnostic;
mod difference;
pub(crate) mod drift;
pub(crate) mod escape;
pub(crate) mod github;
pub(crate) mod json;
pub(crate) mod listing;
pub(crate) mod markdown;
mod names;
pub(crate) mod outcome;
pub(crate) mod output;
pub(crate) mod plan;
pub(crate) mod progress;
pub(crate) mod schema;
pub(crate) mod style;
pub(crate) mod table;
mod terminal;

pub(crate) use escape::escape;
pub(crate) use names::names;
pub(crate) use terminal::{ColorWhen, Ui};
