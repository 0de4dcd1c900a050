//! What all documents of one file share: where problems go, and how much more is read.

use super::diagnostic::{Diagnostic, Diagnostics, code};
use super::intern::Interner;
use super::load::Limits;
use super::source::{SourceId, Span};

/// Why reading ended early. What is wrong was reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// The document cannot be used; the next one may be.
    Document,
    /// The rest of the file is not worth reading.
    File,
}

/// What all documents of one file share.
pub(super) struct Shared<'a> {
    pub(super) source: SourceId,
    pub(super) limits: &'a Limits,
    pub(super) interner: &'a mut Interner,
    pub(super) out: &'a mut Diagnostics,
    /// How many nodes the file may still have.
    pub(super) nodes_left: usize,
    /// How many problems of the file are still reported.
    pub(super) problems_left: usize,
}

impl Shared<'_> {
    /// Reports a problem, unless there are too many in this file already.
    pub(super) fn report(&mut self, diagnostic: Diagnostic) -> Result<(), Stop> {
        let span = diagnostic.span();
        self.out.push(diagnostic);
        self.problems_left = self.problems_left.saturating_sub(1);
        if self.problems_left > 0 {
            return Ok(());
        }
        let last = Diagnostic::error(code::LIMIT, "too many problems; the rest of this file was not read");
        self.out.push(match span {
            Some(span) => last.primary(Span { start: span.end, ..span }, "reading ended here"),
            None => last,
        });
        Err(Stop::File)
    }

    /// Counts a node that is about to be made.
    pub(super) fn spend_node(&mut self, span: Span) -> Result<(), Stop> {
        if self.nodes_left == 0 {
            let message = format!("the file has more than {} values", self.limits.nodes);
            let error = Diagnostic::error(code::LIMIT, message).primary(span, "reading ended here");
            self.out.push(error.help("split the file"));
            return Err(Stop::File);
        }
        self.nodes_left -= 1;
        Ok(())
    }
}
